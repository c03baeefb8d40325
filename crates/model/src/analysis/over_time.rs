//! Rates over time of one arm, for the picture.

use std::collections::BTreeMap;

use super::delay::Delays;
use crate::outcome::OutcomeKind;
use crate::summary::{BinCounts, OverTime, TimeBin};
use crate::time::{Duration, Timestamp};

/// Bins at most: about as many as a picture has room for.
const BINS_MAX: u64 = 200;

/// Bins by session end: one second wide, doubled until there are at most 200.
#[derive(Clone, Debug)]
pub(crate) struct Bins {
    /// A bin is 2^`shift` seconds wide.
    shift: u32,
    bins: Vec<Bin>,
    gates: usize,
}

#[derive(Clone, Debug, Default)]
struct Bin {
    arrivals: u64,
    ended: u64,
    metadata_lag: Delays,
    gates: Vec<BinCounts>,
}

impl Bin {
    fn new(gates: usize) -> Self {
        Self {
            gates: vec![BinCounts::default(); gates],
            ..Self::default()
        }
    }

    fn merge(&mut self, other: &Self) {
        self.arrivals += other.arrivals;
        self.ended += other.ended;
        self.metadata_lag.merge(&other.metadata_lag);
        for (mine, theirs) in self.gates.iter_mut().zip(&other.gates) {
            mine.settled += theirs.settled;
            mine.incomplete += theirs.incomplete;
            mine.abandoned += theirs.abandoned;
        }
    }
}

impl Bins {
    /// Empty bins for that many gates.
    pub(crate) const fn new(gates: usize) -> Self {
        Self {
            shift: 0,
            bins: Vec::new(),
            gates,
        }
    }

    /// Counts a session; `lag` is that of the required fields, if they ever come.
    pub(crate) fn ended(&mut self, started: Timestamp, ended: Timestamp, lag: Option<Duration>) {
        self.at(started).arrivals += 1;
        let bin = self.at(ended);
        bin.ended += 1;
        if let Some(lag) = lag {
            bin.metadata_lag.record(lag);
        }
    }

    /// Counts what became of a recording whose session ended at `ended`.
    pub(crate) fn settled(&mut self, gate: usize, ended: Timestamp, outcome: OutcomeKind) {
        let Some(counts) = self.at(ended).gates.get_mut(gate) else {
            return;
        };
        counts.settled += 1;
        counts.incomplete += u64::from(outcome == OutcomeKind::Incomplete);
        counts.abandoned += u64::from(outcome == OutcomeKind::Abandoned);
    }

    /// Adds another replication.
    pub(crate) fn merge(&mut self, other: &Self) {
        while self.shift < other.shift {
            self.coarsen();
        }
        for (position, bin) in other.bins.iter().enumerate() {
            self.slot((position as u64) << other.shift).merge(bin);
        }
    }

    /// The rows of the summary; `names` are those of the gates.
    pub(crate) fn summary(&self, names: &[&str]) -> OverTime {
        let bin_s = (1_u64 << self.shift) as f64;
        let bins = self.bins.iter().enumerate().map(|(position, bin)| TimeBin {
            start_s: position as f64 * bin_s,
            arrivals: bin.arrivals,
            ended: bin.ended,
            metadata_lag_p50_s: bin.metadata_lag.quantile_s(0.5),
            metadata_lag_max_s: bin.metadata_lag.quantile_s(1.0),
            gates: names
                .iter()
                .zip(&bin.gates)
                .map(|(name, counts)| ((*name).to_owned(), *counts))
                .collect::<BTreeMap<_, _>>(),
        });
        OverTime {
            bin_s,
            bins: bins.collect(),
        }
    }

    fn at(&mut self, instant: Timestamp) -> &mut Bin {
        self.slot(instant.since(Timestamp::ZERO).as_nanos() / 1_000_000_000)
    }

    fn slot(&mut self, second: u64) -> &mut Bin {
        while second >> self.shift >= BINS_MAX {
            self.coarsen();
        }
        let position = usize::try_from(second >> self.shift).expect("at most 200 bins");
        let gates = self.gates;
        if position >= self.bins.len() {
            self.bins.resize_with(position + 1, || Bin::new(gates));
        }
        &mut self.bins[position]
    }

    fn coarsen(&mut self) {
        self.shift += 1;
        let gates = self.gates;
        let pairs = self.bins.chunks(2).map(|pair| {
            pair.iter().fold(Bin::new(gates), |mut sum, bin| {
                sum.merge(bin);
                sum
            })
        });
        self.bins = pairs.collect();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bins_are_a_second_wide_until_there_are_too_many() {
        let mut bins = Bins::new(1);
        for second in 0..200 {
            let at = Timestamp::ZERO + Duration::from_secs(second);
            bins.ended(at, at, Some(Duration::from_secs(second)));
            bins.settled(0, at, OutcomeKind::Incomplete);
        }
        let short = bins.summary(&["none"]);
        assert_eq!((short.bins.len(), short.bins[199].start_s), (200, 199.0));
        let at = Timestamp::ZERO + Duration::from_secs(1000);
        bins.ended(at, at, None);
        let long = bins.summary(&["none"]);
        assert_eq!((long.bins.len(), long.bins[1].start_s), (126, 8.0));
        assert_eq!(long.bins.iter().map(|bin| bin.ended).sum::<u64>(), 201);
        assert_eq!(long.bins[0].gates["none"].incomplete, 8);
    }
}
