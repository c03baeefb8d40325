//! Signals while a run goes on: what ends it early, and for how long it was stopped meanwhile.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::watch;

use crate::live::Stop;
use crate::output::note;

/// What signals have said so far. They are heard on a thread of their own, so that an engine that
/// computes without a pause hears them too.
#[derive(Clone, Debug)]
pub(crate) struct Signals {
    stop: watch::Receiver<Stop>,
    heard: Arc<Heard>,
}

/// What the engines look at.
#[derive(Debug, Default)]
struct Heard {
    /// Whether the run is to end.
    ending: AtomicBool,
    /// How long the process stood still in all, in microseconds.
    stopped: AtomicU64,
}

impl Signals {
    /// Listens from now on, until the process ends.
    pub(crate) fn listen() -> io::Result<Self> {
        let (sender, stop) = watch::channel(Stop::No);
        let heard = Arc::new(Heard::default());
        let signals = Self {
            stop,
            heard: Arc::clone(&heard),
        };
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        std::thread::Builder::new()
            .name("signals".to_owned())
            .spawn(move || {
                if let Err(error) = runtime.block_on(system::hear(&sender, &heard)) {
                    note(&format!("warning: signals are not heard ({error})"));
                }
                // The receivers see no change for as long as the sender is there.
                std::mem::forget(sender);
            })?;
        Ok(signals)
    }

    /// How far the run is to be stopped, for who waits for it.
    pub(crate) fn stop(&self) -> watch::Receiver<Stop> {
        self.stop.clone()
    }

    /// Whether the run is to end.
    pub(crate) fn is_ending(&self) -> bool {
        self.heard.ending.load(Ordering::Relaxed)
    }

    /// How long the process was stopped in all.
    pub(crate) fn stopped(&self) -> Duration {
        Duration::from_micros(self.heard.stopped.load(Ordering::Relaxed))
    }
}

impl Heard {
    /// Passes on that the run is to end; the third time it ends here.
    fn end(&self, stop: &watch::Sender<Stop>) {
        let (level, text) = match *stop.borrow() {
            Stop::No => (
                Stop::Arrivals,
                "interrupted: no more calls; finishing what is under way (again: stop now)",
            ),
            Stop::Arrivals => (
                Stop::Now,
                "interrupted: stopping now (again: without a report)",
            ),
            Stop::Now => {
                note("interrupted: gone; `racegate report` makes the report of what is on disk");
                std::process::exit(INTERRUPTED);
            }
        };
        note(text);
        self.ending.store(true, Ordering::Relaxed);
        stop.send_replace(level);
    }
}

/// Exit code of a run that was cut short.
const INTERRUPTED: i32 = 105;

#[cfg(unix)]
mod system {
    use std::io;
    use std::sync::atomic::Ordering;
    use std::time::{Duration, Instant};

    use tokio::signal::unix::{Signal, SignalKind, signal};
    use tokio::sync::watch;
    use tokio::time::MissedTickBehavior;

    use super::Heard;
    use crate::live::Stop;

    /// How often the clock is looked at, to know how long a stop was.
    const TICK: Duration = Duration::from_millis(50);

    /// Hears signals for ever.
    pub(super) async fn hear(stop: &watch::Sender<Stop>, heard: &Heard) -> io::Result<()> {
        let mut interrupt = signal(SignalKind::interrupt())?;
        let mut terminate = signal(SignalKind::terminate())?;
        let mut hangup = hangup()?;
        let mut continued = signal(SignalKind::from_raw(libc::SIGCONT))?;
        // Unheard, a limit of file sizes would kill the process; heard, the write fails.
        let _too_large = signal(SignalKind::from_raw(libc::SIGXFSZ))?;
        let mut ticks = tokio::time::interval(TICK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut pause = Pause::new(Instant::now());
        loop {
            tokio::select! {
                biased;
                Some(()) = continued.recv() => {
                    let stood = pause.continued(Instant::now());
                    let micros = u64::try_from(stood.as_micros()).unwrap_or(u64::MAX);
                    heard.stopped.fetch_add(micros, Ordering::Relaxed);
                }
                _ = ticks.tick() => pause.tick(Instant::now()),
                Some(()) = interrupt.recv() => heard.end(stop),
                Some(()) = terminate.recv() => heard.end(stop),
                Some(()) = next(&mut hangup) => heard.end(stop),
            }
        }
    }

    /// A hang-up of the terminal, unless the process was told to survive it (`nohup`).
    fn hangup() -> io::Result<Option<Signal>> {
        let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
        let ignored = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
        let ignored = ignored.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
        if ignored.is_some_and(|mask| mask & 1 != 0) {
            return Ok(None);
        }
        signal(SignalKind::hangup()).map(Some)
    }

    async fn next(signal: &mut Option<Signal>) -> Option<()> {
        match signal {
            Some(signal) => signal.recv().await,
            None => std::future::pending().await,
        }
    }

    /// How long the clock ran on between two looks at it.
    struct Pause {
        looked: Instant,
        /// The last gap that was longer than ticks are apart, and when it ended.
        gap: (Duration, Instant),
    }

    impl Pause {
        const fn new(now: Instant) -> Self {
            Self {
                looked: now,
                gap: (Duration::ZERO, now),
            }
        }

        fn tick(&mut self, now: Instant) {
            let gap = now - self.looked;
            if gap > 2 * TICK {
                self.gap = (gap - TICK, now);
            }
            self.looked = now;
        }

        /// The process goes on after a stop: whichever is heard first, the tick or the signal, the
        /// gap is counted once.
        fn continued(&mut self, now: Instant) -> Duration {
            self.tick(now);
            let (gap, ended) = self.gap;
            self.gap = (Duration::ZERO, now);
            if now - ended <= 2 * TICK {
                gap
            } else {
                Duration::ZERO
            }
        }
    }

    #[cfg(test)]
    mod tests {
        use super::*;

        #[test]
        fn a_stop_is_counted_once_whichever_of_tick_and_signal_is_heard_first() {
            let began = Instant::now();
            let at = |millis| began + Duration::from_millis(millis);
            let mut pause = Pause::new(began);
            pause.tick(at(50));
            assert_eq!(pause.continued(at(3_100)), Duration::from_millis(3_000));
            pause.tick(at(3_150));
            pause.tick(at(5_200));
            assert_eq!(pause.continued(at(5_201)), Duration::from_millis(2_000));
            assert_eq!(pause.continued(at(5_202)), Duration::ZERO, "a second one");
            pause.tick(at(5_250));
            pause.tick(at(6_000));
            pause.tick(at(6_120));
            pause.tick(at(6_170));
            pause.tick(at(6_220));
            let late = pause.continued(at(6_300));
            assert_eq!(late, Duration::ZERO, "an old gap is the machine's");
        }
    }
}

#[cfg(not(unix))]
mod system {
    use std::io;

    use tokio::sync::watch;

    use super::Heard;
    use crate::live::Stop;

    /// Hears Ctrl-C for ever.
    pub(super) async fn hear(stop: &watch::Sender<Stop>, heard: &Heard) -> io::Result<()> {
        loop {
            tokio::signal::ctrl_c().await?;
            heard.end(stop);
        }
    }
}
