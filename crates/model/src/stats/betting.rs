//! A bet on the mean of values between 0 and 1, whatever their distribution.
//!
//! A stake on "the mean is below `bound`" grows by 1 + λ (bound − x) with each value x. Where the
//! mean is `bound` or more it shrinks on average, whatever λ between 0 and 1 ÷ (1 − bound) is, so
//! that it ever grows to 1 ÷ α with probability at most α (Waudby-Smith and Ramdas, *Estimating
//! means of bounded random variables by betting*, JRSS B 86, 2024). The stake is spread over many
//! λ. For values that are 0 or 1 this is the truncated Beta(½, ½) mixture of
//! [`super::ln_evidence_below`], since 1 + λ (bound − x) is then a likelihood ratio.

/// Bets that the stake is spread over.
const BETS: u32 = 64;

/// A stake on the mean being below a bound.
#[derive(Clone, PartialEq, Debug)]
pub struct BetBelow {
    bound: f64,
    /// ln of what each bet has become.
    ln: Vec<f64>,
}

impl BetBelow {
    /// A stake of 1 on the mean being below `bound`, which lies between 0 and 1.
    #[must_use]
    pub fn new(bound: f64) -> Self {
        Self {
            bound,
            ln: vec![0.0; BETS as usize],
        }
    }

    /// Whether the stake is on the mean being below just that bound.
    #[must_use]
    pub const fn is_against(&self, bound: f64) -> bool {
        self.bound.to_bits() == bound.to_bits()
    }

    /// Plays a value between 0 and 1 `times` times.
    pub fn add(&mut self, value: f64, times: f64) {
        for (at, ln) in (0..BETS).zip(&mut self.ln) {
            // As if the mean were bound · u².
            let u = (f64::from(at) + 0.5) / f64::from(BETS);
            let bet = (1.0 - u * u) / (1.0 - self.bound);
            *ln += times * libm::log1p(bet * (self.bound - value));
        }
    }

    /// ln of the whole stake, if the same values had come `factor` times.
    #[must_use]
    pub fn ln_evidence(&self, factor: f64) -> f64 {
        let most = self.ln.iter().copied().fold(f64::NEG_INFINITY, f64::max) * factor;
        let sum: f64 = self.ln.iter().map(|ln| libm::exp(ln * factor - most)).sum();
        most + libm::log(sum / f64::from(BETS))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::stats::{Events, Mixture, ln_evidence_below};

    fn after(values: &[f64], bound: f64) -> f64 {
        let mut bet = BetBelow::new(bound);
        values.iter().for_each(|value| bet.add(*value, 1.0));
        bet.ln_evidence(1.0)
    }

    #[test]
    fn for_events_it_is_the_truncated_beta_mixture() {
        let mut bet = BetBelow::new(1e-4);
        bet.add(0.0, 40_000.0);
        assert!((bet.ln_evidence(1.0) - 3.181_563_260_993_353).abs() < 1e-3);
        bet.add(0.0, 59_998.0);
        bet.add(1.0, 2.0);
        let seen = Events {
            count: 2,
            trials: 100_000,
        };
        let exact = ln_evidence_below(seen, 1e-4, Mixture::JEFFREYS);
        assert!(
            (bet.ln_evidence(1.0) - exact).abs() < 0.01,
            "{bet:?} {exact}"
        );
    }

    #[test]
    fn it_takes_as_many_runs_without_an_event_as_recordings() {
        let enough = |runs| {
            let mut bet = BetBelow::new(1e-4);
            bet.add(0.0, runs);
            bet.ln_evidence(1.0) >= libm::log(20.0)
        };
        assert!(enough(37_900.0) && !enough(37_860.0));
    }

    #[test]
    fn at_the_bound_the_stake_is_a_martingale() {
        // Values 0, ½ and 1 with mean 0.3, in all 3^6 orders.
        let (values, weights) = ([0.0, 0.5, 1.0], [0.55, 0.3, 0.15]);
        let mut mean = 0.0;
        for order in 0..3_usize.pow(6) {
            let picks: Vec<usize> = (0..6).map(|at| order / 3_usize.pow(at) % 3).collect();
            let chance: f64 = picks.iter().map(|pick| weights[*pick]).product();
            let seen: Vec<f64> = picks.iter().map(|pick| values[*pick]).collect();
            mean += chance * libm::exp(after(&seen, 0.3));
        }
        assert!((mean - 1.0).abs() < 1e-12, "{mean}");
    }

    proptest! {
        #[test]
        fn lower_values_are_more_evidence_and_the_order_is_none(
            mut values in prop::collection::vec(0.0_f64..=1.0, 1..40),
            bound in 0.001_f64..0.999,
        ) {
            let seen = after(&values, bound);
            prop_assert!(seen.is_finite());
            let mut twice = BetBelow::new(bound);
            values.iter().for_each(|value| twice.add(*value, 2.0));
            let mut once = BetBelow::new(bound);
            values.iter().for_each(|value| once.add(*value, 1.0));
            prop_assert!((twice.ln_evidence(1.0) - once.ln_evidence(2.0)).abs() < 1e-9);
            values.reverse();
            prop_assert!((after(&values, bound) - seen).abs() < 1e-9);
            values[0] *= 0.5;
            prop_assert!(after(&values, bound) >= seen - 1e-9);
        }
    }
}
