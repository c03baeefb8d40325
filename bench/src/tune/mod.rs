//! `racegate-bench tune`: how good the tuner's front is for how many evaluations, beside Optuna, and
//! how often a law comes back from a censored trace of it.
//!
//! The case: a lognormal lag (median 5 s, sigma 1), at most 0.1 % abandoned, calls against delay.
//! Quality is the hypervolume up to 8 calls and 20 s, as a share of the numeric optimum's.

mod optuna;
mod round_trip;

use std::path::PathBuf;
use std::time::Instant;

use clap::Args;
use racegate::output::{Output, OutputArgs, print};
use racegate_model::analysis::Exit;
use racegate_model::draws::{Draws, Purpose, Seed};
use racegate_model::schedule::{Family, FamilyFit, Lag, Price, Steps, frontier};
use racegate_model::survival::fit::{Curve, LagFamily};
use serde_json::{Value, json};

/// The case's bounds: calls, seconds of delay, share abandoned.
const CALLS: f64 = 8.0;
const DELAY: f64 = 20.0;
const ABANDONED: f64 = 1e-3;
/// Hypervolume of the case's numeric optimum.
const OPTIMUM: f64 = 126.575_3;
/// Prices, evaluations at each, members between two.
const BUDGETS: [(u32, u32, u32); 5] = [
    (6, 10, 1),
    (8, 12, 2),
    (10, 20, 2),
    (14, 24, 3),
    (28, 30, 3),
];
/// Recordings of a trace.
const RECORDINGS: u64 = 3_000;

/// Arguments of `racegate-bench tune`.
#[derive(Debug, Args)]
pub(crate) struct TuneArgs {
    #[command(flatten)]
    output: OutputArgs,
    /// Repetitions with traces of their own
    #[arg(long, value_name = "N", default_value_t = 200, value_parser = clap::value_parser!(u64).range(1..=10_000))]
    seeds: u64,
    /// Also run Optuna (NSGA-II and TPE), with this Python interpreter, which has it
    #[arg(long, value_name = "PYTHON")]
    optuna: Option<PathBuf>,
}

impl TuneArgs {
    /// Measures and prints.
    pub(crate) fn run(&self) -> Result<Exit, Exit> {
        let exact: Vec<Value> = BUDGETS.iter().map(|budget| exact(*budget)).collect();
        let traced = traced(self.seeds);
        let trips = round_trip::all(self.seeds);
        let optuna = match &self.optuna {
            Some(python) => optuna::run(python)?,
            None => Value::Null,
        };
        let found = json!({
            "case": "lognormal, median 5 s, sigma 1; at most 0.1 % abandoned",
            "exact_law": exact,
            "traces": traced,
            "round_trips": trips,
            "optuna": optuna,
        });
        match self.output.output() {
            Output::Json => print(&found.to_string())?,
            Output::Table => print(&table(&found))?,
        }
        Ok(Exit::Done)
    }
}

/// The lag of the case.
fn law() -> Curve {
    Curve::new(LagFamily::Lognormal, &[5.0, 1.0])
}

fn prices(count: u32) -> Vec<Price> {
    let ratio: f64 = 0.06 / 80.0;
    (0..count)
        .filter_map(|k| Price::new(80.0 * ratio.powf(f64::from(k) / f64::from(count - 1))))
        .collect()
}

/// The area that the points leave below the bounds, as a share of the optimum's.
fn hypervolume(points: impl Iterator<Item = (f64, f64)>) -> f64 {
    let mut points: Vec<(f64, f64)> = points
        .filter(|(calls, delay)| *calls < CALLS && *delay < DELAY)
        .collect();
    points.sort_by(|a, b| a.0.total_cmp(&b.0));
    let (mut area, mut height) = (0.0, DELAY);
    for (calls, delay) in points {
        if delay < height {
            area += (CALLS - calls) * (height - delay);
            height = delay;
        }
    }
    area / OPTIMUM
}

fn place(fit: &FamilyFit) -> (f64, f64) {
    (fit.cost.calls, fit.cost.delay_when_found())
}

fn exact((count, evaluations, between): (u32, u32, u32)) -> Value {
    let start = Instant::now();
    let front = frontier(&law(), &prices(count), ABANDONED, evaluations, between);
    json!({
        "evaluations": count * evaluations + (count - 1) * between,
        "hypervolume": hypervolume(front.iter().map(place)),
        "ms": start.elapsed().as_secs_f64() * 1e3,
    })
}

