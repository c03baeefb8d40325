//! What a run writes down while it runs; everything after the run reads this and nothing else.
//!
//! One entry per line. The order of lines is the order of settling; analysis does not depend on
//! it. A history without an [`Entry::End`] is that of a run that was cut short.

use serde::{Deserialize, Serialize};

use crate::draws::mix64;
use crate::field::FieldSet;
use crate::ids::{ArmIndex, JobOrdinal, RecordingIndex, TenantIndex};
use crate::outcome::{Cause, Fate, OutcomeKind};
use crate::time::{Duration, Timestamp};
use crate::timeline::Timeline;

/// One line of a history.
#[expect(
    clippy::large_enum_variant,
    reason = "entries are written and dropped one by one"
)]
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Entry {
    /// All instants of a recording on an arm's platform; written when its last tenant settled it.
    Timeline {
        /// The arm.
        arm: ArmIndex,
        /// The instants.
        timeline: Timeline,
    },
    /// A tenant is done with a recording.
    Settled(Settled),
    /// A tenant is done with an export job.
    Job(JobRecord),
    /// A session never came up (live only): a fault of the generator, not of the platform.
    NotEstablished {
        /// The call.
        recording: RecordingIndex,
        /// Where the set-up stopped.
        stage: String,
    },
    /// The run is over.
    End(End),
}

/// What became of a recording under a gate.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Settled {
    /// The tenant.
    pub tenant: TenantIndex,
    /// The recording.
    pub recording: RecordingIndex,
    /// What became of it.
    pub outcome: OutcomeKind,
    /// The verdict of the first sidecar, if a later one replaced it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first_outcome: Option<OutcomeKind>,
    /// What the last sidecar lacked.
    #[serde(default, skip_serializing_if = "FieldSet::is_empty")]
    pub missing: FieldSet,
    /// Whether waiting would have helped; of everything that is not complete.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fate: Option<Fate>,
    /// What held the last missing field.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cause: Option<Cause>,
    /// When the gate last looked at it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub checked_at: Option<Timestamp>,
    /// When the gate last approved it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub approved_at: Option<Timestamp>,
    /// When the last sidecar was taken.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub snapshot_at: Option<Timestamp>,
    /// When its job read the media, if not with the sidecar.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub media_read_at: Option<Timestamp>,
    /// When the tenant was done with it.
    pub settled_at: Timestamp,
    /// Calls that the gate made for it, refused ones included.
    pub gate_calls: u32,
    /// Checks that found it not ready.
    pub wasted_checks: u32,
    /// Gate calls answered with 429.
    pub throttled: u32,
    /// Exports of it.
    pub exports: u32,
    /// Live only: how late the snapshot and the gate's calls were against the schedule, at most.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lateness: Option<Duration>,
}

impl Settled {
    /// How long before its export it would have been complete, had fields and media come at these
    /// instants; none without a sidecar.
    #[must_use]
    pub fn regret(&self, fields_at: Timestamp, media_at: Timestamp) -> Option<Duration> {
        let sidecar_at = self.snapshot_at?;
        let read_at = self.media_read_at.unwrap_or(sidecar_at);
        Some(sidecar_at.since(fields_at).min(read_at.since(media_at)))
    }
}

/// An export job that a tenant is done with.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct JobRecord {
    /// The tenant.
    pub tenant: TenantIndex,
    /// Which of its jobs.
    pub ordinal: JobOrdinal,
    /// POST.
    pub created_at: Timestamp,
    /// PUT; none if it was never started.
    pub started_at: Option<Timestamp>,
    /// Sidecars taken.
    pub snapshot_at: Option<Timestamp>,
    /// The exporter saw it done.
    pub done_at: Timestamp,
    /// Recordings asked for.
    pub recordings: u64,
    /// Calls made for it, refused ones included.
    pub calls: u32,
    /// Calls answered with 429.
    pub throttled: u32,
}

/// The last line.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct End {
    /// When.
    pub at: Timestamp,
    /// Why.
    pub reason: EndReason,
    /// Recordings whose session ended, per arm; warm-up included.
    pub ended: Vec<u64>,
    /// Why the run cannot be trusted; empty if it can.
    pub invalid_reasons: Vec<String>,
}

/// Why a run ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EndReason {
    /// Everything settled, or the drain was over.
    Finished,
    /// The user stopped it.
    Interrupted,
}

/// Order-free hash of settled values: a wrapping sum, so it merges and does not depend on threads
/// or on how the simulator got there.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct HistoryHash(u64);

impl HistoryHash {
    /// Adds one settled pair.
    pub fn add(&mut self, settled: &Settled) {
        self.0 = self.0.wrapping_add(hash_settled(settled));
    }

    /// Adds what another accumulator has seen.
    pub const fn merge(&mut self, other: Self) {
        self.0 = self.0.wrapping_add(other.0);
    }

    /// 16 hexadecimal digits.
    #[must_use]
    pub fn hex(self) -> String {
        format!("{:016x}", self.0)
    }
}

fn hash_settled(settled: &Settled) -> u64 {
    let instant = |at: Option<Timestamp>| at.map_or(u64::MAX, Timestamp::as_nanos);
    let fate = match settled.fate {
        None => 0,
        Some(Fate::Lost) => 1,
        Some(Fate::Late(by)) => 2_u64.wrapping_add(by.as_nanos()),
    };
    let words = [
        u64::from(settled.tenant.0),
        settled.recording.0,
        settled.outcome as u64,
        settled.first_outcome.map_or(255, |outcome| outcome as u64),
        u64::from(settled.missing.bits()),
        fate,
        settled.cause.map_or(255, |cause| cause as u64),
        instant(settled.checked_at),
        instant(settled.approved_at),
        instant(settled.snapshot_at),
        settled.settled_at.as_nanos(),
        u64::from(settled.gate_calls),
        u64::from(settled.wasted_checks),
        u64::from(settled.throttled),
        u64::from(settled.exports),
    ];
    let hash = words.iter().fold(0, |hash, word| mix64(hash ^ word));
    settled
        .media_read_at
        .map_or(hash, |at| mix64(hash ^ at.as_nanos()))
}
