//! The servers that are compared, each a child process of this program. A child gets the body that
//! it serves on the first line of stdin, says where it listens on stdout, and ends with stdin.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::SocketAddr;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::rc::Rc;

use axum::Router;
use axum::http::header::CONTENT_TYPE;
use axum::response::IntoResponse as _;
use axum::routing::get;
use clap::ValueEnum;
use mock_api::clock::Pace;
use mock_api::http::WebAccess;
use mock_api::serve::{Mock, Options, Storage, load_scenario};
use mock_api::service::On;
use mock_api::targets::Targets;
use racegate_model::draws::Seed;
use racegate_model::field::{Field, FieldSet, Kind};
use racegate_model::ids::{ConversationId, RecordingId, RecordingIndex};
use racegate_model::time::{Duration, Timestamp};
use racegate_model::timeline::{FieldClock, Hold, STAGES_MAX, StageTimes, Timeline};
use racegate_model::workload::Call;
use racegate_scenario::Override;
use serde_json::Value;

use super::load::{Load, Target};
use racegate_model::analysis::Exit;

/// A server that is compared.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub(crate) enum Peer {
    /// Our mock.
    Ours,
    /// An axum handler that answers a constant.
    Axum,
    /// The wiremock crate.
    Wiremock,
}

impl Peer {
    /// Its name on the command line.
    #[must_use]
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Ours => "ours",
            Self::Axum => "axum",
            Self::Wiremock => "wiremock",
        }
    }
}

const SEED: Seed = Seed(42);

/// A server that runs.
pub(super) struct Served {
    child: Child,
    /// Ends the child when it is closed.
    stdin: Option<ChildStdin>,
    address: SocketAddr,
    secret: String,
    held: u64,
}

impl Drop for Served {
    fn drop(&mut self) {
        drop(self.stdin.take());
        drop(self.child.wait());
    }
}

