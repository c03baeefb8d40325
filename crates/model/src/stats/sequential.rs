//! When to stop looking: claims that hold however often the numbers are looked at on the way.
//!
//! Each is an e-process: a bet against a hypothesis whose stake, under the hypothesis, ever grows
//! to 1 ÷ α with probability at most α (Ville 1939). So a run may go on until it is decided.

use super::beta::{incomplete_beta, ln_beta};
use super::rates::Events;

/// Beta distribution over the rates that a bet is spread on.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Mixture {
    /// First shape.
    pub a: f64,
    /// Second shape.
    pub b: f64,
}

impl Mixture {
    /// Jeffreys' Beta(½, ½): near the shortest run both without events and with some.
    pub const JEFFREYS: Self = Self { a: 0.5, b: 0.5 };
}

/// ln E of the bet that a rate is below `bound`, after `seen` events, against "it is `bound` or
/// more": the likelihood ratio, mixed over `mixture` truncated to rates below the bound. Trials
/// must be independent, or each event's probability known to be `bound` or more given the past.
#[must_use]
pub fn ln_evidence_below(seen: Events, bound: f64, mixture: Mixture) -> f64 {
    let Mixture { a, b } = mixture;
    let (k, rest) = (seen.count as f64, (seen.trials - seen.count) as f64);
    ln_beta(a + k, b + rest) + libm::log(incomplete_beta(a + k, b + rest, bound))
        - ln_beta(a, b)
        - libm::log(incomplete_beta(a, b, bound))
        - k * libm::log(bound)
        - rest * libm::log1p(-bound)
}

/// ln E of the bet that a rate is above `bound`, as [`ln_evidence_below`].
#[must_use]
pub fn ln_evidence_above(seen: Events, bound: f64, mixture: Mixture) -> f64 {
    let others = Events {
        count: seen.trials - seen.count,
        trials: seen.trials,
    };
    let mirrored = Mixture {
        a: mixture.b,
        b: mixture.a,
    };
    ln_evidence_below(others, 1.0 - bound, mirrored)
}

/// Number, mean and variance of values that come one by one.
#[derive(Clone, Copy, PartialEq, Debug, Default)]
pub struct Running {
    /// Values so far.
    pub count: f64,
    /// Their mean.
    pub mean: f64,
    /// Sum of squared deviations from it.
    squares: f64,
}

impl Running {
    /// Adds a value (Welford, *Technometrics* 4, 1962).
    pub fn add(&mut self, value: f64) {
        self.count += 1.0;
        let before = value - self.mean;
        self.mean += before / self.count;
        self.squares += before * (value - self.mean);
    }

    /// As many values more of the same mean and variance.
    #[must_use]
    pub fn times(self, factor: f64) -> Self {
        Self {
            count: self.count * factor,
            squares: self.squares * factor,
            ..self
        }
    }

    /// Their standard deviation; 0 below two.
    #[must_use]
    pub fn deviation(&self) -> f64 {
        (self.squares / (self.count - 1.0).max(1.0)).sqrt()
    }

    /// ln E of the bet that the values' mean is not `mean`: the t test's likelihood ratio, mixed
    /// over normal effect sizes of variance 1 (Lai, *Annals of Statistics* 4, 1976; Wang and
    /// Ramdas, *Anytime-valid t-tests*, 2023). Exact for normal values, whatever their variance.
    /// `None` below two values or without variation.
    #[must_use]
    pub fn ln_evidence_of_mean(&self, mean: f64) -> Option<f64> {
        let degrees = self.count - 1.0;
        if degrees < 1.0 || self.squares <= 0.0 {
            return None;
        }
        let miss = self.mean - mean;
        let t2 = self.count * miss * miss * degrees / self.squares;
        let shrunk = t2 / (1.0 + self.count);
        let gain = libm::log1p(t2 / degrees) - libm::log1p(shrunk / degrees);
        Some(0.5 * (self.count * gain - libm::log1p(self.count)))
    }
}

