//! A small platform behind the API, and a client that knows nothing of our own.

use std::net::SocketAddr;
use std::time::Duration as StdDuration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use mock_api::clock::RunClock;
use mock_api::http::{ApiConfig, ApiState, ClientConfig, Server, WebhookSettings, Webhooks, serve};
use mock_api::service::{News, Service, TenantConfig, drive};
use mock_api::storage::Store;
use mock_api::storage::layout::RunEpoch;
use racegate_model::draws::Seed;
use racegate_model::field::Kind;
use racegate_model::ids::{ConversationId, RecordingId, RecordingIndex, TenantIndex};
use racegate_model::scenario::PlatformSpec;
use racegate_model::time::Duration;
use racegate_model::timeline::Hold;
use racegate_model::workload::Call;
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::platform::service_config;
pub(crate) use crate::platform::{millis, platform};

pub(crate) const SEED: Seed = Seed(42);
/// 2026-03-07T09:00:00Z.
pub(crate) const EPOCH: RunEpoch = RunEpoch::from_unix_millis(1_772_874_000_000);

/// A served platform.
pub(crate) struct World {
    pub(crate) service: Service,
    pub(crate) clock: RunClock,
    pub(crate) server: Server,
    pub(crate) webhooks: Webhooks,
    driver: tokio::task::JoinHandle<()>,
}

impl Drop for World {
    fn drop(&mut self) {
        self.driver.abort();
    }
}

impl World {
    pub(crate) async fn start(platform: PlatformSpec) -> Self {
        Self::start_with(platform, ApiConfig::new(EPOCH)).await
    }

    pub(crate) async fn start_with(platform: PlatformSpec, config: ApiConfig) -> Self {
        Self::start_on(RunClock::start(), platform, config).await
    }

    /// Likewise, on a clock that a test may set.
    pub(crate) async fn start_on(
        clock: RunClock,
        platform: PlatformSpec,
        config: ApiConfig,
    ) -> Self {
        let service = service_config(SEED, EPOCH, platform);
        let (service, mut news) = Service::new(service, Store::default());
        let state = ApiState::new(service.clone(), clock, config);
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let server = serve(listener, state).expect("a listener has an address");
        let settings = WebhookSettings {
            backoff: StdDuration::from_millis(5),
            ..WebhookSettings::default()
        };
        let webhooks = Webhooks::new(service.clone(), EPOCH, settings);
        let (driven, sender) = (service.clone(), webhooks.clone());
        let driver = tokio::spawn(async move {
            let deliver = async {
                while let Some(news) = news.recv().await {
                    if let News::Deliver(delivery) = news {
                        sender.deliver(&delivery).expect("the queue has room");
                    }
                }
            };
            tokio::join!(drive(driven, clock), deliver);
        });
        Self {
            service,
            clock,
            server,
            webhooks,
            driver,
        }
    }

    /// Moves a clock that may be set.
    pub(crate) fn advance(&self, by: Duration) {
        let dial = self.clock.dial().expect("the clock can be set");
        dial.set(self.clock.now() + by).expect("it goes forwards");
    }

    /// A call of half a second that ends now.
    pub(crate) fn end_call(&self, index: u64, kind: Kind, hold: Hold) -> Call {
        let now = self.clock.now();
        let duration = Duration::from_millis(500).min(now.since(Default::default()));
        let index = RecordingIndex(index);
        let call = Call {
            index,
            arrival: now - duration,
            duration,
            kind,
            hold,
        };
        self.service.calls().begin(call);
        self.service.session_ended(now, &call);
        call
    }

    pub(crate) fn api(&self) -> Http {
        Http {
            address: self.server.address(),
            token: None,
        }
    }

    /// A logged-in client of tenant `index`.
    pub(crate) async fn tenant(&self, index: u32) -> Http {
        let credentials = &self.tenant_config(index).credentials;
        let (id, secret) = (&credentials.client_id, &credentials.client_secret);
        let basic = STANDARD.encode(format!("{id}:{secret}"));
        let head = format!(
            "authorization: Basic {basic}\r\ncontent-type: application/x-www-form-urlencoded\r\n"
        );
        let body = "grant_type=client_credentials";
        let answer = self.api().send("POST", "/oauth/token", &head, body).await;
        assert_eq!(answer.status, 200, "{}", answer.text);
        let token = answer.json()["access_token"]
            .as_str()
            .expect("a token")
            .to_owned();
        Http {
            address: self.server.address(),
            token: Some(token),
        }
    }

