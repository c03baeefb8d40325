//! The `watermark` strategy: one poll of the data lake's watermark for all recordings together.

use std::collections::BTreeSet;

use super::Action;
use crate::ids::RecordingIndex;
use crate::time::{Duration, Timestamp};

/// Recordings that wait for the watermark to pass their start, and when it is asked for next.
#[derive(Clone, Debug)]
pub(super) struct Watermark {
    interval: Duration,
    deadline: Option<Duration>,
    /// By when the gate's clock started for them.
    waiting: BTreeSet<(Timestamp, RecordingIndex)>,
    /// When the next poll is due, at the earliest.
    next_at: Timestamp,
    /// Whether a poll is on its way.
    poll: Poll,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Poll {
    Idle,
    Asked,
}

impl Watermark {
    pub(super) const fn new(interval: Duration, deadline: Option<Duration>) -> Self {
        Self {
            interval,
            deadline,
            waiting: BTreeSet::new(),
            next_at: Timestamp::ZERO,
            poll: Poll::Idle,
        }
    }

    /// The gate's clock starts for a recording.
    pub(super) fn started(&mut self, now: Timestamp, recording: RecordingIndex) {
        self.waiting.insert((now, recording));
    }

    /// When a poll is due: at its interval, and at the deadline of who has waited longest.
    pub(super) fn poll_timeout(&self) -> Option<Timestamp> {
        let (first, _) = self.waiting.first().filter(|_| self.poll == Poll::Idle)?;
        let deadline = self.deadline.map(|deadline| *first + deadline);
        Some(
            deadline
                .map_or(self.next_at, |deadline| deadline.min(self.next_at))
                .max(*first),
        )
    }

    /// Polls if that is due. The call counts as that of who has waited longest.
    pub(super) fn handle_timeout(&mut self, now: Timestamp) -> Option<Action> {
        let due = self.poll_timeout().is_some_and(|at| at <= now);
        let (_, first) = self.waiting.first().filter(|_| due)?;
        self.poll = Poll::Asked;
        Some(Action::ReadWatermark(*first))
    }

    /// The watermark was `watermark` when it was asked for at `now`: what began before it is
    /// exported, and what has waited too long is given up.
    pub(super) fn seen(&mut self, now: Timestamp, watermark: Timestamp) -> Vec<Action> {
        let mut actions = self.until(watermark.min(now), Action::Export);
        actions.append(&mut self.answered(now, self.interval));
        actions
    }

    /// A poll was not answered; the next one is due after `wait`.
    pub(super) fn answered(&mut self, now: Timestamp, wait: Duration) -> Vec<Action> {
        self.poll = Poll::Idle;
        // A wait of nothing would poll for ever at one instant.
        self.next_at = now + wait.max(Duration::from_nanos(1));
        match self.deadline {
            Some(deadline) if now >= Timestamp::ZERO + deadline => {
                self.until(now - deadline, Action::Abandon)
            }
            _ => Vec::new(),
        }
    }

    /// A poll was answered with nothing to go by.
    pub(super) fn unanswered(&mut self, now: Timestamp) -> Vec<Action> {
        self.answered(now, self.interval)
    }

    /// The watermark may not be read: nobody waits any more. Returns who did.
    pub(super) fn refused(&mut self) -> Vec<RecordingIndex> {
        self.poll = Poll::Idle;
        let waiting = std::mem::take(&mut self.waiting);
        waiting
            .into_iter()
            .map(|(_, recording)| recording)
            .collect()
    }

    /// What becomes of recordings that began until `at`.
    fn until(&mut self, at: Timestamp, action: fn(RecordingIndex) -> Action) -> Vec<Action> {
        let mut actions = Vec::new();
        while let Some((_, recording)) = self
            .waiting
            .first()
            .copied()
            .filter(|(start, _)| *start <= at)
        {
            self.waiting.pop_first();
            actions.push(action(recording));
        }
        actions
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn at(secs: u64) -> Timestamp {
        Timestamp::from_nanos(secs * 1_000_000_000)
    }

    fn gate(deadline: Option<u64>) -> Watermark {
        let mut gate = Watermark::new(Duration::from_secs(10), deadline.map(Duration::from_secs));
        gate.started(at(3), RecordingIndex(7));
        gate.started(at(5), RecordingIndex(2));
        gate
    }

    #[test]
    fn one_poll_approves_all_that_the_watermark_has_passed() {
        let mut gate = gate(None);
        let asked = Action::ReadWatermark(RecordingIndex(7));
        assert_eq!(gate.handle_timeout(at(3)), Some(asked));
        assert_eq!(
            (gate.poll_timeout(), gate.handle_timeout(at(4))),
            (None, None)
        );
        assert_eq!(gate.seen(at(3), at(0)), []);
        assert_eq!(gate.poll_timeout(), Some(at(13)));
        assert_eq!(gate.handle_timeout(at(13)), Some(asked));
        let approved = [7, 2].map(|recording| Action::Export(RecordingIndex(recording)));
        assert_eq!(gate.seen(at(13), at(5)), approved);
        assert_eq!(gate.poll_timeout(), None);
        // Somebody new waits for the next interval.
        gate.started(at(15), RecordingIndex(9));
        assert_eq!(gate.poll_timeout(), Some(at(23)));
    }

    #[test]
    fn the_last_look_is_at_the_deadline_itself() {
        let mut gate = gate(Some(4));
        assert!(gate.handle_timeout(at(3)).is_some());
        assert_eq!(gate.answered(at(3), Duration::from_secs(30)), []);
        assert_eq!(gate.poll_timeout(), Some(at(7)));
        assert!(gate.handle_timeout(at(7)).is_some());
        let given_up = Action::Abandon(RecordingIndex(7));
        assert_eq!(gate.seen(at(7), at(0)), [given_up]);
        assert_eq!(gate.poll_timeout(), Some(at(9)));
    }
}
