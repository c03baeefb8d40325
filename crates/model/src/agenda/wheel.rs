//! A hierarchical timing wheel with exact order: entries are sorted inside a tick.
//!
//! A tick is 2^12 ns. Level `l` has 64 slots of 64^l ticks; an entry waits on the level of the
//! highest digit in which its tick differs from the current one, and comes down when that digit is
//! reached. So pushing and popping cost the same however much is pending.

use super::{Due, Queue};
use crate::time::Timestamp;

const TICK_BITS: u32 = 12;
const DIGIT_BITS: u32 = 6;
const SLOTS: usize = 1 << DIGIT_BITS;
/// 12 + 9 × 6 bits are more than 64: every instant has its place.
const LEVELS: usize = 9;

#[derive(Clone, Debug)]
pub(super) struct Wheel {
    tick: u64,
    /// The entries of the current tick, last first.
    now: Vec<Due>,
    slots: Vec<Vec<Due>>,
    /// Per level, which slots hold something.
    occupied: [u64; LEVELS],
    len: usize,
}

impl Wheel {
    /// An empty wheel for entries from `at` on.
    pub(super) fn starting_at(at: Timestamp) -> Self {
        Self {
            tick: at.as_nanos() >> TICK_BITS,
            now: Vec::new(),
            slots: vec![Vec::new(); LEVELS * SLOTS],
            occupied: [0; LEVELS],
            len: 0,
        }
    }

    /// Removes everything, in no order.
    pub(super) fn drain(&mut self) -> impl Iterator<Item = Due> {
        self.len = 0;
        self.occupied = [0; LEVELS];
        let slots = self.slots.iter_mut().flat_map(|slot| slot.drain(..));
        self.now.drain(..).chain(slots)
    }

    #[inline]
    fn place(&mut self, due: Due) {
        let tick = due.at.as_nanos() >> TICK_BITS;
        let differs = tick ^ self.tick;
        if tick <= self.tick {
            let at = self.now.partition_point(|other| due.before(*other));
            self.now.insert(at, due);
            return;
        }
        let level = (63 - differs.leading_zeros()) / DIGIT_BITS;
        let digit = (tick >> (level * DIGIT_BITS)) as usize % SLOTS;
        let level = level as usize;
        self.occupied[level] |= 1 << digit;
        self.slots[level * SLOTS + digit].push(due);
    }

    /// Moves on to the next tick that holds something.
    fn advance(&mut self) {
        while self.now.is_empty() {
            let Some(level) = self.occupied.iter().position(|slots| *slots != 0) else {
                return;
            };
            // Slots behind the current digit are empty: what was there has come down.
            let digit = self.occupied[level].trailing_zeros() as usize;
            self.occupied[level] &= !(1 << digit);
            let shift = level * DIGIT_BITS as usize;
            let above = self.tick >> (shift + DIGIT_BITS as usize) << DIGIT_BITS;
            self.tick = (above | digit as u64) << shift;
            let mut entries = std::mem::take(&mut self.slots[level * SLOTS + digit]);
            if level == 0 {
                entries.sort_unstable_by_key(|due| std::cmp::Reverse(due.key()));
                std::mem::swap(&mut self.now, &mut entries);
            } else {
                for due in entries.drain(..) {
                    self.place(due);
                }
            }
            // Its memory is used again.
            self.slots[level * SLOTS + digit] = entries;
        }
    }
}

impl Queue for Wheel {
    #[inline]
    fn push(&mut self, due: Due) {
        self.len += 1;
        self.place(due);
    }

    #[inline]
    fn peek(&mut self) -> Option<Due> {
        if self.now.is_empty() {
            self.advance();
        }
        self.now.last().copied()
    }

    #[inline]
    fn pop(&mut self) -> Option<Due> {
        let first = self.peek()?;
        self.now.pop();
        self.len -= 1;
        Some(first)
    }

    fn len(&self) -> usize {
        self.len
    }
}
