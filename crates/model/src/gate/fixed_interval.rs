//! `fixed-interval`: polls at one period.

use super::backoff::{Backoff, Jitter};
use super::gaps::Gaps;
use super::keys::{Key, Keys, Value};
use super::policy::{Look, Seen, Step};
use super::{Form, Polling};
use crate::time::{Duration, Fixed, Timestamp};

/// Polls at a fixed interval.
#[derive(Clone, PartialEq, Debug)]
pub struct FixedInterval {
    /// The period.
    pub interval: Duration,
    /// Its randomisation.
    pub jitter: Jitter,
    /// First check, end, and what it looks for.
    pub polling: Polling,
}

impl Default for FixedInterval {
    fn default() -> Self {
        Self {
            interval: Duration::from_secs(1),
            jitter: Jitter::None,
            polling: Polling::default(),
        }
    }
}

impl Form for FixedInterval {
    const NAME: &'static str = "fixed-interval";
    const ABOUT: &'static str = "polls at a fixed interval";

    fn keys(&mut self, keys: &mut dyn Keys) {
        let key = Key::new("interval", "gap between reads");
        keys.key(key, Value::Interval(&mut self.interval));
        keys.key(Jitter::KEY, Value::Word(&mut self.jitter));
        self.polling.keys(keys);
    }

    fn polling(&self) -> Option<&Polling> {
        Some(&self.polling)
    }

    fn gaps(&self) -> Option<Gaps> {
        Some(Gaps::of(&Backoff {
            base: self.interval,
            multiplier: Fixed::ONE,
            cap: self.interval,
            jitter: self.jitter,
        }))
    }

    #[inline]
    fn on(&self, now: Timestamp, seen: Seen, look: &mut Look<'_>) -> Step {
        self.polling.on(now, seen, look)
    }
}
