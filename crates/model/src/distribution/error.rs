//! Why a distribution cannot be made, and what to write instead.

use crate::time::Duration;

/// Why a distribution cannot be made. Every message says the way out.
#[derive(Clone, PartialEq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DistributionError {
    /// A real parameter is NaN or infinite.
    #[error("{parameter} is {value}: give a finite number")]
    NotFinite {
        /// Name of the parameter.
        parameter: &'static str,
        /// What was given.
        value: f64,
    },
    /// A real parameter must be above zero.
    #[error("{parameter} is {value}: give a number above 0")]
    NotPositive {
        /// Name of the parameter.
        parameter: &'static str,
        /// What was given.
        value: f64,
    },
    /// A shape is outside the range in which the tables are accurate.
    #[error("shape is {value}: give a shape from {low} to {high}, or another distribution")]
    ShapeOutOfRange {
        /// What was given.
        value: f64,
        /// The smallest shape.
        low: f64,
        /// The largest shape.
        high: f64,
    },
    /// A duration must be above zero.
    #[error("{parameter} is 0s: give a duration above 0s, or use a constant of 0s")]
    ZeroDuration {
        /// Name of the parameter.
        parameter: &'static str,
    },
    /// The bounds of a uniform distribution are the wrong way round.
    #[error("min {min} is above max {max}: swap them")]
    Reversed {
        /// The bound given as the lower one.
        min: Duration,
        /// The bound given as the upper one.
        max: Duration,
    },
    /// The 99th percentile is not above the median.
    #[error("p99 {p99} is not above the median {median}: raise p99, or use a constant of {median}")]
    NoSpread {
        /// The median.
        median: Duration,
        /// The 99th percentile.
        p99: Duration,
    },
    /// A mixture or an empirical distribution has nothing in it.
    #[error("no {what}: give at least one")]
    Empty {
        /// What is missing.
        what: &'static str,
    },
    /// Weight of a mixture's component is not a positive, finite number.
    #[error("weight {index} is {value}: give a number above 0, or leave the component out")]
    Weight {
        /// Position of the component, from 0.
        index: usize,
        /// What was given.
        value: f64,
    },
    /// A quantile is outside 0..=1 or not above the one before it.
    #[error("quantile {index} is {value}: give quantiles from 0 to 1 in rising order")]
    QuantileOrder {
        /// Position of the pair, from 0.
        index: usize,
        /// What was given.
        value: f64,
    },
    /// The duration of a quantile is below the one before it.
    #[error("quantile {index} is {value}, below the one before it: durations must not fall")]
    QuantileFalls {
        /// Position of the pair, from 0.
        index: usize,
        /// What was given.
        value: Duration,
    },
    /// The quantiles do not reach from 0 to 1, so the tails are unknown.
    #[error(
        "quantiles run from {first} to {last}: add (0, the smallest value) and (1, the largest)"
    )]
    QuantileEnds {
        /// The first quantile given.
        first: f64,
        /// The last quantile given.
        last: f64,
    },
}
