//! What all polling gates have: a first check, an end, and what they look for.

use super::gaps::{Gaps, Memory};
use super::keys::{Key, Keys, Value};
use super::policy::{Look, Next, Ready, Seen, Step};
use super::{Polls, Readiness};
use crate::time::{Duration, Rate, Timestamp};

/// Checks of one recording.
const ATTEMPTS_MAX: u32 = 1_000_000;

/// Polling: when the first check is, when it ends, and what it looks for.
#[derive(Clone, PartialEq, Debug)]
pub struct Polling {
    /// Delay before the first check.
    pub initial_delay: Duration,
    /// Checks after which the gate gives up.
    pub max_attempts: Option<u32>,
    /// Time after the gate's start at which it gives up, with a last look at that very instant.
    pub deadline: Option<Duration>,
    /// What must hold for the recording to be approved; never empty.
    pub ready: Readiness,
    /// Checks in a row that must find it.
    pub positives: u32,
    /// Wait after the last of these before the export.
    pub settle: Duration,
    /// Checks of all recordings of the gate together, evenly spaced; none is no limit.
    pub max_calls: Option<Rate>,
    /// Up to this is added by chance to the wait that a 429 asks for.
    pub retry_jitter: Duration,
}

impl Default for Polling {
    fn default() -> Self {
        Self {
            initial_delay: Duration::ZERO,
            max_attempts: None,
            deadline: Some(Duration::from_secs(300)),
            ready: Readiness::required_fields(),
            positives: 1,
            settle: Duration::ZERO,
            max_calls: None,
            retry_jitter: Duration::ZERO,
        }
    }
}

impl Polling {
    /// Polling that first checks after `initial_delay`.
    #[must_use]
    pub fn after(initial_delay: Duration) -> Self {
        Self {
            initial_delay,
            ..Self::default()
        }
    }

    /// Lists the keys.
    pub fn keys(&mut self, keys: &mut dyn Keys) {
        keys.key(
            Key::new("initial_delay", "delay before the first check"),
            Value::Duration(&mut self.initial_delay),
        );
        self.end_keys(keys);
    }

    /// Lists the keys but the first delay, for gates whose schedule says when the first check is.
    pub(super) fn end_keys(&mut self, keys: &mut dyn Keys) {
        self.limit_keys(keys);
        keys.key(
            Key::new("positives", "checks in a row that must find it"),
            Value::Count(&mut self.positives, 1, 1_000),
        );
        keys.key(
            Key::new("settle", "wait between the last check and the export"),
            Value::Duration(&mut self.settle),
        );
        keys.key(
            Key::new(
                "retry_jitter",
                "up to this is added by chance to the wait that a 429 asks for",
            ),
            Value::Duration(&mut self.retry_jitter),
        );
    }

    /// Lists the keys of its limits and of what it looks for.
    pub(super) fn limit_keys(&mut self, keys: &mut dyn Keys) {
        keys.key(
            Key::new("max_attempts", "checks after which it gives up"),
            Value::CountLimit(&mut self.max_attempts, 1, ATTEMPTS_MAX),
        );
        keys.key(
            Key::new(
                "deadline",
                "time after its start at which it gives up, with a last look at that instant",
            ),
            Value::Limit(&mut self.deadline),
        );
        if self.max_attempts.is_none() && self.deadline.is_none() {
            keys.reject(
                "deadline",
                "is \"none\" and there is no `max_attempts`: the gate would never give up",
                "give one of the two",
            );
        }
        keys.key(
            Key::new(
                "max_calls",
                "checks of the gate at most, all its recordings together, evenly spaced",
            ),
            Value::Pace(&mut self.max_calls),
        );
        keys.key(
            Key::new("ready", "what a check must find: all of the list"),
            Value::Checks(&mut self.ready),
        );
    }

    /// Polls with the gaps of `look`.
    #[inline]
    pub(super) fn on(&self, now: Timestamp, seen: Seen, look: &mut Look<'_>) -> Step {
        match seen {
            Seen::Started => self.begin(now, look),
            Seen::Checked(ready) => match self.passed(now, ready, look) {
                Some(step) => step,
                None => self.again(now, look),
            },
            Seen::Throttled(wait) => self.throttled(now, wait, look),
            Seen::Notified(_) | Seen::Due => Step::Wait,
        }
    }

    /// The clock starts.
    pub(super) fn begin(&self, now: Timestamp, look: &mut Look<'_>) -> Step {
        let progress = &mut *look.progress;
        progress.started_at = now;
        progress.next = Next::Check;
        Step::At(now + look.first_delay().unwrap_or(self.initial_delay))
    }

    /// What a check means that was answered; none if another one is needed.
    #[inline]
    pub(super) fn passed(&self, now: Timestamp, ready: Ready, look: &mut Look<'_>) -> Option<Step> {
        let progress = &mut *look.progress;
        if ready == Ready::Yes {
            progress.passes += 1;
            if progress.passes >= self.positives {
                if self.settle == Duration::ZERO {
                    return Some(Step::Approve);
                }
                progress.next = Next::Approve;
                return Some(Step::At(now + self.settle));
            }
        } else {
            progress.passes = 0;
        }
        progress.attempts += 1;
        None
    }

    /// When the next check is, by the gaps of `look`.
    #[inline]
    fn again(&self, now: Timestamp, look: &mut Look<'_>) -> Step {
        let gap = look.next_gap();
        self.next_at(now, now + gap, look)
    }

    /// The next check is at `at`, unless it is time to give up.
    #[inline]
    pub(super) fn next_at(&self, now: Timestamp, at: Timestamp, look: &mut Look<'_>) -> Step {
        let progress = &mut *look.progress;
        if self
            .max_attempts
            .is_some_and(|max| progress.attempts >= max)
        {
            return Step::GiveUp;
        }
        progress.next = Next::Check;
        match (self.deadline, progress.started_at.ever()) {
            (Some(deadline), Some(start)) if now >= start + deadline => Step::GiveUp,
            (Some(deadline), Some(start)) => Step::At(at.min(start + deadline)),
            _ => Step::At(at),
        }
    }

    /// A check was refused: it waits as long as it is told to and by chance a little longer, and
    /// gives up at its deadline.
    pub(super) fn throttled(&self, now: Timestamp, wait: Duration, look: &mut Look<'_>) -> Step {
        if let (Some(deadline), Some(start)) = (self.deadline, look.progress.started_at.ever())
            && now >= start + deadline
        {
            return Step::GiveUp;
        }
        look.progress.next = Next::Check;
        Step::At(now + wait + look.retry_jitter(self.retry_jitter))
    }

    /// Its polls in closed form with `gaps`, up to a first look after `until`; none where a check
    /// does more than look once.
    pub(super) fn polls<'a>(&self, gaps: &'a Gaps, until: Timestamp) -> Option<Polls<'a>> {
        let plain = self.positives == 1
            && self.settle == Duration::ZERO
            && self.max_calls.is_none()
            && gaps.memory == Memory::None;
        plain.then(|| Polls::new(self, gaps, until))
    }
}
