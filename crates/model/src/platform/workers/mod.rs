//! When the workers of a stage are free.
//!
//! As long as some are when work comes, it does not matter which: they are alike. Those that are
//! free stand in a mask, read off 64 workers at a time, and each costs a few instructions. Where
//! hardly any is, a tree says which one will be first. Work starts at the same instants either way.

mod tree;

use crate::time::{Duration, Timestamp};
use tree::Order;

/// Workers of one mask.
const MASK: usize = 64;
/// One worker in so many must be free for masks to pay: reading 16 workers takes some 80
/// instructions, the tree 70 for one.
const FEW: usize = 16;

/// Identical workers, each with the instant from which it is free.
#[derive(Clone, Debug)]
pub(super) struct Workers {
    /// By worker; not up to date while they are crowded.
    free_at: Vec<Timestamp>,
    /// Which mask was read last.
    mask: usize,
    /// Those of it that were free then and have not been taken since.
    free: u64,
    /// Workers found free since the first mask was read.
    found: usize,
    crowd: Crowd,
    order: Order,
}

/// Whether hardly any worker is free.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Crowd {
    No,
    /// That many in a row have found a free worker all the same.
    Yes(usize),
}

impl Workers {
    /// `count` workers, all free from the start.
    pub(super) fn new(count: u32) -> Self {
        let count = count.max(1) as usize;
        Self {
            free_at: vec![Timestamp::ZERO; count],
            mask: 0,
            free: 0,
            found: count,
            crowd: Crowd::No,
            order: Order::new(count),
        }
    }

    /// When a worker is free for what is queued at `queued_at`, which never goes back.
    #[inline]
    pub(super) fn free_for(&mut self, queued_at: Timestamp) -> Timestamp {
        if self.free == 0 {
            self.look(queued_at);
        }
        if self.free != 0 {
            queued_at
        } else {
            self.order.first().max(queued_at)
        }
    }

    /// The worker that is [free for](Self::free_for) what is queued is busy until `until`.
    #[inline]
    pub(super) fn occupy(&mut self, until: Timestamp) {
        if self.free != 0 {
            self.occupy_free(until);
        } else {
            self.order.replace_first(until);
        }
    }

    /// A free worker, or else the first that will be, takes what was queued at `queued_at` and
    /// takes so long. Returns when it does.
    #[inline(always)]
    pub(super) fn take(&mut self, queued_at: Timestamp, service: Duration) -> Timestamp {
        if self.free != 0 {
            self.occupy_free(queued_at + service);
            return queued_at;
        }
        self.take_unseen(queued_at, service)
    }

    #[inline(never)]
    fn take_unseen(&mut self, queued_at: Timestamp, service: Duration) -> Timestamp {
        let started_at = self.free_for(queued_at);
        self.occupy(started_at + service);
        started_at
    }

    #[inline(always)]
    fn occupy_free(&mut self, until: Timestamp) {
        let worker = self.mask * MASK + self.free.trailing_zeros() as usize;
        self.free &= self.free - 1;
        self.free_at[worker] = until;
    }

    /// Looks for free workers, of which none is known.
    fn look(&mut self, now: Timestamp) {
        match self.crowd {
            Crowd::No => self.look_around(now),
            Crowd::Yes(_) if self.order.first() > now => self.crowd = Crowd::Yes(0),
            Crowd::Yes(times) if times < self.few() => self.crowd = Crowd::Yes(times + 1),
            Crowd::Yes(_) => {
                self.order.write(&mut self.free_at);
                (self.crowd, self.found) = (Crowd::No, self.few());
                self.look_around(now);
            }
        }
    }

    fn look_around(&mut self, now: Timestamp) {
        let masks = self.free_at.len().div_ceil(MASK);
        for _ in 0..masks {
            self.mask += 1;
            if self.mask >= masks {
                if self.found < self.few() {
                    break;
                }
                (self.mask, self.found) = (0, 0);
            }
            let first = self.mask * MASK;
            self.free = match self.free_at[first..].first_chunk::<MASK>() {
                // With the size known the loop is unrolled.
                Some(workers) => free_at(workers, now),
                None => free_at(&self.free_at[first..], now),
            };
            self.found += self.free.count_ones() as usize;
            if self.free != 0 {
                return;
            }
        }
        self.order.fill(&self.free_at);
        self.crowd = Crowd::Yes(0);
    }

