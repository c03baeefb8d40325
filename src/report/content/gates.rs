//! What became of the recordings under each gate of an arm, and what the gate cost.

use racegate_model::outcome::OutcomeKind;
use racegate_model::summary::{DelaySummary, GateSummary, OutcomeSummary, Summary};

use super::super::document::{Block, Cell, Column, Table, Tone};
use super::super::human;

/// The tables of an arm.
pub(super) fn blocks(summary: &Summary, arm: &str) -> Vec<Block> {
    let gates: Vec<&GateSummary> = summary
        .gates
        .iter()
        .filter(|gate| gate.arm == arm)
        .collect();
    if gates.is_empty() {
        return Vec::new();
    }
    let mut blocks = vec![
        super::heading(summary, "Gates", arm),
        Block::Subheading("Outcomes, % of ended recordings [95 % interval]".to_owned()),
        Block::Table(outcomes(summary, &gates)),
    ];
    if let Some(absent) = absent(&gates) {
        blocks.push(Block::Text(Cell::faint(absent)));
    }
    let longest = gates
        .iter()
        .map(|gate| gate.added_delay.p99_s)
        .fold(0.0, f64::max);
    let unit = human::unit(longest);
    blocks.extend([
        Block::Subheading(format!(
            "Added delay, session end to export, p50/p95/p99 in {}",
            unit.name
        )),
        Block::Table(delays(summary, &gates, unit)),
        Block::Subheading("API calls of the gate per recording [± standard error]".to_owned()),
        Block::Table(calls(summary, &gates)),
        Block::Subheading("Costs over the whole run".to_owned()),
        Block::Table(costs(&gates)),
    ]);
    if gates
        .iter()
        .any(|gate| !gate.causes.is_empty() || !gate.missing.is_empty())
    {
        blocks.push(Block::Subheading(
            "Why recordings were not complete".to_owned(),
        ));
        blocks.push(Block::Table(causes(&gates)));
    }
    blocks
}

fn settled(total: &OutcomeSummary) -> u64 {
    total.recordings.saturating_sub(total.outcomes.in_flight)
}

/// Whether a row of that outcome is worth its place: the two that matter always are.
fn shown(gate: &GateSummary, outcome: OutcomeKind) -> bool {
    matches!(outcome, OutcomeKind::Complete | OutcomeKind::Incomplete)
        || gate.total.outcomes.of(outcome) > 0
}

/// Columns of a table by phase, after the given ones.
fn by_phase(summary: &Summary, first: Vec<Column>) -> Vec<Column> {
    let phases = summary
        .phases
        .iter()
        .map(|phase| Column::right(phase.name.clone()));
    first
        .into_iter()
        .chain([Column::right("whole run")])
        .chain(phases)
        .collect()
}

fn outcomes(summary: &Summary, gates: &[&GateSummary]) -> Table {
    let mut rows = Vec::new();
    for gate in gates {
        let mut name = gate.name.as_str();
        for outcome in OutcomeKind::ALL
            .into_iter()
            .filter(|outcome| shown(gate, *outcome))
        {
            let mut row = vec![Cell::plain(name), Cell::faint(outcome.name())];
            row.push(rate(&gate.total, outcome));
            row.extend(summary.phases.iter().map(|phase| {
                gate.phases
                    .get(&phase.name)
                    .map_or_else(|| Cell::faint("–"), |slice| rate(&slice.total, outcome))
            }));
            rows.push(row);
            name = "";
        }
    }
    let first = vec![Column::left("gate"), Column::left("outcome")];
    Table {
        columns: by_phase(summary, first),
        stub: 2,
        rows,
    }
}

fn rate(total: &OutcomeSummary, outcome: OutcomeKind) -> Cell {
    if settled(total) == 0 {
        return Cell::faint("–");
    }
    let rate = total.rate(outcome);
    let none = total.outcomes.of(outcome) == 0;
    let tone = if none {
        Tone::Faint
    } else {
        Tone::Outcome(outcome)
    };
    Cell::new(
        human::percent_number(rate.estimate),
        human::percent_interval(rate),
        tone,
    )
}

/// Names the outcomes that no gate had.
fn absent(gates: &[&GateSummary]) -> Option<String> {
    let names: Vec<&str> = OutcomeKind::ALL
        .into_iter()
        .filter(|outcome| !gates.iter().any(|gate| shown(gate, *outcome)))
        .map(OutcomeKind::name)
        .collect();
    let (last, others) = names.split_last()?;
    let listed = match others {
        [] => (*last).to_owned(),
        _ => format!("{} or {last}", others.join(", ")),
    };
    Some(format!("No recording was {listed}."))
}

