//! The names of series, as `[expect]` writes them.

use std::fmt;

use crate::field::Kind;
use crate::scenario::{Aggregate, BASE_ARM, Expectation, Labels, Metric, Series};

/// The labels of a series; arm `base` is left out.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(crate) struct Label {
    /// Name and value, in the order arm, gate, kind, phase, field, cause, stage.
    pairs: Vec<(usize, &'static str, String)>,
}

impl Label {
    /// The labels of an arm, or of one of its gates.
    pub(crate) fn of(arm: &str, gate: Option<&str>) -> Self {
        let mut label = Self::default();
        if arm != BASE_ARM {
            label.set(0, "arm", arm);
        }
        if let Some(gate) = gate {
            label.set(1, "gate", gate);
        }
        label
    }

    pub(crate) fn kind(mut self, kind: &str) -> Self {
        self.set(2, "kind", kind);
        self
    }

    pub(crate) fn phase(mut self, phase: &str) -> Self {
        self.set(3, "phase", phase);
        self
    }

    pub(crate) fn field(mut self, field: &str) -> Self {
        self.set(4, "field", field);
        self
    }

    pub(crate) fn stage(mut self, stage: &str) -> Self {
        self.set(6, "stage", stage);
        self
    }

    fn set(&mut self, order: usize, name: &'static str, value: &str) {
        self.pairs.push((order, name, value.to_owned()));
        self.pairs.sort();
    }

    fn of_labels(labels: &Labels) -> Self {
        let arm = labels.arm.as_deref().unwrap_or(BASE_ARM);
        let mut label = Self::of(arm, labels.gate.as_deref());
        for (order, name, value) in [
            (2, "kind", labels.kind.map(Kind::name)),
            (3, "phase", labels.phase.as_deref()),
            (4, "field", labels.field.map(crate::field::Field::name)),
            (5, "cause", labels.cause.map(crate::outcome::Cause::name)),
            (6, "stage", labels.stage.as_deref()),
        ] {
            if let Some(value) = value {
                label.set(order, name, value);
            }
        }
        label
    }

    /// `{gate=ungated,phase=spike}`; nothing without labels.
    pub(crate) fn text(&self) -> String {
        if self.pairs.is_empty() {
            return String::new();
        }
        let pairs = self.pairs.iter();
        let pairs: Vec<String> = pairs
            .map(|(_, name, value)| format!("{name}={value}"))
            .collect();
        format!("{{{}}}", pairs.join(","))
    }
}

/// The series or the difference that a line of `[expect]` is about.
pub(crate) fn key_of(line: &Expectation) -> String {
    match &line.minus {
        None => line.series.to_string(),
        Some(minus) => format!("{} - {minus}", line.series),
    }
}

impl fmt::Display for Series {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}{}",
            self.metric,
            Label::of_labels(&self.labels).text()
        )
    }
}

impl fmt::Display for Metric {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::OutcomeRate(outcome) => write!(f, "{}_rate", outcome.name()),
            Self::AddedDelay(aggregate) => write!(f, "added_delay_{aggregate}"),
            Self::Regret(aggregate) => write!(f, "regret_{aggregate}"),
            Self::MetadataLag(aggregate) => write!(f, "metadata_lag_{aggregate}"),
            Self::CallsPerRecording => f.write_str("calls_per_recording"),
            Self::JobCallsPerRecording => f.write_str("job_calls_per_recording"),
            Self::ThrottledRate => f.write_str("throttled_rate"),
            Self::QueueWaitMean => f.write_str("queue_wait_mean"),
            Self::QueueWaitProbability => f.write_str("queue_wait_probability"),
            Self::Recordings => f.write_str("recordings"),
            Self::NotEstablished => f.write_str("not_established"),
        }
    }
}

impl fmt::Display for Aggregate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Mean => "mean",
            Self::P50 => "p50",
            Self::P95 => "p95",
            Self::P99 => "p99",
            Self::Max => "max",
        })
    }
}
