//! The log-likelihood of grouped observations, each instant looked up once.

use super::Curve;
use crate::distribution::Tails;
use crate::survival::Observations;

/// Observations with their instants numbered.
pub(super) struct Likelihood {
    instants: Vec<f64>,
    rows: Vec<Row>,
    total: f64,
}

/// Between which instants so many lags lie; equal for an exact one.
struct Row {
    low: u32,
    high: u32,
    count: f64,
}

impl Likelihood {
    pub(super) fn new(observations: &Observations) -> Self {
        let mut instants: Vec<f64> = observations
            .iter()
            .flat_map(|one| [one.low, one.high])
            .collect();
        instants.sort_unstable_by(f64::total_cmp);
        instants.dedup_by(|a, b| a.total_cmp(b).is_eq());
        let place = |at: f64| {
            let index = instants.partition_point(|instant| *instant < at);
            u32::try_from(index).unwrap_or(u32::MAX)
        };
        let rows = observations.iter().map(|one| Row {
            low: place(one.low),
            high: place(one.high),
            count: one.count as f64,
        });
        Self {
            rows: rows.collect(),
            total: observations.total() as f64,
            instants,
        }
    }

    /// Number of recordings.
    pub(super) const fn total(&self) -> f64 {
        self.total
    }

    /// The log-likelihood of `curve`.
    pub(super) fn of(&self, curve: &Curve) -> f64 {
        let tails: Vec<Tails> = self.instants.iter().map(|at| curve.tails(*at)).collect();
        let mut sum = 0.0;
        for row in &self.rows {
            let probability = if row.low == row.high {
                curve.density(self.instants[row.low as usize])
            } else {
                between(tails[row.low as usize], tails[row.high as usize])
            };
            sum += row.count * libm::log(probability);
        }
        sum
    }
}

/// Probability between two instants, from whichever tails are the smaller.
pub(super) fn between(low: Tails, high: Tails) -> f64 {
    if high.below < 0.5 {
        high.below - low.below
    } else {
        low.above - high.above
    }
}
