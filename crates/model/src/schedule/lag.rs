//! What is known of a lag: a law, or what was observed of it.

use crate::distribution::{Distribution, Tails};

const NANOS: f64 = 1e9;

/// A lag in seconds, from the start of a gate's clock to readiness.
pub trait Lag {
    /// Probability that the lag exceeds `seconds`.
    fn survival(&self, seconds: f64) -> f64;

    /// E[L; L ≤ `seconds`]: the part of the mean that is reached by then.
    fn mean_until(&self, seconds: f64) -> f64;

    /// The smallest instant that at most the share `beyond` of the lags exceeds.
    fn instant_with_beyond(&self, beyond: f64) -> f64;

    /// The only instants at which a check can be best, if these are few; `None` for a smooth law.
    fn atoms(&self) -> Option<&[f64]> {
        None
    }
}

impl Lag for Distribution {
    fn survival(&self, seconds: f64) -> f64 {
        if seconds < 0.0 {
            return 1.0;
        }
        self.tails(seconds * NANOS).above
    }

    fn mean_until(&self, seconds: f64) -> f64 {
        if seconds <= 0.0 {
            return 0.0;
        }
        self.partial_means(seconds * NANOS).below / NANOS
    }

    fn instant_with_beyond(&self, beyond: f64) -> f64 {
        let at = Tails {
            below: 1.0 - beyond,
            above: beyond,
        };
        self.quantile_nanos(at) / NANOS
    }
}

/// A lag that takes few values: a trace, or an estimate from one. What is left after the last
/// value never becomes ready.
#[derive(Clone, PartialEq, Debug)]
pub struct Steps {
    times: Vec<f64>,
    /// Share that is later than the instant of the same index.
    survival: Vec<f64>,
    /// E[L; L ≤ t] at the instant of the same index.
    means: Vec<f64>,
}

impl Steps {
    /// Each of the observed `lags` alike; lags that are negative or no number count as 0.
    #[must_use]
    pub fn of_lags(mut lags: Vec<f64>) -> Self {
        for lag in &mut lags {
            *lag = lag.max(0.0);
        }
        lags.sort_unstable_by(f64::total_cmp);
        let total = lags.len().max(1) as f64;
        let equal = lags.chunk_by(|a, b| a.total_cmp(b).is_eq());
        let mut seen = 0_usize;
        Self::cumulated(equal.map(|equal| {
            seen += equal.len();
            let beyond = (lags.len() - seen) as f64 / total;
            (equal[0], equal.len() as f64 / total, beyond)
        }))
    }

    /// Masses at instants, both as (instant, mass). What they lack to 1 never becomes ready.
    #[must_use]
    pub fn of_masses(mut masses: Vec<(f64, f64)>) -> Self {
        masses.retain(|&(_, mass)| mass > 0.0);
        masses.sort_unstable_by(|a, b| a.0.total_cmp(&b.0));
        let total: f64 = masses.iter().map(|(_, mass)| mass).sum();
        let never = (1.0 - total).max(0.0);
        // Summed from the end, so that a small tail keeps its digits.
        let mut beyond = vec![never; masses.len()];
        for index in (1..masses.len()).rev() {
            beyond[index - 1] = beyond[index] + masses[index].1;
        }
        Self::cumulated(
            masses
                .into_iter()
                .zip(beyond)
                .map(|((time, mass), beyond)| (time, mass, beyond)),
        )
    }

    fn cumulated(steps: impl Iterator<Item = (f64, f64, f64)>) -> Self {
        let (mut times, mut survival, mut means) = (Vec::new(), Vec::new(), Vec::new());
        let mut mean = 0.0;
        for (time, mass, beyond) in steps {
            mean += time * mass;
            times.push(time);
            survival.push(beyond);
            means.push(mean);
        }
        Self {
            times,
            survival,
            means,
        }
    }

    /// The instants, rising, and the share that is later than each.
    pub fn points(&self) -> impl Iterator<Item = (f64, f64)> + '_ {
        self.times
            .iter()
            .copied()
            .zip(self.survival.iter().copied())
    }

    /// Share that never becomes ready.
    #[must_use]
    pub fn never(&self) -> f64 {
        self.survival.last().copied().unwrap_or(1.0)
    }

    /// The same lags, each `factor` times as long.
    #[must_use]
    pub fn scaled(&self, factor: f64) -> Self {
        let scaled = |values: &[f64]| values.iter().map(|value| value * factor).collect();
        Self {
            times: scaled(&self.times),
            survival: self.survival.clone(),
            means: scaled(&self.means),
        }
    }

    /// Index of the last instant at or before `seconds`, plus 1.
    fn reached(&self, seconds: f64) -> usize {
        self.times.partition_point(|&time| time <= seconds)
    }
}

impl Lag for Steps {
    fn survival(&self, seconds: f64) -> f64 {
        match self.reached(seconds) {
            0 => 1.0,
            reached => self.survival[reached - 1],
        }
    }

    fn mean_until(&self, seconds: f64) -> f64 {
        match self.reached(seconds) {
            0 => 0.0,
            reached => self.means[reached - 1],
        }
    }

    fn instant_with_beyond(&self, beyond: f64) -> f64 {
        let index = self.survival.partition_point(|&above| above > beyond);
        let last = self.times.last().copied().unwrap_or(0.0);
        self.times.get(index).copied().unwrap_or(last)
    }

    fn atoms(&self) -> Option<&[f64]> {
        Some(&self.times)
    }
}
