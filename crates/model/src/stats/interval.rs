//! Intervals of proportions and of their differences, at 95 %.

use serde::{Deserialize, Serialize};

use super::beta::beta_quantile;
use super::special::Z95;

/// An estimate with a two-sided 95 % interval.
#[derive(Default, Clone, Copy, PartialEq, Debug, Serialize, Deserialize)]
pub struct Interval {
    /// The point estimate.
    pub estimate: f64,
    /// The lower bound.
    pub low: f64,
    /// The upper bound.
    pub high: f64,
}

impl Interval {
    /// A number without doubt, such as a count.
    #[must_use]
    pub const fn exact(value: f64) -> Self {
        Self {
            estimate: value,
            low: value,
            high: value,
        }
    }

    /// Wilson's score interval (1927) of `successes` among `trials`. `None` without trials or with
    /// more successes than trials.
    #[must_use]
    pub fn wilson(successes: u64, trials: u64) -> Option<Self> {
        let estimate = share(successes, trials)?;
        let n = trials as f64;
        let z2 = Z95 * Z95;
        let centre = estimate + z2 / (2.0 * n);
        let half = Z95 * (estimate * (1.0 - estimate) / n + z2 / (4.0 * n * n)).sqrt();
        let scale = 1.0 + z2 / n;
        let low = if successes == 0 {
            0.0
        } else {
            ((centre - half) / scale).max(0.0)
        };
        let high = if successes == trials {
            1.0
        } else {
            ((centre + half) / scale).min(1.0)
        };
        Some(Self {
            estimate,
            low,
            high,
        })
    }

    /// Clopper and Pearson's exact interval (1934): never covers less than 95 %. `None` as for
    /// [`Interval::wilson`].
    #[must_use]
    pub fn clopper_pearson(successes: u64, trials: u64) -> Option<Self> {
        let estimate = share(successes, trials)?;
        let (k, rest) = (successes as f64, (trials - successes) as f64);
        let low = if successes == 0 {
            0.0
        } else {
            beta_quantile(k, rest + 1.0, 0.025)
        };
        let high = if successes == trials {
            1.0
        } else {
            beta_quantile(k + 1.0, rest, 0.975)
        };
        Some(Self {
            estimate,
            low,
            high,
        })
    }

    /// First proportion minus second, for independent samples: Newcombe's hybrid score interval
    /// (*Statistics in Medicine* 17, 1998, method 10). Each sample is (successes, trials).
    #[must_use]
    pub fn newcombe_difference(first: (u64, u64), second: (u64, u64)) -> Option<Self> {
        let a = Self::wilson(first.0, first.1)?;
        let b = Self::wilson(second.0, second.1)?;
        let estimate = a.estimate - b.estimate;
        let root = |x: f64, y: f64| (x * x + y * y).sqrt();
        Some(Self {
            estimate,
            low: estimate - root(a.estimate - a.low, b.high - b.estimate),
            high: estimate + root(a.high - a.estimate, b.estimate - b.low),
        })
    }

    /// Whether `value` is within the interval, bounds included.
    #[must_use]
    pub fn contains(&self, value: f64) -> bool {
        self.low <= value && value <= self.high
    }
}

fn share(successes: u64, trials: u64) -> Option<f64> {
    (trials > 0 && successes <= trials).then(|| successes as f64 / trials as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn assert_close(interval: Interval, low: f64, high: f64) {
        for (got, expected) in [(interval.low, low), (interval.high, high)] {
            assert!(
                (got - expected).abs() <= 2e-12 + 1e-10 * expected.abs(),
                "{got} for {expected}"
            );
        }
    }

    #[test]
    fn wilson_has_reference_values() {
        for (k, n, low, high) in [
            (0, 10, 0.0, 0.277_532_799_863),
            (3, 100, 0.010_254_524_024, 0.084_519_364_290_5),
            (7, 10_000, 0.000_339_126_331_688, 0.001_444_334_441_27),
            (50, 100, 0.403_831_530_366, 0.596_168_469_634),
            (0, 30_000, 0.0, 0.000_128_032_233_005),
            (1, 29_957, 5.892_622_191_538e-6, 0.000_189_077_162_91),
        ] {
            let interval = Interval::wilson(k, n).unwrap();
            assert_close(interval, low, high);
        }
    }

    #[test]
    fn clopper_pearson_has_reference_values() {
        for (k, n, low, high) in [
            (0, 10, 0.0, 0.308_497_107_819),
            (3, 100, 0.006_229_971_538_31, 0.085_176_052_974_3),
            (7, 10_000, 0.000_281_481_145_743, 0.001_441_732_309_15),
            (50, 100, 0.398_321_129_503, 0.601_678_870_497),
            (0, 30_000, 0.0, 0.000_122_955_088_874),
            (1, 29_957, 8.451_379_405_74e-7, 0.000_185_973_838_304),
        ] {
            assert_close(Interval::clopper_pearson(k, n).unwrap(), low, high);
        }
    }

    #[test]
    fn newcombe_has_reference_values() {
        let wide = Interval::newcombe_difference((56, 70), (48, 80)).unwrap();
        assert_close(wide, 0.052_431_472_402_364_98, 0.333_872_654_036_906);
        let narrow = Interval::newcombe_difference((12, 10_000), (3, 10_000)).unwrap();
        assert_close(narrow, 0.000_124_118_801_487_552, 0.001_818_070_865_714_17);
    }

    #[test]
    fn without_trials_there_is_no_interval() {
        assert_eq!(Interval::wilson(0, 0), None);
        assert_eq!(Interval::clopper_pearson(2, 1), None);
        assert_eq!(Interval::newcombe_difference((0, 0), (1, 2)), None);
    }

    #[test]
    fn every_interval_contains_its_estimate() {
        for n in [1, 2, 17, 400] {
            for k in 0..=n {
                for interval in [Interval::wilson(k, n), Interval::clopper_pearson(k, n)] {
                    let interval = interval.unwrap();
                    assert!(
                        interval.contains(interval.estimate),
                        "{k} of {n}: {interval:?}"
                    );
                }
            }
        }
    }
}
