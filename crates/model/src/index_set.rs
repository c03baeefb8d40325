//! A set of recordings that forgets what it has seen in full.
//!
//! Accounting must notice a recording that settles twice. Recordings come nearly in order, so a
//! stretch whose every recording is in the set is kept as two numbers: memory follows the
//! recordings in flight, not the total.

use std::collections::BTreeMap;

const WORDS: usize = 64;
const CHUNK: u64 = (WORDS as u64) * 64;
/// Chunks at hand: more than recordings in flight lie apart at some thousand per second.
const RECENT: usize = 16;

/// A set of recording indices.
#[derive(Clone, Debug, Default)]
pub(crate) struct IndexSet {
    /// Chunks with a gap that were used last, each at its position modulo their number.
    recent: [Option<Chunk>; RECENT],
    /// Other chunks with a gap, by position.
    open: BTreeMap<u64, Chunk>,
    /// Stretches of full chunks: first position → position after the last.
    full: BTreeMap<u64, u64>,
    len: u64,
}

#[derive(Clone, Debug)]
struct Chunk {
    position: u64,
    bits: Box<[u64; WORDS]>,
    count: u64,
}

impl Chunk {
    fn empty(position: u64) -> Self {
        Self {
            position,
            bits: Box::new([0; WORDS]),
            count: 0,
        }
    }

    fn contains(&self, index: u64) -> bool {
        let (word, mask) = bit(index);
        self.bits[word] & mask != 0
    }

    fn members(&self) -> impl Iterator<Item = u64> {
        let first = self.position * CHUNK;
        let members = (0..CHUNK).map(move |offset| first + offset);
        members.filter(|index| self.contains(*index))
    }
}

/// Position of the bit of `index` within its chunk.
const fn bit(index: u64) -> (usize, u64) {
    let offset = index % CHUNK;
    ((offset / 64) as usize, 1 << (offset % 64))
}

/// Where a chunk is put when it is at hand.
fn place(position: u64) -> usize {
    usize::try_from(position % RECENT as u64).expect("a remainder of a small number")
}

impl IndexSet {
    /// Adds `index`; false if it was there.
    #[inline]
    pub(crate) fn insert(&mut self, index: u64) -> bool {
        let position = index / CHUNK;
        let place = place(position);
        let at_hand = self.recent[place].as_ref();
        if at_hand.is_none_or(|chunk| chunk.position != position) && !self.fetch(position) {
            return false;
        }
        let Some(chunk) = &mut self.recent[place] else {
            return false;
        };
        let (word, mask) = bit(index);
        let word = &mut chunk.bits[word];
        if *word & mask != 0 {
            return false;
        }
        *word |= mask;
        chunk.count += 1;
        self.len += 1;
        if chunk.count == CHUNK {
            self.recent[place] = None;
            self.fill(position);
        }
        true
    }

    /// Brings a chunk to hand; false if it is full.
    #[cold]
    fn fetch(&mut self, position: u64) -> bool {
        if self.is_full(position) {
            return false;
        }
        let chunk = self.open.remove(&position);
        let chunk = chunk.unwrap_or_else(|| Chunk::empty(position));
        if let Some(other) = self.recent[place(position)].replace(chunk) {
            self.open.insert(other.position, other);
        }
        true
    }

    /// Number of members.
    pub(crate) const fn len(&self) -> u64 {
        self.len
    }

    /// Whether `index` is a member.
    pub(crate) fn contains(&self, index: u64) -> bool {
        let position = index / CHUNK;
        let at_hand = self.recent[place(position)].as_ref();
        let at_hand = at_hand.filter(|chunk| chunk.position == position);
        let chunk = at_hand.or_else(|| self.open.get(&position));
        self.is_full(position) || chunk.is_some_and(|chunk| chunk.contains(index))
    }

    /// Adds all members of `other`; those that were here already.
    pub(crate) fn absorb(&mut self, other: &Self) -> u64 {
        let before = self.len + other.len;
        for chunk in other.with_gaps() {
            for index in chunk.members() {
                self.insert(index);
            }
        }
        for (first, after) in &other.full {
            for position in *first..*after {
                self.absorb_full(position);
            }
        }
        before - self.len
    }

    fn absorb_full(&mut self, position: u64) {
        if self.is_full(position) {
            return;
        }
        let place = place(position);
        let at_hand = self.recent[place].take_if(|chunk| chunk.position == position);
        let partly = at_hand.or_else(|| self.open.remove(&position));
        self.len += CHUNK - partly.map_or(0, |chunk| chunk.count);
        self.fill(position);
    }

    /// The members that are not in `other`: how many, and the first.
    pub(crate) fn beyond(&self, other: &Self) -> Option<(u64, u64)> {
        let mut found: Option<(u64, u64)> = None;
        let mut note = |index: u64| {
            let (count, first) = found.unwrap_or((0, index));
            found = Some((count + 1, first.min(index)));
        };
        for chunk in self.with_gaps() {
            chunk
                .members()
                .filter(|index| !other.contains(*index))
                .for_each(&mut note);
        }
        for (first, after) in &self.full {
            for position in (*first..*after).filter(|position| !other.is_full(*position)) {
                let members = position * CHUNK..(position + 1) * CHUNK;
                members
                    .filter(|index| !other.contains(*index))
                    .for_each(&mut note);
            }
        }
        found
    }

    fn with_gaps(&self) -> impl Iterator<Item = &Chunk> {
        self.recent.iter().flatten().chain(self.open.values())
    }

    fn is_full(&self, position: u64) -> bool {
        self.full
            .range(..=position)
            .next_back()
            .is_some_and(|(_, after)| position < *after)
    }

    fn fill(&mut self, position: u64) {
        let after = self.full.remove(&(position + 1)).unwrap_or(position + 1);
        match self.full.range_mut(..position).next_back() {
            Some((_, end)) if *end == position => *end = after,
            _ => {
                self.full.insert(position, after);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_stretch_is_kept_as_two_numbers() {
        let mut set = IndexSet::default();
        for index in (0..10 * CHUNK).rev() {
            assert!(set.insert(index));
        }
        assert_eq!(
            (set.with_gaps().count(), set.full.len(), set.len()),
            (0, 1, 10 * CHUNK)
        );
        assert!(!set.insert(5) && set.contains(CHUNK * 10 - 1) && !set.contains(CHUNK * 10));
    }

    #[test]
    fn what_is_beyond_another_set_is_counted_with_its_first() {
        let (mut small, mut large) = (IndexSet::default(), IndexSet::default());
        for index in 0..3 * CHUNK {
            large.insert(index);
            if index % 1000 != 7 {
                small.insert(index);
            }
        }
        assert_eq!(small.beyond(&large), None);
        assert_eq!(large.beyond(&small), Some((13, 7)));
        small.insert(u64::MAX);
        assert_eq!(small.beyond(&large), Some((1, u64::MAX)));
    }

    #[test]
    fn shares_of_a_set_add_up_to_it_and_what_is_in_two_is_counted() {
        let (mut even, mut odd, mut whole) = <(IndexSet, IndexSet, IndexSet)>::default();
        // More chunks with a gap than are at hand, and full ones between them.
        for index in (0..40 * CHUNK).filter(|index| index % (3 * CHUNK) != 5) {
            let share = if (index / CHUNK).is_multiple_of(2) {
                &mut even
            } else {
                &mut odd
            };
            assert!(share.insert(index) && whole.insert(index));
        }
        odd.insert(0);
        assert_eq!(even.absorb(&odd), 1);
        assert_eq!((even.len(), even.beyond(&whole)), (whole.len(), None));
        assert_eq!(whole.beyond(&even), None);
    }
}
