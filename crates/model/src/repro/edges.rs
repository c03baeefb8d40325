//! In which order things happened, and which orders make the race.

use std::fmt::{self, Display};

use super::{Case, Played};
use crate::field::{Field, FieldSet};
use crate::ids::RecordingIndex;
use crate::outcome::OutcomeKind;
use crate::time::{Duration, Timestamp};
use crate::timeline::{StageTimes, Timeline};

/// Something that happened to a recording.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Point {
    /// Its session ended.
    Ended(RecordingIndex),
    /// The gate read it for the so-many-th time, from 1.
    Read(RecordingIndex, usize),
    /// The gate approved its export.
    Approved(RecordingIndex),
    /// A job took its sidecar.
    Snapshot(RecordingIndex),
    /// A job read its media.
    MediaRead(RecordingIndex),
    /// Fields became visible to whom the export reads from.
    Visible(RecordingIndex, FieldSet),
    /// A worker of a stage took it.
    Taken(RecordingIndex, String),
    /// A worker of a stage was done with it.
    Done(RecordingIndex, String),
}

/// One thing happened before another.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Edge {
    /// The earlier one.
    pub before: Point,
    /// When; never is possible of the later one only.
    pub before_at: Timestamp,
    /// The later one.
    pub after: Point,
    /// When.
    pub after_at: Timestamp,
    /// Whether the failure is this order: reversed, the export is complete.
    pub decides: Decides,
}

/// What an order means for the failure.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Decides {
    /// The other way round nothing is missing.
    Race,
    /// It made the race possible.
    Leads,
}

impl Display for Point {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ended(one) => write!(f, "ended({})", one.0),
            Self::Read(one, nth) => write!(f, "read({}, {nth})", one.0),
            Self::Approved(one) => write!(f, "approved({})", one.0),
            Self::Snapshot(one) => write!(f, "snapshot({})", one.0),
            Self::MediaRead(one) => write!(f, "media_read({})", one.0),
            Self::Visible(one, fields) => write!(f, "visible({}, {})", one.0, names(*fields)),
            Self::Taken(one, stage) => write!(f, "taken({}, {stage})", one.0),
            Self::Done(one, stage) => write!(f, "done({}, {stage})", one.0),
        }
    }
}

fn names(fields: FieldSet) -> String {
    let names: Vec<&str> = fields.iter().map(Field::name).collect();
    names.join(" ")
}

impl Point {
    /// What happened, in a clause.
    fn says(&self) -> String {
        match self {
            Self::Ended(one) => format!("the session of recording {} ended", one.0),
            Self::Read(one, nth) => format!("the gate read recording {} (read {nth})", one.0),
            Self::Approved(one) => format!("the gate approved recording {}", one.0),
            Self::Snapshot(one) => format!("the job took the sidecar of recording {}", one.0),
            Self::MediaRead(one) => format!("the job read the media of recording {}", one.0),
            Self::Visible(one, fields) => {
                format!("{} of recording {} became visible", listed(*fields), one.0)
            }
            Self::Taken(one, stage) => format!("{stage} began on recording {}", one.0),
            Self::Done(one, stage) => format!("{stage} was done with recording {}", one.0),
        }
    }
}

fn listed(fields: FieldSet) -> String {
    let names: Vec<&str> = fields.iter().map(Field::name).collect();
    match names.as_slice() {
        [] => "nothing".to_owned(),
        [only] => (*only).to_owned(),
        [first @ .., last] => format!("{} and {last}", first.join(", ")),
    }
}

impl Edge {
    /// The order in a sentence.
    #[must_use]
    pub fn sentence(&self) -> String {
        let before = capitalized(&self.before.says());
        let at = self.before_at.since(Timestamp::ZERO);
        if self.after_at.is_never() {
            let Point::Visible(_, fields) = &self.after else {
                return format!("{before} at {at}.");
            };
            return format!(
                "{before} at {at}; {} never became visible.",
                listed(*fields)
            );
        }
        let by = self.after_at.since(self.before_at);
        let after = self.after.says();
        if by == Duration::ZERO {
            return format!("{before} at {at}, and then {after}.");
        }
        format!("{before} at {at}, {by} before {after}.")
    }
}

