//! What a query's predicates mean. A datum that the model has is looked at; one that it has not is
//! there in no conversation, so that nothing matches it. Names that the real API has not are refused.

use super::error::ApiError;
use super::params::invalid;
use super::seen::queue_id;
use super::selection::{Sight, Test};
use super::wire::job::{AbsentFilter, AbsentPredicate, Join, QueryFilter, QueryParts};
use super::wire::predicate::{
    ANYWHERE, CONVERSATION_DIMENSIONS, DIMENSIONS, METRICS, NumericRange, QueryPredicate,
};

/// The two sides of a call, each with a segment of its own.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Leg {
    Customer,
    Agent,
}

/// What a filter is about: a conversation, or a segment of it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Level {
    Conversation,
    Segment(Leg),
}

impl Level {
    const fn legs(self) -> &'static [Leg] {
        match self {
            Self::Conversation => &[Leg::Customer, Leg::Agent],
            Self::Segment(Leg::Customer) => &[Leg::Customer],
            Self::Segment(Leg::Agent) => &[Leg::Agent],
        }
    }

    /// Whether the real API has the dimension here, or many write it here.
    fn knows(self, dimension: &str) -> bool {
        let of_conversations = CONVERSATION_DIMENSIONS.contains(&dimension);
        DIMENSIONS.contains(&dimension)
            && (ANYWHERE.contains(&dimension) || of_conversations == (self == Self::Conversation))
    }

    fn known(self) -> String {
        let known = DIMENSIONS.iter().copied().filter(|name| self.knows(name));
        known.collect::<Vec<_>>().join(", ")
    }
}

/// The tests of all filters of a query. The predicates of a segment filter are about one segment.
pub(super) fn tests_of(sight: Sight<'_>, query: &QueryParts) -> Result<Vec<Test>, ApiError> {
    let mut tests = Vec::new();
    for filter in query.conversation_filters.iter().flatten() {
        tests.push(filter_test(sight, Level::Conversation, filter)?);
    }
    for filter in query.segment_filters.iter().flatten() {
        let of = |leg| filter_test(sight, Level::Segment(leg), filter);
        tests.push(Test::Any(vec![of(Leg::Customer)?, of(Leg::Agent)?]));
    }
    for filter in query.absent() {
        tests.push(absent_test(filter)?);
    }
    Ok(tests)
}

fn filter_test(sight: Sight<'_>, level: Level, filter: &QueryFilter) -> Result<Test, ApiError> {
    let predicates = filter.predicates.as_deref().unwrap_or_default();
    let mut tests = group(sight, level, (filter.join, predicates))?;
    for clause in filter.clauses.iter().flatten() {
        let predicates = clause.predicates.as_deref().unwrap_or_default();
        let inner = group(sight, level, (clause.join, predicates))?;
        tests.push(joined(clause.join, inner));
    }
    Ok(joined(filter.join, tests))
}

fn absent_test(filter: &AbsentFilter) -> Result<Test, ApiError> {
    let of = |predicates: &Option<Vec<AbsentPredicate>>| -> Result<Vec<Test>, ApiError> {
        let predicates = predicates.iter().flatten();
        let tests = predicates.map(|predicate| {
            let operator = operator_of(predicate.operator.as_deref())?;
            Ok(Test::from(operator == Operator::NotExists))
        });
        tests.collect()
    };
    let mut tests = of(&filter.predicates)?;
    for clause in filter.clauses.iter().flatten() {
        tests.push(joined(clause.join, of(&clause.predicates)?));
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
    sight: Sight<'_>,
    level: Level,
    (join, predicates): (Join, &[QueryPredicate]),
) -> Result<Vec<Test>, ApiError> {
    let calls = sight.state.calls(sight.caller);
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
            None => tests.push(predicate_test(sight, level, predicate)?),
        }
    }
    if by_id {
        tests.push(Test::one_of(named));
    }
    Ok(tests)
}

