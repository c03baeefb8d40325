//! When each worker of a stage is free: a winner tree, so the next one is known at once and
//! replacing it costs one pass of branch-free comparisons from its leaf to the root.
//!
//! A node is one number: the instant, and below it the leaf. 64 bits hold that for nine years of 64
//! workers; a stage that runs on for longer gets nodes of 128 bits.

use crate::time::{Duration, Timestamp};

/// Identical workers, each with the instant from which it is free.
#[derive(Clone, Debug)]
pub(super) enum Workers {
    Narrow(Tree<u64>),
    Wide(Tree<u128>),
}

/// Node 1 is the root, node `leaves + w` is worker `w`; a node is its earliest leaf's.
#[derive(Clone, Debug)]
pub(super) struct Tree<N> {
    count: usize,
    /// Bits of a leaf's number.
    bits: u32,
    nodes: Vec<N>,
}

/// An instant and a leaf in one number, in this order.
pub(super) trait Node: Copy + Ord {
    const LAST: Self;
    fn new(nanos: u64, leaf: u64, bits: u32) -> Self;
    fn nanos(self, bits: u32) -> u64;
    fn leaf(self, bits: u32) -> usize;
}

#[expect(clippy::cast_possible_truncation, reason = "leaves are below 2^bits")]
impl Node for u64 {
    const LAST: Self = Self::MAX;

    #[inline]
    fn new(nanos: u64, leaf: u64, bits: u32) -> Self {
        nanos << bits | leaf
    }

    #[inline]
    fn nanos(self, bits: u32) -> u64 {
        self >> bits
    }

    #[inline]
    fn leaf(self, bits: u32) -> usize {
        (self & ((1 << bits) - 1)) as usize
    }
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "leaves are below 2^bits, and what is above them was a u64"
)]
impl Node for u128 {
    const LAST: Self = Self::MAX;

    fn new(nanos: u64, leaf: u64, bits: u32) -> Self {
        Self::from(nanos) << bits | Self::from(leaf)
    }

    fn nanos(self, bits: u32) -> u64 {
        (self >> bits) as u64
    }

    fn leaf(self, bits: u32) -> usize {
        (self & ((1 << bits) - 1)) as usize
    }
}

impl Workers {
    /// `count` workers, all free from the start.
    pub(super) fn new(count: u32) -> Self {
        Self::Narrow(Tree::new(
            count.max(1) as usize,
            std::iter::repeat_n(0, count.max(1) as usize),
        ))
    }

    /// When the first worker is free.
    #[inline]
    pub(super) fn first_free_at(&self) -> Timestamp {
        Timestamp::from_nanos(match self {
            Self::Narrow(tree) => tree.first(),
            Self::Wide(tree) => tree.first(),
        })
    }

    /// The first free worker takes what was queued at `queued_at` and takes so long. Returns when
    /// it does.
    #[inline(always)]
    pub(super) fn take(&mut self, queued_at: Timestamp, service: Duration) -> Timestamp {
        if let Self::Narrow(tree) = self {
            let started_at = Timestamp::from_nanos(tree.first()).max(queued_at);
            let nanos = (started_at + service).as_nanos();
            if nanos < tree.limit() {
                tree.replace_first(nanos);
                return started_at;
            }
        }
        let started_at = self.first_free_at().max(queued_at);
        self.occupy_first(started_at + service);
        started_at
    }

    /// The same for all `rows` in turn, each with its name. Tells of each when it is taken, and its
    /// service.
    #[inline(always)]
    pub(super) fn take_all<T>(
        &mut self,
        rows: impl Iterator<Item = (T, Timestamp, Duration)>,
        mut taken: impl FnMut(T, Timestamp, Duration),
    ) {
        for (row, queued_at, service) in rows {
            taken(row, self.take(queued_at, service), service);
        }
    }

    /// The first free worker is busy until `until`.
    pub(super) fn occupy_first(&mut self, until: Timestamp) {
        let nanos = until.as_nanos();
        match self {
            Self::Narrow(tree) if nanos < tree.limit() => tree.replace_first(nanos),
            Self::Narrow(_) => self.widen(nanos),
            Self::Wide(tree) => tree.replace_first(nanos),
        }
    }