/// So many lags of `curve`.
fn drawn(curve: &Curve, seed: u64, count: u64) -> Vec<f64> {
    (0..count)
        .map(|k| {
            let draw = Draws::of_stream(Seed(seed), "lag", k).draw(Purpose::Test);
            curve.instant_with_beyond(((draw >> 11) as f64 + 0.5) / 9_007_199_254_740_992.0)
        })
        .collect()
}

/// Fronts tuned on traces, measured on the law.
fn traced(seeds: u64) -> Value {
    let (count, evaluations, between) = BUDGETS[3];
    let (mut shares, mut broken, mut spent) = (Vec::new(), 0_u64, 0.0);
    for seed in 0..seeds {
        let lags = drawn(&law(), seed, RECORDINGS);
        let start = Instant::now();
        let trace = Steps::of_lags(lags);
        // Aimed at a quarter of the bound: a trace of 3,000 tells of no smaller share.
        let front = frontier(
            &trace,
            &prices(count),
            ABANDONED / 4.0,
            evaluations,
            between,
        );
        spent += start.elapsed().as_secs_f64() * 1e3;
        let truly: Vec<FamilyFit> = front.iter().map(truly).collect();
        let kept = truly.iter().filter(|fit| fit.cost.abandoned <= ABANDONED);
        shares.push(hypervolume(kept.map(place)));
        broken += u64::from(truly.iter().any(|fit| fit.cost.abandoned > ABANDONED));
    }
    let mean = shares.iter().sum::<f64>() / shares.len() as f64;
    json!({
        "recordings": RECORDINGS,
        "seeds": seeds,
        "evaluations": count * evaluations + (count - 1) * between,
        "hypervolume_mean": mean,
        "hypervolume_min": shares.iter().copied().fold(1.0, f64::min),
        "seeds_with_a_violation_before_certification": broken,
        "ms_mean": spent / seeds as f64,
    })
}

/// What a fit really costs: on the law, with the checks that it was given.
fn truly(fit: &FamilyFit) -> FamilyFit {
    let family: Family = fit.family;
    let checks = family.checks().take(fit.attempts as usize);
    FamilyFit {
        cost: racegate_model::schedule::evaluate(&law(), checks),
        ..*fit
    }
}

fn table(found: &Value) -> String {
    let mut lines = vec![format!(
        "tune: {}",
        found["case"].as_str().unwrap_or_default()
    )];
    let percent = |value: &Value| format!("{:.2} %", 100.0 * value.as_f64().unwrap_or(f64::NAN));
    lines.push("  evaluations  hypervolume  ms  (exact law)".to_owned());
    for row in found["exact_law"].as_array().into_iter().flatten() {
        lines.push(format!(
            "  {:>11}  {:>11}  {:.1}",
            row["evaluations"],
            percent(&row["hypervolume"]),
            row["ms"].as_f64().unwrap_or(f64::NAN)
        ));
    }
    let traces = &found["traces"];
    lines.push(format!(
        "  {} seeds of {} recordings: hypervolume mean {}, least {}; a member of the front abandons \
         more than allowed in {} before certification",
        traces["seeds"],
        traces["recordings"],
        percent(&traces["hypervolume_mean"]),
        percent(&traces["hypervolume_min"]),
        traces["seeds_with_a_violation_before_certification"],
    ));
    for trip in found["round_trips"].as_array().into_iter().flatten() {
        lines.push(format!(
            "  round trip {}: intervals cover {}, cost {:.4} x the best (mean), promise held in {} of {}",
            trip["law"],
            trip["coverage"],
            trip["cost_ratio_mean"].as_f64().unwrap_or(f64::NAN),
            trip["held"],
            trip["seeds"],
        ));
    }
    for row in found["optuna"].as_array().into_iter().flatten() {
        lines.push(format!(
            "  Optuna {}: {} evaluations, {}, {:.0} ms",
            row["sampler"],
            row["evaluations"],
            percent(&row["hypervolume"]),
            row["ms"].as_f64().unwrap_or(f64::NAN)
        ));
    }
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hypervolume_is_the_area_below_the_bounds() {
        let area = hypervolume([(2.0, 10.0), (4.0, 5.0), (5.0, 6.0), (9.0, 1.0)].into_iter());
        assert!(
            (area * OPTIMUM - (6.0 * 10.0 + 4.0 * 5.0)).abs() < 1e-9,
            "{area}"
        );
    }
}
