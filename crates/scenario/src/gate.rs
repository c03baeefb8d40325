//! `[[gate]]`: strategies, each with exactly its own keys.

use racegate_model::gate::Strategy;
use racegate_model::gate::keys::{Choice, Key, Keys, Value};
use racegate_model::scenario::{Backoff, ExportRequest, GateSpec, GateStart, Readiness, Repair};
use racegate_model::time::{Duration, Fixed};

use crate::diagnostics::Diagnostic;
use crate::distribution;
use crate::reader::{Field, Table, unique};
use crate::request;

/// Gates of one arm.
const GATES_MAX: usize = 64;
/// Looks at one recording: at more, a run would do little else.
const LOOKS_MAX: f64 = 1_000_000.0;
/// How long a gate without a deadline is taken to look.
const UNLIMITED: Duration = Duration::from_secs(3_600);
/// Exports of one recording.
const EXPORTS_MAX: u32 = 1_000;
/// The strategy that repairs what another one, its `inner`, exported.
pub(crate) const VERIFY_REPAIR: &str = "verify-repair";
/// A law that need not be given.
pub(crate) const LEARNED: &str = "learned";
/// The keys that every gate may have beside its strategy's.
const COMMON_KEYS: [&str; 9] = [
    "inner",
    "max_exports",
    "repair_delay",
    "start",
    "filters",
    "scopes",
    "sidecar_suffix",
    "done_when",
    "jobs_at_once",
];

/// Reads the gates of a file.
pub(crate) fn read_all(root: &mut Table<'_>) -> Vec<GateSpec> {
    let context = root.context;
    if root.get("gate").is_none() {
        let mistake = Diagnostic::new(root.span, "there is no gate")
            .help("add `[[gate]]` with `name = \"ungated\"` and `strategy = \"none\"`");
        context.report_missing(mistake);
    }
    let (mut gates, mut spans) = (Vec::new(), Vec::new());
    for mut table in root.tables("gate", GATES_MAX) {
        let name = table.need("name", "\"ungated\"");
        spans.push(name.as_ref().map_or(table.span, |name| name.node.span));
        let gate = read(
            &mut table,
            name.and_then(|name| name.name()).unwrap_or_default(),
        );
        refuse_restless(&table, &gate);
        gates.push(gate);
        table.finish();
    }
    if let Some(field) = root.get("gate")
        && field.node.array().is_some_and(<[_]>::is_empty)
    {
        field.wrong("is empty", "give at least one gate");
    }
    unique(
        context,
        "gate",
        gates.iter().map(|gate| gate.name.as_str()).zip(spans),
    );
    gates
}

/// Refuses a gate that would do nothing but look.
fn refuse_restless(table: &Table<'_>, gate: &GateSpec) {
    let Some(looks) = gate.strategy.looks_within(UNLIMITED) else {
        return;
    };
    if looks > LOOKS_MAX {
        let message = format!(
            "gate `{}` would look about {looks:.0} times at a recording that is not ready",
            gate.name
        );
        let help = format!(
            "lengthen the gaps, shorten `deadline` or set `max_attempts`: at most {LOOKS_MAX:.0} \
             looks"
        );
        let mistake = Diagnostic::new(table.span, message).help(help);
        table.context.report(mistake);
    }
}

/// The strategies by name; none stands for [`VERIFY_REPAIR`].
fn strategies() -> Vec<(&'static str, Option<Strategy>)> {
    let all = Strategy::all().into_iter();
    all.map(|strategy| (strategy.name(), Some(strategy)))
        .chain([(VERIFY_REPAIR, None)])
        .collect()
}

fn read(table: &mut Table<'_>, name: String) -> GateSpec {
    let words = strategies();
    let form = table
        .need("strategy", "\"none\"")
        .and_then(|field| field.choice(&words));
    let Some(form) = form else {
        skip(table);
        return GateSpec {
            name,
            strategy: Strategy::NONE,
            start: GateStart::SessionEnd,
            repair: None,
            request: ExportRequest::default(),
        };
    };
    let (strategy, repair) = if let Some(mut strategy) = form {
        strategy.keys(&mut Reading(table));
        let given = table.get("max_exports").is_some() | table.get("repair_delay").is_some();
        (strategy, given.then(|| repair(table)))
    } else {
        let inner = &words[..words.len() - 1];
        let inner = table.or("inner", None, |field| field.choice(inner));
        let mut inner = inner.unwrap_or(Strategy::NONE);
        inner.keys(&mut Reading(table));
        (inner, Some(repair(table)))
    };
    GateSpec {
        name,
        strategy,
        start: table.or("start", GateStart::SessionEnd, |field| field.choice(&START)),
        repair,
        request: request::read(table),
    }
}

