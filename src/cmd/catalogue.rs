//! `racegate catalogue`: simulates every scenario of a folder and writes what each one showed, as
//! the Markdown table of `scenarios/README.md`.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use clap::Args;
use racegate_model::analysis::{Accumulator, Doubt, Exit, Replicates, Sharing, Tenant};
use racegate_model::scenario::{Engine, Scenario};
use racegate_model::summary::{ExpectationResult, GateSummary, Summary, Verdict};

use crate::engine::seeds::{RUNS_MIN, Seeds};
use crate::load::{context, load};
use crate::output::{note, print};

/// Arguments of `racegate catalogue`.
#[derive(Debug, Args)]
pub(super) struct CatalogueArgs {
    /// The folder
    folder: PathBuf,
}

impl CatalogueArgs {
    /// Simulates the scenarios and prints the table; exits as the worst of them would.
    pub(super) fn run(self) -> Result<Exit, Exit> {
        let (text, count, worst) = table(&self.folder)?;
        print(&text)?;
        note(&format!("{count} scenarios; the worst of them:"));
        Ok(worst)
    }
}

/// The table, the number of scenarios, and the worst exit among them.
fn table(folder: &Path) -> Result<(String, usize, Exit), Exit> {
    let mut text = String::from(HEAD);
    let mut worst: Option<Exit> = None;
    let mut count = 0;
    for path in scenarios(folder)? {
        let (mut scenario, source) = load(&path, &[])?;
        scenario.engine = Engine::Sim;
        let summary = simulate(&scenario)?;
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        section(&mut text, &name, &claim(&source.text), &summary);
        count += 1;
        let exit = Exit::of(&summary);
        worst = Some(match worst {
            Some(worst) => worst.worse(exit),
            None => exit,
        });
    }
    let nothing = || Exit::internal(format!("{}: no scenario there", folder.display()));
    Ok((text, count, worst.ok_or_else(nothing)?))
}

const HEAD: &str = "\
# Scenarios

Each file is an experiment: a claim about why exports come out incomplete, the mechanism that would
make it true, and what must be seen. Arms and gates of one file meet the same recordings. This page
is written by `racegate catalogue scenarios`: means of twenty simulated seeds from each file's own
on, or, where recordings share neither queue nor job, its own run.

`c` files test a claim of the two threads, `r` files a row of the catalogue of symptoms, `x` files
what none of them names, `g` files compare gates. Of the catalogue row 1 is webrtc-spike, row 2 c17, row 6 c16 and r12, and
row 20 c19. Row 15 (stop and start of a recording, 409) has no file: the model has no controls of a
recording in progress, every session is recorded from its beginning to its end.

";

fn scenarios(folder: &Path) -> Result<Vec<PathBuf>, Exit> {
    let unreadable =
        |error: std::io::Error| Exit::internal(format!("{}: {error}", folder.display()));
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(unreadable)? {
        let path = entry.map_err(unreadable)?.path();
        if path
            .extension()
            .is_some_and(|extension| extension == "toml")
        {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}

/// The scenario's own run, and twenty seeds where recordings share something: as many on every
/// machine.
fn simulate(scenario: &Scenario) -> Result<Summary, Exit> {
    let tenants = Tenant::all(scenario);
    let mut accumulator = Accumulator::new(scenario, context(scenario, tenants.clone()));
    racegate_model::sim::run(scenario, &mut accumulator);
    let mut summary = accumulator.summary();
    let sharing = Sharing::of(scenario);
    if sharing.is_some() {
        let mut all = Replicates::new(sharing);
        all.push(accumulator.replicate());
        Seeds::new(scenario, &tenants).fill(&mut all, RUNS_MIN)?;
        summary.speak_of_seeds(scenario, Doubt::Replicated(&all));
    }
    Ok(summary)
}

/// The comment that a scenario begins with: the claim, its source, what it shows.
fn claim(text: &str) -> String {
    let lines = text.lines().skip_while(|line| line.starts_with("#:"));
    let comment = lines.take_while(|line| line.starts_with('#'));
    let words = comment.map(|line| line.trim_start_matches('#').trim());
    words.collect::<Vec<_>>().join("\n")
}

fn section(text: &mut String, file: &str, claim: &str, summary: &Summary) {
    let about = if claim.is_empty() {
        &summary.description
    } else {
        claim
    };
    // Writing to a string does not fail.
    let _ = writeln!(text, "## [{file}]({file})\n\n{about}\n");
    let _ = writeln!(
        text,
        "| expected | observed | verdict |\n| --- | --- | --- |"
    );
    for result in &summary.expect {
        let _ = writeln!(text, "{}", row(result));
    }
    let gates = summary
        .gates
        .iter()
        .map(complete)
        .collect::<Vec<_>>()
        .join(", ");
    let _ = writeln!(text, "\nComplete under: {gates}.\n");
}

fn row(result: &ExpectationResult) -> String {
    let observed = result.observed.map_or_else(
        || "–".to_owned(),
        |seen| format!("{:.4} [{:.4}, {:.4}]", seen.estimate, seen.low, seen.high),
    );
    let verdict = match result.verdict {
        Verdict::Pass => "pass",
        Verdict::Fail => "**fail**",
        Verdict::Inconclusive => "inconclusive",
        Verdict::NoSamples => "no samples",
        Verdict::NotRun => "not run",
    };
    format!("| `{}` | {observed} | {verdict} |", result.expression)
}

fn complete(gate: &GateSummary) -> String {
    let share = gate.total.complete_rate.estimate * 100.0;
    let in_flight = match gate.total.outcomes.in_flight {
        0 => String::new(),
        waiting => format!(" (and {waiting} in flight, which count in no rate)"),
    };
    format!("{}/{} {share:.1} %{in_flight}", gate.arm, gate.name)
}
