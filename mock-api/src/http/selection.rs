//! Which conversations a query selects: that of a bulk job or of analytics. Conversations that
//! nobody knows are silently not selected, as at the real API.

use std::collections::BTreeSet;

use racegate_model::ids::RecordingIndex;
use racegate_model::time::Timestamp;
use racegate_model::workload::Call;

use super::error::ApiError;
use super::params::invalid;
use super::wire::job::{Join, QueryFilter, QueryParts, QueryPredicate};
use super::wire::{ApiDate, ApiInterval};
use crate::service::CallsOn;
use crate::storage::layout::RunEpoch;

/// How a query's interval is meant.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Within {
    /// Conversations that began in it.
    Started,
    /// Conversations that took place in it, at least in part, and began on a day (UTC) of it.
    Active,
}

/// The conversations that `query` selects, in the order in which it names them, else in that of
/// their start.
pub(super) fn select(
    calls: CallsOn<'_>,
    epoch: RunEpoch,
    (interval, query): (Option<&str>, &QueryParts),
    (within, now): (Within, Timestamp),
) -> Result<Vec<Call>, ApiError> {
    if let Some(refused) = query.not_modelled() {
        return Err(ApiError::bad_request(refused));
    }
    let interval = interval
        .map(|text| Span::parse(epoch, text, within))
        .transpose()?;
    let filters = query
        .conversation_filters
        .iter()
        .chain(&query.segment_filters)
        .flatten();
    let tests: Vec<Test> = filters
        .map(|filter| filter_test(calls, filter))
        .collect::<Result<_, _>>()?;
    let test = Test::All(tests);
    let candidates: Vec<Call> = match (test.named(), interval) {
        (Some(named), _) => named.into_iter().filter_map(|id| calls.get(id)).collect(),
        (None, Some(span)) => calls.begun_between(span.from, span.until),
        (None, None) => {
            return Err(ApiError::missing("interval"));
        }
    };
    let mut seen = BTreeSet::new();
    let mut selected: Vec<Call> = candidates
        .into_iter()
        .filter(|call| interval.is_none_or(|span| span.holds(call)))
        .filter(|call| test.passes(call, now) && seen.insert(call.index))
        .collect();
    if test.named().is_none() {
        selected.sort_by_key(|call| (call.arrival, call.index));
    }
    Ok(selected)
}

/// When conversations must have begun, and how long they must have gone on.
#[derive(Clone, Copy, Debug)]
struct Span {
    from: Timestamp,
    until: Timestamp,
    active_from: Timestamp,
}

const DAY_MILLIS: i64 = 86_400_000;

impl Span {
    fn parse(epoch: RunEpoch, text: &str, within: Within) -> Result<Self, ApiError> {
        let interval = ApiInterval::parse(text).ok_or_else(|| {
            let allowed = "two ISO 8601 dates joined by a slash";
            invalid("interval", Some(text), allowed)
        })?;
        let (from, until) = (interval.from.instant(epoch), interval.until.instant(epoch));
        Ok(match within {
            Within::Started => Self {
                from,
                until,
                active_from: from,
            },
            Within::Active => {
                let millis = interval.from.0.unix_millis();
                let midnight = ApiDate::of_unix_millis(millis - millis.rem_euclid(DAY_MILLIS));
                Self {
                    from: midnight.instant(epoch),
                    until,
                    active_from: from,
                }
            }
        })
    }

    fn holds(self, call: &Call) -> bool {
        (self.from..self.until).contains(&call.arrival) && call.ended_at() >= self.active_from
    }
}

/// A filter on conversations.
#[derive(Debug)]
enum Test {
    /// One of these, in the order in which they were named.
    OneOf(Vec<RecordingIndex>, BTreeSet<RecordingIndex>),
    Everything,
    /// Over, or not yet.
    Over,
    NotOver,
    All(Vec<Self>),
    Any(Vec<Self>),
}

impl Test {
    fn one_of(named: Vec<RecordingIndex>) -> Self {
        let set = named.iter().copied().collect();
        Self::OneOf(named, set)
    }

    fn nothing() -> Self {
        Self::one_of(Vec::new())
    }

    fn passes(&self, call: &Call, now: Timestamp) -> bool {
        match self {
            Self::OneOf(_, set) => set.contains(&call.index),
            Self::Everything => true,
            Self::Over => call.ended_at() <= now,
            Self::NotOver => call.ended_at() > now,
            Self::All(tests) => tests.iter().all(|test| test.passes(call, now)),
            Self::Any(tests) => tests.iter().any(|test| test.passes(call, now)),
        }
    }

