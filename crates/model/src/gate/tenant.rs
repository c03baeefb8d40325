//! The gate of one tenant: what it sees of all recordings → what it wants done.

use std::collections::VecDeque;

use super::bucket::Bucket;
use super::{Policy, Progress, Ready, Seen, Step, WebhookEvent};
use crate::agenda::{Agenda, Due};
use crate::draws::Seed;
use crate::field::Kind;
use crate::ids::RecordingIndex;
use crate::scenario::{GateSpec, ReadPath, RequiredFields};
use crate::table::Table;
use crate::time::{Duration, Timestamp};
use crate::timeline::View;

/// What a gate asks of the API.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Read {
    /// A look at one recording.
    Check {
        /// The recording.
        recording: RecordingIndex,
        /// The read path to look on.
        path: ReadPath,
    },
    /// The data lake's watermark.
    Watermark {
        /// The recording that the call counts as.
        recording: RecordingIndex,
    },
}

impl Read {
    /// The recording that the call counts as.
    #[must_use]
    pub const fn recording(&self) -> RecordingIndex {
        match self {
            Self::Check { recording, .. } | Self::Watermark { recording } => *recording,
        }
    }
}

/// What a read has found.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Found {
    /// The recording as it was.
    View(View),
    /// The watermark's date.
    Watermark(Timestamp),
}

/// What a gate gets to know.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Observation {
    /// The gate's clock starts for a recording.
    Started(RecordingIndex),
    /// A notification arrived.
    Notified(RecordingIndex, WebhookEvent),
    /// A read was answered.
    Answered(Read, Found),
    /// A read was answered with 404: nothing is there.
    NotFound(Read),
    /// A read was answered with 429.
    Throttled(Read, Duration),
}

/// What a gate wants done.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Action {
    /// A read of the API.
    Read(Read),
    /// It may be exported.
    Export(RecordingIndex),
    /// It shall not be waited for any longer.
    Abandon(RecordingIndex),
}

/// A strategy that decides about all recordings of a tenant together.
pub trait Fleet: std::fmt::Debug + Send {
    /// A recording of `kind` is known from now on; its clock has not started.
    fn expect(&mut self, recording: RecordingIndex, kind: Kind) {
        let _ = (recording, kind);
    }

    /// What follows from an observation at `now`.
    fn on(&mut self, now: Timestamp, observation: Observation) -> Vec<Action>;

    /// What follows from all that is due until `now`.
    fn handle_timeout(&mut self, now: Timestamp) -> Vec<Action>;

    /// The instant at which something is due next.
    fn poll_timeout(&self) -> Option<Timestamp>;

    /// A read of `recording` is refused for good. Returns the recordings for which that is the end.
    fn refused(&mut self, recording: RecordingIndex) -> Vec<RecordingIndex>;
}

/// A gate of one tenant.
#[derive(Debug)]
pub struct Gate {
    policy: Policy,
    /// Decides about all recordings together, instead of the policy.
    fleet: Option<Box<dyn Fleet>>,
    required: RequiredFields,
    pending: Table<RecordingIndex, Pending>,
    due: Agenda,
    /// What all checks pass, where the gate limits them.
    bucket: Option<Bucket>,
    /// Checks that wait for it.
    queued: VecDeque<RecordingIndex>,
    actions: VecDeque<Action>,
}

#[derive(Clone, Copy, Debug)]
struct Pending {
    kind: Kind,
    progress: Progress,
    /// The deadline that counts, if one does: any other is void.
    due_at: Timestamp,
}

impl Gate {
    /// The gate that `spec` describes.
    #[must_use]
    pub fn new(spec: &GateSpec, required: RequiredFields, seed: Seed) -> Self {
        let polling = spec.strategy.polling();
        Self {
            policy: Policy::new(&spec.strategy, seed),
            fleet: spec.strategy.fleet(required),
            required,
            pending: Table::default(),
            due: Agenda::default(),
            bucket: polling.and_then(|it| it.max_calls).map(Bucket::new),
            queued: VecDeque::new(),
            actions: VecDeque::new(),
        }
    }

    /// The jitter that follows check `attempt` of the recording, if it finds nothing.
    pub(crate) const fn drawn(&self, recording: RecordingIndex, attempt: u32) -> u64 {
        self.policy.drawn(recording, attempt)
    }

    /// A recording of `kind` is known from now on; its clock has not started.
    pub fn expect(&mut self, recording: RecordingIndex, kind: Kind) {
        if let Some(fleet) = &mut self.fleet {
            return fleet.expect(recording, kind);
        }
        let pending = Pending {
            kind,
            progress: Progress::new(recording),
            due_at: Timestamp::NEVER,
        };
        self.pending.insert(recording, pending);
    }

