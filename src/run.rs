//! The main job, top to bottom: scenario → folder → engine → history → summary → report → exit.

use std::fmt::Display;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use racegate_model::analysis::{Accumulator, Context, Exit, Replay, Tenant};
use racegate_model::draws::Seed;
use racegate_model::scenario::{Engine, Scenario};
use racegate_model::summary::Summary;
use racegate_model::workload::plan_hash;
use racegate_scenario::{LoadError, Override, Source};

use crate::live::{Arms, LiveOptions};
use crate::sinks::RunSink;
use crate::store::{HistoryWriter, NewRun, RunFolder};
use crate::{doubts, engine, progress, report as render};

/// Name and version of the program.
const TOOL: &str = concat!("racegate ", env!("CARGO_PKG_VERSION"));

/// Exit code for a scenario with mistakes, as k6's.
pub const BAD_SCENARIO: u8 = 104;

/// What `racegate run` was asked for.
#[derive(Clone, Debug)]
pub struct RunOptions {
    /// The scenario file.
    pub scenario: PathBuf,
    /// Changes to it.
    pub overrides: Vec<Override>,
    /// The engine, unless the scenario's.
    pub engine: Option<Engine>,
    /// Gates to run; all if empty.
    pub gates: Vec<String>,
    /// Arms of a live run.
    pub arms: Arms,
    /// Repetitions of a simulated run.
    pub replications: u32,
    /// The run's folder, unless the default.
    pub out: Option<PathBuf>,
    /// What goes to stdout.
    pub output: Output,
    /// Whether a live run keeps the audio that it received.
    pub audio: Audio,
    /// Live: threads that carry the media.
    pub shards: Option<std::num::NonZeroUsize>,
    /// Whether notes and progress are shown.
    pub notes: Notes,
}

/// Whether a live run keeps the audio that it received.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Audio {
    /// In the run's folder.
    Kept,
    /// Only as long as the run lasts.
    Dropped,
}

/// Whether notes and progress go to stderr.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Notes {
    /// They do.
    Shown,
    /// Only errors and the last line.
    Hidden,
}

/// What goes to stdout.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Output {
    /// The table.
    Table,
    /// summary.json.
    Json,
}

/// What stops a command: an exit code and its reason.
#[derive(Debug)]
pub struct Failure {
    code: u8,
    message: String,
}

impl Failure {
    /// An internal failure, or one of the machine.
    pub(crate) fn internal(error: impl Display) -> Self {
        Self {
            code: 1,
            message: error.to_string(),
        }
    }

    /// A mistake on the command line.
    pub(crate) fn usage(message: String) -> Self {
        Self { code: 2, message }
    }

    fn scenario(message: String) -> Self {
        Self {
            code: BAD_SCENARIO,
            message,
        }
    }
}

/// Runs a scenario.
#[must_use]
pub fn run(options: &RunOptions) -> ExitCode {
    match try_run(options) {
        Ok(exit) => conclude(&exit),
        Err(failure) => fail(&failure),
    }
}

fn try_run(options: &RunOptions) -> Result<Exit, Failure> {
    let (mut scenario, source) = load(&options.scenario, &options.overrides)?;
    select_gates(&mut scenario, &options.gates)?;
    scenario.engine = options.engine.unwrap_or(scenario.engine);
    let tenants = tenants(&scenario, options.arms);
    refuse_coupled(&scenario, &tenants)?;
    let folder = RunFolder::create(&NewRun {
        out: options.out.as_deref(),
        scenario: &scenario,
        source: &source,
        overrides: &options.overrides,
        gates: &options.gates,
        arms: options.arms,
        engine: scenario.engine,
    })
    .map_err(Failure::internal)?;
    if options.notes == Notes::Shown {
        note(&opening(&scenario, folder.path()));
    }
    let summary = match scenario.engine {
        Engine::Sim => simulate(&scenario, options, tenants.clone(), &folder)?,
        Engine::Live => live(&scenario, options, tenants.clone(), &folder)?,
    };
    // Shown first: a full disk must not cost the user the numbers.
    show(&summary, options.output)?;
    write_reports(&summary, &scenario, &tenants, &folder)?;
    Ok(Exit::of(&summary))
}

/// A coupled platform is simulated only: a live one is one service that all tenants share.
fn refuse_coupled(scenario: &Scenario, tenants: &[Tenant]) -> Result<(), Failure> {
    if scenario.engine == Engine::Sim {
        return Ok(());
    }
    let mut arms = tenants.iter().map(|tenant| &scenario.arms[tenant.arm]);
    let Some(arm) = arms.find(|arm| arm.is_coupled()) else {
        return Ok(());
    };
    Err(Failure::scenario(format!(
        "arm `{}` has `platform.api.coupled = true`: there each gate has a platform of its own, \
         which only the simulator can give it; run with `--engine sim`, or with \
         `--set platform.api.coupled=false`",
        arm.name
    )))
}

