//! `racegate compare`: whether runs are worse than a base, for CI.

use std::fs::OpenOptions;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use clap::Args;
use quick_junit::{NonSuccessKind, Report, TestCase, TestCaseStatus, TestSuite};
use racegate_model::analysis::Exit;
use racegate_model::compare::{Comparison, Judgement, Line, Margins, Sample, compare};

use super::trend;
use crate::baseline;
use crate::output::{Output, OutputArgs, note, print, print_json};

/// Arguments of `racegate compare`.
#[derive(Debug, Args)]
pub(super) struct CompareArgs {
    /// What is compared with: a run's folder, or a baseline by its name or file
    base: String,
    /// What is judged: folders of runs of one scenario, taken together
    #[arg(required_unless_present = "trend")]
    runs: Vec<String>,
    /// Say at which run a metric changed its level, along all runs named, the oldest first: runs, or
    /// folders of runs such as reports/SCENARIO; at least 11
    #[arg(long, conflicts_with = "junit")]
    trend: bool,
    #[command(flatten)]
    margins: MarginArgs,
    /// Append the verdicts as Markdown, e.g. to "$GITHUB_STEP_SUMMARY"
    #[arg(long, value_name = "FILE")]
    markdown: Option<PathBuf>,
    /// Write the verdicts as JUnit XML
    #[arg(long, value_name = "FILE")]
    junit: Option<PathBuf>,
    #[command(flatten)]
    output: OutputArgs,
}

/// How much worse is still good enough.
#[derive(Debug, Args)]
pub(super) struct MarginArgs {
    /// How much worse is good enough, e.g. incomplete_rate=0.5pp or added_delay_p95=10% (repeatable)
    #[arg(long = "margin", value_name = "METRIC=VALUE")]
    margins: Vec<String>,
}

impl MarginArgs {
    fn margins(&self) -> Result<Margins, Exit> {
        let mut margins = Margins::default();
        for margin in &self.margins {
            let refused = |error| Exit::Usage(format!("--margin: {error}"));
            margins.add(margin).map_err(refused)?;
        }
        Ok(margins)
    }
}

impl CompareArgs {
    /// Compares, shows the verdicts, and says which is the worst.
    pub(super) fn run(self) -> Result<Exit, Exit> {
        let margins = self.margins.margins()?;
        if self.trend {
            return self.show_trend(&margins);
        }
        let base = baseline::read(&self.base)?;
        let mut runs = self.runs.iter().map(|name| (name, baseline::read(name)));
        let (_, first) = runs.next().expect("clap insists on one");
        let mut run = first?;
        for (name, other) in runs {
            let refused = |error| Exit::Usage(format!("{name}: {error}"));
            run.add(&other?).map_err(refused)?;
        }
        let comparison = compare(&base, &run, &margins);
        match self.output.output() {
            Output::Table => print(&text(&comparison))?,
            Output::Json => print_json(&comparison)?,
        }
        self.write_markdown(&markdown(&comparison))?;
        if let Some(path) = &self.junit {
            let xml = junit(&comparison).map_err(Exit::internal)?;
            let mut how = OpenOptions::new();
            write(path, &xml, how.write(true).truncate(true))?;
        }
        Ok(exit_of(&comparison))
    }

    fn show_trend(&self, margins: &Margins) -> Result<Exit, Exit> {
        let names: Vec<&str> = std::iter::once(&self.base)
            .chain(&self.runs)
            .map(String::as_str)
            .collect();
        let found = trend::along(&names, margins)?;
        match self.output.output() {
            Output::Table => print(&trend::text(&found))?,
            Output::Json => print_json(&found)?,
        }
        self.write_markdown(&trend::markdown(&found))?;
        Ok(trend::exit_of(&found))
    }

    fn write_markdown(&self, text: &str) -> Result<(), Exit> {
        self.markdown.as_ref().map_or(Ok(()), |path| {
            let mut how = OpenOptions::new();
            write(path, text, how.append(true))
        })
    }
}

/// Compares a run that has just ended with the baseline `name`; stdout is the summary's alone
/// where that is JSON.
pub(super) fn with_baseline(
    name: &str,
    run: &Sample,
    margins: &MarginArgs,
    output: Output,
) -> Result<Exit, Exit> {
    let comparison = compare(&baseline::read(name)?, run, &margins.margins()?);
    let table = text(&comparison);
    match output {
        Output::Table => print(&table)?,
        Output::Json => note(&table),
    }
    Ok(exit_of(&comparison))
}

