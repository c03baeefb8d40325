//! A repro file from text: every mistake at once, each with its place and a way out.

use std::collections::BTreeMap;
use std::path::Path;

use racegate_model::draws::Seed;
use racegate_model::ids::RecordingIndex;
use racegate_model::repro::{Case, Decides, Fingerprint, Level, explain};
use racegate_model::scenario::Arm;
use racegate_model::sim::GivenRecording;
use racegate_model::time::Duration;

use super::words::{read_cause, read_fields, read_level, read_outcome};
use super::{Origin, REPRO_BYTES_MAX, REPRO_SCHEMA, Repro, recording};
use crate::diagnostics::{Diagnostic, Diagnostics};
use crate::load::{LoadError, read_within};
use crate::reader::{Context, Field, Readable, Table};
use crate::source::{Source, Span};
use crate::{arm, document};

/// Recordings of one file.
const RECORDINGS_MAX: usize = 100_000;
/// Edges of one file.
const EDGES_MAX: usize = 10_000;
/// Bytes of a text that only says something.
const TEXT_MAX: usize = 256;

/// Reads the repro file at `path`.
///
/// # Errors
/// When it cannot be read, or all its mistakes.
pub fn read_repro_file(path: &Path) -> Result<Repro, LoadError> {
    let source = read_within(path, REPRO_BYTES_MAX)?;
    Ok(read_repro(&source)?)
}

/// Reads a repro file's text.
///
/// # Errors
/// All its mistakes.
pub fn read_repro(source: &Source) -> Result<Repro, Diagnostics> {
    let sources = vec![source.clone()];
    let (root, syntax) = document::read(&source.text, 0);
    let refuse = |_: &str| Err("a repro file names no other file".to_owned());
    if !syntax.is_empty() {
        // Whatever else is wrong may follow from it.
        return Err(Diagnostics::new(sources, syntax, 0));
    }
    let context = Context::new(&sources, &refuse, Readable::Whole);
    let mut table = Table::root(&root, &context);
    let repro = read(&mut table);
    if let Some(repro) = repro.filter(|_| context.count() == 0) {
        check_edges(&mut table, &repro);
        table.finish();
        if context.count() == 0 {
            return Ok(repro);
        }
    } else {
        // Not looked at, and not unknown.
        table.get("edge");
        table.finish();
    }
    let found = context.into_found();
    Err(Diagnostics::new(sources, found.list, found.dropped))
}

fn read(root: &mut Table<'_>) -> Option<Repro> {
    let schema = root.need("schema", &format!("\"{REPRO_SCHEMA}\""));
    if let Some(field) = schema
        && let Some(schema) = field.string("the file's schema in quotes")
        && schema != REPRO_SCHEMA
    {
        field.wrong(
            format!("is `{schema}`; this version reads `{REPRO_SCHEMA}`"),
            "use the version that `tool` names, or make the repro again",
        );
        return None;
    }
    let tool = root.or("tool", String::new(), text);
    let origin = origin(root.table("origin"));
    let header = header(root.table("case"));
    let arm = arm::base(root);
    if let Some(field) = root.get("gate")
        && arm.gates.len() > 1
    {
        field.wrong(
            "has several gates",
            "a repro is about one gate; leave that one",
        );
    }
    let expect = fingerprint(root.table("expect"));
    let (recordings, seen) = recordings(root, &arm);
    if let Some(field) = &header.recording
        && !seen.is_empty()
        && !seen.contains_key(&header.failing)
    {
        field.wrong(
            format!(
                "is {}, and no `[[recording]]` has that number",
                header.failing.0
            ),
            "name the recording that fails",
        );
    }
    if arm.gates.len() != 1 {
        return None;
    }
    Some(Repro {
        tool,
        origin,
        level: header.level,
        case: Case {
            seed: header.seed,
            arm,
            drain: header.drain,
            recordings,
            failing: header.failing,
        },
        expect,
        hash: header.hash,
    })
}

/// `[[recording]]`, in order of their sessions' ends, and where each number stands.
fn recordings(
    root: &mut Table<'_>,
    arm: &Arm,
) -> (Vec<GivenRecording>, BTreeMap<RecordingIndex, Span>) {
    if root.get("recording").is_none() {
        root.need("recording", "[{ number = 0, … }]");
    }
    let mut recordings = Vec::new();
    let mut seen = BTreeMap::<RecordingIndex, Span>::new();
    for table in root.tables("recording", RECORDINGS_MAX) {
        let span = table.span;
        let context = table.context;
        let given = recording::read(table, arm);
        let number = given.timeline.recording;
        if let Some(first) = seen.insert(number, span) {
            let mistake =
                Diagnostic::new(span, format!("a second recording has number {}", number.0))
                    .also(first, "the first one")
                    .help("give each a number of its own");
            context.report(mistake);
        }
        recordings.push(given);
    }
    recordings.sort_by_key(|it| (it.timeline.ended_at, it.timeline.recording));
    (recordings, seen)
}

