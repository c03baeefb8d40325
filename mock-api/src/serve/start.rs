//! A served mock from start to stop.

use std::net::{IpAddr, Ipv4Addr, SocketAddrV4};
use std::num::NonZeroUsize;
use std::path::PathBuf;

use racegate_model::scenario::Scenario;
use racegate_model::time::{Duration, Timestamp};
use racegate_model::workload::Call;
use racegate_udp::{Shard, ShardError};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use super::addresses::{Addresses, ClientAddress};
use super::clients::{Client, Secrets, tenants};
use super::{ServeError, address};
use crate::clock::{Dial, Pace, RunClock};
use crate::http::{Control, WebAccess, Webhooks};
use crate::server::{ControlConfig, MockServer, ServerConfig};
use crate::service::{News, ServiceConfig, TenantConfig};
use crate::storage::layout::RunEpoch;
use crate::storage::{ExternalBucket, REGION, STORE_LIMIT_DEFAULT};
use crate::targets::Targets;

/// What is served, and where.
#[derive(Debug)]
pub struct Options {
    /// What the platform is like, and the calls that are made.
    pub scenario: Scenario,
    /// Who may log in; the default ones if there is none.
    pub clients: Vec<Client>,
    /// Where to listen.
    pub host: IpAddr,
    /// Port of the API.
    pub port: u16,
    /// Port of the S3 endpoint.
    pub s3_port: u16,
    /// UDP port of the media; none turns it off.
    pub media_port: Option<u16>,
    /// How fast time passes.
    pub pace: Pace,
    /// How much of the workload has happened when the mock starts.
    pub past: Duration,
    /// Requests that the journal remembers.
    pub journal: u32,
    /// Where objects are kept.
    pub storage: Storage,
    /// A bucket of somebody else's that they are put into instead.
    pub external: Option<ExternalBucket>,
    /// Where webhooks may point.
    pub targets: Targets,
    /// What browsers are told, and let do.
    pub web: WebAccess,
}

/// Where objects are kept.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Storage {
    /// In memory.
    Memory,
    /// In memory and in a folder, as files that outlive the mock.
    Folder(PathBuf),
}

/// A served mock.
pub struct Mock {
    server: MockServer,
    shards: Vec<Shard>,
    deliveries: JoinHandle<()>,
    scenario: String,
    clock: RunClock,
    media: Option<SocketAddrV4>,
}

impl Mock {
    /// Starts everything, with one media thread.
    ///
    /// # Errors
    /// [`ServeError`]
    pub async fn start(options: Options) -> Result<Self, ServeError> {
        Self::start_sharded(options, NonZeroUsize::MIN).await
    }

    /// The same with so many media threads; the first has the media port, and each further one the next.
    ///
    /// # Errors
    /// [`ServeError`]
    pub async fn start_sharded(options: Options, shards: NonZeroUsize) -> Result<Self, ServeError> {
        let secrets = if options.host.is_loopback() {
            Secrets::OfSeed
        } else {
            Secrets::Random
        };
        let seed = options.scenario.seed;
        let tenants = tenants(&options.clients, seed, secrets)?;
        let past = options.past;
        let clock = RunClock::dialled(Timestamp::ZERO + past, options.pace);
        let scenario = options.scenario.name.clone();
        let media_port = options.media_port;
        let mut config = server_config(options, tenants);
        config.shards = shards;
        let (mut server, news) = MockServer::start(config, clock).await?;
        let stations = server.take_stations();
        let media = media_port.and_then(|_| Some(server.ingest().get(0)?.address()));
        let wanted = stations.into_iter().filter(|_| media.is_some());
        let spawn = |(nth, station)| Shard::spawn(&format!("media-{nth}"), vec![station]);
        let shards = wanted.enumerate().map(spawn).collect();
        let shards = Result::map_err(shards, |error: ShardError| ServeError::Machine {
            what: "cannot start the media threads",
            source: std::io::Error::other(error),
        })?;
        let deliveries = deliver(news, server.webhooks().clone(), server.control().cloned());
        Ok(Self {
            deliveries: tokio::spawn(deliveries),
            server,
            shards,
            scenario,
            clock,
            media,
        })
    }

    /// The servers.
    #[must_use]
    pub const fn server(&self) -> &MockServer {
        &self.server
    }

    /// The clock.
    #[must_use]
    pub const fn clock(&self) -> RunClock {
        self.clock
    }

    /// Where everything is.
    #[must_use]
    pub fn addresses(&self) -> Addresses {
        let api = self.server.api_url();
        let tenants = self.server.service().tenants().iter();
        let clients = tenants.map(|tenant| {
            let config = tenant.config();
            ClientAddress {
                client_id: config.credentials.client_id.clone(),
                client_secret: config.credentials.client_secret.clone(),
                organization: config.organization.clone(),
                bucket: match self.server.external() {
                    None => config.organization.clone(),
                    Some(external) => external.key.bucket.clone(),
                },
            }
        });
        Addresses {
            pid: std::process::id(),
            login: api.clone(),
            s3: self.server.s3_url(),
            s3_region: REGION.to_owned(),
            signalling: self.server.signalling_url(),
            media: self.media.map(|address| address.to_string()),
            admin: format!("{api}/__admin"),
            openapi: format!("{api}/openapi.json"),
            health: format!("{api}/healthz"),
            scenario: self.scenario.clone(),
            seed: self.server.service().seed().0,
            clock: self.clock.dial().map_or(Pace::REAL, Dial::pace).to_string(),
            clients: clients.collect(),
            api,
        }
    }

