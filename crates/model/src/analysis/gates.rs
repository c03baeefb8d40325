//! What is counted per tenant: outcomes, delays and calls, in cells of phase and kind.

use std::collections::BTreeMap;

use super::Facts;
use super::batches::{Batches, Sums};
use super::delay::{Cdf, Delays};
use crate::field::Field;
use crate::history::{JobRecord, Settled};
use crate::outcome::{Cause, Fate, OutcomeKind};
use crate::stats::Interval;
use crate::summary::{Estimate, Method, OutcomeCounts, OutcomeSummary, SliceSummary};
use crate::time::Duration;

/// Fields that can be missing: the metadata and the media.
pub(crate) const FIELDS: usize = Field::METADATA_COUNT + 1;

/// One tenant's recordings of one phase and kind, or of several such cells added up.
#[derive(Clone, Debug)]
pub(crate) struct GateCell {
    /// By outcome.
    pub(crate) outcomes: [u64; OutcomeKind::COUNT],
    /// By outcome and cause.
    pub(crate) causes: [[u64; Cause::ALL.len()]; OutcomeKind::COUNT],
    /// By outcome and field.
    pub(crate) missing: [[u64; FIELDS]; OutcomeKind::COUNT],
    pub(crate) late: u64,
    pub(crate) lost: u64,
    pub(crate) wasted_checks: u64,
    pub(crate) re_exports: u64,
    pub(crate) added_delay: Delays,
    pub(crate) regret: Delays,
    pub(crate) batches: Batches<GateSums>,
}

/// Sums of a batch of recordings.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(crate) struct GateSums {
    pub(crate) settled: u64,
    /// By outcome.
    pub(crate) outcomes: [u64; OutcomeKind::COUNT],
    pub(crate) calls: u64,
    pub(crate) throttled: u64,
    pub(crate) delays: u64,
    pub(crate) delay_ns: u128,
    pub(crate) regrets: u64,
    pub(crate) regret_ns: u128,
}

impl Sums for GateSums {
    fn add(&mut self, other: &Self) {
        self.settled += other.settled;
        add_all(&mut self.outcomes, &other.outcomes);
        self.calls += other.calls;
        self.throttled += other.throttled;
        self.delays += other.delays;
        self.delay_ns += other.delay_ns;
        self.regrets += other.regrets;
        self.regret_ns += other.regret_ns;
    }
}

impl GateSums {
    pub(crate) fn delay_parts(&self) -> (f64, f64) {
        (self.delay_ns as f64, self.delays as f64)
    }

    pub(crate) fn regret_parts(&self) -> (f64, f64) {
        (self.regret_ns as f64, self.regrets as f64)
    }

    pub(crate) fn call_parts(&self) -> (f64, f64) {
        (self.calls as f64, self.settled as f64)
    }
}

impl Default for GateCell {
    fn default() -> Self {
        Self {
            outcomes: [0; OutcomeKind::COUNT],
            causes: [[0; Cause::ALL.len()]; OutcomeKind::COUNT],
            missing: [[0; FIELDS]; OutcomeKind::COUNT],
            late: 0,
            lost: 0,
            wasted_checks: 0,
            re_exports: 0,
            added_delay: Delays::default(),
            regret: Delays::default(),
            batches: Batches::default(),
        }
    }
}

/// Export instant − session end, of a recording with a sidecar.
pub(crate) fn added_delay(settled: &Settled, facts: &Facts) -> Option<Duration> {
    settled.snapshot_at.map(|at| at.since(facts.ended_at))
}

/// Export instant − first instant at which it would have been complete, of a complete recording.
pub(crate) fn regret(settled: &Settled, facts: &Facts) -> Option<Duration> {
    let regret = settled.regret(facts.fields_at, facts.media_at)?;
    let comes = !facts.fields_at.is_never() && !facts.media_at.is_never();
    (settled.outcome == OutcomeKind::Complete && comes).then_some(regret)
}

impl GateCell {
    /// Counts a settled recording.
    pub(crate) fn add(&mut self, settled: &Settled, facts: &Facts) {
        let outcome = settled.outcome.index();
        self.outcomes[outcome] += 1;
        if let Some(cause) = settled.cause {
            self.causes[outcome][cause as usize] += 1;
        }
        for field in settled.missing.iter() {
            self.missing[outcome][field as usize] += 1;
        }
        match settled.fate {
            Some(Fate::Late(_)) => self.late += 1,
            Some(Fate::Lost) => self.lost += 1,
            None => {}
        }
        self.wasted_checks += u64::from(settled.wasted_checks);
        self.re_exports += u64::from(settled.exports.saturating_sub(1));
        let delay = added_delay(settled, facts);
        let regret = regret(settled, facts);
        if let Some(delay) = delay {
            self.added_delay.record(delay);
        }
        if let Some(regret) = regret {
            self.regret.record(regret);
        }
        let nanos = |time: Option<Duration>| time.map_or(0, |time| u128::from(time.as_nanos()));
        let mut outcomes = [0; OutcomeKind::COUNT];
        outcomes[outcome] = 1;
        self.batches.at(settled.recording.0).add(&GateSums {
            settled: 1,
            outcomes,
            calls: u64::from(settled.gate_calls),
            throttled: u64::from(settled.throttled),
            delays: u64::from(delay.is_some()),
            delay_ns: nanos(delay),
            regrets: u64::from(regret.is_some()),
            regret_ns: nanos(regret),
        });
    }

