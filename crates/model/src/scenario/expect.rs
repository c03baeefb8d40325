//! `[expect]`: what must be true of the results.

use crate::field::{Field, Kind};
use crate::outcome::{Cause, OutcomeKind};

/// One line of `[expect]`.
#[derive(Clone, PartialEq, Debug)]
pub struct Expectation {
    /// The line as written: `incomplete_rate{gate=ungated} < 5%`.
    pub expression: String,
    /// What is measured.
    pub series: Series,
    /// What is subtracted from it, paired on the same recordings.
    pub minus: Option<Series>,
    /// All must hold; never empty.
    pub conditions: Vec<Condition>,
    /// How sure its verdict must be, however often the numbers are looked at on the way; none of a
    /// line of the scenario, which is judged once, by its 95 % interval.
    pub certainty: Option<f64>,
}

/// A metric of one series.
#[derive(Clone, PartialEq, Debug)]
pub struct Series {
    /// The metric.
    pub metric: Metric,
    /// Which tenant, kind, phase, …
    pub labels: Labels,
}

/// Which series is meant. What is not said means all, or the only one.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Labels {
    /// Gate.
    pub gate: Option<String>,
    /// Arm; none is `base`.
    pub arm: Option<String>,
    /// Kind of call.
    pub kind: Option<Kind>,
    /// Phase.
    pub phase: Option<String>,
    /// Field.
    pub field: Option<Field>,
    /// Cause of incomplete exports.
    pub cause: Option<Cause>,
    /// Stage of a pipeline.
    pub stage: Option<String>,
}

/// What can be measured.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Metric {
    /// Share of recordings with that outcome.
    OutcomeRate(OutcomeKind),
    /// Export instant − session end, in seconds.
    AddedDelay(Aggregate),
    /// Export instant − first instant at which it would have been complete, in seconds.
    Regret(Aggregate),
    /// Gate calls per recording.
    CallsPerRecording,
    /// Job calls per recording.
    JobCallsPerRecording,
    /// 429s ÷ calls.
    ThrottledRate,
    /// Session end → primary read path, in seconds.
    MetadataLag(Aggregate),
    /// Mean wait in a stage's queue, in seconds.
    QueueWaitMean,
    /// Share of recordings that waited in a stage's queue.
    QueueWaitProbability,
    /// Recordings counted.
    Recordings,
    /// Sessions that never came up.
    NotEstablished,
}

/// How a distribution is summed up.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Aggregate {
    /// Mean.
    Mean,
    /// Median.
    P50,
    /// 0.95 quantile.
    P95,
    /// 0.99 quantile.
    P99,
    /// Maximum.
    Max,
}

/// `< 5%`.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Condition {
    /// The operator.
    pub comparison: Comparison,
    /// The bound, in the metric's unit (rates as shares of one, times in seconds).
    pub bound: f64,
}

/// An operator.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Comparison {
    /// `<`
    Less,
    /// `<=`
    LessOrEqual,
    /// `>`
    Greater,
    /// `>=`
    GreaterOrEqual,
    /// `==`
    Equal,
}

impl Comparison {
    /// Whether `value` satisfies the comparison with `bound`.
    #[must_use]
    #[expect(
        clippy::float_cmp,
        reason = "`==` is meant for counts, which are exact"
    )]
    pub fn holds(self, value: f64, bound: f64) -> bool {
        match self {
            Self::Less => value < bound,
            Self::LessOrEqual => value <= bound,
            Self::Greater => value > bound,
            Self::GreaterOrEqual => value >= bound,
            Self::Equal => value == bound,
        }
    }
}
