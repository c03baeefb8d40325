//! `[expect]`: what must be true of the results, checked against what the scenario has.

mod claim;
mod condition;
mod labels;
mod metric;

use racegate_model::scenario::{Arm, Expectation, Metric, Series, Workload};

use condition::Sign;

use crate::diagnostics::Diagnostic;
use crate::document::Entry;
use crate::reader::{Context, Field, Table};
use crate::source::Span;
use crate::suggest;

pub use claim::claim;
pub(crate) use metric::names as metric_names;

/// Expectations of one scenario.
const EXPECTATIONS_MAX: usize = 1_000;
/// Conditions of one expectation.
const CONDITIONS_MAX: usize = 16;

/// What expectations can name.
pub(crate) struct World<'w> {
    pub(crate) arms: &'w [Arm],
    pub(crate) workload: &'w Workload,
}

/// A part of a key, and where it begins in it.
#[derive(Clone, Copy)]
pub(super) struct Part<'t> {
    pub(super) text: &'t str,
    pub(super) at: usize,
}

impl<'t> Part<'t> {
    /// The part without white space around it.
    fn trim(self) -> Self {
        let text = self.text.trim_start();
        Self {
            text: text.trim_end(),
            at: self.at + (self.text.len() - text.len()),
        }
    }

    /// Bytes `from..to` of the part.
    fn slice(self, from: usize, to: usize) -> Self {
        Self {
            text: self.text.get(from..to).unwrap_or(""),
            at: self.at + from,
        }
    }

    /// What lies before and after the first `separator`.
    fn split(self, separator: char) -> Option<(Self, Self)> {
        let at = self.text.find(separator)?;
        Some((
            self.slice(0, at),
            self.slice(at + separator.len_utf8(), self.text.len()),
        ))
    }
}

/// One key of `[expect]` while it is read.
pub(super) struct Key<'k> {
    pub(super) context: &'k Context<'k>,
    pub(super) text: &'k str,
    pub(super) span: Span,
}

impl Key<'_> {
    /// The place of a part.
    pub(super) fn place(&self, part: Part<'_>) -> Span {
        self.context
            .inside(self.span, self.text, part.at, part.at + part.text.len())
    }

    /// Notes a mistake at `part`.
    pub(super) fn wrong(&self, part: Part<'_>, message: String, help: impl Into<String>) {
        self.context
            .report(Diagnostic::new(self.place(part), message).help(help));
    }
}

/// Reads `[expect]`.
pub(crate) fn read(table: Table<'_>, world: &World<'_>) -> Vec<Expectation> {
    let entries = table.entries();
    if entries.len() > EXPECTATIONS_MAX {
        let message = format!("`{}` has {} lines", table.path, entries.len());
        let help = format!("use at most {EXPECTATIONS_MAX}");
        table
            .context
            .report(Diagnostic::new(table.span, message).help(help));
        return Vec::new();
    }
    entries
        .iter()
        .filter_map(|entry| expectation(table.context, entry, world))
        .collect()
}

fn expectation(context: &Context<'_>, entry: &Entry, world: &World<'_>) -> Option<Expectation> {
    let key = Key {
        context,
        text: &entry.key,
        span: entry.key_span,
    };
    let whole = Part {
        text: &entry.key,
        at: 0,
    };
    let (first, second) = match minus(&entry.key) {
        Some(at) => (
            whole.slice(0, at),
            Some(whole.slice(at + 1, entry.key.len())),
        ),
        None => (whole, None),
    };
    let series = read_series(&key, first.trim(), world);
    let subtrahend = second.map(|part| read_series(&key, part.trim(), world));
    let value = Field {
        context,
        node: &entry.node,
        path: entry.key.clone(),
    };
    let written = conditions(&value);
    let (series, metric) = match (series, &subtrahend) {
        (Some(series), _) => {
            let metric = series.metric;
            (Some(series), Some(metric))
        }
        (None, other) => (
            None,
            other.as_ref().and_then(|b| b.as_ref()).map(|b| b.metric),
        ),
    };
    let sign = if subtrahend.is_some() {
        Sign::Any
    } else {
        Sign::Positive
    };
    let read: Option<Vec<_>> = written
        .iter()
        .map(|(field, text)| condition::read(field, text, metric?, sign))
        .collect();
    let minus = match subtrahend {
        Some(other) => Some(other?),
        None => None,
    };
    let series = series?;
    if let (Some(other), Some(part)) = (&minus, second)
        && other.metric != series.metric
    {
        key.wrong(
            part.trim(),
            "a difference of two metrics has no meaning".to_owned(),
            "compare the same metric of two gates, arms, phases, …",
        );
        return None;
    }
    let texts: Vec<&str> = written.iter().map(|(_, text)| text.trim()).collect();
    let conditions = read.filter(|read| !read.is_empty())?;
    let expression = format!("{} {}", entry.key, texts.join(", "));
    Some(Expectation {
        expression,
        series,
        minus,
        conditions,
        certainty: None,
    })
}

/// Where the minus of `A - B` is: outside braces, between spaces.
fn minus(key: &str) -> Option<usize> {
    let mut depth = 0_usize;
    key.char_indices().find_map(|(at, letter)| {
        match letter {
            '{' => depth += 1,
            '}' => depth = depth.saturating_sub(1),
            _ => {}
        }
        let spaced = letter == '-' && key[..at].ends_with(' ') && key[at + 1..].starts_with(' ');
        (depth == 0 && spaced).then_some(at)
    })
}

/// The conditions of a value as text: one string, or an array of them.
fn conditions<'d>(value: &Field<'d>) -> Vec<(Field<'d>, &'d str)> {
    let help = "a condition in quotes, as in \"< 5%\", \">= 2s\" or \"== 1945\"";
    let items = match value.node.array() {
        Some([]) => {
            value.wrong("has no condition", format!("write {help}"));
            Vec::new()
        }
        Some(_) => value.items(CONDITIONS_MAX),
        None => vec![value.clone()],
    };
    items
        .into_iter()
        .filter_map(|item| Some((item.clone(), item.string(help)?)))
        .collect()
}

/// `metric{label=value, …}`.
fn read_series(key: &Key<'_>, part: Part<'_>, world: &World<'_>) -> Option<Series> {
    let (name, inner) = match part.split('{') {
        None => (part, None),
        Some((name, rest)) => match rest.text.strip_suffix('}') {
            Some(inner) => (name.trim(), Some(rest.slice(0, inner.len()))),
            None => {
                let message = format!("`{}` has no closing brace", part.text);
                key.wrong(part, message, "write metric{label=value,label=value}");
                return None;
            }
        },
    };
    let metric = read_metric(key, name);
    let labels = labels::read(key, inner, metric, world);
    let (metric, given) = (metric?, labels?);
    labels::check(key, part, metric, &given, world)?;
    Some(Series {
        metric,
        labels: given,
    })
}

fn read_metric(key: &Key<'_>, part: Part<'_>) -> Option<Metric> {
    let found = metric::by_name(part.text);
    if found.is_none() {
        let names = metric::names();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let help = suggest::help_for(part.text, &names, "metrics");
        key.wrong(part, format!("unknown metric `{}`", part.text), help);
    }
    found
}
