//! Tables by number, for what is in flight: flat, without an allocation per entry, and hashed the
//! same way everywhere. Nothing iterates over one, so their order decides nothing.

use std::hash::{BuildHasherDefault, Hasher};

use crate::draws::{hash_bytes, mix64};

/// A table by number.
pub(crate) type Table<K, V> = hashbrown::HashMap<K, V, BuildHasherDefault<Mix>>;

/// Hashes one number.
#[derive(Clone, Copy, Default, Debug)]
pub(crate) struct Mix(u64);

impl Hasher for Mix {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        self.0 = hash_bytes(bytes);
    }

    #[inline]
    fn write_u32(&mut self, number: u32) {
        self.0 = mix64(u64::from(number));
    }

    #[inline]
    fn write_u64(&mut self, number: u64) {
        self.0 = mix64(number);
    }
}