fn capitalized(text: &str) -> String {
    let mut letters = text.chars();
    let first = letters.next().map(|letter| letter.to_ascii_uppercase());
    first.into_iter().chain(letters).collect()
}

/// The orders that make the failing export of `case` what it is, from the session's end on.
#[must_use]
pub fn explain(case: &Case, played: &Played) -> Vec<Edge> {
    let Some(timeline) = case.timeline() else {
        return Vec::new();
    };
    let mut edges = Vec::new();
    let leads = |before: (Point, Timestamp), after: (Point, Timestamp)| Edge {
        before: before.0,
        before_at: before.1,
        after: after.0,
        after_at: after.1,
        decides: Decides::Leads,
    };
    queue(case, timeline, &mut edges);
    let failing = case.failing;
    let reads = played
        .outcome
        .checks
        .iter()
        .filter(|(_, one)| *one == failing);
    let reads: Vec<Timestamp> = reads.map(|(at, _)| *at).collect();
    let approved = played.failing.approved_at;
    if let Some(at) = approved {
        let last = reads.iter().rposition(|read| *read <= at);
        let before = match last {
            Some(nth) => (Point::Read(failing, nth + 1), reads[nth]),
            None => (Point::Ended(failing), timeline.ended_at),
        };
        edges.push(leads(before, (Point::Approved(failing), at)));
    }
    edges.extend(race(case, played, timeline, &reads));
    edges
}

/// Why the recording waited: who held the worker that took it.
fn queue(case: &Case, timeline: &Timeline, edges: &mut Vec<Edge>) {
    let platform = &case.arm.platform;
    let pipeline = platform.pipeline_of(timeline.taken_for(), timeline.region);
    let Some(stages) = platform.pipelines.get(pipeline).map(|it| &it.stages) else {
        return;
    };
    for (nth, (times, spec)) in timeline.stages.iter().zip(stages).enumerate() {
        if *times == StageTimes::NONE || times.started_at <= times.queued_at {
            continue;
        }
        let held = case.recordings.iter().find(|other| {
            let own = &other.timeline;
            own.recording != timeline.recording
                && platform.pipeline_of(own.taken_for(), own.region) == pipeline
                && own.stages[nth].done_at == times.started_at
        });
        let Some(held) = held else { continue };
        edges.push(Edge {
            before: Point::Done(held.timeline.recording, spec.name.clone()),
            before_at: times.started_at,
            after: Point::Taken(timeline.recording, spec.name.clone()),
            after_at: times.started_at,
            decides: Decides::Leads,
        });
    }
}