    pub(crate) fn tenant_config(&self, index: u32) -> &TenantConfig {
        self.service
            .tenant(TenantIndex(index))
            .expect("there are two tenants")
            .config()
    }

    pub(crate) fn client_config(&self, index: u32) -> ClientConfig {
        let credentials = self.tenant_config(index).credentials.clone();
        ClientConfig::new(self.server.url(), credentials, SEED, EPOCH)
    }
}

pub(crate) fn conversation(index: u64) -> ConversationId {
    ConversationId::of(SEED, RecordingIndex(index))
}

pub(crate) fn recording(index: u64) -> RecordingId {
    RecordingId::of(SEED, RecordingIndex(index))
}

/// The query of an export job for these conversations.
pub(crate) fn export_of(conversations: &[String]) -> String {
    let predicates: Vec<Value> = conversations
        .iter()
        .map(|id| {
            serde_json::json!({
                "type": "dimension", "dimension": "conversationId",
                "operator": "matches", "value": id,
            })
        })
        .collect();
    serde_json::json!({
        "action": "EXPORT",
        "actionDate": "2026-03-07T09:00:00.000Z",
        "integrationId": "b0c1",
        "conversationQuery": {
            "interval": "2026-03-01T00:00:00.000Z/2026-03-30T00:00:00.000Z",
            "conversationFilters": [{"type": "or", "predicates": predicates}],
        },
    })
    .to_string()
}

/// HTTP by hand, one connection per request.
#[derive(Clone)]
pub(crate) struct Http {
    pub(crate) address: SocketAddr,
    pub(crate) token: Option<String>,
}

pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) text: String,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|_| panic!("no JSON: {:?}", self.text))
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| {
            let (key, value) = line.split_once(':')?;
            key.eq_ignore_ascii_case(name).then(|| value.trim())
        })
    }

    /// The `code` of an error body, whose other keys must be right.
    pub(crate) fn code(&self) -> String {
        let body = self.json();
        assert_eq!(body["status"], self.status, "{body}");
        assert_eq!(
            body["contextId"].as_str(),
            self.header("inin-correlation-id"),
            "{body}"
        );
        assert!(
            body["message"].is_string() && body["details"].is_array(),
            "{body}"
        );
        assert!(
            body["errors"].as_array().is_some_and(Vec::is_empty),
            "{body}"
        );
        body["code"].as_str().expect("a code").to_owned()
    }
}

impl Http {
    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.send("GET", path, "", "").await
    }

    pub(crate) async fn json(&self, method: &str, path: &str, body: &str) -> Answer {
        self.send(method, path, "content-type: application/json\r\n", body)
            .await
    }

    pub(crate) async fn send(&self, method: &str, path: &str, head: &str, body: &str) -> Answer {
        let head = format!("host: x\r\n{head}");
        self.send_to_host(method, path, &head, body).await
    }

    /// The head names the host.
    pub(crate) async fn send_to_host(
        &self,
        method: &str,
        path: &str,
        head: &str,
        body: &str,
    ) -> Answer {
        let bearer = self
            .token
            .as_ref()
            .map(|token| format!("authorization: Bearer {token}\r\n"));
        let length = match body.len() {
            0 => String::new(),
            length => format!("content-length: {length}\r\n"),
        };
        let bearer = bearer.unwrap_or_default();
        let request = format!(
            "{method} {path} HTTP/1.1\r\nconnection: close\r\n{bearer}{head}{length}\r\n{body}"
        );
        self.raw(request.as_bytes()).await.expect("an answer")
    }

    /// Sends bytes and reads what comes; none if the connection is closed without an answer.
    pub(crate) async fn raw(&self, request: &[u8]) -> Option<Answer> {
        let mut stream = TcpStream::connect(self.address)
            .await
            .expect("the server listens");
        stream.write_all(request).await.expect("the server reads");
        let mut bytes = Vec::new();
        let read = tokio::time::timeout(StdDuration::from_secs(20), stream.read_to_end(&mut bytes));
        read.await
            .expect("the server answers or closes")
            .expect("it closes in good order");
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let (head, text) = text.split_once("\r\n\r\n")?;
        let status = head.split(' ').nth(1)?.parse().ok()?;
        Some(Answer {
            status,
            head: head.to_owned(),
            text: text.to_owned(),
        })
    }
}
