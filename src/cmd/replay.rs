//! `racegate replay`: a repro run again, simulated bit for bit or forced over HTTP.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::{Args, ValueEnum};
use mock_api::clock::Pace;
use racegate_model::analysis::Exit;
use racegate_model::gate::keys::{Key, Keys, Value};
use racegate_model::outcome::OutcomeKind;
use racegate_model::repro::{Played, Schedule};
use racegate_model::scenario::{ExportRequest, GateSpec, GateStart, Strategy};
use racegate_scenario::{LoadError, Repro, read_repro_file};
use serde_json::json;

use crate::load::load;
use crate::output::{Output, OutputArgs, color, note, print, print_json, width};
use crate::replay::{Command, Stage, Verdict, run_command, run_gate};
use crate::report::lanes::Lanes;
use crate::signals::Signals;

const AFTER_HELP: &str = "\
sim runs the case in virtual time. live starts the mock with the failing recording as it was when the
failing export was taken, and holds back what came too late until an export of it was taken, or until the
exporter has read one address of the recording more often than the failing gate did (twice at least):
then it evidently waits. Everything passes through real HTTP; the gates' clock jumps, a command's runs.

Exit code 0: exported complete every time; 90: still fails; 91: the interleaving could not be forced on
this exporter, or it never exported, which is no pass.

  racegate replay repro.toml
  racegate replay repro.toml --engine live --times 100
  racegate replay repro.toml --engine live --gate exponential-backoff --times 100
  racegate replay repro.toml -- python3 export.py";

/// Arguments of `racegate replay`.
#[derive(Debug, Args)]
#[command(after_help = AFTER_HELP)]
pub(super) struct ReplayArgs {
    /// The repro file
    repro: PathBuf,
    /// How often it is run
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    times: u32,
    /// Simulated, or forced over HTTP [default: sim, live with a command]
    #[arg(long, value_enum)]
    engine: Option<EngineArg>,
    /// Another gate instead of the file's: a strategy with its defaults, or a gate of --from
    #[arg(long, value_name = "NAME", conflicts_with = "command")]
    gate: Option<String>,
    /// The scenario that --gate is taken from
    #[arg(long, value_name = "SCENARIO", requires = "gate")]
    from: Option<PathBuf>,
    /// Reads of one address that are held up [default: the failing gate's and one, at least 2]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=10_000))]
    reads: Option<u64>,
    /// Seconds that a command has until it is observed, and again until it has exported
    #[arg(long, value_name = "SECONDS", default_value_t = 60, value_parser = clap::value_parser!(u64).range(1..=86_400))]
    timeout: u64,
    #[command(flatten)]
    output: OutputArgs,
    /// Your exporter's command and its arguments
    #[arg(last = true, value_name = "CMD")]
    command: Vec<OsString>,
}

/// An engine as it is named on the command line.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
enum EngineArg {
    Sim,
    Live,
}

impl ReplayArgs {
    /// Runs the repro.
    pub(super) fn run(self) -> Result<Exit, Exit> {
        let mut repro = read_repro_file(&self.repro).map_err(not_read)?;
        let engine = match (self.engine, self.command.is_empty()) {
            (Some(EngineArg::Sim), false) => {
                return Err(Exit::Usage(
                    "a command runs over HTTP; leave --engine sim out".to_owned(),
                ));
            }
            (Some(engine), _) => engine,
            (None, true) => EngineArg::Sim,
            (None, false) => EngineArg::Live,
        };
        // The interleaving is the failing gate's, whichever gate is put in its place.
        let schedule = match engine {
            EngineArg::Sim => None,
            EngineArg::Live => Some(schedule(&repro)?),
        };
        if let Some(name) = &self.gate {
            repro.case.arm.gates = vec![gate(name, self.from.as_deref())?];
        }
        match schedule {
            None => self.simulate(&repro),
            Some(schedule) => self.force(&repro, &schedule),
        }
    }