impl Served {
    /// Starts a peer that serves `body`, or holds so many recordings.
    pub(super) fn start(peer: Peer, held: u64, body: &str) -> Result<Self, Exit> {
        let program = std::env::current_exe().map_err(Exit::internal)?;
        let mut child = Command::new(program)
            .args(["mock", "--peer", peer.name(), "--held", &held.to_string()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(Exit::internal)?;
        let mut stdin = child.stdin.take();
        if let Some(stdin) = &mut stdin {
            writeln!(stdin, "{body}").map_err(Exit::internal)?;
        }
        let mut line = String::new();
        if let Some(stdout) = child.stdout.take() {
            let read = BufReader::new(stdout).read_line(&mut line);
            read.map_err(Exit::internal)?;
        }
        let said: Vec<&str> = line.split_whitespace().collect();
        let address = said.first().and_then(|text| text.parse().ok());
        let address =
            address.ok_or_else(|| Exit::internal(format!("{} did not start", peer.name())))?;
        Ok(Self {
            child,
            stdin,
            address,
            held,
            secret: said.get(1).copied().unwrap_or_default().to_owned(),
        })
    }

    pub(super) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Reads of the recordings that it holds, `count` of them spread over all.
    pub(super) fn recordings(&self, load: &Load, count: u64) -> Result<Target, Exit> {
        let token = self.log_in(load)?;
        let held = self.held.max(1);
        let step = (held / count.max(1)).max(1);
        let requests = (0..count).map(|nth| {
            let index = RecordingIndex((nth * step) % held);
            let conversation = ConversationId::of(SEED, index);
            let recording = RecordingId::of(SEED, index);
            let path = format!("/api/v2/conversations/{conversation}/recordings/{recording}");
            request(&path, &token)
        });
        Ok(Target {
            address: self.address,
            requests: requests.collect(),
        })
    }

    /// The same requests as `like` makes.
    pub(super) fn same(&self, like: &Target) -> Target {
        Target {
            address: self.address,
            requests: Rc::clone(&like.requests),
        }
    }

    /// Requests that ours has counted so far.
    pub(super) fn journal(&self, load: &Load) -> Result<Journal, Exit> {
        let path = "/__admin/requests?limit=1";
        let request = format!("GET {path} HTTP/1.1\r\nhost: {}\r\n\r\n", self.address);
        let body = self.ask(load, request)?;
        let number = |key: &str| body[key].as_u64().unwrap_or(0);
        Ok(Journal {
            requests: number("total"),
            bytes: number("bytes"),
        })
    }

    fn log_in(&self, load: &Load) -> Result<String, Exit> {
        let form = format!(
            "grant_type=client_credentials&client_id=client-1&client_secret={}",
            self.secret
        );
        let request = format!(
            "POST /oauth/token HTTP/1.1\r\nhost: x\r\n\
             content-type: application/x-www-form-urlencoded\r\ncontent-length: {}\r\n\r\n{form}",
            form.len()
        );
        let body = self.ask(load, request)?;
        let token = body["access_token"].as_str().map(str::to_owned);
        token.ok_or_else(|| Exit::internal("the mock gives no token"))
    }

    fn ask(&self, load: &Load, request: String) -> Result<Value, Exit> {
        let requests = Rc::new([request.into_bytes().into_boxed_slice()]);
        let target = Target {
            address: self.address,
            requests,
        };
        serde_json::from_str(&load.body(&target)?).map_err(Exit::internal)
    }
}

/// The journal of ours.
#[derive(Clone, Copy, Debug)]
pub(super) struct Journal {
    /// Requests so far.
    pub(super) requests: u64,
    /// What it takes in memory.
    pub(super) bytes: u64,
}

fn request(path: &str, token: &str) -> Box<[u8]> {
    let text = format!(
        "GET {path} HTTP/1.1\r\nhost: 127.0.0.1\r\nauthorization: Bearer {token}\r\n\
         accept: application/json\r\nuser-agent: racegate\r\n\r\n"
    );
    text.into_bytes().into_boxed_slice()
}

/// Serves until stdin ends.
pub(super) fn serve(peer: Peer, held: u64) -> Result<(), Exit> {
    let mut body = String::new();
    let read = std::io::stdin().lock().read_line(&mut body);
    read.map_err(Exit::internal)?;
    let body = body.trim_end().to_owned();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(Exit::internal)?;
    runtime.block_on(async {
        match peer {
            Peer::Ours => ours(held).await?,
            Peer::Axum => constant(body).await?,
            Peer::Wiremock => wiremock_server(body).await?,
        }
        Ok(())
    })
}

fn listening(address: impl std::fmt::Display) {
    // A side that nobody hears of is killed by the one that started it.
    drop(racegate::output::print(&address.to_string()));
}

/// Comes true when stdin ends.
async fn stdin_ended() {
    // It does not matter whether it ends or fails.
    drop(
        tokio::task::spawn_blocking(|| std::io::copy(&mut std::io::stdin(), &mut std::io::sink()))
            .await,
    );
}

async fn constant(body: String) -> Result<(), Exit> {
    let body: &'static str = body.leak();
    let handler =
        move || async move { ([(CONTENT_TYPE, "application/json")], body).into_response() };
    let path = "/api/v2/conversations/{conversation}/recordings/{recording}";
    let router = Router::new().route(path, get(handler));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await;
    let listener = listener.map_err(Exit::internal)?;
    listening(listener.local_addr().map_err(Exit::internal)?);
    let listener =
        axum::serve::ListenerExt::tap_io(listener, |stream: &mut tokio::net::TcpStream| {
            drop(stream.set_nodelay(true));
        });
    let served = axum::serve(listener, router).with_graceful_shutdown(stdin_ended());
    served.await.map_err(Exit::internal)
}

async fn wiremock_server(body: String) -> Result<(), Exit> {
    let server = wiremock::MockServer::start().await;
    let answer = wiremock::ResponseTemplate::new(200).set_body_raw(body, "application/json");
    wiremock::Mock::given(wiremock::matchers::method("GET"))
        .respond_with(answer)
        .mount(&server)
        .await;
    listening(server.address());
    stdin_ended().await;
    Ok(())
}

async fn ours(held: u64) -> Result<(), Exit> {
    // The limiter works, and lets everything pass; hardly any call comes on its own.
    let changes = ["platform.api.rate_limit=60000000/min", "workload.rate=1/h"];
    let changes: Vec<Override> = changes.into_iter().map(Override::set).collect();
    let mock = Mock::start(Options {
        scenario: load_scenario(None, &changes).map_err(Exit::internal)?,
        clients: Vec::new(),
        host: std::net::Ipv4Addr::LOCALHOST.into(),
        port: 0,
        s3_port: 0,
        media_port: None,
        pace: Pace::REAL,
        past: Duration::from_secs(60),
        journal: mock_api::http::JOURNAL_DEFAULT,
        storage: Storage::Memory,
        external: None,
        targets: Targets::loopback(),
        web: WebAccess::default(),
    })
    .await
    .map_err(Exit::internal)?;
    for index in 0..held {
        let (call, timeline) = recording(RecordingIndex(index));
        mock.server().service().calls().begin(call);
        mock.server().service().place(&call, &timeline, On::Every);
    }
    let at = mock.addresses();
    let secret = at
        .clients
        .first()
        .map(|client| client.client_secret.as_str());
    let address = at.api.trim_start_matches("http://");
    listening(format!("{address} {}", secret.unwrap_or_default()));
    stdin_ended().await;
    mock.stop().await;
    Ok(())
}

/// A call that ended before the mock was started, and of which everything is visible.
fn recording(index: RecordingIndex) -> (Call, Timeline) {
    let call = Call {
        index,
        arrival: Timestamp::ZERO,
        duration: Duration::from_secs(5),
        kind: Kind::Webrtc,
        hold: Hold::Held,
    };
    let at = call.ended_at();
    let clock = FieldClock {
        null_at: at,
        value_at: at,
        index_at: at,
    };
    let timeline = Timeline {
        recording: index,
        tenant: None,
        kind: call.kind,
        region: racegate_model::timeline::Region::First,
        hold: call.hold,
        started_at: call.arrival,
        ended_at: at,
        media_at: at,
        state_at: at,
        submitted_at: at,
        written_at: at,
        fields: [clock; Field::METADATA_COUNT],
        stages: [StageTimes::NONE; STAGES_MAX],
        false_fields: FieldSet::EMPTY,
        null_fields: FieldSet::EMPTY,
        lost_cause: None,
        hold_cause: None,
        index_cause: None,
        later: None,
        revisions: Vec::new(),
    };
    (call, timeline)
}
