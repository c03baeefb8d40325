//! The gaps of a polling gate, worked out once.

use super::backoff::{Backoff, Jitter};
use crate::time::{Duration, Fixed};

/// Gaps kept; a back-off that still grows after so many goes on from the last one.
const KEPT: usize = 64;

/// The gaps between attempts.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Gaps {
    /// The delay before the first check, where the schedule says that.
    first: Option<Duration>,
    /// The last one repeats, unless the back-off still grows.
    kept: Box<[Gap]>,
    /// What goes on growing.
    backoff: Option<Backoff>,
    /// How the next gap depends on more than its number.
    pub(super) memory: Memory,
}

/// How a gap depends on more than its number.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Memory {
    /// It does not.
    None,
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

impl Gap {
    /// A gap that is always the same.
    pub(super) const fn exactly(least: Duration) -> Self {
        Self {
            least,
            spread: Duration::ZERO,
        }
    }

    /// A uniform gap between `least` and `most`.
    pub(super) const fn between(least: Duration, most: Duration) -> Self {
        let spread = most.saturating_sub(least);
        Self { least, spread }
    }

    fn with(jitter: Jitter, gap: Duration) -> Self {
        match jitter {
            Jitter::None => Self::exactly(gap),
            Jitter::Full => Self::between(Duration::ZERO, gap),
            Jitter::Equal => Self::between(Duration::from_nanos(gap.as_nanos() / 2), gap),
        }
    }
}

impl Gaps {
    /// The gaps of `backoff`: `min(cap, base × multiplier^k)`, jittered.
    pub(crate) fn of(backoff: &Backoff) -> Self {
        let mut kept = vec![backoff.base.min(backoff.cap)];
        while kept.len() < KEPT {
            let next = grown(backoff, kept[kept.len() - 1]);
            if kept.last() == Some(&next) {
                break;
            }
            kept.push(next);
        }
        let grows = kept.len() == KEPT;
        let jitter = |gap: &Duration| Gap::with(backoff.jitter, *gap);
        Self {
            first: None,
            kept: kept.iter().map(jitter).collect(),
            backoff: grows.then_some(*backoff),
            memory: Memory::None,
        }
    }

    /// These gaps, the last of which repeats.
    pub(super) fn listed(gaps: impl IntoIterator<Item = Gap>) -> Self {
        let kept: Vec<Gap> = gaps.into_iter().collect();
        Self {
            first: None,
            kept: kept.into(),
            backoff: None,
            memory: Memory::None,
        }
    }

    /// The gaps between the rising `checks`, which also say when the first one is.
    pub(super) fn schedule(checks: &[Duration]) -> Self {
        let gap = |pair: &[Duration]| Gap::exactly(pair[1].saturating_sub(pair[0]));
        Self {
            first: checks.first().copied(),
            ..Self::listed(checks.windows(2).map(gap))
        }
    }

    /// The delay before the first check, where the schedule says that.
    pub(super) const fn first(&self) -> Option<Duration> {
        self.first
    }

    /// The gap after `waited` earlier gaps, jittered by `draw`.
    #[inline]
    pub(crate) fn after(&self, waited: u32, draw: impl FnOnce() -> u64) -> Duration {
        self.nth(waited).jittered(draw)
    }

    /// The gap after `waited` earlier gaps.
    #[inline]
    pub(crate) fn nth(&self, waited: u32) -> Gap {
        match self.kept.get(waited as usize) {
            Some(gap) => *gap,
            None => self.beyond(waited),
        }
    }

    #[cold]
    fn beyond(&self, waited: u32) -> Gap {
        let Some(backoff) = &self.backoff else {
            let last = self.kept.last().copied();
            return last.unwrap_or(Gap::exactly(Duration::from_secs(1)));
        };
        let mut gap = backoff.base.min(backoff.cap);
        for _ in 0..waited {
            let next = grown(backoff, gap);
            // A gap at the cap stays there, and one that shrinks to nothing stays nothing.
            if next == gap {
                break;
            }
            gap = next;
        }
        Gap::with(backoff.jitter, gap)
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
            expected = grown(slow.backoff.as_ref().expect("it grows"), expected);
        }
        let shrinking = backoff(0.5, Jitter::None);
        assert_eq!(shrinking.after(1, || 0), Duration::from_millis(500));
        assert_eq!(shrinking.after(200, || 0), Duration::ZERO);
    }
}
