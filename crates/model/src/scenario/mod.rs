//! A scenario: an experiment and what it must show. Right by construction: whoever holds one need
//! not check it again. `crates/scenario` makes it from TOML.

mod coupling;
mod expect;
mod fault;
mod gate;
mod intake;
mod live;
mod platform;
mod region;
mod selection;
mod versions;
mod workload;

pub use crate::gate::{
    Backoff, ExponentialBackoff, FixedDelay, FixedInterval, ForumBackoff, ForumCheck, Jitter,
    Looked, OnFailure, Polling, Readiness, Strategy, Watermark, Webhook, WebhookConfirm,
    WebhookEvent, WebhookFallback,
};
pub use coupling::ReadCost;
pub use expect::{Aggregate, Comparison, Condition, Expectation, Labels, Metric, Series};
pub use fault::{FaultShare, FaultSpec};
pub use gate::{GateSpec, GateStart, Repair};
pub use intake::{HoldLevel, IntakeSpec, Outage, SignallingSpec, UpdateLimit};
pub use live::{Connection, LiveSessions, Silence, WebrtcStack};
pub use platform::{
    ApiSpec, ArchiveSpec, ExportPolicy, ExportSpec, GroupSource, GroupSpec, HoldSpec, IndexSpec,
    KindSpec, NotificationSpec, PipelineSpec, PlatformSpec, RateLimit, ReadPath, Slots,
    SnapshotInstant, StageSpec, StateSpec, Sweep, UnheldFlag, WriteOrder,
};
pub use region::RegionSpec;
pub use selection::{
    Correlation, ExportRequest, Filters, JobDone, LakeSpec, MediaTypeFilter, Permission,
    SelectionSpec, SidecarName, SidecarSource,
};
pub use versions::VersionsSpec;
pub use workload::{
    Arrivals, Executor, Fidelity, FidelityMix, HoldSetAt, HoldWorkload, Stage, StageShape, Workload,
};

use crate::draws::Seed;
use crate::field::{FieldSet, Kind, PerKind};
use crate::time::Duration;
use crate::timeline::View;

/// The name of the arm that differs from the file in nothing.
pub const BASE_ARM: &str = "base";

/// One experiment.
#[derive(Clone, PartialEq, Debug)]
pub struct Scenario {
    /// Short name; also the name of the folder under `reports/`.
    pub name: String,
    /// What it shows, in a sentence.
    pub description: String,
    /// What all chance derives from.
    pub seed: Seed,
    /// The engine that runs it unless the command line says otherwise.
    pub engine: Engine,
    /// What makes the sessions; the same in every arm.
    pub workload: Workload,
    /// The arms; the first one is [`BASE_ARM`]. Never empty.
    pub arms: Vec<Arm>,
    /// What must be true of the results.
    pub expect: Vec<Expectation>,
    /// Bounds of the run.
    pub limits: Limits,
}

/// One variant of the platform, and the gates raced on it.
#[derive(Clone, PartialEq, Debug)]
pub struct Arm {
    /// Its name; unique.
    pub name: String,
    /// The platform.
    pub platform: PlatformSpec,
    /// The gates; names are unique within the arm. Never empty.
    pub gates: Vec<GateSpec>,
    /// The fields that a manifest must hold, per kind.
    pub required: RequiredFields,
}

impl Arm {
    /// Whether a null may be a field's last word: then what a read shows is not a matter of time
    /// alone.
    #[must_use]
    pub fn has_lasting_nulls(&self) -> bool {
        self.platform.hold.unheld == UnheldFlag::Null || !self.required.nullable.is_empty()
    }
}

/// Which engine runs the scenario.
#[derive(Clone, Copy, PartialEq, Eq, Debug, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Engine {
    /// Virtual time, deterministic by seed.
    Sim,
    /// Wall clock, real HTTP, real WebRTC, real S3 protocol.
    Live,
}

impl Engine {
    /// The name used in scenarios and summaries.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Sim => "sim",
            Self::Live => "live",
        }
    }
}

/// The fields that a complete manifest holds, besides the media.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct RequiredFields {
    /// The fields that must be there, by kind.
    pub fields: PerKind<FieldSet>,
    /// Those of them that may stay null: a null counts as their value.
    pub nullable: FieldSet,
}

impl RequiredFields {
    /// Fields that must all have a value.
    #[must_use]
    pub const fn with_values(fields: PerKind<FieldSet>) -> Self {
        Self {
            fields,
            nullable: FieldSet::EMPTY,
        }
    }

    /// Required fields of recordings of `kind`.
    #[must_use]
    pub const fn of(&self, kind: Kind) -> FieldSet {
        *self.fields.get(kind)
    }

    /// The fields of `view` that count as there.
    #[must_use]
    pub const fn there(&self, view: &View) -> FieldSet {
        view.present.union(view.null.intersection(self.nullable))
    }
}

/// Bounds of a run.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Limits {
    /// How long to wait for what is in flight after the last session has ended (120 s).
    pub drain: Duration,
    /// Live only: a send-lateness p99 above this makes the run invalid (50 ms).
    pub send_lateness: Duration,
    /// Recordings per arm above which the folder keeps aggregates and failing recordings only
    /// (1,000,000).
    pub history: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            drain: Duration::from_secs(120),
            send_lateness: Duration::from_millis(50),
            history: 1_000_000,
        }
    }
}