    /// The call that ended last, if any has.
    pub(super) fn last_call(&self) -> Option<Call> {
        self.server.service().calls().last_ended(1).pop()
    }

    /// Stops accepting, finishes what is under way, and ends.
    pub async fn stop(self) {
        self.deliveries.abort();
        self.server.stop().await;
        for shard in self.shards {
            if let Err(error) = shard.stop() {
                tracing::warn!(%error, "a media thread did not end well");
            }
        }
    }
}

fn server_config(options: Options, tenants: Vec<TenantConfig>) -> ServerConfig {
    let scenario = options.scenario;
    let past = i64::try_from(options.past.as_nanos() / 1_000_000).unwrap_or(0);
    let epoch = RunEpoch::now().wall_time(Timestamp::ZERO).unix_millis() - past;
    let media_host = match options.host {
        IpAddr::V4(host) => host,
        IpAddr::V6(_) => Ipv4Addr::LOCALHOST,
    };
    ServerConfig {
        service: ServiceConfig::apart(&scenario, tenants, RunEpoch::from_unix_millis(epoch)),
        http: address(options.host, options.port),
        s3: address(options.host, options.s3_port),
        media: SocketAddrV4::new(media_host, options.media_port.unwrap_or(0)),
        shards: NonZeroUsize::MIN,
        stack: scenario.workload.live.ingest_stack,
        storage_max: STORE_LIMIT_DEFAULT,
        external: options.external,
        targets: options.targets,
        web: options.web,
        data_folder: match options.storage {
            Storage::Memory => None,
            Storage::Folder(folder) => Some(folder),
        },
        control: Some(ControlConfig {
            workload: Some(scenario.workload),
            journal: options.journal,
        }),
    }
}

/// Sends notifications on their way, some of them more than once if a fault says so.
async fn deliver(
    mut news: mpsc::UnboundedReceiver<News>,
    webhooks: Webhooks,
    control: Option<Control>,
) {
    while let Some(news) = news.recv().await {
        let News::Deliver(delivery) = news else {
            continue;
        };
        let subscription = &delivery.subscription;
        let url = subscription.url.as_deref().unwrap_or_default();
        let times = control
            .as_ref()
            .map_or(1, |control| control.deliveries(url, subscription.tenant));
        for _ in 0..times {
            if let Err(error) = webhooks.deliver(&delivery) {
                tracing::debug!(%error, "a webhook was not sent");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use futures_util::{SinkExt, StreamExt};
    use serde_json::{Value, json};
    use tokio_tungstenite::tungstenite::Message;

    use super::*;

    fn options() -> Options {
        Options {
            scenario: super::super::load_scenario(None, &[]).unwrap(),
            clients: Vec::new(),
            host: IpAddr::V4(Ipv4Addr::LOCALHOST),
            port: 0,
            s3_port: 0,
            media_port: Some(0),
            pace: Pace::MANUAL,
            past: Duration::ZERO,
            journal: 10,
            storage: Storage::Memory,
            external: None,
            targets: Targets::loopback(),
            web: WebAccess::default(),
        }
    }

    /// The media address that a call on a connection of its own is offered.
    async fn offered(signalling: &str) -> String {
        let (mut socket, _) = tokio_tungstenite::connect_async(signalling).await.unwrap();
        let mut say = json!({
            "jsonrpc": "2.0", "id": 1, "method": "call", "params": { "conversationId": "c" },
        });
        loop {
            socket.send(Message::text(say.to_string())).await.unwrap();
            let heard = socket.next().await.unwrap().unwrap();
            let heard: Value = serde_json::from_str(heard.to_text().unwrap()).unwrap();
            if let Some(sdp) = heard["params"]["sdp"].as_str() {
                let candidate = sdp.lines().find(|line| line.starts_with("a=candidate"));
                let words: Vec<_> = candidate.unwrap().split(' ').collect();
                return format!("{}:{}", words[4], words[5]);
            }
            say["method"] = json!("proceed");
            say["params"] = json!({ "sessionId": heard["params"]["sessionId"] });
        }
    }

    #[tokio::test]
    async fn every_media_thread_has_its_turn_and_a_port_of_its_own() {
        let three = NonZeroUsize::new(3).unwrap();
        let mock = Mock::start_sharded(options(), three).await.unwrap();
        let signalling = mock.addresses().signalling;
        let mut seen = BTreeSet::new();
        for _ in 0..3 {
            seen.insert(offered(&signalling).await);
        }
        let shards = mock.server().ingest().iter();
        let bound: BTreeSet<_> = shards.map(|shard| shard.address().to_string()).collect();
        assert_eq!((seen.len(), seen), (3, bound));
        mock.stop().await;
    }
}
