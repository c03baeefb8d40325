//! When each worker of a stage is free: a winner tree, so the next one is known at once and
//! replacing it costs one pass of branch-free comparisons from its leaf to the root.

use crate::time::Timestamp;

/// Identical workers, each with the instant from which it is free.
#[derive(Clone, Debug)]
pub(super) struct Workers {
    count: u32,
    /// Leaves, a power of two; those beyond the workers are never free.
    leaves: usize,
    /// Node 1 is the root, node `leaves + w` is worker `w`; a node holds its earliest leaf.
    nodes: Vec<Node>,
}

#[derive(Clone, Copy, Debug)]
struct Node {
    free_at: Timestamp,
    leaf: u32,
}

impl Workers {
    /// `count` workers, all free from the start.
    pub(super) fn new(count: u32) -> Self {
        let leaves = (count.max(1) as usize).next_power_of_two();
        let mut nodes = vec![
            Node {
                free_at: Timestamp::NEVER,
                leaf: 0,
            };
            2 * leaves
        ];
        for (leaf, node) in (0_u32..).zip(&mut nodes[leaves..]) {
            node.leaf = leaf;
            if leaf < count {
                node.free_at = Timestamp::ZERO;
            }
        }
        for node in (1..leaves).rev() {
            nodes[node] = earlier(nodes[2 * node], nodes[2 * node + 1]);
        }
        Self {
            count,
            leaves,
            nodes,
        }
    }

    /// When the first worker is free.
    #[inline]
    pub(super) fn first_free_at(&self) -> Timestamp {
        self.nodes[1].free_at
    }

    /// The first free worker is busy until `until`.
    #[inline]
    pub(super) fn occupy_first(&mut self, until: Timestamp) {
        let leaf = self.nodes[1].leaf;
        let mut winner = Node {
            free_at: until,
            leaf,
        };
        let mut at = self.leaves + leaf as usize;
        self.nodes[at] = winner;
        while at > 1 {
            winner = earlier(winner, self.nodes[at ^ 1]);
            at >>= 1;
            self.nodes[at] = winner;
        }
    }

    /// Workers other than the first free one that are busy after `at`, and when the first of those
    /// is free again.
    pub(super) fn others_busy_after(&self, at: Timestamp) -> (usize, Option<Timestamp>) {
        let first = self.nodes[1].leaf;
        let workers = &self.nodes[self.leaves..][..self.count as usize];
        let others = workers
            .iter()
            .filter(|node| node.leaf != first && node.free_at > at);
        others.fold((0, None), |(count, next), node| {
            let next = next.map_or(node.free_at, |next: Timestamp| next.min(node.free_at));
            (count + 1, Some(next))
        })
    }
}

#[inline]
const fn earlier(one: Node, other: Node) -> Node {
    if other.free_at.as_nanos() < one.free_at.as_nanos() {
        other
    } else {
        one
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
        for count in [1, 2, 3, 6, 64, 100] {
            let mut workers = Workers::new(count);
            let mut heap: BinaryHeap<_> = (0..count).map(|_| Reverse(Timestamp::ZERO)).collect();
            for step in 0..2000 {
                let Reverse(expected) = heap.pop().expect("as many as workers");
                assert_eq!(workers.first_free_at(), expected);
                let nanos = expected.as_nanos() + mix64(step) % 1000;
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
