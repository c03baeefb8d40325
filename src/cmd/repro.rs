//! `racegate repro`: one failing export made small and written down, so that it fails every time.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use clap::{Args, ValueEnum};
use racegate_model::analysis::Exit;
use racegate_model::draws::Seed;
use racegate_model::history::Entry;
use racegate_model::ids::{ArmIndex, ConversationId, RecordingId, RecordingIndex};
use racegate_model::repro::{
    CaptureError, Captured, Level, Pass, Rest, Shrinker, Shrunk, Wanted, Watch, capture,
    capture_history,
};
use racegate_model::scenario::{Engine, Scenario};
use racegate_scenario::{Origin, Repro};
use serde_json::json;

use super::change::ChangeArgs;
use crate::load::{TOOL, load, select_gates};
use crate::output::{Output, OutputArgs, print, print_json, width};
use crate::report::lanes::Lanes;
use crate::report::timeline;

const AFTER_HELP: &str = "\
From a scenario, or from a run's folder, the failing export that takes least is picked (the commonest
cause among the incomplete ones), or that of --recording. It is shrunk as long as the same recording
fails with the same outcome, cause, stage and missing fields:

  exact    the instants of the run, as few recordings as leave that export as it was
  minimal  the gate, workers and limits as they are; fewer recordings, shorter and rounder times
  essence  a simpler configuration too: fewer workers and stages, shorter waits, fewer limits

What is written is a TOML file of values, not draws, with what happened before what in sentences and
as edges; `racegate replay` runs it again. Beside it are the race timeline of the recording as SVG and
PNG, and a trace for ui.perfetto.dev.

  racegate repro scenarios/webrtc-spike.toml --gate ungated
  racegate replay reports/webrtc-spike/repro-ungated-minimal.toml --engine live --times 100";

/// Arguments of `racegate repro`.
#[derive(Debug, Args)]
#[command(after_help = AFTER_HELP)]
pub(super) struct ReproArgs {
    /// A scenario file, or the folder of a run
    #[arg(value_name = "RUN|SCENARIO")]
    source: PathBuf,
    #[command(flatten)]
    change: ChangeArgs,
    /// The failing recording: its number, or its id or its conversation's
    #[arg(long, value_name = "ID")]
    recording: Option<String>,
    /// A failure of this gate
    #[arg(long, value_name = "NAME")]
    gate: Option<String>,
    /// How far it is shrunk
    #[arg(long, value_enum, default_value_t = LevelArg::Minimal)]
    level: LevelArg,
    /// Seconds that shrinking may take; what it has by then is written
    #[arg(long, value_name = "SECONDS", default_value_t = 30, value_parser = clap::value_parser!(u64).range(1..=86_400))]
    budget: u64,
    /// The file [default: reports/<scenario>/repro-<gate>-<level>.toml]
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    #[command(flatten)]
    output: OutputArgs,
}

/// A level as it is named on the command line.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
enum LevelArg {
    Exact,
    Minimal,
    Essence,
}

impl From<LevelArg> for Level {
    fn from(level: LevelArg) -> Self {
        match level {
            LevelArg::Exact => Self::Exact,
            LevelArg::Minimal => Self::Minimal,
            LevelArg::Essence => Self::Essence,
        }
    }
}

/// What passes took, and when there is no time left.
struct Log {
    begun: Instant,
    budget: Duration,
    passes: Vec<(Pass, Duration)>,
}

impl Watch for Log {
    fn goes_on(&mut self) -> bool {
        self.begun.elapsed() < self.budget
    }

    fn passed(&mut self, pass: &Pass) {
        self.passes.push((pass.clone(), self.begun.elapsed()));
    }
}