    /// Tells the gate what was seen at `now`. What concerns a recording that it has already
    /// decided about is ignored.
    pub fn observe(&mut self, now: Timestamp, observation: Observation) {
        if let Some(fleet) = &mut self.fleet {
            return self.actions.extend(fleet.on(now, observation));
        }
        let recording = observation.recording();
        let Some(pending) = self.pending.get_mut(recording) else {
            return;
        };
        let seen = match observation {
            Observation::Started(_) => Seen::Started,
            Observation::Notified(_, event) => Seen::Notified(event),
            Observation::Answered(_, Found::View(view)) => {
                Seen::Checked(self.policy.is_ready(&view, &self.required, pending.kind))
            }
            // No policy asks for it.
            Observation::Answered(_, Found::Watermark(_)) => return,
            Observation::NotFound(_) => Seen::Checked(Ready::No),
            Observation::Throttled(_, retry_after) => {
                if let Some(bucket) = &mut self.bucket {
                    bucket.pause(now + retry_after);
                }
                Seen::Throttled(retry_after)
            }
        };
        let step = self.policy.on(now, seen, &mut pending.progress);
        self.apply(now, recording, step);
        self.release(now);
    }

    /// A read of `recording` is refused for good. Returns the recordings for which that is the end.
    pub fn refused(&mut self, recording: RecordingIndex) -> Vec<RecordingIndex> {
        if let Some(fleet) = &mut self.fleet {
            return fleet.refused(recording);
        }
        self.pending.remove(recording);
        vec![recording]
    }

    /// Forgets every recording; a fleet's strategy is left as it is.
    pub(crate) fn clear(&mut self) {
        self.pending.clear();
        self.due.clear();
        self.actions.clear();
    }

    /// Handles everything due until `now`.
    pub fn handle_timeout(&mut self, now: Timestamp) {
        if let Some(fleet) = &mut self.fleet {
            return self.actions.extend(fleet.handle_timeout(now));
        }
        while let Some(Due { at, content, .. }) = self.due.pop_until(now) {
            let recording = RecordingIndex(content);
            let pending = self.pending.get_mut(recording);
            if let Some(pending) = pending.filter(|pending| pending.due_at == at) {
                pending.due_at = Timestamp::NEVER;
                let step = self.policy.due(at, &mut pending.progress);
                self.apply(at, recording, step);
            }
        }
        self.release(now);
    }

    /// When something is due next; may name an instant at which nothing happens any more.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Timestamp> {
        self.due_at().ever()
    }

    /// The same; never if nothing is due.
    #[inline]
    pub(crate) fn due_at(&self) -> Timestamp {
        match &self.fleet {
            None => self.due.first_at().min(self.released_at()),
            Some(fleet) => fleet.poll_timeout().unwrap_or(Timestamp::NEVER),
        }
    }

    /// When the bucket lets the next waiting check pass; never if none waits.
    fn released_at(&self) -> Timestamp {
        let bucket = self.bucket.as_ref().filter(|_| !self.queued.is_empty());
        bucket.map_or(Timestamp::NEVER, Bucket::next_at)
    }

    /// The next thing to do.
    pub fn poll_action(&mut self) -> Option<Action> {
        self.actions.pop_front()
    }

    /// Makes the checks that wait, as far as the bucket has tokens for them.
    fn release(&mut self, now: Timestamp) {
        let (Some(bucket), path) = (&mut self.bucket, self.policy.read_path()) else {
            return;
        };
        while let Some(recording) = self.queued.front().copied() {
            if self.pending.get(recording).is_some() {
                if bucket.take(now).is_none() {
                    break;
                }
                let read = Read::Check { recording, path };
                self.actions.push_back(Action::Read(read));
            }
            self.queued.pop_front();
        }
    }

    fn apply(&mut self, now: Timestamp, recording: RecordingIndex, step: Step) {
        match step {
            Step::Wait => {}
            Step::At(at) => {
                if let Some(pending) = self.pending.get_mut(recording) {
                    pending.due_at = at.max(now);
                    self.due.push(Due {
                        at: pending.due_at,
                        content: recording.0,
                        slot: 0,
                    });
                }
            }
            Step::Check if self.bucket.is_some() => self.queued.push_back(recording),
            Step::Check => {
                let path = self.policy.read_path();
                let read = Read::Check { recording, path };
                self.actions.push_back(Action::Read(read));
            }
            Step::Approve => {
                self.pending.remove(recording);
                self.actions.push_back(Action::Export(recording));
            }
            Step::GiveUp => {
                self.pending.remove(recording);
                self.actions.push_back(Action::Abandon(recording));
            }
        }
    }
}

impl Observation {
    const fn recording(&self) -> RecordingIndex {
        match self {
            Self::Started(recording) | Self::Notified(recording, _) => *recording,
            Self::Answered(read, _) | Self::NotFound(read) | Self::Throttled(read, _) => {
                read.recording()
            }
        }
    }
}
