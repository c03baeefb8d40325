//! The strategies as pure decisions about one recording: what was seen → what next.

use super::gaps::Gaps;
use super::polls::Polls;
use super::satisfies;
use crate::draws::{Draws, Purpose, Seed};
use crate::field::{Field, FieldSet};
use crate::ids::RecordingIndex;
use crate::scenario::{
    ForumCheck, Looked, OnFailure, Polling, ReadPath, Readiness, Strategy, WebhookEvent,
};
use crate::time::{Duration, Timestamp};
use crate::timeline::{Need, View};

/// What to do with a recording next.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Step {
    /// Nothing until something is observed.
    Wait,
    /// Ask again at that instant.
    At(Timestamp),
    /// Look at it now.
    Check,
    /// It may be exported.
    Approve,
    /// It is given up.
    GiveUp,
}

/// Whether a check found what the gate looks for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Ready {
    /// It did.
    Yes,
    /// It did not.
    No,
}

/// How far the gate is with one recording.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Progress {
    recording: RecordingIndex,
    /// When polling began, or the gate's clock; never as long as it did not.
    started_at: Timestamp,
    /// Checks that came back.
    attempts: u32,
    /// What the next deadline is for.
    next: Next,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Next {
    Check,
    Approve,
    GiveUp,
    Fallback,
}

impl Progress {
    /// Of which recording.
    pub(crate) const fn recording(&self) -> RecordingIndex {
        self.recording
    }

    /// At the beginning.
    #[must_use]
    pub const fn new(recording: RecordingIndex) -> Self {
        Self {
            recording,
            started_at: Timestamp::NEVER,
            attempts: 0,
            next: Next::Check,
        }
    }
}

/// A strategy.
#[derive(Clone, PartialEq, Debug)]
pub struct Policy {
    strategy: Strategy,
    seed: Seed,
    ready: Readiness,
    /// Of the polls, if the strategy polls.
    gaps: Option<Gaps>,
}

/// Sleeps of the forum's code: `2 ** attempt` seconds.
const FORUM_BASE: Duration = Duration::from_secs(1);
const FORUM_SLEEP_DOUBLINGS_MAX: u32 = 20;

impl Policy {
    /// The policy of `strategy`; jitter is drawn from `seed`.
    #[must_use]
    pub fn new(strategy: &Strategy, seed: Seed) -> Self {
        Self {
            ready: readiness(strategy),
            gaps: strategy
                .polling()
                .map(|polling| Gaps::new(&polling.backoff)),
            strategy: strategy.clone(),
            seed,
        }
    }

    /// Where its checks read: on the index if it looks for what the index shows.
    #[must_use]
    pub const fn read_path(&self) -> ReadPath {
        if self.ready.index_visible.needed() {
            ReadPath::Index
        } else {
            ReadPath::Primary
        }
    }

    /// The jitter that follows check `attempt` of the recording, if it finds nothing.
    pub(crate) const fn drawn(&self, recording: RecordingIndex, attempt: u32) -> u64 {
        Draws::of_call(self.seed, recording.0).draw_nth(Purpose::Jitter, attempt)
    }

    /// What its checks look for in a recording that needs the `required` fields.
    pub(crate) fn need(&self, required: FieldSet) -> Need {
        super::need(&self.ready, required)
    }

    /// Whether `view` satisfies it.
    #[must_use]
    pub fn is_ready(&self, view: &View, required: FieldSet) -> Ready {
        if satisfies(&self.ready, view, required) {
            Ready::Yes
        } else {
            Ready::No
        }
    }

    /// The gate's clock starts.
    #[inline]
    #[must_use]
    pub fn started(&self, now: Timestamp, progress: &mut Progress) -> Step {
        match &self.strategy {
            Strategy::None => Step::Approve,
            Strategy::FixedDelay { delay } => {
                progress.next = Next::Approve;
                Step::At(now + *delay)
            }
            Strategy::FixedInterval(polling) | Strategy::ExponentialBackoff(polling) => {
                begin_polling(now, polling, progress)
            }
            Strategy::ForumBackoff { .. } => {
                progress.started_at = now;
                Step::Check
            }
            // The webhook may come before the clock starts, where that is at the media.
            Strategy::Webhook { .. } | Strategy::WebhookFallback { .. }
                if !progress.started_at.is_never() =>
            {
                Step::Wait
            }
            Strategy::Webhook {
                patience: Some(patience),
                ..
            } => {
                progress.next = Next::GiveUp;
                Step::At(now + *patience)
            }
            // The last one is no policy of one recording: its gate decides about all together.
            Strategy::Webhook { .. }
            | Strategy::WebhookConfirm { .. }
            | Strategy::Watermark { .. } => Step::Wait,
            Strategy::WebhookFallback { after, .. } => {
                progress.next = Next::Fallback;
                Step::At(now + *after)
            }
        }
    }