impl ReproArgs {
    /// Captures, shrinks and writes.
    pub(super) fn run(self) -> Result<Exit, Exit> {
        let begun = Instant::now();
        let (scenario, captured) = if self.source.is_dir() {
            self.of_run()?
        } else {
            let (scenario, _) = load(&self.source, &self.change.overrides())?;
            let captured = capture(&scenario, &self.wanted(&scenario)?);
            (scenario, captured)
        };
        let captured = captured.map_err(not_captured)?;
        let took = begun.elapsed();
        let mut log = Log {
            begun: Instant::now(),
            budget: Duration::from_secs(self.budget),
            passes: Vec::new(),
        };
        let level = Level::from(self.level);
        let shrunk = Shrinker::new(&captured, &mut log).run(level);
        let rest = shrunk.rest;
        let repro = repro(&scenario, &captured, shrunk, level)?;
        let path = self.path(&scenario, &repro);
        write(&path, repro.text())?;
        let played = repro.case.play();
        let lanes = played.and_then(|played| Lanes::of(&repro.case, &played));
        if let Some(lanes) = &lanes {
            draw(&path, lanes)?;
        }
        match self.output.output() {
            Output::Table => {
                let lanes = lanes.map_or(String::new(), |lanes| lanes.text(width()));
                let said = describe(&captured, &repro, &log, (rest, took), &path);
                print(&format!("{lanes}\n\n{said}"))?;
            }
            Output::Json => print_json(&body(&repro, &log, rest, &path))?,
        }
        Ok(Exit::Done)
    }

    /// The scenario of a run's folder, and the failure in it.
    fn of_run(&self) -> Result<(Scenario, Result<Captured, CaptureError>), Exit> {
        let (folder, scenario) = self.change.run_of(&self.source)?;
        let wanted = self.wanted(&scenario)?;
        if scenario.engine == Engine::Sim {
            let captured = capture(&scenario, &wanted);
            return Ok((scenario, captured));
        }
        let (mut timelines, mut settled) = (Vec::new(), Vec::new());
        for entry in folder.read_history().map_err(Exit::internal)? {
            match entry {
                Entry::Timeline {
                    arm: ArmIndex(0),
                    timeline,
                } => timelines.push(timeline),
                Entry::Settled(one) => settled.push(one),
                Entry::Timeline { .. }
                | Entry::Job(_)
                | Entry::NotEstablished { .. }
                | Entry::End(_) => {}
            }
        }
        let captured = capture_history(&scenario, &timelines, &settled, &wanted);
        Ok((scenario, captured))
    }

    fn wanted(&self, scenario: &Scenario) -> Result<Wanted, Exit> {
        let names: Vec<String> = self.gate.iter().cloned().collect();
        select_gates(&mut scenario.clone(), &names)?;
        let recording = self.recording.as_deref();
        let recording = recording
            .map(|id| index_of(id, scenario.seed))
            .transpose()?;
        Ok(Wanted {
            gate: self.gate.clone(),
            recording,
        })
    }

    fn path(&self, scenario: &Scenario, repro: &Repro) -> PathBuf {
        if let Some(path) = &self.out {
            return path.clone();
        }
        let gate = repro.case.arm.gates.first().map_or("", |gate| &gate.name);
        let name = format!("repro-{gate}-{}.toml", repro.level.name());
        Path::new("reports").join(&scenario.name).join(name)
    }
}

/// The recording of a number or a public id.
fn index_of(id: &str, seed: Seed) -> Result<RecordingIndex, Exit> {
    let by_id = || {
        let recording = RecordingId::parse(id).and_then(|id| id.index(seed));
        recording.or_else(|| ConversationId::parse(id)?.index(seed))
    };
    let number = id.parse().ok().map(RecordingIndex);
    number.or_else(by_id).ok_or_else(|| {
        Exit::Usage(format!(
            "--recording {id}: no recording of seed {}; write its number (recordings.csv has \
             them), its id or its conversation's",
            seed.0
        ))
    })
}

fn not_captured(error: CaptureError) -> Exit {
    match error {
        CaptureError::NothingFails => Exit::NoSamples(format!(
            "{error}; try another --gate, another --seed or a harder load"
        )),
        CaptureError::Complete { .. } | CaptureError::NoSuchRecording { .. } => {
            Exit::Usage(format!("--recording: {error}"))
        }
        CaptureError::NoSuchGate(_) => Exit::Usage(format!("--gate: {error}")),
        CaptureError::Elsewhere(_) => {
            Exit::Inconclusive(format!("{error}; name another --recording"))
        }
    }
}

