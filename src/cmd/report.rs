//! `racegate report`: a run's folder rendered again, also that of a run that was cut short.

use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use racegate_model::analysis::{Doubt, Exit, Replay, Tenant};
use racegate_model::scenario::Scenario;
use racegate_model::summary::{ExpectationResult, Summary};

use crate::engine::Played;
use crate::load::{context, what_was_run};
use crate::output::{Output, OutputArgs, note, print, print_json, style, width};
use crate::report::terminal;
use crate::store::{Flaw, HistoryReader, RunFolder};

/// Arguments of `racegate report`.
#[derive(Debug, Args)]
pub(super) struct ReportArgs {
    /// The run's folder
    #[arg(required = true)]
    runs: Vec<PathBuf>,
    /// Write recordings.csv however long it gets: a run with more than 100,000 recordings has none
    #[arg(long)]
    csv: bool,
    #[command(flatten)]
    output: OutputArgs,
}

/// When `recordings.csv` is written.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Table {
    /// Where it has a row for each gate of at most [`TABLE_MAX`] recordings.
    WhenShort,
    /// However long it gets.
    Asked,
}

/// Recordings above which the table is written only when it is asked for: at a million recordings
/// of four gates it takes 0.9 GB beside 0.16 GB of history.
const TABLE_MAX: u64 = 100_000;

impl ReportArgs {
    /// Renders the folders again.
    pub(super) fn run(self) -> Result<Exit, Exit> {
        let mut worst = Exit::Done;
        for run in &self.runs {
            let table = if self.csv {
                Table::Asked
            } else {
                Table::WhenShort
            };
            worst = worst.worse(render(run, self.output.output(), table)?);
        }
        if worst.is_error() {
            Err(worst)
        } else {
            Ok(worst)
        }
    }
}

/// Renders one run's folder again; says how that ends where the folder is damaged.
fn render(path: &Path, output: Output, table: Table) -> Result<Exit, Exit> {
    let mut folder = RunFolder::open(path)?;
    let is_ours = folder.claim().map_err(Exit::internal)?;
    let (scenario, tenants) = what_was_run(folder.stored())?;
    let mut replay = Replay::new(&scenario, context(&scenario, tenants.clone()));
    let mut history = folder.read_history().map_err(Exit::internal)?;
    for entry in history.by_ref() {
        replay.add(&entry);
    }
    let counted = replay.finish();
    let mut summary = counted.summary();
    speak_of_seeds(&mut summary, &scenario, &folder)?;
    let earlier = folder.summary().map_err(Exit::internal)?;
    let verdict = Verdict::of(&history, earlier.as_ref(), &summary);
    match (verdict, earlier) {
        // What only the run itself could know is kept; so is what is beyond the history's limit.
        (Verdict::Whole, Some(earlier)) if earlier.recordings > scenario.limits.history => {
            summary = earlier;
        }
        (Verdict::Whole | Verdict::CutShort | Verdict::Damaged, Some(earlier)) => {
            summary.generator = earlier.generator;
            summary.conformance = earlier.conformance;
            summary.valid &= earlier.valid;
            summary.invalid_reasons = earlier.invalid_reasons;
            keep_claims(&mut summary, &scenario, earlier.expect);
        }
        (Verdict::Worse, Some(earlier)) => summary = earlier,
        (_, None) => {}
    }
    let damage = damage(&folder, &history);
    if verdict == Verdict::Damaged {
        summary.valid = false;
        if !summary.invalid_reasons.contains(&damage) {
            summary.invalid_reasons.push(damage.clone());
        }
    }
    summary.exit_code = Exit::of(&summary).code();
    show(&summary, output, Extent::Full)?;
    if !is_ours {
        note(
            "a run is still writing to this folder: shown is what there is, and nothing is written",
        );
        return Ok(Exit::Done);
    }
    if verdict != Verdict::Worse {
        let played = Played {
            counted,
            summary,
            seeds: None,
            simulated: None,
        };
        write(&played, (&scenario, &tenants), &folder, table)?;
    }
    Ok(match verdict {
        Verdict::Whole | Verdict::CutShort => Exit::Done,
        Verdict::Damaged => Exit::internal(format!("{damage}; the report is of the rest")),
        Verdict::Worse => Exit::internal(format!(
            "{damage}; summary.json is of more than what is left, so it is shown and nothing is \
             written"
        )),
    })
}

/// Makes the summary speak of the seeds that the folder has the values of.
fn speak_of_seeds(
    summary: &mut Summary,
    scenario: &Scenario,
    folder: &RunFolder,
) -> Result<(), Exit> {
    let all = folder.replications().map_err(Exit::internal)?;
    if let Some(all) = all.filter(|all| all.len() > 1) {
        summary.speak_of_seeds(scenario, Doubt::Replicated(&all));
    }
    if let Some(simulated) = folder.model().map_err(Exit::internal)? {
        summary.speak_of_seeds(scenario, Doubt::Borrowed(&simulated));
    }
    Ok(())
}

