//! A law of lags learned on line from looks: what was not ready then, and was ready now.

use std::collections::VecDeque;

use super::{Lag, OddsIndex};

/// Cells of the law, their first and last edge in seconds.
const CELLS: usize = 180;
/// The last cell.
const END: u16 = 179;
const FIRST: f64 = 0.01;
const LAST: f64 = 7_200.0;
/// Observations that count; older ones are forgotten.
const REMEMBERED: usize = 600;
/// Weight of the prior, in observations: insurance against a slow mode that was not seen yet.
const PRIOR_WEIGHT: f64 = 6.0;
/// Steps of the EM algorithm from the last estimate on.
const STEPS: u32 = 20;

/// Turnbull's self-consistent estimate (1976) on cells of equal ratio, each step followed by
/// smoothing with weights 0.3, 0.4, 0.3 (EMS: Silverman, Jones, Wilson and Nychka 1990).
#[derive(Clone, PartialEq, Debug)]
pub struct LearnedLaw {
    prior: Vec<f64>,
    mass: Vec<f64>,
    observed: VecDeque<(u16, u16)>,
}

impl LearnedLaw {
    /// Nothing is learned yet but what is expected.
    #[must_use]
    pub fn expecting(prior: &(impl Lag + ?Sized)) -> Self {
        let mut before = 1.0;
        let prior: Vec<f64> = (0..CELLS)
            .map(|cell| {
                let beyond = if cell + 1 == CELLS {
                    0.0
                } else {
                    prior.survival(edge(cell))
                };
                let mass = before - beyond;
                before = beyond;
                mass
            })
            .collect();
        Self {
            mass: prior.clone(),
            prior,
            observed: VecDeque::new(),
        }
    }

    /// A recording was not ready at age `low` and was at age `high`, in seconds.
    pub fn observe(&mut self, low: f64, high: f64) {
        if self.observed.len() == REMEMBERED {
            self.observed.pop_front();
        }
        let last = cell_of(high);
        self.observed.push_back((beyond(low).min(last), last));
    }

    /// Estimates the law from what was observed, and from the ages at which recordings that still
    /// wait were not ready.
    pub fn estimate(&mut self, waiting: impl Iterator<Item = f64>) {
        let waiting: Vec<(u16, u16)> = waiting.map(|age| (beyond(age).min(END), END)).collect();
        let total = PRIOR_WEIGHT + (self.observed.len() + waiting.len()) as f64;
        for _ in 0..STEPS {
            let mut below = vec![0.0; CELLS + 1];
            for (cell, mass) in self.mass.iter().enumerate() {
                below[cell + 1] = below[cell] + mass;
            }
            let mut change = vec![0.0; CELLS + 1];
            for &(from, to) in self.observed.iter().chain(&waiting) {
                let (from, to) = (usize::from(from), usize::from(to) + 1);
                let share = 1.0 / (below[to] - below[from]).max(1e-12);
                change[from] += share;
                change[to] -= share;
            }
            let mut weight = 0.0;
            let mut next = Vec::with_capacity(CELLS);
            for ((mass, prior), change) in self.mass.iter().zip(&self.prior).zip(&change) {
                weight += change;
                next.push((PRIOR_WEIGHT * prior + mass * weight.max(0.0)) / total);
            }
            smooth(&next, &mut self.mass);
        }
    }

    /// The odds index of the estimate.
    #[must_use]
    pub fn index(&self) -> OddsIndex {
        let mut left: f64 = self.mass.iter().sum();
        let total = left;
        let survival = self.mass.iter().enumerate().map(|(cell, mass)| {
            left -= mass;
            (edge(cell), left / total)
        });
        OddsIndex::tabulated(survival.take_while(|(_, left)| *left > 1e-9))
    }
}

/// Weights 0.3, 0.4, 0.3; the outermost cells keep what would leave them.
fn smooth(from: &[f64], into: &mut [f64]) {
    let last = from.len() - 1;
    for (cell, place) in into.iter_mut().enumerate() {
        let (before, after) = (from[cell.saturating_sub(1)], from[(cell + 1).min(last)]);
        *place = 0.3 * before + 0.4 * from[cell] + 0.3 * after;
    }
}

/// The upper edge of a cell, in seconds.
fn edge(cell: usize) -> f64 {
    FIRST * libm::exp(ratio() * cell as f64)
}

fn ratio() -> f64 {
    libm::log(LAST / FIRST) / f64::from(END)
}

/// The cell that an age falls into.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "clamped to the cells"
)]
fn cell_of(age: f64) -> u16 {
    if age <= FIRST {
        return 0;
    }
    let cell = (libm::log(age / FIRST) / ratio()).ceil();
    cell.clamp(0.0, f64::from(END)) as u16
}

/// The first cell that lies beyond an age.
fn beyond(age: f64) -> u16 {
    if age <= 0.0 { 0 } else { cell_of(age) + 1 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::distribution::{Distribution, Sampler};
    use crate::draws::{Draws, Purpose, Seed};
    use crate::schedule::{Price, evaluate, optimal};
    use crate::time::Duration;

    /// After 300 recordings looked at by its own schedule the learned index costs at most 5 % more
    /// than the optimum, on the mean of eight seeds.
    #[test]
    fn after_three_hundred_recordings_the_learned_index_is_near_the_optimum() {
        const SEEDS: u64 = 8;
        let law = |mu: f64, sigma| {
            Distribution::lognormal_mu_sigma(libm::log(mu), sigma).expect("it is in range")
        };
        let bimodal = Distribution::mixture(vec![(0.95, law(3.0, 0.5)), (0.05, law(120.0, 0.8))]);
        let exponential = Distribution::exponential(Duration::from_secs(4)).expect("in range");
        let weibull = Distribution::weibull(0.6, Duration::from_secs(5)).expect("in range");
        let cases = [
            (exponential, 1.0),
            (law(4.0, 0.5), 0.5),
            (law(5.0, 1.2), 1.0),
            (weibull, 1.0),
            (bimodal.expect("in range"), 1.0),
        ];
        for (truth, price) in cases {
            let price = Price::new(price).expect("above zero");
            let least = optimal(&truth, price).cost.total(price);
            let sampler = Sampler::new(&truth);
            let mut excess = 0.0;
            for seed in 0..SEEDS {
                let mut learned = LearnedLaw::expecting(&law(5.0 * std::f64::consts::E, 2.0));
                let mut index = learned.index();
                for recording in 0..300 {
                    let draws = Draws::of_call(Seed(seed), recording);
                    let lag = sampler.sample(draws.draw(Purpose::Test)).as_secs_f64();
                    let (mut seen, mut now) = (0.0, index.next(0.0, price));
                    while now < lag {
                        (seen, now) = (now, index.next(now, price));
                    }
                    learned.observe(seen, now);
                    if recording % 25 == 24 {
                        learned.estimate(std::iter::empty());
                        index = learned.index();
                    }
                }
                let cost = evaluate(&truth, index.checks(price).take(100_000)).total(price);
                excess += (cost / least - 1.0) / SEEDS as f64;
            }
            assert!(excess < 0.05, "{truth:?}: {excess}");
        }
    }
}
