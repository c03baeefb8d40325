//! The platform: which clocks make media, fields, index and notifications visible.

use super::{
    HoldLevel, IntakeSpec, Outage, ReadCost, RegionSpec, SelectionSpec, UpdateLimit, VersionsSpec,
};
use crate::distribution::Distribution;
use crate::field::{FieldGroup, FieldSet, PerKind};
use crate::time::{Duration, Probability, Rate};

/// The platform of one arm.
#[derive(Clone, PartialEq, Debug)]
pub struct PlatformSpec {
    /// The metadata pipelines. Kinds that share one compete for its workers.
    pub pipelines: Vec<PipelineSpec>,
    /// What differs by kind.
    pub kinds: PerKind<KindSpec>,
    /// A second region; none is one region for all.
    pub region: Option<RegionSpec>,
    /// Values that change after they are there; none is values that stay.
    pub versions: Option<VersionsSpec>,
    /// How calls are taken in.
    pub intake: IntakeSpec,
    /// The search index that the export job reads.
    pub index: IndexSpec,
    /// Tagging of legal holds.
    pub hold: HoldSpec,
    /// Notifications and webhooks.
    pub notification: NotificationSpec,
    /// Export jobs.
    pub export: ExportSpec,
    /// The archive.
    pub archive: ArchiveSpec,
    /// The API's own limits.
    pub api: ApiSpec,
    /// What the gates' own calls take of the platform; none leaves it alone.
    pub coupling: Option<ReadCost>,
}

/// FIFO stages in a row; the lag of metadata emerges from them.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct PipelineSpec {
    /// The stages; none means that metadata is written as the session ends.
    pub stages: Vec<StageSpec>,
    /// The limit of the service that writes what the last stage has made.
    pub updates: Option<UpdateLimit>,
}

/// One FIFO queue with identical workers.
#[derive(Clone, PartialEq, Debug)]
pub struct StageSpec {
    /// Its name; unique within the pipeline.
    pub name: String,
    /// Number of workers, at least one.
    pub workers: u32,
    /// Service time.
    pub service: Distribution,
    /// Groups whose fields become visible when this stage is done; the others wait for the last.
    pub writes: Vec<FieldGroup>,
    /// Times with fewer workers, in order and apart.
    pub outages: Vec<Outage>,
}

/// What differs by kind.
#[derive(Clone, PartialEq, Debug)]
pub struct KindSpec {
    /// Which of [`PlatformSpec::pipelines`] writes this kind's metadata.
    pub pipeline: usize,
    /// Session end → media object in storage.
    pub media_lag: Distribution,
    /// Pipeline done → fields visible, drawn once per recording for all groups.
    pub metadata_lag: Distribution,
    /// What differs by group of fields, in the order of [`FieldGroup::ALL`].
    pub groups: [GroupSpec; FieldGroup::COUNT],
    /// How long a field reads as null before it has its value.
    pub null_phase: Distribution,
    /// Session end → the pipeline begins (after-call work).
    pub after_call_work: Distribution,
    /// The `state` field.
    pub state: StateSpec,
}

/// What differs by group of fields.
#[derive(Clone, PartialEq, Debug)]
pub struct GroupSpec {
    /// A further lag, after [`KindSpec::metadata_lag`].
    pub lag: Distribution,
    /// Whether the fields are there from the start (tagged at ingress).
    pub source: GroupSource,
}

/// Who writes a group of fields.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum GroupSource {
    /// The metadata pipeline.
    #[default]
    Pipeline,
    /// The ingress, before the call begins: never late.
    Ingress,
    /// Nobody: the fields never arrive.
    Nobody,
}

/// When `state` turns COMPLETED.
#[derive(Clone, PartialEq, Debug)]
pub enum StateSpec {
    /// With the last field on the primary read path, plus a lag.
    AfterFields(Distribution),
    /// At its own time after the session's end, whatever the fields do; it may run ahead of them.
    AfterSession(Distribution),
}

/// The search index.
#[derive(Clone, PartialEq, Debug)]
pub struct IndexSpec {
    /// Interval of the refresh grid, whose phase is seeded; zero refreshes at once.
    pub refresh: Duration,
    /// Primary read path → ready to be indexed.
    pub lag: Distribution,
}

