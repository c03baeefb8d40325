//! The recording platform of one arm: sessions end, and timelines come out.
//!
//! Both engines drive the same machine. An instant is decided as early as it can be: with one FIFO
//! stage and identical workers, when the session ends (Kiefer and Wolfowitz 1955: the wait follows
//! from the workers' free times); behind a second stage, when the first one is done.

mod clocks;
mod notification;
mod pipeline;

pub use notification::{Known, Notification, Notifications, notifications};
pub use pipeline::Pipeline;

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap, VecDeque};

use crate::draws::{Draws, Seed};
use crate::ids::RecordingIndex;
use crate::scenario::{Arm, HoldSetAt, Workload};
use crate::time::Timestamp;
use crate::timeline::{Hold, StageTimes, Timeline};
use crate::workload::Call;
use clocks::Clocks;

/// What the platform has to say.
#[derive(Clone, PartialEq, Debug)]
pub enum Output {
    /// The recording exists; what is not decided yet is [`Timestamp::NEVER`].
    Began(Timeline),
    /// Every instant of the recording is decided.
    Decided(Timeline),
}

/// The platform of one arm.
#[derive(Clone, Debug)]
pub struct Platform {
    seed: Seed,
    clocks: Clocks,
    pipelines: Vec<Pipeline>,
    /// Recordings between stages, by (when they join the next queue, recording).
    joining: BinaryHeap<Reverse<(Timestamp, RecordingIndex)>>,
    between: BTreeMap<RecordingIndex, Between>,
    outputs: VecDeque<Output>,
}

#[derive(Clone, Debug)]
struct Between {
    timeline: Timeline,
    stage: usize,
}

impl Platform {
    /// The platform of `arm`, fed by `workload`.
    #[must_use]
    pub fn new(arm: &Arm, workload: &Workload, seed: Seed) -> Self {
        Self {
            seed,
            clocks: Clocks::new(arm, workload.hold.set_at, seed),
            pipelines: arm.platform.pipelines.iter().map(Pipeline::new).collect(),
            joining: BinaryHeap::new(),
            between: BTreeMap::new(),
            outputs: VecDeque::new(),
        }
    }

    /// The session of `call` has ended at `now`. Calls must come in order of `now`, and after
    /// everything due before it has been handled.
    pub fn handle_input(&mut self, now: Timestamp, call: &Call) {
        self.handle_timeout(now);
        let draws = Draws::of_call(self.seed, call.index.0);
        let timeline = self.clocks.begin(now, call, draws);
        if timeline.submitted_at <= now {
            let began = timeline.clone();
            match self.join(timeline, 0) {
                Some(decided) => self.outputs.push_back(Output::Decided(decided)),
                None => self.outputs.push_back(Output::Began(began)),
            }
        } else {
            self.outputs.push_back(Output::Began(timeline.clone()));
            self.wait(timeline.submitted_at, timeline, 0);
        }
    }

    /// Handles everything due until `now`.
    pub fn handle_timeout(&mut self, now: Timestamp) {
        while let Some(Reverse((at, recording))) = self.joining.peek().copied() {
            if at > now {
                break;
            }
            self.joining.pop();
            let Some(Between { timeline, stage }) = self.between.remove(&recording) else {
                continue;
            };
            if let Some(decided) = self.join(timeline, stage) {
                self.outputs.push_back(Output::Decided(decided));
            }
        }
    }

    /// When something is due next.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Timestamp> {
        self.joining.peek().map(|Reverse((at, _))| *at)
    }

    /// The next output, in the order in which it was decided.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// The recording joins `stage`'s queue. Returns it if that decides everything.
    fn join(&mut self, mut timeline: Timeline, mut stage: usize) -> Option<Timeline> {
        let draws = Draws::of_call(self.seed, timeline.recording.0);
        let pipeline = &mut self.pipelines[self.clocks.pipeline_of(timeline.kind)];
        let queued_at = match stage {
            0 => timeline.submitted_at,
            _ => timeline.stages[stage - 1].done_at,
        };
        if stage < pipeline.len() {
            timeline.stages[stage] = pipeline.enter(stage, queued_at, draws);
            stage += 1;
        }
        if stage < pipeline.len() {
            let at = timeline.stages[stage - 1].done_at;
            self.wait(at, timeline, stage);
            return None;
        }
        self.clocks.finish(&mut timeline, pipeline.writers(), draws);
        Some(timeline)
    }

    fn wait(&mut self, until: Timestamp, timeline: Timeline, stage: usize) {
        self.joining.push(Reverse((until, timeline.recording)));
        self.between.insert(timeline.recording, Between { timeline, stage });
    }
}

/// When the interaction's hold is set.
const fn hold_set_at(set_at: HoldSetAt, timeline: &Timeline) -> Timestamp {
    match set_at {
        HoldSetAt::CallStart => timeline.started_at,
        HoldSetAt::CallEnd => timeline.ended_at,
    }
}

const fn is_held(timeline: &Timeline) -> bool {
    matches!(timeline.hold, Hold::Held)
}

const _: () = assert!(StageTimes::NONE.queued_at.is_never(), "unused stages must read as unused");
