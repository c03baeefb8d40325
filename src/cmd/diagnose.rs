//! `racegate diagnose`: which cause explains which share of what is not exported complete.

use std::fmt::Write as _;
use std::path::PathBuf;

use clap::Args;
use racegate_model::analysis::Exit;
use racegate_model::diagnose::{Counterfactual, Diagnosis, Explained, diagnose};
use racegate_model::stats::Interval;
use serde_json::{Value, json};

use super::change::ChangeArgs;
use crate::load::select_gates;
use crate::output::{Output, OutputArgs, print};

const AFTER_HELP: &str = "\
The scenario's first arm is simulated as it is, and again without one cause at a time (and without
two, where causes hide behind each other), on the same recordings with the same draws. A recording
that is complete without the cause, and not with it, was kept from it by that cause. Shares are means
over seeds with 95 % intervals; shares of causes that each suffice add up to more than 100 %.

  racegate diagnose scenarios/webrtc-spike.toml --gate ungated
  racegate diagnose reports/webrtc-spike/latest";

/// Arguments of `racegate diagnose`.
#[derive(Debug, Args)]
#[command(after_help = AFTER_HELP)]
pub(super) struct DiagnoseArgs {
    /// A scenario file, or the folder of a run: its scenario, seed and gates
    #[arg(value_name = "RUN|SCENARIO")]
    scenario: PathBuf,
    #[command(flatten)]
    change: ChangeArgs,
    /// Diagnose only this gate (repeatable)
    #[arg(long = "gate", value_name = "NAME")]
    gates: Vec<String>,
    /// Seeds to simulate, from the scenario's on
    #[arg(long, value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(u32).range(2..=10_000))]
    seeds: u32,
    #[command(flatten)]
    output: OutputArgs,
}

impl DiagnoseArgs {
    /// Diagnoses the gates of the first arm.
    pub(super) fn run(self) -> Result<Exit, Exit> {
        let scenario = self.change.scenario_of(&self.scenario)?;
        // Named to be checked; all of them run, since other gates are possible repairs.
        select_gates(&mut scenario.clone(), &self.gates)?;
        let mut found = diagnose(&scenario, self.seeds);
        found.retain(|one| self.gates.is_empty() || self.gates.contains(&one.gate));
        let text = match self.output.output() {
            Output::Table => found.iter().map(describe).collect::<Vec<_>>().join("\n"),
            Output::Json => {
                let body = json!({
                    "scenario": scenario.name,
                    "seed": scenario.seed.0,
                    "seeds": self.seeds,
                    "gates": found.iter().map(body).collect::<Vec<_>>(),
                });
                serde_json::to_string_pretty(&body).map_err(Exit::internal)?
            }
        };
        print(&text)?;
        Ok(Exit::Done)
    }
}

/// What is said of one gate.
fn describe(found: &Diagnosis) -> String {
    let mut text = format!("{}\n", verdict(found));
    let mut line = |share: Interval, what: &str| {
        // Writing to a string does not fail.
        let _ = writeln!(text, "  {:>22}  {what}", percent(share));
    };
    for one in &found.explained {
        line(one.share, &format!("without {}", causes(one)));
    }
    for one in &found.gates {
        line(one.share, &format!("under the gate {} instead", one.gate));
    }
    text
}

/// The answer in a sentence.
fn verdict(found: &Diagnosis) -> String {
    let gate = &found.gate;
    if found.failing.high <= 0.0 {
        return format!(
            "{gate}: every recording is exported complete; there is nothing to explain."
        );
    }
    let failing = percent(found.failing);
    match found.explained.first() {
        None => format!(
            "{gate}: {failing} of recordings are not exported complete, and no single cause of the \
             platform explains one of them: the gate itself gives up or looks at the wrong thing."
        ),
        Some(first) => format!(
            "{gate}: {failing} of recordings are not exported complete; {} explains {} of them.",
            causes(first),
            percent(first.share)
        ),
    }
}

fn causes(one: &Explained) -> String {
    let names: Vec<&str> = one.removed.iter().map(|cause| cause.cause()).collect();
    names.join(" and ")
}

fn percent(share: Interval) -> String {
    format!(
        "{:.1} % [{:.1}, {:.1}]",
        share.estimate * 100.0,
        share.low * 100.0,
        share.high * 100.0
    )
}

fn body(found: &Diagnosis) -> Value {
    let interval =
        |share: Interval| json!({"estimate": share.estimate, "low": share.low, "high": share.high});
    let name = |cause: &Counterfactual| cause.cause();
    json!({
        "gate": found.gate,
        "verdict": verdict(found),
        "failing": interval(found.failing),
        "explained": found.explained.iter().map(|one| json!({
            "removed": one.removed.iter().map(name).collect::<Vec<_>>(),
            "share": interval(one.share),
        })).collect::<Vec<_>>(),
        "gates": found.gates.iter().map(|one| json!({
            "gate": one.gate,
            "share": interval(one.share),
        })).collect::<Vec<_>>(),
    })
}
