//! Everything that the mock serves, with calls that come in all the time, for foreign clients to be
//! tried on: `cargo run -p mock-api --example everything`. Prints what a client needs as shell
//! assignments and runs until its standard input is closed.

use std::io::{Read as _, Write as _};

use mock_api::clock::RunClock;
use mock_api::http::{
    ApiConfig, ApiState, FurtherClient, Permissions, Server, WebhookSettings, Webhooks, serve,
};
use mock_api::service::{Credentials, News, Service, ServiceConfig, TenantConfig, drive};
use mock_api::storage::layout::RunEpoch;
use mock_api::storage::{AccessKey, EndpointLimits, S3Endpoint, Store};
use racegate_model::draws::Seed;
use racegate_model::field::Kind;
use racegate_model::ids::RecordingIndex;
use racegate_model::scenario::{PlatformSpec, RateLimit};
use racegate_model::time::{Duration, Probability};
use racegate_model::timeline::Hold;
use racegate_model::workload::Call;
use tokio::net::TcpListener;

/// The platform of the tests: everything is visible at once, until it is changed.
#[path = "../tests/http/platform.rs"]
mod platform;

const SEED: Seed = Seed(42);
/// Calls that are over when the server starts.
const FIRST: u64 = 30;
/// One more begins every half second, up to so many.
const CALLS: u64 = 100_000;
const PAUSE: Duration = Duration::from_millis(500);
const LENGTH: Duration = Duration::from_millis(400);

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let epoch = RunEpoch::now();
    let config = platform::service_config(SEED, epoch, spec());
    let keys: Vec<AccessKey> = config.tenants.iter().map(key).collect();
    let (service, mut news) = Service::new(config, Store::default());
    let clock = RunClock::start();
    let api = api_config(epoch, &service);
    let state = ApiState::new(service.clone(), clock, api);
    let server = serve(TcpListener::bind("127.0.0.1:0").await?, state)?;
    let store = service.store().clone();
    let limits = EndpointLimits::default();
    let s3 = S3Endpoint::start("127.0.0.1:0".parse()?, store, &keys, limits).await?;
    let webhooks = Webhooks::new(service.clone(), epoch, WebhookSettings::default());
    tokio::spawn(drive(service.clone(), clock));
    tokio::spawn(async move {
        while let Some(news) = news.recv().await {
            if let News::Deliver(delivery) = news
                && let Err(error) = webhooks.deliver(&delivery)
            {
                tracing::debug!(%error, "a webhook was not sent");
            }
        }
    });
    tokio::spawn(place_calls(service.clone(), clock));
    print(&server, &s3, &keys)?;
    let closed = tokio::task::spawn_blocking(|| std::io::stdin().read_to_end(&mut Vec::new()));
    closed.await??;
    server.shutdown().await;
    s3.shutdown().await;
    Ok(())
}

/// Late enough that a client has to wait for everything, early enough that it does not wait long.
fn spec() -> PlatformSpec {
    let mut spec = platform::platform();
    spec.kinds.webrtc.media_lag = platform::millis(300);
    spec.kinds.webrtc.metadata_lag = platform::millis(600);
    spec.export.query_time = platform::millis(200);
    spec.export.latency = platform::millis(300);
    spec.export.failure = Probability::new(0.2).unwrap_or(Probability::ZERO);
    spec.api.rate_limit = Some(RateLimit {
        calls: 100_000,
        window: Duration::from_secs(60),
    });
    spec
}

fn key(tenant: &TenantConfig) -> AccessKey {
    AccessKey {
        id: tenant.credentials.client_id.clone(),
        secret: tenant.credentials.client_secret.clone(),
        bucket: tenant.organization.clone(),
    }
}

/// Beside the tenants' own clients: a colleague in the first organization, and a guest there who
/// may read and nothing else.
fn api_config(epoch: RunEpoch, service: &Service) -> ApiConfig {
    let mut config = ApiConfig::new(epoch);
    let tenant = service.tenants()[0].config().index;
    for name in ["colleague", "guest"] {
        config.further_clients.push(FurtherClient {
            tenant,
            credentials: Credentials {
                client_id: name.to_owned(),
                client_secret: format!("{name}-secret"),
            },
        });
    }
    let guest = Permissions::only(["recording:recording:view"]);
    config.permissions.insert("guest".to_owned(), guest);
    config
}

async fn place_calls(service: Service, clock: RunClock) {
    for index in 0..CALLS {
        let arrival = clock.now() + Duration::from_millis(1);
        let call = Call {
            index: RecordingIndex(index),
            arrival,
            duration: LENGTH,
            kind: if index % 4 == 3 {
                Kind::Sip
            } else {
                Kind::Webrtc
            },
            hold: if index % 3 == 0 {
                Hold::Held
            } else {
                Hold::Free
            },
        };
        service.calls().begin(call);
        let audio = format!("OggS{index:020}").repeat(64);
        if service.store_media(call.index, audio.into()).is_err() {
            return;
        }
        if index >= FIRST {
            clock.sleep_until(call.ended_at()).await;
        }
        service.session_ended(call.ended_at(), &call);
        if index >= FIRST {
            clock.sleep_until(arrival + PAUSE).await;
        }
    }
}

fn print(server: &Server, s3: &S3Endpoint, keys: &[AccessKey]) -> std::io::Result<()> {
    let mut out = std::io::stdout();
    let (mine, other) = (&keys[0], &keys[1]);
    let lines = [
        ("API_URL", server.url()),
        ("CLIENT_ID", mine.id.clone()),
        ("CLIENT_SECRET", mine.secret.clone()),
        ("OTHER_CLIENT_ID", other.id.clone()),
        ("OTHER_CLIENT_SECRET", other.secret.clone()),
        ("S3_ENDPOINT", s3.url()),
        ("S3_ACCESS_KEY", mine.id.clone()),
        ("S3_SECRET_KEY", mine.secret.clone()),
        ("S3_BUCKET", mine.bucket.clone()),
        ("S3_OTHER_BUCKET", other.bucket.clone()),
    ];
    for (name, value) in lines {
        writeln!(out, "export {name}={value}")?;
    }
    out.flush()
}
