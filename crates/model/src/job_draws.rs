//! What an export job's chance is keyed by: when it is created, never whose it is.
//!
//! The platform's job latency is a field in time. Gates that export at the same moment meet the
//! same latency, equal gates differ by nothing, and two runs that have come apart over one job
//! meet again in the next slot. A job of one recording, where there are slots for every recording,
//! is keyed by the recording: then the order in which jobs are created means nothing.

use crate::draws::{Draws, Seed, Stream};
use crate::ids::RecordingIndex;
use crate::scenario::Slots;
use crate::time::{Duration, Timestamp};

/// Length of a slot. Between 125 ms and 4 s it hardly matters: with sessions and calls 2, 5, 10 and
/// 20 ms late on average, 40 seeds of `tests/conformance/shared-jobs.toml` agree with their
/// simulation in 99.3, 98.5, 97.4 and 95.9 % of the outcomes, each within 0.2 points for every
/// length. A second has the best worst seed.
const JOB_SLOT: Duration = Duration::from_secs(1);

/// The draws of the jobs of one organization.
#[derive(Clone, Copy, Debug)]
pub(crate) struct JobDraws {
    by_recording: Stream,
    by_slot: Stream,
    slots: Slots,
    /// The slot of the job that was created last.
    slot: u64,
    /// Jobs created in it.
    created: u64,
}

impl JobDraws {
    /// The draws of an organization that has not created a job yet.
    pub(crate) fn new(seed: Seed, slots: Slots) -> Self {
        Self {
            by_recording: Self::of_recordings(seed),
            by_slot: Stream::new(seed, "job-slot"),
            slots,
            slot: 0,
            created: 0,
        }
    }

    /// The draws of jobs of one recording, by its index.
    pub(crate) fn of_recordings(seed: Seed) -> Stream {
        Stream::new(seed, "job")
    }

    /// What a job of `recordings` that is created at `now` draws from.
    pub(crate) fn next(&self, now: Timestamp, recordings: &[RecordingIndex]) -> Draws {
        match (self.slots, recordings) {
            (Slots::Unlimited, [only]) => self.by_recording.nth(only.0),
            _ => {
                let (slot, ordinal) = self.place(now);
                self.by_slot.nth(slot).nth(ordinal)
            }
        }
    }

    /// Counts that job as created.
    pub(crate) const fn count(&mut self, now: Timestamp) {
        let (slot, ordinal) = self.place(now);
        (self.slot, self.created) = (slot, ordinal + 1);
    }

    /// What keys the draws of the jobs that one organization created at these instants, in order.
    pub(crate) fn keys(created: impl IntoIterator<Item = Timestamp>) -> Vec<(u64, u64)> {
        let mut draws = Self::new(Seed(0), Slots::Limited(1));
        let key = |at| {
            let key = draws.place(at);
            draws.count(at);
            key
        };
        created.into_iter().map(key).collect()
    }

    /// The slot of `now`, and how many jobs were created in it. A call that overtook another on
    /// its way belongs to the slot of the one that came first.
    const fn place(&self, now: Timestamp) -> (u64, u64) {
        let slot = now.as_nanos() / JOB_SLOT.as_nanos();
        if slot > self.slot {
            (slot, 0)
        } else {
            (self.slot, self.created)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn at(slots: u64, more_ms: u64) -> Timestamp {
        Timestamp::from_nanos(slots * JOB_SLOT.as_nanos() + more_ms * 1_000_000)
    }

    const THREE: [RecordingIndex; 3] = [RecordingIndex(4), RecordingIndex(5), RecordingIndex(6)];

    #[test]
    fn jobs_of_a_slot_draw_by_their_order_and_the_next_slot_begins_anew() {
        let limited = Slots::Limited(2);
        let (mut busy, idle) = (
            JobDraws::new(Seed(1), limited),
            JobDraws::new(Seed(1), limited),
        );
        let first = busy.next(at(7, 0), &THREE);
        busy.count(at(7, 0));
        let second = busy.next(at(7, 999), &THREE[..1]);
        busy.count(at(7, 999));
        assert_ne!(first, second);
        assert_eq!(first, idle.next(at(7, 250), &THREE[..2]));
        assert_eq!(busy.next(at(8, 0), &THREE), idle.next(at(8, 3), &THREE));
        // A call that was overtaken at the border counts as of the later slot.
        busy.count(at(8, 0));
        assert_ne!(busy.next(at(7, 999), &THREE), first);
    }

    #[test]
    fn a_job_for_each_recording_draws_by_the_recording_whenever_it_is() {
        let mut draws = JobDraws::new(Seed(1), Slots::Unlimited);
        let first = draws.next(at(1, 0), &THREE[..1]);
        draws.count(at(1, 0));
        assert_eq!(draws.next(at(90, 3), &THREE[..1]), first);
        assert_ne!(draws.next(at(1, 0), &THREE[1..2]), first);
    }
}
