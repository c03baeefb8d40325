//! Which conversations a query selects: that of a bulk job or of analytics. Conversations that
//! nobody knows are silently not selected, as at the real API.

use std::collections::BTreeSet;

use racegate_model::ids::RecordingIndex;
use racegate_model::time::Timestamp;
use racegate_model::workload::Call;

use super::error::ApiError;
use super::gateway::Caller;
use super::params::invalid;
use super::predicates;
use super::state::ApiState;
use super::wire::job::QueryParts;
use super::wire::predicate::NumericRange;
use super::wire::{ApiDate, ApiInterval};
use crate::storage::layout::RunEpoch;

/// How a query's interval is meant.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Within {
    /// Conversations that began in it.
    Started,
    /// Conversations that took place in it, at least in part, and began on a day (UTC) of it.
    Active,
}

/// Who asks, and how its query's interval is meant.
#[derive(Clone, Copy)]
pub(super) struct Sight<'a> {
    pub(super) state: &'a ApiState,
    pub(super) caller: Caller,
    pub(super) within: Within,
}

impl Sight<'_> {
    /// From when to when a call went on, if it is over.
    pub(super) fn lasted(&self, call: &Call) -> Option<(Timestamp, Timestamp)> {
        let service = self.state.service();
        let times = self
            .state
            .tenant(self.caller)
            .read(service, call.index, |timeline| {
                (timeline.started_at, timeline.ended_at)
            });
        times.filter(|(_, ended_at)| *ended_at <= self.caller.now)
    }
}

/// The conversations that `query` selects, in the order in which it names them, else in that of
/// their start.
pub(super) fn select(
    sight: Sight<'_>,
    (interval, query): (Option<&str>, &QueryParts),
) -> Result<Vec<Call>, ApiError> {
    if query.asks_for_aggregations() {
        return Err(ApiError::bad_request(
            "This server computes no aggregations.",
        ));
    }
    let calls = sight.state.calls(sight.caller);
    let epoch = sight.state.config().epoch;
    let interval = interval
        .map(|text| Span::parse(epoch, text, sight.within))
        .transpose()?;
    let test = Test::All(predicates::tests_of(sight, query)?);
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
        .filter(|call| interval.is_none_or(|span| span.holds(sight, call)))
        .filter(|call| test.passes(sight, call) && seen.insert(call.index))
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

    fn holds(self, sight: Sight<'_>, call: &Call) -> bool {
        let went_on = || {
            sight
                .lasted(call)
                .is_none_or(|(_, ended_at)| ended_at >= self.active_from)
        };
        (self.from..self.until).contains(&call.arrival) && went_on()
    }
}

/// A filter on conversations.
#[derive(Debug)]
pub(super) enum Test {
    /// One of these, in the order in which they were named.
    OneOf(Vec<RecordingIndex>, BTreeSet<RecordingIndex>),
    Everything,
    /// Over, or not yet.
    Over,
    NotOver,
    /// Over after so many milliseconds.
    Lasted(NumericRange),
    All(Vec<Self>),
    Any(Vec<Self>),
}

impl Test {
    pub(super) fn one_of(named: Vec<RecordingIndex>) -> Self {
        let set = named.iter().copied().collect();
        Self::OneOf(named, set)
    }

    fn nothing() -> Self {
        Self::one_of(Vec::new())
    }

    fn passes(&self, sight: Sight<'_>, call: &Call) -> bool {
        match self {
            Self::OneOf(_, set) => set.contains(&call.index),
            Self::Everything => true,
            Self::Over => sight.lasted(call).is_some(),
            Self::NotOver => sight.lasted(call).is_none(),
            Self::Lasted(range) => sight
                .lasted(call)
                .is_some_and(|(from, until)| range.holds(until.since(from).as_secs_f64() * 1000.0)),
            Self::All(tests) => tests.iter().all(|test| test.passes(sight, call)),
            Self::Any(tests) => tests.iter().any(|test| test.passes(sight, call)),
        }
    }

    /// Conversations that nothing outside of can pass, if the test names them.
    fn named(&self) -> Option<Vec<RecordingIndex>> {
        match self {
            Self::OneOf(named, _) => Some(named.clone()),
            Self::Everything | Self::Over | Self::NotOver | Self::Lasted(_) => None,
            Self::All(tests) => tests.iter().find_map(Self::named),
            Self::Any(tests) => {
                let named: Option<Vec<_>> = tests.iter().map(Self::named).collect();
                named.map(|named| named.concat())
            }
        }
    }
}

/// A predicate that every call passes, or none.
impl From<bool> for Test {
    fn from(passes: bool) -> Self {
        if passes {
            Self::Everything
        } else {
            Self::nothing()
        }
    }
}
