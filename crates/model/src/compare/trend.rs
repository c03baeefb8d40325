//! Where the runs of one scenario changed, one after the other.

use serde::{Deserialize, Serialize};

use super::metric::{self, Margins};
use super::sample::Sample;
use super::verdict::Judgement;
use crate::stats::changes;

/// Version of the schema of [`Trend`].
pub const TREND_SCHEMA: u32 = 1;

/// Runs at least: in fewer, a change is a comparison of two.
pub const TREND_RUNS_MIN: usize = 11;

/// p of a change that is told, over all metrics together. Each is the best of many splits, so that
/// noise alone shows one in about two of a hundred trends.
const P_MAX: f64 = 0.001;

/// The changes of level along runs.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Trend {
    /// [`TREND_SCHEMA`].
    pub schema: u32,
    /// *Worse* if the last change of a metric is for the worse by more than its margin;
    /// *inconclusive* if there are too few runs.
    pub verdict: Judgement,
    /// The scenario.
    pub scenario: String,
    /// The runs, in their order.
    pub runs: Vec<String>,
    /// Metrics that were looked at.
    pub series: u64,
    /// What a person should know before believing it.
    pub notes: Vec<String>,
    /// The changes, by metric, then by run.
    pub changes: Vec<TrendChange>,
}

/// A change of level of one metric.
#[expect(
    clippy::struct_excessive_bools,
    reason = "the schema of a file, not an interface"
)]
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct TrendChange {
    /// The metric and its labels, as `[expect]` writes it.
    pub series: String,
    /// The first run of the new level.
    pub run: String,
    /// Its position among the runs.
    pub at: usize,
    /// Mean from the change before up to it.
    pub before: f64,
    /// Mean from it up to the next change.
    pub after: f64,
    /// p of the t test between the two.
    pub p: f64,
    /// How much worse is still good enough.
    pub margin: f64,
    /// Whether it is for the worse by more than the margin.
    pub is_worse: bool,
    /// Whether the level lasts to the newest run.
    pub is_last: bool,
}

/// The trend along `runs`, which are named and of one scenario, the oldest first.
#[must_use]
pub fn trend(runs: &[(String, Sample)], margins: &Margins) -> Trend {
    let mut trend = Trend {
        schema: TREND_SCHEMA,
        verdict: Judgement::NotWorse,
        scenario: runs
            .first()
            .map_or_else(String::new, |run| run.1.scenario.clone()),
        runs: runs.iter().map(|run| run.0.clone()).collect(),
        series: 0,
        notes: Vec::new(),
        changes: Vec::new(),
    };
    if runs.len() < TREND_RUNS_MIN {
        trend.verdict = Judgement::Inconclusive;
        trend.notes.push(format!(
            "{} runs are too few for a trend: it takes {TREND_RUNS_MIN}; compare two of them instead",
            runs.len()
        ));
        return trend;
    }
    let newest = &runs[runs.len() - 1].1;
    trend.series = newest.judged(margins).count() as u64;
    let p_max = P_MAX / trend.series.max(1) as f64;
    for (key, _) in newest.judged(margins) {
        let seen = runs.iter().enumerate().filter_map(|(at, (_, run))| {
            let value = run.series.get(key)?.mean()?;
            Some((at, value))
        });
        let (places, values): (Vec<usize>, Vec<f64>) = seen.unzip();
        if values.len() < runs.len() {
            let missing = runs.len() - values.len();
            trend
                .notes
                .push(format!("{key} is missing in {missing} runs"));
        }
        let sign = f64::from(metric::of_key(key).sign);
        let found = changes(&values, p_max);
        let count = found.len();
        for (position, change) in found.into_iter().enumerate() {
            let margin = margins.of(key, change.before);
            let at = places[change.at];
            trend.changes.push(TrendChange {
                series: key.clone(),
                run: runs[at].0.clone(),
                at,
                before: change.before,
                after: change.after,
                p: change.p,
                margin,
                is_worse: sign * (change.after - change.before) > margin,
                is_last: position + 1 == count,
            });
        }
    }
    if trend
        .changes
        .iter()
        .any(|change| change.is_worse && change.is_last)
    {
        trend.verdict = Judgement::Worse;
    }
    trend
}
