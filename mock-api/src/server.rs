//! The whole mock on loopback: HTTP API, signalling, S3 endpoint, media ingest and webhooks, around
//! one [`Service`].

mod objects;

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};
use std::time::Instant;

use axum::Extension;
use axum::extract::{Query, State, WebSocketUpgrade};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use bytes::Bytes;
use parking_lot::Mutex;
use racegate_media::{DenseStack, DtlsVersion, PeerError, RtcStack, Sha256, Stack};
use racegate_model::fault::{AudioEnd, Ending, SignallingEnd};
use racegate_model::scenario::{WebrtcStack, Workload};
use racegate_model::time::Timestamp;
use racegate_udp::{BindError, Station};
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use self::objects::Objects;
use crate::archive::{Archive, Keeper};
use crate::clock::RunClock;
use crate::http::{
    self, ApiConfig, ApiState, Control, OwnPage, WebAccess, WebhookSettings, Webhooks,
};
use crate::ingest::{
    EndReason, EndedMedia, IngestEndpoint, IngestSettings, IngestShards, Kept, NoRoom,
    SessionEvents, Started, TakeNumber, upgrade_signalling,
};
use crate::service::{self, News, Service, ServiceConfig};
use crate::softphone::{self, Guests};
use crate::storage::client::ReaderError;
use crate::storage::layout::RunEpoch;
use crate::storage::{AccessKey, EndpointError, ExternalBucket, MediaUpload, Store, StoreError};
use crate::targets::Targets;
use crate::traffic::{self, Traffic};

/// What is on its way to an external S3 gets so long when the mock stops.
const EXTERNAL_GRACE: std::time::Duration = std::time::Duration::from_secs(5);

/// Sessions through memory at once, at most.
const RING_SESSIONS_MAX: usize = 40_000;

/// Where the mock listens, and what it serves.
#[derive(Debug)]
pub struct ServerConfig {
    /// The platform and its tenants.
    pub service: ServiceConfig,
    /// The HTTP API and the signalling; port 0 lets the system choose.
    pub http: SocketAddr,
    /// The S3 endpoint.
    pub s3: SocketAddr,
    /// The media ingest; the first shard's port, which the other shards' follow.
    pub media: SocketAddrV4,
    /// Media shards, each with a station of its own.
    pub shards: NonZeroUsize,
    /// The WebRTC stack of the ingest; offers from outside are taken by the same one, on any version of DTLS.
    pub stack: WebrtcStack,
    /// Bytes of storage at most.
    pub storage_max: u64,
    /// A bucket of somebody else's that is used instead of our own S3 endpoint.
    pub external: Option<ExternalBucket>,
    /// Where webhooks may point.
    pub targets: Targets,
    /// A folder that objects are written to, and found in again.
    pub data_folder: Option<PathBuf>,
    /// What browsers are told, and let do.
    pub web: WebAccess,
    /// The control plane, for a mock that people and scripts use; it also makes the calls.
    pub control: Option<ControlConfig>,
}

/// What a mock with a control plane does by itself.
#[derive(Debug)]
pub struct ControlConfig {
    /// The calls that are made without softphones.
    pub workload: Option<Workload>,
    /// Requests that the journal remembers.
    pub journal: u32,
}

impl ServerConfig {
    /// Everything on 127.0.0.1 at ports that the system chooses.
    #[must_use]
    pub fn loopback(service: ServiceConfig) -> Self {
        let any = SocketAddrV4::new(Ipv4Addr::LOCALHOST, 0);
        let storage_max = crate::storage::STORE_LIMIT_DEFAULT;
        Self {
            service,
            http: any.into(),
            s3: any.into(),
            media: any,
            shards: NonZeroUsize::MIN,
            stack: WebrtcStack::Dense,
            storage_max,
            data_folder: None,
            targets: Targets::loopback(),
            external: None,
            web: WebAccess::default(),
            control: None,
        }
    }
}

