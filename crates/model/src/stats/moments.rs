//! Mean and variance of durations, accumulated in integers so that the order never matters.

use crate::time::Duration;

/// Count, sum and sum of squares of durations. Adding two gives the same as recording everything
/// in one, in any order.
///
/// Squares are in ns². They are exact for 2^34 observations of 39 hours, and saturate beyond.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Moments {
    count: u64,
    sum: u128,
    squares: u128,
}

impl Moments {
    /// Nothing observed yet.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            count: 0,
            sum: 0,
            squares: 0,
        }
    }

    /// Adds one observation.
    pub fn record(&mut self, value: Duration) {
        let nanos = u128::from(value.as_nanos());
        self.count += 1;
        self.sum += nanos;
        self.squares = self.squares.saturating_add(nanos * nanos);
    }

    /// Adds everything that `other` observed.
    pub fn merge(&mut self, other: &Self) {
        self.count += other.count;
        self.sum += other.sum;
        self.squares = self.squares.saturating_add(other.squares);
    }

    /// Number of observations.
    #[must_use]
    pub const fn count(&self) -> u64 {
        self.count
    }

    /// The mean, rounded down to a nanosecond; `None` if nothing was observed.
    #[must_use]
    pub fn mean(&self) -> Option<Duration> {
        let mean = self.sum.checked_div(u128::from(self.count))?;
        Some(Duration::from_nanos(
            u64::try_from(mean).unwrap_or(u64::MAX),
        ))
    }

    /// The mean in seconds; `None` if nothing was observed.
    #[must_use]
    pub fn mean_seconds(&self) -> Option<f64> {
        (self.count > 0).then(|| self.sum as f64 / self.count as f64 / 1e9)
    }

    /// The sample variance in seconds squared; `None` below two observations.
    #[must_use]
    pub fn variance_seconds2(&self) -> Option<f64> {
        if self.count < 2 {
            return None;
        }
        // About the integer part m of the mean, with sum = m n + r:
        // Σ(x - mean)² = Σx² - m (sum + r) - r²/n, of which only the last term is not an integer.
        let n = u128::from(self.count);
        let (m, r) = (self.sum / n, self.sum % n);
        let about = self.squares.saturating_sub(m.saturating_mul(self.sum + r));
        let spread = (about as f64 - r as f64 * r as f64 / n as f64).max(0.0);
        Some(spread / (self.count - 1) as f64 / 1e18)
    }

    /// Standard error of the mean in seconds, as if the observations were independent; for times
    /// in a queue it is too small, see [`super::BatchMeans`].
    #[must_use]
    pub fn standard_error_seconds(&self) -> Option<f64> {
        self.variance_seconds2()
            .map(|variance| (variance / self.count as f64).sqrt())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn moments_of(values: &[u64]) -> Moments {
        let mut moments = Moments::new();
        values
            .iter()
            .for_each(|&value| moments.record(Duration::from_nanos(value)));
        moments
    }

    #[test]
    fn small_spreads_on_large_values_keep_their_digits() {
        let hours = 100_000_000_000_000;
        let moments = moments_of(&[hours, hours + 1, hours + 2, hours + 4]);
        assert_eq!(moments.mean(), Some(Duration::from_nanos(hours + 1)));
        let variance = moments.variance_seconds2().unwrap() * 1e18;
        assert!((variance - 8.75 / 3.0).abs() < 1e-12, "{variance}");
    }

    #[test]
    fn nothing_observed_gives_nothing() {
        assert_eq!(Moments::new().mean(), None);
        assert_eq!(moments_of(&[7]).variance_seconds2(), None);
        assert_eq!(moments_of(&[7]).mean_seconds(), Some(7e-9));
    }

    #[test]
    fn the_longest_durations_do_not_overflow() {
        let moments = moments_of(&[u64::MAX; 5]);
        assert_eq!(moments.mean(), Some(Duration::MAX));
        assert!(moments.variance_seconds2().unwrap() >= 0.0);
    }

    proptest! {
        #[test]
        fn merged_parts_equal_the_whole(
            values in prop::collection::vec(0_u64..1 << 47, 0..60),
            cut in 0_usize..60,
        ) {
            let cut = cut.min(values.len());
            let mut merged = moments_of(&values[cut..]);
            merged.merge(&moments_of(&values[..cut]));
            prop_assert_eq!(merged, moments_of(&values));
        }
    }
}