    /// Forces the interleaving over HTTP.
    fn force(&self, repro: &Repro, schedule: &Schedule) -> Result<Exit, Exit> {
        let signals = Signals::listen().map_err(Exit::internal)?;
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .enable_all()
            .build();
        let runtime = runtime.map_err(Exit::internal)?;
        let folder = tempfile::tempdir().map_err(Exit::internal)?;
        let mut verdicts = Vec::new();
        for _ in 0..self.times {
            if signals.is_ending() {
                return Err(Exit::Interrupted("the replay was interrupted".to_owned()));
            }
            let one = self.force_once(repro, schedule, folder.path(), &signals);
            verdicts.push(runtime.block_on(one)?);
        }
        runtime.shutdown_background();
        if verdicts.iter().any(|it| *it != Verdict::Complete) {
            quote(folder.path());
        }
        self.conclude(repro, &verdicts)
    }

    async fn force_once(
        &self,
        repro: &Repro,
        schedule: &Schedule,
        folder: &Path,
        signals: &Signals,
    ) -> Result<Verdict, Exit> {
        let case = &repro.case;
        let gate = case.arm.gates[0].clone();
        if self.command.is_empty() {
            let stage = Stage::start(case, Some(schedule), gate, Pace::MANUAL, self.reads).await?;
            return run_gate(stage).await;
        }
        let gate = GateSpec {
            name: "exporter".to_owned(),
            ..gate
        };
        let stage = Stage::start(case, Some(schedule), gate, Pace::REAL, self.reads).await?;
        let command = Command {
            words: &self.command,
            folder,
            timeout: Duration::from_secs(self.timeout),
        };
        run_command(stage, &command, signals, &repro.expect).await
    }

    /// What came of all runs.
    fn conclude(&self, repro: &Repro, verdicts: &[Verdict]) -> Result<Exit, Exit> {
        let recording = repro.case.failing.0;
        let times = verdicts.len();
        let count = |name: &str| verdicts.iter().filter(|it| it.name() == name).count();
        let (complete, incomplete) = (count("complete"), count("incomplete"));
        let impossible = count("impossible");
        match self.output.output() {
            Output::Table => print(&format!(
                "forced {times} times over HTTP: {incomplete} of {times} exported incomplete, \
                 {complete} complete, {impossible} could not be forced"
            ))?,
            Output::Json => print_json(&json!({
                "engine": "live",
                "times": times,
                "incomplete": incomplete,
                "complete": complete,
                "impossible": impossible,
            }))?,
        }
        let why = verdicts.iter().find_map(|verdict| match verdict {
            Verdict::Impossible(why) => Some(why.clone()),
            Verdict::Complete | Verdict::Incomplete(_) => None,
        });
        let missing = verdicts.iter().find_map(|verdict| match verdict {
            Verdict::Incomplete(missing) => Some(*missing),
            Verdict::Complete | Verdict::Impossible(_) => None,
        });
        if let Some(missing) = missing {
            let names: Vec<&str> = missing.iter().map(|field| field.name()).collect();
            return Ok(Exit::Regression(format!(
                "recording {recording} was exported without {} in {incomplete} of {times} runs",
                names.join(", ")
            )));
        }
        Ok(match why {
            Some(why) => Exit::Inconclusive(why),
            None => Exit::Met(format!(
                "recording {recording} was exported complete in all {times} runs"
            )),
        })
    }

    /// Runs it in the simulator; every run must be the same.
    fn simulate(&self, repro: &Repro) -> Result<Exit, Exit> {
        let mut first: Option<Played> = None;
        let mut failed = 0_u32;
        for _ in 0..self.times {
            let played = repro.case.play().ok_or_else(|| {
                Exit::Inconclusive(
                    "the recording is never settled within `drain`; raise it in [case]".to_owned(),
                )
            })?;
            failed += u32::from(played.fingerprint.is_some());
            match &first {
                Some(first) if *first != played => {
                    return Err(Exit::internal("two runs of the same case differ"));
                }
                Some(_) => {}
                None => first = Some(played),
            }
        }
        let played = first.ok_or_else(|| Exit::internal("nothing was run"))?;
        let hash = played.hash().hex();
        let same = hash == repro.hash;
        let outcome = played.failing.outcome;
        match self.output.output() {
            Output::Table => print(&format!(
                "{}\n\n{failed} of {} times recording {} is not exported complete ({})\nhash {hash}{}",
                Lanes::of(&repro.case, &played).map_or(String::new(), |it| it.text(width())),
                self.times,
                repro.case.failing.0,
                outcome.name(),
                if same { ", that of the file" } else { "" }
            ))?,
            Output::Json => print_json(&json!({
                "engine": "sim",
                "times": self.times,
                "failed": failed,
                "hash": hash,
                "expected_hash": repro.hash,
                "outcome": outcome.name(),
            }))?,
        }
        if !same {
            note(&format!(
                "the file's hash is {}, written by {}; this is {}: its gates or rules decide \
                 differently, or the file was changed",
                repro.hash,
                repro.tool,
                crate::load::TOOL
            ));
        }
        Ok(verdict(repro, &played))
    }
}

