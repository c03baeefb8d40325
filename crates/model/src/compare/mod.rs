//! Whether runs are worse than what they are compared with, for a verdict that CI can act on.
//!
//! The unit is what is independent of its neighbours: a recording where recordings share neither a
//! queue nor a job, else a run with a seed of its own. Runs of the same seeds are compared seed by
//! seed, or recording by recording. A metric is *worse* if that is shown with all metrics judged
//! at once (Holm); it is *not worse than the margin* if its one-sided 95 % bound is within the
//! margin; else it is *inconclusive*, and how many more runs would decide is said.

mod evidence;
mod ledger;
mod metric;
mod outcomes;
mod sample;
mod trend;
mod verdict;

use serde::{Deserialize, Serialize};

pub use evidence::Method;
pub use ledger::Ledger;
pub use metric::{Margin, MarginError, Margins};
pub use outcomes::Outcomes;
pub use sample::{SAMPLE_SCHEMA, Sample, SampleError, Spread, Values};
pub use trend::{TREND_RUNS_MIN, TREND_SCHEMA, Trend, TrendChange, trend};
pub use verdict::Judgement;

use evidence::{Evidence, Pairing};

/// Version of the schema of [`Comparison`].
pub const COMPARISON_SCHEMA: u32 = 1;

/// What came of comparing runs with a base.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Comparison {
    /// [`COMPARISON_SCHEMA`].
    pub schema: u32,
    /// The worst of the lines.
    pub verdict: Judgement,
    /// What the base was.
    pub base: Origin,
    /// What was compared with it.
    pub run: Origin,
    /// How both were brought together, in words.
    pub pairing: String,
    /// What a person should know before believing it.
    pub notes: Vec<String>,
    /// One line per metric.
    pub lines: Vec<Line>,
}

/// Where one side of a comparison comes from.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Origin {
    /// Name and version of the program.
    pub tool: String,
    /// The scenario's name.
    pub scenario: String,
    /// Hash of the scenario, without seed, engine, description and expectations.
    pub scenario_hash: String,
    /// `sim` or `live`.
    pub engine: String,
    /// Seeds that were run.
    pub seeds: Vec<u64>,
}

/// The verdict on one metric.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Line {
    /// The metric and its labels, as `[expect]` writes it.
    pub series: String,
    /// The verdict.
    pub verdict: Judgement,
    /// What the base showed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub base: Option<f64>,
    /// What the run showed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run: Option<f64>,
    /// Run minus base; above zero is worse.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub difference: Option<f64>,
    /// The difference is above it with 95 %.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub low: Option<f64>,
    /// The difference is below it with 95 %.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub high: Option<f64>,
    /// How much worse is still good enough.
    pub margin: f64,
    /// One-sided p of "it is not worse", adjusted for all that is judged at once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub p: Option<f64>,
    /// How the difference was bounded.
    pub method: Method,
    /// Pairs, or units of the smaller side.
    pub units: u64,
    /// What a person should know, and what would decide if nothing is decided.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}

/// Compares `run` with `base`.
#[must_use]
pub fn compare(base: &Sample, run: &Sample, margins: &Margins) -> Comparison {
    let pairing = Pairing::of(base, run);
    let mut notes = differences_of_origin(base, run);
    let mut judged = Vec::new();
    let mut missing = 0_usize;
    for (key, values) in base.judged(margins) {
        let Some(other) = run.series.get(key) else {
            notes.push(format!(
                "{key} is in the base and not in the run: not compared"
            ));
            missing += 1;
            continue;
        };
        let metric = metric::of_key(key);
        let evidence = Evidence::of(key, &pairing, (base, values), (run, other));
        let margin = margins.of(key, evidence.base.unwrap_or(0.0));
        judged.push((key.clone(), metric, evidence, margin));
    }
    let only_run = run
        .judged(margins)
        .filter(|(key, _)| !base.series.contains_key(*key));
    notes.extend(only_run.map(|(key, _)| format!("{key} is not in the base: not compared")));
    let lines = verdict::judge(judged, &pairing);
    let verdict = verdict::worst(&lines, missing);
    Comparison {
        schema: COMPARISON_SCHEMA,
        verdict,
        base: base.origin(),
        run: run.origin(),
        pairing: pairing.to_string(),
        notes,
        lines,
    }
}

/// What differs between the two beside the numbers.
fn differences_of_origin(base: &Sample, run: &Sample) -> Vec<String> {
    let mut notes = Vec::new();
    let mut say = |what: &str, before: &str, after: &str| {
        if before != after {
            notes.push(format!(
                "another {what}: the base has {before}, the run {after}"
            ));
        }
    };
    say("scenario", &base.scenario, &run.scenario);
    if base.scenario == run.scenario {
        let (before, after) = (&base.scenario_hash, &run.scenario_hash);
        say("version of the scenario (hash)", before, after);
    }
    say("tool version", &base.tool, &run.tool);
    say("engine", &base.engine, &run.engine);
    notes
}

#[cfg(test)]
mod tests;
