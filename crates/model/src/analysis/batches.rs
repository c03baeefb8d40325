//! Sums by batch of neighbouring recordings, for standard errors that respect the queue.
//!
//! Neighbours in a queue are not independent, so a standard error is taken over batches of
//! recordings that arrived together (Law & Kelton, *Simulation Modeling and Analysis*, batch
//! means). A batch is a stretch of recording indices, not of lines read: adding in any order, or
//! in parts, gives the same batches. Batches double in length when there are more than 64 of
//! them, so there are at least 33 as soon as there are that many recordings.

use crate::stats::MeanEstimate;

/// Batches at most; one more halves their number, so a long run has 33 to 64.
const BATCHES_MAX: usize = 64;

/// Above this number, two neighbouring batches are one unit of a variance.
const PAIRED_ABOVE: usize = BATCHES_MAX / 2;

/// From this many replications on, the replication is the unit instead of the batch.
pub const REPLICATIONS_MIN: usize = 10;

/// What is summed up per batch.
pub(crate) trait Sums: Clone + Default {
    /// Adds the sums of another batch.
    fn add(&mut self, other: &Self);
}

/// Sums by batch, and by replication once there are several.
#[derive(Clone, Debug)]
pub(crate) struct Batches<S> {
    /// A batch is 2^`shift` recordings long.
    shift: u32,
    /// (position, sums), by position.
    batches: Vec<(u64, S)>,
    /// Where the last value went: the next one probably goes there too.
    last: usize,
    /// The sums of each replication; empty while there is only one.
    replications: Vec<S>,
}

impl<S> Default for Batches<S> {
    fn default() -> Self {
        Self {
            shift: 0,
            batches: Vec::new(),
            last: 0,
            replications: Vec::new(),
        }
    }
}

impl<S: Sums> Batches<S> {
    /// The sums that recording `index` belongs to.
    pub(crate) fn at(&mut self, index: u64) -> &mut S {
        let mut position = index >> self.shift;
        if self
            .batches
            .get(self.last)
            .is_none_or(|(at, _)| *at != position)
        {
            let mut found = self.batches.binary_search_by_key(&position, |(at, _)| *at);
            if let Err(slot) = found {
                self.batches.insert(slot, (position, S::default()));
                if self.batches.len() > BATCHES_MAX {
                    self.coarsen();
                    position = index >> self.shift;
                }
                found = self.batches.binary_search_by_key(&position, |(at, _)| *at);
            }
            self.last = found.expect("the batch was just made");
        }
        &mut self.batches[self.last].1
    }

    /// How many batches hold something.
    pub(crate) const fn len(&self) -> u64 {
        self.batches.len() as u64
    }

    /// Everything.
    pub(crate) fn total(&self) -> S {
        let mut total = S::default();
        self.batches.iter().for_each(|(_, sums)| total.add(sums));
        total
    }

    /// Adds another slice of the same recordings' run.
    pub(crate) fn add_slice(&mut self, other: &Self) {
        if self.replications.is_empty() {
            self.replications
                .resize(other.replications.len(), S::default());
        }
        for (mine, theirs) in self.replications.iter_mut().zip(&other.replications) {
            mine.add(theirs);
        }
        self.add_batches(other);
    }

    /// Adds the same slice of further replications.
    pub(crate) fn add_replications(&mut self, other: &Self) {
        let replications = |batches: &Self| match batches.replications.as_slice() {
            [] => vec![batches.total()],
            several => several.to_vec(),
        };
        let (mut mine, theirs) = (replications(self), replications(other));
        mine.extend(theirs);
        self.replications = mine;
        self.add_batches(other);
    }

    /// Σ numerator ÷ Σ denominator, with the standard error of a ratio estimator (Cochran,
    /// *Sampling Techniques*, §6.4) over batches, or over replications from
    /// [`REPLICATIONS_MIN`] on.
    /// None over nothing.
    pub(crate) fn ratio(&self, parts: impl Fn(&S) -> (f64, f64)) -> Option<MeanEstimate> {
        let (numerator, denominator) = parts(&self.total());
        if denominator <= 0.0 {
            return None;
        }
        let mean = numerator / denominator;
        let (variance, count) = self.residual_variance(|sums| {
            let (numerator, denominator) = parts(sums);
            (numerator - mean * denominator, denominator)
        });
        Some(MeanEstimate {
            mean,
            standard_error: variance.map(|variance| variance.sqrt() / denominator),
            degrees: count.saturating_sub(1),
        })
    }

    /// The variance of a sum whose batches are `residual(sums).0`, and how many there are. Only
    /// those count whose weight `residual(sums).1` is positive; fewer than two have no variance.
    pub(crate) fn residual_variance(
        &self,
        residual: impl Fn(&S) -> (f64, f64),
    ) -> (Option<f64>, u64) {
        let units = self.units().map(residual);
        let mut residuals: Vec<f64> = units
            .filter(|(_, weight)| *weight > 0.0)
            .map(|(residual, _)| residual)
            .collect();
        if !self.by_replication() && residuals.len() > PAIRED_ABOVE {
            // What a queue remembers from one batch to the next weighs half as much in pairs of
            // them, and beyond thirty units a variance hardly gets better (Schmeiser, *Operations
            // Research* 30, 1982).
            residuals = residuals.chunks(2).map(|pair| pair.iter().sum()).collect();
        }
        let count = residuals.len() as f64;
        let mean = residuals.iter().sum::<f64>() / count;
        let squares: f64 = residuals
            .iter()
            .map(|value| (value - mean) * (value - mean))
            .sum();
        let variance = (residuals.len() >= 2).then(|| squares * count / (count - 1.0));
        (variance, residuals.len() as u64)
    }

