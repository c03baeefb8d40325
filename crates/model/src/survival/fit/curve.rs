//! The families, their parameters, and one of them with parameters.

use crate::distribution::{Distribution, Tails};
use crate::schedule::Lag;
use crate::stats::beta;
use crate::time::Duration;

/// A family of lags.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum LagFamily {
    /// Tail `exp(−t/mean)`.
    Exponential,
    /// Normal logarithm.
    Lognormal,
    /// Tail `exp(−(t/scale)^shape)`.
    Weibull,
    /// Sum of `shape` exponential times.
    Gamma,
    /// Odds of being later `(t/median)^−shape`.
    LogLogistic,
    /// Tail `(scale/t)^shape` from the scale on.
    Pareto,
    /// Two lognormal parts, a fast and a slow one.
    TwoLognormals,
}

impl LagFamily {
    /// Every family, those with fewer parameters first.
    pub const ALL: [Self; 7] = [
        Self::Exponential,
        Self::Lognormal,
        Self::Weibull,
        Self::Gamma,
        Self::LogLogistic,
        Self::Pareto,
        Self::TwoLognormals,
    ];

    /// What it is called, for people.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Exponential => "exponential",
            Self::Lognormal => "lognormal",
            Self::Weibull => "Weibull",
            Self::Gamma => "gamma",
            Self::LogLogistic => "log-logistic",
            Self::Pareto => "Pareto",
            Self::TwoLognormals => "two lognormals",
        }
    }

    /// Names of its parameters; durations are in seconds.
    #[must_use]
    pub const fn names(self) -> &'static [&'static str] {
        match self {
            Self::Exponential => &["mean_s"],
            Self::Lognormal => &["median_s", "sigma"],
            Self::Weibull | Self::Gamma | Self::Pareto => &["scale_s", "shape"],
            Self::LogLogistic => &["median_s", "shape"],
            Self::TwoLognormals => &[
                "fast_median_s",
                "fast_sigma",
                "slow_median_s",
                "slow_sigma",
                "slow_share",
            ],
        }
    }

    /// The parameters from unbounded ones: logarithms, and the log-odds of a share.
    pub(super) fn natural(self, free: &[f64]) -> Vec<f64> {
        free.iter()
            .enumerate()
            .map(|(k, &value)| {
                if self == Self::TwoLognormals && k == 4 {
                    1.0 / (1.0 + libm::exp(-value))
                } else {
                    libm::exp(value)
                }
            })
            .collect()
    }

    /// The same point with the fast part first.
    pub(super) fn ordered(self, mut free: Vec<f64>) -> Vec<f64> {
        if self == Self::TwoLognormals && free[0] > free[2] {
            free.swap(0, 2);
            free.swap(1, 3);
            free[4] = -free[4];
        }
        free
    }
}

/// One member of a family, as a lag in seconds.
#[derive(Clone, PartialEq, Debug)]
pub struct Curve {
    family: LagFamily,
    parameters: Vec<f64>,
    law: Law,
}

#[derive(Clone, PartialEq, Debug)]
enum Law {
    Known(Distribution),
    LogLogistic {
        median: f64,
        shape: f64,
    },
    /// Parameters that no distribution has; nothing is possible.
    Impossible,
}

const NANOS: f64 = 1e9;

impl Curve {
    /// The member with the given parameters, in the order of [`LagFamily::names`].
    #[must_use]
    pub fn new(family: LagFamily, parameters: &[f64]) -> Self {
        Self {
            family,
            law: law(family, parameters).unwrap_or(Law::Impossible),
            parameters: parameters.to_vec(),
        }
    }

    pub(super) fn of_free(family: LagFamily, free: &[f64]) -> Self {
        Self::new(family, &family.natural(free))
    }

    /// Its family, without the parameters.
    #[must_use]
    pub const fn family(&self) -> LagFamily {
        self.family
    }

    /// Its parameters, in the order of [`LagFamily::names`].
    #[must_use]
    pub fn parameters(&self) -> &[f64] {
        &self.parameters
    }

    /// The same as a distribution of the scenario format; `None` for the log-logistic, which has
    /// none.
    #[must_use]
    pub const fn distribution(&self) -> Option<&Distribution> {
        match &self.law {
            Law::Known(distribution) => Some(distribution),
            Law::LogLogistic { .. } | Law::Impossible => None,
        }
    }

    /// Probabilities of at most and of more than `seconds`.
    pub(super) fn tails(&self, seconds: f64) -> Tails {
        if seconds <= 0.0 {
            return Tails {
                below: 0.0,
                above: 1.0,
            };
        }
        if seconds.is_infinite() {
            return Tails {
                below: 1.0,
                above: 0.0,
            };
        }
        match &self.law {
            Law::Known(distribution) => distribution.tails(seconds * NANOS),
            Law::LogLogistic { median, shape } => {
                let odds = libm::pow(seconds / median, *shape);
                Tails {
                    below: odds / (1.0 + odds),
                    above: 1.0 / (1.0 + odds),
                }
            }
            Law::Impossible => Tails {
                below: f64::NAN,
                above: f64::NAN,
            },
        }
    }