    /// Conversations that nothing outside of can pass, if the test names them.
    fn named(&self) -> Option<Vec<RecordingIndex>> {
        match self {
            Self::OneOf(named, _) => Some(named.clone()),
            Self::Everything | Self::Over | Self::NotOver => None,
            Self::All(tests) => tests.iter().find_map(Self::named),
            Self::Any(tests) => {
                let named: Option<Vec<_>> = tests.iter().map(Self::named).collect();
                named.map(|named| named.concat())
            }
        }
    }
}

fn filter_test(calls: CallsOn<'_>, filter: &QueryFilter) -> Result<Test, ApiError> {
    let mut tests = group(
        calls,
        filter.join,
        filter.predicates.as_deref().unwrap_or_default(),
    )?;
    for clause in filter.clauses.iter().flatten() {
        let inner = group(
            calls,
            clause.join,
            clause.predicates.as_deref().unwrap_or_default(),
        )?;
        tests.push(joined(clause.join, inner));
    }
    Ok(joined(filter.join, tests))
}

fn joined(join: Join, tests: Vec<Test>) -> Test {
    match join {
        _ if tests.is_empty() => Test::Everything,
        Join::And => Test::All(tests),
        Join::Or => Test::Any(tests),
    }
}

/// The tests of a group of predicates. Ids joined by "or" become one test, so that thousands of
/// them cost a look-up.
fn group(
    calls: CallsOn<'_>,
    join: Join,
    predicates: &[QueryPredicate],
) -> Result<Vec<Test>, ApiError> {
    let mut named = Vec::new();
    let mut by_id = false;
    let mut tests = Vec::new();
    for predicate in predicates {
        match conversation_of(predicate)? {
            Some(id) if join == Join::Or => {
                by_id = true;
                named.extend(calls.by_conversation(id).map(|call| call.index));
            }
            Some(id) => {
                let known = calls.by_conversation(id).map(|call| call.index);
                tests.push(Test::one_of(known.into_iter().collect()));
            }
            None => tests.push(other_test(predicate)?),
        }
    }
    if by_id {
        tests.push(Test::one_of(named));
    }
    Ok(tests)
}

/// The conversation that a predicate asks for, if it asks for one.
fn conversation_of(predicate: &QueryPredicate) -> Result<Option<&str>, ApiError> {
    if predicate.dimension.as_deref() != Some("conversationId") {
        return Ok(None);
    }
    match (operator_of(predicate)?, predicate.value.as_deref()) {
        (Operator::Matches, Some(id)) => Ok(Some(id)),
        (Operator::Matches, None) => Err(invalid("value", None, "a conversation's id")),
        (Operator::Exists | Operator::NotExists, _) => Err(invalid(
            "operator",
            predicate.operator.as_deref(),
            "matches",
        )),
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Operator {
    Matches,
    Exists,
    NotExists,
}

fn operator_of(predicate: &QueryPredicate) -> Result<Operator, ApiError> {
    let kind = predicate.kind.as_deref();
    if !matches!(kind, None | Some("dimension")) {
        return Err(invalid("type", kind, "dimension"));
    }
    match predicate.operator.as_deref() {
        None | Some("matches") => Ok(Operator::Matches),
        Some("exists") => Ok(Operator::Exists),
        Some("notExists") => Ok(Operator::NotExists),
        other => Err(invalid("operator", other, "matches, exists, notExists")),
    }
}

/// What every call here is; a dimension that is not modelled is refused rather than ignored.
const ALIKE: [(&str, &str); 6] = [
    ("mediaType", "voice"),
    ("direction", "inbound"),
    ("originatingDirection", "inbound"),
    ("provider", "Edge"),
    ("recording", "true"),
    ("screenRecording", "false"),
];

fn other_test(predicate: &QueryPredicate) -> Result<Test, ApiError> {
    let operator = operator_of(predicate)?;
    let dimension = predicate.dimension.as_deref();
    if dimension == Some("conversationEnd") {
        return match operator {
            Operator::Exists => Ok(Test::Over),
            Operator::NotExists => Ok(Test::NotOver),
            Operator::Matches => Err(invalid("operator", Some("matches"), "exists, notExists")),
        };
    }
    let known = ALIKE.iter().find(|(name, _)| dimension == Some(name));
    let Some((_, all)) = known else {
        let allowed = "conversationId, conversationEnd, mediaType, direction, \
                       originatingDirection, provider, recording, screenRecording";
        return Err(invalid("dimension", dimension, allowed));
    };
    let passes = match (operator, predicate.value.as_deref()) {
        (Operator::Exists, _) => true,
        (Operator::NotExists, _) => false,
        (Operator::Matches, Some(value)) => value.eq_ignore_ascii_case(all),
        (Operator::Matches, None) => return Err(invalid("value", None, "a value")),
    };
    Ok(if passes {
        Test::Everything
    } else {
        Test::nothing()
    })
}
