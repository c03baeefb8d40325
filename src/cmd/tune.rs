//! `racegate tune`: the check schedule that suits a scenario's platform, or a trace.

use std::path::{Path, PathBuf};

use clap::Args;
use racegate_model::analysis::Exit;
use racegate_model::draws::Seed;
use racegate_model::scenario::Scenario;
use racegate_model::schedule::Price;

use super::change::ChangeArgs;
use crate::calibrate::{self, Columns, TraceOptions};
use crate::load::load;
use crate::output::{Output, OutputArgs, note, print};
use crate::report;
use crate::tune::lags::{self, Lags, Sizes};
use crate::tune::objective::{Constraint, Measure, Objective};
use crate::tune::race::{self, Raced};
use crate::tune::search::{Found, Mode, search};
use crate::tune::snippets::snippets;
use crate::tune::verify::verify;
use crate::tune::{self, certify};

/// Recordings to certify with, as a multiple of the fewest that could.
const CERTIFYING: u64 = 4;
const CERTIFYING_MAX: u64 = 200_000;

/// Arguments of `racegate tune`.
#[derive(Debug, Args)]
#[command(after_help = HELP)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of its own")]
pub(super) struct TuneArgs {
    /// A scenario (.toml), whose platform is simulated, or a trace as `racegate calibrate` takes it
    target: PathBuf,
    #[command(flatten)]
    change: ChangeArgs,
    /// What a call is worth: so much delay [default: 1s]
    #[arg(long, value_name = "DURATION")]
    price: Option<String>,
    /// Minimise this instead of delay plus calls at their price
    #[arg(long, value_name = "MEASURE")]
    minimise: Option<String>,
    /// What must hold, e.g. "abandoned_rate + incomplete_rate < 1e-3 at 95%" (repeatable)
    #[arg(long, value_name = "CONSTRAINT")]
    subject_to: Vec<String>,
    /// The least worst case over what the lag may also be
    #[arg(long)]
    robust: bool,
    /// Scenario: recordings to search on
    #[arg(long, value_name = "N", default_value_t = 4_000, value_parser = clap::value_parser!(u64).range(10..=1_000_000))]
    recordings: u64,
    /// Scenario: simulate the winner on fresh seeds and say whether the promise held
    #[arg(long)]
    verify: bool,
    /// Trace: which column means what, as for calibrate (repeatable)
    #[arg(long = "column", value_name = "ROLE=COLUMN")]
    columns: Vec<String>,
    /// Write tune.html, tune.json, gate.toml, pictures and snippets into this folder
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    #[command(flatten)]
    output: OutputArgs,
}

const HELP: &str = "\
Measures: calls_per_recording, regret_mean (delay after it is ready), added_delay_mean (from the
session's end), abandoned_rate, incomplete_rate. Without a constraint at most 0.1 % may be abandoned.
How it works and how to read it: docs/tuning.md";

impl TuneArgs {
    /// Searches, certifies, answers.
    pub(super) fn run(self) -> Result<Exit, Exit> {
        let objective = self.objective()?;
        let is_scenario = self
            .target
            .extension()
            .is_some_and(|ending| ending == "toml");
        let scenario = if is_scenario {
            Some(load(&self.target, &self.change.overrides())?.0)
        } else {
            None
        };
        let lags = self.lags(scenario.as_ref(), &objective)?;
        let mode = if self.robust {
            Mode::Robust
        } else {
            Mode::Nominal
        };
        let mut found = search(&lags, &objective, mode);
        let raced = match &scenario {
            Some(scenario) if race::is_coupled(scenario) => {
                race(scenario, &lags, &objective, &mut found)
            }
            _ => Vec::new(),
        };
        if let Some(folder) = &self.out {
            write(folder, &lags, &found, &raced)?;
            note(&format!("written to {}", folder.display()));
        }
        match self.output.output() {
            Output::Table => print(&tune::text(&lags, &found, &raced))?,
            Output::Json => print(&tune::json(&lags, &found, &raced).to_string())?,
        }
        self.verdict(scenario.as_ref(), &lags, &found)
    }

