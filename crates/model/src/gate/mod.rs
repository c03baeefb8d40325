//! Gates: when may a recording be exported?
//!
//! A gate is a fleet policy: it sees observations of all recordings and says what to do next. The
//! simple strategies are a pure [`Policy`] per recording in one adapter that keeps their deadlines.

mod gaps;
mod policy;
mod polls;
mod watermark;

pub(crate) use gaps::Gaps;
pub use policy::{Policy, Progress, Ready, Step};
pub(crate) use polls::{Polls, Rounds, Series};

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap, VecDeque};

use crate::draws::Seed;
use crate::field::{Field, FieldSet, Kind};
use crate::ids::RecordingIndex;
use crate::scenario::{GateSpec, ReadPath, RequiredFields, Strategy, WebhookEvent};
use crate::time::{Duration, Timestamp};
use crate::timeline::{Need, RecordingState, View};
use watermark::Watermark;

/// What a gate gets to know.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Observation {
    /// The gate's clock starts for a recording.
    Started(RecordingIndex),
    /// A notification arrived.
    Notified(RecordingIndex, WebhookEvent),
    /// A check came back.
    Checked(RecordingIndex, View),
    /// A check was answered with 404: the recording is not there.
    NotFound(RecordingIndex),
    /// The data lake's watermark was read for a recording and all that wait with it.
    Watermark(RecordingIndex, Timestamp),
    /// A check was answered with 429.
    Throttled(RecordingIndex, Duration),
}

/// What a gate wants done.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Action {
    /// Look at the recording.
    Check(RecordingIndex),
    /// Read the data lake's watermark; the call counts as the recording's.
    ReadWatermark(RecordingIndex),
    /// It may be exported.
    Export(RecordingIndex),
    /// It shall not be waited for any longer.
    Abandon(RecordingIndex),
}

/// A gate of one tenant.
#[derive(Clone, Debug)]
pub struct Gate {
    policy: Policy,
    /// Decides about all recordings together, instead of the policy.
    fleet: Option<Watermark>,
    required: RequiredFields,
    pending: BTreeMap<RecordingIndex, Pending>,
    due: BinaryHeap<Reverse<(Timestamp, RecordingIndex, u64)>>,
    actions: VecDeque<Action>,
}

#[derive(Clone, Copy, Debug)]
struct Pending {
    kind: Kind,
    progress: Progress,
    /// Which of its deadlines counts: an older one in the heap is void.
    generation: u64,
}

impl Gate {
    /// The gate that `spec` describes.
    #[must_use]
    pub fn new(spec: &GateSpec, required: RequiredFields, seed: Seed) -> Self {
        Self {
            policy: Policy::new(&spec.strategy, seed),
            fleet: if let Strategy::Watermark { interval, deadline } = spec.strategy {
                Some(Watermark::new(interval, deadline))
            } else {
                None
            },
            required,
            pending: BTreeMap::new(),
            due: BinaryHeap::new(),
            actions: VecDeque::new(),
        }
    }

    /// Where its checks read.
    #[must_use]
    pub fn read_path(&self) -> ReadPath {
        self.policy.read_path()
    }

    /// The jitter that follows check `attempt` of the recording, if it finds nothing.
    pub(crate) const fn drawn(&self, recording: RecordingIndex, attempt: u32) -> u64 {
        self.policy.drawn(recording, attempt)
    }

    /// A recording of `kind` is known from now on; its clock has not started.
    pub fn expect(&mut self, recording: RecordingIndex, kind: Kind) {
        if self.fleet.is_some() {
            return;
        }
        let pending = Pending {
            kind,
            progress: Progress::new(recording),
            generation: 0,
        };
        self.pending.insert(recording, pending);
    }

