//! How long things take: distributions of durations, and tables that sample them in integers.
//!
//! A [`Distribution`] is what a scenario says; a [`Sampler`] is what an engine uses. The formulas
//! are evaluated once, with the pinned `libm`, so the same draw gives the same nanosecond on every
//! platform.

#[cfg(test)]
mod accuracy;
mod empirical;
mod error;
mod law;
mod mixture;
mod sampler;
#[cfg(test)]
mod tests;

pub use empirical::Empirical;
pub use error::DistributionError;
pub(crate) use law::Tails;
pub use sampler::Sampler;

use crate::time::Duration;

/// The smallest and the largest shape of a Weibull, Pareto or gamma distribution.
const SHAPES: std::ops::RangeInclusive<f64> = 0.01..=10_000.0;
/// The 0.99 quantile of the standard normal distribution.
const Z99: f64 = 2.326_347_874_040_841;

/// A distribution of durations. Made by its checked constructors, so every value is usable.
#[derive(Clone, PartialEq, Debug)]
pub enum Distribution {
    /// Always the same duration.
    Constant(Duration),
    /// Every duration from `min` to `max` alike, both included.
    #[non_exhaustive]
    Uniform {
        /// The shortest duration.
        min: Duration,
        /// The longest duration.
        max: Duration,
    },
    /// Memoryless: tail `exp(-x / mean)`.
    #[non_exhaustive]
    Exponential {
        /// The mean, above zero.
        mean: Duration,
    },
    /// The logarithm of the seconds is normal.
    #[non_exhaustive]
    Lognormal {
        /// Mean of ln(seconds).
        mu: f64,
        /// Standard deviation of ln(seconds), above zero.
        sigma: f64,
    },
    /// Tail `exp(-(x / scale)^shape)`.
    #[non_exhaustive]
    Weibull {
        /// Shape; below 1 the tail is heavier than exponential.
        shape: f64,
        /// Scale: the 63.2 % quantile.
        scale: Duration,
    },
    /// Tail `(scale / x)^shape` from `scale` on. With `shape <= 1` the mean is infinite: samples
    /// stop at the 1 - 2^-44 quantile, or at [`Duration::MAX`] if that is less.
    #[non_exhaustive]
    Pareto {
        /// Shape, the tail's exponent.
        shape: f64,
        /// The smallest value.
        scale: Duration,
    },
    /// Sum of `shape` exponential times of mean `scale`, for real shapes too.
    #[non_exhaustive]
    Gamma {
        /// Shape.
        shape: f64,
        /// Scale; the mean is shape times scale.
        scale: Duration,
    },
    /// One of several distributions, chosen by weight; the weights sum to 1.
    #[non_exhaustive]
    Mixture(Vec<(f64, Self)>),
    /// What was observed.
    Empirical(Empirical),
}

impl Distribution {
    /// Always `value`.
    #[must_use]
    pub const fn constant(value: Duration) -> Self {
        Self::Constant(value)
    }

    /// Every duration from `min` to `max` alike, both included.
    ///
    /// # Errors
    /// If `min` is above `max`.
    pub fn uniform(min: Duration, max: Duration) -> Result<Self, DistributionError> {
        if min > max {
            return Err(DistributionError::Reversed { min, max });
        }
        Ok(Self::Uniform { min, max })
    }

    /// Exponential of mean `mean`.
    ///
    /// # Errors
    /// If the mean is zero.
    pub fn exponential(mean: Duration) -> Result<Self, DistributionError> {
        Ok(Self::Exponential {
            mean: above_zero("mean", mean)?,
        })
    }

    /// Lognormal from its median and its 99th percentile: `mu = ln median`,
    /// `sigma = ln(p99 / median) / 2.326…`.
    ///
    /// # Errors
    /// If the median is zero or `p99` is not above it.
    pub fn lognormal_median_p99(
        median: Duration,
        p99: Duration,
    ) -> Result<Self, DistributionError> {
        let median = above_zero("median", median)?;
        if p99 <= median {
            return Err(DistributionError::NoSpread { median, p99 });
        }
        let spread = libm::log(p99.as_nanos() as f64 / median.as_nanos() as f64);
        // Two durations above 2^53 ns may be the same number.
        if spread <= 0.0 {
            return Err(DistributionError::NoSpread { median, p99 });
        }
        Self::lognormal_mu_sigma(libm::log(median.as_secs_f64()), spread / Z99)
    }

