//! Shares of one run, added up. All that an accumulator keeps are integers keyed by recording, so the
//! sum is what a single accumulator would hold.

use super::Accumulator;
use crate::history::{End, EndReason};

impl Accumulator {
    /// Adds another share of the same run: same seed, same tenants, other recordings.
    ///
    /// # Panics
    ///
    /// If the two did not run the same tenants of the same seed.
    #[must_use]
    pub fn with_share(mut self, other: &Self) -> Self {
        assert_eq!(self.context.tenants, other.context.tenants);
        assert_eq!(self.scenario.seed, other.scenario.seed);
        for (mine, theirs) in self.arms.iter_mut().zip(&other.arms) {
            let twice = mine.ended.absorb(&theirs.ended);
            self.closing.in_two_shares(twice);
            for (cell, more) in mine.cells.iter_mut().zip(&theirs.cells) {
                cell.add_slice(more);
            }
            for (cell, more) in mine.regional.iter_mut().zip(&theirs.regional) {
                cell.add_slice(more);
            }
            let usages = mine.usage.iter_mut().flatten();
            for (usage, more) in usages.zip(theirs.usage.iter().flatten()) {
                usage.add_share(more);
            }
        }
        for (mine, theirs) in self.tenants.iter_mut().zip(&other.tenants) {
            let twice = mine.settled.absorb(&theirs.settled);
            self.closing.in_two_shares(twice);
            for (cell, more) in mine.cells.iter_mut().zip(&theirs.cells) {
                cell.add_slice(more);
            }
            for (cell, more) in mine.jobs.iter_mut().zip(&theirs.jobs) {
                cell.batches.add_slice(&more.batches);
            }
        }
        let pairs = self.pairs.iter_mut().flatten();
        for (mine, theirs) in pairs.zip(other.pairs.iter().flatten()) {
            mine.add_share(theirs);
        }
        self.over_time.merge(&other.over_time);
        self.hash.merge(other.hash);
        self.closing.add_share(&other.closing);
        self.not_established += other.not_established;
        self.warmup_recordings += other.warmup_recordings;
        self.last_at = self.last_at.max(other.last_at);
        if let (Some(mine), Some(theirs)) = (&mut self.end, &other.end) {
            mine.at = mine.at.max(theirs.at);
            if theirs.reason == EndReason::Interrupted {
                mine.reason = EndReason::Interrupted;
            }
            for (ended, more) in mine.ended.iter_mut().zip(&theirs.ended) {
                *ended += more;
            }
        }
        self
    }

    /// How the run ended, as far as that is known.
    #[must_use]
    pub const fn run_end(&self) -> Option<&End> {
        self.end.as_ref()
    }
}
