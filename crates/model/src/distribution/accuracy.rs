//! How far the tables are from the closed forms, over a fine grid that reaches into the tails and
//! onto both sides of each level's end.

use super::law::Tails;
use super::{Distribution, Sampler};
use crate::time::Duration;

/// Levels end at tails of 2^-8, 2^-16, 2^-24 and 2^-32.
const LEVEL_ENDS: u32 = 4;
/// Grid points per halving of a tail: no multiple of a cell's width.
const PER_HALVING: u32 = 61;
/// Nanoseconds from which on a cell may hold what is cut off at [`Duration::MAX`].
const LONGEST: f64 = 1.5e19;
/// Number of different draws, 2^64.
const DRAWS: f64 = 18_446_744_073_709_551_616.0;

/// A law, and how far an upper quantile may be off, as a share of itself. The worst place is the
/// last cell before a refinement; measured there 0.4 to 0.8 of what is allowed here.
fn laws() -> Vec<(&'static str, Distribution, f64)> {
    let s = Duration::from_secs;
    let fast = Distribution::lognormal_mu_sigma(1.1, 0.5).unwrap();
    let slow = Distribution::lognormal_mu_sigma(4.8, 0.8).unwrap();
    let mixture = Distribution::mixture(vec![(0.95, fast), (0.05, slow)]);
    let observed = [(0.0, s(1)), (0.5, s(2)), (0.875, s(4)), (1.0, s(14))];
    [
        ("uniform", Distribution::uniform(s(2), s(4)), 1e-9),
        ("exponential", Distribution::exponential(s(2)), 2e-4),
        ("narrow", Distribution::lognormal_mu_sigma(0.0, 0.3), 1e-4),
        (
            "lognormal",
            Distribution::lognormal_mu_sigma(0.0, 1.0),
            4e-4,
        ),
        ("wide", Distribution::lognormal_mu_sigma(0.0, 2.0), 8.5e-4),
        ("weibull 0.6", Distribution::weibull(0.6, s(5)), 4e-4),
        ("weibull 3", Distribution::weibull(3.0, s(5)), 1e-4),
        ("pareto 2.5", Distribution::pareto(2.5, s(1)), 5e-4),
        ("pareto 1.1", Distribution::pareto(1.1, s(1)), 1.5e-3),
        ("pareto 0.7", Distribution::pareto(0.7, s(1)), 2.5e-3),
        ("gamma 0.3", Distribution::gamma(0.3, s(1)), 3e-4),
        ("gamma 2.5", Distribution::gamma(2.5, s(1)), 2e-4),
        ("gamma 50", Distribution::gamma(50.0, s(1)), 1e-4),
        ("mixture", mixture, 6e-4),
        ("quantiles", Distribution::quantiles(&observed), 1e-7),
    ]
    .into_iter()
    .map(|(name, law, tolerance)| (name, law.unwrap(), tolerance))
    .collect()
}

/// Probabilities above a point: from 1/2 to 2^-36, and on either side of each level's end.
fn upper_tails() -> impl Iterator<Item = Tails> {
    let steps = PER_HALVING..36 * PER_HALVING;
    let grid = steps.map(|step| libm::exp2(-f64::from(step) / f64::from(PER_HALVING)));
    let ends = (1..=LEVEL_ENDS).flat_map(|level| {
        let end = libm::exp2(-8.0 * f64::from(level));
        // The last cell before the end reaches to 17/16 of it.
        [-1e-2, -1e-4, 0.0, 1e-4, 1e-2, 0.03, 0.0624].map(|by| end * (1.0 + by))
    });
    grid.chain(ends).map(|above| Tails {
        below: 1.0 - above,
        above,
    })
}

/// The sample whose draw has the share `at` of all draws below it.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a probability times 2^64"
)]
fn sample(sampler: &Sampler, at: Tails) -> f64 {
    let draw = if at.below < at.above {
        (at.below * DRAWS) as u64
    } else {
        !((at.above * DRAWS) as u64)
    };
    sampler.sample(draw).as_nanos() as f64
}

#[test]
fn upper_quantiles_are_those_of_the_law_up_to_the_end_of_every_level() {
    for (name, law, tolerance) in laws() {
        let sampler = Sampler::new(&law);
        for at in upper_tails() {
            let exact = law.quantile_nanos(at);
            if exact > LONGEST {
                continue;
            }
            let error = sample(&sampler, at) / exact - 1.0;
            assert!(
                error.abs() <= tolerance,
                "{name}: quantile at tail {:e} is off by {error:e}",
                at.above
            );
        }
    }
}

#[test]
fn tail_probabilities_are_those_of_the_law_up_to_the_end_of_every_level() {
    for (name, law, _) in laws() {
        let sampler = Sampler::new(&law);
        for at in upper_tails() {
            // Where a nanosecond is a step of the law's own there is no tail probability to have.
            let x = law.quantile_nanos(at);
            let step = law.tails(x).above - law.tails(x + 2.0).above;
            if step > 1e-6 * at.above || x > LONGEST {
                continue;
            }
            let above = 1.0 - sampler.cdf(nanos(x));
            let error = above / at.above - 1.0;
            assert!(
                error.abs() <= 1e-3,
                "{name}: tail {:e} is off by {error:e}",
                at.above
            );
        }
    }
}

#[test]
fn lower_quantiles_are_those_of_the_law_to_a_thousandth_of_the_median() {
    // The lower tail is not refined: its first cell, 2^-12 of all, is one line.
    for (name, law, _) in laws() {
        let sampler = Sampler::new(&law);
        let median = law.quantile_nanos(Tails {
            below: 0.5,
            above: 0.5,
        });
        for upper in upper_tails().filter(|at| at.above > libm::exp2(-11.0)) {
            let at = Tails {
                below: upper.above,
                above: upper.below,
            };
            let error = (sample(&sampler, at) - law.quantile_nanos(at)) / median;
            assert!(
                error.abs() <= 1e-3,
                "{name}: quantile at {:e} is off by {error:e} of the median",
                at.below
            );
        }
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "saturates"
)]
fn nanos(x: f64) -> Duration {
    Duration::from_nanos(x as u64)
}
