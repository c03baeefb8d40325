//! `racegate-bench doubt`: how often what racegate prints as a 95 % interval covers what is true.

mod coverage;

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use clap::Args;
use racegate::output::{note, print};
use racegate_model::analysis::{Exit, Replicates};
use racegate_model::scenario::Scenario;
use racegate_scenario::{Color, Source, parse};

use coverage::Rows;

/// Seeds behind an interval of a simulated run.
const SIM: usize = 20;
/// Simulated seeds behind an interval of a live run.
const LIVE: usize = 50;
/// What encloses the tables in a document.
const MARKS: (&str, &str) = ("<!-- doubt: begin -->", "<!-- doubt: end -->");

const SPIKE: &str = include_str!("../../../scenarios/webrtc-spike.toml");
const MM1: &str = include_str!("mm1.toml");
const INDEPENDENT: &str = include_str!("independent.toml");

/// Arguments of `racegate-bench doubt`.
#[derive(Debug, Args)]
pub(crate) struct DoubtArgs {
    /// Seeds that are simulated of each scenario; what is true is their mean
    #[arg(long, value_name = "N", default_value_t = 800, value_parser = clap::value_parser!(u64).range(100..=100_000))]
    seeds: u64,
    /// Groups of them whose intervals are judged
    #[arg(long, value_name = "N", default_value_t = 400, value_parser = clap::value_parser!(u64).range(1..=100_000))]
    groups: u64,
    /// Also writes the tables between the marks of this document, e.g. BIAS.md
    #[arg(long, value_name = "FILE")]
    write: Option<PathBuf>,
}

impl DoubtArgs {
    /// Measures, prints the tables, and writes them where they belong.
    pub(crate) fn run(&self) -> Result<Exit, Exit> {
        let text = self.tables()?;
        print(&text)?;
        if let Some(path) = &self.write {
            write(path, &text)?;
        }
        Ok(Exit::Done)
    }

    fn tables(&self) -> Result<String, Exit> {
        let mut text = format!(
            "{} groups of seeds drawn from {} per scenario; what is true is the mean over all of \
             them. A *rate of a rare event* is one of which some groups see no event at all; its \
             intervals and bounds are judged together. At a threshold equal to the truth, an \
             expectation is decided as often as its interval does not cover.\n\n| scenario | 95 % interval of | intervals | cover | worst series |\n\
             | --- | --- | --: | --: | --- |\n",
            self.groups, self.seeds
        );
        note("webrtc-spike");
        let spike = coverage::simulate(&scenario("webrtc-spike.toml", SPIKE)?, self.seeds);
        let name = format!("webrtc-spike, {SIM} seeds");
        table(
            &mut text,
            &name,
            &coverage::replicated(&spike, SIM, self.groups),
        );
        let name = format!("webrtc-spike, live, {LIVE} seeds");
        table(&mut text, &name, &coverage::live(&spike, LIVE, self.groups));
        note("M/M/1");
        let mm1 = coverage::simulate(&scenario("mm1.toml", MM1)?, self.seeds);
        let name = format!("M/M/1 at 0.8, {SIM} seeds");
        table(
            &mut text,
            &name,
            &coverage::replicated(&mm1, SIM, self.groups),
        );
        let long = scenario("mm1.toml", &MM1.replace("750s", "7500s"))?;
        let blocks = coverage::single(&coverage::summaries(&long, self.groups / 2 + 2));
        table(
            &mut text,
            "M/M/1 at 0.8, ten times as long, blocks",
            &blocks,
        );
        note("independent");
        let independent = scenario("independent.toml", INDEPENDENT)?;
        let single = coverage::single(&coverage::summaries(&independent, self.groups));
        table(&mut text, "independent recordings, one run", &single);
        let _ = writeln!(text, "\n{}", twins(&spike));
        Ok(text)
    }
}

fn scenario(name: &str, text: &str) -> Result<Scenario, Exit> {
    parse(&Source::new(name, text), &[])
        .map_err(|mistakes| Exit::Scenario(mistakes.render(Color::Never)))
}

fn table(text: &mut String, scenario: &str, rows: &Rows) {
    for (kind, row) in rows {
        let worst = row.worst().map_or_else(String::new, |(name, share)| {
            format!("{:.1} % `{name}`", 100.0 * share)
        });
        // Writing to a string does not fail.
        let _ = writeln!(
            text,
            "| {scenario} | {kind} | {} | {:.1} % | {worst} |",
            row.intervals(),
            100.0 * row.coverage()
        );
    }
}

/// Two gates of the main scenario do the same under different names: they differ by nothing.
fn twins(spike: &Replicates) -> String {
    let of = |gate: &str| spike.get(&format!("incomplete_rate{{gate={gate}}}"));
    let (one, other) = (of("ungated"), of("webhook"));
    let values = |column: Option<&racegate_model::analysis::Column>| {
        column
            .map(|column| column.values.clone())
            .unwrap_or_default()
    };
    let (one, other) = (values(one), values(other));
    let apart = one.iter().zip(&other).filter(|(a, b)| a != b).count();
    format!(
        "`ungated` and `webhook` of webrtc-spike do the same under different names: their rates \
         differ in {apart} of {} seeds.",
        one.len()
    )
}

fn write(path: &Path, tables: &str) -> Result<(), Exit> {
    let failed =
        |error: &dyn std::fmt::Display| Exit::internal(format!("{}: {error}", path.display()));
    let text = std::fs::read_to_string(path).map_err(|error| failed(&error))?;
    let cut = text.split_once(MARKS.0).and_then(|(before, rest)| {
        let (_, after) = rest.split_once(MARKS.1)?;
        Some((before, after))
    });
    let Some((before, after)) = cut else {
        let (begin, end) = MARKS;
        return Err(failed(&format!(
            "has no lines `{begin}` and `{end}` to write between"
        )));
    };
    let text = format!(
        "{before}{}\n\n{}\n{}{after}",
        MARKS.0,
        tables.trim_end(),
        MARKS.1
    );
    std::fs::write(path, text).map_err(|error| failed(&error))
}
