//! How much memory the process has allocated.

/// Bytes allocated and not freed, over all threads; `None` where the allocator does not tell.
///
/// Unlike resident memory it has no holes: what a handshake needed and gave back does not count.
#[must_use]
pub fn heap_in_use() -> Option<u64> {
    imp::heap_in_use()
}

#[cfg(all(target_os = "linux", target_env = "gnu"))]
mod imp {
    #[expect(unsafe_code, reason = "mallinfo2 has no safe form")]
    pub(super) fn heap_in_use() -> Option<u64> {
        // SAFETY: the function takes nothing, locks the allocator's arenas itself and returns a struct of integers.
        let info = unsafe { libc::mallinfo2() };
        // Blocks from the arenas, and those large enough for a mapping of their own.
        u64::try_from(info.uordblks + info.hblkhd).ok()
    }
}

#[cfg(not(all(target_os = "linux", target_env = "gnu")))]
mod imp {
    pub(super) fn heap_in_use() -> Option<u64> {
        None
    }
}

#[cfg(all(test, target_os = "linux", target_env = "gnu"))]
mod tests {
    use super::*;

    #[test]
    fn what_is_allocated_counts_on_whatever_thread_and_what_is_freed_does_not() {
        let before = heap_in_use().unwrap();
        let make = || (0..1000).map(|_| vec![1_u8; 1000]).collect::<Vec<_>>();
        let held = std::thread::spawn(make).join().unwrap();
        let during = heap_in_use().unwrap();
        assert!(during - before >= 1_000_000, "{before} {during}");
        drop(std::hint::black_box(held));
        assert!(heap_in_use().unwrap() < during - 900_000);
    }
}
