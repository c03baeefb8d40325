//! The recording platform as a service: what the HTTP servers, the in-process tests and the media
//! ingest all talk to. It decides nothing itself: `racegate_model` does; this joins the model's
//! machines to shared memory and storage.
//!
//! Time is an argument here too. Reading a recording takes no lock on the platform.

mod calls;
mod control;
mod deliveries;
mod exports;
pub(crate) mod ids;
mod tenant;
mod timelines;
pub(crate) mod truth;
mod withheld;

pub use calls::{CallRegistry, CallsOn};
pub use control::{HoldError, On};
pub use deliveries::{Delivery, Due, Subscription};
pub use tenant::{Credentials, Tenant, TenantConfig};
pub use timelines::Timelines;

use std::sync::{Arc, OnceLock};

use parking_lot::Mutex;
use racegate_model::draws::Seed;
use racegate_model::fault::{Ending, FaultPlan, StorageEnd};
use racegate_model::ids::{ArmIndex, RecordingIndex, TenantIndex};
use racegate_model::platform::{Known, Notifications, Output, Platform, notifications};
use racegate_model::scenario::{Arm, ReadPath, RequiredFields, WebhookEvent, Workload};
use racegate_model::time::Timestamp;
use racegate_model::timeline::Timeline;
use racegate_model::workload::Call;
use tokio::sync::{Notify, broadcast, mpsc, watch};

use crate::storage::layout::RunEpoch;
use crate::storage::sidecar::Dialect;
use crate::storage::{StorageFull, Store, StoreError};
use deliveries::Deliveries;

/// What the platform made known, in the order in which it happened.
#[derive(Clone, Debug)]
pub enum News {
    /// A recording exists on an arm's platform.
    Began(ArmIndex, Arc<Timeline>),
    /// Every instant of it is decided.
    Decided(ArmIndex, Arc<Timeline>),
    /// A notification is due for a subscriber.
    Deliver(Delivery),
}

/// What a watcher is told. It may miss some when it is slow: notifications are delivered at most
/// once.
#[derive(Clone, Debug)]
pub enum Notice {
    /// A session has ended.
    Ended(ArmIndex, Arc<Timeline>),
    /// A notification is due, after its loss, delay and doubling.
    Due(Due),
}

/// Notices that a slow watcher may lag behind.
const NOTICES_MAX: usize = 8192;

/// What the service is made of.
#[derive(Clone, Debug)]
pub struct ServiceConfig {
    /// What chance derives from.
    pub seed: Seed,
    /// The date of the run's start.
    pub epoch: RunEpoch,
    /// The workload: it says when holds are set.
    pub workload: Workload,
    /// The arms whose platforms are run.
    pub arms: Vec<Arm>,
    /// The tenants; their order is that of [`TenantIndex`].
    pub tenants: Vec<TenantConfig>,
}

/// The platform with all its tenants. Cheap to clone.
#[derive(Clone)]
pub struct Service {
    inner: Arc<Inner>,
}

struct Inner {
    seed: Seed,
    epoch: RunEpoch,
    arms: Vec<ArmWorld>,
    tenants: Vec<Tenant>,
    calls: CallRegistry,
    faults: FaultPlan,
    store: Store,
    deliveries: Mutex<Deliveries>,
    withheld: withheld::Withheld,
    /// Rung when something may be due earlier than before.
    alarm: Notify,
    news: mpsc::UnboundedSender<News>,
    notices: broadcast::Sender<Notice>,
    /// Exports that jobs have written so far.
    exports: watch::Sender<u64>,
    dialect: OnceLock<Dialect>,
}

struct ArmWorld {
    platform: Mutex<Platform>,
    timelines: Timelines,
    notifications: Notifications,
    required: RequiredFields,
}

impl Service {
    /// A service, and what it makes known. The receiver may be dropped by whoever does not care.
    #[must_use]
    pub fn new(config: ServiceConfig, store: Store) -> (Self, mpsc::UnboundedReceiver<News>) {
        let (news, receiver) = mpsc::unbounded_channel();
        let seed = config.seed;
        // Hundreds of equal arms are no rarity, and the tables of one take a tenth of a second.
        let mut like: Option<(&Arm, Platform)> = None;
        let arms = config.arms.iter().map(|arm| {
            let platform = match &like {
                Some((same, platform)) if *same == arm => platform.clone(),
                _ => Platform::new(arm, &config.workload, seed),
            };
            like = Some((arm, platform.clone()));
            ArmWorld {
                platform: Mutex::new(platform),
                timelines: Timelines::default(),
                notifications: notifications(&arm.platform.notification, seed),
                required: arm.required,
            }
        });
        let arms: Vec<ArmWorld> = arms.collect();
        let tenants = config.tenants.into_iter().map(|tenant| {
            if let Err(error) = store.create_bucket(&tenant.organization) {
                // Its exports will then be listed as failed.
                tracing::error!(%error, "an organization has no bucket");
            }
            let arm = &config.arms[tenant.arm.0 as usize];
            Tenant::new(tenant, arm, seed)
        });
        let inner = Inner {
            seed,
            epoch: config.epoch,
            arms,
            tenants: tenants.collect(),
            calls: CallRegistry::new(seed),
            faults: FaultPlan::new(&config.workload, seed),
            store,
            deliveries: Mutex::new(Deliveries::default()),
            withheld: withheld::Withheld::default(),
            alarm: Notify::new(),
            news,
            notices: broadcast::Sender::new(NOTICES_MAX),
            exports: watch::Sender::new(0),
            dialect: OnceLock::new(),
        };
        (
            Self {
                inner: Arc::new(inner),
            },
            receiver,
        )
    }

