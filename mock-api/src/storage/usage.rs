//! How much the store holds: a bound on bytes, and reservations that give back what they took.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// The store cannot take that much more.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("storage full: {used} of {limit} bytes are in use, {wanted} more were wanted")]
pub struct StorageFull {
    /// Bytes in use.
    pub used: u64,
    /// Bytes allowed.
    pub limit: u64,
    /// Bytes asked for.
    pub wanted: u64,
}

#[derive(Debug)]
pub(super) struct Usage {
    limit: u64,
    bytes: AtomicU64,
}

impl Usage {
    pub(super) const fn new(limit: u64) -> Self {
        Self {
            limit,
            bytes: AtomicU64::new(0),
        }
    }

    pub(super) fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }

    pub(super) const fn limit(&self) -> u64 {
        self.limit
    }

    fn take(&self, wanted: u64) -> Result<(), StorageFull> {
        let fits = |used: u64| used.checked_add(wanted).filter(|sum| *sum <= self.limit);
        self.bytes
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, fits)
            .map(drop)
            .map_err(|used| StorageFull {
                used,
                limit: self.limit,
                wanted,
            })
    }
}

/// Bytes charged to the store until this is dropped.
#[derive(Debug)]
pub(super) struct Reservation {
    usage: Arc<Usage>,
    bytes: u64,
}

impl Reservation {
    pub(super) fn empty(usage: &Arc<Usage>) -> Self {
        Self {
            usage: Arc::clone(usage),
            bytes: 0,
        }
    }

    pub(super) fn of(usage: &Arc<Usage>, bytes: u64) -> Result<Self, StorageFull> {
        let mut reservation = Self::empty(usage);
        reservation.grow(bytes)?;
        Ok(reservation)
    }

    pub(super) fn grow(&mut self, bytes: u64) -> Result<(), StorageFull> {
        self.usage.take(bytes)?;
        self.bytes += bytes;
        Ok(())
    }

    /// Gives away `bytes` of what it holds, or all if that is less.
    pub(super) fn split(&mut self, bytes: u64) -> Self {
        let given = bytes.min(self.bytes);
        self.bytes -= given;
        Self {
            usage: Arc::clone(&self.usage),
            bytes: given,
        }
    }

    /// Takes over what `other` holds; both are of the same store.
    pub(super) fn absorb(&mut self, mut other: Self) {
        self.bytes += std::mem::take(&mut other.bytes);
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        self.usage.bytes.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}
