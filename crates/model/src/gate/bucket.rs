//! The token bucket that a gate's recordings share: it holds one token, so that calls are evenly
//! spaced, and what the API refuses to one is not asked for another.

use crate::time::{Duration, Rate, Timestamp};

/// A client's own limit of its calls.
#[derive(Clone, Debug)]
pub(super) struct Bucket {
    /// Time in which a token comes back.
    interval: Duration,
    /// When there is a token again.
    next_at: Timestamp,
}

impl Bucket {
    /// A bucket that is full, and lets `rate` calls through.
    pub(super) fn new(rate: Rate) -> Self {
        Self {
            interval: Duration::from_secs_f64(1.0 / rate.as_per_second_f64()),
            next_at: Timestamp::ZERO,
        }
    }

    /// When the next call may be made.
    pub(super) const fn next_at(&self) -> Timestamp {
        self.next_at
    }

    /// Takes a token at `now`, if there is one.
    pub(super) fn take(&mut self, now: Timestamp) -> Option<Token> {
        if now < self.next_at {
            return None;
        }
        self.next_at = now + self.interval;
        Some(Token)
    }

    /// Lets no call through until `at`.
    pub(super) fn pause(&mut self, at: Timestamp) {
        self.next_at = self.next_at.max(at);
    }
}

/// The right to make a call.
#[derive(Debug)]
pub(super) struct Token;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_are_spaced_by_the_rate_and_a_pause_holds_them_back() {
        let mut bucket = Bucket::new(Rate::per_second(4));
        let at = |millis| Timestamp::ZERO + Duration::from_millis(millis);
        let taken = |bucket: &mut Bucket, millis| bucket.take(at(millis)).is_some();
        assert!(taken(&mut bucket, 100));
        assert!(!taken(&mut bucket, 349));
        assert!(taken(&mut bucket, 350));
        bucket.pause(at(2_000));
        bucket.pause(at(1_000));
        assert_eq!(bucket.next_at(), at(2_000));
        assert!(!taken(&mut bucket, 1_999));
        // Time that was not used gives no more than one token.
        assert!(taken(&mut bucket, 9_000));
        assert!(!taken(&mut bucket, 9_001));
    }
}
