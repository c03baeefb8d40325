//! The recording platform of one arm: sessions end, and timelines come out.
//!
//! Both engines drive the same machine. An instant is decided as early as it can be: with one FIFO
//! stage and identical workers, when the session ends (Kiefer and Wolfowitz 1955: the wait follows
//! from the workers' free times); behind a second stage, when the first one is done; where updates
//! are limited, when one is accepted.

mod block;
mod clocks;
mod decision;
mod lags;
mod notification;
mod pipeline;
mod reads;
mod showing;
mod signalling;
mod timelines;
mod versions;
mod whole;
mod workers;

pub(crate) use block::{Block, Row};
pub(crate) use decision::Alike;
pub use notification::{Known, Notification, Notifications, notifications};
pub use pipeline::Pipeline;
pub use signalling::Signalling;
pub use timelines::{AtOnce, Decides, Given, Stepped, Timelines};
pub(crate) use whole::Whole;

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap, VecDeque};

use crate::draws::{Draws, Seed};
use crate::fault::{AudioEnd, Ending, SignallingEnd, StorageEnd};
use crate::field::{Field, Kind};
use crate::ids::{RecordingIndex, TenantIndex};
use crate::outcome::Cause;
use crate::scenario::{Arm, Workload};
use crate::time::Timestamp;
use crate::timeline::{StageTimes, Timeline};
use crate::workload::Call;
use clocks::Clocks;
use reads::Reads;
use versions::Versions;

/// What the platform has to say.
#[derive(Clone, PartialEq, Debug)]
pub enum Output {
    /// The recording exists; what is not decided yet is [`Timestamp::NEVER`]. Said again when more
    /// is decided.
    Began(Timeline),
    /// Every instant of the recording is decided.
    Decided(Timeline),
}

/// The platform of one arm, or of one tenant where the gates' own calls load it.
#[derive(Clone, Debug)]
pub struct Platform {
    seed: Seed,
    tenant: Option<TenantIndex>,
    reads: Option<Reads>,
    clocks: Clocks,
    /// What becomes of values once they are there, where they change.
    versions: Option<Versions>,
    pipelines: Vec<Pipeline>,
    signalling: Signalling,
    /// Recordings between stages, by (when they join the next queue, recording).
    joining: BinaryHeap<Reverse<(Timestamp, RecordingIndex)>>,
    between: BTreeMap<RecordingIndex, Between>,
    outputs: VecDeque<Output>,
}

#[derive(Clone, Debug)]
struct Between {
    timeline: Timeline,
    step: Step,
}

/// What a recording does next.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Step {
    /// It joins a stage's queue.
    Enter(usize),
    /// Its update is tried, after so many refusals.
    Update(u32),
}

impl Platform {
    /// The platform of `arm`, fed by `workload`.
    #[must_use]
    pub fn new(arm: &Arm, workload: &Workload, seed: Seed) -> Self {
        let coupling = arm.platform.coupling.as_ref();
        Self {
            seed,
            tenant: None,
            reads: coupling.map(|cost| Reads::new(cost, &arm.platform)),
            clocks: Clocks::new(arm, workload.hold.set_at, seed),
            versions: arm.platform.versions.as_ref().map(Versions::new),
            pipelines: arm.platform.pipelines.iter().map(Pipeline::new).collect(),
            signalling: Signalling::new(arm.platform.intake.signalling, workload, seed),
            joining: BinaryHeap::new(),
            between: BTreeMap::new(),
            outputs: VecDeque::new(),
        }
    }

    /// The same platform, `tenant`'s own.
    #[must_use]
    pub const fn of_tenant(mut self, tenant: TenantIndex) -> Self {
        self.tenant = Some(tenant);
        self
    }

    /// A gate's `GET` of a recording that the platform takes for a call of `kind` reaches it at
    /// `now`. What it takes it takes behind all that came before, so nothing that is decided
    /// moves. Reads must come in order of `now`, and after everything due by then was handled.
    pub fn read(&mut self, now: Timestamp, recording: RecordingIndex, kind: Kind) {
        if let Some(reads) = &self.reads {
            let pipeline = &mut self.pipelines[self.clocks.pipeline_of(kind)];
            let draws = Draws::of_call(self.seed, recording.0);
            reads.take(now, kind, pipeline, draws);
        }
    }

    /// The session of `call` has ended well at `now`. Calls must come in order of `now`, and after
    /// everything due before it has been handled.
    pub fn handle_input(&mut self, now: Timestamp, call: &Call) {
        self.handle_session(now, call, Ending::default());
    }