    /// Lognormal from the mean and the standard deviation of ln(seconds). Samples saturate at
    /// [`Duration::MAX`] if sigma is very large.
    ///
    /// # Errors
    /// If `mu` is not finite or `sigma` is not finite and above zero.
    pub fn lognormal_mu_sigma(mu: f64, sigma: f64) -> Result<Self, DistributionError> {
        Ok(Self::Lognormal {
            mu: finite("mu", mu)?,
            sigma: positive("sigma", sigma)?,
        })
    }

    /// Weibull of shape `shape` and scale `scale`.
    ///
    /// # Errors
    /// If the scale is zero or the shape outside 0.01 to 10,000.
    pub fn weibull(shape: f64, scale: Duration) -> Result<Self, DistributionError> {
        Ok(Self::Weibull {
            shape: checked_shape(shape)?,
            scale: above_zero("scale", scale)?,
        })
    }

    /// Pareto of tail exponent `shape` from `scale` on.
    ///
    /// # Errors
    /// If the scale is zero or the shape outside 0.01 to 10,000.
    pub fn pareto(shape: f64, scale: Duration) -> Result<Self, DistributionError> {
        Ok(Self::Pareto {
            shape: checked_shape(shape)?,
            scale: above_zero("scale", scale)?,
        })
    }

    /// Gamma of shape `shape` and scale `scale`.
    ///
    /// # Errors
    /// If the scale is zero or the shape outside 0.01 to 10,000.
    pub fn gamma(shape: f64, scale: Duration) -> Result<Self, DistributionError> {
        Ok(Self::Gamma {
            shape: checked_shape(shape)?,
            scale: above_zero("scale", scale)?,
        })
    }

    /// One of `components`, chosen in proportion to its weight. Weights need not sum to 1.
    ///
    /// # Errors
    /// If there is no component, or a weight (or their sum) is not finite and above zero.
    pub fn mixture(components: Vec<(f64, Self)>) -> Result<Self, DistributionError> {
        if components.is_empty() {
            return Err(DistributionError::Empty { what: "component" });
        }
        for (index, &(value, _)) in components.iter().enumerate() {
            if !value.is_finite() || value <= 0.0 {
                return Err(DistributionError::Weight { index, value });
            }
        }
        let total = finite(
            "sum of the weights",
            components.iter().map(|(weight, _)| weight).sum(),
        )?;
        let share = |(weight, part)| (weight / total, part);
        Ok(Self::Mixture(components.into_iter().map(share).collect()))
    }

    /// Each of `samples` alike: a resampling of what was observed.
    ///
    /// # Errors
    /// If there is no sample.
    pub fn empirical(
        samples: impl IntoIterator<Item = Duration>,
    ) -> Result<Self, DistributionError> {
        Empirical::from_samples(samples).map(Self::Empirical)
    }

    /// Through the given (quantile, duration) pairs, linear between them, from quantile 0 to 1.
    ///
    /// # Errors
    /// If the quantiles do not rise from 0 to 1 or the durations fall.
    pub fn quantiles(pairs: &[(f64, Duration)]) -> Result<Self, DistributionError> {
        Empirical::from_quantiles(pairs).map(Self::Empirical)
    }
}

fn finite(parameter: &'static str, value: f64) -> Result<f64, DistributionError> {
    if value.is_finite() {
        Ok(value)
    } else {
        Err(DistributionError::NotFinite { parameter, value })
    }
}

fn positive(parameter: &'static str, value: f64) -> Result<f64, DistributionError> {
    let value = finite(parameter, value)?;
    if value > 0.0 {
        Ok(value)
    } else {
        Err(DistributionError::NotPositive { parameter, value })
    }
}

fn checked_shape(value: f64) -> Result<f64, DistributionError> {
    let value = positive("shape", value)?;
    if SHAPES.contains(&value) {
        Ok(value)
    } else {
        Err(DistributionError::ShapeOutOfRange {
            value,
            low: *SHAPES.start(),
            high: *SHAPES.end(),
        })
    }
}

fn above_zero(parameter: &'static str, value: Duration) -> Result<Duration, DistributionError> {
    if value > Duration::ZERO {
        Ok(value)
    } else {
        Err(DistributionError::ZeroDuration { parameter })
    }
}
