//! A 4-ary heap: half the levels of a binary one, and siblings in neighbouring cache lines.

use super::{Due, Queue};

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

    #[inline]
    fn sift_up(&mut self, due: Due) {
        let mut hole = self.entries.len() - 1;
        while hole > 0 {
            let parent = (hole - 1) / ARITY;
            if !due.before(self.entries[parent]) {
                break;
            }
            self.entries[hole] = self.entries[parent];
            hole = parent;
        }
        self.entries[hole] = due;
    }

    #[inline]
    fn sift_down(&mut self, due: Due) {
        let mut hole = 0;
        loop {
            let first = hole * ARITY + 1;
            let children = first..(first + ARITY).min(self.entries.len());
            let Some(least) = children.reduce(|least, child| {
                if self.entries[child].before(self.entries[least]) {
                    child
                } else {
                    least
                }
            }) else {
                break;
            };
            if !self.entries[least].before(due) {
                break;
            }
            self.entries[hole] = self.entries[least];
            hole = least;
        }
        self.entries[hole] = due;
    }
}

impl Queue for Heap {
    #[inline]
    fn push(&mut self, due: Due) {
        self.entries.push(due);
        self.sift_up(due);
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
            self.sift_down(last);
        }
        Some(first)
    }

    fn len(&self) -> usize {
        self.entries.len()
    }
}
