//! A recording's instants as lengths of time, so that it can be moved and made shorter: what waits
//! in a queue waits again, among those that are left.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use crate::field::{Field, FieldGroup};
use crate::ids::RecordingIndex;
use crate::org::JobChance;
use crate::platform::Pipeline;
use crate::scenario::{Arm, ReadPath, WebhookEvent};
use crate::sim::GivenRecording;
use crate::time::{Duration, Timestamp};
use crate::timeline::{FieldClock, STAGES_MAX, StageTimes, Timeline};

/// What an instant follows.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Anchor {
    /// The call's start.
    Started,
    /// The session's end.
    Ended,
    /// The update that writes the field, or the last of them.
    Written,
    /// The field's value, or the last of them.
    Value,
}

/// An instant that follows something by a length of time; none never comes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct After {
    anchor: Anchor,
    by: Option<Duration>,
}

impl After {
    /// How `at` follows the last of `anchors` that it does not precede.
    fn of(at: Timestamp, anchors: &[(Anchor, Timestamp)]) -> Self {
        let (anchor, from) = anchors
            .iter()
            .rev()
            .find(|(_, from)| !from.is_never() && *from <= at)
            .copied()
            .unwrap_or((Anchor::Started, Timestamp::ZERO));
        Self {
            anchor,
            by: at.ever().map(|at| at.since(from)),
        }
    }

    fn instant(self, anchors: &[(Anchor, Timestamp)]) -> Timestamp {
        let from = anchors.iter().find(|(anchor, _)| *anchor == self.anchor);
        match (self.by, from) {
            (Some(by), Some((_, from))) => *from + by,
            (Some(by), None) => Timestamp::ZERO + by,
            (None, _) => Timestamp::NEVER,
        }
    }
}

/// The clock of a group of fields.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct GroupValues {
    value: After,
    /// How long it is null before it has its value.
    null: Option<Duration>,
    /// When it reads as null, if not before its value.
    null_alone: After,
    index: After,
}

/// One recording as lengths of time.
#[derive(Clone, PartialEq, Debug)]
pub(super) struct Values {
    /// Who it is, and its instants as they were.
    was: Timeline,
    ended_at: Timestamp,
    length: Duration,
    media: After,
    work: Duration,
    pub(super) services: Vec<Duration>,
    /// Last stage done to written.
    update: Duration,
    groups: [GroupValues; FieldGroup::COUNT],
    state: After,
    told: Vec<After>,
    jobs: Vec<JobChance>,
}

/// Which length of a recording.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Number {
    Ended,
    Length,
    Media,
    Work,
    Service(usize),
    Update,
    Value(usize),
    Null(usize),
    Index(usize),
    State,
    Told(usize),
    Query(usize),
    Latency(usize),
    Between(usize),
}

impl Values {
    pub(super) fn of(given: &GivenRecording, arm: &Arm) -> Self {
        let was = given.timeline.clone();
        let services: Vec<Duration> = used(&was)
            .map(|stage| stage.done_at.since(stage.started_at))
            .collect();
        let done_at = used(&was).last().map_or(was.submitted_at, |it| it.done_at);
        let written = written(&was, arm);
        let clocks = was.group_clocks();
        let ends = [
            (Anchor::Started, was.started_at),
            (Anchor::Ended, was.ended_at),
        ];
        let groups = FieldGroup::ALL.map(|group| {
            let clock = clocks[group.index()];
            let anchors = [ends[0], ends[1], (Anchor::Written, written[group.index()])];
            let value = After::of(clock.value_at, &anchors);
            let by_value = [ends[0], ends[1], (Anchor::Value, clock.value_at)];
            GroupValues {
                value,
                null: clock
                    .null_at
                    .ever()
                    .filter(|at| *at < clock.value_at && !clock.value_at.is_never())
                    .map(|at| clock.value_at.since(at)),
                null_alone: After::of(clock.null_at, &by_value),
                index: After::of(clock.index_at, &by_value),
            }
        });
        let last = [ends[0], ends[1], (Anchor::Value, last_value(&clocks))];
        let told = given.told.iter().map(|at| {
            let happens = happens_at(&was, arm);
            After::of(*at, &[ends[0], ends[1], (Anchor::Value, happens)])
        });
        Self {
            ended_at: was.ended_at,
            length: was.ended_at.since(was.started_at),
            media: After::of(was.media_at, &ends),
            work: was.submitted_at.since(was.ended_at),
            services,
            update: was.written_at.since(done_at),
            groups,
            state: After::of(was.state_at, &last),
            told: told.collect(),
            jobs: given.jobs.clone(),
            was,
        }
    }

