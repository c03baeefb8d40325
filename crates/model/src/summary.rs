//! `summary.json`: the numbers of a run, in a versioned schema. Grow it, never rename.

mod live;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::analysis::Sharing;
use crate::outcome::OutcomeKind;
use crate::stats::Interval;

pub use live::{
    ConformanceSummary, CpuSummary, Disagreement, Explanation, FaultSummary, GeneratorSummary,
};

/// Version of the schema.
pub const SCHEMA: u32 = 1;

/// The numbers of a run.
#[expect(
    clippy::struct_excessive_bools,
    reason = "the schema of a file, not an interface"
)]
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Summary {
    /// [`SCHEMA`].
    pub schema: u32,
    /// Name and version of the program.
    pub tool: String,
    /// The scenario's name.
    pub scenario: String,
    /// The scenario's description.
    pub description: String,
    /// `sim` or `live`.
    pub engine: String,
    /// The seed.
    pub seed: u64,
    /// Hash of the planned sessions; the same in both engines.
    pub plan_hash: String,
    /// Hash of all settled values; `sim` only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub history_hash: Option<String>,
    /// Whether the numbers can be trusted.
    pub valid: bool,
    /// Why not.
    pub invalid_reasons: Vec<String>,
    /// Whether the run was cut short.
    pub interrupted: bool,
    /// Recordings counted (of one arm; warm-up left out).
    pub recordings: u64,
    /// Recordings made in the warm-up.
    pub warmup_recordings: u64,
    /// Sessions that never came up (live only).
    pub not_established: u64,
    /// Length of the run, in seconds of its own clock.
    pub duration_s: f64,
    /// Runs behind the estimates: seeds that were simulated; one, if the run speaks for itself.
    pub replications: u64,
    /// Hash of the histories of all of them, in their order.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replications_hash: Option<String>,
    /// What couples recordings.
    #[serde(default)]
    pub sharing: Sharing,
    /// Where the intervals come from.
    #[serde(default)]
    pub method: Method,
    /// What the process is to exit with.
    pub exit_code: u8,
    /// One per tenant.
    pub gates: Vec<GateSummary>,
    /// One per arm and kind, or per tenant and kind where the gates' own calls load the platform.
    pub platform: Vec<PlatformSummary>,
    /// One per phase: what arrived.
    pub phases: Vec<PhaseSummary>,
    /// One per expectation.
    pub expect: Vec<ExpectationResult>,
    /// Rates over time of arm `base`, for the picture.
    pub over_time: OverTime,
    /// How the generator kept its schedule (live only).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub generator: Option<GeneratorSummary>,
    /// How the two engines agree (live only).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub conformance: Option<ConformanceSummary>,
}

/// One tenant.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct GateSummary {
    /// The gate.
    pub name: String,
    /// The arm.
    pub arm: String,
    /// The strategy's name, as in the scenario.
    pub strategy: String,
    /// Counts and rates over all phases and kinds.
    #[serde(flatten)]
    pub total: OutcomeSummary,
    /// Export instant − session end, over recordings with a sidecar.
    pub added_delay: DelaySummary,
    /// Export instant − first complete instant, over complete recordings.
    pub regret: DelaySummary,
    /// Gate calls per recording.
    pub calls_per_recording: f64,
    /// Its standard error.
    pub calls_per_recording_se: f64,
    /// The same with its interval.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub calls_per_recording_interval: Option<Estimate>,
    /// Job calls per recording.
    pub job_calls_per_recording: f64,
    /// The same with its interval.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub job_calls_per_recording_interval: Option<Estimate>,
    /// 429s.
    pub throttled: u64,
    /// 429s ÷ calls.
    pub throttled_rate: f64,
    /// The same with its interval.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub throttled_rate_interval: Option<Estimate>,
    /// Checks that found a recording not ready.
    pub wasted_checks: u64,
    /// Exports beyond the first.
    pub re_exports: u64,
    /// Export jobs.
    pub jobs: u64,
    /// Why recordings were not complete: cause → count.
    pub causes: BTreeMap<String, u64>,
    /// Missing fields of incomplete recordings: field → count.
    pub missing: BTreeMap<String, u64>,
    /// Of what was not complete: what waiting would have helped.
    pub late: u64,
    /// Of what was not complete: what nothing would have helped.
    pub lost: u64,
    /// The same counts and rates, and the delay, by phase.
    pub phases: BTreeMap<String, SliceSummary>,
    /// The same by kind.
    pub kinds: BTreeMap<String, SliceSummary>,
}

/// A slice of a tenant's recordings.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct SliceSummary {
    /// Counts and rates.
    #[serde(flatten)]
    pub total: OutcomeSummary,
    /// Export instant − session end.
    pub added_delay: DelaySummary,
    /// Gate calls per recording.
    pub calls_per_recording: f64,
    /// The same with its interval.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub calls_per_recording_interval: Option<Estimate>,
}

