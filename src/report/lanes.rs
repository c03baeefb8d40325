//! One recording's race in lanes: its session, the stages of its metadata, what was visible when,
//! and what the exporter did.

use std::collections::BTreeMap;

use racegate_model::field::Field;
use racegate_model::repro::{Case, Played};
use racegate_model::scenario::ReadPath;
use racegate_model::time::Timestamp;
use racegate_model::timeline::{StageTimes, Timeline};
use serde_json::{Value, json};

use super::human;

/// Cells of a name in the terminal.
const NAME: usize = 34;
/// The shortest picture, in seconds.
const SPAN_LEAST: f64 = 1e-3;
/// What of the picture comes after the last thing that happened.
const AFTER: f64 = 0.08;

/// The lanes of one recording; times are seconds since its session's start.
#[derive(Clone, PartialEq, Debug)]
pub struct Lanes {
    /// What is seen.
    pub title: String,
    /// The lanes, in the order of the platform.
    pub lanes: Vec<Lane>,
    /// From what the exporter saw to the last thing it lacked, where that came later; what never
    /// comes, at infinity.
    pub window: Option<(f64, f64)>,
    /// The last instant that is drawn.
    pub until: f64,
    /// What shares a lane that is named after the first of them.
    pub together: Vec<String>,
}

/// A lane.
#[derive(Clone, PartialEq, Debug)]
pub struct Lane {
    /// Whose it is.
    pub name: String,
    /// What lasts, in order of time.
    pub spans: Vec<Span>,
    /// What happens at an instant.
    pub marks: Vec<Mark>,
}

/// Something that lasts.
#[derive(Clone, PartialEq, Debug)]
pub struct Span {
    /// Its beginning.
    pub from: f64,
    /// Its end; beyond the picture if it lasts.
    pub to: f64,
    /// What it is.
    pub what: What,
}

/// What lasts.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum What {
    /// The call.
    Session,
    /// The recording waits for a worker.
    Waiting,
    /// A worker is busy with it.
    Service,
    /// A reader sees it.
    Visible,
}

/// Something that happens at an instant.
#[derive(Clone, PartialEq, Debug)]
pub struct Mark {
    /// When.
    pub at: f64,
    /// What.
    pub what: String,
    /// Whether it is the export.
    pub kind: MarkKind,
}

/// What a mark is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum MarkKind {
    /// The gate looked.
    Look,
    /// A job read the recording.
    Export,
}

impl What {
    /// Its name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Session => "session",
            Self::Waiting => "waiting",
            Self::Service => "service",
            Self::Visible => "visible",
        }
    }

    const fn letter(self) -> char {
        match self {
            Self::Session => '=',
            Self::Waiting => '.',
            Self::Service => '#',
            Self::Visible => '-',
        }
    }
}

impl Lanes {
    /// The lanes of the failing recording of `case`.
    #[must_use]
    pub fn of(case: &Case, played: &Played) -> Option<Self> {
        let timeline = case.timeline()?;
        let seconds = |at: Timestamp| {
            at.ever()
                .map(|at| at.since(timeline.started_at).as_secs_f64())
        };
        let mut lanes = vec![Lane::lasting(
            "session",
            Span {
                from: 0.0,
                to: seconds(timeline.ended_at)?,
                what: What::Session,
            },
        )];
        lanes.extend(stages(case, timeline, &seconds));
        lanes.push(visible("media", seconds(timeline.media_at)));
        let groups = groups(case, timeline);
        let mut together: Vec<String> = groups
            .iter()
            .filter(|group| group.fields.len() > 1)
            .map(|group| format!("{}: {}", group.name(), group.fields.join(", ")))
            .collect();
        together.sort();
        together.dedup();
        lanes.extend(groups.iter().map(|group| {
            visible(
                &format!("{} {}", group.path, group.name()),
                seconds(group.at),
            )
        }));
        let exporter = exporter(case, played, &seconds);
        let window = window(case, played, timeline, &seconds);
        lanes.push(exporter);
        let last = lanes.iter().flat_map(Lane::instants);
        let last = last
            .chain(window.map(|(_, to)| to))
            .filter(|at| at.is_finite());
        let last = last.fold(SPAN_LEAST, f64::max);
        let gate = case.arm.gates.first().map_or("", |gate| &gate.name);
        Some(Self {
            title: format!(
                "Recording {} is {} under {gate}",
                timeline.recording.0,
                played.failing.outcome.name()
            ),
            lanes,
            window,
            until: last * (1.0 + AFTER),
            together,
        })
    }

