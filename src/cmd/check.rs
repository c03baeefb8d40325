//! `racegate check`: what a scenario would do, before it does it.

use std::path::PathBuf;

use clap::Args;
use mock_api::room::bytes;
use racegate_model::analysis::Exit;
use racegate_model::scenario::{Arm, Scenario};
use racegate_model::workload::phases;
use racegate_scenario::printable;

use super::change::ChangeArgs;
use crate::load::load;
use crate::output::{complain, note, print};
use crate::plan::Plan;

/// Columns of a label, at least and at most; a longer one pushes its value to the right.
const LABEL_MIN: usize = 16;
const LABEL_MAX: usize = 40;

/// Arguments of `racegate check`.
#[derive(Debug, Args)]
pub(super) struct CheckArgs {
    /// The scenario files
    #[arg(required = true)]
    scenarios: Vec<PathBuf>,
    #[command(flatten)]
    change: ChangeArgs,
}

impl CheckArgs {
    /// Parses each scenario and prints its plan, or all its mistakes.
    pub(super) fn run(self) -> Result<Exit, Exit> {
        let overrides = self.change.overrides();
        let mut last = None;
        for path in &self.scenarios {
            match load(path, &overrides) {
                Ok((scenario, source)) => show(&source.name, &scenario)?,
                Err(error) => {
                    // All are shown; the last one ends the command.
                    if let Some(earlier) = last.replace(error) {
                        complain(&earlier);
                    }
                }
            }
        }
        last.map_or(Ok(Exit::Done), Err)
    }
}

/// Prints the plan, and a note where this machine cannot run it.
fn show(name: &str, scenario: &Scenario) -> Result<(), Exit> {
    let plan = Plan::of(scenario);
    print(&text(name, scenario, &plan))?;
    if let Err(exit) = plan.ensure_fits(scenario.engine) {
        note(&format!(
            "warning: `racegate run` would refuse it: {}",
            exit.reason()
        ));
    }
    Ok(())
}

fn text(name: &str, scenario: &Scenario, plan: &Plan) -> String {
    let mut lines = vec![
        ("seed".to_owned(), scenario.seed.0.to_string()),
        ("engine".to_owned(), scenario.engine.name().to_owned()),
    ];
    lines.extend(arms(scenario));
    for phase in phases(&scenario.workload) {
        let end = if phase.end.is_never() {
            "the end".into()
        } else {
            phase.end.to_string()
        };
        lines.push((
            format!("phase {}", phase.name),
            format!("{} to {end}", phase.start),
        ));
    }
    lines.extend(sizes(scenario, plan).map(|(label, value)| (label.to_owned(), value)));
    let widest = lines.iter().map(|(label, _)| label.chars().count()).max();
    let width = widest.unwrap_or(0).clamp(LABEL_MIN, LABEL_MAX);
    let mut text = format!("{}: {}", printable(name), scenario.name);
    if !scenario.description.is_empty() {
        text.push_str(&format!(" ({})", printable(&scenario.description)));
    }
    text.push('\n');
    for (label, value) in lines {
        text.push_str(&format!("  {label:<width$}  {value}\n"));
    }
    text
}

/// The gates, once where all arms race the same, and beside each arm where they differ.
fn arms(scenario: &Scenario) -> Vec<(String, String)> {
    let gates = |arm: &Arm| -> Vec<String> {
        let names = arm.gates.iter().map(|gate| gate.name.clone());
        names.collect()
    };
    let same = scenario
        .arms
        .windows(2)
        .all(|pair| gates(&pair[0]) == gates(&pair[1]));
    if same {
        let names: Vec<&str> = scenario.arms.iter().map(|arm| arm.name.as_str()).collect();
        let gates = scenario.arms.first().map(gates).unwrap_or_default();
        return vec![
            ("arms".to_owned(), names.join(", ")),
            ("gates".to_owned(), gates.join(", ")),
        ];
    }
    let of_arm = |arm: &Arm| {
        (
            format!("arm {}", arm.name),
            format!("gates {}", gates(arm).join(", ")),
        )
    };
    scenario.arms.iter().map(of_arm).collect()
}

/// What a run takes.
fn sizes(scenario: &Scenario, plan: &Plan) -> [(&'static str, String); 7] {
    [
        (
            "calls",
            format!("about {}, at most {} at once", plan.calls, plan.peak_calls),
        ),
        (
            "real sessions",
            format!(
                "about {}, at most {} at once (live)",
                plan.real_sessions, plan.peak_sessions
            ),
        ),
        (
            "duration",
            format!(
                "last session ends after about {}, then up to {} to drain",
                plan.last_end, scenario.limits.drain
            ),
        ),
        (
            "file descriptors",
            format!("{} (live)", plan.file_descriptors),
        ),
        (
            "memory",
            format!(
                "{} simulated, {} live",
                bytes(plan.sim_bytes),
                bytes(plan.live_bytes)
            ),
        ),
        ("disk", bytes(plan.folder_bytes)),
        ("expectations", scenario.expect.len().to_string()),
    ]
}
