//! The formulas of each family in `f64` nanoseconds: quantile, both tails, both partial means.
//!
//! They are evaluated when a table is built, never while sampling. Sources: Johnson, Kotz and
//! Balakrishnan, *Continuous Univariate Distributions* I (1994), chapters 14, 17, 19-21.

use super::{Distribution, mixture};
use crate::stats::special;

/// ln(10^9): from the logarithm of seconds to that of nanoseconds.
const LN_NANOS: f64 = 20.723_265_836_946_41;

/// The square root of 2 pi.
const ROOT_TAU: f64 = 2.506_628_274_631_000_5;

/// What lies on either side of a point: probabilities, or parts of an expectation. Both are kept
/// because one minus the other would lose the digits of the smaller.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(crate) struct Tails {
    /// At most the point.
    pub(crate) below: f64,
    /// Above the point.
    pub(crate) above: f64,
}

impl Tails {
    pub(crate) fn times(self, factor: f64) -> Self {
        Self {
            below: self.below * factor,
            above: self.above * factor,
        }
    }
}

impl Distribution {
    /// The value with probability `at.below` under it, in nanoseconds; infinite if unbounded.
    pub(crate) fn quantile_nanos(&self, at: Tails) -> f64 {
        match self {
            Self::Constant(value) => value.as_nanos() as f64,
            Self::Uniform { min, max } => {
                at.above * min.as_nanos() as f64 + at.below * max.as_nanos() as f64
            }
            Self::Exponential { mean } => mean.as_nanos() as f64 * exponential_quantile(at),
            Self::Lognormal { mu, sigma } => {
                libm::exp(mu + LN_NANOS + sigma * special::normal_quantile(at))
            }
            Self::Weibull { shape, scale } => {
                scale.as_nanos() as f64 * libm::pow(exponential_quantile(at), 1.0 / shape)
            }
            Self::Pareto { shape, scale } => {
                scale.as_nanos() as f64 * libm::exp(exponential_quantile(at) / shape)
            }
            Self::Gamma { shape, scale } => {
                scale.as_nanos() as f64 * special::gamma_quantile(*shape, at)
            }
            Self::Mixture(parts) => mixture::quantile(parts, at),
            Self::Empirical(observed) => observed.quantile(at.below),
        }
    }

    /// Probabilities of at most and of more than `x` nanoseconds.
    pub(crate) fn tails(&self, x: f64) -> Tails {
        match self {
            Self::Constant(value) => atom(value.as_nanos() as f64, x, 1.0),
            Self::Uniform { min, max } => {
                let (min, max) = (min.as_nanos() as f64, max.as_nanos() as f64);
                if x < min || x >= max {
                    return atom(max, x, 1.0);
                }
                Tails {
                    below: (x - min) / (max - min),
                    above: (max - x) / (max - min),
                }
            }
            Self::Exponential { mean } => exponential_tails(x / mean.as_nanos() as f64),
            Self::Lognormal { mu, sigma } => special::normal_tails(normal_of(x, *mu, *sigma)),
            Self::Weibull { shape, scale } => {
                exponential_tails(libm::pow(x / scale.as_nanos() as f64, *shape))
            }
            Self::Pareto { shape, scale } => {
                exponential_tails(shape * libm::log(x / scale.as_nanos() as f64).max(0.0))
            }
            Self::Gamma { shape, scale } => {
                special::gamma_tails(*shape, x / scale.as_nanos() as f64)
            }
            Self::Mixture(parts) => mixture::weighted(parts, |part| part.tails(x)),
            Self::Empirical(observed) => observed.tails(x),
        }
    }

    /// Density at `x` nanoseconds, per nanosecond; atoms have none.
    pub(crate) fn density(&self, x: f64) -> f64 {
        match self {
            Self::Constant(_) => 0.0,
            Self::Uniform { min, max } => {
                let (min, max) = (min.as_nanos() as f64, max.as_nanos() as f64);
                if x < min || x > max || max <= min {
                    return 0.0;
                }
                1.0 / (max - min)
            }
            Self::Exponential { mean } => {
                let mean = mean.as_nanos() as f64;
                libm::exp(-x / mean) / mean
            }
            Self::Lognormal { mu, sigma } => {
                let z = normal_of(x, *mu, *sigma);
                libm::exp(-z * z / 2.0) / (x * sigma * ROOT_TAU)
            }
            Self::Weibull { shape, scale } => {
                let hazard = libm::pow(x / scale.as_nanos() as f64, *shape);
                shape / x * hazard * libm::exp(-hazard)
            }
            Self::Pareto { shape, scale } => {
                let scale = scale.as_nanos() as f64;
                if x < scale {
                    return 0.0;
                }
                shape / x * libm::exp(-shape * libm::log(x / scale))
            }
            Self::Gamma { shape, scale } => {
                let scale = scale.as_nanos() as f64;
                let y = x / scale;
                libm::exp((shape - 1.0) * libm::log(y) - y - libm::lgamma(*shape)) / scale
            }
            Self::Mixture(parts) => parts
                .iter()
                .map(|(weight, part)| weight * part.density(x))
                .sum(),
            Self::Empirical(observed) => observed.density(x),
        }
    }

