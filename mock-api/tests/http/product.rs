//! A served mock whose clock stands still until a test says otherwise.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use mock_api::clock::Pace;
use mock_api::http::WebAccess;
use mock_api::serve::{Mock, Options, Storage, load_scenario};
use mock_api::storage::ExternalBucket;
use mock_api::targets::Targets;
use racegate_model::time::Duration;
use racegate_scenario::Override;
use serde_json::Value;

use crate::support::{Answer, Http};

pub(crate) struct Product {
    pub(crate) mock: Mock,
    pub(crate) api: Http,
}

impl Product {
    /// With nothing in it: no call has happened yet.
    pub(crate) async fn start(changes: &[&str]) -> Self {
        Self::start_with(changes, None, WebAccess::default()).await
    }

    /// Likewise, its objects in somebody else's bucket.
    pub(crate) async fn start_elsewhere(bucket: ExternalBucket) -> Self {
        Self::start_with(&[], Some(bucket), WebAccess::default()).await
    }

    /// Likewise, for browsers that are told so.
    pub(crate) async fn start_for(web: WebAccess) -> Self {
        Self::start_with(&[], None, web).await
    }

    async fn start_with(
        changes: &[&str],
        external: Option<ExternalBucket>,
        web: WebAccess,
    ) -> Self {
        let overrides: Vec<Override> = changes.iter().copied().map(Override::set).collect();
        let mock = Mock::start(Options {
            scenario: load_scenario(None, &overrides).expect("the built-in scenario is right"),
            clients: Vec::new(),
            host: "127.0.0.1".parse().expect("an address"),
            port: 0,
            s3_port: 0,
            media_port: None,
            pace: Pace::MANUAL,
            past: Duration::ZERO,
            journal: 1000,
            storage: Storage::Memory,
            external,
            targets: Targets::loopback(),
            web,
        })
        .await
        .expect("there are free ports");
        let address = mock.addresses().api.replace("http://", "");
        let api = Http {
            address: address.parse().expect("an address"),
            token: None,
        };
        Self { mock, api }
    }

    /// A logged-in client.
    pub(crate) async fn client(&self, index: usize) -> Http {
        let client = self.mock.addresses().clients[index].clone();
        let basic = STANDARD.encode(format!("{}:{}", client.client_id, client.client_secret));
        let head = format!(
            "authorization: Basic {basic}\r\ncontent-type: application/x-www-form-urlencoded\r\n"
        );
        let body = "grant_type=client_credentials";
        let answer = self.api.send("POST", "/oauth/token", &head, body).await;
        let token = answer.json()["access_token"].as_str().map(str::to_owned);
        Http {
            address: self.api.address,
            token: Some(token.expect("a token")),
        }
    }

    /// Asks the control plane, which must agree.
    pub(crate) async fn admin(&self, method: &str, path: &str, body: &str) -> Value {
        let answer = self.ask(method, path, body).await;
        assert!(
            (200..300).contains(&answer.status),
            "{path}: {}",
            answer.text
        );
        if answer.text.is_empty() {
            return Value::Null;
        }
        answer.json()
    }

    /// Asks the control plane.
    pub(crate) async fn ask(&self, method: &str, path: &str, body: &str) -> Answer {
        let path = format!("/__admin{path}");
        let mut api = self.api.clone();
        api.token = None;
        let head = format!("host: {}\r\n", api.address);
        api.send_to_host(method, &path, &head, body).await
    }

    pub(crate) async fn advance(&self, by: &str) {
        let body = format!(r#"{{"by": "{by}"}}"#);
        self.admin("POST", "/clock/advance", &body).await;
    }

    pub(crate) fn organization(&self, index: usize) -> String {
        let tenants = self.mock.server().service().tenants();
        tenants[index].config().organization.clone()
    }

    /// Exports a recording with a job and shows how that ended.
    pub(crate) async fn export(&self, api: &Http, added: &Added) -> Value {
        let job = self.begin_export(api, added).await;
        self.done(api, &job).await
    }

    /// Exports a recording with a job whose time is over. Returns its path.
    pub(crate) async fn begin_export(&self, api: &Http, added: &Added) -> String {
        let query = crate::support::export_of(std::slice::from_ref(&added.conversation))
            .replace("2026-03-01", "2020-01-01")
            .replace("2026-03-30", "2090-01-01");
        let job = api.json("POST", "/api/v2/recording/jobs", &query).await;
        assert_eq!(job.status, 202, "{}", job.text);
        let id = job.json()["id"].as_str().expect("an id").to_owned();
        let path = format!("/api/v2/recording/jobs/{id}");
        self.advance("5m").await;
        let started = api.json("PUT", &path, r#"{"state": "PROCESSING"}"#).await;
        assert_eq!(started.status, 200, "{}", started.text);
        self.advance("5m").await;
        path
    }

    /// What a job came to, once everything is where it was put to.
    pub(crate) async fn done(&self, api: &Http, job: &str) -> Value {
        loop {
            let shown = api.get(job).await.json();
            if shown["state"] != "PROCESSING" {
                return shown;
            }
            self.mock.server().service().store().settled().await;
        }
    }

    /// Adds a recording and returns its path on the API.
    pub(crate) async fn add(&self, body: &str) -> Added {
        let added = self.admin("POST", "/recordings", body).await;
        let text = |key: &str| added[key].as_str().expect("an id").to_owned();
        Added {
            conversation: text("conversationId"),
            recording: text("recordingId"),
        }
    }
}

pub(crate) struct Added {
    pub(crate) conversation: String,
    pub(crate) recording: String,
}

impl Added {
    pub(crate) fn metadata(&self) -> String {
        let Self {
            conversation,
            recording,
        } = self;
        format!("/api/v2/conversations/{conversation}/recordingmetadata/{recording}")
    }

    pub(crate) fn path(&self) -> String {
        self.metadata().replace("recordingmetadata", "recordings")
    }

    pub(crate) fn forum(&self) -> String {
        format!("/api/v2/recordings/recording/{}", self.recording)
    }
}
