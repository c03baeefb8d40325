//! Tables by number, for what is in flight: numbers are dense, so a page of slots finds an entry
//! without hashing, and entries lie in one slab without an allocation each.

use std::marker::PhantomData;

use crate::ids::{JobOrdinal, RecordingIndex};

/// Numbers of a page.
const PAGE: usize = 1_024;
/// The slot of a number that has no entry.
const NONE: u32 = u32::MAX;

/// What a table is keyed by: numbers from zero on, nearly without gaps.
pub(crate) trait Number: Copy {
    /// The number.
    fn number(self) -> u64;
}

impl Number for RecordingIndex {
    #[inline(always)]
    fn number(self) -> u64 {
        self.0
    }
}

impl Number for JobOrdinal {
    #[inline(always)]
    fn number(self) -> u64 {
        self.0
    }
}

/// Entries by number. Memory follows the entries; a page of numbers of which one has an entry
/// costs four kilobytes, and eight bytes remain of each page that ever was.
#[derive(Clone, Debug)]
pub(crate) struct Table<K, V> {
    pages: Vec<Option<Box<Page>>>,
    /// A page without entries, so that the last one to go and the next one to come cost nothing.
    spare: Option<Box<Page>>,
    entries: Vec<Option<V>>,
    free: Vec<u32>,
    key: PhantomData<K>,
}

#[derive(Clone, Debug)]
struct Page {
    slots: [u32; PAGE],
    used: u32,
}

impl<K, V> Default for Table<K, V> {
    fn default() -> Self {
        Self {
            pages: Vec::new(),
            spare: None,
            entries: Vec::new(),
            free: Vec::new(),
            key: PhantomData,
        }
    }
}

/// The page of a number, and its place there.
#[inline(always)]
fn place(key: impl Number) -> (usize, usize) {
    let number = usize::try_from(key.number()).unwrap_or(usize::MAX);
    (number / PAGE, number % PAGE)
}

impl<K: Number, V> Table<K, V> {
    /// How many entries there are.
    pub(crate) fn len(&self) -> usize {
        self.entries.len() - self.free.len()
    }

    #[inline]
    fn slot(&self, key: K) -> Option<usize> {
        let (page, at) = place(key);
        let slot = self.pages.get(page)?.as_ref()?.slots[at];
        (slot != NONE).then_some(slot as usize)
    }

    /// The entry of `key`.
    #[inline]
    pub(crate) fn get(&self, key: K) -> Option<&V> {
        self.entries[self.slot(key)?].as_ref()
    }

    /// The entry of `key`, to be changed.
    #[inline]
    pub(crate) fn get_mut(&mut self, key: K) -> Option<&mut V> {
        let slot = self.slot(key)?;
        self.entries[slot].as_mut()
    }

    /// Adds an entry, in place of the one that `key` had.
    #[inline]
    pub(crate) fn insert(&mut self, key: K, value: V) {
        if let Some(old) = self.get_mut(key) {
            *old = value;
            return;
        }
        let slot = self.free.pop().unwrap_or_else(|| {
            self.entries.push(None);
            u32::try_from(self.entries.len() - 1).expect("fewer than 2^32 entries")
        });
        self.entries[slot as usize] = Some(value);
        let (page, at) = place(key);
        if self.pages.len() <= page {
            self.pages.resize_with(page + 1, || None);
        }
        let spare = &mut self.spare;
        let page = self.pages[page].get_or_insert_with(|| {
            spare.take().unwrap_or_else(|| {
                Box::new(Page {
                    slots: [NONE; PAGE],
                    used: 0,
                })
            })
        });
        page.slots[at] = slot;
        page.used += 1;
    }

    /// Removes the entry of `key`.
    #[inline]
    pub(crate) fn remove(&mut self, key: K) -> Option<V> {
        let slot = self.slot(key)?;
        let (position, at) = place(key);
        let page = self.pages[position].as_mut()?;
        page.slots[at] = NONE;
        page.used -= 1;
        if page.used == 0 {
            self.spare = self.pages[position].take();
        }
        self.free.push(u32::try_from(slot).unwrap_or(NONE));
        self.entries[slot].take()
    }

    /// Removes every entry.
    pub(crate) fn clear(&mut self) {
        if self.len() > 0 {
            *self = Self::default();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_table_is_a_map(steps in prop::collection::vec((0_u64..5_000, 0_u8..3), 0..400)) {
            let (mut table, mut map) = (Table::default(), BTreeMap::new());
            for (position, (number, what)) in steps.into_iter().enumerate() {
                let key = RecordingIndex(number);
                match what {
                    0 => {
                        table.insert(key, position);
                        map.insert(key, position);
                    }
                    1 => prop_assert_eq!(table.remove(key), map.remove(&key)),
                    _ => prop_assert_eq!(table.get_mut(key), map.get_mut(&key)),
                }
                prop_assert_eq!(table.get(key), map.get(&key));
                prop_assert_eq!(table.len(), map.len());
            }
            table.clear();
            prop_assert_eq!(table.len(), 0);
            prop_assert!(map.keys().all(|key| table.get(*key).is_none()));
        }
    }

    #[test]
    fn memory_follows_what_is_in_flight() {
        let mut table = Table::default();
        for number in 0..100_000 {
            table.insert(JobOrdinal(number), number);
            if number >= 100 {
                assert_eq!(table.remove(JobOrdinal(number - 100)), Some(number - 100));
            }
        }
        assert_eq!((table.len(), table.entries.len()), (100, 101));
        assert!(table.pages.iter().flatten().count() <= 2);
        assert_eq!(table.get(JobOrdinal(u64::MAX)), None);
    }
}
