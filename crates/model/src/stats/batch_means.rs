//! The standard error of a mean of dependent observations, by batch means in bounded memory.
//!
//! Neighbours in a queue wait alike, so the independent formula is several times too small. Means
//! of long, contiguous batches are nearly independent (Law, *Simulation Modeling and Analysis*,
//! 9.5.3). The length of the stream is unknown: when there are twice as many batches as needed,
//! neighbours are joined, so 32 to 63 batches of equal, doubling length are kept.

use super::beta::student_t95;
use super::interval::Interval;

/// Batches after joining; one fewer than twice as many may be complete.
const BATCHES: usize = 32;

/// Mean and standard error of a stream of integers, in the order in which they arrive: nanoseconds
/// for a time, or a count.
///
/// Below 64 observations each is its own batch, which is the standard error of independent
/// observations. Streams are not merged: each replication has its own, joined by
/// [`MeanEstimate::across`].
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct BatchMeans {
    /// Sums of the complete batches.
    sums: Vec<u128>,
    /// Observations in a complete batch, a power of two.
    length: u64,
    /// The batch being filled.
    open_sum: u128,
    open_count: u64,
}

/// A mean with its doubt, in the unit that was recorded.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct MeanEstimate {
    /// The mean of all observations.
    pub mean: f64,
    /// Its standard error; `None` from a single batch or replication.
    pub standard_error: Option<f64>,
    /// Degrees of freedom of the standard error: batches or replications less one.
    pub degrees: u64,
}

impl BatchMeans {
    /// Nothing observed yet.
    #[must_use]
    pub fn new() -> Self {
        Self {
            sums: Vec::with_capacity(2 * BATCHES),
            length: 1,
            open_sum: 0,
            open_count: 0,
        }
    }

    /// Adds the next observation of the stream.
    pub fn record(&mut self, value: u64) {
        self.open_sum += u128::from(value);
        self.open_count += 1;
        if self.open_count < self.length {
            return;
        }
        self.sums.push(self.open_sum);
        (self.open_sum, self.open_count) = (0, 0);
        if self.sums.len() == 2 * BATCHES {
            self.join_neighbours();
        }
    }

    fn join_neighbours(&mut self) {
        for i in 0..BATCHES {
            self.sums[i] = self.sums[2 * i] + self.sums[2 * i + 1];
        }
        self.sums.truncate(BATCHES);
        self.length *= 2;
    }

    /// Number of observations.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.sums.len() as u64 * self.length + self.open_count
    }

    /// The mean of all observations, with the standard error from the complete batches; `None` if
    /// nothing was observed.
    #[must_use]
    pub fn estimate(&self) -> Option<MeanEstimate> {
        let count = self.count();
        if count == 0 {
            return None;
        }
        let total = self.sums.iter().sum::<u128>() + self.open_sum;
        let batches: Vec<f64> = self
            .sums
            .iter()
            .map(|&sum| sum as f64 / self.length as f64)
            .collect();
        // The variance of a batch's mean, scaled to the mean of all observations.
        let share = self.length as f64 / count as f64;
        Some(MeanEstimate {
            mean: total as f64 / count as f64,
            standard_error: variance(&batches).map(|variance| (variance * share).sqrt()),
            degrees: (batches.len() as u64).saturating_sub(1),
        })
    }
}

impl Default for BatchMeans {
    fn default() -> Self {
        Self::new()
    }
}

impl MeanEstimate {
    /// The mean of the means of independent replications, each counting the same, with the
    /// standard error of their spread; `None` without replications. Give them in a fixed order.
    #[must_use]
    pub fn across(replications: &[f64]) -> Option<Self> {
        let count = replications.len() as f64;
        let mean = (!replications.is_empty()).then(|| replications.iter().sum::<f64>() / count)?;
        Some(Self {
            mean,
            standard_error: variance(replications).map(|variance| (variance / count).sqrt()),
            degrees: (replications.len() as u64).saturating_sub(1),
        })
    }

    /// The estimate in seconds of one in nanoseconds.
    #[must_use]
    pub fn in_seconds(self) -> Self {
        Self {
            mean: self.mean / 1e9,
            standard_error: self.standard_error.map(|error| error / 1e9),
            degrees: self.degrees,
        }
    }

