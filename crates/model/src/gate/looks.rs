//! How often a gate may look at one recording, reckoned without looking.

use super::gaps::{Gaps, Memory};
use super::{Polling, Strategy};
use crate::time::Duration;

impl Strategy {
    /// Looks at a recording that is never ready, without jitter: until the gate gives up, or until
    /// `horizon` where it never does. None for a gate that does not poll.
    #[must_use]
    pub fn looks_within(&self, horizon: Duration) -> Option<f64> {
        if let Some((gap, deadline)) = self.steady() {
            let time = deadline.unwrap_or(horizon);
            return Some(1.0 + time.as_secs_f64() / gap.as_secs_f64());
        }
        let (polling, gaps) = (self.polling()?, self.gaps()?);
        let looks = gaps.looks(polling, polling.deadline.unwrap_or(horizon));
        let most = polling.max_attempts.map_or(f64::INFINITY, f64::from);
        Some(looks.min(most))
    }
}

impl Gaps {
    /// Looks until `deadline`, the last one at it.
    fn looks(&self, polling: &Polling, deadline: Duration) -> f64 {
        let first = self.first().unwrap_or(polling.initial_delay);
        let mut left = deadline.as_secs_f64() - first.as_secs_f64();
        if left <= 0.0 {
            return 1.0;
        }
        match self.memory {
            Memory::None => {}
            Memory::Decorrelated { base, cap } => return 1.0 + doubling(base, cap, 1.5, left),
            Memory::Polly { base, cap } => return 1.0 + doubling(base, cap, 2.0, left),
        }
        let mut looks = 1.0;
        let (mut last, mut before) = (0.0, 0.0);
        for gap in self.kept() {
            (before, last) = (last, gap.mean_s());
            left -= last;
            looks += 1.0;
            if left <= 0.0 {
                return looks;
            }
        }
        let growth = last / before;
        if self.grows() && growth > 1.0 {
            return looks + libm::log1p(left * (growth - 1.0) / last) / libm::log(growth);
        }
        looks + left / last
    }
}

/// Gaps from `base` on that grow by `growth` on average, up to about half of `cap`, within `time`.
fn doubling(base: Duration, cap: Duration, growth: f64, time: f64) -> f64 {
    let (base, cap) = (base.as_secs_f64(), cap.as_secs_f64());
    let rising = libm::log((cap / base).max(1.0)) / libm::log(growth);
    rising + time / (f64::midpoint(base.min(cap), cap))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gate::{Backoff, ExponentialBackoff, FixedInterval, Jitter, Watermark};
    use crate::time::Fixed;

    const HOUR: Duration = Duration::from_secs(3600);

    fn exponential(base: Duration, multiplier: f64, jitter: Jitter) -> f64 {
        let strategy = Strategy::ExponentialBackoff(ExponentialBackoff {
            backoff: Backoff {
                base,
                multiplier: Fixed::new(multiplier).expect("a factor"),
                cap: Duration::from_secs(30),
                jitter,
            },
            ..ExponentialBackoff::default()
        });
        strategy.looks_within(HOUR).expect("it polls")
    }

    #[test]
    fn looks_are_those_of_the_schedule() {
        // 0, 1, 3, 7, 15, 31, 61, …, 271 and the deadline at 300 s.
        let doubling = exponential(Duration::from_secs(1), 2.0, Jitter::None);
        assert!((14.0..=16.0).contains(&doubling), "{doubling}");
        let absurd = exponential(Duration::from_nanos(1), 1.0, Jitter::None);
        assert!((absurd / 2.99e11 - 1.0).abs() < 1e-3, "{absurd}");
        let jittered = exponential(Duration::from_nanos(100), 1.0, Jitter::Full);
        assert!((jittered / 5.98e9 - 1.0).abs() < 1e-3, "{jittered}");
        // Short at first, and soon long.
        for jitter in [Jitter::None, Jitter::Decorrelated, Jitter::Polly] {
            let quick = exponential(Duration::from_nanos(100), 1.3, jitter);
            assert!(quick < 200.0, "{jitter:?}: {quick}");
        }
    }

    #[test]
    fn a_gate_that_looks_for_all_at_once_looks_at_its_interval() {
        let watermark = Strategy::Watermark(Watermark {
            interval: Duration::from_nanos(3),
            deadline: None,
        });
        let looks = watermark.looks_within(HOUR).expect("it polls");
        assert!((looks / 1.2e12 - 1.0).abs() < 1e-3, "{looks}");
        assert_eq!(Strategy::NONE.looks_within(HOUR), None);
        let every = Strategy::FixedInterval(FixedInterval::default());
        assert!(every.looks_within(HOUR).is_some_and(|looks| looks < 1e6));
    }
}