    /// Workers other than the first free one that are busy after `at`, and when the first of those
    /// is free again.
    pub(super) fn others_busy_after(&self, at: Timestamp) -> (usize, Option<Timestamp>) {
        let (busy, next) = match self {
            Self::Narrow(tree) => tree.others_after(at.as_nanos()),
            Self::Wide(tree) => tree.others_after(at.as_nanos()),
        };
        (busy, next.map(Timestamp::from_nanos))
    }

    #[cold]
    fn widen(&mut self, nanos: u64) {
        let Self::Narrow(tree) = self else { return };
        let leaves = tree.leaves().iter().map(|node| node.nanos(tree.bits));
        let mut wide = Tree::new(tree.count, leaves);
        wide.replace_first(nanos);
        *self = Self::Wide(wide);
    }
}

impl Tree<u64> {
    /// Instants from here on do not fit.
    #[inline]
    const fn limit(&self) -> u64 {
        u64::MAX >> self.bits
    }
}

impl<N: Node> Tree<N> {
    fn new(count: usize, free_at: impl Iterator<Item = u64>) -> Self {
        let leaves = count.next_power_of_two();
        let bits = leaves.trailing_zeros();
        let mut nodes = vec![N::LAST; 2 * leaves];
        for (leaf, nanos) in (0..).zip(free_at) {
            nodes[leaves + leaf] = N::new(nanos, leaf as u64, bits);
        }
        for node in (1..leaves).rev() {
            nodes[node] = nodes[2 * node].min(nodes[2 * node + 1]);
        }
        Self { count, bits, nodes }
    }

    #[inline]
    fn first(&self) -> u64 {
        self.nodes[1].nanos(self.bits)
    }

    #[inline(always)]
    fn replace_first(&mut self, nanos: u64) {
        // With the size known there is no loop and no bound to check.
        if let Ok(nodes) = <&mut [N; 128]>::try_from(&mut self.nodes[..]) {
            climb(nodes, 6, nanos);
        } else {
            climb(&mut self.nodes, self.bits, nanos);
        }
    }

    fn leaves(&self) -> &[N] {
        &self.nodes[1 << self.bits..][..self.count]
    }

    fn others_after(&self, nanos: u64) -> (usize, Option<u64>) {
        let first = self.nodes[1];
        let others = self.leaves().iter().filter(|node| **node != first);
        let busy = others
            .map(|node| node.nanos(self.bits))
            .filter(|free| *free > nanos);
        (busy.clone().count(), busy.min())
    }
}

/// Gives the first leaf of a tree of 2^`bits` another instant, and looks for the new winner.
#[inline(always)]
fn climb<N: Node>(nodes: &mut [N], bits: u32, nanos: u64) {
    let leaf = nodes[1].leaf(bits);
    let mut winner = N::new(nanos, leaf as u64, bits);
    // The mask tells the compiler that no index is out of bounds.
    let mask = nodes.len() - 1;
    let mut at = (leaf | 1 << bits) & mask;
    nodes[at] = winner;
    for _ in 0..bits {
        winner = winner.min(nodes[(at ^ 1) & mask]);
        at >>= 1;
        nodes[at & mask] = winner;
    }
}

#[cfg(test)]
mod tests {
    use std::cmp::Reverse;
    use std::collections::BinaryHeap;

    use super::*;
    use crate::draws::mix64;

    #[test]
    fn it_answers_as_a_heap_of_free_times() {
        for (count, scale) in [
            (1, 1),
            (2, 1),
            (3, 1),
            (6, 1),
            (64, 1),
            (100, 1),
            (6, u64::MAX / 1_000_000),
        ] {
            let mut workers = Workers::new(count);
            let mut heap: BinaryHeap<_> = (0..count).map(|_| Reverse(Timestamp::ZERO)).collect();
            for step in 0..2000 {
                let Reverse(expected) = heap.pop().expect("as many as workers");
                assert_eq!(workers.first_free_at(), expected);
                let nanos = expected
                    .as_nanos()
                    .saturating_add(scale * (mix64(step) % 1000));
                let busy = heap
                    .iter()
                    .filter(|Reverse(at)| at.as_nanos() > nanos)
                    .count();
                assert_eq!(
                    workers.others_busy_after(Timestamp::from_nanos(nanos)).0,
                    busy
                );
                workers.occupy_first(Timestamp::from_nanos(nanos));
                heap.push(Reverse(Timestamp::from_nanos(nanos)));
            }
        }
    }
}