    pub(super) const fn recording(&self) -> RecordingIndex {
        self.was.recording
    }

    pub(super) fn started_at(&self) -> Timestamp {
        self.ended_at - self.length
    }

    /// Every length of time that it has, in the order in which they are tried.
    pub(super) fn numbers(&self) -> Vec<Number> {
        let mut all = vec![Number::Media, Number::Work, Number::Update, Number::State];
        for nth in 0..FieldGroup::COUNT {
            all.extend([Number::Null(nth), Number::Index(nth), Number::Value(nth)]);
        }
        all.extend((0..self.told.len()).map(Number::Told));
        for nth in 0..self.jobs.len() {
            all.extend([
                Number::Query(nth),
                Number::Between(nth),
                Number::Latency(nth),
            ]);
        }
        all.extend((0..self.services.len()).map(Number::Service));
        all.extend([Number::Length, Number::Ended]);
        all
    }

    /// The place of a length; none if it does not apply.
    pub(super) fn number(&mut self, number: Number) -> Option<&mut Duration> {
        match number {
            Number::Length => Some(&mut self.length),
            Number::Work => Some(&mut self.work),
            Number::Update => Some(&mut self.update),
            Number::Media => self.media.by.as_mut(),
            Number::State => self.state.by.as_mut(),
            Number::Service(nth) => self.services.get_mut(nth),
            Number::Value(nth) => self.groups[nth].value.by.as_mut(),
            Number::Null(nth) => self.groups[nth].null.as_mut(),
            Number::Index(nth) => self.groups[nth].index.by.as_mut(),
            Number::Told(nth) => self.told.get_mut(nth)?.by.as_mut(),
            Number::Query(nth) => self.jobs.get_mut(nth).map(|it| &mut it.times.query),
            Number::Latency(nth) => self.jobs.get_mut(nth).map(|it| &mut it.times.latency),
            Number::Between(nth) => self.jobs.get_mut(nth).map(|it| &mut it.times.between),
            // An instant; see `set_ended`.
            Number::Ended => None,
        }
    }

    /// The value of a length, the session's end as the time since the run's start.
    pub(super) fn get(&mut self, number: Number) -> Duration {
        if number == Number::Ended {
            return self.ended_at.since(Timestamp::ZERO);
        }
        self.number(number).map_or(Duration::ZERO, |value| *value)
    }

    /// Sets it; a session cannot end before it began.
    pub(super) fn set(&mut self, number: Number, value: Duration) {
        if number == Number::Ended {
            self.ended_at = Timestamp::ZERO + value.max(self.length);
        } else if let Some(place) = self.number(number) {
            *place = value;
        }
    }

    /// Every length together, for comparison.
    pub(super) fn total(&mut self) -> Duration {
        let numbers = self.numbers();
        let lengths = numbers.into_iter().filter(|it| *it != Number::Ended);
        lengths.fold(Duration::ZERO, |sum, number| {
            sum.saturating_add(self.get(number))
        })
    }

    /// Its service in `stage` ends at `until` if it begins when the session has ended.
    pub(super) fn keep_busy(&mut self, stage: usize, until: Timestamp) {
        let begins = self.ended_at + self.work;
        if let Some(service) = self.services.get_mut(stage) {
            *service = until.since(begins);
        }
    }

    /// One of its stages is not there any more.
    pub(super) fn drop_stage(&mut self, stage: usize) {
        if stage < self.services.len() {
            self.services.remove(stage);
        }
    }

