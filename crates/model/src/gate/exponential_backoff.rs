//! `exponential-backoff`: truncated exponential back-off with jitter.

use super::backoff::Backoff;
use super::gaps::Gaps;
use super::keys::Keys;
use super::policy::{Look, Seen, Step};
use super::{Form, Polling};
use crate::time::{Duration, Timestamp};

/// Polls with truncated exponential back-off.
#[derive(Clone, PartialEq, Debug)]
pub struct ExponentialBackoff {
    /// Gaps between checks.
    pub backoff: Backoff,
    /// First check, end, and what it looks for.
    pub polling: Polling,
}

impl Default for ExponentialBackoff {
    fn default() -> Self {
        Self {
            backoff: Backoff::default(),
            polling: Polling::after(Duration::from_secs(1)),
        }
    }
}

impl Form for ExponentialBackoff {
    const NAME: &'static str = "exponential-backoff";
    const ABOUT: &'static str = "polls at gaps of `base` × `multiplier`^k, at most `cap`";

    fn keys(&mut self, keys: &mut dyn Keys) {
        self.backoff.keys(keys);
        self.polling.keys(keys);
    }

    fn polling(&self) -> Option<&Polling> {
        Some(&self.polling)
    }

    fn gaps(&self) -> Option<Gaps> {
        Some(Gaps::of(&self.backoff))
    }

    #[inline]
    fn on(&self, now: Timestamp, seen: Seen, look: &mut Look<'_>) -> Step {
        self.polling.on(now, seen, look)
    }
}
