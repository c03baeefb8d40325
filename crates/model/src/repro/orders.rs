//! Every order in which a platform's writes of one recording and an exporter's looks at it can
//! happen.
//!
//! Two orders differ if the exporter can tell them apart: writes between the same two observations
//! count as one. Each such class is run once, by depth first: the run so far says when the exporter
//! looks next, and every subset of what is not written yet is tried before that. (Stateless model
//! checking with one representative per trace: Godefroid, *Partial-Order Methods*, 1996.)

use std::fmt::{self, Display};

use super::bleach::bleached;
use super::{Case, Played};
use crate::draws::Seed;
use crate::field::{Field, FieldSet, Kind};
use crate::history::Settled;
use crate::ids::RecordingIndex;
use crate::scenario::{Arm, ReadPath};
use crate::sim::{GivenOutcome, GivenRecording, GivenTenant};
use crate::time::{Duration, Timestamp};
use crate::timeline::{FieldClock, Hold, Region, STAGES_MAX, StageTimes, Timeline};

/// How long the call is.
const CALL: Duration = Duration::from_secs(1);
/// What an exporter that waits for something to be written waits until it is.
const PAUSE: Duration = Duration::from_secs(1);
/// How long the exporter may take.
const DRAIN: Duration = Duration::from_secs(7 * 24 * 3600);
/// The one recording.
const RECORDING: RecordingIndex = RecordingIndex(0);

/// What a platform writes of a recording at one instant.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Write {
    /// The media object.
    Media,
    /// `state` COMPLETED.
    State,
    /// A field's value, where `GET` reads it.
    Field(Field),
    /// The search index, after all fields.
    Index,
}

/// What happens to the recording.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Step {
    /// The platform wrote something.
    Wrote(Write),
    /// The gate looked, for the so-many-th time, from 1.
    Looked(usize),
    /// A job took the sidecar.
    Exported,
    /// A job read the media, where that is another instant.
    MediaRead,
}

/// An order and what came of it.
#[derive(Clone, PartialEq, Debug)]
pub struct Order {
    /// The instants of the recording.
    pub timeline: Timeline,
    /// What happened, in order; writes that follow each other are in no order.
    pub steps: Vec<Step>,
    /// What became of the recording; none if its gate waits for ever.
    pub settled: Option<Settled>,
}

/// The orders of one gate.
#[derive(Clone, Debug)]
pub struct Orders<'a> {
    arm: &'a Arm,
    seed: Seed,
    kind: Kind,
    looks: usize,
    writes: Vec<Write>,
}

/// What is written when.
type Plan = Vec<(Write, Timestamp)>;

impl Display for Write {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Media => "media",
            Self::State => "state",
            Self::Field(field) => field.name(),
            Self::Index => "index",
        })
    }
}

impl Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Wrote(write) => write.fmt(f),
            Self::Looked(nth) => write!(f, "[look {nth}]"),
            Self::Exported => f.write_str("[export]"),
            Self::MediaRead => f.write_str("[media read]"),
        }
    }
}

impl<'a> Orders<'a> {
    /// The orders of the one gate of `arm` on a held recording of `kind`: what is not written
    /// before the gate's look number `looks` is written right after it. What is among `early` is
    /// there when the session ends; the index then follows the fields at once.
    #[must_use]
    pub fn new(arm: &'a Arm, seed: Seed, kind: Kind, looks: usize, early: &[Write]) -> Self {
        let mut writes = vec![Write::Media, Write::State];
        writes.extend(arm.required.of(kind).iter().map(Write::Field));
        writes.extend((arm.platform.export.read == ReadPath::Index).then_some(Write::Index));
        writes.retain(|write| !early.contains(write));
        Self {
            arm,
            seed,
            kind,
            looks,
            writes,
        }
    }

    /// What is written after the session's end.
    #[must_use]
    pub fn writes(&self) -> &[Write] {
        &self.writes
    }

    /// Runs every order once, in a fixed sequence, until `visit` returns false.
    pub fn explore(&self, mut visit: impl FnMut(Order) -> bool) {
        // The first chance to write is the session's end itself.
        let before = CALL.saturating_sub(Duration::from_nanos(1));
        self.descend(&Plan::new(), Timestamp::ZERO + before, &mut visit);
    }

    /// Goes on from what is written up to `floor`; false if no more is wanted.
    fn descend(
        &self,
        plan: &Plan,
        floor: Timestamp,
        visit: &mut impl FnMut(Order) -> bool,
    ) -> bool {
        let timeline = self.timeline(plan);
        let outcome = self.run(&timeline);
        let seen = observations(&outcome);
        let left = self.left(plan);
        let next = seen.iter().find(|(at, _)| *at > floor);
        if left.is_empty() {
            return visit(self.order(plan, timeline, outcome));
        }
        if next.is_none() && !outcome.settled.is_empty() {
            // What it did not wait for comes late.
            let last = seen.last().map_or(floor, |(at, _)| floor.max(*at));
            let plan = with(plan, &left, last + PAUSE);
            let timeline = self.timeline(&plan);
            let outcome = self.run(&timeline);
            return visit(self.order(&plan, timeline, outcome));
        }
        let Some((until, step)) = next.copied() else {
            // It waits for something that is not written: each thing may come first.
            return self
                .subsets(plan, &left)
                .filter(|some| !some.is_empty())
                .all(|some| self.descend(&with(plan, &some, floor + PAUSE), floor + PAUSE, visit));
        };
        let gap = until.since(floor);
        let between = floor + Duration::from_nanos(gap.as_nanos() / 2);
        let between = between.max(Timestamp::ZERO + CALL);
        if matches!(step, Step::Looked(nth) if nth > self.looks) {
            return self.descend(&with(plan, &left, between), until, visit);
        }
        self.subsets(plan, &left)
            .filter(|some| some.is_empty() || between > floor)
            .all(|some| {
                let plan = with(plan, &some, between);
                // What was written may have woken the exporter before it would have looked.
                let woken = !some.is_empty()
                    && observations(&self.run(&self.timeline(&plan)))
                        .iter()
                        .any(|(at, _)| *at > between && *at < until);
                self.descend(&plan, if woken { between } else { until }, visit)
            })
    }