/// Counts and rates of outcomes.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct OutcomeSummary {
    /// Recordings: settled and in flight.
    pub recordings: u64,
    /// Counts.
    pub outcomes: OutcomeCounts,
    /// Rates over recordings not in flight, with 95 % intervals.
    pub complete_rate: Estimate,
    /// As above.
    pub incomplete_rate: Estimate,
    /// As above.
    pub inconsistent_rate: Estimate,
    /// As above.
    pub rejected_rate: Estimate,
    /// As above.
    pub skipped_rate: Estimate,
    /// As above.
    pub abandoned_rate: Estimate,
    /// As above.
    pub errored_rate: Estimate,
}

/// Counts of outcomes.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct OutcomeCounts {
    /// See [`OutcomeKind::Complete`].
    pub complete: u64,
    /// See [`OutcomeKind::Incomplete`].
    pub incomplete: u64,
    /// See [`OutcomeKind::Inconsistent`].
    pub inconsistent: u64,
    /// See [`OutcomeKind::Rejected`].
    pub rejected: u64,
    /// See [`OutcomeKind::Skipped`].
    pub skipped: u64,
    /// See [`OutcomeKind::Abandoned`].
    pub abandoned: u64,
    /// See [`OutcomeKind::Errored`].
    pub errored: u64,
    /// Ended and not settled when the run ended.
    pub in_flight: u64,
}

impl OutcomeCounts {
    /// The count of `outcome`.
    #[must_use]
    pub const fn of(&self, outcome: OutcomeKind) -> u64 {
        match outcome {
            OutcomeKind::Complete => self.complete,
            OutcomeKind::Incomplete => self.incomplete,
            OutcomeKind::Inconsistent => self.inconsistent,
            OutcomeKind::Rejected => self.rejected,
            OutcomeKind::Skipped => self.skipped,
            OutcomeKind::Abandoned => self.abandoned,
            OutcomeKind::Errored => self.errored,
        }
    }
}

impl OutcomeSummary {
    /// The rate of `outcome`.
    #[must_use]
    pub const fn rate(&self, outcome: OutcomeKind) -> Interval {
        self.estimate(outcome).interval()
    }

    /// The rate of `outcome`, and where it comes from.
    #[must_use]
    pub const fn estimate(&self, outcome: OutcomeKind) -> Estimate {
        match outcome {
            OutcomeKind::Complete => self.complete_rate,
            OutcomeKind::Incomplete => self.incomplete_rate,
            OutcomeKind::Inconsistent => self.inconsistent_rate,
            OutcomeKind::Rejected => self.rejected_rate,
            OutcomeKind::Skipped => self.skipped_rate,
            OutcomeKind::Abandoned => self.abandoned_rate,
            OutcomeKind::Errored => self.errored_rate,
        }
    }

    pub(crate) const fn estimate_mut(&mut self, outcome: OutcomeKind) -> &mut Estimate {
        match outcome {
            OutcomeKind::Complete => &mut self.complete_rate,
            OutcomeKind::Incomplete => &mut self.incomplete_rate,
            OutcomeKind::Inconsistent => &mut self.inconsistent_rate,
            OutcomeKind::Rejected => &mut self.rejected_rate,
            OutcomeKind::Skipped => &mut self.skipped_rate,
            OutcomeKind::Abandoned => &mut self.abandoned_rate,
            OutcomeKind::Errored => &mut self.errored_rate,
        }
    }
}

/// An estimate of the expectation over seeds with its two-sided 95 % interval; one-sided where
/// nothing was seen.
#[derive(Clone, Copy, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct Estimate {
    /// The point estimate.
    pub estimate: f64,
    /// The lower bound.
    pub low: f64,
    /// The upper bound.
    pub high: f64,
    /// What the run of the seed itself showed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run: Option<f64>,
    /// Runs behind the estimate.
    #[serde(default)]
    pub replications: u64,
    /// How the interval was made.
    #[serde(default)]
    pub method: Method,
    /// Standard error of the estimate; of a live run the deviation between seeds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub standard_error: Option<f64>,
    /// Of a rate: how many independent recordings would leave as much doubt.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub effective_size: Option<f64>,
    /// Live: the mean over simulated seeds, corrected by how the run differs from the simulation
    /// of its own seed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<Interval>,
}

impl Estimate {
    /// The interval alone.
    #[must_use]
    pub const fn interval(&self) -> Interval {
        Interval {
            estimate: self.estimate,
            low: self.low,
            high: self.high,
        }
    }

    /// The same estimate with the numbers of `interval`.
    #[must_use]
    pub const fn with(mut self, interval: Interval) -> Self {
        self.estimate = interval.estimate;
        self.low = interval.low;
        self.high = interval.high;
        self
    }

    /// What one run says by itself.
    #[must_use]
    pub fn of_run(interval: Interval, method: Method) -> Self {
        let estimate = Self {
            run: Some(interval.estimate),
            replications: 1,
            method,
            ..Self::default()
        };
        estimate.with(interval)
    }
}