/// The tenants that are run, in the order of [`racegate_model::ids::TenantIndex`].
fn tenants(scenario: &Scenario, arms: Arms) -> Vec<Tenant> {
    let arms = match (scenario.engine, arms) {
        (Engine::Live, Arms::Base) => 1,
        _ => scenario.arms.len(),
    };
    Tenant::all(scenario)
        .into_iter()
        .filter(|tenant| tenant.arm < arms)
        .collect()
}

fn simulate(
    scenario: &Scenario,
    options: &RunOptions,
    tenants: Vec<Tenant>,
    folder: &RunFolder,
) -> Result<Summary, Failure> {
    let accumulator = Accumulator::new(scenario, context(scenario, tenants.clone()));
    let history = folder.history().map_err(Failure::internal)?;
    let mut sink = RunSink::new(accumulator, Some(history), scenario.limits.history);
    racegate_model::sim::run(scenario, &mut sink);
    let (mut accumulator, history, _) = sink.into_parts();
    for replication in 1..u64::from(options.replications) {
        let mut again = scenario.clone();
        again.seed = Seed(scenario.seed.0.wrapping_add(replication));
        let fresh = Accumulator::new(&again, context(&again, tenants.clone()));
        let mut sink = RunSink::new(fresh, None, 0);
        racegate_model::sim::run(&again, &mut sink);
        accumulator = accumulator.merge(sink.into_parts().0);
    }
    folder
        .write_latency(&accumulator)
        .map_err(Failure::internal)?;
    let mut summary = accumulator.summary();
    close(history, &mut summary);
    Ok(summary)
}

fn live(
    scenario: &Scenario,
    options: &RunOptions,
    tenants: Vec<Tenant>,
    folder: &RunFolder,
) -> Result<Summary, Failure> {
    let accumulator = Accumulator::new(scenario, context(scenario, tenants));
    let history = folder.history().map_err(Failure::internal)?;
    let mut sink =
        RunSink::new(accumulator, Some(history), scenario.limits.history).comparing(scenario);
    let progress = progress::Bar::new(scenario, options.notes);
    let live = LiveOptions {
        arms: options.arms,
        keep_audio: (options.audio == Audio::Kept).then(|| folder.path().join("audio")),
        shards: options.shards,
    };
    let generator = engine::live(scenario, &live, &mut sink, &progress)?;
    progress.finish();
    let (accumulator, history, conformance) = sink.into_parts();
    folder
        .write_latency(&accumulator)
        .map_err(Failure::internal)?;
    let mut summary = accumulator.summary();
    summary
        .invalid_reasons
        .extend(doubts::invalid_reasons(scenario, &generator));
    summary.valid = summary.invalid_reasons.is_empty();
    summary.conformance = conformance.map(|seen| engine::compare(scenario, seen));
    summary.generator = Some(generator);
    close(history, &mut summary);
    Ok(summary)
}

/// Ends the history; what could not be written makes the run invalid, and nothing else is lost.
fn close(history: Option<HistoryWriter>, summary: &mut Summary) {
    if let Some(Err(error)) = history.map(HistoryWriter::finish) {
        summary.invalid_reasons.push(error.to_string());
        summary.valid = false;
    }
    summary.exit_code = Exit::of(summary).code;
}

fn write_reports(
    summary: &Summary,
    scenario: &Scenario,
    tenants: &[Tenant],
    folder: &RunFolder,
) -> Result<(), Failure> {
    folder
        .write_reports(summary)
        .map_err(|error| Failure::internal(chain(&error)))?;
    folder
        .write_recordings(scenario, tenants)
        .map_err(Failure::internal)
}

fn show(summary: &Summary, output: Output) -> Result<(), Failure> {
    let text = match output {
        Output::Table => render::terminal::render(summary, progress::style(), progress::width()),
        Output::Json => serde_json::to_string_pretty(summary).map_err(Failure::internal)?,
    };
    print(&text);
    Ok(())
}

/// Renders runs' folders again.
#[must_use]
pub fn report(runs: &[PathBuf], output: Output) -> ExitCode {
    for run in runs {
        if let Err(failure) = try_report(run, output) {
            return fail(&failure);
        }
    }
    ExitCode::SUCCESS
}