    /// The subsets of `left` that may be written after `plan`.
    fn subsets<'s>(
        &'s self,
        plan: &'s Plan,
        left: &'s [Write],
    ) -> impl Iterator<Item = Vec<Write>> + 's {
        (0..1_u64 << left.len()).filter_map(move |mask| {
            let some = left.iter().enumerate();
            let some: Vec<Write> = some
                .filter(|(nth, _)| mask >> nth & 1 == 1)
                .map(|(_, write)| *write)
                .collect();
            let written = |write: &Write| {
                some.contains(write) || plan.iter().any(|(earlier, _)| earlier == write)
            };
            let is_field = |write: &&Write| matches!(write, Write::Field(_));
            let indexed = some.contains(&Write::Index);
            (!indexed || self.writes.iter().filter(is_field).all(written)).then_some(some)
        })
    }

    fn left(&self, plan: &Plan) -> Vec<Write> {
        let written = |write: &Write| plan.iter().any(|(earlier, _)| earlier == write);
        let all = self.writes.iter().copied();
        all.filter(|write| !written(write)).collect()
    }

    fn tenant(&self) -> GivenTenant<'_> {
        GivenTenant {
            arm: self.arm,
            seed: self.seed,
            drain: DRAIN,
        }
    }

    fn run(&self, timeline: &Timeline) -> GivenOutcome {
        self.tenant().note(std::slice::from_ref(timeline))
    }

    fn order(&self, plan: &Plan, timeline: Timeline, mut outcome: GivenOutcome) -> Order {
        let mut steps: Vec<(Timestamp, Step)> = plan
            .iter()
            .map(|(write, at)| (*at, Step::Wrote(*write)))
            .collect();
        steps.extend(observations(&outcome));
        steps.sort_by_key(|(at, _)| *at);
        Order {
            timeline,
            steps: steps.into_iter().map(|(_, step)| step).collect(),
            settled: outcome.settled.pop(),
        }
    }

    /// A recording of which `plan` is written, and nothing else.
    fn timeline(&self, plan: &Plan) -> Timeline {
        let ended_at = Timestamp::ZERO + CALL;
        let of = |write: Write| {
            if !self.writes.contains(&write) {
                return ended_at;
            }
            let found = plan.iter().find(|(written, _)| *written == write);
            found.map_or(Timestamp::NEVER, |(_, at)| *at)
        };
        let fields = Field::METADATA.map(|field| {
            let value_at = of(Write::Field(field));
            FieldClock {
                null_at: value_at,
                value_at,
                index_at: value_at.max(of(Write::Index)),
            }
        });
        let last = fields.iter().map(|clock| clock.value_at).max();
        Timeline {
            recording: RECORDING,
            tenant: None,
            kind: self.kind,
            region: Region::First,
            hold: Hold::Held,
            started_at: Timestamp::ZERO,
            ended_at,
            media_at: of(Write::Media),
            state_at: of(Write::State),
            submitted_at: ended_at,
            written_at: last.unwrap_or(ended_at),
            fields,
            stages: [StageTimes::NONE; STAGES_MAX],
            false_fields: FieldSet::EMPTY,
            null_fields: FieldSet::EMPTY,
            lost_cause: None,
            hold_cause: None,
            index_cause: None,
            later: None,
            revisions: Vec::new(),
        }
    }

    /// The order as a case of its own, and what it does; none if it is never settled.
    #[must_use]
    pub fn case(&self, order: &Order) -> Option<(Case, Played)> {
        let timelines = std::slice::from_ref(&order.timeline);
        let told = self.tenant().told(timelines).pop().unwrap_or_default();
        let mut noted = self.run(&order.timeline).noted;
        let case = Case {
            seed: self.seed,
            arm: bleached(self.arm),
            drain: DRAIN,
            recordings: vec![GivenRecording {
                timeline: order.timeline.clone(),
                told,
                jobs: noted.remove(&RECORDING).unwrap_or_default(),
            }],
            failing: RECORDING,
        };
        let played = case.play()?;
        Some((case, played))
    }
}

impl Order {
    /// The steps in a line: what was written between two observations in braces.
    #[must_use]
    pub fn line(&self) -> String {
        let words: Vec<String> = self.steps.iter().map(ToString::to_string).collect();
        words.join(" ")
    }
}

fn with(plan: &Plan, some: &[Write], at: Timestamp) -> Plan {
    let more = some.iter().map(|write| (*write, at));
    plan.iter().copied().chain(more).collect()
}

/// When the exporter saw the recording, in order.
fn observations(outcome: &GivenOutcome) -> Vec<(Timestamp, Step)> {
    let looks = outcome.checks.iter().zip(1..);
    let mut seen: Vec<_> = looks
        .map(|((at, _), nth)| (*at, Step::Looked(nth)))
        .collect();
    if let Some(settled) = outcome.settled.first() {
        seen.extend(settled.snapshot_at.map(|at| (at, Step::Exported)));
        let media = settled.media_read_at;
        let media = media.filter(|at| Some(*at) != settled.snapshot_at);
        seen.extend(media.map(|at| (at, Step::MediaRead)));
    }
    seen.sort_by_key(|(at, _)| *at);
    seen
}
