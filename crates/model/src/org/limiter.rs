//! The rate limit of one token.

use crate::scenario::RateLimit;
use crate::time::{Duration, Timestamp};

/// A fixed-window rate limit of one token.
#[derive(Clone, Debug)]
pub struct RateLimiter {
    limit: Option<RateLimit>,
    window: u64,
    used: u64,
}

/// How much of the limit is used, as the `inin-ratelimit-*` headers say.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct RateUsage {
    /// Calls in this window.
    pub used: u64,
    /// Calls allowed in a window.
    pub allowed: u64,
    /// Time to the window's end.
    pub reset: Duration,
}

/// A call was refused: 429.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Throttled {
    /// When to try again.
    pub retry_after: Duration,
}

impl RateLimiter {
    /// A limiter whose windows are counted from the run's start.
    #[must_use]
    pub const fn new(limit: Option<RateLimit>) -> Self {
        Self {
            limit,
            window: 0,
            used: 0,
        }
    }

    /// Admits or refuses a call at `now`.
    ///
    /// # Errors
    /// [`Throttled`] when the window's calls are used up; the refused call is not counted.
    #[inline]
    pub fn admit(&mut self, now: Timestamp) -> Result<(), Throttled> {
        let Some(limit) = self.limit else {
            return Ok(());
        };
        self.roll(now, limit);
        if self.used >= limit.calls {
            return Err(Throttled {
                retry_after: self.reset(now, limit),
            });
        }
        self.used += 1;
        Ok(())
    }

    /// The usage at `now`; `None` when there is no limit.
    pub fn usage(&mut self, now: Timestamp) -> Option<RateUsage> {
        let limit = self.limit?;
        self.roll(now, limit);
        Some(RateUsage {
            used: self.used,
            allowed: limit.calls,
            reset: self.reset(now, limit),
        })
    }

    #[inline]
    const fn roll(&mut self, now: Timestamp, limit: RateLimit) {
        // Most calls come in the window of the one before: no need to divide.
        let since = now
            .as_nanos()
            .wrapping_sub(self.window * limit.window.as_nanos());
        if since < limit.window.as_nanos() {
            return;
        }
        let window = now.as_nanos() / limit.window.as_nanos();
        if window != self.window {
            self.window = window;
            self.used = 0;
        }
    }

    const fn reset(&self, now: Timestamp, limit: RateLimit) -> Duration {
        let end = (self.window + 1) * limit.window.as_nanos();
        Duration::from_nanos(end.saturating_sub(now.as_nanos()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fixed_window_refuses_until_it_rolls_over() {
        let limit = RateLimit {
            calls: 2,
            window: Duration::from_secs(60),
        };
        let mut limiter = RateLimiter::new(Some(limit));
        let at = |secs| Timestamp::ZERO + Duration::from_secs(secs);
        assert_eq!(limiter.admit(at(1)), Ok(()));
        assert_eq!(limiter.admit(at(2)), Ok(()));
        let refused = limiter.admit(at(18));
        assert_eq!(
            refused,
            Err(Throttled {
                retry_after: Duration::from_secs(42)
            })
        );
        assert_eq!(limiter.admit(at(60)), Ok(()));
    }
}
