//! Where a run's events go: the history on disk, the accumulators, and the comparison of engines.

use racegate_model::analysis::Accumulator;
use racegate_model::conformance::Conformance;
use racegate_model::history::{End, EndReason, Entry, JobRecord, Settled};
use racegate_model::ids::{ArmIndex, RecordingIndex};
use racegate_model::outcome::OutcomeKind;
use racegate_model::recorder::Sink;
use racegate_model::scenario::{Arm, Scenario};
use racegate_model::time::Timestamp;
use racegate_model::timeline::Timeline;

use crate::store::HistoryWriter;

/// Writes and counts a run.
pub struct RunSink<'a> {
    accumulator: Accumulator,
    history: Option<HistoryWriter>,
    /// Settled pairs of a live run, to be compared with the simulation.
    conformance: Option<(&'a Scenario, Conformance)>,
    /// Recordings above which only the failing ones are written.
    history_limit: u64,
    failing_written: usize,
}

/// Failing recordings written beyond the history's limit, at most.
pub(crate) const FAILING_MAX: usize = 100_000;

impl<'a> RunSink<'a> {
    /// A sink that counts with `accumulator` and writes to `history`, if there is one.
    #[must_use]
    pub const fn new(
        accumulator: Accumulator,
        history: Option<HistoryWriter>,
        history_limit: u64,
    ) -> Self {
        Self {
            accumulator,
            history,
            conformance: None,
            history_limit,
            failing_written: 0,
        }
    }

    /// Also keeps what a live run of `scenario` settles, to be compared.
    #[must_use]
    pub fn comparing(mut self, scenario: &'a Scenario) -> Self {
        self.conformance = Some((scenario, Conformance::default()));
        self
    }

    /// What was counted, the history's writer, and the comparison.
    #[must_use]
    pub fn into_parts(self) -> (Accumulator, Option<HistoryWriter>, Option<Conformance>) {
        (
            self.accumulator,
            self.history,
            self.conformance.map(|(_, conformance)| conformance),
        )
    }

    fn write(&mut self, entry: impl FnOnce() -> Entry) {
        if let Some(history) = &mut self.history {
            history.write(entry());
        }
    }

    const fn within_limit(&self, recording: RecordingIndex) -> bool {
        recording.0 < self.history_limit
    }
}

impl Sink for RunSink<'_> {
    fn timeline(&mut self, arm: ArmIndex, timeline: &Timeline) {
        self.accumulator.timeline(arm, timeline);
        if self.within_limit(timeline.recording) {
            self.write(|| Entry::Timeline {
                arm,
                timeline: timeline.clone(),
            });
        }
    }

    fn settled(&mut self, settled: &Settled, timeline: &Timeline) {
        self.accumulator.settled(settled, timeline);
        if let Some((scenario, conformance)) = &mut self.conformance
            && let Some(arm) = arm_of(scenario, settled)
        {
            conformance.live(settled, timeline, arm);
        }
        if self.within_limit(settled.recording) {
            self.write(|| Entry::Settled(settled.clone()));
        } else if settled.outcome != OutcomeKind::Complete && self.failing_written < FAILING_MAX {
            self.failing_written += 1;
            self.write(|| Entry::Settled(settled.clone()));
        }
    }

    fn job(&mut self, job: &JobRecord) {
        self.accumulator.job(job);
        if let Some((_, conformance)) = &mut self.conformance {
            conformance.live_job(job);
        }
        if job.ordinal.0 < self.history_limit {
            self.write(|| Entry::Job(job.clone()));
        }
    }

    fn not_established(&mut self, recording: RecordingIndex, stage: &str) {
        self.accumulator.not_established(recording, stage);
        self.write(|| Entry::NotEstablished {
            recording,
            stage: stage.to_owned(),
        });
    }

    fn end(&mut self, at: Timestamp, reason: EndReason, ended: &[u64]) {
        let end = End {
            at,
            reason,
            ended: ended.to_vec(),
            invalid_reasons: Vec::new(),
        };
        self.accumulator.end(&end);
        self.write(|| Entry::End(end));
    }
}

/// Keeps what a simulation settles for a comparison with a live run.
pub(crate) struct SimulatedSide<'a> {
    pub(crate) scenario: &'a Scenario,
    pub(crate) conformance: Conformance,
}

impl Sink for SimulatedSide<'_> {
    fn timeline(&mut self, _: ArmIndex, _: &Timeline) {}

    fn settled(&mut self, settled: &Settled, timeline: &Timeline) {
        if let Some(arm) = arm_of(self.scenario, settled) {
            self.conformance.simulated(settled, timeline, arm);
        }
    }

    fn job(&mut self, job: &JobRecord) {
        self.conformance.simulated_job(job);
    }

    fn end(&mut self, _: Timestamp, _: EndReason, _: &[u64]) {}
}

/// The arm that a tenant belongs to: tenants are counted through the arms.
pub(crate) fn arm_of<'a>(scenario: &'a Scenario, settled: &Settled) -> Option<&'a Arm> {
    let mut first = 0;
    scenario.arms.iter().find(|arm| {
        let tenants = first..first + arm.gates.len();
        first = tenants.end;
        tenants.contains(&(settled.tenant.0 as usize))
    })
}
