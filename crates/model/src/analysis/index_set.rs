//! A set of recordings that forgets what it has seen in full.
//!
//! Accounting must notice a recording that settles twice. Recordings come nearly in order, so a
//! stretch whose every recording is in the set is kept as two numbers: memory follows the
//! recordings in flight, not the total.

use std::collections::BTreeMap;

const WORDS: usize = 64;
const CHUNK: u64 = (WORDS as u64) * 64;

/// A set of recording indices.
#[derive(Clone, Debug, Default)]
pub(crate) struct IndexSet {
    /// Chunks with a gap, by position.
    open: BTreeMap<u64, Chunk>,
    /// Stretches of full chunks: first position → position after the last.
    full: BTreeMap<u64, u64>,
    len: u64,
}

#[derive(Clone, Debug)]
struct Chunk {
    bits: Box<[u64; WORDS]>,
    count: u64,
}

impl Chunk {
    fn empty() -> Self {
        Self {
            bits: Box::new([0; WORDS]),
            count: 0,
        }
    }
}

/// Position of the bit of `index` within its chunk.
const fn bit(index: u64) -> (usize, u64) {
    let offset = index % CHUNK;
    ((offset / 64) as usize, 1 << (offset % 64))
}

impl IndexSet {
    /// Adds `index`; false if it was there.
    pub(crate) fn insert(&mut self, index: u64) -> bool {
        let position = index / CHUNK;
        if self.is_full(position) {
            return false;
        }
        let chunk = self.open.entry(position).or_insert_with(Chunk::empty);
        let (word, mask) = bit(index);
        if chunk.bits[word] & mask != 0 {
            return false;
        }
        chunk.bits[word] |= mask;
        chunk.count += 1;
        self.len += 1;
        if chunk.count == CHUNK {
            self.open.remove(&position);
            self.fill(position);
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
        let (word, mask) = bit(index);
        self.is_full(position)
            || self
                .open
                .get(&position)
                .is_some_and(|chunk| chunk.bits[word] & mask != 0)
    }

    /// The members that are not in `other`: how many, and the first.
    pub(crate) fn beyond(&self, other: &Self) -> Option<(u64, u64)> {
        let mut found: Option<(u64, u64)> = None;
        let mut note = |index: u64| {
            let (count, first) = found.unwrap_or((0, index));
            found = Some((count + 1, first.min(index)));
        };
        for (position, chunk) in &self.open {
            let members = (0..CHUNK).map(|offset| position * CHUNK + offset);
            let members = members.filter(|index| {
                let (word, mask) = bit(*index);
                chunk.bits[word] & mask != 0
            });
            members
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
            (set.open.len(), set.full.len(), set.len()),
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
}