    /// The seed that public ids derive from.
    #[must_use]
    pub fn seed(&self) -> Seed {
        self.inner.seed
    }

    /// The date of the run's start.
    #[must_use]
    pub fn epoch(&self) -> RunEpoch {
        self.inner.epoch
    }

    /// Says which dialect sidecars are written in; the first word counts, and without any it is
    /// the forum's.
    pub fn speak(&self, dialect: Dialect) {
        // A second API in front of the same platform has come too late to say.
        self.inner.dialect.get_or_init(|| dialect);
    }

    /// The dialect that sidecars are written in.
    #[must_use]
    pub fn dialect(&self) -> Dialect {
        self.inner.dialect.get().copied().unwrap_or(Dialect::Forum)
    }

    /// The calls that the platform knows of.
    #[must_use]
    pub fn calls(&self) -> &CallRegistry {
        &self.inner.calls
    }

    /// Objects in storage.
    #[must_use]
    pub fn store(&self) -> &Store {
        &self.inner.store
    }

    /// All tenants, in order.
    #[must_use]
    pub fn tenants(&self) -> &[Tenant] {
        &self.inner.tenants
    }

    /// A tenant.
    #[must_use]
    pub fn tenant(&self, tenant: TenantIndex) -> Option<&Tenant> {
        self.inner.tenants.get(tenant.0 as usize)
    }

    /// The timelines of an arm.
    #[must_use]
    pub fn timelines(&self, arm: ArmIndex) -> &Timelines {
        &self.inner.arms[arm.0 as usize].timelines
    }

    /// A session has ended well at `now`: every arm's platform takes it from here. A session that
    /// ends twice ends once.
    pub fn session_ended(&self, now: Timestamp, call: &Call) {
        self.session_over(now, call, Ending::default());
    }

    /// The same of a session that ended in that way.
    pub fn session_over(&self, now: Timestamp, call: &Call, ending: Ending) {
        self.session_over_on(now, call, ending, On::Every);
    }

    /// What storage does with the audio of `call`: a fault of the scenario may be that it fails.
    #[must_use]
    pub fn storage_of(&self, call: &Call) -> StorageEnd {
        self.inner.faults.predict(call).ending.storage
    }

    /// The audio of a session, as it was received; lost where the scenario says that storage fails.
    ///
    /// # Errors
    /// When storage is full.
    pub fn store_media(
        &self,
        recording: RecordingIndex,
        media: bytes::Bytes,
    ) -> Result<(), StoreError> {
        match self.refused(recording, media.len() as u64) {
            None => self.inner.store.put_media(recording, media),
            Some(refused) => refused,
        }
    }

    /// What storage answers to that audio, if the scenario says that it does not take it.
    fn refused(&self, recording: RecordingIndex, wanted: u64) -> Option<Result<(), StoreError>> {
        let call = self.inner.calls.get(recording)?;
        match self.storage_of(&call) {
            StorageEnd::Stored | StorageEnd::Late(_) => None,
            StorageEnd::Failed => Some(Ok(())),
            StorageEnd::Full => {
                let used = self.inner.store.usage().bytes;
                let full = StorageFull {
                    used,
                    limit: used,
                    wanted,
                };
                Some(Err(full.into()))
            }
        }
    }

    /// The same for audio that came in parts.
    ///
    /// # Errors
    /// When storage is full.
    pub fn complete_media(
        &self,
        recording: RecordingIndex,
        media: crate::storage::MediaUpload,
    ) -> Result<(), StoreError> {
        match self.refused(recording, media.bytes()) {
            None => self.inner.store.complete_media(recording, media),
            Some(refused) => refused,
        }
    }

    /// Subscribes a tenant to an event; deliveries come out as [`News::Deliver`].
    pub fn subscribe(&self, subscription: Subscription) {
        self.inner.deliveries.lock().subscribe(subscription);
    }

    /// Ends a subscription; nothing more is scheduled for it.
    pub fn unsubscribe(&self, subscription: &Subscription) {
        self.inner.deliveries.lock().unsubscribe(subscription);
    }