/// Why the mock could not be started.
#[derive(Debug, thiserror::Error)]
pub enum ServerError {
    /// The HTTP address cannot be bound.
    #[error("cannot listen on {address} ({source}); choose another port, or 0 for any")]
    Http {
        /// The address.
        address: SocketAddr,
        /// The reason.
        #[source]
        source: std::io::Error,
    },
    /// The external S3 cannot be used.
    #[error(transparent)]
    External(#[from] ReaderError),
    /// The data folder cannot be used.
    #[error("cannot keep objects in {folder} ({source}); name another folder", folder = folder.display())]
    Folder {
        /// Which.
        folder: PathBuf,
        /// The reason.
        #[source]
        source: std::io::Error,
    },
    /// The S3 endpoint cannot be started.
    #[error(transparent)]
    S3(#[from] EndpointError),
    /// The media port cannot be bound.
    #[error(transparent)]
    Media(#[from] BindError),
    /// The media stack cannot be set up.
    #[error(transparent)]
    Stack(#[from] PeerError),
    /// The system gives no thread for the recordings.
    #[error("cannot start the thread that stores recordings ({0})")]
    Archive(std::io::Error),
}

/// How the API is, beside its defaults.
fn api_config(epoch: RunEpoch, (webhook_targets, web): (Targets, WebAccess)) -> ApiConfig {
    ApiConfig {
        webhook_targets,
        web,
        ..ApiConfig::new(epoch)
    }
}

/// The ingest that is reached through memory, once there is one.
type Ring = Arc<OnceLock<IngestShards>>;

/// A running mock. The media ingest runs once its [`Station`]s are on shards.
pub struct MockServer {
    service: Service,
    http: http::Server,
    s3: Objects,
    ingest: IngestShards,
    stations: Vec<Station>,
    stack: Arc<dyn Stack>,
    /// The ingest that is reached through memory, once there is one.
    ring: Ring,
    webhooks: Webhooks,
    received: Arc<PlatformEvents>,
    driver: JoinHandle<()>,
    control: Option<Control>,
}

impl MockServer {
    /// Starts everything; also returns what the platform makes known.
    ///
    /// # Errors
    /// [`ServerError`].
    pub async fn start(
        config: ServerConfig,
        clock: RunClock,
    ) -> Result<(Self, mpsc::UnboundedReceiver<News>), ServerError> {
        let keys: Vec<AccessKey> = config.service.tenants.iter().map(access_key).collect();
        let epoch = config.service.epoch;
        let store = match (&config.external, config.data_folder) {
            (Some(bucket), _) => Store::elsewhere(bucket)?,
            (None, None) => Store::new(config.storage_max),
            (None, Some(folder)) => Store::in_folder(config.storage_max, &folder)
                .map_err(|source| ServerError::Folder { folder, source })?,
        };
        let (service, news) = Service::new(config.service, store);
        let traffic = config.control.as_ref().map(|control| {
            let traffic = Traffic::new(service.clone(), control.workload.as_ref());
            traffic.handle_timeout(clock.now());
            traffic
        });
        let control = config.control.as_ref().zip(traffic.clone());
        let control =
            control.map(|(config, traffic)| Control::new(&service, traffic, config.journal));
        if let Some(control) = &control {
            control.note_refusals(&service, clock);
        }
        let store = service.store().clone();
        let s3 = Objects::start(config.external, config.s3, (store, &keys)).await?;
        let guests = Guests::new(service.clone(), clock);
        let received = Arc::new(PlatformEvents::start(&service, clock, guests.clone())?);
        let settings = IngestSettings {
            address: config.media,
            door: Some(stack_with(config.stack, DtlsVersion::Either)?),
            ..IngestSettings::default()
        };
        let stack = stack_of(config.stack)?;
        let events: Arc<dyn SessionEvents> = Arc::clone(&received) as _;
        let (ingest, stations) = IngestShards::bind(&settings, config.shards, &stack, &events)?;
        let bind = |source| ServerError::Http {
            address: config.http,
            source,
        };
        let listener = TcpListener::bind(config.http).await.map_err(bind)?;
        let api = api_config(epoch, (config.targets, config.web.clone()));
        let state = ApiState::controlled(service.clone(), clock, api, control.clone());
        let ring = Ring::default();
        let signalling = signalling(&ingest, &ring, &config.web);
        let beside = signalling.merge(softphone::routes(&service, &ingest, guests, &config.web));
        let http = http::serve_beside(listener, state, beside).map_err(bind)?;
        let webhooks = Webhooks::new(service.clone(), epoch, WebhookSettings::default());
        let driver = match traffic {
            Some(traffic) => tokio::spawn(traffic::drive(traffic, clock)),
            None => tokio::spawn(service::drive(service.clone(), clock)),
        };
        let server = Self {
            service,
            http,
            s3,
            ingest,
            stations,
            stack,
            ring,
            webhooks,
            received,
            driver,
            control,
        };
        Ok((server, news))
    }

    /// The platform.
    #[must_use]
    pub const fn service(&self) -> &Service {
        &self.service
    }

    /// The media ingest.
    #[must_use]
    pub const fn ingest(&self) -> &IngestShards {
        &self.ingest
    }

    /// The sender of webhooks.
    #[must_use]
    pub const fn webhooks(&self) -> &Webhooks {
        &self.webhooks
    }

    /// The ingest's sockets and endpoints, each to be run on a shard of its own; once.
    pub fn take_stations(&mut self) -> Vec<Station> {
        std::mem::take(&mut self.stations)
    }

    /// The control plane, if there is one.
    #[must_use]
    pub const fn control(&self) -> Option<&Control> {
        self.control.as_ref()
    }

    /// Makes a second ingest of as many shards, for softphones of the same process whose datagrams go through memory: its endpoints
    /// and their address are for a [`racegate_udp::BatchSocket::pair`] each. None are made if there are some already.
    #[must_use]
    pub fn open_ring(&self) -> (Vec<IngestEndpoint>, SocketAddrV4) {
        // Nobody listens there: only the rings know the address.
        let address = SocketAddrV4::new(Ipv4Addr::LOCALHOST, 9);
        let events: Arc<dyn SessionEvents> = Arc::clone(&self.received) as _;
        let settings = IngestSettings {
            address,
            sessions_max: RING_SESSIONS_MAX,
            ..IngestSettings::default()
        };
        let shards = NonZeroUsize::new(self.ingest.iter().count()).unwrap_or(NonZeroUsize::MIN);
        let (ring, endpoints) = IngestShards::detached(&settings, shards, &self.stack, &events);
        if self.ring.set(ring).is_err() {
            return (Vec::new(), address);
        }
        (endpoints, address)
    }

    /// The ingest that is reached through memory, if there is one.
    #[must_use]
    pub fn ring(&self) -> Option<&IngestShards> {
        self.ring.get()
    }

    /// Base URL of the API.
    #[must_use]
    pub fn api_url(&self) -> String {
        self.http.url()
    }

    /// URL of the S3 endpoint.
    #[must_use]
    pub fn s3_url(&self) -> String {
        match &self.s3 {
            Objects::Here(endpoint) => endpoint.url(),
            Objects::Elsewhere(bucket) => bucket.endpoint.clone(),
        }
    }

    /// The bucket of somebody else's that is used instead of our own.
    #[must_use]
    pub const fn external(&self) -> Option<&ExternalBucket> {
        match &self.s3 {
            Objects::Here(_) => None,
            Objects::Elsewhere(bucket) => Some(bucket),
        }
    }

    /// URL of the page with a softphone.
    #[must_use]
    pub fn softphone_url(&self) -> String {
        format!("{}/softphone", self.http.url())
    }

    /// URL of the WHIP endpoint.
    #[must_use]
    pub fn whip_url(&self) -> String {
        format!("{}/whip", self.http.url())
    }

    /// URL of the signalling WebSocket.
    #[must_use]
    pub fn signalling_url(&self) -> String {
        format!("ws://{}/signalling", self.http.address())
    }

    /// URL of the signalling WebSocket for sessions through memory.
    #[must_use]
    pub fn ring_url(&self) -> String {
        format!("ws://{}/signalling/ring", self.http.address())
    }

    /// What was received, by session.
    #[must_use]
    pub fn received(&self) -> Arc<PlatformEvents> {
        Arc::clone(&self.received)
    }

    /// Stops accepting, finishes what is under way, and ends.
    pub async fn stop(self) {
        self.received.archive.flushed().await;
        self.driver.abort();
        self.http.shutdown().await;
        let settled = self.service.store().settled();
        drop(tokio::time::timeout(EXTERNAL_GRACE, settled).await);
        if let Objects::Here(endpoint) = self.s3 {
            endpoint.shutdown().await;
        }
    }
}

/// The WebSockets of softphones, through the kernel and through memory.
fn signalling(ingest: &IngestShards, ring: &Ring, web: &WebAccess) -> axum::Router {
    axum::Router::new()
        .route("/signalling", get(signal))
        .with_state(ingest.clone())
        .route("/signalling/ring", get(signal_ring))
        .with_state(Arc::clone(ring))
        .layer(Extension(web.clone()))
}

/// Which shard a caller wants its sessions on, if it minds.
#[derive(serde::Deserialize)]
struct Wanted {
    shard: Option<usize>,
}

async fn signal(
    State(ingest): State<IngestShards>,
    Query(wanted): Query<Wanted>,
    upgrade: WebSocketUpgrade,
    _: OwnPage,
) -> Response {
    upgrade_on(&ingest, &wanted, upgrade)
}

async fn signal_ring(
    State(ring): State<Ring>,
    Query(wanted): Query<Wanted>,
    upgrade: WebSocketUpgrade,
    _: OwnPage,
) -> Response {
    match ring.get() {
        Some(ingest) => upgrade_on(ingest, &wanted, upgrade),
        None => StatusCode::NOT_FOUND.into_response(),
    }
}

/// A connection stays with one shard.
fn upgrade_on(ingest: &IngestShards, wanted: &Wanted, upgrade: WebSocketUpgrade) -> Response {
    let chosen = match wanted.shard {
        Some(shard) => ingest.get(shard),
        None => Some(ingest.any()),
    };
    match chosen {
        Some(ingest) => upgrade_signalling(upgrade, ingest.clone()),
        None => StatusCode::NOT_FOUND.into_response(),
    }
}

/// Makes a stack, on the version of DTLS that costs least.
///
/// # Errors
/// When no certificate can be made.
pub fn stack_of(stack: WebrtcStack) -> Result<Arc<dyn Stack>, PeerError> {
    stack_with(stack, DtlsVersion::default())
}

fn stack_with(stack: WebrtcStack, version: DtlsVersion) -> Result<Arc<dyn Stack>, PeerError> {
    Ok(match stack {
        WebrtcStack::Dense => Arc::new(DenseStack::with_dtls(version)?),
        WebrtcStack::Str0m => Arc::new(RtcStack::with_dtls(version)?),
    })
}

fn access_key(tenant: &service::TenantConfig) -> AccessKey {
    AccessKey {
        id: tenant.credentials.client_id.clone(),
        secret: tenant.credentials.client_secret.clone(),
        bucket: tenant.organization.clone(),
    }
}

/// Tells the platform of the ingest's sessions, and remembers what their audio was.
pub struct PlatformEvents {
    archive: Archive,
    digests: Digests,
    owners: Owners,
    guests: Guests,
}

/// By conversation.
type Digests = Arc<Mutex<BTreeMap<String, Received>>>;

/// The session whose audio is the recording of its conversation, by that: the first in which audio
/// could flow.
type Owners = Arc<Mutex<BTreeMap<String, String>>>;

/// Brings what was recorded to the platform.
struct Registrar {
    service: Service,
    clock: RunClock,
    digests: Digests,
    owners: Owners,
}

/// What came in of a session's audio.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Received {
    /// SHA-256 over the payloads.
    pub digest: Sha256,
    /// Audio packets.
    pub packets: u64,
    /// Missing ones between the first and the last.
    pub lost: u64,
    /// Whether all of it is in the recording.
    pub kept: Kept,
    /// Why the session ended.
    pub reason: EndReason,
    /// When it ended.
    pub ended_at: Timestamp,
}

impl PlatformEvents {
    fn start(service: &Service, clock: RunClock, guests: Guests) -> Result<Self, ServerError> {
        let (digests, owners) = (Digests::default(), Owners::default());
        let registrar = Registrar {
            service: service.clone(),
            clock,
            digests: Arc::clone(&digests),
            owners: Arc::clone(&owners),
        };
        let archive = Archive::start(service.store().clone(), registrar);
        let archive = archive.map_err(ServerError::Archive)?;
        Ok(Self {
            archive,
            digests,
            owners,
            guests,
        })
    }

    /// What came in of the audio of `conversation_id`.
    #[must_use]
    pub fn of(&self, conversation_id: &str) -> Option<Received> {
        self.digests.lock().get(conversation_id).copied()
    }
}

impl SessionEvents for PlatformEvents {
    fn started(&self, _: &Started) {}

    fn established(&self, conversation_id: &str, session_id: &str, _: Instant) {
        let mut owners = self.owners.lock();
        if let Entry::Vacant(owner) = owners.entry(conversation_id.to_owned()) {
            owner.insert(session_id.to_owned());
            self.guests.arrived(conversation_id);
        }
    }

    fn part(&self, take: TakeNumber, part: Bytes) -> Result<(), NoRoom> {
        self.archive.part(take, part)
    }

    fn ended(&self, ended: EndedMedia) {
        self.archive.ended(ended);
    }
}

impl Registrar {
    fn timestamp(&self, at: Instant) -> Timestamp {
        let late = Instant::now().saturating_duration_since(at);
        let late = u64::try_from(late.as_nanos()).unwrap_or(u64::MAX);
        self.clock.now() - racegate_model::time::Duration::from_nanos(late)
    }
}

impl Keeper for Registrar {
    /// A session in which audio never could flow makes no recording, and neither does one of a
    /// conversation that nobody knows, or that has another session.
    fn keep(&mut self, ended: EndedMedia, recording: Result<MediaUpload, StoreError>) {
        let Some(call) = self.service.calls().by_conversation(&ended.conversation_id) else {
            return;
        };
        let owner = self.owners.lock().get(&ended.conversation_id).cloned();
        if ended.established_at.is_none() || owner.as_ref() != Some(&ended.session_id) {
            return;
        }
        let ended_at = self.timestamp(ended.ended_at);
        let received = Received {
            digest: ended.digest_received,
            packets: ended.packets_received,
            lost: ended.packets_lost,
            kept: ended.kept,
            reason: ended.reason,
            ended_at,
        };
        let differs = |sent| sent != ended.digest_received;
        let ending = Ending {
            signalling: match ended.reason {
                EndReason::SignallingLost => SignallingEnd::Lost,
                EndReason::HungUp
                | EndReason::ConsentLost
                | EndReason::SetupTimeout
                | EndReason::AnswerRefused
                | EndReason::MediaFailed
                | EndReason::Shutdown => SignallingEnd::Kept,
            },
            audio: if ended.digest_sent.is_some_and(differs) {
                AudioEnd::Altered
            } else {
                AudioEnd::Whole
            },
            storage: self.service.storage_of(&call),
        };
        self.digests.lock().insert(ended.conversation_id, received);
        // A session that is not to carry audio has its recording from elsewhere.
        let stored_before =
            ended.packets_received == 0 && self.service.store().media_length(call.index).is_some();
        let store = |upload| self.service.complete_media(call.index, upload);
        if !stored_before && let Err(error) = recording.and_then(store) {
            tracing::error!(%error, "a recording could not be stored");
        }
        self.service.session_over(ended_at, &call, ending);
    }
}