/// What was seen before what it lacked came, an edge for each instant at which something came.
fn race(case: &Case, played: &Played, timeline: &Timeline, reads: &[Timestamp]) -> Vec<Edge> {
    let settled = &played.failing;
    let read = case.arm.platform.export.read;
    let failing = case.failing;
    let (seen, at) = match (settled.outcome, settled.snapshot_at) {
        (OutcomeKind::Incomplete | OutcomeKind::Inconsistent, Some(at)) => {
            (Point::Snapshot(failing), at)
        }
        _ if !reads.is_empty() => {
            let last = settled.checked_at.unwrap_or(settled.settled_at);
            (Point::Read(failing, reads.len()), last)
        }
        _ => (Point::Approved(failing), settled.settled_at),
    };
    let path = if settled.snapshot_at.is_some() {
        read
    } else {
        case.arm.gates[0].strategy.looks_for().path()
    };
    let missing = if settled.missing.is_empty() {
        let needed = case
            .arm
            .required
            .of(timeline.taken_for())
            .with(Field::Media);
        needed.difference(timeline.view(at, path).present)
    } else {
        settled.missing
    };
    let mut by_instant = std::collections::BTreeMap::<Timestamp, FieldSet>::new();
    for field in missing.iter() {
        let comes_at = match field {
            Field::Media => timeline.media_at,
            Field::LegalHoldFlag
            | Field::MediaType
            | Field::StartTime
            | Field::EndTime
            | Field::WebrtcSessionId
            | Field::ClientIp => timeline.clock(Timestamp::NEVER, field).visible_at(path),
        };
        by_instant.entry(comes_at).or_default().insert(field);
    }
    let edges = by_instant.into_iter().map(|(comes_at, fields)| {
        let media_only = fields == FieldSet::EMPTY.with(Field::Media);
        let (seen, at) = match settled.media_read_at {
            Some(read_at) if media_only => (Point::MediaRead(failing), read_at),
            _ => (seen.clone(), at),
        };
        Edge {
            before: seen,
            before_at: at,
            after: Point::Visible(failing, fields),
            after_at: comes_at,
            decides: Decides::Race,
        }
    });
    edges.collect()
}

/// How the failing export and what it lacked are ordered, for an engine that forces it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Schedule {
    /// Reads of the recording by the gate before it approved the export.
    pub reads: usize,
    /// When the export was taken.
    pub taken_at: Timestamp,
    /// What it lacked.
    pub late: FieldSet,
    /// What of that never came.
    pub never: FieldSet,
}

impl Schedule {
    /// The order that `played` shows; none if nothing was exported incomplete.
    #[must_use]
    pub fn of(case: &Case, played: &Played) -> Option<Self> {
        let timeline = case.timeline()?;
        let settled = &played.failing;
        let incomplete = settled.outcome == OutcomeKind::Incomplete;
        let taken_at = settled.snapshot_at.filter(|_| incomplete)?;
        let approved = settled.approved_at.unwrap_or(taken_at);
        let reads = played.outcome.checks.iter();
        let reads = reads.filter(|(read, one)| *one == case.failing && *read <= approved);
        let read = case.arm.platform.export.read;
        let end = timeline.view(Timestamp::from_nanos(u64::MAX - 1), read);
        let late = settled.missing;
        Some(Self {
            reads: reads.count(),
            taken_at,
            late,
            never: late.difference(case.arm.required.there(&end)),
        })
    }

    /// The recording as a reader saw it when the export was taken, from `now` on; what came later
    /// never comes.
    #[must_use]
    pub fn held(&self, timeline: &Timeline, length: Duration, now: Timestamp) -> Timeline {
        self.shifted(timeline, length, now, Timestamp::NEVER)
    }

    /// The same, with what came later at `then`.
    #[must_use]
    pub fn released(
        &self,
        timeline: &Timeline,
        length: Duration,
        now: Timestamp,
        then: Timestamp,
    ) -> Timeline {
        self.shifted(timeline, length, now, then)
    }

    fn shifted(
        &self,
        timeline: &Timeline,
        length: Duration,
        now: Timestamp,
        then: Timestamp,
    ) -> Timeline {
        let shift = |at: Timestamp| match at {
            at if at <= self.taken_at => now,
            at if at.is_never() => at,
            _ => then,
        };
        let mut moved = timeline.clone();
        moved.started_at = now - length;
        moved.ended_at = now;
        moved.submitted_at = now;
        moved.media_at = shift(timeline.media_at);
        moved.state_at = shift(timeline.state_at);
        moved.written_at = shift(timeline.written_at);
        moved.stages = [StageTimes::NONE; crate::timeline::STAGES_MAX];
        moved.later = None;
        for clock in &mut moved.fields {
            clock.null_at = shift(clock.null_at);
            clock.value_at = shift(clock.value_at);
            clock.index_at = shift(clock.index_at);
        }
        moved
    }
}
