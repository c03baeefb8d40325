//! The whole file: overrides applied, every table read, every mistake collected.

use racegate_model::draws::Seed;
use racegate_model::scenario::{Engine, Limits, Scenario};

use crate::diagnostics::{Diagnostic, Diagnostics, KEPT_MAX};
use crate::document::{self, Node};
use crate::reader::{Context, Field, Readable, Table};
use crate::source::{Override, Source, Span};
use crate::{ReadFile, SOURCE_BYTES_MAX, arm, edit, expect, fault, workload};

/// Bytes of one override.
const OVERRIDE_BYTES_MAX: usize = 64 << 10;
/// Overrides of one command line.
const OVERRIDES_MAX: usize = 1_000;
/// The seed of a scenario that has none: the same every time, so that a result can be had again.
const SEED: u64 = 42;
/// Bytes of a description.
const DESCRIPTION_MAX: usize = 2_000;

/// Parses `source` with `overrides`.
pub(crate) fn parse(
    source: &Source,
    overrides: &[Override],
    read_file: &ReadFile<'_>,
) -> Result<Scenario, Diagnostics> {
    if source.text.len() > SOURCE_BYTES_MAX {
        let message = format!("the file has {} bytes", source.text.len());
        let mistake = Diagnostic::new(Span::default(), message).help(format!(
            "use at most {SOURCE_BYTES_MAX}; samples can be in a file of their own"
        ));
        // The text itself is left out: nobody reads it.
        let shown = vec![Source::new(source.name.clone(), String::new())];
        return Err(Diagnostics::new(shown, vec![mistake], 0));
    }
    let mut sources = vec![source.clone()];
    let flags = overrides.iter().take(OVERRIDES_MAX);
    sources.extend(flags.map(|over| {
        let fits = over.assignment.len() <= OVERRIDE_BYTES_MAX;
        Source::new(
            over.flag.clone(),
            if fits { over.assignment.as_str() } else { "" },
        )
    }));
    let (mut root, syntax) = document::read(&source.text, 0);
    let readable = if syntax.is_empty() {
        Readable::Whole
    } else {
        let starts = syntax.iter().map(|mistake| mistake.span.start);
        let headers = starts.filter(|at| is_in_header(&source.text, *at));
        Readable::Torn(headers.min().unwrap_or(usize::MAX))
    };
    let context = Context::new(&sources, read_file, readable);
    syntax
        .into_iter()
        .take(KEPT_MAX)
        .for_each(|mistake| context.report(mistake));
    for (index, text) in sources.iter().enumerate().skip(1) {
        if let Err(mistake) = apply(&mut root, &text.text, index) {
            context.report(*mistake);
        }
    }
    let scenario = read(&root, &context);
    let found = context.into_found();
    if found.list.is_empty() && overrides.len() <= OVERRIDES_MAX {
        return Ok(scenario);
    }
    let mut list = found.list;
    if overrides.len() > OVERRIDES_MAX {
        let message = format!("there are {} overrides", overrides.len());
        let help = format!("use at most {OVERRIDES_MAX}");
        list.push(Diagnostic::new(Span::default(), message).help(help));
    }
    Err(Diagnostics::new(sources, list, found.dropped))
}

/// Whether byte `at` is in the header of a table.
fn is_in_header(text: &str, at: usize) -> bool {
    let before = text.get(..at).unwrap_or(text);
    let line = before.rfind('\n').map_or(0, |end| end + 1);
    text[line..].trim_start().starts_with('[')
}

/// Applies `KEY=VALUE`.
fn apply(root: &mut Node, assignment: &str, source: usize) -> Result<(), Box<Diagnostic>> {
    let place = |from, to| Span::new(source, from, to);
    let Some((key, value)) = split(assignment) else {
        let message = format!("`{assignment}` sets nothing");
        let help = "write KEY=VALUE, as in gate.forum.attempts=7 (at most 64 KiB)";
        return Err(Box::new(
            Diagnostic::new(place(0, assignment.len()), message).help(help),
        ));
    };
    let path = edit::path(key, place)?;
    edit::assign(root, &path, edit::value(value, source, key.len() + 1))
}

/// Splits at the first `=` that is outside quotes: keys of `[expect]` hold some.
fn split(assignment: &str) -> Option<(&str, &str)> {
    let mut quoted = false;
    let at = assignment.find(|letter| {
        quoted ^= letter == '"';
        letter == '=' && !quoted
    })?;
    Some((&assignment[..at], &assignment[at + 1..]))
}

fn read(document: &Node, context: &Context<'_>) -> Scenario {
    let mut root = Table::root(document, context);
    let name = root
        .need("name", "\"webrtc-spike\"")
        .and_then(|field| field.name());
    let description = root.or("description", String::new(), description);
    let seed = root.or("seed", SEED, |field| field.integer(0, u64::MAX));
    let engine = root.or("engine", Engine::Sim, |field| {
        field.choice(&[("sim", Engine::Sim), ("live", Engine::Live)])
    });
    let has_workload = root.get("workload").is_some();
    let workload = if has_workload {
        workload::read(root.table("workload"))
    } else {
        root.need("workload", "{ executor = …, call_duration = …, … }");
        // Its own missing keys would say nothing more.
        let torn = Context::new(context.sources, context.read_file, Readable::Torn(0));
        workload::read(Table::root(&Node::table(document.span), &torn))
    };
    let mut workload = workload;
    workload.faults = fault::read(&mut root, &workload);
    let base = arm::base(&mut root);
    let mut arms = arm::variants(&mut root, document);
    arms.insert(0, base);
    let limits = limits(root.table("limits"));
    let world = expect::World {
        arms: &arms,
        workload: &workload,
    };
    let expect = expect::read(root.table("expect"), &world);
    root.finish();
    let name = name.unwrap_or_default();
    Scenario {
        name,
        description,
        seed: Seed(seed),
        engine,
        workload,
        arms,
        expect,
        limits,
    }
}

fn description(field: &Field<'_>) -> Option<String> {
    let text = field.string("a sentence in quotes")?;
    if text.len() > DESCRIPTION_MAX {
        field.wrong(
            format!("has {} bytes", text.len()),
            format!("use at most {DESCRIPTION_MAX}"),
        );
        return None;
    }
    Some(text.to_owned())
}

fn limits(mut table: Table<'_>) -> Limits {
    let default = Limits::default();
    let limits = Limits {
        drain: table.or("drain", default.drain, Field::duration),
        send_lateness: table.or(
            "send_lateness",
            default.send_lateness,
            Field::duration_above_zero,
        ),
        history: table.or("history_limit", default.history, |field| {
            field.integer(0, 1 << 40)
        }),
    };
    table.finish();
    limits
}
