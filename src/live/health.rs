//! How the machine was while a run lasted: who used the processors, and what ran out.

use std::time::{Duration, Instant};

use racegate_model::summary::CpuSummary;
use racegate_udp::ShardMeter;

/// Clock ticks a second in `/proc`; Linux has not had another value on any platform for decades.
const TICKS_PER_SECOND: f64 = 100.0;

/// What the system had counted when a run began.
#[derive(Debug)]
pub(super) struct Baseline {
    began: Instant,
    machine: Option<MachineTime>,
    process: Option<Duration>,
}

/// Processor time of the machine since boot, in ticks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct MachineTime {
    busy: u64,
    all: u64,
}

impl Baseline {
    /// The counters at this moment.
    pub(super) fn take() -> Self {
        Self {
            began: Instant::now(),
            machine: read("/proc/stat").as_deref().and_then(machine_time),
            process: read("/proc/self/stat").as_deref().and_then(process_time),
        }
    }

    /// What has been used since, the media's part by the shards' own count.
    pub(super) fn since(&self, shards: &[ShardMeter]) -> CpuSummary {
        let now = Self::take();
        let mut cpu = CpuSummary {
            cores: std::thread::available_parallelism().map_or(0, |cores| cores.get() as u64),
            elapsed_s: self.began.elapsed().as_secs_f64(),
            ..CpuSummary::default()
        };
        if let (Some(before), Some(after)) = (self.process, now.process) {
            cpu.process_s = after.saturating_sub(before).as_secs_f64();
        }
        if let (Some(before), Some(after)) = (self.machine, now.machine) {
            let all = after.all.saturating_sub(before.all).max(1);
            cpu.machine_busy = after.busy.saturating_sub(before.busy) as f64 / all as f64;
        }
        let stations = shards.iter().flat_map(|shard| shard.report().stations);
        for station in stations {
            let seconds = station.cpu.as_secs_f64();
            if station.endpoint == "ingest" {
                cpu.ingest_s += seconds;
            } else {
                cpu.softphones_s += seconds;
            }
        }
        cpu
    }
}

/// Where there is no such file, nothing is known.
fn read(path: &str) -> Option<String> {
    std::fs::read_to_string(path).ok()
}

/// The first line is the sum over all cores: user, nice, system, idle, iowait, irq, softirq, steal. What a hypervisor stole was not
/// ours to use, so it counts as busy.
fn machine_time(text: &str) -> Option<MachineTime> {
    let line = text.lines().next()?.strip_prefix("cpu ")?;
    let ticks: Vec<u64> = line
        .split_ascii_whitespace()
        .take(8)
        .map_while(|word| word.parse().ok())
        .collect();
    let all = ticks.iter().sum();
    let idle = ticks.get(3)? + ticks.get(4)?;
    let busy = all - idle;
    Some(MachineTime { busy, all })
}

/// Fields 14 and 15, counted after the name, which is in parentheses and may hold anything.
fn process_time(text: &str) -> Option<Duration> {
    let (_, rest) = text.rsplit_once(')')?;
    let mut fields = rest.split_ascii_whitespace().skip(11);
    let user: u32 = fields.next()?.parse().ok()?;
    let system: u32 = fields.next()?.parse().ok()?;
    Some(Duration::from_secs_f64(
        (f64::from(user) + f64::from(system)) / TICKS_PER_SECOND,
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn busy_is_all_but_idle_and_waiting() {
        let text = "cpu  10 1 20 100 9 2 3 5 99 99\ncpu0 1 1 1 1 1 1 1 1\n";
        let time = machine_time(text).unwrap();
        assert_eq!((time.busy, time.all), (41, 150));
        assert_eq!(machine_time("cpu  1 2"), None);
        assert_eq!(machine_time(""), None);
    }

    #[test]
    fn a_process_may_be_called_anything() {
        let text = "7 (a) b) c) S 1 2 3 4 5 6 7 8 9 10 150 50 0 0";
        assert_eq!(process_time(text), Some(Duration::from_secs(2)));
        assert_eq!(process_time("7 (x) S 1 2"), None);
    }

    #[test]
    fn work_that_was_done_is_counted() {
        let before = Baseline::take();
        if before.process.is_none() {
            return;
        }
        let mut sum = 0_u64;
        let after = loop {
            sum = (0..1_000_000).fold(sum, |sum, n| sum ^ (sum << 1) ^ n);
            let after = before.since(&[]);
            if after.process_s >= 0.05 {
                break after;
            }
        };
        assert!(
            sum != 1 && after.elapsed_s > 0.0 && after.cores > 0,
            "{after:?}"
        );
        assert!((0.0..=1.0).contains(&after.machine_busy), "{after:?}");
    }
}
