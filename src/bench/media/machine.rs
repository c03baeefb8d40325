//! What the machine did meanwhile: how busy others kept it, and how much memory we hold.

use std::time::{Duration, Instant};

/// Ticks per second of `/proc/stat`; fixed at 100 on every Linux that runs this.
const USER_HZ: u64 = 100;

/// Bytes per page as `/proc/self/statm` counts them on x86-64 and most arm64.
const PAGE: u64 = 4096;

/// Processor time of the whole machine at one moment.
#[derive(Debug, Clone, Copy)]
pub(in crate::bench) struct Sample {
    at: Instant,
    /// Time in which any processor worked, steal included; `None` where the system does not tell.
    busy: Option<Duration>,
    cores: u32,
}

impl Sample {
    /// The machine at this moment.
    pub(in crate::bench) fn take() -> Self {
        let text = std::fs::read_to_string("/proc/stat").unwrap_or_default();
        Self {
            at: Instant::now(),
            busy: busy(&text),
            cores: u32::try_from(cores()).unwrap_or(1),
        }
    }

    /// The share of all processors that others took until `later`, given what we took ourselves. 0 where the system does not tell.
    pub(in crate::bench) fn others(&self, later: &Self, ours: Duration) -> f64 {
        let passed = later.at.saturating_duration_since(self.at) * self.cores;
        let Some((before, after)) = self.busy.zip(later.busy) else {
            return 0.0;
        };
        let others = after.saturating_sub(before).saturating_sub(ours);
        others.as_secs_f64() / passed.as_secs_f64().max(1e-9)
    }
}

/// Busy time from the first line: everything but idle and waiting for disks.
fn busy(stat: &str) -> Option<Duration> {
    let line = stat.lines().next()?.strip_prefix("cpu ")?;
    let ticks: Vec<u64> = line
        .split_ascii_whitespace()
        .map_while(|field| field.parse().ok())
        .collect();
    // user nice system idle iowait irq softirq steal; guest time is in user already.
    let [user, nice, system, _, _, irq, softirq, steal] = *ticks.first_chunk::<8>()?;
    let busy = user + nice + system + irq + softirq + steal;
    Some(Duration::from_millis(busy * 1000 / USER_HZ))
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
    fn steal_and_interrupts_are_busy_and_waiting_is_not() {
        let text = "cpu  100 0 50 9000 800 5 15 30 0 0\ncpu0 1 2 3\n";
        assert_eq!(busy(text), Some(Duration::from_secs(2)));
        assert_eq!(busy("cpu0 1"), None);
        assert_eq!(busy(""), None);
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
