//! The gaps of a back-off, worked out once.

use super::backoff::{Backoff, Jitter};
use crate::time::{Duration, Fixed};

/// Gaps kept; a back-off that still grows after so many goes on from the last one.
const KEPT: usize = 64;

/// The gaps between attempts: `min(cap, base × multiplier^k)`, jittered.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Gaps {
    backoff: Backoff,
    /// Before jitter; the last one repeats, unless the back-off still grows.
    kept: Box<[Duration]>,
}

/// A gap before jitter.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Gap {
    least: Duration,
    /// Jitter adds a uniform part of this.
    spread: Duration,
}

impl Gap {
    /// The gap with the jitter of the uniform 64-bit number that `draw` gives.
    #[inline]
    pub(crate) fn jittered(self, draw: impl FnOnce() -> u64) -> Duration {
        if self.spread == Duration::ZERO {
            return self.least;
        }
        let scaled = (u128::from(self.spread.as_nanos()) * u128::from(draw())) >> 64;
        self.least
            .saturating_add(Duration::from_nanos(scaled as u64))
    }
}

impl Gaps {
    /// The gaps of `backoff`.
    pub(crate) fn of(backoff: &Backoff) -> Self {
        let mut kept = vec![backoff.base.min(backoff.cap)];
        while kept.len() < KEPT {
            let next = grown(backoff, kept[kept.len() - 1]);
            if kept.last() == Some(&next) {
                break;
            }
            kept.push(next);
        }
        Self {
            backoff: *backoff,
            kept: kept.into(),
        }
    }

    /// The gap after `waited` earlier gaps, jittered by `draw`.
    #[inline]
    pub(crate) fn after(&self, waited: u32, draw: impl FnOnce() -> u64) -> Duration {
        self.nth(waited).jittered(draw)
    }

    /// The gap after `waited` earlier gaps.
    #[inline]
    pub(crate) fn nth(&self, waited: u32) -> Gap {
        let gap = match self.kept.get(waited as usize) {
            Some(gap) => *gap,
            None => self.beyond(waited),
        };
        let (least, spread) = match self.backoff.jitter {
            Jitter::None => (gap, Duration::ZERO),
            Jitter::Full => (Duration::ZERO, gap),
            Jitter::Equal => {
                let half = Duration::from_nanos(gap.as_nanos() / 2);
                (half, gap.saturating_sub(half))
            }
        };
        Gap { least, spread }
    }

    #[cold]
    fn beyond(&self, waited: u32) -> Duration {
        let last = self.kept[self.kept.len() - 1];
        if self.kept.len() < KEPT {
            return last;
        }
        let mut gap = last;
        for _ in self.kept.len()..=waited as usize {
            let next = grown(&self.backoff, gap);
            // A gap at the cap stays there, and one that shrinks to nothing stays nothing.
            if next == gap {
                break;
            }
            gap = next;
        }
        gap
    }
}

fn grown(backoff: &Backoff, gap: Duration) -> Duration {
    if backoff.multiplier == Fixed::ONE {
        return gap;
    }
    gap.scale(backoff.multiplier).min(backoff.cap)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn backoff(multiplier: f64, jitter: Jitter) -> Gaps {
        Gaps::of(&Backoff {
            base: Duration::from_secs(1),
            multiplier: Fixed::new(multiplier).expect("finite"),
            cap: Duration::from_secs(10),
            jitter,
        })
    }

    #[test]
    fn gaps_grow_to_the_cap_and_jitter_stays_within() {
        for (waited, expected) in [(0, 1), (1, 2), (2, 4), (3, 8), (4, 10), (900, 10)] {
            let expected = Duration::from_secs(expected);
            assert_eq!(backoff(2.0, Jitter::None).after(waited, || 0), expected);
            let full = backoff(2.0, Jitter::Full);
            assert_eq!(full.after(waited, || 0), Duration::ZERO);
            assert!(full.after(waited, || u64::MAX) < expected);
            let equal = backoff(2.0, Jitter::Equal);
            assert!(equal.after(waited, || u64::MAX) <= expected);
            assert!(equal.after(waited, || 0) >= Duration::from_nanos(expected.as_nanos() / 2));
        }
    }

    #[test]
    fn gaps_beyond_those_kept_go_on_growing() {
        let slow = backoff(1.01, Jitter::None);
        let mut expected = Duration::from_secs(1);
        for waited in 0..300 {
            assert_eq!(slow.after(waited, || 0), expected, "gap {waited}");
            expected = grown(&slow.backoff, expected);
        }
        let shrinking = backoff(0.5, Jitter::None);
        assert_eq!(shrinking.after(1, || 0), Duration::from_millis(500));
        assert_eq!(shrinking.after(200, || 0), Duration::ZERO);
    }
}
