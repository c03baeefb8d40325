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
    /// Uniform from `base` to three times the gap before, at most `cap`.
    Decorrelated {
        /// The shortest gap, and what stands for the gap before the first one.
        base: Duration,
        /// The longest gap.
        cap: Duration,
    },
    /// Polly's decorrelated jitter, version 2: differences of a smooth function of the attempt's
    /// number plus its draw.
    Polly {
        /// The median of the first gap, nearly.
        base: Duration,
        /// The longest gap.
        cap: Duration,
    },
}

impl Memory {
    /// The gap after so many `attempts` (from 1) and a gap of `before`; `draw` gives the uniform
    /// 64-bit number of an attempt.
    pub(super) fn gap(
        self,
        attempts: u32,
        before: Duration,
        draw: impl Fn(u32) -> u64,
    ) -> Duration {
        match self {
            Self::None => Duration::ZERO,
            Self::Decorrelated { base, cap } => {
                let before = before.max(base);
                let most = before.saturating_add(before).saturating_add(before);
                Gap::between(base, most)
                    .jittered(|| draw(attempts))
                    .min(cap)
            }
            Self::Polly { base, cap } => {
                let uniform = |attempt| draw(attempt) as f64 / TWO_64;
                let reached = |attempt: u32| {
                    let t = f64::from(attempt - 1) + uniform(attempt);
                    libm::exp2(t) * libm::tanh((4.0 * t).sqrt())
                };
                let earlier = if attempts > 1 {
                    reached(attempts - 1)
                } else {
                    0.0
                };
                let gap = (reached(attempts) - earlier).max(0.0) / POLLY_SCALE;
                Duration::from_secs_f64(gap * base.as_secs_f64()).min(cap)
            }
        }
    }
}

const TWO_64: f64 = 18_446_744_073_709_551_616.0;
/// Brings the median of Polly's first gap near the base (App-vNext/Polly, `RetryHelper.cs`).
const POLLY_SCALE: f64 = 1.4;

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
    /// Its mean length in seconds: half a nanosecond is not none.
    pub(super) fn mean_s(self) -> f64 {
        self.least.as_secs_f64() + self.spread.as_secs_f64() / 2.0
    }

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

    /// A gap with independent jitter.
    pub(super) fn with(jitter: Jitter, gap: Duration) -> Self {
        match jitter {
            // What has a memory makes its own gaps.
            Jitter::None | Jitter::Decorrelated | Jitter::Polly => Self::exactly(gap),
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
            memory: match backoff.jitter {
                Jitter::None | Jitter::Equal | Jitter::Full => Memory::None,
                Jitter::Decorrelated => Memory::Decorrelated {
                    base: backoff.base,
                    cap: backoff.cap,
                },
                Jitter::Polly => Memory::Polly {
                    base: backoff.base,
                    cap: backoff.cap,
                },
            },
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

    /// The same gaps after a first check at `first`.
    pub(super) fn first_after(self, first: Duration) -> Self {
        let first = Some(first);
        Self { first, ..self }
    }

    /// The checks without jitter, in seconds, without end.
    #[cfg(test)]
    pub(super) fn checks(&self) -> impl Iterator<Item = f64> {
        let first = self.first.unwrap_or_default().as_secs_f64();
        (0..).scan(first, |next, waited| {
            let check = *next;
            *next += self.after(waited, || 0).as_secs_f64();
            Some(check)
        })
    }

    /// The gaps that are worked out.
    pub(super) fn kept(&self) -> impl Iterator<Item = Gap> {
        self.kept.iter().copied()
    }

    /// Whether gaps go on growing after those, as the last two of them do.
    pub(super) const fn grows(&self) -> bool {
        self.backoff.is_some()
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
    use crate::draws::{Draws, Purpose, Seed};

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

    /// Means of the first eight gaps of base 1 s without a cap, by the recursion m = (1 + 3m)/2;
    /// medians of Polly's, from 400,000 draws.
    #[test]
    fn gaps_that_depend_on_the_one_before_have_the_reference_means_and_medians() {
        const RUNS: u64 = 20_000;
        let base = Duration::from_secs(1);
        let cap = Duration::MAX;
        let (decorrelated, polly) = (
            Memory::Decorrelated { base, cap },
            Memory::Polly { base, cap },
        );
        let mut sums = [0.0; 6];
        let mut polls = vec![Vec::new(); 8];
        for run in 0..RUNS {
            let draws = Draws::of_call(Seed(7), run);
            let draw = |attempt| draws.draw_nth(Purpose::Jitter, attempt);
            let mut before = Duration::ZERO;
            for (attempt, sum) in (1..).zip(&mut sums) {
                before = decorrelated.gap(attempt, before, draw);
                *sum += before.as_secs_f64();
            }
            for (attempt, gaps) in (1..).zip(&mut polls) {
                gaps.push(polly.gap(attempt, Duration::ZERO, draw).as_secs_f64());
            }
        }
        let means = [2.0, 3.5, 5.75, 9.125, 14.1875, 21.781_25];
        for (sum, mean) in sums.into_iter().zip(means) {
            let found: f64 = sum / RUNS as f64;
            assert!((found / mean - 1.0).abs() < 0.06, "{found} for {mean}");
        }
        let medians = [0.897, 1.136, 2.02, 4.00, 8.02, 16.0, 32.0, 64.0];
        for (mut gaps, median) in polls.into_iter().zip(medians) {
            gaps.sort_unstable_by(f64::total_cmp);
            let found = gaps[gaps.len() / 2];
            assert!((found / median - 1.0).abs() < 0.03, "{found} for {median}");
        }
    }
}
