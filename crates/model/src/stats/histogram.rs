//! Quantiles of durations in bounded memory.

use crate::time::Duration;

/// The finest step, 2^9 ns, is used up to a millisecond; above it three significant digits.
const LOWEST_NANOS: u64 = 1_000;
/// Longer durations are counted in the last bucket.
const HIGHEST: Duration = Duration::from_secs(48 * 3600);

/// An `HdrHistogram` of durations: a quantile is at most 0.1 % (or 0.5 us) above the true one.
///
/// It holds nanoseconds and grows with the largest value: 0.1 MB for seconds, 0.25 MB at the
/// bound of 48 hours. Mean and maximum are exact. Merging is addition, in any order.
#[derive(Clone, PartialEq, Debug)]
pub struct Histogram {
    counts: hdrhistogram::Histogram<u64>,
    sum: u128,
    max: Duration,
}

impl Histogram {
    /// An empty histogram.
    #[must_use]
    pub fn new() -> Self {
        let mut counts =
            hdrhistogram::Histogram::new_with_bounds(LOWEST_NANOS, 2 * LOWEST_NANOS, 3)
                .expect("the bounds are constants with high = 2 low, and 3 digits are allowed");
        counts.auto(true);
        Self {
            counts,
            sum: 0,
            max: Duration::ZERO,
        }
    }

    /// Counts `value`.
    pub fn record(&mut self, value: Duration) {
        self.counts
            .record(value.min(HIGHEST).as_nanos())
            .expect("the histogram grows, and 48 hours fit");
        self.sum += u128::from(value.as_nanos());
        self.max = self.max.max(value);
    }

    /// Counts everything that `other` counted.
    pub fn merge(&mut self, other: &Self) {
        self.counts
            .add(&other.counts)
            .expect("the histogram grows, and 48 hours fit");
        self.sum += other.sum;
        self.max = self.max.max(other.max);
    }

    /// Number of durations counted.
    #[must_use]
    pub fn len(&self) -> u64 {
        self.counts.len()
    }

    /// Whether nothing was counted.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.counts.is_empty()
    }

    /// The smallest duration that at least the share `q` (0 to 1) does not exceed, rounded up to
    /// its bucket's end; `None` if empty.
    #[must_use]
    pub fn quantile(&self, q: f64) -> Option<Duration> {
        let bucket = || Duration::from_nanos(self.counts.value_at_quantile(q.clamp(0.0, 1.0)));
        let in_last_bucket = || q >= 1.0 || (self.max > HIGHEST && bucket() >= HIGHEST);
        (!self.is_empty()).then(|| {
            if in_last_bucket() {
                self.max
            } else {
                bucket().min(self.max)
            }
        })
    }

    /// The exact mean, rounded down to a nanosecond; `None` if empty.
    #[must_use]
    pub fn mean(&self) -> Option<Duration> {
        let mean = self.sum.checked_div(u128::from(self.len()))?;
        Some(Duration::from_nanos(
            u64::try_from(mean).unwrap_or(u64::MAX),
        ))
    }

    /// The exact maximum; `None` if empty.
    #[must_use]
    pub fn max(&self) -> Option<Duration> {
        (!self.is_empty()).then_some(self.max)
    }

    /// The counts themselves, in nanoseconds, for writing an interval log.
    #[must_use]
    pub const fn as_hdr(&self) -> &hdrhistogram::Histogram<u64> {
        &self.counts
    }
}

impl Default for Histogram {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn histogram_of(nanos: &[u64]) -> Histogram {
        let mut histogram = Histogram::new();
        nanos
            .iter()
            .for_each(|&value| histogram.record(Duration::from_nanos(value)));
        histogram
    }

    #[test]
    fn an_empty_histogram_has_no_quantile() {
        let empty = Histogram::new();
        assert!(empty.is_empty());
        assert_eq!(
            (empty.quantile(0.5), empty.mean(), empty.max()),
            (None, None, None)
        );
    }

    #[test]
    fn quantiles_are_within_a_thousandth() {
        let values: Vec<u64> = (1..=10_000).map(|i| i * 1_000_000).collect();
        let histogram = histogram_of(&values);
        for (q, seconds) in [
            (0.5, 5.0),
            (0.95, 9.5),
            (0.99, 9.9),
            (0.999, 9.99),
            (1.0, 10.0),
        ] {
            let got = histogram.quantile(q).unwrap().as_secs_f64();
            assert!(got >= seconds && got <= seconds * 1.001, "{q}: {got}");
        }
        assert_eq!(histogram.mean(), Some(Duration::from_nanos(5_000_500_000)));
        assert_eq!(histogram.max(), Some(Duration::from_secs(10)));
    }

    #[test]
    fn what_is_longer_than_the_bound_is_still_counted() {
        let histogram = histogram_of(&[0, 5, u64::MAX]);
        assert_eq!(histogram.len(), 3);
        assert_eq!(histogram.max(), Some(Duration::MAX));
        assert_eq!(histogram.quantile(1.0), Some(Duration::MAX));
        assert!(histogram.quantile(0.5).unwrap() <= Duration::from_nanos(1_024));
    }

    #[test]
    fn memory_is_bounded() {
        let histogram = histogram_of(&[u64::MAX]);
        assert!(histogram.as_hdr().distinct_values() * 8 < 260_000);
    }

    proptest! {
        #[test]
        fn merging_is_recording_everything_in_one(
            values in prop::collection::vec(0_u64..1 << 50, 0..40),
            cut in 0_usize..40,
        ) {
            let cut = cut.min(values.len());
            let mut merged = histogram_of(&values[cut..]);
            merged.merge(&histogram_of(&values[..cut]));
            let whole = histogram_of(&values);
            prop_assert_eq!(merged.len(), whole.len());
            prop_assert_eq!(merged.mean(), whole.mean());
            for q in [0.0, 0.1, 0.5, 0.9, 1.0] {
                prop_assert_eq!(merged.quantile(q), whole.quantile(q));
            }
        }
    }
}
