//! Which metrics are judged, and how much worse is still good enough.

use std::collections::BTreeMap;

use crate::outcome::OutcomeKind;

/// What a metric says of an exporter.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Concern {
    /// Exports that are lost or wrong.
    Loss(OutcomeKind),
    /// What it costs in time and calls.
    Cost,
}

/// A metric by its name.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Metric {
    pub(super) concern: Concern,
    /// +1 where more is worse, -1 where less is.
    pub(super) sign: i8,
}

/// Metrics that are judged unless told, in the order of tables.
const JUDGED: [&str; 10] = [
    "incomplete_rate",
    "inconsistent_rate",
    "rejected_rate",
    "skipped_rate",
    "abandoned_rate",
    "errored_rate",
    "added_delay_mean",
    "added_delay_p95",
    "calls_per_recording",
    "throttled_rate",
];

/// How much worse is still good enough.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Margin {
    /// A share of the base's value.
    pub relative: f64,
    /// In the metric's own unit; the larger of the two counts.
    pub absolute: f64,
}

/// The margins of a comparison: the defaults, and what was asked for.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Margins {
    /// By metric, or by metric and labels.
    asked: BTreeMap<String, Margin>,
}

/// A margin that is not understood.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum MarginError {
    /// There is no value.
    #[error(
        "`{0}` is no margin: write METRIC=VALUE, as in incomplete_rate=0.005 or added_delay_p95=10%"
    )]
    NoValue(String),
    /// No metric has this name.
    #[error("`{metric}` is no metric that can be compared; there are {}", comparable().join(", "))]
    Metric {
        /// The name.
        metric: String,
    },
    /// The value is not understood.
    #[error("`{value}` is no margin of {metric}: write {expected}")]
    Value {
        /// The metric.
        metric: String,
        /// The value.
        value: String,
        /// How it is written.
        expected: &'static str,
    },
}

impl Margins {
    /// Adds `METRIC=VALUE`, where METRIC is a metric's name, with labels if only one series is
    /// meant. A percentage is a share of the base's value; `pp` are percentage points of a rate;
    /// delays have a unit (`200ms`, `0.5s`).
    ///
    /// # Errors
    /// If there is no such metric, or the value is not understood.
    pub fn add(&mut self, text: &str) -> Result<(), MarginError> {
        let split = match text.find('}') {
            Some(end) => text[end..].find('=').map(|at| end + at),
            None => text.find('='),
        };
        let at = split.ok_or_else(|| MarginError::NoValue(text.to_owned()))?;
        let (key, value) = (text[..at].trim(), text[at + 1..].trim());
        let name = name_of(key);
        if !comparable().contains(&name) {
            return Err(MarginError::Metric {
                metric: name.to_owned(),
            });
        }
        let margin = parse_value(name, value).ok_or_else(|| MarginError::Value {
            metric: name.to_owned(),
            value: value.to_owned(),
            expected: expected(name),
        })?;
        self.asked.insert(key.to_owned(), margin);
        Ok(())
    }

    /// The margin of the series `key`, whose base has `value`, in the metric's unit.
    pub(super) fn of(&self, key: &str, value: f64) -> f64 {
        let asked = self.asked.get(key).or_else(|| self.asked.get(name_of(key)));
        let margin = asked.copied().unwrap_or_else(|| default_of(name_of(key)));
        (margin.relative * value.abs()).max(margin.absolute)
    }

    /// Whether the series `key` is judged: whole runs of the metrics that always are, what of a
    /// metric with a margin is not of one phase, field or cause only, and every series that has a
    /// margin of its own.
    pub(super) fn judges(&self, key: &str) -> bool {
        let name = name_of(key);
        let has = |label: &str| {
            let labels = key.split_once('{').map_or("", |(_, labels)| labels);
            labels
                .split(',')
                .any(|part| part.trim_start().starts_with(label))
        };
        if self.asked.contains_key(key) {
            return true;
        }
        if key.contains(" - ") || ["phase=", "field=", "cause="].into_iter().any(has) {
            return false;
        }
        let whole = !has("kind=") && !has("stage=");
        self.asked.contains_key(name) || JUDGED.contains(&name) && whole && has("gate=")
    }
}

/// The position of a metric in tables.
pub(super) fn rank(key: &str) -> usize {
    let name = name_of(key);
    JUDGED
        .iter()
        .position(|known| *known == name)
        .unwrap_or(JUDGED.len())
}

/// The metric's name in a series' key.
pub(super) fn name_of(key: &str) -> &str {
    key.split('{').next().unwrap_or(key).trim()
}

/// What is known of the metric in a series' key.
pub(super) fn of_key(key: &str) -> Metric {
    let name = name_of(key);
    let outcome = OutcomeKind::ALL
        .into_iter()
        .find(|kind| name.strip_suffix("_rate") == Some(kind.name()));
    Metric {
        concern: outcome.map_or(Concern::Cost, Concern::Loss),
        sign: if outcome == Some(OutcomeKind::Complete) {
            -1
        } else {
            1
        },
    }
}

