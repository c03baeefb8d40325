//! What the machine did meanwhile: how busy others kept it, and how much memory we hold.

use std::time::{Duration, Instant};

/// Ticks per second of `/proc`'s files; fixed at 100 on every Linux that runs this.
const USER_HZ: u64 = 100;

/// Bytes per page as `/proc/self/statm` counts them on x86-64 and most arm64.
const PAGE: u64 = 4096;

/// Processor time of the whole machine at one moment.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sample {
    at: Instant,
    /// Time that all processes together have worked, and that the host has taken; `None` where the
    /// system does not tell.
    busy: Option<Duration>,
    cores: u32,
}

impl Sample {
    /// The machine at this moment.
    pub(crate) fn take() -> Self {
        Self {
            at: Instant::now(),
            busy: busy(),
            cores: u32::try_from(cores()).unwrap_or(1),
        }
    }

    /// The share of all processors that others took until `later`, given what we took ourselves. 0 where the system does not tell.
    pub(crate) fn others(&self, later: &Self, ours: Duration) -> f64 {
        let passed = later.at.saturating_duration_since(self.at) * self.cores;
        let Some((before, after)) = self.busy.zip(later.busy) else {
            return 0.0;
        };
        let others = after.saturating_sub(before).saturating_sub(ours);
        others.as_secs_f64() / passed.as_secs_f64().max(1e-9)
    }
}

/// What the processes have worked, each with the children that it has waited for, and steal.
///
/// The machine's own sum in `/proc/stat` is counted by looking at who works at each tick of the
/// timer: a loop that begins its work at ticks, as the media loop does, looks as if it worked all
/// the time. A process's time is measured.
fn busy() -> Option<Duration> {
    let machine = std::fs::read_to_string("/proc/stat").ok()?;
    let processes = std::fs::read_dir("/proc").ok()?.flatten();
    let stats = processes.filter_map(|entry| {
        let is_process = entry.file_name().to_string_lossy().parse::<u32>().is_ok();
        // One that has just ended has nothing to read.
        is_process.then(|| std::fs::read_to_string(entry.path().join("stat")).ok())?
    });
    let worked: u64 = stats.filter_map(|stat| worked(&stat)).sum();
    Some(Duration::from_millis(
        (worked + steal(&machine)?) * 1000 / USER_HZ,
    ))
}

/// Ticks that a process and its ended children have worked.
fn worked(stat: &str) -> Option<u64> {
    // The program's name is in parentheses and may hold anything.
    let (_, fields) = stat.rsplit_once(')')?;
    // utime, stime, cutime and cstime are fields 14 to 17 of proc(5), the state is 3.
    let times = fields.split_ascii_whitespace().skip(11).take(4);
    times.map(|field| field.parse::<u64>().ok()).sum()
}

/// Ticks that the host took: the eighth number of the first line.
fn steal(stat: &str) -> Option<u64> {
    let line = stat.lines().next()?.strip_prefix("cpu ")?;
    line.split_ascii_whitespace().nth(7)?.parse().ok()
}

/// Processors that this process may use.
pub(super) fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, std::num::NonZeroUsize::get)
}

/// Bytes allocated by this process; its resident memory where the allocator does not tell.
pub(super) fn memory_bytes() -> u64 {
    racegate_udp::heap_in_use().unwrap_or_else(resident_bytes)
}

fn resident_bytes() -> u64 {
    let text = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let pages = text.split_ascii_whitespace().nth(1);
    pages
        .and_then(|pages| pages.parse::<u64>().ok())
        .unwrap_or(0)
        * PAGE
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_has_worked_with_its_children_whatever_its_name() {
        let stat = "77 (a) b (c)) S 1 77 77 0 -1 4194560 1 2 3 4 100 50 20 5 20 0 1 0 99 1 2";
        assert_eq!(worked(stat), Some(175));
        assert_eq!(worked("77 (a) S 1 2"), Some(0));
        assert_eq!(worked("77"), None);
    }

    #[test]
    fn steal_is_what_the_host_took() {
        let text = "cpu  100 0 50 9000 800 5 15 30 0 0\ncpu0 1 2 3\n";
        assert_eq!(steal(text), Some(30));
        assert_eq!(steal("cpu0 1"), None);
        assert_eq!(steal(""), None);
    }

    #[test]
    fn what_we_took_is_not_the_others() {
        let at = Instant::now();
        let sample = |seconds, busy| Sample {
            at: at + Duration::from_secs(seconds),
            busy: Some(Duration::from_secs(busy)),
            cores: 2,
        };
        let others = sample(0, 100).others(&sample(10, 115), Duration::from_secs(10));
        assert!((others - 0.25).abs() < 1e-9, "{others}");
    }
}