    /// Whether replications are the unit instead of batches.
    pub(crate) fn by_replication(&self) -> bool {
        self.replications.len() >= REPLICATIONS_MIN
    }

    fn units(&self) -> impl Iterator<Item = &S> {
        let by_replication = self.by_replication();
        let batches = if by_replication {
            &[]
        } else {
            self.batches.as_slice()
        };
        let replications = if by_replication {
            self.replications.as_slice()
        } else {
            &[]
        };
        batches.iter().map(|(_, sums)| sums).chain(replications)
    }

    fn add_batches(&mut self, other: &Self) {
        while self.shift < other.shift {
            self.coarsen();
        }
        for (position, sums) in &other.batches {
            // The first index of their batch lies in the batch of ours that covers it.
            self.at(position << other.shift).add(sums);
        }
    }

    fn coarsen(&mut self) {
        self.shift += 1;
        self.last = 0;
        let mut merged: Vec<(u64, S)> = Vec::with_capacity(BATCHES_MAX);
        for (position, sums) in self.batches.drain(..) {
            match merged.last_mut() {
                Some((at, into)) if *at == position >> 1 => into.add(&sums),
                _ => merged.push((position >> 1, sums)),
            }
        }
        self.batches = merged;
        if self.batches.len() > BATCHES_MAX {
            self.coarsen();
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[derive(Clone, PartialEq, Debug, Default)]
    struct Values {
        count: u64,
        sum: u64,
    }

    impl Sums for Values {
        fn add(&mut self, other: &Self) {
            self.count += other.count;
            self.sum += other.sum;
        }
    }

    fn batches(values: &[(u64, u64)]) -> Batches<Values> {
        let mut batches = Batches::<Values>::default();
        for (index, value) in values {
            batches.at(*index).add(&Values {
                count: 1,
                sum: *value,
            });
        }
        batches
    }

    fn mean(batches: &Batches<Values>) -> Option<MeanEstimate> {
        batches.ratio(|sums| (sums.sum as f64, sums.count as f64))
    }

    #[test]
    fn the_error_of_independent_values_is_that_of_the_textbook() {
        // Mean 3, variance 2.5, five values: standard error sqrt(2.5 / 5).
        let estimate = mean(&batches(&[(0, 1), (1, 2), (2, 3), (3, 4), (4, 5)])).expect("a mean");
        assert!((estimate.mean - 3.0).abs() < 1e-12);
        let error = estimate.standard_error.expect("five batches");
        assert!((error - 0.5_f64.sqrt()).abs() < 1e-12);
        assert_eq!(estimate.degrees, 4);
    }

    #[test]
    fn the_error_of_a_run_whose_neighbours_are_alike_is_taken_over_pairs_of_batches() {
        // 64 values that come in pairs: as doubtful as the 32 pairs.
        let value = |index: u64| index / 2 * 7 % 32;
        let values: Vec<(u64, u64)> = (0..64).map(|index| (index, value(index))).collect();
        let estimate = mean(&batches(&values)).expect("a mean");
        assert_eq!(estimate.degrees, 31);
        // 0 … 31, each once: variance 88, so the error is sqrt(88 / 32).
        let error = estimate.standard_error.expect("32 pairs");
        assert!((error - (88.0_f64 / 32.0).sqrt()).abs() < 1e-12, "{error}");
    }

    #[test]
    fn one_value_has_no_error_and_none_has_no_mean() {
        let one = MeanEstimate {
            mean: 3.0,
            standard_error: None,
            degrees: 0,
        };
        assert_eq!(mean(&batches(&[(7, 3)])), Some(one));
        assert_eq!(mean(&batches(&[])), None);
    }

    #[test]
    fn a_long_run_has_33_to_64_batches() {
        for count in [65, 100, 1000, 4097, 100_000] {
            let values: Vec<(u64, u64)> = (0..count).map(|index| (index + 20, 1)).collect();
            let batches = batches(&values);
            assert!(
                (33..=64).contains(&batches.batches.len()),
                "{}",
                batches.batches.len()
            );
            assert_eq!(batches.total(), Values { count, sum: count });
        }
    }

    #[test]
    fn many_replications_are_the_unit_themselves() {
        let mut all = batches(&[(0, 0), (1, 2)]);
        for replication in 1..12_u64 {
            all.add_replications(&batches(&[(0, replication), (1, replication + 2)]));
        }
        // Replication means 1, 2, …, 12: variance 13, so the error is sqrt(13 / 12).
        let error = mean(&all)
            .and_then(|mean| mean.standard_error)
            .expect("twelve");
        assert!(all.by_replication() && (error - (13.0_f64 / 12.0).sqrt()).abs() < 1e-12);
    }

    proptest! {
        #[test]
        fn order_and_slices_change_nothing(
            mut values in prop::collection::vec((0_u64..5000, 0_u64..1000), 0..400),
            cut in 0_usize..400,
        ) {
            let whole = batches(&values);
            let cut = cut.min(values.len());
            let mut sliced = batches(&values[..cut]);
            sliced.add_slice(&batches(&values[cut..]));
            values.reverse();
            let reversed = batches(&values);
            prop_assert_eq!(&whole.batches, &reversed.batches);
            prop_assert_eq!(&whole.batches, &sliced.batches);
            prop_assert_eq!(whole.shift, sliced.shift);
        }
    }
}