    /// Tells the gate what was seen at `now`. What concerns a recording that it has already
    /// decided about is ignored.
    pub fn observe(&mut self, now: Timestamp, observation: Observation) {
        if let Some(fleet) = &mut self.fleet {
            let actions = match observation {
                Observation::Started(recording) => {
                    fleet.started(now, recording);
                    Vec::new()
                }
                Observation::Watermark(_, watermark) => fleet.seen(now, watermark),
                Observation::Throttled(_, wait) => fleet.answered(now, wait),
                Observation::NotFound(_) => fleet.unanswered(now),
                Observation::Notified(..) | Observation::Checked(..) => Vec::new(),
            };
            return self.actions.extend(actions);
        }
        let recording = observation.recording();
        let Some(pending) = self.pending.get_mut(&recording) else {
            return;
        };
        let progress = &mut pending.progress;
        let step = match observation {
            Observation::Started(_) => self.policy.started(now, progress),
            Observation::Notified(_, event) => self.policy.notified(now, event, progress),
            Observation::Checked(_, view) => {
                let ready = self.policy.is_ready(&view, self.required.of(pending.kind));
                self.policy.checked(now, ready, progress)
            }
            // Nobody asked for it.
            Observation::Watermark(..) => Step::Wait,
            Observation::NotFound(_) => self.policy.checked(now, Ready::No, progress),
            Observation::Throttled(_, retry_after) => {
                self.policy.throttled(now, retry_after, progress)
            }
        };
        self.apply(now, recording, step);
    }

    /// A call for `recording` is refused for good. Returns the recordings for which that is the end.
    pub fn refused(&mut self, recording: RecordingIndex) -> Vec<RecordingIndex> {
        if let Some(fleet) = &mut self.fleet {
            return fleet.refused();
        }
        self.pending.remove(&recording);
        vec![recording]
    }

    /// Handles everything due until `now`.
    pub fn handle_timeout(&mut self, now: Timestamp) {
        if let Some(fleet) = &mut self.fleet {
            return self.actions.extend(fleet.handle_timeout(now));
        }
        while let Some(Reverse((at, recording, generation))) = self.due.peek().copied() {
            if at > now {
                break;
            }
            self.due.pop();
            let Some(pending) = self.pending.get_mut(&recording) else {
                continue;
            };
            if pending.generation != generation {
                continue;
            }
            let step = self.policy.due(at, &mut pending.progress);
            self.apply(at, recording, step);
        }
    }

    /// When something is due next; may name an instant at which nothing happens any more.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Timestamp> {
        if let Some(fleet) = &self.fleet {
            return fleet.poll_timeout();
        }
        self.due.peek().map(|Reverse((at, _, _))| *at)
    }

    /// The next thing to do.
    pub fn poll_action(&mut self) -> Option<Action> {
        self.actions.pop_front()
    }

    fn apply(&mut self, now: Timestamp, recording: RecordingIndex, step: Step) {
        match step {
            Step::Wait => {}
            Step::At(at) => {
                if let Some(pending) = self.pending.get_mut(&recording) {
                    pending.generation += 1;
                    self.due
                        .push(Reverse((at.max(now), recording, pending.generation)));
                }
            }
            Step::Check => self.actions.push_back(Action::Check(recording)),
            Step::Approve => {
                self.pending.remove(&recording);
                self.actions.push_back(Action::Export(recording));
            }
            Step::GiveUp => {
                self.pending.remove(&recording);
                self.actions.push_back(Action::Abandon(recording));
            }
        }
    }
}

impl Observation {
    const fn recording(self) -> RecordingIndex {
        match self {
            Self::Started(recording)
            | Self::Notified(recording, _)
            | Self::Checked(recording, _)
            | Self::NotFound(recording)
            | Self::Watermark(recording, _)
            | Self::Throttled(recording, _) => recording,
        }
    }
}

/// What a gate looks for in a recording that needs the `required` fields.
pub(crate) fn need(ready: &crate::scenario::Readiness, required: FieldSet) -> Need {
    let need = Need::fields(needed_fields(ready, required));
    if ready.state_completed.needed() {
        need.and_state()
    } else {
        need
    }
}

fn needed_fields(ready: &crate::scenario::Readiness, required: FieldSet) -> FieldSet {
    let mut needed = ready.fields;
    if ready.required_fields.needed() || ready.index_visible.needed() {
        needed = needed.union(required);
    }
    if ready.media_available.needed() {
        needed.insert(Field::Media);
    }
    needed
}

/// Whether the view satisfies what a gate looks for.
pub(crate) fn satisfies(
    ready: &crate::scenario::Readiness,
    view: &View,
    required: FieldSet,
) -> bool {
    let needed = needed_fields(ready, required);
    let state_ok = !ready.state_completed.needed() || view.state == RecordingState::Completed;
    state_ok && needed.difference(view.present).is_empty()
}
