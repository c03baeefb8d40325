//! `racegate compare --trend`: at which of the runs of a folder a metric changed its level.

use std::path::{Path, PathBuf};

use racegate_model::analysis::Exit;
use racegate_model::compare::{Judgement, Margins, Sample, Trend, TrendChange, trend};

use super::compare::safe;
use crate::baseline;
use crate::store::RunFolder;

/// The trend along the runs that `names` name: runs, folders of runs, or baselines.
///
/// # Errors
/// When a name is no run, no folder of runs and no baseline.
pub(super) fn along(names: &[&str], margins: &Margins) -> Result<Trend, Exit> {
    let mut runs = Vec::new();
    for name in names {
        match runs_in(Path::new(name))? {
            Some(folders) => runs.extend(folders),
            None => runs.push(Run {
                started: String::new(),
                name: (*name).to_owned(),
                path: PathBuf::from(name),
            }),
        }
    }
    // Baselines do not say when they were made: they come first, in the order given.
    runs.sort_by(|a, b| a.started.cmp(&b.started));
    let mut notes = Vec::new();
    let mut samples: Vec<(String, Sample)> = Vec::new();
    for run in runs.iter().rev() {
        let sample = match baseline::read(&run.path.to_string_lossy()) {
            Ok(sample) => sample,
            Err(why @ (Exit::Invalid(_) | Exit::Usage(_))) => {
                notes.push(format!("left out: {}", why.reason()));
                continue;
            }
            Err(why) => return Err(why),
        };
        let newest = samples.first().map_or(&sample, |(_, newest)| newest);
        if (&sample.scenario, &sample.engine) != (&newest.scenario, &newest.engine) {
            notes.push(format!(
                "left out: {} is of {} ({}), the newest run of {} ({})",
                run.name, sample.scenario, sample.engine, newest.scenario, newest.engine
            ));
            continue;
        }
        samples.push((run.name.clone(), sample));
    }
    samples.reverse();
    notes.reverse();
    let versions = samples.windows(2).filter(|pair| {
        let (before, after) = (&pair[0].1, &pair[1].1);
        before.scenario_hash != after.scenario_hash || before.tool != after.tool
    });
    notes.extend(versions.map(|pair| {
        let run = &pair[1].0;
        format!("from {run} on, the scenario or the tool is of another version than before")
    }));
    let mut found = trend(&samples, margins);
    found.notes.extend(notes);
    Ok(found)
}

struct Run {
    started: String,
    name: String,
    path: PathBuf,
}

/// The runs of a folder, or the run that it is; none of what is no folder.
fn runs_in(path: &Path) -> Result<Option<Vec<Run>>, Exit> {
    if !path.is_dir() {
        return Ok(None);
    }
    let open = |path: PathBuf| {
        let folder = RunFolder::open(&path).ok()?;
        let name = path.file_name().unwrap_or(path.as_os_str());
        Some(Run {
            started: folder.stored().started.clone(),
            name: name.to_string_lossy().into_owned(),
            path,
        })
    };
    if let Some(run) = open(path.to_owned()) {
        return Ok(Some(vec![run]));
    }
    let failed = |error| Exit::internal(format!("{}: {error}", path.display()));
    let mut paths: Vec<PathBuf> = std::fs::read_dir(path)
        .map_err(failed)?
        .filter_map(|entry| Some(entry.ok()?.path()))
        .collect();
    paths.sort();
    let runs: Vec<Run> = paths.into_iter().filter_map(open).collect();
    if runs.is_empty() {
        return Err(Exit::Usage(format!(
            "{}: there is no run in this folder; name one whose folders hold a run.toml, as \
             reports/SCENARIO does",
            path.display()
        )));
    }
    Ok(Some(runs))
}

/// How the process is to end.
pub(super) fn exit_of(trend: &Trend) -> Exit {
    let worse = trend
        .changes
        .iter()
        .filter(|change| change.is_worse && change.is_last);
    match (trend.verdict, worse.clone().next()) {
        (Judgement::Worse, Some(first)) => Exit::Regression(format!(
            "{} of {} metrics got worse: {} from {} on",
            worse.count(),
            trend.series,
            first.series,
            first.run
        )),
        (Judgement::NotWorse, _) => Exit::Met(format!(
            "none of {} metrics got worse along {} runs",
            trend.series,
            trend.runs.len()
        )),
        (Judgement::Inconclusive | Judgement::Worse, _) => {
            Exit::Inconclusive(format!("{} runs are too few for a trend", trend.runs.len()))
        }
    }
}

const COLUMNS: [&str; 6] = ["change", "metric", "from run", "before", "after", "p"];

fn cells(change: &TrendChange) -> [String; 6] {
    let verdict = match (change.is_worse, change.is_last) {
        (true, true) => "worse",
        (true, false) => "worse, and changed again",
        (false, _) => "not worse than the margin",
    };
    [
        verdict.to_owned(),
        change.series.clone(),
        change.run.clone(),
        format!("{:.4}", change.before),
        format!("{:.4}", change.after),
        format!("{:.1e}", change.p),
    ]
}

fn opening(trend: &Trend) -> String {
    let ends = match (trend.runs.first(), trend.runs.last()) {
        (Some(first), Some(last)) => format!(", {first} to {last}"),
        _ => String::new(),
    };
    format!(
        "{} changes of {} metrics along {} runs{ends}",
        trend.changes.len(),
        trend.series,
        trend.runs.len()
    )
}

/// The trend as a table for people.
pub(super) fn text(trend: &Trend) -> String {
    let mut table = comfy_table::Table::new();
    table
        .load_style(comfy_table::presets::NOTHING)
        .set_header(COLUMNS);
    for change in &trend.changes {
        table.add_row(cells(change));
    }
    let notes: String = trend
        .notes
        .iter()
        .map(|note| format!("note: {note}\n"))
        .collect();
    let table = if trend.changes.is_empty() {
        String::new()
    } else {
        format!("\n{table}\n")
    };
    format!("{}\n{notes}{table}", opening(trend))
}

/// The trend as Markdown.
pub(super) fn markdown(trend: &Trend) -> String {
    let mut text = format!(
        "## racegate: {}\n\n{}: {}\n\n",
        trend.verdict.name(),
        safe(&trend.scenario),
        safe(&opening(trend))
    );
    for note in &trend.notes {
        text.push_str(&format!("- {}\n", safe(note)));
    }
    if !trend.changes.is_empty() {
        text.push_str(&format!("\n| {} |\n", COLUMNS.join(" | ")));
        text.push_str(&format!("| {} |\n", ["---"; COLUMNS.len()].join(" | ")));
    }
    for change in &trend.changes {
        let cells = cells(change).map(|cell| safe(&cell));
        text.push_str(&format!("| {} |\n", cells.join(" | ")));
    }
    text.push('\n');
    text
}
