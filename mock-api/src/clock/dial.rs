//! What sets a clock while it runs.

use arc_swap::ArcSwap;
use parking_lot::Mutex;
use racegate_model::time::{Duration, Timestamp};
use std::sync::Arc;
use tokio::sync::Notify;
use tokio::time::Instant;

use super::{Pace, REACH, nanos};

/// A clock's setting, read without a lock.
#[derive(Debug)]
pub struct Dial {
    setting: ArcSwap<Setting>,
    /// Held by whoever turns the dial, so that no turn is lost.
    turning: Mutex<()>,
    turned: Notify,
}

/// The clock read `reads` at `at`, and goes at `pace` since.
#[derive(Clone, Copy, Debug)]
struct Setting {
    at: Instant,
    reads: Timestamp,
    pace: Pace,
}

/// Clocks go forward: what has been visible cannot become invisible.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("the clock reads {reads} already and only goes forward; {wanted} is in its past")]
pub struct Backwards {
    /// What it reads.
    pub reads: Duration,
    /// What was asked for.
    pub wanted: Duration,
}

impl Setting {
    fn reads_at(&self, instant: Instant) -> Timestamp {
        let elapsed = nanos(instant.saturating_duration_since(self.at));
        self.reads + Duration::from_nanos(self.pace.passed(elapsed))
    }
}

impl Dial {
    pub(super) fn new(reads: Timestamp, pace: Pace) -> Self {
        let at = Instant::now();
        Self {
            setting: ArcSwap::from_pointee(Setting { at, reads, pace }),
            turning: Mutex::new(()),
            turned: Notify::new(),
        }
    }

    pub(super) fn now(&self) -> Timestamp {
        self.setting.load().reads_at(Instant::now())
    }

    pub(super) fn instant(&self, at: Timestamp) -> Instant {
        let setting = self.setting.load();
        let reach = REACH.as_nanos();
        let ahead = at.since(setting.reads).as_nanos();
        let takes = setting.pace.takes(ahead).unwrap_or(reach).min(reach);
        setting.at + std::time::Duration::from_nanos(takes)
    }

    pub(super) async fn sleep_until(&self, at: Timestamp) {
        loop {
            let turned = self.turned.notified();
            tokio::pin!(turned);
            turned.as_mut().enable();
            if self.now() >= at {
                return;
            }
            tokio::select! {
                () = tokio::time::sleep_until(self.instant(at)) => {}
                () = turned => {}
            }
        }
    }

    /// How fast it goes.
    #[must_use]
    pub fn pace(&self) -> Pace {
        self.setting.load().pace
    }

    /// Goes at `pace` from now on.
    pub fn set_pace(&self, pace: Pace) {
        let turning = self.turning.lock();
        let at = Instant::now();
        let reads = self.setting.load().reads_at(at);
        self.turn(Setting { at, reads, pace });
        drop(turning);
    }

    /// Jumps ahead to `reads`, and goes on from there as before.
    ///
    /// # Errors
    /// [`Backwards`].
    pub fn set(&self, reads: Timestamp) -> Result<(), Backwards> {
        let turning = self.turning.lock();
        let at = Instant::now();
        let setting = **self.setting.load();
        let now = setting.reads_at(at);
        if reads < now {
            return Err(Backwards {
                reads: now.since(Timestamp::ZERO),
                wanted: reads.since(Timestamp::ZERO),
            });
        }
        self.turn(Setting {
            at,
            reads,
            pace: setting.pace,
        });
        drop(turning);
        Ok(())
    }

    fn turn(&self, setting: Setting) {
        self.setting.store(Arc::new(setting));
        self.turned.notify_waiters();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::RunClock;

    fn at(millis: u64) -> Timestamp {
        Timestamp::ZERO + Duration::from_millis(millis)
    }

    #[tokio::test(start_paused = true)]
    async fn a_clock_goes_at_its_pace() {
        let clock = RunClock::dialled(at(500), "x10".parse().unwrap());
        tokio::time::advance(std::time::Duration::from_millis(100)).await;
        assert_eq!(clock.now(), at(1_500));
        clock.dial().unwrap().set_pace(Pace::MANUAL);
        tokio::time::advance(std::time::Duration::from_secs(100)).await;
        assert_eq!(clock.now(), at(1_500));
    }

    #[tokio::test(start_paused = true)]
    async fn a_sleeper_on_a_manual_clock_wakes_when_it_is_set() {
        let clock = RunClock::dialled(at(0), Pace::MANUAL);
        let sleeper = tokio::spawn(async move {
            clock.sleep_until(at(1_000)).await;
            clock.now()
        });
        tokio::task::yield_now().await;
        clock.dial().unwrap().set(at(999)).unwrap();
        tokio::task::yield_now().await;
        assert!(!sleeper.is_finished());
        clock.dial().unwrap().set(at(1_000)).unwrap();
        assert_eq!(sleeper.await.unwrap(), at(1_000));
    }

    #[tokio::test(start_paused = true)]
    async fn a_clock_only_goes_forward() {
        let clock = RunClock::dialled(at(2_000), Pace::MANUAL);
        let error = clock.dial().unwrap().set(at(1_000)).unwrap_err();
        assert_eq!(
            error.to_string(),
            "the clock reads 2s already and only goes forward; 1s is in its past"
        );
    }
}
