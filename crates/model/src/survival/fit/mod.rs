//! Families fitted by maximum likelihood to exact, interval-censored and right-censored lags.
//!
//! The log-likelihood is `Σ n ln(F(high) − F(low))`, the logarithm of the density for exact lags.
//! The best family is that of least BIC (Schwarz 1978); [`goodness`] says whether it fits at all.

mod curve;
mod goodness;
mod likelihood;
mod newton;
mod start;
#[cfg(test)]
mod tests;

pub use curve::{Curve, LagFamily};
pub use goodness::{Goodness, distance, goodness, grouped_chi_square};

use self::likelihood::Likelihood;
use super::Observations;
use crate::stats::{Interval, simplex, special};

/// A family with the parameters that make the observations likeliest.
#[derive(Clone, PartialEq, Debug)]
pub struct Fit {
    /// The fitted curve.
    pub curve: Curve,
    /// Its parameters by name, with 95 % intervals from the observed information.
    pub parameters: Vec<(&'static str, Interval)>,
    /// Logarithm of the likelihood.
    pub log_likelihood: f64,
    /// Bayesian information criterion: the less, the better.
    pub bic: f64,
    /// Unbounded parameters and their covariance, row by row.
    free: Vec<f64>,
    covariance: Vec<f64>,
}

impl Fit {
    /// Variances of the unbounded parameters: logarithms of positive ones, log-odds of shares.
    pub fn free_variances(&self) -> impl Iterator<Item = f64> + '_ {
        let size = self.free.len();
        (0..size).map(move |k| self.covariance[k * size + k])
    }

    /// The fit with its parameters moved by so many standard errors each, uncorrelated directions
    /// taken from the Cholesky factor of the covariance: a draw from the parameters' uncertainty.
    #[must_use]
    pub fn moved(&self, errors: &[f64]) -> Curve {
        let size = self.free.len();
        let factor = newton::cholesky(&self.covariance, size);
        let free: Vec<f64> = (0..size)
            .map(|row| {
                let moves = (0..=row).map(|column| factor[row * size + column] * errors[column]);
                self.free[row] + moves.sum::<f64>()
            })
            .collect();
        Curve::of_free(self.curve.family(), &free)
    }
}

/// Fits one family. `None` without observations, or if no parameters make all of them possible.
#[must_use]
pub fn fit(family: LagFamily, observations: &Observations) -> Option<Fit> {
    let likelihood = Likelihood::new(observations);
    let best = start::starts(family, observations)
        .into_iter()
        .map(|start| maximise(family, &likelihood, &start, 200))
        .min_by(|a, b| a.1.total_cmp(&b.1))?;
    finished(family, &likelihood, best.0)
}

/// All families that can be fitted, best first.
#[must_use]
pub fn fit_all(observations: &Observations) -> Vec<Fit> {
    let mut fits: Vec<Fit> = LagFamily::ALL
        .into_iter()
        .filter_map(|family| fit(family, observations))
        .collect();
    fits.sort_by(|a, b| a.bic.total_cmp(&b.bic));
    fits
}

/// The maximum near `start`, and the negative log-likelihood there.
fn maximise(
    family: LagFamily,
    likelihood: &Likelihood,
    start: &[f64],
    evaluations: u32,
) -> (Vec<f64>, f64) {
    let worth = |free: &[f64]| -likelihood.of(&Curve::of_free(family, free));
    let found = simplex::minimise(worth, start, 0.2, evaluations, 1e-10);
    (found.point, found.value)
}

fn finished(family: LagFamily, likelihood: &Likelihood, near: Vec<f64>) -> Option<Fit> {
    let worth = |free: &[f64]| -likelihood.of(&Curve::of_free(family, free));
    // The Pareto's maximum lies at an edge, where no slope vanishes.
    let polished = if family == LagFamily::Pareto {
        near
    } else {
        newton::polish(&worth, near)
    };
    let free = family.ordered(polished);
    let curve = Curve::of_free(family, &free);
    let log_likelihood = likelihood.of(&curve);
    if !log_likelihood.is_finite() {
        return None;
    }
    let covariance = newton::covariance(&worth, &free);
    let size = free.len();
    let natural = |at: &[f64], k: usize| family.natural(at)[k];
    let parameters = family.names().iter().enumerate().map(|(k, name)| {
        let half = special::Z95 * covariance[k * size + k].max(0.0).sqrt();
        let at = |moved: f64| {
            let mut point = free.clone();
            point[k] += moved;
            natural(&point, k)
        };
        let interval = Interval {
            estimate: at(0.0),
            low: at(-half),
            high: at(half),
        };
        (*name, interval)
    });
    Some(Fit {
        parameters: parameters.collect(),
        log_likelihood,
        bic: size as f64 * libm::log(likelihood.total()) - 2.0 * log_likelihood,
        curve,
        covariance,
        free,
    })
}