    /// The same of a session that ended in that way.
    pub fn handle_session(&mut self, now: Timestamp, call: &Call, ending: Ending) {
        self.handle_timeout(now);
        let draws = Draws::of_call(self.seed, call.index.0);
        let mut timeline = self.clocks.begin(now, call, draws);
        timeline.tenant = self.tenant;
        let cut = self.signalling.is_cut(call.index);
        if cut || ending.signalling == SignallingEnd::Lost {
            timeline.lost_cause = Some(Cause::PartialWrite);
        }
        if ending.audio == AudioEnd::Altered {
            timeline.false_fields.insert(Field::Media);
        }
        match ending.storage {
            StorageEnd::Stored => {}
            StorageEnd::Late(by) => timeline.media_at = timeline.media_at + by,
            StorageEnd::Failed | StorageEnd::Full => timeline.media_at = Timestamp::NEVER,
        }
        if timeline.submitted_at <= now {
            self.proceed(now, timeline, Step::Enter(0), News::All);
        } else {
            self.decide(now, &mut timeline, draws);
            self.outputs.push_back(Output::Began(timeline.clone()));
            self.wait(timeline.submitted_at, timeline, Step::Enter(0));
        }
    }

    /// Handles everything due until `now`.
    pub fn handle_timeout(&mut self, now: Timestamp) {
        while let Some(Reverse((at, recording))) = self.joining.peek().copied() {
            if at > now {
                break;
            }
            self.joining.pop();
            let Some(Between { timeline, step }) = self.between.remove(&recording) else {
                continue;
            };
            self.proceed(at, timeline, step, News::Changes);
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

    /// The recording takes `step` at `now`, and what follows from it is decided.
    fn proceed(&mut self, now: Timestamp, mut timeline: Timeline, step: Step, news: News) {
        let draws = Draws::of_call(self.seed, timeline.recording.0);
        let next = self.take(now, &mut timeline, step, draws);
        let before = timeline.fields;
        self.decide(now, &mut timeline, draws);
        let Some((at, step)) = next else {
            self.outputs.push_back(Output::Decided(timeline));
            return;
        };
        if news == News::All || timeline.fields != before {
            self.outputs.push_back(Output::Began(timeline.clone()));
        }
        self.wait(at, timeline, step);
    }

    /// Decides what follows at `now` from what the pipeline has done.
    fn decide(&self, now: Timestamp, timeline: &mut Timeline, draws: Draws) {
        let writers = self.pipeline(timeline).writers();
        self.clocks.decide(now, timeline, writers, draws);
        if let Some(versions) = &self.versions {
            timeline.later = versions.of(timeline, &self.clocks, draws);
        }
    }

    /// Takes `step`. Returns the next one and when it is due, or notes when all was written.
    fn take(
        &mut self,
        now: Timestamp,
        timeline: &mut Timeline,
        step: Step,
        draws: Draws,
    ) -> Option<(Timestamp, Step)> {
        let pipeline = &mut self.pipelines[self.clocks.pipeline_for(timeline)];
        let tries = match step {
            Step::Enter(stage) if stage < pipeline.len() => {
                let times = pipeline.enter(stage, now, draws);
                timeline.stages[stage] = times;
                if stage + 1 < pipeline.len() || pipeline.limits_updates() {
                    return Some((times.done_at, Step::Enter(stage + 1)));
                }
                timeline.written_at = times.done_at;
                return None;
            }
            Step::Enter(_) => 0,
            Step::Update(tries) => tries,
        };
        match pipeline.update(now, tries, draws) {
            Ok(()) => {
                timeline.written_at = now;
                None
            }
            Err(at) => Some((at, Step::Update(tries.saturating_add(1)))),
        }
    }

    fn pipeline(&self, timeline: &Timeline) -> &Pipeline {
        &self.pipelines[self.clocks.pipeline_for(timeline)]
    }

    fn wait(&mut self, until: Timestamp, timeline: Timeline, step: Step) {
        self.joining.push(Reverse((until, timeline.recording)));
        self.between
            .insert(timeline.recording, Between { timeline, step });
    }
}

/// What is worth saying of a recording that is not decided yet.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum News {
    /// That it exists.
    All,
    /// That more of it is decided.
    Changes,
}

const _: () = assert!(
    StageTimes::NONE.queued_at.is_never(),
    "unused stages must read as unused"
);
