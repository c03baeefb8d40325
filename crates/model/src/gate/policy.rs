//! The strategies as pure decisions about one recording: what was seen → what next.

use super::gaps::{Gap, Gaps, Memory};
use super::polls::Polls;
use super::{Readiness, Strategy, WebhookEvent};
use crate::draws::{Draws, Purpose, Seed};
use crate::field::{FieldSet, Kind};
use crate::ids::RecordingIndex;
use crate::scenario::{ReadPath, RequiredFields};
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

/// What a gate gets to know of one recording.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Seen {
    /// Its clock starts.
    Started,
    /// A notification arrived.
    Notified(WebhookEvent),
    /// The instant for which it set `Next::Own` has come.
    Due,
    /// A check came back.
    Checked(Ready),
    /// A check was answered with 429: how long to wait.
    Throttled(Duration),
}

/// How far the gate is with one recording.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Progress {
    recording: RecordingIndex,
    /// When polling began, or the gate's clock; never as long as it did not.
    pub(super) started_at: Timestamp,
    /// Checks that came back without an end.
    pub(super) attempts: u32,
    /// The last of them in a row that found what the gate looks for.
    pub(super) passes: u32,
    /// Checks that were refused.
    throttles: u32,
    /// The last gap, where the next one depends on it.
    pub(super) gap: Duration,
    /// What the next deadline is for.
    pub(super) next: Next,
}

/// What a deadline is for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Next {
    /// A check.
    Check,
    /// The approval.
    Approve,
    /// The end of all patience.
    GiveUp,
    /// What the strategy does with [`Seen::Due`].
    Own,
}

impl Progress {
    /// At the beginning.
    #[must_use]
    pub const fn new(recording: RecordingIndex) -> Self {
        Self {
            recording,
            started_at: Timestamp::NEVER,
            attempts: 0,
            passes: 0,
            throttles: 0,
            gap: Duration::ZERO,
            next: Next::Check,
        }
    }
}

/// One recording as its strategy finds it.
pub(crate) struct Look<'a> {
    /// How far the gate is with it.
    pub(super) progress: &'a mut Progress,
    gaps: Option<&'a Gaps>,
    seed: Seed,
}

impl Look<'_> {
    /// The delay before the first check, where the schedule says that.
    pub(super) fn first_delay(&self) -> Option<Duration> {
        self.gaps.and_then(Gaps::first)
    }

    /// The gap after the check that came back, with its jitter.
    #[inline]
    pub(super) fn next_gap(&mut self) -> Duration {
        let Some(gaps) = self.gaps else {
            return Duration::ZERO;
        };
        let draws = Draws::of_call(self.seed, self.progress.recording.0);
        let draw = |attempt| draws.draw_nth(Purpose::Jitter, attempt);
        let attempts = self.progress.attempts;
        if gaps.memory == Memory::None {
            return gaps.after(attempts - 1, || draw(attempts));
        }
        self.progress.gap = gaps.memory.gap(attempts, self.progress.gap, draw);
        self.progress.gap
    }

    /// What chance adds to a wait that was asked for, up to `most`.
    pub(super) fn retry_jitter(&mut self, most: Duration) -> Duration {
        self.progress.throttles += 1;
        let draws = Draws::of_call(self.seed, self.progress.recording.0);
        let nth = self.progress.throttles;
        Gap::between(Duration::ZERO, most).jittered(|| draws.draw_nth(Purpose::RetryJitter, nth))
    }

    /// What is left at `now` of the time that polling may take.
    pub(super) fn until(&self, deadline: Duration, now: Timestamp) -> Duration {
        deadline.saturating_sub(now.since(self.progress.started_at))
    }
}

/// A strategy with what it has worked out beforehand.
#[derive(Clone, PartialEq, Debug)]
pub struct Policy {
    strategy: Strategy,
    seed: Seed,
    ready: Readiness,
    /// Gaps between checks, if the strategy polls.
    gaps: Option<Gaps>,
}

impl Policy {
    /// The policy of `strategy`; jitter is drawn from `seed`.
    #[must_use]
    pub fn new(strategy: &Strategy, seed: Seed) -> Self {
        Self {
            ready: strategy.looks_for(),
            gaps: strategy.gaps(),
            strategy: strategy.clone(),
            seed,
        }
    }

    /// Where its checks read: on the index if it looks for what the index shows.
    #[must_use]
    pub const fn read_path(&self) -> ReadPath {
        self.ready.path()
    }