    const fn few(&self) -> usize {
        self.free_at.len() / FEW
    }

    /// Workers that are busy after `at`, and when the first of them is free again.
    pub(super) fn busy_after(&mut self, at: Timestamp) -> (usize, Option<Timestamp>) {
        if self.crowd != Crowd::No {
            self.order.write(&mut self.free_at);
        }
        let busy = self.free_at.iter().copied().filter(|free| *free > at);
        (busy.clone().count(), busy.min())
    }
}

/// Which of up to 64 workers are free at `now`.
#[inline(always)]
fn free_at(workers: &[Timestamp], now: Timestamp) -> u64 {
    let none = if workers.len() == MASK {
        0
    } else {
        u64::MAX << workers.len()
    };
    let shift_in = |busy: u64, until: &Timestamp| busy << 1 | u64::from(now < *until);
    let busy = workers.iter().rev().fold(0, shift_in);
    !(busy | none)
}

#[cfg(test)]
mod tests {
    use std::cmp::Reverse;
    use std::collections::BinaryHeap;

    use super::*;
    use crate::draws::mix64;

    /// Workers beside a heap of the instants from which they are free: `load` in percent.
    fn compare(count: u32, load: u64, scale: u64) {
        let mut workers = Workers::new(count);
        let mut heap: BinaryHeap<_> = (0..count).map(|_| Reverse(Timestamp::ZERO)).collect();
        let mut queued_at = Timestamp::ZERO;
        for step in 0..20_000 {
            // The load changes: calm and crowded stretches follow each other.
            let load = load + (step / 1_000 % 3) * 20;
            let gap = mix64(step) % (2_000 * 100 / u64::from(count) / load + 1);
            queued_at = queued_at + Duration::from_nanos(scale * gap);
            let service = Duration::from_nanos(scale * (mix64(!step) % 2_000));
            let Reverse(free_at) = heap.pop().expect("as many as workers");
            let expected = free_at.max(queued_at);
            let busy = heap.iter().filter(|Reverse(at)| *at > expected).count();
            if step % 7 == 0 {
                assert_eq!(
                    workers.free_for(queued_at),
                    expected,
                    "{count} {load} {step}"
                );
                assert_eq!(
                    workers.busy_after(expected).0,
                    busy,
                    "{count} {load} {step}"
                );
                workers.occupy(expected + service);
            } else {
                let started_at = workers.take(queued_at, service);
                assert_eq!(started_at, expected, "{count} {load} {step}");
            }
            heap.push(Reverse(expected + service));
        }
    }

    #[test]
    fn they_answer_as_a_heap_of_free_times() {
        for count in [1, 2, 3, 6, 15, 16, 64, 65, 100, 1_000] {
            for load in [20, 60, 90, 120] {
                compare(count, load, 1);
            }
        }
    }

    #[test]
    fn they_answer_where_instants_and_workers_do_not_fit_into_64_bits() {
        for count in [6, 64, 100] {
            compare(count, 90, u64::MAX / 40_000_000_000);
        }
    }

    #[test]
    fn both_ways_are_taken() {
        let mut workers = Workers::new(64);
        let second = Duration::from_secs(1);
        let mut ways = Vec::new();
        let mut now = Timestamp::ZERO;
        for step in 0..1_000 {
            let work = if step / 100 % 2 == 0 {
                second
            } else {
                Duration::from_secs(3)
            };
            workers.take(now, work);
            ways.push(workers.crowd == Crowd::No);
            now = now + Duration::from_nanos(second.as_nanos() / 32);
        }
        ways.dedup();
        assert!(ways.len() > 2, "{ways:?}");
    }
}