/// The conversation that a predicate asks for, if it asks for one.
fn conversation_of(predicate: &QueryPredicate) -> Result<Option<&str>, ApiError> {
    let matches = operator_of(predicate.operator.as_deref())? == Operator::Matches;
    let dimension = predicate.dimension.as_deref() == Some("conversationId");
    if !dimension || !matches || about(predicate)? != About::Dimension {
        return Ok(None);
    }
    match predicate.value.as_deref() {
        Some(id) => Ok(Some(id)),
        None => Err(invalid("value", None, "a conversation's id")),
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Operator {
    Matches,
    Exists,
    NotExists,
}

fn operator_of(said: Option<&str>) -> Result<Operator, ApiError> {
    match said {
        None | Some("matches") => Ok(Operator::Matches),
        Some("exists") => Ok(Operator::Exists),
        Some("notExists") => Ok(Operator::NotExists),
        other => Err(invalid("operator", other, "matches, exists, notExists")),
    }
}

/// What a predicate is about.
#[derive(Clone, Copy, PartialEq, Eq)]
enum About {
    Dimension,
    Property,
    Metric,
}

fn about(predicate: &QueryPredicate) -> Result<About, ApiError> {
    match predicate.kind.as_deref() {
        Some("dimension") => Ok(About::Dimension),
        Some("property") => Ok(About::Property),
        Some("metric") => Ok(About::Metric),
        None if predicate.dimension.is_none() && predicate.metric.is_some() => Ok(About::Metric),
        None => Ok(About::Dimension),
        other => Err(invalid("type", other, "dimension, property, metric")),
    }
}

fn predicate_test(
    sight: Sight<'_>,
    level: Level,
    predicate: &QueryPredicate,
) -> Result<Test, ApiError> {
    let operator = operator_of(predicate.operator.as_deref())?;
    match about(predicate)? {
        About::Dimension => dimension_test(sight, level, (operator, predicate)),
        About::Metric => metric_test(operator, predicate),
        About::Property => Ok(Test::from(operator == Operator::NotExists)),
    }
}

fn dimension_test(
    sight: Sight<'_>,
    level: Level,
    (operator, predicate): (Operator, &QueryPredicate),
) -> Result<Test, ApiError> {
    let name = predicate.dimension.as_deref();
    let name = name.ok_or_else(|| ApiError::missing("dimension"))?;
    if !level.knows(name) {
        return Err(invalid("dimension", Some(name), level.known()));
    }
    match (name, operator) {
        ("conversationEnd" | "segmentEnd", Operator::Exists) => return Ok(Test::Over),
        ("conversationEnd" | "segmentEnd", Operator::NotExists) => return Ok(Test::NotOver),
        ("conversationEnd" | "segmentEnd" | "conversationStart", Operator::Matches) => {
            return Err(invalid("operator", Some("matches"), "exists, notExists"));
        }
        ("conversationStart", _) => return Ok(Test::from(operator == Operator::Exists)),
        ("conversationId", _) => {
            return Err(invalid(
                "operator",
                predicate.operator.as_deref(),
                "matches",
            ));
        }
        _ => {}
    }
    let held = level.legs().iter().filter_map(|leg| leg.value(sight, name));
    let mut held = held.peekable();
    let passes = match (operator, predicate.value.as_deref()) {
        (Operator::Exists, _) => held.peek().is_some(),
        (Operator::NotExists, _) => held.peek().is_none(),
        (Operator::Matches, Some(value)) => held.any(|held| value.eq_ignore_ascii_case(&held)),
        (Operator::Matches, None) => return Err(invalid("value", None, "a value")),
    };
    let test = Test::from(passes);
    Ok(match (name, operator) {
        // A side that has not left has not left in any way.
        ("disconnectType", Operator::NotExists) => Test::NotOver,
        ("disconnectType", _) => Test::All(vec![Test::Over, test]),
        _ => test,
    })
}

impl Leg {
    /// What a segment on this side has under a dimension. Every call here is alike.
    fn value(self, sight: Sight<'_>, dimension: &str) -> Option<String> {
        let alike = match dimension {
            "mediaType" => "voice",
            "direction" | "originatingDirection" => "inbound",
            "provider" => "Edge",
            "recording" => "true",
            "screenRecording" | "conference" => "false",
            "segmentType" => "interact",
            "purpose" if self == Self::Customer => "customer",
            "purpose" => "agent",
            "disconnectType" if self == Self::Customer => "client",
            "disconnectType" => "peer",
            "userId" if self == Self::Agent => &sight.state.client(sight.caller).user.id,
            "participantName" if self == Self::Agent => &sight.state.client(sight.caller).id,
            "queueId" if self == Self::Agent => return Some(queue_id(sight.state, sight.caller)),
            _ => return None,
        };
        Some(alike.to_owned())
    }
}

/// Counts that are one in every call here.
const ONCE: [&str; 2] = ["nConnected", "nConversations"];
/// Times that are as long as the call: no part of it is waiting, hold or after-call work.
const WHOLE: [&str; 5] = [
    "tConversationDuration",
    "tHandle",
    "tSegmentDuration",
    "tTalk",
    "tTalkComplete",
];

fn metric_test(operator: Operator, predicate: &QueryPredicate) -> Result<Test, ApiError> {
    let name = predicate.metric.as_deref();
    let name = name.ok_or_else(|| ApiError::missing("metric"))?;
    if !METRICS.contains(&name) {
        return Err(invalid("metric", Some(name), METRICS.join(", ")));
    }
    let (once, whole) = (ONCE.contains(&name), WHOLE.contains(&name));
    match operator {
        Operator::Exists if whole => Ok(Test::Over),
        Operator::NotExists if whole => Ok(Test::NotOver),
        Operator::Exists => Ok(Test::from(once)),
        Operator::NotExists => Ok(Test::from(!once)),
        Operator::Matches => {
            let range = range_of(predicate)?;
            Ok(match (whole, once) {
                (true, _) => Test::Lasted(range),
                (false, once) => Test::from(once && range.holds(1.0)),
            })
        }
    }
}

/// The numbers that a metric may have; times are in milliseconds.
fn range_of(predicate: &QueryPredicate) -> Result<NumericRange, ApiError> {
    match (predicate.range, predicate.value.as_deref()) {
        (Some(range), _) => Ok(range),
        (None, value) => match value.and_then(|value| value.trim().parse().ok()) {
            Some(number) => Ok(NumericRange::exactly(number)),
            None => Err(invalid("value", value, "a number, or a range")),
        },
    }
}