    /// Its instants, once its stages are known.
    fn given(&self, stages: [StageTimes; STAGES_MAX], arm: &Arm) -> GivenRecording {
        let mut timeline = self.was.clone();
        timeline.started_at = self.started_at();
        timeline.ended_at = self.ended_at;
        timeline.submitted_at = self.ended_at + self.work;
        timeline.stages = stages;
        let done = used(&timeline).last().map(|stage| stage.done_at);
        timeline.written_at = done.unwrap_or(timeline.submitted_at) + self.update;
        let ends = [
            (Anchor::Started, timeline.started_at),
            (Anchor::Ended, timeline.ended_at),
        ];
        timeline.media_at = self.media.instant(&ends);
        let written = written(&timeline, arm);
        let clocks = FieldGroup::ALL.map(|group| {
            let own = self.groups[group.index()];
            let anchors = [ends[0], ends[1], (Anchor::Written, written[group.index()])];
            let value_at = own.value.instant(&anchors);
            let by_value = [ends[0], ends[1], (Anchor::Value, value_at)];
            let index_at = own.index.instant(&by_value);
            let null_at = match own.null {
                Some(before) => value_at - before,
                None => own.null_alone.instant(&by_value),
            };
            FieldClock {
                null_at,
                value_at,
                index_at,
            }
        });
        timeline.set_group_clocks(clocks);
        let last = [ends[0], ends[1], (Anchor::Value, last_value(&clocks))];
        timeline.state_at = self.state.instant(&last);
        let happens = happens_at(&timeline, arm);
        let by_event = [ends[0], ends[1], (Anchor::Value, happens)];
        let mut told: Vec<_> = self.told.iter().map(|it| it.instant(&by_event)).collect();
        told.retain(|at| !at.is_never());
        told.sort_unstable();
        GivenRecording {
            timeline,
            told,
            jobs: self.jobs.clone(),
        }
    }
}

/// The instants of all `recordings`: each stage is a queue with the arm's workers.
pub(super) fn queued(recordings: &[Values], arm: &Arm) -> Vec<GivenRecording> {
    let platform = &arm.platform;
    let mut pipelines: Vec<Pipeline> = platform.pipelines.iter().map(Pipeline::new).collect();
    let mut stages = vec![[StageTimes::NONE; STAGES_MAX]; recordings.len()];
    let mut joining: BinaryHeap<_> = recordings
        .iter()
        .enumerate()
        .map(|(at, one)| Reverse((one.ended_at + one.work, one.recording(), at, 0)))
        .collect();
    while let Some(Reverse((queued_at, recording, at, stage))) = joining.pop() {
        let one = &recordings[at];
        let was = &one.was;
        let pipeline = platform.pipeline_of(was.taken_for(), was.region);
        let Some(service) = one.services.get(stage) else {
            continue;
        };
        if let Some(pipeline) = pipelines.get_mut(pipeline).filter(|it| stage < it.len()) {
            let times = pipeline.serve(stage, queued_at, *service);
            stages[at][stage] = times;
            joining.push(Reverse((times.done_at, recording, at, stage + 1)));
        }
    }
    let all = recordings.iter().zip(stages);
    all.map(|(one, stages)| one.given(stages, arm)).collect()
}

fn used(timeline: &Timeline) -> impl Iterator<Item = &StageTimes> {
    timeline
        .stages
        .iter()
        .filter(|stage| **stage != StageTimes::NONE)
}

/// When each group was written.
fn written(timeline: &Timeline, arm: &Arm) -> [Timestamp; FieldGroup::COUNT] {
    let platform = &arm.platform;
    let pipeline = platform.pipeline_of(timeline.taken_for(), timeline.region);
    let stages = platform.pipelines.get(pipeline).map(|it| &it.stages);
    FieldGroup::ALL.map(|group| {
        let early = stages.and_then(|stages| {
            let writer = stages.iter().position(|it| it.writes.contains(&group))?;
            timeline.stages[writer].done_at.ever()
        });
        early.unwrap_or(timeline.written_at)
    })
}

fn last_value(clocks: &[FieldClock; FieldGroup::COUNT]) -> Timestamp {
    let values = clocks.iter().filter_map(|clock| clock.value_at.ever());
    values.max().unwrap_or(Timestamp::NEVER)
}

/// When what the gate's notifications are about happens.
fn happens_at(timeline: &Timeline, arm: &Arm) -> Timestamp {
    match arm.gates.first().and_then(|gate| gate.strategy.listens()) {
        Some(WebhookEvent::MetadataReady) => {
            let required = arm.required.of(timeline.taken_for());
            timeline.fields_at(ReadPath::Primary, required)
        }
        Some(WebhookEvent::SessionEnded) | None => timeline.ended_at,
    }
}

/// Whether the instants of a recording follow from its lengths: each group of fields has one clock,
/// and values stay as they are.
pub(super) fn is_measured(timeline: &Timeline) -> bool {
    let clocks = timeline.group_clocks();
    let shared = |field: Field| {
        let group = field.group().map(FieldGroup::index);
        group.is_some_and(|group| timeline.fields[field as usize] == clocks[group])
    };
    timeline.revisions.is_empty()
        && timeline.later.is_none()
        && Field::METADATA.into_iter().all(shared)
}
