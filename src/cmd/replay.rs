//! `racegate replay`: a repro run again, simulated bit for bit.

use std::path::PathBuf;

use clap::Args;
use racegate_model::analysis::Exit;
use racegate_model::outcome::OutcomeKind;
use racegate_model::repro::Played;
use racegate_scenario::{LoadError, Repro, read_repro_file};
use serde_json::json;

use crate::output::{Output, OutputArgs, color, note, print, print_json};

const AFTER_HELP: &str = "\
Exit code 0: the recording is exported complete; 90: it still fails.

  racegate replay reports/webrtc-spike/repro-ungated-minimal.toml";

/// Arguments of `racegate replay`.
#[derive(Debug, Args)]
#[command(after_help = AFTER_HELP)]
pub(super) struct ReplayArgs {
    /// The repro file
    repro: PathBuf,
    /// How often it is run
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    times: u32,
    #[command(flatten)]
    output: OutputArgs,
}

impl ReplayArgs {
    /// Runs the repro.
    pub(super) fn run(self) -> Result<Exit, Exit> {
        let repro = read_repro_file(&self.repro).map_err(not_read)?;
        self.simulate(&repro)
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
                "{failed} of {} times recording {} is not exported complete ({})\nhash {hash}{}",
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

fn not_read(error: LoadError) -> Exit {
    match error {
        LoadError::Scenario(mistakes) => Exit::Scenario(mistakes.render(color())),
        LoadError::File { .. } => Exit::Scenario(format!(
            "{error}\n  name a repro file; `racegate repro SCENARIO` writes one"
        )),
    }
}
