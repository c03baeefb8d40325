//! A failing export as a case of its own: captured from a run, shrunk, explained, run again.
//!
//! A [`Case`] consists of values, not of draws: the instants of each recording and what its exports
//! meet, the gate, and what of the platform decides. [`capture`] takes one out of a scenario,
//! [`Shrinker`] makes it small without letting it slip to another failure, and [`explain`] says in
//! which order things happened.

mod bleach;
mod capture;
mod config;
mod edges;
mod minimize;
mod numbers;
mod orders;
mod values;

pub use capture::{CaptureError, Captured, Wanted, capture, capture_history};
pub use edges::{Decides, Edge, Point, Schedule, explain};
pub use minimize::{Level, Pass, Rest, Shrinker, Shrunk, Unwatched, Watch};
pub use orders::{Order, Orders, Step, Write};

use crate::draws::Seed;
use crate::field::FieldSet;
use crate::history::{HistoryHash, Settled};
use crate::ids::RecordingIndex;
use crate::outcome::{Cause, OutcomeKind};
use crate::scenario::Arm;
use crate::sim::{GivenOutcome, GivenRecording, GivenTenant, Until};
use crate::time::{Duration, Timestamp};
use crate::timeline::{StageTimes, Timeline};

/// One failing recording, with all that it takes to fail.
#[derive(Clone, PartialEq, Debug)]
pub struct Case {
    /// What ids, jitter and selection derive from.
    pub seed: Seed,
    /// The platform as far as it still decides something, and the one gate.
    pub arm: Arm,
    /// How long after the last session's end recordings may be settled.
    pub drain: Duration,
    /// The recordings, in order of their sessions' ends.
    pub recordings: Vec<GivenRecording>,
    /// The recording that fails.
    pub failing: RecordingIndex,
}

/// How a recording fails. Two failures with the same fingerprint are the same bug.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Fingerprint {
    /// What became of it.
    pub outcome: OutcomeKind,
    /// What held the last missing field.
    pub cause: Option<Cause>,
    /// The pipeline's stage in which it was when it was exported, where it was in one.
    pub stage: Option<String>,
    /// What its sidecar lacked.
    pub missing: FieldSet,
}

/// What a case does when it is run.
#[derive(Clone, PartialEq, Debug)]
pub struct Played {
    /// What became of every recording.
    pub outcome: GivenOutcome,
    /// What became of the failing one.
    pub failing: Settled,
    /// How it fails; none if it does not.
    pub fingerprint: Option<Fingerprint>,
}

impl Case {
    /// Runs the case to its end; none if its recording is never settled.
    #[must_use]
    pub fn play(&self) -> Option<Played> {
        let outcome = self.tenant().run(&self.recordings, Until::All);
        self.played(outcome)
    }

    /// Runs it until its recording is settled.
    fn probe(&self) -> Option<Played> {
        let until = Until::Settled(self.failing);
        let outcome = self.tenant().run(&self.recordings, until);
        self.played(outcome)
    }

    fn played(&self, outcome: GivenOutcome) -> Option<Played> {
        let found = outcome
            .settled
            .iter()
            .find(|it| it.recording == self.failing);
        let failing = found?.clone();
        let timeline = self.timeline()?;
        let fingerprint = Fingerprint::of(&failing, timeline, &self.arm);
        Some(Played {
            outcome,
            failing,
            fingerprint,
        })
    }

    fn tenant(&self) -> GivenTenant<'_> {
        GivenTenant {
            arm: &self.arm,
            seed: self.seed,
            drain: self.drain,
        }
    }

    /// The failing recording's instants.
    #[must_use]
    pub fn timeline(&self) -> Option<&Timeline> {
        let mut timelines = self.recordings.iter().map(|one| &one.timeline);
        timelines.find(|it| it.recording == self.failing)
    }
}

impl Played {
    /// The hash of all that was settled: a replay that gives the same one is the same bit for bit.
    #[must_use]
    pub fn hash(&self) -> HistoryHash {
        let mut hash = HistoryHash::default();
        self.outcome.settled.iter().for_each(|it| hash.add(it));
        hash
    }

    /// When what the failing export holds was read.
    #[must_use]
    pub fn read_at(&self) -> Timestamp {
        read_at(&self.failing)
    }
}

/// When what decided about a recording was seen.
fn read_at(settled: &Settled) -> Timestamp {
    let seen = settled.snapshot_at.or(settled.checked_at);
    seen.unwrap_or(settled.settled_at)
}

impl Fingerprint {
    /// How a recording fails; none if it is complete.
    #[must_use]
    pub fn of(settled: &Settled, timeline: &Timeline, arm: &Arm) -> Option<Self> {
        if settled.outcome == OutcomeKind::Complete {
            return None;
        }
        let stage = stage_at(timeline, read_at(settled));
        let platform = &arm.platform;
        let pipeline = platform.pipeline_of(timeline.taken_for(), timeline.region);
        let stages = platform.pipelines.get(pipeline).map(|it| &it.stages);
        let spec = stage.and_then(|nth| stages?.get(nth));
        Some(Self {
            outcome: settled.outcome,
            cause: settled.cause,
            stage: spec.map(|spec| spec.name.clone()),
            missing: settled.missing,
        })
    }
}

/// The stage that a recording waited for or was in at `at`.
fn stage_at(timeline: &Timeline, at: Timestamp) -> Option<usize> {
    let within = |stage: &StageTimes| stage.queued_at <= at && at < stage.done_at;
    timeline
        .stages
        .iter()
        .position(|stage| *stage != StageTimes::NONE && within(stage))
}