    /// The lanes as text that is `width` cells wide, a name and a line each.
    #[must_use]
    pub fn text(&self, width: usize) -> String {
        let cells = width.saturating_sub(NAME + 1).max(20);
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a place within the line"
        )]
        let cell = |at: f64| {
            let place = (at / self.until * cells as f64).clamp(0.0, cells as f64);
            (place as usize).min(cells - 1)
        };
        let mut lines = vec![self.title.clone()];
        for lane in &self.lanes {
            let mut line = vec![' '; cells];
            for span in &lane.spans {
                let to = cell(span.to.min(self.until));
                line[cell(span.from)..=to].fill(span.what.letter());
            }
            for mark in &lane.marks {
                line[cell(mark.at)] = match mark.kind {
                    MarkKind::Look => 'o',
                    MarkKind::Export => 'X',
                };
            }
            let line: String = line.into_iter().collect();
            let name: String = lane.name.chars().take(NAME).collect();
            lines.push(format!("{name:<NAME$} {}", line.trim_end()));
        }
        if let Some((from, to)) = self.window {
            let (from, to) = (cell(from), cell(to.min(self.until)));
            let line = format!("{}{}", " ".repeat(from), "!".repeat(to - from + 1));
            lines.push(format!("{:<NAME$} {line}", "race window"));
        }
        let end = human::seconds(self.until);
        lines.push(format!("{:<NAME$} 0{end:>width$}", "", width = cells - 1));
        lines.push(format!(
            "{:<NAME$} = session  . waiting  # service  - visible  o look  X export",
            ""
        ));
        let names = self.together.iter();
        lines.extend(names.map(|names| format!("{:<NAME$} {names}", "")));
        lines.join("\n")
    }

    /// The lanes in the trace event format, which ui.perfetto.dev and chrome://tracing open; times
    /// are microseconds.
    #[must_use]
    pub fn trace(&self) -> Value {
        let micros = |seconds: f64| (seconds * 1e6).round();
        let mut events = Vec::new();
        for (lane, nth) in self.lanes.iter().zip(1..) {
            events.push(json!({
                "name": "thread_name", "ph": "M", "pid": 1, "tid": nth,
                "args": { "name": lane.name },
            }));
            events.extend(lane.spans.iter().map(|span| {
                json!({
                    "name": span.what.name(), "ph": "X", "pid": 1, "tid": nth,
                    "ts": micros(span.from),
                    "dur": micros(span.to.min(self.until)) - micros(span.from),
                })
            }));
            events.extend(lane.marks.iter().map(|mark| {
                json!({
                    "name": mark.what, "ph": "i", "s": "t", "pid": 1, "tid": nth,
                    "ts": micros(mark.at),
                })
            }));
        }
        if let Some((from, to)) = self.window {
            events.push(json!({
                "name": "race window", "ph": "X", "pid": 1, "tid": 0,
                "ts": micros(from), "dur": micros(to.min(self.until)) - micros(from),
            }));
        }
        json!({ "traceEvents": events, "displayTimeUnit": "ms", "otherData": { "title": self.title } })
    }
}

impl Lane {
    fn lasting(name: impl Into<String>, span: Span) -> Self {
        Self {
            name: name.into(),
            spans: vec![span],
            marks: Vec::new(),
        }
    }

    fn instants(&self) -> impl Iterator<Item = f64> {
        let spans = self.spans.iter().flat_map(|span| [span.from, span.to]);
        spans.chain(self.marks.iter().map(|mark| mark.at))
    }
}

/// A lane of what is visible from then on.
fn visible(name: &str, at: Option<f64>) -> Lane {
    let span = at.map(|from| Span {
        from,
        to: f64::INFINITY,
        what: What::Visible,
    });
    let name = if span.is_some() {
        name.to_owned()
    } else {
        format!("never: {name}")
    };
    Lane {
        name,
        spans: span.into_iter().collect(),
        marks: Vec::new(),
    }
}

fn stages(
    case: &Case,
    timeline: &Timeline,
    seconds: &impl Fn(Timestamp) -> Option<f64>,
) -> Vec<Lane> {
    let platform = &case.arm.platform;
    let pipeline = platform.pipeline_of(timeline.taken_for(), timeline.region);
    let specs = platform
        .pipelines
        .get(pipeline)
        .map(|it| it.stages.as_slice());
    let times = timeline.stages.iter().filter(|it| **it != StageTimes::NONE);
    let lane = |(times, spec): (&StageTimes, &racegate_model::scenario::StageSpec)| {
        let queued = seconds(times.queued_at)?;
        let started = seconds(times.started_at).unwrap_or(f64::INFINITY);
        let done = seconds(times.done_at).unwrap_or(f64::INFINITY);
        let span = |from, to, what| Span { from, to, what };
        let spans = [
            span(queued, started, What::Waiting),
            span(started, done, What::Service),
        ];
        Some(Lane {
            name: format!("stage {}", spec.name),
            spans: spans.into_iter().filter(|it| it.from < it.to).collect(),
            marks: Vec::new(),
        })
    };
    times
        .zip(specs.unwrap_or_default())
        .filter_map(lane)
        .collect()
}

