//! `linear-backoff`: each gap is longer than the one before by the same step.

use super::backoff::{Jitter, cap_key};
use super::gaps::{Gap, Gaps};
use super::keys::{Key, Keys, Value};
use super::policy::{Look, Seen, Step};
use super::{Form, Polling};
use crate::time::{Duration, Timestamp};

/// Gaps worked out beforehand; the last one repeats.
const GAPS: usize = 4_096;

/// Polls at gaps of `base`, `base + step`, `base + 2 step` …, at most `cap`.
#[derive(Clone, PartialEq, Debug)]
pub struct LinearBackoff {
    /// The first gap.
    pub base: Duration,
    /// Growth from gap to gap.
    pub step: Duration,
    /// Longest gap.
    pub cap: Duration,
    /// Randomisation.
    pub jitter: Jitter,
    /// First check, end, and what it looks for.
    pub polling: Polling,
}

impl Default for LinearBackoff {
    fn default() -> Self {
        Self {
            base: Duration::from_secs(1),
            step: Duration::from_secs(1),
            cap: Duration::from_secs(30),
            jitter: Jitter::None,
            polling: Polling::after(Duration::from_secs(1)),
        }
    }
}

impl Form for LinearBackoff {
    const NAME: &'static str = "linear-backoff";
    const ABOUT: &'static str = "polls at gaps of `base` + k × `step`, at most `cap`";

    fn keys(&mut self, keys: &mut dyn Keys) {
        keys.key(
            Key::new("base", "first gap between checks"),
            Value::Interval(&mut self.base),
        );
        keys.key(
            Key::new("step", "growth from gap to gap"),
            Value::Duration(&mut self.step),
        );
        cap_key(&mut self.cap, self.base, keys);
        keys.key(Jitter::KEY, Value::Word(&mut self.jitter));
        self.polling.keys(keys);
    }

    fn polling(&self) -> Option<&Polling> {
        Some(&self.polling)
    }

    fn gaps(&self) -> Option<Gaps> {
        let mut gap = self.base;
        Some(Gaps::listed((0..GAPS).map(|_| {
            let now = gap.min(self.cap);
            gap += self.step;
            Gap::with(self.jitter, now)
        })))
    }

    #[inline]
    fn on(&self, now: Timestamp, seen: Seen, look: &mut Look<'_>) -> Step {
        self.polling.on(now, seen, look)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_gap_is_longer_by_the_step_up_to_the_cap() {
        let gate = LinearBackoff {
            step: Duration::from_secs(2),
            cap: Duration::from_secs(6),
            ..LinearBackoff::default()
        };
        let gaps = gate.gaps().expect("it polls");
        for (waited, expected) in [(0, 1), (1, 3), (2, 5), (3, 6), (9_999, 6)] {
            let expected = Duration::from_secs(expected);
            assert_eq!(gaps.after(waited, || 0), expected, "{waited}");
        }
    }
}
