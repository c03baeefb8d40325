//! `waiter`: the Smithy waiter, with which AWS's SDKs wait for a state.

use super::gaps::{Gap, Gaps};
use super::keys::{Key, Keys, Value};
use super::policy::{Look, Ready, Seen, Step};
use super::{Form, Polling};
use crate::time::{Duration, Timestamp};

/// Gaps between checks uniform from `min_delay` to `min_delay × 2^k`, at most `max_delay`; the last
/// one before `deadline` is cut so that `min_delay` remains. It looks at once, and gives up when
/// no more than `min_delay` is left after a look (Smithy 2.0, "Waiter retries").
#[derive(Clone, PartialEq, Debug)]
pub struct Waiter {
    /// The shortest gap.
    pub min_delay: Duration,
    /// The longest gap.
    pub max_delay: Duration,
    /// First check, end, and what it looks for.
    pub polling: Polling,
}

impl Default for Waiter {
    fn default() -> Self {
        Self {
            min_delay: Duration::from_secs(2),
            max_delay: Duration::from_secs(120),
            polling: Polling::default(),
        }
    }
}

impl Form for Waiter {
    const NAME: &'static str = "waiter";
    const ABOUT: &'static str = "the Smithy waiter: gaps uniform from `min_delay` to `min_delay` × 2^k, at most `max_delay`";

    fn keys(&mut self, keys: &mut dyn Keys) {
        let key = Key::new("min_delay", "shortest gap");
        keys.key(key, Value::Interval(&mut self.min_delay));
        self.max_delay = self.max_delay.max(self.min_delay);
        let key = Key::new("max_delay", "longest gap; `min_delay` if that is longer");
        keys.key(key, Value::Interval(&mut self.max_delay));
        if self.max_delay < self.min_delay {
            let least = self.min_delay;
            let reason = format!("is {}, below `min_delay` ({least})", self.max_delay);
            keys.reject("max_delay", &reason, &format!("use at least \"{least}\""));
        }
        self.polling.keys(keys);
    }

    fn polling(&self) -> Option<&Polling> {
        Some(&self.polling)
    }

    fn gaps(&self) -> Option<Gaps> {
        let (least, most) = (self.min_delay, self.max_delay);
        let mut doubled = Some(least);
        Some(Gaps::listed((0..64).map(|_| {
            let gap = doubled.unwrap_or(most);
            let twice = gap.saturating_add(gap);
            doubled = doubled.and((twice <= most).then_some(twice));
            Gap::between(least, gap)
        })))
    }

    fn closed_form(&self) -> bool {
        // The last gap depends on what is left.
        self.polling.deadline.is_none()
    }

    fn on(&self, now: Timestamp, seen: Seen, look: &mut Look<'_>) -> Step {
        let (Seen::Checked(Ready::No), Some(deadline)) = (seen, self.polling.deadline) else {
            return self.polling.on(now, seen, look);
        };
        if let Some(step) = self.polling.passed(now, Ready::No, look) {
            return step;
        }
        let gap = look.next_gap();
        let left = look.until(deadline, now);
        if left <= self.min_delay {
            return Step::GiveUp;
        }
        let cut = left.saturating_sub(gap) <= self.min_delay;
        let gap = if cut {
            left.saturating_sub(self.min_delay)
        } else {
            gap
        };
        self.polling.next_at(now, now + gap, look)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Delays between min 2 s, max 120 s and a wait of 300 s, when jitter takes the middle:
    /// 2, 3, 5, 9, 17, 33, 61, 61, 61, 46, 0 (aws-smithy-runtime 1.16, `waiters/backoff.rs`).
    #[test]
    fn delays_with_average_jitter_are_those_of_the_smithy_runtime() {
        let waiter = Waiter::default();
        let gaps = waiter.gaps().expect("it polls");
        let (mut waited, mut delays) = (0, Vec::new());
        for check in 0..11 {
            let gap = gaps
                .after(check, || 1 << 63)
                .as_nanos()
                .div_ceil(1_000_000_000);
            let left: u64 = 300 - waited;
            let gap = if left.saturating_sub(gap) <= 2 {
                left.saturating_sub(2)
            } else {
                gap
            };
            waited += gap;
            delays.push(gap);
        }
        assert_eq!(delays, [2, 3, 5, 9, 17, 33, 61, 61, 61, 46, 0]);
    }

    #[test]
    fn it_gives_up_when_no_more_than_the_shortest_gap_is_left() {
        use crate::draws::Seed;
        use crate::gate::{Policy, Progress};
        use crate::ids::RecordingIndex;
        let policy = Policy::new(&Waiter::default().into(), Seed(3));
        let mut progress = Progress::new(RecordingIndex(0));
        let mut step = policy.on(Timestamp::ZERO, Seen::Started, &mut progress);
        let (mut now, mut checks) = (Timestamp::ZERO, 0);
        while let Step::At(at) = step {
            now = at;
            checks += 1;
            step = policy.on(now, Seen::Checked(Ready::No), &mut progress);
        }
        assert_eq!(
            (step, now),
            (Step::GiveUp, Timestamp::ZERO + Duration::from_secs(298))
        );
        assert!((8..40).contains(&checks), "{checks}");
    }
}