/// When a gate's clock starts, the default first.
pub(crate) const START: [(&str, GateStart); 2] = [
    ("session-end", GateStart::SessionEnd),
    ("media", GateStart::Media),
];

/// Knows every key of any strategy, where the gate's strategy is unknown.
fn skip(table: &mut Table<'_>) {
    struct Skipping<'t, 'd>(&'t mut Table<'d>);
    impl Keys for Skipping<'_, '_> {
        fn key(&mut self, key: Key, _: Value<'_>) {
            self.0.get(key.name);
        }
    }
    for mut strategy in Strategy::all() {
        strategy.keys(&mut Skipping(table));
    }
    for key in COMMON_KEYS {
        table.get(key);
    }
}

fn repair(table: &mut Table<'_>) -> Repair {
    Repair {
        max_exports: table.or("max_exports", 3, |field| field.count(2, EXPORTS_MAX)),
        delay: table.or("repair_delay", Duration::from_secs(5), Field::duration),
    }
}

/// Reads each key into its place, or leaves the default there.
struct Reading<'t, 'd>(&'t mut Table<'d>);

impl Keys for Reading<'_, '_> {
    fn key(&mut self, key: Key, value: Value<'_>) {
        let field = match key.required {
            Some(example) => self.0.need(key.name, example),
            None => self.0.get(key.name),
        };
        if let Some(field) = field {
            read_value(&field, value);
        }
    }

    fn reject(&mut self, key: &'static str, reason: &str, help: &str) {
        if let Some(field) = self.0.get(key) {
            field.wrong(reason, help);
        }
    }
}

fn read_value(field: &Field<'_>, value: Value<'_>) {
    fn put<T>(place: &mut T, read: Option<T>) {
        if let Some(value) = read {
            *place = value;
        }
    }
    match value {
        Value::Duration(place) => put(place, field.duration()),
        Value::Interval(place) => put(place, field.duration_above_zero()),
        Value::Limit(place) => put(place, unless_none(field, Field::duration_above_zero)),
        Value::Count(place, low, high) => put(place, field.count(low, high)),
        Value::CountLimit(place, low, high) => {
            put(place, unless_none(field, |field| field.count(low, high)));
        }
        Value::Number(place, low, high) => {
            put(place, field.number_in(low, high).and_then(Fixed::new));
        }
        Value::Pace(place) => put(place, unless_none(field, Field::rate)),
        Value::Law(place) => {
            if field.node.text() == Some(LEARNED) {
                *place = None;
            } else {
                put(place, distribution::read(field).map(Some));
            }
        }
        Value::Word(place) => read_word(field, place),
        Value::Checks(place) => put(place, checks(field)),
    }
}

fn read_word(field: &Field<'_>, place: &mut dyn Choice) {
    let words: Vec<(&'static str, usize)> = place.words().into_iter().zip(0..).collect();
    if let Some(position) = field.choice(&words) {
        place.take(position);
    }
}

/// The keys of a back-off.
pub(crate) fn backoff(table: &mut Table<'_>) -> Backoff {
    let mut backoff = Backoff::default();
    backoff.keys(&mut Reading(table));
    backoff
}

/// `"none"`, or what `read` reads.
pub(crate) fn unless_none<'d, T>(
    field: &Field<'d>,
    read: impl FnOnce(&Field<'d>) -> Option<T>,
) -> Option<Option<T>> {
    if field.node.text() == Some("none") {
        return Some(None);
    }
    read(field).map(Some)
}

/// A list of checks.
fn checks(field: &Field<'_>) -> Option<Readiness> {
    if field.node.array().is_some_and(<[_]>::is_empty) {
        field.wrong(
            "is empty, so nothing would be checked",
            "name at least one check, or use the strategy \"fixed-delay\"",
        );
        return None;
    }
    let words: Vec<(&str, &str)> = Readiness::words().map(|word| (word, word)).collect();
    let mut ready = Readiness::default();
    for item in field.items(words.len()) {
        if let Some(word) = item.choice(&words) {
            ready.add(word);
        }
    }
    Some(ready)
}