    /// The jitter that follows check `attempt` of the recording, if it finds nothing.
    pub(crate) const fn drawn(&self, recording: RecordingIndex, attempt: u32) -> u64 {
        Draws::of_call(self.seed, recording.0).draw_nth(Purpose::Jitter, attempt)
    }

    /// What its checks look for in a recording that needs the `required` fields.
    pub(crate) fn need(&self, required: FieldSet) -> Need {
        self.ready.need(required)
    }

    /// Whether `view` satisfies it, of a recording of `kind` that needs the `required` fields.
    #[must_use]
    pub fn is_ready(&self, view: &View, required: &RequiredFields, kind: Kind) -> Ready {
        if self.ready.satisfied_by(view, required, kind) {
            Ready::Yes
        } else {
            Ready::No
        }
    }

    /// What follows from what was `seen` of a recording.
    #[inline]
    #[must_use]
    pub fn on(&self, now: Timestamp, seen: Seen, progress: &mut Progress) -> Step {
        let mut look = Look {
            progress,
            gaps: self.gaps.as_ref(),
            seed: self.seed,
        };
        self.strategy.on(now, seen, &mut look)
    }

    /// The instant that a step asked for has come.
    #[inline]
    #[must_use]
    pub fn due(&self, now: Timestamp, progress: &mut Progress) -> Step {
        match progress.next {
            Next::Check => Step::Check,
            Next::Approve => Step::Approve,
            Next::GiveUp => Step::GiveUp,
            Next::Own => self.on(now, Seen::Due, progress),
        }
    }

    /// How it polls, up to a first look after `until`. None for strategies that do not only poll.
    pub(crate) fn polls(&self, until: Timestamp) -> Option<Polls<'_>> {
        if !self.strategy.closed_form() {
            return None;
        }
        let polling = self.strategy.polling()?;
        polling.polls(self.gaps.as_ref()?, until)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gate::{FixedInterval, ForumBackoff, Polling, Webhook};

    const NO: Seen = Seen::Checked(Ready::No);

    fn secs(secs: u64) -> Timestamp {
        Timestamp::ZERO + Duration::from_secs(secs)
    }

    #[test]
    fn the_forum_gate_checks_at_0_1_3_7_15_and_sleeps_once_more_in_vain() {
        let policy = Policy::new(&ForumBackoff::default().into(), Seed(1));
        let mut progress = Progress::new(RecordingIndex(0));
        assert_eq!(
            policy.on(secs(0), Seen::Started, &mut progress),
            Step::Check
        );
        let mut now = secs(0);
        for next in [1, 3, 7, 15] {
            assert_eq!(policy.on(now, NO, &mut progress), Step::At(secs(next)));
            now = secs(next);
            assert_eq!(policy.due(now, &mut progress), Step::Check);
        }
        assert_eq!(policy.on(now, NO, &mut progress), Step::At(secs(31)));
        assert_eq!(policy.due(secs(31), &mut progress), Step::GiveUp);
    }

    #[test]
    fn the_last_look_is_at_the_deadline_itself() {
        let interval = FixedInterval {
            interval: Duration::from_secs(7),
            polling: Polling {
                initial_delay: Duration::from_secs(1),
                deadline: Some(Duration::from_secs(10)),
                ..Polling::default()
            },
            ..FixedInterval::default()
        };
        let policy = Policy::new(&interval.into(), Seed(1));
        let mut progress = Progress::new(RecordingIndex(0));
        assert_eq!(
            policy.on(secs(0), Seen::Started, &mut progress),
            Step::At(secs(1))
        );
        assert_eq!(policy.on(secs(1), NO, &mut progress), Step::At(secs(8)));
        assert_eq!(policy.on(secs(8), NO, &mut progress), Step::At(secs(10)));
        assert_eq!(policy.on(secs(10), NO, &mut progress), Step::GiveUp);
    }

    #[test]
    fn a_second_webhook_changes_nothing() {
        let webhook = Webhook {
            delay: Duration::from_secs(2),
            ..Webhook::default()
        };
        let policy = Policy::new(&webhook.into(), Seed(1));
        let mut progress = Progress::new(RecordingIndex(0));
        assert_eq!(policy.on(secs(0), Seen::Started, &mut progress), Step::Wait);
        let event = Seen::Notified(WebhookEvent::SessionEnded);
        assert_eq!(policy.on(secs(1), event, &mut progress), Step::At(secs(3)));
        assert_eq!(policy.on(secs(2), event, &mut progress), Step::Wait);
        assert_eq!(policy.due(secs(3), &mut progress), Step::Approve);
    }
}
