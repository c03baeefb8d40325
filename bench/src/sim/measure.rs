//! What is counted while a scenario is simulated, and the processor time that it took.

use std::time::{Duration, Instant};

use racegate_model::history::{EndReason, JobRecord, Settled};
use racegate_model::ids::ArmIndex;
use racegate_model::outcome::OutcomeKind;
use racegate_model::recorder::Sink;
use racegate_model::scenario::Scenario;
use racegate_model::sim::{self, Path};
use racegate_model::time::Timestamp;
use racegate_model::timeline::{Decided, Timeline};

/// How long some recordings took.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Rate {
    pub(super) recordings: u64,
    pub(super) cpu: Duration,
    /// Mean from the session's end to the export, in seconds.
    pub(super) mean_delay: f64,
    /// How much longer than the best round the longest took, as a share.
    pub(super) spread: f64,
}

impl Rate {
    /// Simulates `scenario` with a histogram of delays and nothing else.
    pub(super) fn of(path: Path, scenario: &Scenario) -> Self {
        let mut counter = Counter::default();
        let mut rate = Self::with(scenario, |scenario| {
            sim::run_on(path, scenario, &mut counter);
        });
        rate.recordings = counter.ended;
        rate.mean_delay = counter.mean_delay();
        rate
    }

    /// The time that `simulate` takes for the recordings that `scenario` plans.
    pub(super) fn with(scenario: &Scenario, simulate: impl FnOnce(&Scenario)) -> Self {
        let before = ThreadTime::now();
        simulate(scenario);
        let cpu = before.elapsed();
        let calls = racegate_model::workload::Calls::new(&scenario.workload, scenario.seed);
        Self {
            recordings: calls.count() as u64,
            cpu,
            ..Self::default()
        }
    }

    /// The same on all threads of the process.
    pub(super) fn of_process(scenario: &Scenario, simulate: impl FnOnce(&Scenario)) -> Self {
        let before = process_time();
        let rate = Self::with(scenario, simulate);
        let cpu = process_time().zip(before);
        Self {
            cpu: cpu.map_or(rate.cpu, |(after, before)| after.saturating_sub(before)),
            ..rate
        }
    }

    pub(super) fn per_second(&self) -> f64 {
        self.recordings as f64 / self.cpu.as_secs_f64()
    }

    pub(super) fn nanos(&self) -> f64 {
        1e9 / self.per_second()
    }

    /// Both together, by the sum of their processor times.
    pub(super) fn together_with(self, other: Self) -> Self {
        Self {
            recordings: self.recordings + other.recordings,
            cpu: self.cpu + other.cpu,
            ..self
        }
    }
}

/// The best of `rounds`.
pub(super) fn best_of(rounds: u32, mut measure: impl FnMut() -> Rate) -> Rate {
    let rates: Vec<Rate> = (0..rounds.max(1)).map(|_| measure()).collect();
    let best = rates.iter().min_by_key(|rate| rate.cpu).copied();
    let worst = rates.iter().map(|rate| rate.cpu).max();
    let mut best = best.unwrap_or_default();
    best.spread = worst.unwrap_or_default().as_secs_f64() / best.cpu.as_secs_f64() - 1.0;
    best
}

/// Counts what is settled, and its delays in a histogram of 128 steps per power of two.
#[derive(Debug)]
pub(super) struct Counter {
    ended: u64,
    exported: u64,
    nanos: u128,
    buckets: Vec<u64>,
    failing: u64,
}

/// Steps of the histogram in a power of two, as bits.
const STEP_BITS: u32 = 7;

impl Default for Counter {
    fn default() -> Self {
        Self {
            ended: 0,
            exported: 0,
            nanos: 0,
            buckets: vec![0; 64 << STEP_BITS],
            failing: 0,
        }
    }
}

impl Counter {
    fn mean_delay(&self) -> f64 {
        self.nanos as f64 / self.exported.max(1) as f64 / 1e9
    }
}

impl Sink for Counter {
    fn decided(&mut self, _: ArmIndex, _: &impl Decided) {}

    #[inline]
    fn concluded(&mut self, settled: &Settled, recording: &impl Decided) {
        let ended_at = recording.ended_at();
        self.failing += u64::from(settled.outcome != OutcomeKind::Complete);
        let Some(at) = settled.snapshot_at else {
            return;
        };
        let nanos = at.since(ended_at).as_nanos();
        self.exported += 1;
        self.nanos += u128::from(nanos);
        let power = 63 - (nanos | 1 << STEP_BITS).leading_zeros();
        let step = nanos >> (power - STEP_BITS) & ((1 << STEP_BITS) - 1);
        self.buckets[(power << STEP_BITS) as usize | step as usize] += 1;
    }

    fn timeline(&mut self, _: ArmIndex, _: &Timeline) {}

    fn settled(&mut self, settled: &Settled, timeline: &Timeline) {
        self.concluded(settled, timeline);
    }

    fn job(&mut self, _: &JobRecord) {}

    fn end(&mut self, _: Timestamp, _: EndReason, ended: &[u64]) {
        self.ended = ended.iter().sum();
    }
}

/// Looks at everything and keeps nothing.
#[derive(Debug, Default)]
pub(super) struct Everything {
    seen: u64,
}

impl Sink for Everything {
    fn timeline(&mut self, _: ArmIndex, timeline: &Timeline) {
        self.seen ^= timeline.written_at.as_nanos();
    }

    fn settled(&mut self, settled: &Settled, timeline: &Timeline) {
        self.seen ^= settled.settled_at.as_nanos() ^ timeline.state_at.as_nanos();
    }

    fn job(&mut self, job: &JobRecord) {
        self.seen ^= job.done_at.as_nanos();
    }

    fn end(&mut self, _: Timestamp, _: EndReason, _: &[u64]) {
        std::hint::black_box(self.seen);
    }
}

/// Processor time of this thread; wall time where the system does not tell.
#[derive(Clone, Copy, Debug)]
enum ThreadTime {
    Processor(Duration),
    Wall(Instant),
}

impl ThreadTime {
    fn now() -> Self {
        processor_time().map_or_else(|| Self::Wall(Instant::now()), Self::Processor)
    }

    fn elapsed(self) -> Duration {
        match self {
            Self::Processor(before) => processor_time().unwrap_or(before) - before,
            Self::Wall(before) => before.elapsed(),
        }
    }
}

/// Linux: nanoseconds on a processor are the first number of the thread's `schedstat`.
fn processor_time() -> Option<Duration> {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").ok()?;
    let nanos = text.split_whitespace().next()?.parse().ok()?;
    Some(Duration::from_nanos(nanos))
}

/// Linux: processor time of all threads, in clock ticks of a hundredth of a second, are the
/// twelfth and thirteenth number behind the name in `stat`.
fn process_time() -> Option<Duration> {
    let text = std::fs::read_to_string("/proc/self/stat").ok()?;
    let (_, numbers) = text.rsplit_once(')')?;
    let ticks = numbers.split_whitespace().skip(11).take(2);
    let ticks: Option<u64> = ticks.map(|ticks| ticks.parse::<u64>().ok()).sum();
    Some(Duration::from_millis(ticks? * 10))
}

/// The most memory that the process has held, in megabytes.
pub(super) fn peak_rss_mb() -> Option<f64> {
    let text = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = text.lines().find(|line| line.starts_with("VmHWM:"))?;
    let kilobytes: f64 = line.split_whitespace().nth(1)?.parse().ok()?;
    Some(kilobytes / 1024.0)
}