fn repro(
    scenario: &Scenario,
    captured: &Captured,
    shrunk: Shrunk,
    level: Level,
) -> Result<Repro, Exit> {
    let played = shrunk.case.play();
    let played = played.ok_or_else(|| Exit::internal("a shrunk case does not settle"))?;
    Ok(Repro {
        tool: TOOL.to_owned(),
        origin: Origin {
            scenario: scenario.name.clone(),
            recordings: captured.recordings,
            failing: captured.failing,
        },
        level,
        hash: played.hash().hex(),
        expect: captured.fingerprint.clone(),
        case: shrunk.case,
    })
}

/// Writes the race timeline beside the repro: as SVG, as PNG, and as a trace for Perfetto.
fn draw(path: &Path, lanes: &Lanes) -> Result<(), Exit> {
    let picture = timeline(lanes).map_err(Exit::internal)?;
    let trace = lanes.trace().to_string();
    write(&path.with_extension("svg"), picture.svg)?;
    write(&path.with_extension("png"), picture.png)?;
    write(&path.with_extension("trace.json"), trace)
}

pub(super) fn write(path: &Path, bytes: impl AsRef<[u8]>) -> Result<(), Exit> {
    let failed = |error: std::io::Error| {
        Exit::internal(format!(
            "cannot write {} ({error}); name another place with --out",
            path.display()
        ))
    };
    if let Some(folder) = path
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty())
    {
        std::fs::create_dir_all(folder).map_err(failed)?;
    }
    std::fs::write(path, bytes).map_err(failed)
}

fn describe(
    captured: &Captured,
    repro: &Repro,
    log: &Log,
    (rest, took): (Rest, Duration),
    path: &Path,
) -> String {
    let gate = repro.case.arm.gates.first().map_or("", |gate| &gate.name);
    let expect = &repro.expect;
    let cause = expect
        .cause
        .map_or("of no known cause", |cause| cause.name());
    let stage = expect.stage.as_ref();
    let stage = stage.map_or(String::new(), |stage| format!(" in {stage}"));
    let mut text = format!(
        "recording {} of {}: {} under {gate} ({cause}{stage}); {} of {} recordings fail under it\n\
         captured in {:.0} ms\n\n",
        repro.case.failing.0,
        repro.origin.scenario,
        expect.outcome.name(),
        captured.failing,
        captured.recordings,
        took.as_secs_f64() * 1e3,
    );
    // Writing to a string does not fail.
    let _ = writeln!(
        text,
        "{:<42}{:>11}{:>16}{:>9}{:>10}",
        "pass", "recordings", "sum of times", "probes", "ms"
    );
    for (pass, at) in &log.passes {
        let _ = writeln!(
            text,
            "{:<42}{:>11}{:>14.1} s{:>9}{:>10.1}",
            pass.name,
            pass.recordings,
            pass.lengths.as_secs_f64(),
            pass.probes,
            at.as_secs_f64() * 1e3
        );
    }
    if rest == Rest::Stopped {
        text.push_str("The budget ended before all was tried; --budget gives it more.\n");
    }
    text.push('\n');
    for sentence in repro.sentences() {
        let _ = writeln!(text, "{sentence}");
    }
    let _ = write!(
        text,
        "\n{}: {} recordings, hash {}\nracegate replay {0}",
        path.display(),
        repro.case.recordings.len(),
        repro.hash
    );
    text
}

fn body(repro: &Repro, log: &Log, rest: Rest, path: &Path) -> serde_json::Value {
    let expect = &repro.expect;
    json!({
        "file": path.display().to_string(),
        "level": repro.level.name(),
        "recording": repro.case.failing.0,
        "recordings": repro.case.recordings.len(),
        "hash": repro.hash,
        "outcome": expect.outcome.name(),
        "cause": expect.cause.map(|cause| cause.name()),
        "stage": expect.stage,
        "missing": expect.missing.iter().map(|field| field.name()).collect::<Vec<_>>(),
        "sentences": repro.sentences(),
        "finished": rest == Rest::Done,
        "passes": log.passes.iter().map(|(pass, at)| json!({
            "name": pass.name,
            "recordings": pass.recordings,
            "lengths_s": pass.lengths.as_secs_f64(),
            "probes": pass.probes,
            "elapsed_ms": at.as_secs_f64() * 1e3,
        })).collect::<Vec<_>>(),
    })
}