fn try_report(path: &Path, output: Output) -> Result<(), Failure> {
    let folder = RunFolder::open(path).map_err(Failure::internal)?;
    let stored = folder.stored();
    let source = Source::new(stored.scenario_name.clone(), stored.scenario.clone());
    let folder_of_files = Path::new(&stored.scenario_folder);
    let parsed = racegate_scenario::parse_in_folder(&source, &stored.overrides, folder_of_files);
    let mut scenario =
        parsed.map_err(|mistakes| Failure::scenario(mistakes.render(progress::color())))?;
    select_gates(&mut scenario, &stored.gates)?;
    scenario.engine = stored.engine;
    let arms = if stored.all_arms {
        Arms::All
    } else {
        Arms::Base
    };
    let tenants = tenants(&scenario, arms);
    let mut replay = Replay::new(&scenario, context(&scenario, tenants.clone()));
    for entry in folder.read_history().map_err(Failure::internal)? {
        replay.add(&entry);
    }
    let mut summary = replay.finish().summary();
    // What only the run itself could know is kept; so are merged replications and what is beyond
    // the history's limit.
    if let Some(earlier) = folder.summary().map_err(Failure::internal)? {
        if earlier.replications > 1 || earlier.recordings > scenario.limits.history {
            summary = earlier;
        } else {
            summary.generator = earlier.generator;
            summary.conformance = earlier.conformance;
            summary.valid &= earlier.valid;
            summary.invalid_reasons = earlier.invalid_reasons;
        }
    }
    summary.exit_code = Exit::of(&summary).code;
    write_reports(&summary, &scenario, &tenants, &folder)?;
    show(&summary, output)
}

/// An error and what caused it, in one line.
fn chain(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(error.source(), |cause| cause.source());
    causes.fold(error.to_string(), |text, cause| format!("{text}: {cause}"))
}

/// Prints the JSON Schema of the scenario format.
#[must_use]
pub fn print_schema() -> ExitCode {
    match serde_json::to_string_pretty(&racegate_scenario::json_schema()) {
        Ok(text) => {
            print(&text);
            ExitCode::SUCCESS
        }
        Err(error) => {
            complain(&Failure::internal(error));
            ExitCode::FAILURE
        }
    }
}

/// Reads and parses a scenario; also returns its text.
///
/// # Errors
/// When the file cannot be read, or all its mistakes.
pub(crate) fn load(path: &Path, overrides: &[Override]) -> Result<(Scenario, Source), Failure> {
    racegate_scenario::load(path, overrides).map_err(|error| match error {
        LoadError::Scenario(mistakes) => Failure::scenario(mistakes.render(progress::color())),
        LoadError::File { .. } => Failure::scenario(format!(
            "{error}\n  name a scenario file, e.g. scenarios/webrtc-spike.toml"
        )),
    })
}

fn select_gates(scenario: &mut Scenario, names: &[String]) -> Result<(), Failure> {
    if names.is_empty() {
        return Ok(());
    }
    let known: Vec<String> = scenario
        .arms
        .iter()
        .flat_map(|arm| arm.gates.iter().map(|gate| gate.name.clone()))
        .collect();
    if let Some(unknown) = names.iter().find(|name| !known.contains(name)) {
        let message = format!(
            "--gate {unknown}: no such gate; there are {}",
            known.join(", ")
        );
        return Err(Failure { code: 2, message });
    }
    for arm in &mut scenario.arms {
        arm.gates.retain(|gate| names.contains(&gate.name));
    }
    scenario.arms.retain(|arm| !arm.gates.is_empty());
    Ok(())
}

pub(crate) fn context(scenario: &Scenario, tenants: Vec<Tenant>) -> Context {
    Context {
        tool: TOOL.to_owned(),
        engine: scenario.engine,
        tenants,
        plan_hash: plan_hash(&scenario.workload, scenario.seed),
    }
}

fn opening(scenario: &Scenario, folder: &Path) -> String {
    let (seed, name) = (scenario.seed.0, &scenario.name);
    format!(
        "seed {seed} · {name} · engine {} · {}",
        scenario.engine.name(),
        folder.display()
    )
}

fn conclude(exit: &Exit) -> ExitCode {
    note(&format!("exit {}: {}", exit.code, exit.reason));
    ExitCode::from(exit.code)
}

/// Prints to stdout; a reader that has gone away is no error.
pub(crate) fn print(text: &str) {
    let mut stdout = std::io::stdout().lock();
    drop(writeln!(stdout, "{}", text.trim_end()));
}

/// Prints a line to stderr.
pub(crate) fn note(text: &str) {
    let mut stderr = std::io::stderr().lock();
    drop(writeln!(stderr, "{text}"));
}

/// Says what went wrong; the code to exit with.
pub(crate) fn fail(failure: &Failure) -> ExitCode {
    complain(failure);
    ExitCode::from(failure.code)
}

/// Says what went wrong.
pub(crate) fn complain(failure: &Failure) {
    let message = failure.message.trim_end();
    // Diagnostics say themselves that they are errors.
    let prefix = if message.starts_with("error") || message.starts_with('\u{1b}') {
        ""
    } else {
        "error: "
    };
    note(&format!("{prefix}{message}"));
}
