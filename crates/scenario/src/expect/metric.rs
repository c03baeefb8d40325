//! The names of the metrics, and which labels each takes.

use racegate_model::outcome::OutcomeKind;
use racegate_model::scenario::{Aggregate, Metric};

/// How a metric's bound is written.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Unit {
    /// `5%` or `0.05`.
    Share,
    /// `2s`.
    Time,
    /// A whole number.
    Count,
    /// A number.
    Number,
}

/// A label.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Name {
    Gate,
    Arm,
    Kind,
    Phase,
    Field,
    Cause,
    Stage,
}

impl Name {
    pub(super) const ALL: [(&'static str, Self); 7] = [
        ("gate", Self::Gate),
        ("arm", Self::Arm),
        ("kind", Self::Kind),
        ("phase", Self::Phase),
        ("field", Self::Field),
        ("cause", Self::Cause),
        ("stage", Self::Stage),
    ];

    /// How the label is written.
    pub(super) fn text(self) -> &'static str {
        Self::ALL
            .iter()
            .find(|(_, name)| *name == self)
            .map_or("", |(text, _)| text)
    }
}

const AGGREGATES: [(&str, Aggregate); 5] = [
    ("mean", Aggregate::Mean),
    ("p50", Aggregate::P50),
    ("p95", Aggregate::P95),
    ("p99", Aggregate::P99),
    ("max", Aggregate::Max),
];

/// A family of metrics, one per aggregate.
type Family = (&'static str, fn(Aggregate) -> Metric);

const FAMILIES: [Family; 3] = [
    ("added_delay", Metric::AddedDelay),
    ("regret", Metric::Regret),
    ("metadata_lag", Metric::MetadataLag),
];

const SINGLE: [(&str, Metric); 7] = [
    ("calls_per_recording", Metric::CallsPerRecording),
    ("job_calls_per_recording", Metric::JobCallsPerRecording),
    ("throttled_rate", Metric::ThrottledRate),
    ("queue_wait_mean", Metric::QueueWaitMean),
    ("queue_wait_probability", Metric::QueueWaitProbability),
    ("recordings", Metric::Recordings),
    ("not_established", Metric::NotEstablished),
];

/// Every metric and its name.
pub(super) fn all() -> impl Iterator<Item = (String, Metric)> {
    let rates = OutcomeKind::ALL
        .into_iter()
        .map(|kind| (format!("{}_rate", kind.name()), Metric::OutcomeRate(kind)));
    let families = FAMILIES.into_iter().flat_map(|(name, metric)| {
        AGGREGATES.map(|(aggregate, value)| (format!("{name}_{aggregate}"), metric(value)))
    });
    let single = SINGLE
        .into_iter()
        .map(|(name, metric)| (name.to_owned(), metric));
    rates.chain(families).chain(single)
}

/// Every name.
pub(crate) fn names() -> Vec<String> {
    all().map(|(name, _)| name).collect()
}

/// The metric of that name.
pub(super) fn by_name(name: &str) -> Option<Metric> {
    all()
        .find(|(other, _)| other == name)
        .map(|(_, metric)| metric)
}

/// How its bounds are written.
pub(super) const fn unit(metric: Metric) -> Unit {
    match metric {
        Metric::OutcomeRate(_) | Metric::ThrottledRate | Metric::QueueWaitProbability => {
            Unit::Share
        }
        Metric::AddedDelay(_)
        | Metric::Regret(_)
        | Metric::MetadataLag(_)
        | Metric::QueueWaitMean => Unit::Time,
        Metric::CallsPerRecording | Metric::JobCallsPerRecording => Unit::Number,
        Metric::Recordings | Metric::NotEstablished => Unit::Count,
    }
}

/// Whether it is of the platform, which the gates of an arm share unless they load it.
pub(super) const fn of_platform(metric: Metric) -> bool {
    matches!(
        metric,
        Metric::MetadataLag(_) | Metric::QueueWaitMean | Metric::QueueWaitProbability
    )
}

/// The labels that it takes.
pub(super) const fn labels(metric: Metric) -> &'static [Name] {
    use Name::{Arm, Cause, Field, Gate, Kind, Phase, Stage};
    match metric {
        Metric::OutcomeRate(OutcomeKind::Complete) => &[Gate, Arm, Kind, Phase],
        Metric::OutcomeRate(
            OutcomeKind::Incomplete | OutcomeKind::Inconsistent | OutcomeKind::Rejected,
        ) => &[Gate, Arm, Kind, Phase, Field, Cause],
        Metric::OutcomeRate(
            OutcomeKind::Skipped | OutcomeKind::Abandoned | OutcomeKind::Errored,
        ) => &[Gate, Arm, Kind, Phase, Cause],
        Metric::AddedDelay(_) | Metric::Regret(_) | Metric::CallsPerRecording => {
            &[Gate, Arm, Kind, Phase]
        }
        // A job holds recordings of all kinds.
        Metric::JobCallsPerRecording | Metric::ThrottledRate => &[Gate, Arm, Phase],
        Metric::MetadataLag(_) => &[Gate, Arm, Kind, Phase, Field],
        Metric::QueueWaitMean | Metric::QueueWaitProbability => &[Gate, Arm, Kind, Phase, Stage],
        Metric::Recordings => &[Arm, Kind, Phase],
        Metric::NotEstablished => &[],
    }
}