impl FromIterator<f64> for Running {
    fn from_iter<I: IntoIterator<Item = f64>>(values: I) -> Self {
        let mut running = Self::default();
        values.into_iter().for_each(|value| running.add(value));
        running
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn of(count: u64, trials: u64) -> Events {
        Events { count, trials }
    }

    #[test]
    fn evidence_has_reference_values() {
        for (seen, expected) in [
            (of(0, 40_000), 3.181_563_260_993_353),
            (of(2, 100_000), 3.834_125_010_940_720_6),
        ] {
            let got = ln_evidence_below(seen, 1e-4, Mixture::JEFFREYS);
            assert!((got - expected).abs() < 1e-10, "{got}");
        }
    }

    #[test]
    fn a_rate_is_asserted_after_as_many_trials_as_the_table_says() {
        let uniform = Mixture { a: 1.0, b: 1.0 };
        let steep = Mixture { a: 0.1, b: 1.0 };
        for (events, trials) in [
            (0, [37_883, 45_137, 31_619]),
            (1, [66_570, 68_533, 75_761]),
            (2, [88_616, 88_510, 101_120]),
            (3, [108_281, 106_856, 122_878]),
            (5, [144_048, 140_831, 161_594]),
        ] {
            for (mixture, trials) in [Mixture::JEFFREYS, uniform, steep].into_iter().zip(trials) {
                let enough = |n| ln_evidence_below(of(events, n), 1e-4, mixture) >= libm::log(20.0);
                assert!(enough(trials) && !enough(trials - 1), "{events}: {trials}");
            }
        }
    }

    #[test]
    fn evidence_above_mirrors_evidence_below() {
        let below = ln_evidence_below(of(3, 50), 0.2, Mixture::JEFFREYS);
        let above = ln_evidence_above(of(47, 50), 0.8, Mixture::JEFFREYS);
        assert!((below - above).abs() < 1e-12);
        assert!(ln_evidence_above(of(40, 50), 0.5, Mixture::JEFFREYS) > 3.0);
        assert!(ln_evidence_above(of(25, 50), 0.5, Mixture::JEFFREYS) < 0.0);
    }

    #[test]
    fn a_bet_on_a_coin_is_a_martingale() {
        // Σ over all outcomes of P(outcome) E(outcome) = 1 at the bound itself.
        let (bound, trials) = (0.3, 12);
        let mut mean = 0.0;
        for k in 0..=trials {
            let choose = (0..k).fold(1.0, |c, i| c * (trials - i) as f64 / (i + 1) as f64);
            let ln_p = k as f64 * libm::log(bound) + (trials - k) as f64 * libm::log(1.0 - bound);
            mean += choose
                * libm::exp(ln_p + ln_evidence_below(of(k, trials), bound, Mixture::JEFFREYS));
        }
        assert!((mean - 1.0).abs() < 1e-12, "{mean}");
    }

    #[test]
    fn a_mean_is_told_from_what_it_is_not() {
        let values: Running = (0..30).map(|k| 5.0 + f64::from(k % 7) * 0.1).collect();
        assert!(values.ln_evidence_of_mean(values.mean).unwrap() < 0.0);
        assert!(values.ln_evidence_of_mean(4.9).unwrap() > libm::log(20.0));
        assert!(values.times(2.0).ln_evidence_of_mean(4.9) > values.ln_evidence_of_mean(4.9));
        let alike: Running = [1.0; 9].into_iter().collect();
        assert_eq!(alike.ln_evidence_of_mean(0.0), None);
    }

    #[test]
    fn evidence_of_a_mean_is_the_bayes_factor_of_the_t_test() {
        // n = 4, mean 1, variance 2.5/3, against 0: t² = 4.8, (1+4)^-½ ((1+t²/3) ÷ (1+t²/15))².
        let values: Running = [0.0, 2.0, 0.5, 1.5].into_iter().collect();
        let t2 = 4.0 / (2.5 / 3.0);
        let ratio: f64 = (1.0 + t2 / 3.0) / (1.0 + t2 / 15.0);
        let expected = ratio * ratio / 5_f64.sqrt();
        let got = libm::exp(values.ln_evidence_of_mean(0.0).unwrap());
        assert!((got - expected).abs() < 1e-12, "{got} {expected}");
    }
}
