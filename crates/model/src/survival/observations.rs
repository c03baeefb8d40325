//! Lags of a trace, equal ones together.

use std::collections::BTreeMap;

/// A lag that lies in `(low, high]`, in seconds; exactly at `low` if both are equal, and beyond
/// `low` if `high` is infinite.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Observation {
    /// The last instant at which it was not ready.
    pub low: f64,
    /// The first instant at which it was.
    pub high: f64,
    /// How many recordings it was seen on.
    pub count: u64,
}

impl Observation {
    /// A lag that is known.
    #[must_use]
    pub const fn exact(lag: f64) -> Self {
        Self::between(lag, lag)
    }

    /// A lag in `(low, high]`.
    #[must_use]
    pub const fn between(low: f64, high: f64) -> Self {
        Self {
            low,
            high,
            count: 1,
        }
    }

    /// A lag beyond `low`.
    #[must_use]
    pub const fn beyond(low: f64) -> Self {
        Self::between(low, f64::INFINITY)
    }

    /// Whether the lag is known.
    #[must_use]
    pub fn is_exact(&self) -> bool {
        self.low >= self.high
    }

    /// Whether only a lower bound is known.
    #[must_use]
    pub fn is_right_censored(&self) -> bool {
        self.high.is_infinite()
    }
}

/// Different observations at most; beyond, the last binary digits of the instants are dropped.
const MOST: usize = 8_192;
/// Binary digits of an `f64`.
const DIGITS: u32 = 52;

/// Observations, equal ones counted together. Its size is bounded whatever is added: when there are
/// too many different ones, instants are rounded to fewer binary digits, and it says how many.
#[derive(Clone, PartialEq, Debug)]
pub struct Observations {
    counts: BTreeMap<(u64, u64), u64>,
    digits: u32,
    total: u64,
}

impl Default for Observations {
    fn default() -> Self {
        Self {
            counts: BTreeMap::new(),
            digits: DIGITS,
            total: 0,
        }
    }
}

impl Observations {
    /// Adds an observation. Bounds below zero count as zero, reversed ones as an exact lag.
    pub fn add(&mut self, observation: Observation) {
        let low = observation.low.max(0.0);
        let high = observation.high.max(low);
        let key = (rounded(low, self.digits), rounded(high, self.digits));
        *self.counts.entry(key).or_default() += observation.count;
        self.total += observation.count;
        while self.counts.len() > MOST {
            self.coarsen();
        }
    }

    fn coarsen(&mut self) {
        self.digits -= if self.digits > 16 { 8 } else { 1 };
        let digits = self.digits;
        let finer = std::mem::take(&mut self.counts);
        for ((low, high), count) in finer {
            let key = (
                rounded(f64::from_bits(low), digits),
                rounded(f64::from_bits(high), digits),
            );
            *self.counts.entry(key).or_default() += count;
        }
    }

    /// The observations by rising bounds.
    pub fn iter(&self) -> impl Iterator<Item = Observation> + '_ {
        self.counts
            .iter()
            .map(|(&(low, high), &count)| Observation {
                low: f64::from_bits(low),
                high: f64::from_bits(high),
                count,
            })
    }

    /// Number of recordings.
    #[must_use]
    pub const fn total(&self) -> u64 {
        self.total
    }

    /// Number of different observations.
    #[must_use]
    pub fn different(&self) -> usize {
        self.counts.len()
    }

    /// The largest relative error that rounding made; 0 if nothing was rounded.
    #[must_use]
    pub fn rounding(&self) -> f64 {
        if self.digits == DIGITS {
            return 0.0;
        }
        1.0 / (2_u64 << self.digits) as f64
    }
}

impl FromIterator<Observation> for Observations {
    fn from_iter<I: IntoIterator<Item = Observation>>(list: I) -> Self {
        let mut all = Self::default();
        for observation in list {
            all.add(observation);
        }
        all
    }
}

/// The bits of a number that is not negative, rounded to so many binary digits.
fn rounded(value: f64, digits: u32) -> u64 {
    if digits >= DIGITS || value.is_infinite() {
        // Adding zero makes a negative zero positive.
        return (value + 0.0).to_bits();
    }
    let dropped = DIGITS - digits;
    let bits = value.to_bits() + (1 << (dropped - 1));
    bits >> dropped << dropped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_observations_are_counted_together() {
        let all: Observations = [1.0, 2.0, 1.0]
            .map(Observation::exact)
            .into_iter()
            .collect();
        assert_eq!((all.total(), all.different()), (3, 2));
        assert!(all.rounding() <= 0.0);
    }

    #[test]
    fn a_million_different_lags_are_kept_small_and_within_the_rounding_that_is_told() {
        let mut all = Observations::default();
        let mut sum = 0.0;
        for k in 0..200_000_u32 {
            let lag = 1.0 + f64::from(k) * 1.7e-4;
            sum += lag;
            all.add(Observation::exact(lag));
        }
        assert!(all.different() <= MOST);
        assert_eq!(all.total(), 200_000);
        let kept: f64 = all.iter().map(|one| one.low * one.count as f64).sum();
        assert!(
            (kept / sum - 1.0).abs() < all.rounding(),
            "{kept} for {sum}"
        );
        assert!(all.rounding() < 1e-3, "{}", all.rounding());
    }

    #[test]
    fn a_bound_that_is_unknown_stays_unknown() {
        let mut all = Observations::default();
        for k in 0..20_000_u32 {
            all.add(Observation::beyond(f64::from(k) + 0.5));
        }
        assert!(all.iter().all(|one| one.is_right_censored()));
    }
}
