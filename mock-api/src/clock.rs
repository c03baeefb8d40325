//! The run's clock: tokio's, counted from the run's start, so that a test can pause it.

use racegate_model::time::{Duration, Timestamp};
use tokio::time::Instant;

/// When the run began.
#[derive(Clone, Copy, Debug)]
pub struct RunClock {
    origin: Instant,
}

impl RunClock {
    /// A clock that reads zero now.
    #[must_use]
    pub fn start() -> Self {
        Self {
            origin: Instant::now(),
        }
    }

    /// A clock that reads zero at `origin`, which may lie ahead.
    #[must_use]
    pub const fn starting_at(origin: Instant) -> Self {
        Self { origin }
    }

    /// Time since the run's start; zero before it.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        let elapsed = Instant::now().saturating_duration_since(self.origin);
        Timestamp::from_nanos(u64::try_from(elapsed.as_nanos()).unwrap_or(u64::MAX))
    }

    /// The instant of `at` on tokio's clock; far ahead for instants that never come.
    #[must_use]
    pub fn instant(&self, at: Timestamp) -> Instant {
        // tokio's timers reach about two years ahead.
        let ahead = at
            .as_nanos()
            .min(Duration::from_secs(365 * 86_400).as_nanos());
        self.origin + std::time::Duration::from_nanos(ahead)
    }

    /// Waits until `at`.
    pub async fn sleep_until(&self, at: Timestamp) {
        tokio::time::sleep_until(self.instant(at)).await;
    }
}
