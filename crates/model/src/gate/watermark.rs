//! `watermark`: one poll of the data lake's watermark for all recordings together.

use std::collections::BTreeSet;

use super::keys::{Key, Keys, Value};
use super::policy::{Look, Seen, Step};
use super::{Action, Fleet, Form, Found, Observation, Read};
use crate::ids::RecordingIndex;
use crate::scenario::RequiredFields;
use crate::time::{Duration, Timestamp};

/// Reads the data lake's watermark for all recordings together, and exports those whose clock
/// started before it. A read counts as a call of the recording that has waited longest.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Watermark {
    /// Gap between reads, while a recording waits.
    pub interval: Duration,
    /// Time after the gate's start at which it gives up, with a last read at that very instant.
    pub deadline: Option<Duration>,
}

impl Default for Watermark {
    fn default() -> Self {
        Self {
            interval: Duration::from_secs(10),
            deadline: Some(Duration::from_secs(300)),
        }
    }
}

impl Form for Watermark {
    const NAME: &'static str = "watermark";
    const ABOUT: &'static str = "reads the data lake's watermark (`lake`) for all recordings \
        together while one waits, and exports those whose clock started before it; a read counts \
        as a call of the recording that waits longest";

    fn keys(&mut self, keys: &mut dyn Keys) {
        let key = Key::new("interval", "gap between reads");
        keys.key(key, Value::Interval(&mut self.interval));
        let help = "time after its start at which it gives up, with a last look at that instant";
        keys.key(Key::new("deadline", help), Value::Limit(&mut self.deadline));
    }

    fn steady(&self) -> Option<(Duration, Option<Duration>)> {
        Some((self.interval, self.deadline))
    }

    fn fleet(&self, _: RequiredFields) -> Option<Box<dyn Fleet>> {
        Some(Box::new(Machine::new(self.interval, self.deadline)))
    }

    fn on(&self, _: Timestamp, _: Seen, _: &mut Look<'_>) -> Step {
        Step::Wait
    }
}

/// Recordings that wait for the watermark to pass their start, and when it is asked for next.
#[derive(Clone, Debug)]
struct Machine {
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

impl Machine {
    const fn new(interval: Duration, deadline: Option<Duration>) -> Self {
        Self {
            interval,
            deadline,
            waiting: BTreeSet::new(),
            next_at: Timestamp::ZERO,
            poll: Poll::Idle,
        }
    }

    /// The gate's clock starts for a recording.
    fn started(&mut self, now: Timestamp, recording: RecordingIndex) {
        self.waiting.insert((now, recording));
    }

    /// When a poll is due: at its interval, and at the deadline of what has waited longest.
    fn due_at(&self) -> Option<Timestamp> {
        let (first, _) = self.waiting.first().filter(|_| self.poll == Poll::Idle)?;
        let deadline = self.deadline.map(|deadline| *first + deadline);
        Some(
            deadline
                .map_or(self.next_at, |deadline| deadline.min(self.next_at))
                .max(*first),
        )
    }

    /// Polls if that is due.
    fn poll(&mut self, now: Timestamp) -> Option<Action> {
        let due = self.due_at().is_some_and(|at| at <= now);
        let (_, first) = *self.waiting.first().filter(|_| due)?;
        self.poll = Poll::Asked;
        Some(Action::Read(Read::Watermark { recording: first }))
    }

    /// The watermark was `watermark` when it was asked for at `now`: what began before it is
    /// exported, and what has waited too long is given up.
    fn seen(&mut self, now: Timestamp, watermark: Timestamp) -> Vec<Action> {
        let mut actions = self.until(watermark.min(now), Action::Export);
        actions.append(&mut self.answered(now, self.interval));
        actions
    }

    /// A poll was not answered; the next one is due after `wait`.
    fn answered(&mut self, now: Timestamp, wait: Duration) -> Vec<Action> {
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

impl Fleet for Machine {
    fn on(&mut self, now: Timestamp, observation: Observation) -> Vec<Action> {
        match observation {
            Observation::Started(recording) => {
                self.started(now, recording);
                Vec::new()
            }
            Observation::Answered(_, Found::Watermark(watermark)) => self.seen(now, watermark),
            Observation::Throttled(_, wait) => self.answered(now, wait),
            Observation::NotFound(_) => self.answered(now, self.interval),
            Observation::Notified(..) | Observation::Answered(_, Found::View(_)) => Vec::new(),
        }
    }

    fn handle_timeout(&mut self, now: Timestamp) -> Vec<Action> {
        self.poll(now).into_iter().collect()
    }

    fn poll_timeout(&self) -> Option<Timestamp> {
        self.due_at()
    }

    fn refused(&mut self, _: RecordingIndex) -> Vec<RecordingIndex> {
        self.poll = Poll::Idle;
        let waiting = std::mem::take(&mut self.waiting);
        waiting
            .into_iter()
            .map(|(_, recording)| recording)
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn at(secs: u64) -> Timestamp {
        Timestamp::from_nanos(secs * 1_000_000_000)
    }

    fn gate(deadline: Option<u64>) -> Machine {
        let mut gate = Machine::new(Duration::from_secs(10), deadline.map(Duration::from_secs));
        gate.started(at(3), RecordingIndex(7));
        gate.started(at(5), RecordingIndex(2));
        gate
    }

    #[test]
    fn one_poll_approves_all_that_the_watermark_has_passed() {
        let mut gate = gate(None);
        let asked = Action::Read(Read::Watermark {
            recording: RecordingIndex(7),
        });
        assert_eq!(gate.handle_timeout(at(3)), [asked]);
        assert_eq!(
            (gate.poll_timeout(), gate.handle_timeout(at(4))),
            (None, vec![])
        );
        assert_eq!(gate.seen(at(3), at(0)), []);
        assert_eq!(gate.poll_timeout(), Some(at(13)));
        assert_eq!(gate.handle_timeout(at(13)), [asked]);
        let approved = [7, 2].map(|recording| Action::Export(RecordingIndex(recording)));
        assert_eq!(gate.seen(at(13), at(5)), approved);
        assert_eq!(gate.poll_timeout(), None);
        // What is new waits for the next interval.
        gate.started(at(15), RecordingIndex(9));
        assert_eq!(gate.poll_timeout(), Some(at(23)));
    }

    #[test]
    fn the_last_look_is_at_the_deadline_itself() {
        let mut gate = gate(Some(4));
        assert_eq!(gate.handle_timeout(at(3)).len(), 1);
        assert_eq!(gate.answered(at(3), Duration::from_secs(30)), []);
        assert_eq!(gate.poll_timeout(), Some(at(7)));
        assert_eq!(gate.handle_timeout(at(7)).len(), 1);
        let given_up = Action::Abandon(RecordingIndex(7));
        assert_eq!(gate.seen(at(7), at(0)), [given_up]);
        assert_eq!(gate.poll_timeout(), Some(at(9)));
    }
}