fn verdict(repro: &Repro, played: &Played) -> Exit {
    let recording = repro.case.failing.0;
    let outcome = played.failing.outcome;
    match &played.fingerprint {
        None => Exit::Met(format!("recording {recording} is exported complete")),
        Some(found) if *found == repro.expect => Exit::Regression(format!(
            "recording {recording} still fails as the file says"
        )),
        Some(_) if outcome == OutcomeKind::Incomplete => Exit::Regression(format!(
            "recording {recording} fails, though not as the file says"
        )),
        Some(_) => Exit::Regression(format!("recording {recording} is {}", outcome.name())),
    }
}

/// The interleaving of the file's own gate.
fn schedule(repro: &Repro) -> Result<Schedule, Exit> {
    let played = repro.case.play();
    let schedule = played.and_then(|played| Schedule::of(&repro.case, &played));
    schedule.ok_or_else(|| {
        Exit::Inconclusive(format!(
            "the failure of this repro is {}: only an incomplete export has an order that can be \
             forced; replay it with --engine sim",
            repro.expect.outcome.name()
        ))
    })
}

/// The gate to be put in the place of the file's.
fn gate(name: &str, from: Option<&Path>) -> Result<GateSpec, Exit> {
    if let Some(path) = from {
        let (scenario, _) = load(path, &[])?;
        let gates = &scenario.arms[0].gates;
        let found = gates.iter().find(|gate| gate.name == name);
        return found.cloned().ok_or_else(|| {
            let names: Vec<&str> = gates.iter().map(|gate| gate.name.as_str()).collect();
            let there = names.join(", ");
            Exit::Usage(format!("--gate {name}: no such gate; there are {there}"))
        });
    }
    let mut strategy = Strategy::named(name).ok_or_else(|| {
        let all = Strategy::all();
        let names: Vec<&str> = all.iter().map(Strategy::name).collect();
        Exit::Usage(format!(
            "--gate {name}: no such strategy; there are {}",
            names.join(", ")
        ))
    })?;
    let mut needs = Needs(None);
    strategy.keys(&mut needs);
    if let Some(key) = needs.0 {
        return Err(Exit::Usage(format!(
            "--gate {name}: the strategy needs `{key}`; take a gate that has it from a scenario \
             (--from)"
        )));
    }
    Ok(GateSpec {
        name: name.to_owned(),
        strategy,
        start: GateStart::SessionEnd,
        repair: None,
        request: ExportRequest::default(),
    })
}

/// The first key that a strategy cannot do without.
struct Needs(Option<&'static str>);

impl Keys for Needs {
    fn key(&mut self, key: Key, _: Value<'_>) {
        if key.required.is_some() {
            self.0.get_or_insert(key.name);
        }
    }
}

/// The end of what a command said, for whoever must find out why it failed.
fn quote(folder: &Path) {
    for name in ["exporter.out", "exporter.err"] {
        let Ok(bytes) = std::fs::read(folder.join(name)) else {
            continue;
        };
        let text = String::from_utf8_lossy(&bytes);
        let lines: Vec<&str> = text.lines().collect();
        for line in &lines[lines.len().saturating_sub(10)..] {
            note(&format!("{name}: {line}"));
        }
    }
}

fn not_read(error: LoadError) -> Exit {
    match error {
        LoadError::Scenario(mistakes) => Exit::Scenario(mistakes.render(color())),
        LoadError::File { .. } => Exit::Scenario(format!(
            "{error}\n  name a repro file; `racegate repro SCENARIO` writes one"
        )),
    }
}