    /// Adds another cell of the same run.
    pub(crate) fn add_slice(&mut self, other: &Self) {
        self.add_counts(other);
        self.batches.add_slice(&other.batches);
    }

    /// Adds the same cell of further replications.
    pub(crate) fn add_replications(&mut self, other: &Self) {
        self.add_counts(other);
        self.batches.add_replications(&other.batches);
    }

    fn add_counts(&mut self, other: &Self) {
        add_all(&mut self.outcomes, &other.outcomes);
        for (mine, theirs) in self.causes.iter_mut().zip(&other.causes) {
            add_all(mine, theirs);
        }
        for (mine, theirs) in self.missing.iter_mut().zip(&other.missing) {
            add_all(mine, theirs);
        }
        self.late += other.late;
        self.lost += other.lost;
        self.wasted_checks += other.wasted_checks;
        self.re_exports += other.re_exports;
        self.added_delay.merge(&other.added_delay);
        self.regret.merge(&other.regret);
    }

    /// Number of settled recordings.
    pub(crate) fn settled(&self) -> u64 {
        self.outcomes.iter().sum()
    }

    /// Counts and rates, yet without doubt; `ended` of these recordings have ended.
    pub(crate) fn outcome_summary(&self, ended: u64) -> OutcomeSummary {
        let settled = self.settled();
        let count = |outcome: OutcomeKind| self.outcomes[outcome.index()];
        let rate = |outcome: OutcomeKind| {
            let rate = count(outcome) as f64 / settled.max(1) as f64;
            Estimate::of_run(Interval::exact(rate), Method::Independent)
        };
        OutcomeSummary {
            recordings: ended.max(settled),
            outcomes: OutcomeCounts {
                complete: count(OutcomeKind::Complete),
                incomplete: count(OutcomeKind::Incomplete),
                inconsistent: count(OutcomeKind::Inconsistent),
                rejected: count(OutcomeKind::Rejected),
                skipped: count(OutcomeKind::Skipped),
                abandoned: count(OutcomeKind::Abandoned),
                errored: count(OutcomeKind::Errored),
                in_flight: ended.saturating_sub(settled),
            },
            complete_rate: rate(OutcomeKind::Complete),
            incomplete_rate: rate(OutcomeKind::Incomplete),
            inconsistent_rate: rate(OutcomeKind::Inconsistent),
            rejected_rate: rate(OutcomeKind::Rejected),
            skipped_rate: rate(OutcomeKind::Skipped),
            abandoned_rate: rate(OutcomeKind::Abandoned),
            errored_rate: rate(OutcomeKind::Errored),
        }
    }

    /// The row of a phase or kind.
    pub(crate) fn slice_summary(&self, ended: u64) -> SliceSummary {
        let delay = self.batches.ratio(GateSums::delay_parts);
        let calls = self.batches.ratio(GateSums::call_parts);
        SliceSummary {
            total: self.outcome_summary(ended),
            added_delay: self.added_delay.summary(delay, Cdf::Left),
            calls_per_recording: calls.map_or(0.0, |calls| calls.mean),
            calls_per_recording_interval: None,
        }
    }

    /// Why recordings were not complete.
    pub(crate) fn cause_counts(&self) -> BTreeMap<String, u64> {
        let count = |cause: Cause| {
            let complete = OutcomeKind::Complete.index();
            let rows = self
                .causes
                .iter()
                .enumerate()
                .filter(|(outcome, _)| *outcome != complete);
            rows.map(|(_, row)| row[cause as usize]).sum::<u64>()
        };
        let named = Cause::ALL
            .into_iter()
            .map(|cause| (cause.name().to_owned(), count(cause)));
        named.filter(|(_, count)| *count > 0).collect()
    }

    /// The missing fields of incomplete recordings.
    pub(crate) fn missing_counts(&self) -> BTreeMap<String, u64> {
        let row = &self.missing[OutcomeKind::Incomplete.index()];
        let fields = Field::METADATA.into_iter().chain([Field::Media]);
        let named = fields.map(|field| (field.name().to_owned(), row[field as usize]));
        named.filter(|(_, count)| *count > 0).collect()
    }
}

fn add_all(into: &mut [u64], from: &[u64]) {
    into.iter_mut()
        .zip(from)
        .for_each(|(mine, theirs)| *mine += theirs);
}

/// One tenant's export jobs of one phase.
#[derive(Clone, Debug, Default)]
pub(crate) struct JobCell {
    pub(crate) batches: Batches<JobSums>,
}

/// Sums of a batch of jobs.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(crate) struct JobSums {
    pub(crate) jobs: u64,
    pub(crate) calls: u64,
    pub(crate) throttled: u64,
    pub(crate) recordings: u64,
}

impl Sums for JobSums {
    fn add(&mut self, other: &Self) {
        self.jobs += other.jobs;
        self.calls += other.calls;
        self.throttled += other.throttled;
        self.recordings += other.recordings;
    }
}

impl JobCell {
    /// Counts a job.
    pub(crate) fn add(&mut self, job: &JobRecord) {
        self.batches.at(job.ordinal.0).add(&JobSums {
            jobs: 1,
            calls: u64::from(job.calls),
            throttled: u64::from(job.throttled),
            recordings: job.recordings,
        });
    }
}
