//! `racegate run`, the main job: scenario → folder → engine → history → summary → report → exit.

use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use racegate_model::analysis::{Exit, Tenant};
use racegate_model::scenario::{Engine, Scenario};
use racegate_model::time::Duration;
use racegate_scenario::Override;

use super::change::ChangeArgs;
use super::compare::{MarginArgs, with_baseline};
use super::report::{Extent, Table, show, write};
use crate::baseline;
use crate::engine::seeds::Replications;
use crate::engine::{self, Played};
use crate::live::{Arms, LiveOptions};
use crate::load::{add_claims, load, select_gates, tenants};
use crate::output::{Notes, OutputArgs, conclude, note};
use crate::plan::Plan;
use crate::report::REPORT;
use crate::signals::Signals;
use crate::store::{AUDIO, Existing, NewRun, RunFolder};

/// Arguments of `racegate run`.
#[derive(Debug, Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of its own")]
pub(super) struct RunArgs {
    /// The scenario files, run one after the other; `-` is standard input
    #[arg(required = true, value_name = "SCENARIO")]
    scenarios: Vec<PathBuf>,
    /// Engine: virtual time, or wall clock with real HTTP, WebRTC and S3 [default: the scenario's]
    #[arg(long, value_enum)]
    engine: Option<EngineArg>,
    #[command(flatten)]
    change: ChangeArgs,
    /// Run only this gate (repeatable)
    #[arg(long = "gate", value_name = "NAME")]
    gates: Vec<String>,
    /// Live: which arms to run [default: base]
    #[arg(long, value_enum)]
    arms: Option<ArmsArg>,
    /// Sim: runs of seeds SEED, SEED+1, … behind every interval; `auto` makes at least 20 where
    /// recordings share a queue or a job, until every expectation is decided, and one elsewhere
    /// [default: auto]
    #[arg(long, value_name = "N|auto")]
    replications: Option<Replications>,
    /// Sim: how long `--replications auto` and `--until` may go on [default: 2s]
    #[arg(long, value_name = "DURATION", value_parser = racegate_scenario::parse_duration)]
    budget: Option<Duration>,
    /// Go on until it is decided that CLAIM holds or does not, e.g.
    /// "incomplete_rate{gate=forum} < 1e-4 at 95%": with further seeds within the budget (sim), or
    /// from the run's own recordings where they share nothing (live) (repeatable)
    #[arg(long, value_name = "CLAIM")]
    until: Vec<String>,
    /// The run's folder [default: reports/<scenario>/<utc>-<seed>]
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Replace the run that is in the folder already
    #[arg(long, requires = "out")]
    force: bool,
    /// Live: keep the received audio in the run's folder (about 5 kB per second of call)
    #[arg(long)]
    keep_audio: bool,
    /// Live: threads that carry the media [default: all cores but one]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=64))]
    shards: Option<u16>,
    /// Live: WebRTC stack of softphones and ingest [default: the scenario's]
    #[arg(long, value_enum)]
    stack: Option<StackArg>,
    /// Save what the run showed as a baseline: baselines/NAME.json, to be committed
    #[arg(long, value_name = "NAME")]
    save_baseline: Option<String>,
    /// Compare the run with a baseline, as `racegate compare` does (exit 90 if it is worse)
    #[arg(long, value_name = "NAME")]
    baseline: Option<String>,
    #[command(flatten)]
    margins: MarginArgs,
    #[command(flatten)]
    output: OutputArgs,
    /// How much of the table to print: all, the answer with the expectations, or nothing
    #[arg(
        long,
        value_enum,
        value_name = "EXTENT",
        default_value = "full",
        conflicts_with = "json"
    )]
    summary: Extent,
    /// No progress and no notes on stderr, but for errors and the last line
    #[arg(long, short)]
    quiet: bool,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum EngineArg {
    Sim,
    Live,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum ArmsArg {
    Base,
    All,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum StackArg {
    Dense,
    Str0m,
    /// Softphones on the dense stack, ingest on str0m
    #[value(name = "dense/str0m")]
    DenseStr0m,
    /// Softphones on str0m, ingest on the dense stack
    #[value(name = "str0m/dense")]
    Str0mDense,
}

/// How long `--replications auto` may go on.
const BUDGET: Duration = Duration::from_secs(2);

impl RunArgs {
    /// Runs each scenario, reports, and judges its expectations; the worst ending counts.
    pub(super) fn run(self) -> Result<Exit, Exit> {
        let [_, second, ..] = self.scenarios.as_slice() else {
            return self.run_one(&self.scenarios[0]);
        };
        for (flag, value) in [
            ("--out", self.out.as_ref().map(|_| ())),
            ("--save-baseline", self.save_baseline.as_ref().map(|_| ())),
            ("--baseline", self.baseline.as_ref().map(|_| ())),
        ] {
            if value.is_some() {
                return Err(Exit::Usage(format!(
                    "{flag} is of one scenario; run {} by itself",
                    second.display()
                )));
            }
        }
        let mut worst = Exit::Done;
        for path in &self.scenarios {
            let exit = self.run_one(path).unwrap_or_else(|error| error);
            conclude(&exit);
            worst = worst.worse(exit);
            if matches!(worst, Exit::Interrupted(_)) {
                break;
            }
        }
        if worst.is_error() {
            Err(worst)
        } else {
            Ok(worst)
        }
    }

    fn run_one(&self, path: &Path) -> Result<Exit, Exit> {
        let overrides = self.overrides();
        let (mut scenario, source) = load(path, &overrides)?;
        select_gates(&mut scenario, &self.gates)?;
        add_claims(&mut scenario, &self.until)?;
        scenario.engine = self.engine.map_or(scenario.engine, EngineArg::engine);
        self.refuse_flags_of_the_other_engine(scenario.engine)?;
        let arms = self.arms();
        let tenants = tenants(&scenario, arms);
        refuse_coupled(&scenario, &tenants)?;
        Plan::of(&scenario).ensure_fits(scenario.engine)?;
        let folder = RunFolder::create(&NewRun {
            out: self.out.as_deref(),
            existing: if self.force {
                Existing::Replaced
            } else {
                Existing::Kept
            },
            scenario: &scenario,
            source: &source,
            overrides: &overrides,
            gates: &self.gates,
            until: &self.until,
            arms,
            engine: scenario.engine,
        })?;
        if self.notes() == Notes::Shown {
            note(&opening(&scenario, folder.path()));
        }
        let signals = Signals::listen().map_err(Exit::internal)?;
        let played = self.play(&scenario, &tenants, &folder, &signals)?;
        // Shown first: a full disk must not cost the user the numbers, nor a full stdout the files.
        let shown = show(&played.summary, self.output.output(), self.summary);
        write(&played, (&scenario, &tenants), &folder, Table::WhenShort)?;
        shown?;
        if self.notes() == Notes::Shown {
            note(&format!("report {}", folder.path().join(REPORT).display()));
        }
        self.hold_against_baselines(Exit::of(&played.summary), &folder)
    }

    /// Compares with the baseline asked for, and saves the one asked for.
    fn hold_against_baselines(&self, exit: Exit, folder: &RunFolder) -> Result<Exit, Exit> {
        if self.baseline.is_none() && self.save_baseline.is_none() {
            return Ok(exit);
        }
        let sample = baseline::of_folder(folder)?;
        let exit = match &self.baseline {
            None => exit,
            Some(name) => exit.worse(with_baseline(
                name,
                &sample,
                &self.margins,
                self.output.output(),
            )?),
        };
        if let Some(name) = &self.save_baseline {
            let path = baseline::save(&sample, name)?;
            note(&format!("baseline {}", path.display()));
        }
        Ok(exit)
    }

    fn play(
        &self,
        scenario: &Scenario,
        tenants: &[Tenant],
        folder: &RunFolder,
        signals: &Signals,
    ) -> Result<Played, Exit> {
        match scenario.engine {
            Engine::Sim => {
                let budget = self.budget.unwrap_or(BUDGET).as_nanos();
                let wanted = (
                    self.replications.unwrap_or(Replications::Auto),
                    std::time::Duration::from_nanos(budget),
                );
                engine::sim::run(scenario, tenants, folder, wanted, signals)
            }
            Engine::Live => {
                let options = LiveOptions {
                    arms: self.arms(),
                    keep_audio: self.keep_audio.then(|| folder.path().join(AUDIO)),
                    shards: self
                        .shards
                        .and_then(|shards| NonZeroUsize::new(shards.into())),
                };
                engine::live::run(scenario, tenants, folder, &options, self.notes(), signals)
            }
        }
    }

    /// Refuses flags that would do nothing with `engine`.
    fn refuse_flags_of_the_other_engine(&self, engine: Engine) -> Result<(), Exit> {
        let given = |is_given: bool, flag| is_given.then_some(flag);
        let flags: &[Option<&str>] = match engine {
            Engine::Sim => &[
                given(self.arms.is_some(), "--arms"),
                given(self.keep_audio, "--keep-audio"),
                given(self.shards.is_some(), "--shards"),
                given(self.stack.is_some(), "--stack"),
            ],
            Engine::Live => &[
                given(self.replications.is_some(), "--replications"),
                given(self.budget.is_some(), "--budget"),
            ],
        };
        let Some(flag) = flags.iter().flatten().next() else {
            return Ok(());
        };
        let (own, other) = match engine {
            Engine::Sim => ("sim", "live"),
            Engine::Live => ("live", "sim"),
        };
        Err(Exit::Usage(format!(
            "{flag} does nothing in a run with engine {own}; leave it out, or run with \
             `--engine {other}`"
        )))
    }

    fn arms(&self) -> Arms {
        self.arms.map_or(Arms::Base, ArmsArg::arms)
    }

    fn overrides(&self) -> Vec<Override> {
        let stack = self
            .stack
            .map(|stack| Override::of_flag("--stack", "workload.stack", stack.value()));
        self.change.overrides().into_iter().chain(stack).collect()
    }

    const fn notes(&self) -> Notes {
        if self.quiet {
            Notes::Hidden
        } else {
            Notes::Shown
        }
    }
}

impl EngineArg {
    const fn engine(self) -> Engine {
        match self {
            Self::Sim => Engine::Sim,
            Self::Live => Engine::Live,
        }
    }
}

impl ArmsArg {
    const fn arms(self) -> Arms {
        match self {
            Self::Base => Arms::Base,
            Self::All => Arms::All,
        }
    }
}

impl StackArg {
    /// What it sets `workload.stack` to.
    const fn value(self) -> &'static str {
        match self {
            Self::Dense => "\"dense\"",
            Self::Str0m => "\"str0m\"",
            Self::DenseStr0m => "{ softphones = \"dense\", ingest = \"str0m\" }",
            Self::Str0mDense => "{ softphones = \"str0m\", ingest = \"dense\" }",
        }
    }
}

/// Refuses a coupled platform live: there one service serves all tenants.
fn refuse_coupled(scenario: &Scenario, tenants: &[Tenant]) -> Result<(), Exit> {
    if scenario.engine == Engine::Sim {
        return Ok(());
    }
    let mut arms = tenants.iter().map(|tenant| &scenario.arms[tenant.arm]);
    let Some(arm) = arms.find(|arm| arm.is_coupled()) else {
        return Ok(());
    };
    Err(Exit::Scenario(format!(
        "arm `{}` has `platform.api.coupled = true`: there each gate has a platform of its own, \
         which only the simulator can give it; run with `--engine sim`, or with \
         `--set platform.api.coupled=false`",
        arm.name
    )))
}

fn opening(scenario: &Scenario, folder: &Path) -> String {
    let (seed, name) = (scenario.seed.0, &scenario.name);
    format!(
        "seed {seed} · {name} · engine {} · {}",
        scenario.engine.name(),
        folder.display()
    )
}