fn delays(summary: &Summary, gates: &[&GateSummary], unit: human::Unit) -> Table {
    let rows = gates.iter().map(|gate| {
        let mut row = vec![
            Cell::plain(gate.name.clone()),
            quantiles(&gate.added_delay, unit),
        ];
        row.extend(summary.phases.iter().map(|phase| {
            gate.phases.get(&phase.name).map_or_else(
                || Cell::faint("–"),
                |slice| quantiles(&slice.added_delay, unit),
            )
        }));
        row
    });
    Table {
        columns: by_phase(summary, vec![Column::left("gate")]),
        stub: 1,
        rows: rows.collect(),
    }
}

/// Three quantiles in one cell.
pub(super) fn quantiles(delay: &DelaySummary, unit: human::Unit) -> Cell {
    if delay.count == 0 {
        return Cell::faint("–");
    }
    Cell::plain(human::times(&[delay.p50_s, delay.p95_s, delay.p99_s], unit))
}

fn calls(summary: &Summary, gates: &[&GateSummary]) -> Table {
    let rows = gates.iter().map(|gate| {
        let error = match gate.calls_per_recording {
            0.0 => String::new(),
            _ => format!("± {}", human::number(gate.calls_per_recording_se)),
        };
        let total = Cell::new(human::number(gate.calls_per_recording), error, Tone::Plain);
        let mut row = vec![Cell::plain(gate.name.clone()), total];
        row.extend(summary.phases.iter().map(|phase| {
            gate.phases.get(&phase.name).map_or_else(
                || Cell::faint("–"),
                |slice| Cell::plain(human::number(slice.calls_per_recording)),
            )
        }));
        row
    });
    Table {
        columns: by_phase(summary, vec![Column::left("gate")]),
        stub: 1,
        rows: rows.collect(),
    }
}

fn costs(gates: &[&GateSummary]) -> Table {
    let rows = gates.iter().map(|gate| {
        let throttled = if gate.throttled == 0 {
            Cell::faint("0")
        } else {
            let share = format!("({})", human::percent(gate.throttled_rate));
            Cell::new(human::count(gate.throttled), share, Tone::Doubtful)
        };
        vec![
            Cell::plain(gate.name.clone()),
            Cell::faint(gate.strategy.clone()),
            mean(&gate.added_delay),
            mean(&gate.regret),
            Cell::plain(human::count(gate.jobs)),
            Cell::plain(human::number(gate.job_calls_per_recording)),
            throttled,
            Cell::plain(human::count(gate.wasted_checks)),
            Cell::plain(human::count(gate.re_exports)),
        ]
    });
    Table {
        columns: vec![
            Column::left("gate"),
            Column::left("strategy"),
            Column::right("mean delay"),
            Column::right("mean regret"),
            Column::right("jobs"),
            Column::right("job calls"),
            Column::right("429s"),
            Column::right("wasted"),
            Column::right("re-exports"),
        ],
        stub: 1,
        rows: rows.collect(),
    }
}

fn mean(delay: &DelaySummary) -> Cell {
    if delay.count == 0 {
        return Cell::faint("–");
    }
    let (mean, error) = human::mean(delay.mean_s, delay.mean_se_s);
    Cell::new(mean, error, Tone::Plain)
}

fn causes(gates: &[&GateSummary]) -> Table {
    let rows = gates
        .iter()
        .filter(|gate| !gate.causes.is_empty() || !gate.missing.is_empty());
    let rows = rows.map(|gate| {
        let counts = |counts: &std::collections::BTreeMap<String, u64>| {
            let mut sorted: Vec<(&String, &u64)> = counts.iter().filter(|one| *one.1 > 0).collect();
            sorted.sort_by(|a, b| b.1.cmp(a.1).then(a.0.cmp(b.0)));
            let parts: Vec<String> = sorted
                .iter()
                .map(|(name, count)| format!("{name} {}", human::count(**count)))
                .collect();
            if parts.is_empty() {
                "–".to_owned()
            } else {
                parts.join(", ")
            }
        };
        let lost = if gate.lost > 0 {
            Cell::new(human::count(gate.lost), "", Tone::Bad)
        } else {
            Cell::faint("0")
        };
        vec![
            Cell::plain(gate.name.clone()),
            Cell::plain(human::count(gate.late)),
            lost,
            Cell::plain(counts(&gate.causes)),
            Cell::plain(counts(&gate.missing)),
        ]
    });
    Table {
        columns: vec![
            Column::left("gate"),
            Column::right("late"),
            Column::right("lost"),
            Column::left("what held the last field"),
            Column::left("missing fields"),
        ],
        stub: 1,
        rows: rows.collect(),
    }
}