fn write(path: &Path, text: &str, how: &mut OpenOptions) -> Result<(), Exit> {
    let written = how
        .create(true)
        .open(path)
        .and_then(|mut file| file.write_all(text.as_bytes()));
    written.map_err(|error| Exit::Internal(format!("cannot write {} ({error})", path.display())))
}

fn exit_of(comparison: &Comparison) -> Exit {
    let of = |verdict| {
        comparison
            .lines
            .iter()
            .filter(move |line| line.verdict == verdict)
    };
    let count = of(comparison.verdict).count();
    let all = comparison.lines.len();
    let first = of(comparison.verdict)
        .next()
        .map_or("", |line| line.series.as_str());
    match comparison.verdict {
        Judgement::Worse => Exit::Regression(format!("{count} of {all} metrics worse: {first}")),
        Judgement::Inconclusive if count == 0 => {
            Exit::Inconclusive("not everything that the base has was compared".to_owned())
        }
        Judgement::Inconclusive => {
            Exit::Inconclusive(format!("{count} of {all} metrics inconclusive: {first}"))
        }
        Judgement::NotWorse => Exit::Met(format!("all {all} metrics not worse than the margin")),
    }
}

/// A number in four digits; nothing where there is none.
fn number(value: Option<f64>) -> String {
    value.map_or_else(String::new, |value| format!("{value:.4}"))
}

fn bounds(line: &Line) -> String {
    let side = |bound: Option<f64>| bound.map_or_else(|| "?".to_owned(), |at| format!("{at:+.4}"));
    format!("[{}, {}]", side(line.low), side(line.high))
}

fn cells(line: &Line) -> [String; 8] {
    [
        line.verdict.name().to_owned(),
        line.series.clone(),
        number(line.base),
        number(line.run),
        bounds(line),
        format!("{:.4}", line.margin),
        format!("{} ({})", line.method.name(), line.units),
        line.note.clone().unwrap_or_default(),
    ]
}

const COLUMNS: [&str; 8] = [
    "verdict",
    "metric",
    "base",
    "run",
    "difference, 95 % bounds",
    "margin",
    "by",
    "note",
];

fn text(comparison: &Comparison) -> String {
    let mut table = comfy_table::Table::new();
    table
        .load_style(comfy_table::presets::NOTHING)
        .set_header(COLUMNS);
    for line in &comparison.lines {
        table.add_row(cells(line));
    }
    let notes: String = comparison
        .notes
        .iter()
        .map(|note| format!("note: {note}\n"))
        .collect();
    format!("{}\n{notes}\n{table}", comparison.pairing)
}

/// What a cell of a Markdown table can hold.
pub(super) fn safe(text: &str) -> String {
    text.replace('|', "\\|")
        .replace(['\n', '\r'], " ")
        .replace('<', "&lt;")
}

fn markdown(comparison: &Comparison) -> String {
    let row = |cells: Vec<String>| format!("| {} |\n", cells.join(" | "));
    let mut text = format!(
        "## racegate: {}\n\n{}, {}\n\n",
        comparison.verdict.name(),
        safe(&comparison.run.scenario),
        comparison.pairing
    );
    for note in &comparison.notes {
        text.push_str(&format!("- {}\n", safe(note)));
    }
    text.push('\n');
    text.push_str(&row(COLUMNS.map(str::to_owned).to_vec()));
    text.push_str(&row(vec!["---".to_owned(); COLUMNS.len()]));
    for line in &comparison.lines {
        text.push_str(&row(cells(line).iter().map(|cell| safe(cell)).collect()));
    }
    text.push('\n');
    text
}

fn junit(comparison: &Comparison) -> Result<String, quick_junit::SerializeError> {
    let mut suite = TestSuite::new(format!("compare {}", comparison.run.scenario));
    for line in &comparison.lines {
        let mut status = match line.verdict {
            Judgement::NotWorse => TestCaseStatus::success(),
            Judgement::Worse => TestCaseStatus::non_success(NonSuccessKind::Failure),
            Judgement::Inconclusive => TestCaseStatus::non_success(NonSuccessKind::Error),
        };
        if line.verdict != Judgement::NotWorse {
            status.set_type(line.verdict.name());
            status.set_message(cells(line)[2..].join("; "));
        }
        let mut case = TestCase::new(line.series.as_str(), status);
        case.set_classname(format!("racegate.compare.{}", comparison.run.scenario));
        suite.add_test_case(case);
    }
    let mut report = Report::new("racegate compare");
    report.add_test_suite(suite);
    report.to_string()
}
