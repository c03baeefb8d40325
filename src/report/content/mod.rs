//! From a summary to the blocks of a report.

mod answer;
mod gates;
mod live;
mod platform;

use racegate_model::summary::{ExpectationResult, Method, Summary, Verdict};

use super::document::{Block, Cell, Column, Document, Severity, Table, Tone, VerdictLine};
use super::{doubt, human};

/// The whole report.
pub(super) fn document(summary: &Summary) -> Document {
    let mut blocks = head(summary);
    blocks.extend(answer(summary));
    blocks.extend(expectations(summary));
    blocks.extend(load(summary));
    blocks.push(Block::Picture("race-over-time"));
    blocks.push(Block::Picture("loss-and-delay"));
    for arm in arms(summary) {
        blocks.extend(gates::blocks(summary, arm));
        blocks.extend(platform::blocks(summary, arm));
    }
    blocks.push(Block::Picture("incomplete-rate"));
    blocks.push(Block::Picture("added-delay-cdf"));
    blocks.extend(live::blocks(summary));
    let doubts = doubt::doubts(summary);
    if !doubts.is_empty() {
        blocks.push(Block::Heading("Warnings".to_owned()));
        blocks.push(Block::Doubts(doubts));
    }
    blocks.push(Block::Heading("Run".to_owned()));
    blocks.push(Block::Text(Cell::faint(hashes(summary))));
    blocks.push(Block::Text(ending(summary)));
    Document {
        title: format!("{} · racegate", summary.scenario),
        blocks,
    }
}

/// The arms, in the order of the summary.
pub(super) fn arms(summary: &Summary) -> Vec<&str> {
    let names = summary.gates.iter().map(|gate| &gate.arm);
    let mut arms: Vec<&str> = Vec::new();
    for arm in names.chain(summary.platform.iter().map(|platform| &platform.arm)) {
        if !arms.contains(&arm.as_str()) {
            arms.push(arm);
        }
    }
    arms
}

/// The name of a section, with the arm if there are several.
fn heading(summary: &Summary, name: &str, arm: &str) -> Block {
    let text = if arms(summary).len() > 1 {
        format!("{name} · arm {arm}")
    } else {
        name.to_owned()
    };
    Block::Heading(text)
}

fn head(summary: &Summary) -> Vec<Block> {
    let mut blocks = vec![Block::Text(Cell::plain(format!(
        "{} · {} · {} · seed {}",
        summary.tool, summary.scenario, summary.engine, summary.seed
    )))];
    if !summary.description.is_empty() {
        blocks.push(Block::Text(Cell::faint(summary.description.clone())));
    }
    for doubt in doubt::doubts(summary) {
        if doubt.severity == Severity::Invalid {
            let text = format!("INVALID: {}", doubt.reason);
            blocks.push(Block::Text(Cell::new(text, "", Tone::Bad)));
        }
    }
    if summary.interrupted {
        blocks.push(Block::Text(Cell::new(
            "interrupted: the run was cut short",
            "",
            Tone::Doubtful,
        )));
    }
    let mut counts = vec![human::counted(summary.recordings, "recording")];
    if summary.warmup_recordings > 0 {
        counts.push(format!(
            "{} more in the warm-up, not counted",
            human::count(summary.warmup_recordings)
        ));
    }
    if summary.not_established > 0 {
        counts.push(format!(
            "{} not established",
            human::count(summary.not_established)
        ));
    }
    counts.push(human::seconds(summary.duration_s));
    blocks.push(Block::Text(Cell::faint(counts.join(" · "))));
    blocks.extend(spoken_of(summary).map(|text| Block::Text(Cell::faint(text))));
    blocks
}

/// What the estimates speak of, unless one run's recordings do by themselves.
fn spoken_of(summary: &Summary) -> Option<String> {
    let shared = summary.sharing.name();
    let runs = summary.replications;
    match summary.method {
        Method::Independent | Method::OneSided => None,
        Method::Replications => Some(format!(
            "Recordings share {shared}: rates, means and quantiles are means of {runs} seeds, \
             intervals from between them. Counts, causes, pictures and recordings.csv are of the \
             run of seed {} itself; replications.json has the values of all.",
            summary.seed
        )),
        Method::Model => Some(format!(
            "Recordings share {shared}, so one live run is one draw: intervals are its values ± t × \
             the deviation between {runs} simulated seeds."
        )),
        Method::Blocks => Some(format!(
            "Recordings share {shared}, and one run speaks for all seeds: intervals from its \
             blocks of neighbours. A spike is one observation; use `--replications 20`."
        )),
    }
}

