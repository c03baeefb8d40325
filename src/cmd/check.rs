//! `racegate check`: what a scenario would do, before it does it.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use clap::Args;
use racegate_model::analysis::Exit;
use racegate_model::scenario::Scenario;
use racegate_model::workload::phases;

use super::change::ChangeArgs;
use crate::load::load;
use crate::output::{complain, print};
use crate::plan::Plan;

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
                Ok((scenario, _)) => print(&text(path, &scenario, &Plan::of(&scenario))),
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

fn text(path: &Path, scenario: &Scenario, plan: &Plan) -> String {
    let mut text = String::new();
    let mut line = |label: &str, value: String| {
        // Writing to a string does not fail.
        let _ = writeln!(text, "  {label:<18}{value}");
    };
    line("seed", scenario.seed.0.to_string());
    line("engine", scenario.engine.name().to_owned());
    for arm in &scenario.arms {
        let gates: Vec<&str> = arm.gates.iter().map(|gate| gate.name.as_str()).collect();
        line(&format!("arm {}", arm.name), gates.join(", "));
    }
    for phase in phases(&scenario.workload) {
        let end = if phase.end.is_never() {
            "the end".into()
        } else {
            phase.end.to_string()
        };
        line(
            &format!("phase {}", phase.name),
            format!("{} to {end}", phase.start),
        );
    }
    line(
        "calls",
        format!("{}, at most {} at once", plan.calls, plan.peak_calls),
    );
    line(
        "real sessions",
        format!(
            "{}, at most {} at once (live)",
            plan.real_sessions, plan.peak_sessions
        ),
    );
    line(
        "duration",
        format!(
            "last session ends after {}, then up to {} to drain",
            plan.last_end, scenario.limits.drain
        ),
    );
    line(
        "file descriptors",
        format!("{} (live)", plan.file_descriptors),
    );
    line(
        "memory",
        format!("{} of audio (live)", bytes(plan.audio_bytes)),
    );
    line("disk", bytes(plan.folder_bytes));
    line("expectations", scenario.expect.len().to_string());
    format!(
        "{}: {} ({})\n{text}",
        path.display(),
        scenario.name,
        scenario.description
    )
}

fn bytes(count: u64) -> String {
    match count {
        0..=999_999 => format!("{} kB", count.div_ceil(1000)),
        1_000_000..=999_999_999 => format!("{} MB", count.div_ceil(1_000_000)),
        _ => format!("{}.{} GB", count / 1_000_000_000, count / 100_000_000 % 10),
    }
}