    /// Density at `seconds`, per second.
    #[must_use]
    pub fn density(&self, seconds: f64) -> f64 {
        match &self.law {
            Law::Known(distribution) => distribution.density(seconds * NANOS) * NANOS,
            Law::LogLogistic { median, shape } => {
                let odds = libm::pow(seconds / median, *shape);
                shape / seconds * odds / ((1.0 + odds) * (1.0 + odds))
            }
            Law::Impossible => f64::NAN,
        }
    }

    /// The mean in seconds; infinite if the tail is too heavy.
    #[must_use]
    pub fn mean(&self) -> f64 {
        match &self.law {
            Law::Known(distribution) => {
                let means = distribution.partial_means(self.instant_with_beyond(0.5) * NANOS);
                (means.below + means.above) / NANOS
            }
            Law::LogLogistic { median, shape } if *shape > 1.0 => {
                log_logistic_mean(*median, *shape)
            }
            Law::LogLogistic { .. } => f64::INFINITY,
            Law::Impossible => f64::NAN,
        }
    }
}

fn law(family: LagFamily, p: &[f64]) -> Option<Law> {
    let duration = Duration::from_secs_f64;
    let lognormal = |median: f64, sigma| Distribution::lognormal_mu_sigma(libm::log(median), sigma);
    let distribution = match family {
        LagFamily::Exponential => Distribution::exponential(duration(p[0])),
        LagFamily::Lognormal => lognormal(p[0], p[1]),
        LagFamily::Weibull => Distribution::weibull(p[1], duration(p[0])),
        LagFamily::Gamma => Distribution::gamma(p[1], duration(p[0])),
        LagFamily::Pareto => Distribution::pareto(p[1], duration(p[0])),
        LagFamily::LogLogistic => {
            let usable = p.iter().all(|value| value.is_finite() && *value > 0.0);
            return usable.then(|| Law::LogLogistic {
                median: p[0],
                shape: p[1],
            });
        }
        LagFamily::TwoLognormals => {
            let fast = lognormal(p[0], p[1]).ok()?;
            let slow = lognormal(p[2], p[3]).ok()?;
            Distribution::mixture(vec![(1.0 - p[4], fast), (p[4], slow)])
        }
    };
    distribution.ok().map(Law::Known)
}

/// `median × (π/shape) / sin(π/shape)`, for a shape above 1.
fn log_logistic_mean(median: f64, shape: f64) -> f64 {
    let angle = std::f64::consts::PI / shape;
    median * angle / libm::sin(angle)
}

/// E[L; L ≤ t]: the incomplete beta function where the mean is finite, else Simpson's rule on the
/// quantile function.
fn log_logistic_mean_until(median: f64, shape: f64, share: f64) -> f64 {
    if shape > 1.02 {
        let inverse = 1.0 / shape;
        return log_logistic_mean(median, shape)
            * beta::incomplete_beta(1.0 + inverse, 1.0 - inverse, share);
    }
    const STEPS: u32 = 2_000;
    // ∫ quantile(u) du from 0 to the share, u = share (1 − (1 − s)²) to soften the end at 1.
    let quantile = |u: f64| median * libm::pow(u / (1.0 - u).max(1e-300), 1.0 / shape);
    let step = 1.0 / f64::from(STEPS);
    let at = |k: u32| {
        let rest = 1.0 - f64::from(k) * step;
        quantile(share * (1.0 - rest * rest)) * 2.0 * rest * share
    };
    let weight = |k: u32| if k % 2 == 1 { 4.0 } else { 2.0 };
    let inner: f64 = (1..STEPS).map(|k| weight(k) * at(k)).sum();
    (at(0) + inner + at(STEPS)) * step / 3.0
}

impl Lag for Curve {
    fn survival(&self, seconds: f64) -> f64 {
        self.tails(seconds).above
    }

    fn mean_until(&self, seconds: f64) -> f64 {
        match &self.law {
            Law::Known(distribution) => distribution.mean_until(seconds),
            Law::LogLogistic { median, shape } => {
                log_logistic_mean_until(*median, *shape, self.tails(seconds).below)
            }
            Law::Impossible => f64::NAN,
        }
    }

    fn instant_with_beyond(&self, beyond: f64) -> f64 {
        match &self.law {
            Law::Known(distribution) => distribution.instant_with_beyond(beyond),
            Law::LogLogistic { median, shape } => {
                median * libm::pow((1.0 - beyond) / beyond, 1.0 / shape)
            }
            Law::Impossible => f64::NAN,
        }
    }
}
