//! Distributions of times, and their rows in the summary.

use crate::stats::{Histogram, MeanEstimate};
use crate::summary::DelaySummary;
use crate::time::Duration;

/// Points of a distribution function in the summary, at most.
const CDF_POINTS: u32 = 200;

/// A histogram that takes no memory while it is empty: many slices are.
#[derive(Clone, Debug, Default)]
pub(crate) struct Delays(Option<Box<Histogram>>);

/// Whether a row of the summary carries its distribution function.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Cdf {
    /// With up to 200 points.
    Drawn,
    /// Without.
    Left,
}

impl Delays {
    /// Counts `delay`.
    pub(crate) fn record(&mut self, delay: Duration) {
        self.0.get_or_insert_default().record(delay);
    }

    /// Counts what `other` counted.
    pub(crate) fn merge(&mut self, other: &Self) {
        if let Some(other) = &other.0 {
            self.0.get_or_insert_default().merge(other);
        }
    }

    /// The histogram, if anything was counted.
    pub(crate) fn histogram(&self) -> Option<&Histogram> {
        self.0.as_deref()
    }

    /// Number of delays counted.
    pub(crate) fn count(&self) -> u64 {
        self.histogram().map_or(0, Histogram::len)
    }

    /// The quantile, in seconds; zero if nothing was counted.
    pub(crate) fn quantile_s(&self, quantile: f64) -> f64 {
        let value = self
            .histogram()
            .and_then(|histogram| histogram.quantile(quantile));
        value.unwrap_or(Duration::ZERO).as_secs_f64()
    }

    /// The row of the summary; `mean` is in nanoseconds.
    pub(crate) fn summary(&self, mean: Option<MeanEstimate>, cdf: Cdf) -> DelaySummary {
        let Some(histogram) = self.histogram() else {
            return DelaySummary::default();
        };
        let mean = mean.map(MeanEstimate::in_seconds);
        DelaySummary {
            count: histogram.len(),
            mean_s: mean.map_or(0.0, |mean| mean.mean),
            mean_se_s: mean.and_then(|mean| mean.standard_error).unwrap_or(0.0),
            p50_s: self.quantile_s(0.5),
            p95_s: self.quantile_s(0.95),
            p99_s: self.quantile_s(0.99),
            max_s: self.quantile_s(1.0),
            cdf: match cdf {
                Cdf::Drawn => cdf_points(histogram),
                Cdf::Left => Vec::new(),
            },
            ..DelaySummary::default()
        }
    }
}

/// (seconds, share at most that long), a point each time the share passes another step.
fn cdf_points(histogram: &Histogram) -> Vec<(f64, f64)> {
    let (counts, total) = (histogram.as_hdr(), histogram.len());
    let max = histogram.max().unwrap_or(Duration::ZERO);
    let (mut seen, mut steps) = (0, 0);
    let mut points = Vec::new();
    for bucket in counts.iter_recorded() {
        seen += bucket.count_since_last_iteration();
        let reached = u128::from(seen) * u128::from(CDF_POINTS) / u128::from(total);
        if reached > steps {
            steps = reached;
            let end = Duration::from_nanos(bucket.value_iterated_to());
            points.push((end.min(max).as_secs_f64(), seen as f64 / total as f64));
        }
    }
    points
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_distribution_function_rises_to_one_in_at_most_200_points() {
        let mut delays = Delays::default();
        (1..=1000).for_each(|ms| delays.record(Duration::from_millis(ms)));
        let row = delays.summary(None, Cdf::Drawn);
        assert_eq!((row.count, row.cdf.len()), (1000, 200));
        assert!(
            row.cdf
                .windows(2)
                .all(|pair| pair[0].0 < pair[1].0 && pair[0].1 < pair[1].1)
        );
        assert_eq!(row.cdf.last().copied(), Some((1.0, 1.0)));
    }

    #[test]
    fn equal_delays_are_one_point() {
        let mut delays = Delays::default();
        (0..50).for_each(|_| delays.record(Duration::from_secs(2)));
        assert_eq!(delays.summary(None, Cdf::Drawn).cdf, vec![(2.0, 1.0)]);
        assert_eq!(
            Delays::default().summary(None, Cdf::Drawn),
            DelaySummary::default()
        );
    }
}
