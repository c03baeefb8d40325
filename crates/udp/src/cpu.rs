//! Where a shard's thread runs, and what it costs.

use std::io;
use std::time::Duration;

/// How the system is asked to schedule a shard's thread.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Placement {
    /// The core that it stays on; `None` leaves that to the system.
    pub core: Option<usize>,
    /// Whether others may interrupt it.
    pub class: Class,
}

/// Scheduling class.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Class {
    /// Shares the core.
    #[default]
    Fair,
    /// Before all that is not of this class (`SCHED_FIFO`); needs privilege. The kernel still takes 5 % of the time for others.
    Realtime,
}

/// Processor time that the calling thread has used, with what the kernel did for it: loopback delivery is charged to the sender.
/// `None` where the system does not tell.
#[must_use]
pub fn thread_cpu_time() -> Option<Duration> {
    imp::thread_cpu_time()
}

/// Moves the calling thread to where it should be.
///
/// # Errors
/// When the core does not exist or the class is not allowed. Off Linux nothing is done.
pub fn place(placement: Placement) -> io::Result<()> {
    imp::place(placement)
}

/// Bytes of a cache line on x86-64 and most arm64.
const LINE: usize = 64;

/// Asks for all of `value`'s cache lines before they are needed, not for what it points to. Only of use
/// when something else is done meanwhile.
#[inline]
pub fn prefetch<T: ?Sized>(value: &T) {
    let first: *const u8 = std::ptr::from_ref(value).cast();
    // From the start of its first line, so that the last one is asked for wherever the value lies.
    let before = first.addr() % LINE;
    for at in (0..before + size_of_val(value)).step_by(LINE) {
        imp::prefetch(first.wrapping_sub(before).wrapping_add(at));
    }
}

#[cfg(target_os = "linux")]
mod imp {
    use std::io;
    use std::mem;
    use std::time::Duration;

    use super::{Class, Placement};

    /// In the middle of the range: above the fair class, below what the kernel's own threads use.
    const PRIORITY: libc::c_int = 40;

    #[expect(unsafe_code, reason = "clock_gettime has no safe form for this clock")]
    pub(super) fn thread_cpu_time() -> Option<Duration> {
        let mut time = libc::timespec {
            tv_sec: 0,
            tv_nsec: 0,
        };
        // SAFETY: the kernel writes one `timespec` to the pointer, which is that of a live one.
        let result = unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &raw mut time) };
        if result != 0 {
            return None;
        }
        let nanos = u32::try_from(time.tv_nsec).ok()?;
        Some(Duration::new(u64::try_from(time.tv_sec).ok()?, nanos))
    }

    pub(super) fn place(placement: Placement) -> io::Result<()> {
        if let Some(core) = placement.core {
            pin(core)?;
        }
        match placement.class {
            Class::Fair => Ok(()),
            Class::Realtime => raise(),
        }
    }

    #[expect(unsafe_code, reason = "sched_setaffinity has no safe form")]
    fn pin(core: usize) -> io::Result<()> {
        if core >= 8 * size_of::<libc::cpu_set_t>() {
            return Err(io::Error::from(io::ErrorKind::InvalidInput));
        }
        // SAFETY: `cpu_set_t` is a plain array of integers, for which all bytes zero is a valid, empty set; the bit set is within it, as
        // was checked; the kernel reads as many bytes as the set has. Thread 0 is the calling one.
        let result = unsafe {
            let mut set: libc::cpu_set_t = mem::zeroed();
            libc::CPU_SET(core, &mut set);
            libc::sched_setaffinity(0, size_of::<libc::cpu_set_t>(), &raw const set)
        };
        check(result)
    }

    #[expect(unsafe_code, reason = "sched_setscheduler has no safe form")]
    fn raise() -> io::Result<()> {
        // SAFETY: `sched_param` is a plain C struct of integers, for which all bytes zero is a valid value; the kernel only reads it.
        let result = unsafe {
            let mut param: libc::sched_param = mem::zeroed();
            param.sched_priority = PRIORITY;
            libc::sched_setscheduler(0, libc::SCHED_FIFO, &raw const param)
        };
        check(result)
    }

    fn check(result: libc::c_int) -> io::Result<()> {
        if result == 0 {
            Ok(())
        } else {
            Err(io::Error::last_os_error())
        }
    }

    #[inline]
    #[cfg_attr(
        target_arch = "x86_64",
        expect(unsafe_code, reason = "the intrinsic takes a raw pointer")
    )]
    pub(super) fn prefetch(address: *const u8) {
        #[cfg(target_arch = "x86_64")]
        // SAFETY: a prefetch is a hint that cannot fault, whatever the address; SSE is part of every x86-64.
        unsafe {
            use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
            _mm_prefetch::<_MM_HINT_T0>(address.cast());
        }
        #[cfg(not(target_arch = "x86_64"))]
        let _ = address;
    }
}

#[cfg(not(target_os = "linux"))]
mod imp {
    use std::io;
    use std::time::Duration;

    use super::Placement;

    pub(super) fn thread_cpu_time() -> Option<Duration> {
        None
    }

    pub(super) fn place(_placement: Placement) -> io::Result<()> {
        Ok(())
    }

    pub(super) fn prefetch(_address: *const u8) {}
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn the_threads_time_grows_with_its_work() {
        let before = thread_cpu_time().unwrap();
        let mut sum = 0_u64;
        while thread_cpu_time().unwrap() == before {
            sum = std::hint::black_box(sum + 1);
        }
        assert!(thread_cpu_time().unwrap() > before);
    }

    #[test]
    fn a_thread_goes_to_a_core_that_exists_and_to_no_other() {
        let placed = |core| {
            let core = Some(core);
            let class = Class::Fair;
            let thread = std::thread::spawn(move || place(Placement { core, class }));
            thread.join().unwrap()
        };
        assert!(placed(usize::MAX).is_err() && placed(1000).is_err());
        let class = Class::Fair;
        place(Placement { core: None, class }).unwrap();
        prefetch("anything");
    }
}