    fn objective(&self) -> Result<Objective, Exit> {
        let mut constraints = Vec::new();
        for text in &self.subject_to {
            constraints.push(Constraint::parse(text).map_err(Exit::Usage)?);
        }
        let price = match &self.price {
            None => None,
            Some(text) => {
                let wrong = |reason: String| Exit::Usage(format!("--price {text}: {reason}"));
                let duration = racegate_scenario::parse_duration(text).map_err(wrong)?;
                let price = Price::new(duration.as_secs_f64());
                Some(price.ok_or_else(|| wrong("a call must be worth something".to_owned()))?)
            }
        };
        let minimise = self.minimise.as_deref().map(Measure::parse).transpose();
        Ok(Objective {
            price,
            minimise: minimise.map_err(|error| Exit::Usage(format!("--minimise: {error}")))?,
            constraints,
        })
    }

    fn lags(&self, scenario: Option<&Scenario>, objective: &Objective) -> Result<Lags, Exit> {
        let nothing = || {
            Exit::Scenario(format!(
                "{}: there is no lag to tune on",
                self.target.display()
            ))
        };
        if let Some(scenario) = scenario {
            let bound = objective.abandoned_bound().unwrap_or(1e-3);
            let held_out = certify::needed(bound).unwrap_or(CERTIFYING_MAX);
            let lags = lags::of_scenario(
                scenario,
                Sizes {
                    searched: self.recordings,
                    held_out: held_out.saturating_mul(CERTIFYING).min(CERTIFYING_MAX),
                },
            );
            return if lags.recordings == 0 {
                Err(nothing())
            } else {
                Ok(lags)
            };
        }
        let mut columns = Columns::default();
        for assignment in &self.columns {
            columns.set(assignment).map_err(Exit::Usage)?;
        }
        let options = TraceOptions {
            columns,
            ..TraceOptions::default()
        };
        let trace = calibrate::read(&self.target, &options)
            .map_err(|error| Exit::Scenario(error.to_string()))?;
        let (lags, _) = lags::of_trace(trace, Seed(1)).ok_or_else(nothing)?;
        Ok(lags)
    }

    fn verdict(
        &self,
        scenario: Option<&Scenario>,
        lags: &Lags,
        found: &Found,
    ) -> Result<Exit, Exit> {
        if self.verify {
            let Some(scenario) = scenario else {
                return Err(Exit::Usage(
                    "--verify simulates a scenario; name one, with the [platform] table that \
                     `racegate calibrate` writes for a trace"
                        .to_owned(),
                ));
            };
            return Ok(verify(scenario, lags, found));
        }
        if found.broken.is_empty() {
            return Ok(Exit::Done);
        }
        Ok(Exit::Inconclusive(found.broken.join("; ")))
    }
}

/// Races the front in the simulator and takes the winner.
fn race(scenario: &Scenario, lags: &Lags, objective: &Objective, found: &mut Found) -> Vec<Raced> {
    let raced = race::race(scenario, lags, found);
    if let Some(winner) = raced.first() {
        found.choose(lags, objective, winner.fit);
    }
    raced
}

fn write(folder: &Path, lags: &Lags, found: &Found, raced: &[Raced]) -> Result<(), Exit> {
    let failed = |error: std::io::Error| Exit::Internal(format!("{}: {error}", folder.display()));
    std::fs::create_dir_all(folder).map_err(failed)?;
    let put = |name: &str, bytes: &[u8]| std::fs::write(folder.join(name), bytes).map_err(failed);
    let mut pictures = Vec::new();
    for chart in tune::pictures(lags, found) {
        let picture = report::chart(&chart).map_err(|error| Exit::Internal(error.to_string()))?;
        put(&format!("{}.svg", picture.name), picture.svg.as_bytes())?;
        put(&format!("{}.png", picture.name), &picture.png)?;
        pictures.push(picture);
    }
    put("tune.html", tune::page(lags, found, &pictures).as_bytes())?;
    let json = format!("{:#}\n", tune::json(lags, found, raced));
    put("tune.json", json.as_bytes())?;
    let table = tune::gate_table("tuned", &found.chosen, lags.reads);
    put("gate.toml", table.as_bytes())?;
    for snippet in snippets(&found.chosen) {
        put(snippet.file, snippet.code.as_bytes())?;
    }
    Ok(())
}