    /// A notification arrived.
    #[inline]
    #[must_use]
    pub fn notified(&self, now: Timestamp, event: WebhookEvent, progress: &mut Progress) -> Step {
        match &self.strategy {
            Strategy::Webhook {
                event: wanted,
                delay,
                ..
            } if *wanted == event => {
                if !progress.started_at.is_never() {
                    return Step::Wait;
                }
                progress.started_at = now;
                progress.next = Next::Approve;
                Step::At(now + *delay)
            }
            Strategy::WebhookConfirm {
                event: wanted,
                polling,
            }
            | Strategy::WebhookFallback {
                event: wanted,
                polling,
                ..
            } if *wanted == event && progress.started_at.is_never() => {
                begin_polling(now, polling, progress)
            }
            Strategy::None
            | Strategy::FixedDelay { .. }
            | Strategy::FixedInterval(_)
            | Strategy::ExponentialBackoff(_)
            | Strategy::ForumBackoff { .. }
            | Strategy::Webhook { .. }
            | Strategy::WebhookConfirm { .. }
            | Strategy::WebhookFallback { .. }
            | Strategy::Watermark { .. } => Step::Wait,
        }
    }

    /// The instant that a step asked for has come.
    #[inline]
    #[must_use]
    pub fn due(&self, now: Timestamp, progress: &mut Progress) -> Step {
        match progress.next {
            Next::Check => Step::Check,
            Next::Approve => Step::Approve,
            Next::GiveUp => Step::GiveUp,
            Next::Fallback => match self.polling() {
                Some(polling) => begin_polling(now, polling, progress),
                None => Step::Wait,
            },
        }
    }

    /// A check came back.
    #[inline]
    #[must_use]
    pub fn checked(&self, now: Timestamp, ready: Ready, progress: &mut Progress) -> Step {
        if ready == Ready::Yes {
            return Step::Approve;
        }
        progress.attempts += 1;
        if let Strategy::ForumBackoff {
            attempts,
            on_failure,
            ..
        } = &self.strategy
        {
            return forum_sleep(now, *attempts, *on_failure, progress);
        }
        match self.polling() {
            Some(polling) => self.poll_again(now, polling, progress),
            None => Step::Wait,
        }
    }

    /// A check was refused. Only the forum's code counts that as an attempt; the others wait as
    /// long as they are told to, and give up at their deadline all the same.
    #[must_use]
    pub fn throttled(
        &self,
        now: Timestamp,
        retry_after: Duration,
        progress: &mut Progress,
    ) -> Step {
        if matches!(self.strategy, Strategy::ForumBackoff { .. }) {
            return self.checked(now, Ready::No, progress);
        }
        let deadline = self.polling().and_then(|polling| polling.deadline);
        if let (Some(deadline), Some(start)) = (deadline, progress.started_at.ever())
            && now >= start + deadline
        {
            return Step::GiveUp;
        }
        progress.next = Next::Check;
        Step::At(now + retry_after)
    }

    #[inline]
    fn poll_again(&self, now: Timestamp, polling: &Polling, progress: &mut Progress) -> Step {
        if polling
            .max_attempts
            .is_some_and(|max| progress.attempts >= max)
        {
            return Step::GiveUp;
        }
        let draws = Draws::of_call(self.seed, progress.recording.0);
        let draw = || draws.draw_nth(Purpose::Jitter, progress.attempts);
        let gaps = self.gaps.as_ref();
        let gap = gaps.map(|gaps| gaps.after(progress.attempts - 1, draw));
        let next = now + gap.unwrap_or(Duration::ZERO);
        progress.next = Next::Check;
        match (polling.deadline, progress.started_at.ever()) {
            (Some(deadline), Some(start)) if now >= start + deadline => Step::GiveUp,
            (Some(deadline), Some(start)) => Step::At(next.min(start + deadline)),
            _ => Step::At(next),
        }
    }

    /// How it polls, up to a first look after `until`. None for strategies that do not only poll.
    pub(crate) fn polls(&self, until: Timestamp) -> Option<Polls<'_>> {
        let (Strategy::FixedInterval(polling) | Strategy::ExponentialBackoff(polling)) =
            &self.strategy
        else {
            return None;
        };
        Some(Polls::new(polling, self.gaps.as_ref()?, until))
    }

    #[inline]
    const fn polling(&self) -> Option<&Polling> {
        self.strategy.polling()
    }
}

