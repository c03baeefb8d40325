//! A 4-ary heap: half the levels of a binary one, and siblings in neighbouring cache lines.

use super::{Due, Queue, moved};

const ARITY: usize = 4;

#[derive(Clone, Debug, Default)]
pub(super) struct Heap {
    entries: Vec<Due>,
}

impl Heap {
    /// Removes everything, in no order.
    pub(super) fn drain(&mut self) -> impl Iterator<Item = Due> {
        self.entries.drain(..)
    }

    /// Puts `due` into `hole` or above it.
    #[inline]
    fn sift_up(&mut self, mut hole: usize, due: Due) {
        while hole > 0 {
            let parent = (hole - 1) / ARITY;
            if !due.before(self.entries[parent]) {
                break;
            }
            moved(1);
            self.entries[hole] = self.entries[parent];
            hole = parent;
        }
        self.entries[hole] = due;
    }

    /// Moves the hole at the root down to a leaf, along the least children, and puts `due` there or
    /// above: what comes from the end of the heap mostly belongs near a leaf.
    #[inline]
    fn sift_from_root(&mut self, due: Due) {
        let mut hole = 0;
        loop {
            let first = hole * ARITY + 1;
            let Some(family) = self.entries.get(first..first + ARITY) else {
                break;
            };
            // Selects instead of branches: which child is least cannot be predicted.
            let left = usize::from(family[1].before(family[0]));
            let right = 2 + usize::from(family[3].before(family[2]));
            let least = if family[right].before(family[left]) {
                right
            } else {
                left
            };
            moved(1);
            self.entries[hole] = family[least];
            hole = first + least;
        }
        let first = hole * ARITY + 1;
        let rest = first..self.entries.len().max(first);
        if let Some(least) = rest.min_by_key(|child| self.entries[*child].key()) {
            self.entries[hole] = self.entries[least];
            hole = least;
        }
        self.sift_up(hole, due);
    }
}

impl Queue for Heap {
    #[inline]
    fn push(&mut self, due: Due) {
        self.entries.push(due);
        self.sift_up(self.entries.len() - 1, due);
    }

    #[inline]
    fn peek(&mut self) -> Option<Due> {
        self.entries.first().copied()
    }

    #[inline]
    fn pop(&mut self) -> Option<Due> {
        let first = self.entries.first().copied()?;
        let last = self.entries.pop()?;
        if !self.entries.is_empty() {
            self.sift_from_root(last);
        }
        Some(first)
    }

    fn len(&self) -> usize {
        self.entries.len()
    }
}