/// Keeps what became of claims: the further seeds that decided them are in no file.
fn keep_claims(summary: &mut Summary, scenario: &Scenario, earlier: Vec<ExpectationResult>) {
    let lines = scenario.expect.iter().zip(&mut summary.expect).zip(earlier);
    for ((line, now), earlier) in lines {
        if line.certainty.is_some() && earlier.expression == now.expression {
            *now = earlier;
        }
    }
}

/// What a history is worth beside the summary that is there.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Verdict {
    /// There is all of it.
    Whole,
    /// It lacks its end, and nothing says that there was more.
    CutShort,
    /// Parts of it cannot be read, and there is nothing better.
    Damaged,
    /// The summary is of more than what is left of it.
    Worse,
}

impl Verdict {
    fn of(history: &HistoryReader, earlier: Option<&Summary>, now: &Summary) -> Self {
        let worse = earlier.is_some_and(|earlier| {
            let more = earlier.recordings > now.recordings;
            more || (now.interrupted && !earlier.interrupted)
        });
        let is_damaged = |flaw: &Flaw| !matches!(flaw, Flaw::Cut { .. });
        match history.is_whole() {
            true => Self::Whole,
            false if worse => Self::Worse,
            false if history.flaws().iter().any(is_damaged) => Self::Damaged,
            false => Self::CutShort,
        }
    }
}

/// What is wrong with the history, and from where to where.
fn damage(folder: &RunFolder, history: &HistoryReader) -> String {
    let file = folder.history_path();
    let flaws: Vec<String> = history.flaws().iter().map(ToString::to_string).collect();
    if flaws.is_empty() {
        return format!("{} lacks its end", file.display());
    }
    format!("{} is damaged: {}", file.display(), flaws.join("; "))
}

/// Writes summary, seeds, latencies, reports, pictures and the table of recordings: each that can
/// be.
pub(super) fn write(
    played: &Played,
    (scenario, tenants): (&Scenario, &[Tenant]),
    folder: &RunFolder,
    table: Table,
) -> Result<(), Exit> {
    let summary = &played.summary;
    let written = summary.recordings + summary.warmup_recordings;
    let is_short = written.min(scenario.limits.history) <= TABLE_MAX;
    let seeds = played.seeds.as_ref();
    let simulated = played.simulated.as_ref();
    let results = [
        folder.write_summary(summary).map_err(|error| chain(&error)),
        seeds
            .map_or(Ok(()), |all| folder.write_replications(all))
            .map_err(|error| chain(&error)),
        simulated
            .map_or(Ok(()), |all| folder.write_model(all))
            .map_err(|error| chain(&error)),
        folder
            .write_latency(&played.counted)
            .map_err(|error| chain(&error)),
        folder.write_reports(summary).map_err(|error| chain(&error)),
        if is_short || table == Table::Asked {
            let table = folder.write_recordings(scenario, tenants);
            let table = table.and_then(|()| folder.write_dead_letters(scenario, tenants));
            table.map_err(|error| chain(&error))
        } else {
            note(&format!(
                "recordings.csv and dead-letters.csv are left out above {TABLE_MAX} recordings; \
                 `racegate report --csv {}` writes them",
                folder.path().display()
            ));
            Ok(())
        },
    ];
    let failures: Vec<String> = results.into_iter().filter_map(Result::err).collect();
    if failures.is_empty() {
        return Ok(());
    }
    Err(Exit::internal(format!(
        "{}; what was measured is in {}: free some space, then `racegate report {}`",
        failures.join("; "),
        folder.history_path().display(),
        folder.path().display()
    )))
}

/// How much of a summary is shown as text.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub(super) enum Extent {
    /// All tables
    Full,
    /// The answer, the expectations and the outcomes
    Short,
    /// Nothing; the run's folder has it
    None,
}

/// Shows the summary on stdout.
pub(super) fn show(summary: &Summary, output: Output, extent: Extent) -> Result<(), Exit> {
    match (output, extent) {
        (Output::Json, _) => print_json(summary),
        (Output::Table, Extent::Full) => print(&terminal::render(summary, style(), width())),
        (Output::Table, Extent::Short) => print(&terminal::digest(summary, style(), width())),
        (Output::Table, Extent::None) => Ok(()),
    }
}

/// An error and what caused it, in one line.
fn chain(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(error.source(), |cause| cause.source());
    causes.fold(error.to_string(), |text, cause| format!("{text}: {cause}"))
}
