//! What independent replications say about the expectation over seeds.
//!
//! Recordings that share a queue or a job are not independent of each other; runs of different
//! seeds are. So the run is the unit, whatever happens within it.

use super::beta::{incomplete_beta, student_t_quantile};
use super::interval::Interval;
use super::means::mean_and_variance;
use super::special::normal_tails;

/// The mean of replications with its standard error.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct SeedMean {
    /// The mean.
    pub mean: f64,
    /// Its standard error.
    pub standard_error: f64,
    /// Replications less one.
    pub degrees: u64,
}

impl SeedMean {
    /// The mean of `values`, one per seed, in a fixed order. `None` below two.
    #[must_use]
    pub fn of(values: &[f64]) -> Option<Self> {
        let (mean, variance) = mean_and_variance(values)?;
        Some(Self {
            mean,
            standard_error: (variance / values.len() as f64).sqrt(),
            degrees: values.len() as u64 - 1,
        })
    }

    /// The interval that misses the expectation with probability `miss`, by Student's t.
    #[must_use]
    pub fn interval(&self, miss: f64) -> Interval {
        let half = self.t(miss) * self.standard_error;
        Interval {
            estimate: self.mean,
            low: self.mean - half,
            high: self.mean + half,
        }
    }

    /// The same for a share of one: Wilson's shape at the effective sample size, which stays
    /// within 0 and 1 and is as lopsided as the few events of a rare outcome are (Korn and
    /// Graubard, *Survey Methodology* 24, 1998, with the score interval). The bound on the side of
    /// few effective events is the exact one: Wilson's excludes rates at which they are still
    /// likely enough (Brown, Cai and DasGupta, *Statistical Science* 16, 2001).
    #[must_use]
    pub fn share_interval(&self, miss: f64) -> Interval {
        let Some(size) = self.effective_size() else {
            return Interval::exact(self.mean);
        };
        let (rate, t2) = (self.mean, self.t(miss) * self.t(miss));
        let centre = rate + t2 / (2.0 * size);
        let half = (t2 * (rate * (1.0 - rate) / size + t2 / (4.0 * size * size))).sqrt();
        let scale = 1.0 + t2 / size;
        let exact = |rate: f64| few_events_lower(rate * size, size, self.t(miss));
        Interval {
            estimate: rate,
            low: ((centre - half) / scale).min(exact(rate)).clamp(0.0, rate),
            high: ((centre + half) / scale)
                .max(1.0 - exact(1.0 - rate))
                .clamp(rate, 1.0),
        }
    }

    /// How many independent recordings would leave a share as much doubt; `None` without doubt.
    #[must_use]
    pub fn effective_size(&self) -> Option<f64> {
        let variance = self.standard_error * self.standard_error;
        let size = self.mean * (1.0 - self.mean) / variance;
        (variance > 0.0 && size > 0.0).then_some(size)
    }

    /// The standard deviation between seeds.
    #[must_use]
    pub fn deviation(&self) -> f64 {
        self.standard_error * ((self.degrees + 1) as f64).sqrt()
    }

    /// Student's t that is exceeded on either side with probability `miss` in all.
    #[must_use]
    pub fn t(&self, miss: f64) -> f64 {
        student_t_quantile(1.0 - miss / 2.0, self.degrees as f64)
    }
}

/// The one-sided bound of a share that `units` independent units showed nothing of, missed with
/// probability `miss`: the exact form of the rule of three.
#[must_use]
pub fn bound_of_none(units: u64, miss: f64) -> f64 {
    if units == 0 {
        return 1.0;
    }
    1.0 - libm::pow(miss, 1.0 / units as f64)
}

/// Effective events at which Wilson's bound is as good as the exact one.
const FEW: f64 = 10.0;

/// The exact lower bound (Clopper and Pearson 1934) of a share that few `events` of an effective
/// `size` showed, as sure as a normal bound `deviations` away; 1 where they are not few.
fn few_events_lower(events: f64, size: f64, deviations: f64) -> f64 {
    if events >= FEW || events >= size {
        return 1.0;
    }
    let miss = normal_tails(deviations).above;
    // The share at which that many events or more come with probability `miss`.
    let (mut low, mut high) = (0.0, events / size);
    for _ in 0..60 {
        let middle = f64::midpoint(low, high);
        if incomplete_beta(events, size - events + 1.0, middle) < miss {
            low = middle;
        } else {
            high = middle;
        }
    }
    low
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stats::proportion_upper;

    #[test]
    fn a_mean_is_bounded_by_students_t_between_seeds() {
        // Mean 3, standard error sqrt(1/2), t 2.776445 at 4 degrees.
        let mean = SeedMean::of(&[1.0, 2.0, 3.0, 4.0, 5.0]).unwrap();
        let interval = mean.interval(0.05);
        assert!((interval.high - 3.0 - 2.776_445_105_198 * 0.5_f64.sqrt()).abs() < 1e-9);
        assert!((mean.deviation() - 2.5_f64.sqrt()).abs() < 1e-12);
        assert_eq!(SeedMean::of(&[1.0]), None);
    }

    #[test]
    fn a_share_keeps_to_its_range_and_is_as_wide_as_its_effective_size() {
        let even = SeedMean::of(&[0.4, 0.6, 0.5, 0.45, 0.55]).unwrap();
        let (share, plain) = (even.share_interval(0.05), even.interval(0.05));
        assert!(
            (share.high - plain.high).abs() < 0.01,
            "{share:?} {plain:?}"
        );
        let rare = SeedMean::of(&[0.0, 0.0, 0.0, 0.01, 0.0]).unwrap();
        let share = rare.share_interval(0.05);
        assert!(share.low > 0.0 && share.high > rare.interval(0.05).high);
        let never = SeedMean::of(&[1.0; 5]).unwrap();
        assert_eq!(never.share_interval(0.05), Interval::exact(1.0));
    }

    #[test]
    fn a_few_events_are_bounded_as_exactly_as_by_clopper_and_pearson() {
        // One event of 3,000 recordings in twenty seeds: t is 2.093, nearly the 96.4 % bound.
        let mut values = [0.0; 20];
        values[3] = 1.0 / 150.0;
        let mean = SeedMean::of(&values).unwrap();
        let size = mean.effective_size().unwrap();
        let share = mean.share_interval(0.05);
        let level = 1.0 - normal_tails(mean.t(0.05)).above;
        let events = mean.mean * size;
        assert!((events - 1.0).abs() < 0.01 && (size - 3_000.0).abs() < 30.0);
        let exact = 1.0 - libm::pow(level, 1.0 / 3_000.0);
        assert!((share.low / exact - 1.0).abs() < 0.02, "{share:?} {exact}");
        let mirrored = SeedMean {
            mean: 1.0 - mean.mean,
            ..mean
        };
        assert!((mirrored.share_interval(0.05).high - (1.0 - share.low)).abs() < 1e-9);
    }

    #[test]
    fn nothing_seen_is_bounded_as_by_clopper_and_pearson() {
        for units in [1, 20, 2_995] {
            let exact = proportion_upper(0, units, 0.95).unwrap();
            assert!((bound_of_none(units, 0.05) - exact).abs() < 1e-9);
        }
        assert!((bound_of_none(0, 0.05) - 1.0).abs() < 1e-15);
    }
}