    /// The 95 % interval, by Student's t; `None` without a standard error.
    #[must_use]
    pub fn interval(&self) -> Option<Interval> {
        let half = self.standard_error? * student_t95(self.degrees);
        Some(Interval {
            estimate: self.mean,
            low: self.mean - half,
            high: self.mean + half,
        })
    }
}

/// Sample variance; `None` below two values.
fn variance(values: &[f64]) -> Option<f64> {
    if values.len() < 2 {
        return None;
    }
    let mean = values.iter().sum::<f64>() / values.len() as f64;
    let squares = values
        .iter()
        .map(|value| (value - mean) * (value - mean))
        .sum::<f64>();
    Some(squares / (values.len() - 1) as f64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::distribution::{Distribution, Sampler};
    use crate::draws::mix64;
    use crate::stats::Moments;
    use crate::time::Duration;

    fn batches_of(values: impl IntoIterator<Item = u64>) -> BatchMeans {
        let mut batches = BatchMeans::new();
        values.into_iter().for_each(|value| batches.record(value));
        batches
    }

    #[test]
    fn few_observations_are_taken_as_independent() {
        let estimate = batches_of([2, 4, 9]).estimate().unwrap();
        assert!((estimate.mean - 5.0).abs() < 1e-12);
        // Variance 13 of three values.
        assert!((estimate.standard_error.unwrap() - (13.0_f64 / 3.0).sqrt()).abs() < 1e-12);
        assert_eq!(estimate.degrees, 2);
    }

    #[test]
    fn nothing_and_one_observation_have_no_standard_error() {
        assert_eq!(BatchMeans::new().estimate(), None);
        let one = batches_of([7]).estimate().unwrap();
        assert_eq!((one.standard_error, one.interval()), (None, None));
    }

    #[test]
    fn at_least_thirty_batches_are_kept_in_bounded_memory() {
        let mut batches = BatchMeans::new();
        for value in 0..100_000 {
            batches.record(value);
            let count = value + 1;
            assert_eq!(batches.count(), count);
            assert!(count < 64 || (32..64).contains(&batches.sums.len()));
        }
        let estimate = batches.estimate().unwrap();
        assert!((estimate.mean - 49_999.5).abs() < 1e-9, "{estimate:?}");
    }

    #[test]
    fn replications_are_combined_by_their_means() {
        let estimate = MeanEstimate::across(&[1.0, 2.0, 3.0, 4.0, 5.0]).unwrap();
        assert!((estimate.mean - 3.0).abs() < 1e-15);
        let error = estimate.standard_error.unwrap();
        assert!((error - 0.5_f64.sqrt()).abs() < 1e-15);
        let interval = estimate.interval().unwrap();
        assert!(
            (interval.high - 3.0 - 2.776_445_105_198 * error).abs() < 1e-9,
            "{interval:?}"
        );
        assert_eq!(MeanEstimate::across(&[]), None);
    }

    /// Waits of an M/M/1 queue by Lindley's recursion, load 0.5, mean service 1 s: E[W] = 1 s.
    fn waits(replication: u64, count: u64) -> impl Iterator<Item = u64> {
        let gap = Sampler::new(&Distribution::exponential(Duration::from_secs(2)).unwrap());
        let service = Sampler::new(&Distribution::exponential(Duration::from_secs(1)).unwrap());
        let mut wait = 0_u64;
        (0..count).map(move |i| {
            let draw = mix64(mix64(replication) ^ (2 * i));
            let work = service.sample(draw).as_nanos();
            let idle = gap.sample(mix64(draw)).as_nanos();
            let now = wait;
            wait = (wait + work).saturating_sub(idle);
            now
        })
    }

    #[test]
    fn batch_means_cover_the_mean_wait_where_the_independent_error_does_not() {
        let (mut covered, mut covered_naively) = (0, 0);
        let replications = 60;
        for replication in 0..replications {
            let mut batches = BatchMeans::new();
            let mut naive = Moments::new();
            for wait in waits(replication, 10_000) {
                batches.record(wait);
                naive.record(Duration::from_nanos(wait));
            }
            let interval = batches.estimate().unwrap().in_seconds().interval().unwrap();
            covered += u32::from(interval.contains(1.0));
            let half = 1.96 * naive.standard_error_seconds().unwrap();
            let miss = (naive.mean_seconds().unwrap() - 1.0).abs();
            covered_naively += u32::from(miss <= half);
        }
        assert!(covered >= 52, "{covered} of {replications}");
        assert!(covered_naively <= 40, "{covered_naively} of {replications}");
    }
}