fn text(field: &Field<'_>) -> Option<String> {
    let text = field.string("it in quotes")?;
    if text.len() > TEXT_MAX {
        let help = format!("use at most {TEXT_MAX} bytes");
        field.wrong(format!("has {} bytes", text.len()), help);
        return None;
    }
    Some(text.to_owned())
}

fn origin(mut table: Table<'_>) -> Origin {
    let count = |field: &Field<'_>| field.integer(0, u64::MAX);
    let origin = Origin {
        scenario: table.or("scenario", String::new(), text),
        recordings: table.or("recordings", 0, count),
        failing: table.or("failing", 0, count),
    };
    table.finish();
    origin
}

/// `[case]`.
struct Header<'d> {
    level: Level,
    recording: Option<Field<'d>>,
    failing: RecordingIndex,
    seed: Seed,
    drain: Duration,
    hash: String,
}

fn header(mut table: Table<'_>) -> Header<'_> {
    let recording = table.need("recording", "0");
    let failing = recording.as_ref();
    let failing = failing.and_then(|field| field.integer(0, recording::NUMBER_MAX));
    let seed = table.need("seed", "42");
    let hash = table.need("hash", "\"0123456789abcdef\"");
    let header = Header {
        level: table.or("level", Level::Minimal, read_level),
        failing: RecordingIndex(failing.unwrap_or_default()),
        seed: Seed(
            seed.and_then(|field| field.integer(0, u64::MAX))
                .unwrap_or_default(),
        ),
        drain: table.or("drain", Duration::from_secs(120), Field::duration),
        hash: hash.and_then(|field| read_hash(&field)).unwrap_or_default(),
        recording,
    };
    table.finish();
    header
}

fn read_hash(field: &Field<'_>) -> Option<String> {
    let text = field.string("16 hexadecimal digits in quotes")?;
    let hexadecimal = text
        .bytes()
        .all(|it| matches!(it, b'0'..=b'9' | b'a'..=b'f'));
    if text.len() == 16 && hexadecimal {
        return Some(text.to_owned());
    }
    field.wrong(
        "is no hash",
        "16 hexadecimal digits, as `racegate replay` prints them",
    );
    None
}

fn fingerprint(mut table: Table<'_>) -> Fingerprint {
    let outcome = table.need("outcome", "\"incomplete\"");
    let outcome = outcome.and_then(|field| read_outcome(&field));
    let expect = Fingerprint {
        outcome: outcome.unwrap_or(racegate_model::outcome::OutcomeKind::Incomplete),
        cause: read_cause(&mut table, "cause"),
        stage: table.get("stage").and_then(|field| field.name()),
        missing: table.or(
            "missing",
            racegate_model::field::FieldSet::EMPTY,
            read_fields,
        ),
    };
    table.finish();
    expect
}

/// Edges are there to be read; those that do not follow from the instants say that somebody changed
/// one and not the other.
fn check_edges(root: &mut Table<'_>, repro: &Repro) {
    let Some(whole) = root.get("edge") else {
        return;
    };
    let played = repro.case.play();
    let derived = played.map(|played| explain(&repro.case, &played));
    let derived: Vec<_> = derived.into_iter().flatten().collect();
    let tables = root.tables("edge", EDGES_MAX);
    let count = tables.len();
    for (nth, mut table) in tables.into_iter().enumerate() {
        let before = table.need("before", "\"snapshot(0)\"");
        let after = table.need("after", "\"visible(0, media_type)\"");
        let kinds = [("race", Decides::Race), ("leads", Decides::Leads)];
        let kind = table.need("kind", "\"race\"");
        let kind = kind.and_then(|field| field.choice(&kinds));
        let own = [&before, &after].map(|field| {
            let text = field
                .as_ref()
                .and_then(|field| field.string("it in quotes"));
            text.map(str::to_owned)
        });
        let place = before.or(after);
        table.finish();
        let expected = derived.get(nth);
        let expected =
            expected.map(|it| ([it.before.to_string(), it.after.to_string()], it.decides));
        let follows = expected.is_some_and(|(points, decides)| {
            own == points.map(Some) && kind.is_none_or(|kind| kind == decides)
        });
        if let Some(field) = place.filter(|_| !follows) {
            field.wrong(
                "does not follow from the recordings' instants",
                "edges are derived: remove all `[[edge]]` tables, or restore the instants",
            );
            return;
        }
    }
    if count != derived.len() {
        whole.wrong(
            format!("has {count} edges; the instants make {}", derived.len()),
            "edges are derived: remove all `[[edge]]` tables, or restore the instants",
        );
    }
}