/// How an interval was made.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Method {
    /// One run's recordings, which share nothing: Wilson, order statistics, Student's t.
    #[default]
    Independent,
    /// One run's blocks of neighbouring recordings.
    Blocks,
    /// Student's t between replications.
    Replications,
    /// Nothing was seen in any run, or nothing else: a one-sided bound.
    OneSided,
    /// One live run with the deviation between simulated seeds.
    Model,
}

/// A distribution of times, in seconds. All zero when there is none (`count` says so).
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct DelaySummary {
    /// Number of values.
    pub count: u64,
    /// Mean.
    pub mean_s: f64,
    /// Standard error of the mean.
    pub mean_se_s: f64,
    /// Median.
    pub p50_s: f64,
    /// 0.95 quantile.
    pub p95_s: f64,
    /// 0.99 quantile.
    pub p99_s: f64,
    /// Maximum, of the run itself.
    pub max_s: f64,
    /// The mean with its interval, in seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mean: Option<Estimate>,
    /// The median with its interval, in seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub p50: Option<Estimate>,
    /// The 0.95 quantile with its interval, in seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub p95: Option<Estimate>,
    /// The 0.99 quantile with its interval, in seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub p99: Option<Estimate>,
    /// Points (seconds, share of recordings at most that late) of the distribution function, for
    /// pictures; at most 200.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub cdf: Vec<(f64, f64)>,
}

/// The platform of one arm, as one kind of call met it.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct PlatformSummary {
    /// The arm.
    pub arm: String,
    /// The gate whose platform it is, where each has one of its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gate: Option<String>,
    /// The kind.
    pub kind: String,
    /// Session end → media object.
    pub media_lag: DelaySummary,
    /// Session end → all required fields on the primary read path.
    pub metadata_lag: DelaySummary,
    /// Session end → all required fields on the index.
    pub index_lag: DelaySummary,
    /// Session end → primary read path, by field.
    pub fields: BTreeMap<String, DelaySummary>,
    /// The pipeline's stages, in order.
    pub stages: Vec<StageSummary>,
    /// Recordings whose required fields never all come.
    pub never_complete: u64,
}

/// One stage of a pipeline, as one kind of call met it.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct StageSummary {
    /// Its name.
    pub name: String,
    /// Workers.
    pub workers: u32,
    /// Recordings that entered it.
    pub count: u64,
    /// Of these, recordings that never reached a worker.
    #[serde(default)]
    pub unserved: u64,
    /// Mean wait in the queue of those that reached a worker, in seconds.
    pub wait_mean_s: f64,
    /// Its standard error.
    pub wait_mean_se_s: f64,
    /// The mean wait with its interval, in seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wait_mean: Option<Estimate>,
    /// Share of recordings that waited, those that never reached a worker included.
    pub wait_probability: f64,
    /// Its standard error.
    pub wait_probability_se: f64,
    /// The share with its interval.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wait_probability_interval: Option<Estimate>,
    /// The longest wait, in seconds.
    pub wait_max_s: f64,
    /// Mean service time, in seconds.
    pub service_mean_s: f64,
    /// Worker time spent on recordings of all kinds ÷ workers ÷ time from the first arrival to the last departure.
    pub utilisation: f64,
}

/// What arrived in a phase.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct PhaseSummary {
    /// Its name.
    pub name: String,
    /// Start, in seconds of the run's clock.
    pub start_s: f64,
    /// End; the last phase lasts until all has drained.
    pub end_s: f64,
    /// Arrivals per second at its start and end, as configured; none for a closed model.
    pub rate_per_s: Option<(f64, f64)>,
    /// Sessions that ended in it.
    pub ended: u64,
}

/// Rates over time.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct OverTime {
    /// Width of a bin, in seconds.
    pub bin_s: f64,
    /// The bins, by session end.
    pub bins: Vec<TimeBin>,
}

/// Sessions that ended in one bin of time.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct TimeBin {
    /// Start of the bin, in seconds.
    pub start_s: f64,
    /// Arrivals in it.
    pub arrivals: u64,
    /// Sessions that ended in it.
    pub ended: u64,
    /// Median lag of the required fields on the primary read path, in seconds.
    pub metadata_lag_p50_s: f64,
    /// Maximum of the same.
    pub metadata_lag_max_s: f64,
    /// By gate: settled and incomplete recordings.
    pub gates: BTreeMap<String, BinCounts>,
}

/// Outcomes of one gate in one bin.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct BinCounts {
    /// Settled.
    pub settled: u64,
    /// Of them incomplete.
    pub incomplete: u64,
    /// Of them abandoned.
    pub abandoned: u64,
}

/// What came of an expectation.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct ExpectationResult {
    /// The expectation, as written.
    pub expression: String,
    /// The verdict.
    pub verdict: Verdict,
    /// What was observed; none when nothing was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed: Option<Interval>,
    /// What a person should know about it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}

/// The verdict on an expectation.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// The whole interval satisfies it.
    Pass,
    /// None of the interval does.
    Fail,
    /// Some of it does.
    Inconclusive,
    /// There was nothing to observe.
    NoSamples,
    /// The arm or gate was not run.
    NotRun,
}