fn readiness(strategy: &Strategy) -> Readiness {
    match strategy {
        Strategy::FixedInterval(polling)
        | Strategy::ExponentialBackoff(polling)
        | Strategy::WebhookConfirm { polling, .. }
        | Strategy::WebhookFallback { polling, .. } => polling.ready,
        Strategy::ForumBackoff { check, .. } => {
            let mut ready = Readiness {
                state_completed: Looked::Needed,
                ..Readiness::default()
            };
            if *check == ForumCheck::StateAndFlag {
                ready.fields.insert(Field::LegalHoldFlag);
            }
            ready
        }
        Strategy::None
        | Strategy::FixedDelay { .. }
        | Strategy::Webhook { .. }
        | Strategy::Watermark { .. } => Readiness::default(),
    }
}

fn begin_polling(now: Timestamp, polling: &Polling, progress: &mut Progress) -> Step {
    progress.started_at = now;
    progress.next = Next::Check;
    Step::At(now + polling.initial_delay)
}

/// After check `k` (from 0) the forum's code sleeps `2^k` seconds, after the last one too, and then
/// gives up without another look.
fn forum_sleep(
    now: Timestamp,
    attempts: u32,
    on_failure: OnFailure,
    progress: &mut Progress,
) -> Step {
    let doublings = (progress.attempts - 1).min(FORUM_SLEEP_DOUBLINGS_MAX);
    let sleep = Duration::from_nanos(FORUM_BASE.as_nanos() << doublings);
    progress.next = match (progress.attempts >= attempts, on_failure) {
        (false, _) => Next::Check,
        (true, OnFailure::Skip) => Next::GiveUp,
        (true, OnFailure::ExportAnyway) => Next::Approve,
    };
    Step::At(now + sleep)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::{Backoff, Jitter};
    use crate::time::Fixed;

    const FORUM: Strategy = Strategy::ForumBackoff {
        attempts: 5,
        on_failure: OnFailure::Skip,
        check: ForumCheck::StateAndFlag,
    };

    fn secs(secs: u64) -> Timestamp {
        Timestamp::ZERO + Duration::from_secs(secs)
    }

    #[test]
    fn the_forum_gate_checks_at_0_1_3_7_15_and_sleeps_once_more_in_vain() {
        let policy = Policy::new(&FORUM, Seed(1));
        let mut progress = Progress::new(RecordingIndex(0));
        assert_eq!(policy.started(secs(0), &mut progress), Step::Check);
        let mut now = secs(0);
        for next in [1, 3, 7, 15] {
            assert_eq!(
                policy.checked(now, Ready::No, &mut progress),
                Step::At(secs(next))
            );
            now = secs(next);
            assert_eq!(policy.due(now, &mut progress), Step::Check);
        }
        assert_eq!(
            policy.checked(now, Ready::No, &mut progress),
            Step::At(secs(31))
        );
        assert_eq!(policy.due(secs(31), &mut progress), Step::GiveUp);
    }

    #[test]
    fn the_last_look_is_at_the_deadline_itself() {
        let polling = Polling {
            initial_delay: Duration::from_secs(1),
            backoff: Backoff {
                base: Duration::from_secs(7),
                multiplier: Fixed::ONE,
                cap: Duration::from_secs(7),
                jitter: Jitter::None,
            },
            max_attempts: None,
            deadline: Some(Duration::from_secs(10)),
            ready: Readiness {
                required_fields: Looked::Needed,
                ..Readiness::default()
            },
        };
        let policy = Policy::new(&Strategy::FixedInterval(polling), Seed(1));
        let mut progress = Progress::new(RecordingIndex(0));
        assert_eq!(policy.started(secs(0), &mut progress), Step::At(secs(1)));
        assert_eq!(
            policy.checked(secs(1), Ready::No, &mut progress),
            Step::At(secs(8))
        );
        assert_eq!(
            policy.checked(secs(8), Ready::No, &mut progress),
            Step::At(secs(10))
        );
        assert_eq!(
            policy.checked(secs(10), Ready::No, &mut progress),
            Step::GiveUp
        );
    }

    #[test]
    fn a_second_webhook_changes_nothing() {
        let strategy = Strategy::Webhook {
            event: WebhookEvent::SessionEnded,
            delay: Duration::from_secs(2),
            patience: None,
        };
        let policy = Policy::new(&strategy, Seed(1));
        let mut progress = Progress::new(RecordingIndex(0));
        assert_eq!(policy.started(secs(0), &mut progress), Step::Wait);
        let event = WebhookEvent::SessionEnded;
        assert_eq!(
            policy.notified(secs(1), event, &mut progress),
            Step::At(secs(3))
        );
        assert_eq!(policy.notified(secs(2), event, &mut progress), Step::Wait);
        assert_eq!(policy.due(secs(3), &mut progress), Step::Approve);
    }
}