/// Fields that become visible together on a read path.
struct Group {
    path: &'static str,
    at: Timestamp,
    fields: Vec<&'static str>,
}

impl Group {
    fn name(&self) -> String {
        match self.fields.as_slice() {
            [only] => (*only).to_owned(),
            [first, others @ ..] => format!("{first} +{}", others.len()),
            [] => String::new(),
        }
    }
}

/// The required fields in groups, where `GET` reads and, if exports read it, on the index.
fn groups(case: &Case, timeline: &Timeline) -> Vec<Group> {
    let mut groups = Vec::new();
    for (read, path) in [(ReadPath::Primary, "GET"), (ReadPath::Index, "index")] {
        if read == ReadPath::Index && case.arm.platform.export.read != ReadPath::Index {
            continue;
        }
        let mut together: BTreeMap<Timestamp, Vec<&'static str>> = BTreeMap::new();
        for field in case.arm.required.of(timeline.taken_for()).iter() {
            if field != Field::Media {
                let at = timeline.clock(Timestamp::NEVER, field).visible_at(read);
                together.entry(at).or_default().push(field.name());
            }
        }
        let of_path = together.into_iter();
        groups.extend(of_path.map(|(at, fields)| Group { path, at, fields }));
    }
    groups
}

fn exporter(case: &Case, played: &Played, seconds: &impl Fn(Timestamp) -> Option<f64>) -> Lane {
    let looks = played.outcome.checks.iter();
    let looks = looks.filter(|(_, recording)| *recording == case.failing);
    let mark = |at: Timestamp, what: String, kind| {
        Some(Mark {
            at: seconds(at)?,
            what,
            kind,
        })
    };
    let looks = looks
        .zip(1..)
        .filter_map(|((at, _), nth)| mark(*at, format!("look {nth}"), MarkKind::Look));
    let mut marks: Vec<Mark> = looks.collect();
    let settled = &played.failing;
    let exports = [
        (settled.snapshot_at, "export"),
        (settled.media_read_at, "media read"),
    ];
    let exports = exports
        .into_iter()
        .filter_map(|(at, what)| mark(at?, what.to_owned(), MarkKind::Export));
    marks.extend(exports);
    Lane {
        name: "exporter".to_owned(),
        spans: Vec::new(),
        marks,
    }
}

fn window(
    case: &Case,
    played: &Played,
    timeline: &Timeline,
    seconds: &impl Fn(Timestamp) -> Option<f64>,
) -> Option<(f64, f64)> {
    let settled = &played.failing;
    let from = seconds(settled.snapshot_at?)?;
    let read = case.arm.platform.export.read;
    let comes = settled.missing.iter().map(|field| match field {
        Field::Media => timeline.media_at,
        Field::LegalHoldFlag
        | Field::MediaType
        | Field::StartTime
        | Field::EndTime
        | Field::WebrtcSessionId
        | Field::ClientIp => timeline.clock(Timestamp::NEVER, field).visible_at(read),
    });
    // What it lacks may have been there before, or be left out by the export itself.
    let last = seconds(comes.max()?).unwrap_or(f64::INFINITY);
    (last >= from).then_some((from, last))
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use racegate_model::repro::{Wanted, capture};

    use super::*;

    #[test]
    fn the_failure_of_every_scenario_can_be_drawn() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios");
        let (mut drawn, mut windows) = (0, 0);
        for entry in std::fs::read_dir(folder).expect("readable") {
            let path = entry.expect("readable").path();
            if path.extension().is_none_or(|end| end != "toml") {
                continue;
            }
            let (scenario, _) = racegate_scenario::load(&path, &[]).expect("a scenario");
            let Ok(captured) = capture(&scenario, &Wanted::default()) else {
                continue;
            };
            let played = captured.case.play().expect("it is settled");
            let lanes = Lanes::of(&captured.case, &played).expect("lanes");
            let text = lanes.text(100);
            assert!(text.lines().count() > lanes.lanes.len(), "{text}");
            let trace = lanes.trace();
            let events = trace["traceEvents"].as_array().expect("events");
            for event in events {
                let lasts = event["dur"].as_f64().unwrap_or(0.0);
                assert!(lasts >= 0.0, "{}: {event}", path.display());
            }
            windows += usize::from(text.contains("race window"));
            drawn += 1;
        }
        assert!(
            drawn > 30 && windows > 20,
            "{drawn} drawn, {windows} windows"
        );
    }
}