/// Tagging of legal holds.
#[derive(Clone, PartialEq, Debug)]
pub struct HoldSpec {
    /// The share of holds set at call end that miss the tagging window; their flag never arrives
    /// by itself.
    pub missed: Probability,
    /// What repairs them.
    pub sweep: Sweep,
    /// Where holds are set.
    pub level: HoldLevel,
    /// The hold of that level → the hold of the other one.
    pub propagation: Distribution,
    /// The share of holds that never reach the other level.
    pub propagation_loss: Probability,
    /// What the flag of a recording without hold becomes.
    pub unheld: UnheldFlag,
}

/// What `legal_hold_flag` of a recording without hold becomes.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum UnheldFlag {
    /// It is false.
    #[default]
    False,
    /// It is null, and stays null for ever.
    Null,
}

/// A job that repairs missed holds.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Sweep {
    /// None: what was missed stays missing.
    Never,
    /// One on a grid of that interval, seen from the run's start.
    Every(Duration),
}

/// Notifications and webhooks; each message is lost, doubled and delayed by itself.
#[derive(Clone, PartialEq, Debug)]
pub struct NotificationSpec {
    /// Probability that the message never arrives.
    pub loss: Probability,
    /// Probability that it arrives twice.
    pub duplicate: Probability,
    /// Event → arrival.
    pub delay: Distribution,
    /// Probability that "metadata ready" is sent at the session's end.
    pub early: Probability,
}

/// Export jobs.
#[derive(Clone, PartialEq, Debug)]
pub struct ExportSpec {
    /// What is done with a recording whose fields are missing.
    pub policy: ExportPolicy,
    /// PUT → snapshot.
    pub latency: Distribution,
    /// POST → READY.
    pub query_time: Distribution,
    /// Jobs at once per organization.
    pub slots: Slots,
    /// When the sidecar is taken.
    pub snapshot: SnapshotInstant,
    /// Which of sidecar and media it reads first.
    pub order: WriteOrder,
    /// First read → second read, where there is an order.
    pub between: Distribution,
    /// Where the job reads the fields.
    pub read: ReadPath,
    /// Fields that the export writes; the others are left out.
    pub schema: FieldSet,
    /// Probability that a job fails for a recording.
    pub failure: Probability,
    /// What a job selects, and how it fills its sidecars.
    pub selection: SelectionSpec,
}

/// What an export does with missing fields.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ExportPolicy {
    /// Writes what there is.
    Lenient,
    /// Answers 400 at the job's start, naming recordings and fields.
    Strict,
}

/// Export jobs at once.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Slots {
    /// That many, at least one (the real platform: two).
    Limited(u32),
    /// Each recording gets a job of its own at once.
    Unlimited,
}

/// When the sidecar is taken.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum SnapshotInstant {
    /// When the job is started (PUT).
    Selection,
    /// When the job writes it, after its latency.
    Write,
}

/// Which of a recording's two objects a job reads and writes first.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum WriteOrder {
    /// Both at one instant.
    #[default]
    Together,
    /// The media; the sidecar is taken later.
    MediaFirst,
    /// The sidecar; the media is copied later.
    SidecarFirst,
}

/// Where fields are read.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ReadPath {
    /// The primary store, as `GET` does.
    Primary,
    /// The search index.
    Index,
}

/// Where old recordings go. Only an API's client meets it: no gate waits for a restore.
#[derive(Clone, PartialEq, Debug)]
pub struct ArchiveSpec {
    /// An archived recording is asked for → it can be played again; `RESTORING` until then.
    pub restore: Distribution,
}

impl Default for ArchiveSpec {
    /// Half a second: the real time, which may be hours, is not published.
    fn default() -> Self {
        Self {
            restore: Distribution::constant(Duration::from_millis(500)),
        }
    }
}

/// The API's own limits.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ApiSpec {
    /// Calls per token and window; `None` is unlimited.
    pub rate_limit: Option<RateLimit>,
}

/// A fixed-window limit.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct RateLimit {
    /// Calls per window.
    pub calls: u64,
    /// Length of the window, counted from the run's start.
    pub window: Duration,
}

impl RateLimit {
    /// The limit that allows `rate` in windows of 60 s, as the real API counts.
    #[must_use]
    pub fn per_minute_window(rate: Rate) -> Self {
        let window = Duration::from_secs(60);
        Self {
            calls: rate.events_in(window),
            window,
        }
    }
}
