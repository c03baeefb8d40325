//! What a job's reply says of its recordings, found by bisection: a job may hold very many, and
//! they come back in any order.

/// Values by key, in the order of keys.
pub(super) struct Sorted<K, V>(Vec<(K, V)>);

impl<K: Ord + Copy, V> Sorted<K, V> {
    /// All of `known`, in any order.
    pub(super) fn new(known: impl Iterator<Item = (K, V)>) -> Self {
        let mut known: Vec<_> = known.collect();
        known.sort_by_key(|(key, _)| *key);
        Self(known)
    }

    /// The first value of `key`.
    pub(super) fn get(&self, key: K) -> Option<&V> {
        let first = self.0.partition_point(|(known, _)| *known < key);
        let (found, value) = self.0.get(first)?;
        (*found == key).then_some(value)
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::cmp::Ordering;

    use super::*;

    thread_local! {
        static COMPARED: Cell<u64> = const { Cell::new(0) };
    }

    /// A number that counts how often it is compared.
    #[derive(Clone, Copy, PartialEq, Eq)]
    struct Counted(u64);

    impl Ord for Counted {
        fn cmp(&self, other: &Self) -> Ordering {
            COMPARED.set(COMPARED.get() + 1);
            self.0.cmp(&other.0)
        }
    }

    impl PartialOrd for Counted {
        fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
            Some(self.cmp(other))
        }
    }

    fn compared(size: u64) -> u64 {
        COMPARED.set(0);
        // An odd factor goes through all of a power of two.
        let scattered = |n: u64| Counted(n * 5 % size);
        let known = Sorted::new((0..size).map(|n| (scattered(n), n)));
        for n in 0..size {
            assert_eq!(known.get(scattered(n)), Some(&n));
        }
        assert_eq!(known.get(Counted(size)), None);
        COMPARED.get()
    }

    #[test]
    fn a_job_of_many_recordings_costs_little_more_for_each_than_one_of_few() {
        let (few, many) = (compared(1 << 8), compared(1 << 16));
        assert!(few > 1 << 8);
        // Twice the logarithm, and some.
        assert!(many >> 16 < 3 * (few >> 8), "{many} and {few}");
    }

    #[test]
    fn the_first_of_several_is_found() {
        let known = Sorted::new([(2, 'b'), (1, 'a'), (2, 'c')].into_iter());
        assert_eq!(known.get(2), Some(&'b'));
    }
}
