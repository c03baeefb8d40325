//! `racegate report`: a run's folder rendered again, also that of a run that was cut short.

use std::path::{Path, PathBuf};

use clap::Args;
use racegate_model::analysis::{Exit, Replay, Tenant};
use racegate_model::scenario::Scenario;
use racegate_model::summary::Summary;
use racegate_scenario::Source;

use crate::live::Arms;
use crate::load::{context, parse, select_gates, tenants};
use crate::output::{Output, OutputArgs, print, style, width};
use crate::report::terminal;
use crate::store::RunFolder;

/// Arguments of `racegate report`.
#[derive(Debug, Args)]
pub(super) struct ReportArgs {
    /// The run's folder
    #[arg(required = true)]
    runs: Vec<PathBuf>,
    #[command(flatten)]
    output: OutputArgs,
}

impl ReportArgs {
    /// Renders the folders again.
    pub(super) fn run(self) -> Result<Exit, Exit> {
        for run in &self.runs {
            render(run, self.output.output())?;
        }
        Ok(Exit::Done)
    }
}

/// Renders one run's folder again.
fn render(path: &Path, output: Output) -> Result<(), Exit> {
    let folder = RunFolder::open(path).map_err(Exit::internal)?;
    let stored = folder.stored();
    let source = Source::new(stored.scenario_name.clone(), stored.scenario.clone());
    let mut scenario = parse(
        &source,
        &stored.overrides,
        Path::new(&stored.scenario_folder),
    )?;
    select_gates(&mut scenario, &stored.gates)?;
    scenario.engine = stored.engine;
    let arms = if stored.all_arms {
        Arms::All
    } else {
        Arms::Base
    };
    let tenants = tenants(&scenario, arms);
    let mut replay = Replay::new(&scenario, context(&scenario, tenants.clone()));
    for entry in folder.read_history().map_err(Exit::internal)? {
        replay.add(&entry);
    }
    let mut summary = replay.finish().summary();
    // What only the run itself could know is kept; so are merged replications and what is beyond
    // the history's limit.
    if let Some(earlier) = folder.summary().map_err(Exit::internal)? {
        if earlier.replications > 1 || earlier.recordings > scenario.limits.history {
            summary = earlier;
        } else {
            summary.generator = earlier.generator;
            summary.conformance = earlier.conformance;
            summary.valid &= earlier.valid;
            summary.invalid_reasons = earlier.invalid_reasons;
        }
    }
    summary.exit_code = Exit::of(&summary).code();
    write_reports(&summary, &scenario, &tenants, &folder)?;
    show(&summary, output)
}

/// Writes the reports, the pictures and the table of recordings.
pub(super) fn write_reports(
    summary: &Summary,
    scenario: &Scenario,
    tenants: &[Tenant],
    folder: &RunFolder,
) -> Result<(), Exit> {
    folder
        .write_reports(summary)
        .map_err(|error| Exit::internal(chain(&error)))?;
    folder
        .write_recordings(scenario, tenants)
        .map_err(Exit::internal)
}

/// Shows the summary on stdout.
pub(super) fn show(summary: &Summary, output: Output) -> Result<(), Exit> {
    let text = match output {
        Output::Table => terminal::render(summary, style(), width()),
        Output::Json => serde_json::to_string_pretty(summary).map_err(Exit::internal)?,
    };
    print(&text);
    Ok(())
}

/// An error and what caused it, in one line.
fn chain(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(error.source(), |cause| cause.source());
    causes.fold(error.to_string(), |text, cause| format!("{text}: {cause}"))
}
