//! Which recordings a job's query selects. Conversations that nobody knows are silently not
//! selected, as at the real API.

use std::collections::BTreeSet;

use racegate_model::ids::RecordingIndex;
use racegate_model::time::Timestamp;
use racegate_model::workload::Call;

use crate::http::error::ApiError;
use crate::http::paging::invalid;
use crate::http::wire::ApiDate;
use crate::http::wire::job::{ConversationQuery, Join, QueryFilter, QueryPredicate};
use crate::service::Service;
use crate::storage::layout::RunEpoch;

/// The recordings that `query` selects, in the order in which it names them.
pub(super) fn select(
    service: &Service,
    epoch: RunEpoch,
    query: &ConversationQuery,
) -> Result<Vec<RecordingIndex>, ApiError> {
    let interval = query
        .interval
        .as_deref()
        .map(|text| parse_interval(epoch, text))
        .transpose()?;
    let filters = query
        .conversation_filters
        .iter()
        .chain(&query.segment_filters)
        .flatten();
    let tests: Vec<Test> = filters
        .map(|filter| filter_test(service, filter))
        .collect::<Result<_, _>>()?;
    let test = Test::All(tests);
    let candidates: Vec<Call> = match (test.named(), interval) {
        (Some(named), _) => named
            .into_iter()
            .filter_map(|id| service.calls().get(id))
            .collect(),
        (None, Some((from, until))) => service.calls().begun_between(from, until),
        (None, None) => {
            return Err(ApiError::bad_request(
                "The query needs an interval or conversation ids.",
            ));
        }
    };
    let mut seen = BTreeSet::new();
    let within =
        |call: &Call| interval.is_none_or(|(from, until)| (from..until).contains(&call.arrival));
    let selected = candidates
        .iter()
        .filter(|call| within(call) && test.passes(call.index));
    Ok(selected
        .map(|call| call.index)
        .filter(|index| seen.insert(*index))
        .collect())
}

/// A filter on conversations.
#[derive(Debug)]
enum Test {
    /// One of these, in the order in which they were named.
    OneOf(Vec<RecordingIndex>, BTreeSet<RecordingIndex>),
    Everything,
    All(Vec<Self>),
    Any(Vec<Self>),
}

impl Test {
    fn one_of(named: Vec<RecordingIndex>) -> Self {
        let set = named.iter().copied().collect();
        Self::OneOf(named, set)
    }

    fn passes(&self, recording: RecordingIndex) -> bool {
        match self {
            Self::OneOf(_, set) => set.contains(&recording),
            Self::Everything => true,
            Self::All(tests) => tests.iter().all(|test| test.passes(recording)),
            Self::Any(tests) => tests.iter().any(|test| test.passes(recording)),
        }
    }

    /// Conversations that nothing outside of can pass, if the test names them.
    fn named(&self) -> Option<Vec<RecordingIndex>> {
        match self {
            Self::OneOf(named, _) => Some(named.clone()),
            Self::Everything => None,
            Self::All(tests) => tests.iter().find_map(Self::named),
            Self::Any(tests) => {
                let named: Option<Vec<_>> = tests.iter().map(Self::named).collect();
                named.map(|named| named.concat())
            }
        }
    }
}

fn filter_test(service: &Service, filter: &QueryFilter) -> Result<Test, ApiError> {
    let mut tests = group(
        service,
        filter.join,
        filter.predicates.as_deref().unwrap_or_default(),
    )?;
    for clause in filter.clauses.iter().flatten() {
        let inner = group(
            service,
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
    service: &Service,
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
                named.extend(service.calls().by_conversation(id).map(|call| call.index));
            }
            Some(id) => {
                let known = service.calls().by_conversation(id).map(|call| call.index);
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
    let kind = predicate.kind.as_deref();
    if !matches!(kind, None | Some("dimension")) {
        return Err(invalid("type", kind, "dimension"));
    }
    let operator = predicate.operator.as_deref();
    if !matches!(operator, None | Some("matches")) {
        return Err(invalid("operator", operator, "matches"));
    }
    match (predicate.dimension.as_deref(), predicate.value.as_deref()) {
        (Some("conversationId"), Some(id)) => Ok(Some(id)),
        (Some("conversationId"), None) => Err(invalid("value", None, "a conversation's id")),
        _ => Ok(None),
    }
}

/// Every call here is `voice`; a dimension that is not modelled is refused rather than ignored.
fn other_test(predicate: &QueryPredicate) -> Result<Test, ApiError> {
    match (predicate.dimension.as_deref(), predicate.value.as_deref()) {
        (Some("mediaType"), Some(value)) if value.eq_ignore_ascii_case("voice") => {
            Ok(Test::Everything)
        }
        (Some("mediaType"), _) => Ok(Test::one_of(Vec::new())),
        (dimension, _) => Err(invalid("dimension", dimension, "conversationId, mediaType")),
    }
}

fn parse_interval(epoch: RunEpoch, text: &str) -> Result<(Timestamp, Timestamp), ApiError> {
    let parsed = text.split_once('/').and_then(|(from, until)| {
        let (from, until) = (ApiDate::parse(from)?, ApiDate::parse(until)?);
        (from <= until).then(|| (from.instant(epoch), until.instant(epoch)))
    });
    parsed.ok_or_else(|| {
        invalid(
            "interval",
            Some(text),
            "two ISO 8601 dates joined by a slash",
        )
    })
}
