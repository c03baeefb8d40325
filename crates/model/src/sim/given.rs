//! One tenant on recordings that were written down: replay, shrinking, and what is to be written.
//!
//! The exporter is the one that both engines drive. Nothing is drawn of the platform; the jitter of
//! a gate and the selection of a job stay keyed by seed and recording.

use super::recordings::{Kept, Slots};
use super::tenant::{Subjects, Tenant};
use crate::draws::Seed;
use crate::exporter::Output;
use crate::history::Settled;
use crate::ids::{RecordingIndex, TenantIndex};
use crate::judge::Judge;
use crate::org::{JobChance, JobChances, Recordings as _};
use crate::outcome::OutcomeKind;
use crate::platform::{Notification, notifications};
use crate::scenario::{Arm, GateSpec};
use crate::time::{Duration, Timestamp};
use crate::timeline::{Decided as _, Timeline};

/// Instants at which something happens, at most: what somebody wrote down need not end.
const INSTANTS_MAX: u64 = 50_000_000;
/// The kind of event that a read of one recording is.
const CHECK: u8 = 2;

/// A recording with all that chance and queues made of it.
#[derive(Clone, PartialEq, Debug)]
pub struct GivenRecording {
    /// Its instants.
    pub timeline: Timeline,
    /// When notifications of it arrive, in order of time.
    pub told: Vec<Timestamp>,
    /// What its exports meet, in their order.
    pub jobs: Vec<JobChance>,
}

/// The tenant: the one gate of an arm.
#[derive(Clone, Copy, Debug)]
pub struct GivenTenant<'a> {
    /// The arm; its first gate is run.
    pub arm: &'a Arm,
    /// What ids, jitter and selection derive from.
    pub seed: Seed,
    /// How long after the last session's end recordings may be settled.
    pub drain: Duration,
}

/// What came of it.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct GivenOutcome {
    /// Settled recordings, in the order of settling.
    pub settled: Vec<Settled>,
    /// Reads of recordings by the gate, in order of time.
    pub checks: Vec<(Timestamp, RecordingIndex)>,
    /// What chance made of jobs, where it was drawn.
    pub noted: JobChances,
}

/// When a run on given recordings ends.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Until {
    /// When all is settled.
    All,
    /// When that recording is.
    Settled(RecordingIndex),
}

impl GivenTenant<'_> {
    /// Runs the tenant on `recordings`, whose jobs meet the chances written down.
    #[must_use]
    pub fn run(&self, recordings: &[GivenRecording], until: Until) -> GivenOutcome {
        let chances = recordings.iter().filter(|one| !one.jobs.is_empty());
        let chances = chances.map(|one| (one.timeline.recording, one.jobs.clone()));
        let tenant = self.tenant().given(chances.collect());
        let told = |one: &GivenRecording| one.told.clone();
        self.conduct(
            tenant,
            recordings.iter().map(|one| (&one.timeline, told(one))),
            until,
        )
    }

    /// Runs the tenant on `timelines`; jobs and notifications are drawn as in a simulation of the
    /// arm, and what chance made of jobs is noted.
    #[must_use]
    pub fn note(&self, timelines: &[Timeline]) -> GivenOutcome {
        let recordings = timelines.iter().zip(self.told(timelines));
        self.conduct(self.tenant().noting(), recordings, Until::All)
    }

    /// When notifications of each recording arrive, as drawn.
    #[must_use]
    pub fn told(&self, timelines: &[Timeline]) -> Vec<Vec<Timestamp>> {
        let Some(event) = self.gate().strategy.listens() else {
            return vec![Vec::new(); timelines.len()];
        };
        let service = notifications(&self.arm.platform.notification, self.seed);
        let told = |timeline: &Timeline| {
            let required = self.arm.required.of(timeline.taken_for());
            let mut told: Vec<_> = service.of(event, timeline, required).collect();
            told.sort_unstable();
            told.into_iter().map(|one| one.at).collect()
        };
        timelines.iter().map(told).collect()
    }

    fn gate(&self) -> &GateSpec {
        &self.arm.gates[0]
    }

    fn tenant(&self) -> Tenant {
        let tenant = Tenant::new(TenantIndex(0), self.gate(), self.arm, self.seed);
        tenant.noting_calls(Subjects::Jobs)
    }

    fn conduct<'t>(
        &self,
        mut tenant: Tenant,
        recordings: impl Iterator<Item = (&'t Timeline, Vec<Timestamp>)>,
        until: Until,
    ) -> GivenOutcome {
        let judge = Judge::new(self.arm, TenantIndex(0), self.seed);
        let mut slots = Slots::new(1);
        let mut last_end = Timestamp::ZERO;
        for (timeline, told) in recordings {
            last_end = last_end.max(timeline.ended_at);
            tenant.announce(timeline);
            for (copy, at) in (0..).zip(told) {
                let recording = timeline.recording;
                let notification = Notification {
                    at,
                    recording,
                    copy,
                };
                tenant.notify(notification, timeline.taken_for());
            }
            slots.put(Kept::Timeline(Box::new(timeline.clone())));
        }
        let horizon = last_end + self.drain;
        let mut outcome = GivenOutcome::default();
        for _ in 0..INSTANTS_MAX {
            let Some(at) = tenant.next_timeout().filter(|at| *at <= horizon) else {
                break;
            };
            tenant.advance(at, &slots);
            let checks = tenant.drain_calls().filter(|call| call.kind == CHECK);
            outcome
                .checks
                .extend(checks.map(|call| (call.at, call.recording)));
            for output in tenant.drain_outputs() {
                let Output::Settled(settled) = output else {
                    continue;
                };
                let settled = judged(settled, &slots, &judge);
                let over = until == Until::Settled(settled.recording);
                outcome.settled.push(settled);
                if over {
                    return outcome;
                }
            }
        }
        outcome.noted = tenant.noted().cloned().unwrap_or_default();
        outcome
    }
}

/// With fate and cause.
fn judged(mut settled: Settled, slots: &Slots, judge: &Judge) -> Settled {
    if settled.outcome != OutcomeKind::Complete {
        let look = |kept: &Kept| kept.look(|timeline| judge.judge(&settled, timeline));
        let found = slots.read(settled.recording, look);
        (settled.fate, settled.cause) = found.unwrap_or_default();
    }
    settled
}
