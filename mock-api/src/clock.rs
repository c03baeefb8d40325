//! The run's clock: tokio's, counted from the run's start, so that a test can pause it. A dialled
//! clock can also be told to run faster, to stand still, or to jump ahead.

mod dial;
mod pace;

pub use dial::{Backwards, Dial};
pub use pace::{Pace, PaceError};

use racegate_model::time::{Duration, Timestamp};
use tokio::time::Instant;

/// tokio's timers reach about two years ahead.
const REACH: Duration = Duration::from_secs(365 * 86_400);

/// When the run began.
#[derive(Clone, Copy, Debug)]
pub struct RunClock {
    origin: Instant,
    dial: Option<&'static Dial>,
}

impl RunClock {
    /// A clock that reads zero now.
    #[must_use]
    pub fn start() -> Self {
        Self::starting_at(Instant::now())
    }

    /// A clock that reads zero at `origin`, which may lie ahead.
    #[must_use]
    pub const fn starting_at(origin: Instant) -> Self {
        Self { origin, dial: None }
    }

    /// A clock that reads `reads` now and goes at `pace`, until its dial says otherwise. The dial
    /// lives as long as the process, so that clocks stay as cheap to copy as instants; a served
    /// mock makes one.
    #[must_use]
    pub fn dialled(reads: Timestamp, pace: Pace) -> Self {
        let dial: &'static Dial = Box::leak(Box::new(Dial::new(reads, pace)));
        Self {
            origin: Instant::now(),
            dial: Some(dial),
        }
    }

    /// What sets the clock; none for one that only runs.
    #[must_use]
    pub const fn dial(&self) -> Option<&'static Dial> {
        self.dial
    }

    /// Time since the run's start; zero before it.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        match self.dial {
            Some(dial) => dial.now(),
            None => {
                let elapsed = Instant::now().saturating_duration_since(self.origin);
                Timestamp::from_nanos(nanos(elapsed))
            }
        }
    }

    /// The instant of `at` on tokio's clock, as far as is known now; far ahead for instants that
    /// never come.
    #[must_use]
    pub fn instant(&self, at: Timestamp) -> Instant {
        match self.dial {
            Some(dial) => dial.instant(at),
            None => {
                let ahead = at.as_nanos().min(REACH.as_nanos());
                self.origin + std::time::Duration::from_nanos(ahead)
            }
        }
    }

    /// Waits until `at`.
    pub async fn sleep_until(&self, at: Timestamp) {
        match self.dial {
            Some(dial) => dial.sleep_until(at).await,
            None => tokio::time::sleep_until(self.instant(at)).await,
        }
    }
}

fn nanos(elapsed: std::time::Duration) -> u64 {
    u64::try_from(elapsed.as_nanos()).unwrap_or(u64::MAX)
}
