//! Words and instants of repro files.

use racegate_model::field::{Field as ManifestField, FieldSet};
use racegate_model::outcome::{Cause, OutcomeKind};
use racegate_model::repro::Level;
use racegate_model::time::{Duration, Timestamp};

use crate::reader::{Field, Table};

/// What never happens.
pub(super) const NEVER: &str = "never";

/// Seconds with as many decimals as they need.
pub(super) fn seconds(length: Duration) -> String {
    let nanos = length.as_nanos();
    let (whole, rest) = (nanos / 1_000_000_000, nanos % 1_000_000_000);
    if rest == 0 {
        return format!("\"{whole}s\"");
    }
    let decimals = format!("{rest:09}");
    format!("\"{whole}.{}s\"", decimals.trim_end_matches('0'))
}

/// An instant as the time since the run's start.
pub(super) fn instant(at: Timestamp) -> String {
    match at.ever() {
        Some(at) => seconds(at.since(Timestamp::ZERO)),
        None => format!("\"{NEVER}\""),
    }
}

/// Names of fields, as a list.
pub(super) fn fields(set: FieldSet) -> String {
    let names: Vec<String> = set.iter().map(|it| format!("\"{}\"", it.name())).collect();
    format!("[{}]", names.join(", "))
}

/// Reads an instant.
pub(super) fn read_instant(field: &Field<'_>) -> Option<Timestamp> {
    if field.node.text() == Some(NEVER) {
        return Some(Timestamp::NEVER);
    }
    field.duration().map(|since| Timestamp::ZERO + since)
}

/// Reads an instant that comes.
pub(super) fn read_moment(field: &Field<'_>) -> Option<Timestamp> {
    field.duration().map(|since| Timestamp::ZERO + since)
}

/// Reads a list of fields, the media among them.
pub(super) fn read_fields(field: &Field<'_>) -> Option<FieldSet> {
    let all = ManifestField::METADATA.into_iter();
    let all = all.chain([ManifestField::Media]);
    let words: Vec<_> = all.map(|it| (it.name(), it)).collect();
    let items = field.items(words.len());
    Some(items.iter().filter_map(|it| it.choice(&words)).collect())
}

/// Reads a cause under `key`, if there is one.
pub(super) fn read_cause(table: &mut Table<'_>, key: &'static str) -> Option<Cause> {
    let words = Cause::ALL.map(|cause| (cause.name(), cause));
    table.get(key).and_then(|field| field.choice(&words))
}

/// Reads what became of a recording.
pub(super) fn read_outcome(field: &Field<'_>) -> Option<OutcomeKind> {
    field.choice(&OutcomeKind::ALL.map(|outcome| (outcome.name(), outcome)))
}

/// Reads how far a case was shrunk.
pub(super) fn read_level(field: &Field<'_>) -> Option<Level> {
    field.choice(&Level::ALL.map(|level| (level.name(), level)))
}
