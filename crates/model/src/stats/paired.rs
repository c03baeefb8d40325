//! Two gates on the same recordings: only the recordings on which they differ say anything.

use super::beta::binomial_at_most;
use super::interval::Interval;
use super::root;
use super::special::Z95;

/// Under which of two gates the event, such as an incomplete export, befell one recording.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Pair {
    /// Under both or neither.
    Alike,
    /// Under the first gate only.
    FirstOnly,
    /// Under the second gate only.
    SecondOnly,
}

/// How often two gates differed on the same recordings.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct PairedCounts {
    /// Recordings with the event under the first gate only.
    pub first_only: u64,
    /// Recordings with the event under the second gate only.
    pub second_only: u64,
    /// All recordings compared.
    pub pairs: u64,
}

impl PairedCounts {
    /// Counts one recording.
    pub const fn record(&mut self, pair: Pair) {
        match pair {
            Pair::FirstOnly => self.first_only += 1,
            Pair::SecondOnly => self.second_only += 1,
            Pair::Alike => {}
        }
        self.pairs += 1;
    }

    /// First rate minus second rate with Tango's score interval (*Statistics in Medicine* 17,
    /// 1998), which holds at 0 discordant pairs too. `None` without pairs or if more than all are
    /// discordant.
    #[must_use]
    pub fn difference(&self) -> Option<Interval> {
        self.difference_at(Z95)
    }

    /// As [`PairedCounts::difference`], with each bound `z` standard errors away by the score.
    #[must_use]
    pub fn difference_at(&self, z: f64) -> Option<Interval> {
        let discordant = self.first_only.checked_add(self.second_only)?;
        if self.pairs == 0 || discordant > self.pairs {
            return None;
        }
        let (b, c, n) = (
            self.first_only as f64,
            self.second_only as f64,
            self.pairs as f64,
        );
        let estimate = (b - c) / n;
        // The score falls as the difference rises; it is +z at the lower bound, -z at the upper.
        let bound = |z: f64, low: f64, high: f64| {
            root::bracketed(
                |difference| score(b, c, n, difference) - z,
                low,
                high,
                1e-15,
            )
        };
        let low = if estimate <= -1.0 {
            -1.0
        } else {
            bound(z, -1.0, estimate)
        };
        let high = if estimate >= 1.0 {
            1.0
        } else {
            bound(-z, estimate, 1.0)
        };
        Some(Interval {
            estimate,
            low,
            high,
        })
    }

    /// McNemar's exact one-sided p of "the second rate is at most the first".
    #[must_use]
    pub fn mcnemar_second_higher(&self) -> f64 {
        binomial_at_most(self.first_only, self.first_only + self.second_only, 0.5)
    }

    /// McNemar's exact two-sided p of "the two rates are equal".
    #[must_use]
    pub fn mcnemar_exact(&self) -> f64 {
        mcnemar_exact(self.first_only, self.second_only)
    }
}

/// Exact two-sided p of McNemar's test (1947) for `b` and `c` discordant pairs: twice the smaller
/// tail of a fair binomial, at most 1.
#[must_use]
pub fn mcnemar_exact(b: u64, c: u64) -> f64 {
    (2.0 * binomial_at_most(b.min(c), b + c, 0.5)).min(1.0)
}

/// Tango's score statistic for a difference of `difference`, with the second discordant
/// probability at its constrained maximum likelihood: the root of A q² + B q + C.
fn score(b: f64, c: f64, n: f64, difference: f64) -> f64 {
    let linear = -b - c + (2.0 * n - b + c) * difference;
    let constant = -c * difference * (1.0 - difference);
    let root = (linear * linear - 8.0 * n * constant).max(0.0).sqrt();
    // Of the two forms of the root, the one that does not cancel.
    let q = if linear <= 0.0 {
        (root - linear) / (4.0 * n)
    } else {
        -2.0 * constant / (root + linear)
    };
    let variance = n * (2.0 * q + difference * (1.0 - difference));
    let miss = b - c - n * difference;
    if variance > 0.0 {
        miss / variance.sqrt()
    } else if miss.abs() <= 0.0 {
        0.0
    } else {
        miss * f64::MAX.sqrt()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn counts(first_only: u64, second_only: u64, pairs: u64) -> PairedCounts {
        PairedCounts {
            first_only,
            second_only,
            pairs,
        }
    }

    #[test]
    fn mcnemar_has_reference_values() {
        for (b, c, p) in [
            (12, 3, 0.035_156_25),
            (5, 0, 0.062_5),
            (30, 18, 0.111_402_891_061),
            (1, 9, 0.021_484_375),
            (0, 0, 1.0),
            (4, 4, 1.0),
        ] {
            assert!(
                (mcnemar_exact(b, c) - p).abs() < 1e-11,
                "{b}, {c}: {}",
                mcnemar_exact(b, c)
            );
        }
    }

    #[test]
    fn the_one_sided_test_is_the_smaller_tail() {
        for (first, second, p) in [(3, 12, 0.035_156_25 / 2.0), (0, 5, 0.031_25), (0, 0, 1.0)] {
            let got = counts(first, second, 100).mcnemar_second_higher();
            assert!((got - p).abs() < 1e-14, "{first}, {second}: {got}");
        }
        assert!(counts(12, 3, 100).mcnemar_second_higher() > 0.9);
    }

    #[test]
    fn tango_has_reference_values() {
        // Computed by maximising the constrained likelihood numerically, without the closed form.
        for (b, c, n, low, high) in TANGO {
            let interval = counts(b, c, n).difference().unwrap();
            assert!(
                (interval.low - low).abs() < 1e-9,
                "{b}, {c}, {n}: {interval:?}"
            );
            assert!(
                (interval.high - high).abs() < 1e-9,
                "{b}, {c}, {n}: {interval:?}"
            );
        }
    }

    #[test]
    fn swapping_the_gates_mirrors_the_interval() {
        for (b, c, n) in [
            (12, 3, 100),
            (5, 0, 40),
            (0, 0, 10),
            (7, 7, 14),
            (10, 0, 10),
        ] {
            let (one, other) = (
                counts(b, c, n).difference().unwrap(),
                counts(c, b, n).difference().unwrap(),
            );
            assert!((one.low + other.high).abs() < 1e-12, "{one:?} {other:?}");
            assert!((one.high + other.low).abs() < 1e-12, "{one:?} {other:?}");
            assert!(one.contains(one.estimate));
        }
    }

    #[test]
    fn recordings_are_counted_once() {
        let mut paired = PairedCounts::default();
        for pair in [Pair::Alike, Pair::FirstOnly, Pair::SecondOnly, Pair::Alike] {
            paired.record(pair);
        }
        assert_eq!(paired, counts(1, 1, 4));
        assert_eq!(counts(3, 3, 5).difference(), None);
    }

    const TANGO: [(u64, u64, u64, f64, f64); 5] = [
        (12, 3, 100, 0.015_977_141_703_53, 0.173_742_844_692_7),
        (0, 1, 44, -0.118_077_096_982_1, 0.059_393_231_116_63),
        (5, 0, 40, 0.026_425_698_653_05, 0.261_121_198_388_5),
        (
            30,
            18,
            5_000,
            -0.000_328_724_572_195_1,
            0.005_301_830_367_892,
        ),
        (86, 150, 1_600, -0.058_998_033_305_7, -0.021_361_564_754_79),
    ];
}