    /// What is made known from now on, whoever else hears of it.
    #[must_use]
    pub fn watch(&self) -> broadcast::Receiver<Notice> {
        self.inner.deliveries.lock().watch();
        self.inner.notices.subscribe()
    }

    /// Exports that jobs have written; changes with each.
    #[must_use]
    pub fn exports(&self) -> watch::Receiver<u64> {
        self.inner.exports.subscribe()
    }

    /// When something is due next.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Timestamp> {
        let platforms = self
            .inner
            .arms
            .iter()
            .filter_map(|arm| arm.platform.lock().poll_timeout());
        let orgs = self.inner.tenants.iter().filter_map(Tenant::poll_timeout);
        let deliveries = self.inner.deliveries.lock().poll_timeout();
        platforms.chain(orgs).chain(deliveries).min()
    }

    /// Handles everything due until `now`: platform, then jobs, then notifications.
    pub fn handle_timeout(&self, now: Timestamp) {
        for (index, arm) in self.inner.arms.iter().enumerate() {
            let mut platform = arm.platform.lock();
            platform.handle_timeout(now);
            self.publish(
                ArmIndex(u32::try_from(index).unwrap_or(u32::MAX)),
                arm,
                &mut platform,
            );
        }
        for tenant in &self.inner.tenants {
            tenant.handle_timeout(now, self);
        }
        let mut deliveries = self.inner.deliveries.lock();
        let comes = |arm, recording| self.metadata_comes(now, arm, recording);
        while let Some(delivery) = deliveries.take_due(now, comes) {
            // Nobody listening is no fault of the platform.
            drop(self.inner.news.send(News::Deliver(delivery)));
        }
        for due in deliveries.take_notices() {
            drop(self.inner.notices.send(Notice::Due(due)));
        }
    }

    /// Whether news of a recording's metadata may come now: not while what they speak of is held
    /// back by hand.
    fn metadata_comes(&self, now: Timestamp, arm: ArmIndex, recording: RecordingIndex) -> bool {
        let held = self.inner.withheld.held_of((arm, recording));
        if held.is_empty() {
            return true;
        }
        let world = &self.inner.arms[arm.0 as usize];
        world.timelines.get(recording).is_none_or(|timeline| {
            let required = world.required.of(timeline.taken_for());
            let seen = timeline.view(now, ReadPath::Primary).present;
            held.intersection(required).difference(seen).is_empty()
        })
    }

    /// Waits until something may be due earlier than before.
    pub async fn alarmed(&self) {
        self.inner.alarm.notified().await;
    }

    pub(crate) fn ring(&self) {
        self.inner.alarm.notify_one();
    }

    fn publish(&self, index: ArmIndex, arm: &ArmWorld, platform: &mut Platform) {
        while let Some(output) = platform.poll_output() {
            let (mut timeline, decided) = match output {
                Output::Began(timeline) => (timeline, false),
                Output::Decided(timeline) => (timeline, true),
            };
            if self.inner.calls.get(timeline.recording).is_none() {
                // It was forgotten before everything of it was decided.
                continue;
            }
            self.inner.withheld.revise(index, &mut timeline);
            let timeline = Arc::new(timeline);
            let known = arm.timelines.get(timeline.recording).is_some();
            arm.timelines.set(Arc::clone(&timeline));
            if !known {
                if self.inner.notices.receiver_count() > 0 {
                    let notice = Notice::Ended(index, Arc::clone(&timeline));
                    drop(self.inner.notices.send(notice));
                }
                drop(
                    self.inner
                        .news
                        .send(News::Began(index, Arc::clone(&timeline))),
                );
                self.schedule(index, arm, &timeline, Known::AtEnd);
            }
            if decided {
                self.schedule(index, arm, &timeline, Known::WhenDecided);
                drop(self.inner.news.send(News::Decided(index, timeline)));
            }
        }
    }

    /// Puts the notifications that are known by now on the calendar.
    fn schedule(&self, index: ArmIndex, arm: &ArmWorld, timeline: &Timeline, known: Known) {
        let required = arm.required.of(timeline.taken_for());
        let mut deliveries = self.inner.deliveries.lock();
        let events = [WebhookEvent::SessionEnded, WebhookEvent::MetadataReady];
        for event in events
            .into_iter()
            .filter(|e| arm.notifications.known(*e, timeline) == known)
        {
            for notification in arm.notifications.of(event, timeline, required) {
                deliveries.schedule(index, timeline.taken_for(), event, notification);
            }
        }
    }
}

/// Drives the service in real time (or on tokio's paused clock) until it is dropped.
pub async fn drive(service: Service, clock: crate::clock::RunClock) {
    loop {
        match service.poll_timeout() {
            Some(at) if at <= clock.now() => service.handle_timeout(clock.now()),
            Some(at) => {
                tokio::select! {
                    () = clock.sleep_until(at) => {}
                    () = service.alarmed() => {}
                }
            }
            None => service.alarmed().await,
        }
    }
}