/// The answer first: what was asked, what came out, which gate to take.
fn answer(summary: &Summary) -> Vec<Block> {
    let said = answer::sentences(summary).into_iter();
    let heading = Block::Heading("Answer".to_owned());
    std::iter::once(heading)
        .chain(said.map(|sentence| Block::Text(Cell::plain(sentence))))
        .collect()
}

fn load(summary: &Summary) -> Vec<Block> {
    if summary.phases.is_empty() {
        return Vec::new();
    }
    vec![
        Block::Heading("Load".to_owned()),
        Block::Table(phases(summary)),
    ]
}

/// The answer, the expectations and one table: for the step summary of a CI job.
pub(super) fn digest(summary: &Summary) -> Document {
    let mut blocks = answer(summary);
    blocks.extend(expectations(summary));
    if let Some(arm) = arms(summary).first() {
        let tables = gates::blocks(summary, arm).into_iter();
        // The heading, what the table says, and the table of outcomes.
        blocks.extend(tables.take(3));
    }
    Document {
        title: format!("{} · racegate", summary.scenario),
        blocks,
    }
}

fn phases(summary: &Summary) -> Table {
    let rows = summary.phases.iter().map(|phase| {
        let rate = match phase.rate_per_s {
            None => "as slots free".to_owned(),
            Some((from, to)) if (from - to).abs() < 1e-9 => format!("{}/s", human::number(from)),
            Some((from, to)) => format!("{}–{}/s", human::number(from), human::number(to)),
        };
        vec![
            Cell::plain(phase.name.clone()),
            Cell::plain(human::moment(phase.start_s)),
            Cell::plain(human::moment(phase.end_s)),
            Cell::plain(rate),
            Cell::plain(human::count(phase.ended)),
        ]
    });
    Table {
        columns: vec![
            Column::left("phase"),
            Column::right("from"),
            Column::right("to"),
            Column::right("arrivals"),
            Column::right("recordings ended"),
        ],
        stub: 1,
        rows: rows.collect(),
    }
}

fn expectations(summary: &Summary) -> Vec<Block> {
    if summary.expect.is_empty() {
        return Vec::new();
    }
    let met = summary
        .expect
        .iter()
        .filter(|one| one.verdict == Verdict::Pass)
        .count();
    let lines = summary.expect.iter().map(verdict_line).collect();
    vec![
        Block::Heading(format!(
            "Expectations: {met} of {} met",
            summary.expect.len()
        )),
        Block::Verdicts(lines),
    ]
}

/// An expectation in words.
pub(super) fn verdict_line(result: &ExpectationResult) -> VerdictLine {
    let observed = result
        .observed
        .map(|interval| human::observed(&result.expression, interval))
        .unwrap_or_default();
    VerdictLine {
        verdict: result.verdict,
        expression: result.expression.clone(),
        observed,
        note: result.note.clone().unwrap_or_default(),
    }
}

fn hashes(summary: &Summary) -> String {
    match &summary.history_hash {
        Some(hash) => format!("history hash {hash} · plan hash {}", summary.plan_hash),
        None => format!("plan hash {}", summary.plan_hash),
    }
}

/// The last line: what the process exits with, and the seed once more.
fn ending(summary: &Summary) -> Cell {
    let (meaning, tone) = match summary.exit_code {
        0 => ("all expectations met", Tone::Good),
        1 => ("internal failure", Tone::Bad),
        90 => ("regression", Tone::Bad),
        91 => ("inconclusive", Tone::Doubtful),
        92 => ("run invalid", Tone::Bad),
        93 => ("an expectation had no samples", Tone::Doubtful),
        99 => ("an expectation failed", Tone::Bad),
        105 => ("interrupted", Tone::Doubtful),
        _ => ("", Tone::Plain),
    };
    let meaning = if meaning.is_empty() {
        String::new()
    } else {
        format!(" ({meaning})")
    };
    Cell::new(
        format!(
            "exit code {}{meaning} · seed {}",
            summary.exit_code, summary.seed
        ),
        "",
        tone,
    )
}
