//! How the generator itself is doing: what it made, and whether it kept its schedule.

use hdrhistogram::Histogram;
use racegate_model::summary::GeneratorSummary;
use racegate_model::time::Duration;

/// What a person watches while a run goes on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// Time since the run's start.
    pub elapsed: Duration,
    /// Calls begun.
    pub begun: u64,
    /// Calls in progress.
    pub active: u64,
    /// Sessions ended.
    pub ended: u64,
    /// (tenant, recording) pairs settled.
    pub settled: u64,
    /// Pairs to be settled so far.
    pub expected: u64,
}

/// Counters of a run, filled as it goes.
#[derive(Debug)]
pub struct GeneratorReport {
    /// What was counted.
    pub summary: GeneratorSummary,
    /// Lateness of API calls, in microseconds.
    calls: Histogram<u64>,
}

/// Arrivals started later than this are counted as dropped, as a caller would have hung up.
pub(super) const DROPPED_AFTER: Duration = Duration::from_secs(1);

impl GeneratorReport {
    pub(super) fn new() -> Self {
        #[expect(
            clippy::expect_used,
            reason = "three digits are within the crate's bounds"
        )]
        let calls = Histogram::new(3).expect("three significant digits are valid");
        Self {
            summary: GeneratorSummary::default(),
            calls,
        }
    }

    pub(super) fn call_sent(&mut self, lateness: Duration) {
        self.calls.saturating_record(lateness.as_nanos() / 1000);
    }

    /// The summary with the quantiles filled in.
    #[must_use]
    pub fn finish(mut self) -> GeneratorSummary {
        let micros = self.calls.value_at_quantile(0.99);
        self.summary.call_lateness_p99_s = Duration::from_nanos(micros * 1000).as_secs_f64();
        self.summary
    }
}
