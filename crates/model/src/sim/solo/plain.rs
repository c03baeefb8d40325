//! The short way: where only time decides about an export, its outcome is a comparison.

use super::{Job, Solo};
use crate::export::verdict;
use crate::exporter::jobs::{POLL_INTERVAL, next_poll};
use crate::exporter::tally::Tally;
use crate::field::FieldSet;
use crate::gate::{Progress, Ready, Step};
use crate::history::{JobRecord, Settled};
use crate::ids::{JobOrdinal, RecordingIndex};
use crate::outcome::OutcomeKind;
use crate::scenario::{GateStart, SidecarName};
use crate::time::{Duration, Timestamp};
use crate::timeline::Decided;

/// What came of a passage that was run at once.
pub(in crate::sim) enum Ran<T> {
    /// It waits for something that never comes.
    InFlight,
    /// It is settled.
    Settled(T),
    /// The outcome is not a matter of time alone: the long way says.
    Unclear,
}

impl Solo {
    /// Takes the recording from its session's end to its outcome, if only time decides about that.
    /// Also returns its job, if it had one.
    #[inline(always)]
    pub(in crate::sim) fn run_plainly(
        &self,
        recording: &impl Decided,
    ) -> Ran<(Settled, Option<JobRecord>)> {
        let Some((read, need)) = &self.plain else {
            return Ran::Unclear;
        };
        if !recording.is_true() || self.listens.is_some() {
            return Ran::Unclear;
        }
        let mut tally = Tally::new(recording.taken_for());
        let Some((now, approved)) = self.pass_gate(recording, &mut tally) else {
            return Ran::InFlight;
        };
        if approved == Ready::No {
            let settled = self.settled(
                tally,
                recording,
                now,
                OutcomeKind::Abandoned,
                FieldSet::EMPTY,
            );
            return Ran::Settled((settled, None));
        }
        tally.checks_passed = u32::from(tally.checks_answered > 0);
        tally.approved_at = Some(now);
        let (job, snapshot_at, done_at) = self.run_job(recording, now);
        let complete_at = recording.first_seen(*read, need.get(recording.taken_for()));
        let (mut outcome, mut missing) = (OutcomeKind::Complete, FieldSet::EMPTY);
        if snapshot_at < complete_at {
            let view = recording.timeline().view(snapshot_at, *read);
            (outcome, missing) = verdict(&self.required, recording.taken_for(), &view);
        }
        tally.exported(snapshot_at, outcome, SidecarName::Right);
        let settled = self.settled(tally, recording, done_at, outcome, missing);
        let record = self.job_record(&job, done_at, Some(snapshot_at));
        Ran::Settled((settled, Some(record)))
    }

    /// When the gate decides, and whether it approves; none if it never does.
    #[inline(always)]
    fn pass_gate(&self, recording: &impl Decided, tally: &mut Tally) -> Option<(Timestamp, Ready)> {
        let ready_at = self.ready_at(recording);
        let start = match self.start {
            GateStart::SessionEnd => recording.ended_at(),
            GateStart::Media => recording.media_at(),
        };
        let (policy, until) = (&self.policy, self.until);
        let decided = match policy.poll_alone(start, ready_at, until, recording.recording()) {
            Some(series) => {
                tally.gate_calls = series.looks;
                tally.checks_answered = series.looks;
                tally.checked_at = Some(series.at);
                Some((series.at, series.found))
            }
            None => self.step_through(start, ready_at, recording.recording(), tally),
        };
        decided.filter(|(now, _)| *now <= until)
    }

    /// The same for any strategy, step by step.
    #[inline(never)]
    fn step_through(
        &self,
        start: Timestamp,
        ready_at: Timestamp,
        recording: RecordingIndex,
        tally: &mut Tally,
    ) -> Option<(Timestamp, Ready)> {
        let mut progress = Progress::new(recording);
        let mut now = start;
        let mut step = self.policy.started(now, &mut progress);
        loop {
            step = match step {
                Step::At(at) => {
                    now = at.max(now);
                    self.policy.due(now, &mut progress)
                }
                Step::Check => {
                    tally.gate_calls += 1;
                    tally.checks_answered += 1;
                    tally.checked_at = Some(now);
                    let ready = if now >= ready_at {
                        Ready::Yes
                    } else {
                        Ready::No
                    };
                    self.policy.checked(now, ready, &mut progress)
                }
                Step::Approve => return Some((now, Ready::Yes)),
                Step::GiveUp => return Some((now, Ready::No)),
                Step::Wait => return None,
            };
            if now > self.until {
                return None;
            }
        }
    }

    /// A job from its POST at `now` to the poll that sees it done; also its snapshot.
    #[inline(always)]
    fn run_job(&self, recording: &impl Decided, now: Timestamp) -> (Job, Timestamp, Timestamp) {
        let draws = || self.stream.nth(recording.recording().0);
        let query_time = self.rules.query_time(draws);
        // POST, GET, PUT, and the polls for each wait.
        let mut calls = 3;
        let started_at = if query_time == Duration::ZERO {
            now
        } else {
            let (seen_at, polls) = seen_by_polls(now, now + query_time);
            calls += polls;
            seen_at
        };
        let ended_at = started_at + self.rules.latency(draws);
        let snapshot_at = self.rules.snapshot_at(started_at, ended_at);
        let (done_at, polls) = seen_by_polls(started_at, ended_at);
        let job = Job {
            // Fused jobs have no order: their recording names them.
            ordinal: JobOrdinal(recording.recording().0),
            created_at: now,
            posted_at: now,
            started_at: Some(started_at),
            done_at: ended_at,
            calls: calls + polls,
            throttled: 0,
        };
        (job, snapshot_at, done_at)
    }

    #[inline(always)]
    fn settled(
        &self,
        tally: Tally,
        recording: &impl Decided,
        now: Timestamp,
        outcome: OutcomeKind,
        missing: FieldSet,
    ) -> Settled {
        tally.settled(self.tenant, recording.recording(), now, outcome, missing)
    }
}

/// The first poll of the grid from `origin` on that comes at `at` or later, and how many it takes.
#[inline]
fn seen_by_polls(origin: Timestamp, at: Timestamp) -> (Timestamp, u32) {
    let wait = at.since(origin).as_nanos();
    if wait <= POLL_INTERVAL.as_nanos() {
        return (next_poll(origin, origin), 1);
    }
    let before = Timestamp::from_nanos(at.as_nanos().saturating_sub(1));
    let seen_at = next_poll(origin, before);
    let polls = seen_at.since(origin).as_nanos() / POLL_INTERVAL.as_nanos();
    (seen_at, u32::try_from(polls).unwrap_or(u32::MAX))
}