    /// [`Distribution::tails`] and [`Distribution::partial_means`] of the same point: most of the
    /// work of the commonest families is the same for both.
    pub(super) fn sides(&self, x: f64) -> (Tails, Tails) {
        match self {
            Self::Exponential { mean } => {
                let mean = mean.as_nanos() as f64;
                let tails = exponential_tails(x / mean);
                (tails, exponential_means(mean, x, tails.above))
            }
            Self::Lognormal { mu, sigma } => {
                let z = normal_of(x, *mu, *sigma);
                (special::normal_tails(z), lognormal_means(*mu, *sigma, z))
            }
            Self::Constant(_)
            | Self::Uniform { .. }
            | Self::Weibull { .. }
            | Self::Pareto { .. }
            | Self::Gamma { .. }
            | Self::Mixture(_)
            | Self::Empirical(_) => (self.tails(x), self.partial_means(x)),
        }
    }

    /// E[X; X ≤ x] and E[X; X > x] in nanoseconds; they sum to the mean.
    pub(crate) fn partial_means(&self, x: f64) -> Tails {
        match self {
            Self::Constant(value) => {
                let value = value.as_nanos() as f64;
                atom(value, x, value)
            }
            Self::Uniform { min, max } => {
                let (min, max) = (min.as_nanos() as f64, max.as_nanos() as f64);
                if x < min || x >= max {
                    return atom(max, x, (min + max) / 2.0);
                }
                let tails = self.tails(x);
                let (below, above) = ((min + x) / 2.0, (x + max) / 2.0);
                Tails {
                    below: tails.below * below,
                    above: tails.above * above,
                }
            }
            Self::Exponential { mean } => {
                let mean = mean.as_nanos() as f64;
                exponential_means(mean, x, libm::exp(-x / mean))
            }
            Self::Lognormal { mu, sigma } => {
                lognormal_means(*mu, *sigma, normal_of(x, *mu, *sigma))
            }
            Self::Weibull { shape, scale } => {
                let scale = scale.as_nanos() as f64;
                let order = 1.0 + 1.0 / shape;
                special::gamma_tails(order, libm::pow(x / scale, *shape))
                    .times(scale * libm::tgamma(order))
            }
            Self::Pareto { shape, scale } => pareto_means(*shape, scale.as_nanos() as f64, x),
            Self::Gamma { shape, scale } => {
                let scale = scale.as_nanos() as f64;
                special::gamma_tails(shape + 1.0, x / scale).times(shape * scale)
            }
            Self::Mixture(parts) => mixture::weighted(parts, |part| part.partial_means(x)),
            Self::Empirical(observed) => observed.partial_means(x),
        }
    }
}

/// All of `amount` at `point`, seen from `x`.
fn atom(point: f64, x: f64, amount: f64) -> Tails {
    if x >= point {
        Tails {
            below: amount,
            above: 0.0,
        }
    } else {
        Tails {
            below: 0.0,
            above: amount,
        }
    }
}

/// Quantile of the exponential of mean 1, from whichever tail is the smaller.
fn exponential_quantile(at: Tails) -> f64 {
    if at.below < 0.5 {
        -libm::log1p(-at.below)
    } else {
        -libm::log(at.above)
    }
}

/// Tails of the exponential of mean 1.
fn exponential_tails(x: f64) -> Tails {
    Tails {
        below: -libm::expm1(-x),
        above: libm::exp(-x),
    }
}

/// Partial means of the exponential, of which the share `beyond` is above `x`.
fn exponential_means(mean: f64, x: f64, beyond: f64) -> Tails {
    let above = (x + mean) * beyond;
    Tails {
        below: mean - above,
        above,
    }
}

/// The standard normal behind `x` nanoseconds of a lognormal.
fn normal_of(x: f64, mu: f64, sigma: f64) -> f64 {
    (libm::log(x) - LN_NANOS - mu) / sigma
}

/// Partial means of the lognormal on either side of `z` standard deviations.
fn lognormal_means(mu: f64, sigma: f64, z: f64) -> Tails {
    special::normal_tails(z - sigma).times(libm::exp(mu + LN_NANOS + sigma * sigma / 2.0))
}

/// Partial means of the Pareto. With t = (shape - 1) ln(x/scale), the lower one is
/// shape · scale · ln(x/scale) · (1 - e^-t)/t, which is right at shape 1 and below it too.
fn pareto_means(shape: f64, scale: f64, x: f64) -> Tails {
    let log_ratio = libm::log(x / scale).max(0.0);
    let t = (shape - 1.0) * log_ratio;
    let slope = if t.abs() < 1e-300 {
        1.0
    } else {
        -libm::expm1(-t) / t
    };
    let below = shape * scale * log_ratio * slope;
    let above = if shape > 1.0 {
        shape / (shape - 1.0) * scale * libm::exp(-t)
    } else {
        f64::INFINITY
    };
    Tails { below, above }
}