fn comparable() -> Vec<&'static str> {
    let mut names = JUDGED.to_vec();
    names.extend([
        "complete_rate",
        "added_delay_p50",
        "added_delay_p99",
        "regret_mean",
        "regret_p50",
        "regret_p95",
        "regret_p99",
        "job_calls_per_recording",
        "metadata_lag_mean",
        "metadata_lag_p50",
        "metadata_lag_p95",
        "metadata_lag_p99",
        "queue_wait_mean",
        "queue_wait_probability",
    ]);
    names
}

fn is_share(name: &str) -> bool {
    name.ends_with("_rate") || name.ends_with("_probability")
}

fn is_time(name: &str) -> bool {
    [
        "added_delay_",
        "regret_",
        "metadata_lag_",
        "queue_wait_mean",
    ]
    .iter()
    .any(|family| name.starts_with(family))
}

fn default_of(name: &str) -> Margin {
    let (relative, absolute) = if name == "throttled_rate" {
        (0.0, 0.01)
    } else if is_share(name) {
        (0.0, 0.005)
    } else {
        // A tenth of a second, or of a call per recording, is noise of any exporter.
        (0.1, 0.1)
    };
    Margin { relative, absolute }
}

fn expected(name: &str) -> &'static str {
    if is_share(name) {
        "a share (0.005), percentage points (0.5pp) or a percentage of the base (10%)"
    } else if is_time(name) {
        "a time (200ms, 0.5s) or a percentage of the base (10%)"
    } else {
        "a number (0.2) or a percentage of the base (10%)"
    }
}

fn parse_value(name: &str, value: &str) -> Option<Margin> {
    let number = |text: &str, unit: f64| {
        let number: f64 = text.trim().parse().ok()?;
        (number.is_finite() && number >= 0.0).then_some(number * unit)
    };
    let absolute = |value: f64| Margin {
        relative: 0.0,
        absolute: value,
    };
    if let Some(text) = value.strip_suffix('%') {
        return number(text, 0.01).map(|relative| Margin {
            relative,
            absolute: 0.0,
        });
    }
    if is_share(name) {
        let share = match value.strip_suffix("pp") {
            Some(text) => number(text, 0.01),
            None => number(value, 1.0),
        };
        return share.filter(|share| *share < 1.0).map(absolute);
    }
    if is_time(name) {
        let time = match value.strip_suffix("ms") {
            Some(text) => number(text, 1e-3),
            None => number(value.strip_suffix('s')?, 1.0),
        };
        return time.map(absolute);
    }
    number(value, 1.0).map(absolute)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn margins(lines: &[&str]) -> Margins {
        let mut margins = Margins::default();
        for line in lines {
            margins.add(line).unwrap();
        }
        margins
    }

    fn close(got: f64, expected: f64) {
        assert!((got - expected).abs() < 1e-12, "{got}, not {expected}");
    }

    #[test]
    fn the_series_own_margin_counts_before_the_metric_s_and_the_default() {
        let margins = margins(&["incomplete_rate=2pp", "incomplete_rate{gate=a=b}=0.1pp"]);
        close(margins.of("incomplete_rate{gate=a=b}", 0.3), 0.001);
        close(margins.of("incomplete_rate{gate=c}", 0.3), 0.02);
        close(margins.of("abandoned_rate{gate=c}", 0.3), 0.005);
        close(margins.of("throttled_rate{gate=c}", 0.3), 0.01);
    }

    #[test]
    fn a_default_of_a_delay_is_a_tenth_but_never_less_than_a_tenth_of_a_second() {
        let margins = Margins::default();
        close(margins.of("added_delay_p95{gate=c}", 12.0), 1.2);
        close(margins.of("added_delay_p95{gate=c}", 0.2), 0.1);
    }

    #[test]
    fn units_are_those_of_the_metric() {
        let margins = margins(&["added_delay_p95=200ms", "calls_per_recording=5%"]);
        close(margins.of("added_delay_p95{gate=c}", 12.0), 0.2);
        close(margins.of("calls_per_recording{gate=c}", 4.0), 0.2);
    }

    #[test]
    fn a_mistake_is_told_with_the_way_out() {
        let mut margins = Margins::default();
        for (text, part) in [
            ("incomplete_rate", "write METRIC=VALUE"),
            ("incompleteness=1", "incomplete_rate, inconsistent_rate"),
            ("incomplete_rate=-1", "percentage points"),
            ("incomplete_rate=200ms", "a share"),
            ("incomplete_rate=1", "a share"),
            ("added_delay_p95=2", "200ms"),
            ("added_delay_p95=NaNs", "200ms"),
            ("calls_per_recording=1s", "a number"),
        ] {
            let error = margins.add(text).unwrap_err().to_string();
            assert!(error.contains(part), "{text}: {error}");
        }
    }

    #[test]
    fn what_is_not_judged_by_itself_is_judged_when_it_has_a_margin() {
        let margins = margins(&["metadata_lag_p95=10%"]);
        assert!(margins.judges("metadata_lag_p95{kind=webrtc}"));
        assert!(margins.judges("incomplete_rate{gate=g}"));
        assert!(!margins.judges("regret_mean{gate=g}"));
    }
}
