//! A hierarchical timing wheel with exact order: entries are sorted inside a tick.
//!
//! Level `l` has 64 slots of 64^l ticks; an entry waits on the level of the highest digit in which
//! its tick differs from the current one, and comes down when that digit is reached. So pushing and
//! popping cost the same however much is pending.
//!
//! The length of a tick follows what is pending, so that a tick holds some dozen entries: with
//! fewer, they would come down more levels; with more, sorting them would cost more. A burst may
//! fill one tick whatever its length, so what is pushed into the tick under way goes to a heap.

use super::heap::Heap;
use super::{Due, Queue, moved};
use crate::time::Timestamp;

const DIGIT_BITS: u32 = 6;
const SLOTS: usize = 1 << DIGIT_BITS;
const DIGIT: u64 = (1 << DIGIT_BITS) - 1;
/// 11 × 6 bits are more than 64: every instant has its place.
const LEVELS: usize = 11;
/// Entries that a tick shall hold. With 8 the simulator took a third more time at 350,000 in flight.
const PER_TICK: u64 = 32;

#[derive(Clone, Debug)]
pub(super) struct Wheel {
    /// A tick is 2^bits nanoseconds.
    bits: u32,
    tick: u64,
    /// The entries of the current tick that were there when it began, last first.
    now: Vec<Due>,
    /// Entries that were pushed into the current tick, or before it.
    pushed: Heap,
    slots: Vec<Vec<Due>>,
    /// Per level, which slots hold something.
    occupied: [u64; LEVELS],
    len: usize,
    /// For how many entries the tick was chosen.
    chosen_for: usize,
}

impl Wheel {
    /// A wheel of `entries`, none of which is due before `from`.
    pub(super) fn of(from: Timestamp, entries: Vec<Due>) -> Self {
        let waits = entries.iter().map(|due| due.at.since(from).as_nanos());
        let wait: u128 = waits.map(u128::from).sum();
        let len = entries.len().max(1) as u128;
        let tick = u64::try_from(wait / len * u128::from(PER_TICK) / len).unwrap_or(u64::MAX);
        let bits = 63 - (tick | 1).leading_zeros();
        let mut wheel = Self {
            bits,
            tick: from.as_nanos() >> bits,
            now: Vec::new(),
            pushed: Heap::default(),
            slots: vec![Vec::new(); LEVELS * SLOTS],
            occupied: [0; LEVELS],
            len: entries.len(),
            chosen_for: entries.len(),
        };
        entries.into_iter().for_each(|due| wheel.place(due));
        wheel
    }

    /// Removes everything, in no order.
    pub(super) fn drain(&mut self) -> impl Iterator<Item = Due> {
        self.len = 0;
        self.occupied = [0; LEVELS];
        let slots = self.slots.iter_mut().flat_map(|slot| slot.drain(..));
        self.now.drain(..).chain(self.pushed.drain()).chain(slots)
    }

    #[inline]
    fn place(&mut self, due: Due) {
        moved(1);
        let tick = due.at.as_nanos() >> self.bits;
        if tick <= self.tick {
            return self.pushed.push(due);
        }
        let level = (63 - (tick ^ self.tick).leading_zeros()) / DIGIT_BITS;
        let digit = (tick >> (level * DIGIT_BITS) & DIGIT) as usize;
        let level = level as usize;
        self.occupied[level] |= 1 << digit;
        self.slots[level * SLOTS + digit].push(due);
    }

    /// Moves on to the next tick that holds something.
    #[inline(never)]
    fn advance(&mut self) {
        while self.now.is_empty() && self.pushed.len() == 0 {
            let Some(level) = self.occupied.iter().position(|slots| *slots != 0) else {
                return;
            };
            // Slots behind the current digit are empty: what was there has come down.
            let digit = self.occupied[level].trailing_zeros() as usize;
            self.occupied[level] &= !(1 << digit);
            let shift = u32::try_from(level).unwrap_or(0) * DIGIT_BITS;
            // Above the last digit of the last level there is nothing.
            let above = self.tick.checked_shr(shift + DIGIT_BITS).unwrap_or(0);
            self.tick = (above << DIGIT_BITS | digit as u64) << shift;
            let mut entries = std::mem::take(&mut self.slots[level * SLOTS + digit]);
            if level == 0 {
                moved(entries.len());
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

    /// Chooses the tick anew.
    #[cold]
    fn choose(&mut self) {
        let from = Timestamp::from_nanos(self.tick << self.bits);
        let entries: Vec<Due> = self.drain().collect();
        let from = entries.iter().map(|due| due.at).fold(from, Timestamp::min);
        *self = Self::of(from, entries);
    }
}

impl Queue for Wheel {
    #[inline]
    fn push(&mut self, due: Due) {
        self.len += 1;
        self.place(due);
        if self.len / 4 > self.chosen_for {
            self.choose();
        }
    }

    #[inline]
    fn peek(&mut self) -> Option<Due> {
        if self.now.is_empty() && self.pushed.len() == 0 {
            self.advance();
        }
        match (self.now.last(), self.pushed.peek()) {
            (Some(first), Some(pushed)) if pushed.before(*first) => Some(pushed),
            (Some(first), _) => Some(*first),
            (None, pushed) => pushed,
        }
    }

    #[inline]
    fn pop(&mut self) -> Option<Due> {
        let first = self.peek()?;
        if self.now.last() == Some(&first) {
            self.now.pop();
        } else {
            self.pushed.pop();
        }
        self.len -= 1;
        if self.len * 4 < self.chosen_for {
            self.choose();
        }
        Some(first)
    }

    fn len(&self) -> usize {
        self.len
    }
}
