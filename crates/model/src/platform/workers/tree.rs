//! A winner tree of instants: the first one is known at once, and replacing it costs one pass of
//! branch-free comparisons from its leaf to the root.
//!
//! A node is one number: the instant, and below it the leaf. 64 bits hold that for nine years of 64
//! workers; a stage that runs on for longer gets nodes of 128 bits.

use crate::time::Timestamp;

/// When each of some workers is free, by which is free first.
#[derive(Clone, Debug)]
pub(super) enum Order {
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
pub(in crate::platform) trait Node: Copy + Ord {
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

impl Order {
    /// `count` workers, all free from the start.
    pub(super) fn new(count: usize) -> Self {
        let mut tree = Tree::new(count);
        tree.fill(std::iter::repeat_n(0, count));
        Self::Narrow(tree)
    }

    /// The same workers, free at these instants.
    pub(super) fn fill(&mut self, free_at: &[Timestamp]) {
        let nanos = free_at.iter().map(|at| at.as_nanos());
        match self {
            Self::Narrow(tree) if nanos.clone().all(|nanos| nanos < tree.limit()) => {
                tree.fill(nanos);
            }
            Self::Narrow(_) => *self = Self::wide(nanos),
            Self::Wide(tree) => tree.fill(nanos),
        }
    }

    fn wide(nanos: impl ExactSizeIterator<Item = u64>) -> Self {
        let mut tree = Tree::new(nanos.len());
        tree.fill(nanos);
        Self::Wide(tree)
    }

    /// When the first worker is free.
    #[inline]
    pub(super) fn first(&self) -> Timestamp {
        Timestamp::from_nanos(match self {
            Self::Narrow(tree) => tree.first(),
            Self::Wide(tree) => tree.first(),
        })
    }

    /// The first worker is busy until `until`.
    #[inline]
    pub(super) fn replace_first(&mut self, until: Timestamp) {
        let nanos = until.as_nanos();
        match self {
            Self::Narrow(tree) if nanos < tree.limit() => tree.replace_first(nanos),
            Self::Narrow(_) => self.widen(nanos),
            Self::Wide(tree) => tree.replace_first(nanos),
        }
    }

    /// When each worker is free, by worker.
    pub(super) fn write(&self, free_at: &mut [Timestamp]) {
        match self {
            Self::Narrow(tree) => tree.write(free_at),
            Self::Wide(tree) => tree.write(free_at),
        }
    }

    #[cold]
    fn widen(&mut self, nanos: u64) {
        let Self::Narrow(tree) = self else { return };
        let leaves = tree.leaves().iter().map(|node| node.nanos(tree.bits));
        let mut wide = Self::wide(leaves);
        wide.replace_first(Timestamp::from_nanos(nanos));
        *self = wide;
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
    fn new(count: usize) -> Self {
        let leaves = count.next_power_of_two();
        Self {
            count,
            bits: leaves.trailing_zeros(),
            nodes: vec![N::LAST; 2 * leaves],
        }
    }

    fn fill(&mut self, free_at: impl Iterator<Item = u64>) {
        let leaves = 1 << self.bits;
        for (leaf, nanos) in (0..).zip(free_at.take(self.count)) {
            self.nodes[leaves + leaf] = N::new(nanos, leaf as u64, self.bits);
        }
        for node in (1..leaves).rev() {
            self.nodes[node] = self.nodes[2 * node].min(self.nodes[2 * node + 1]);
        }
    }

    fn write(&self, free_at: &mut [Timestamp]) {
        for (free_at, node) in free_at.iter_mut().zip(self.leaves()) {
            *free_at = Timestamp::from_nanos(node.nanos(self.bits));
        }
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
