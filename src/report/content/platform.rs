//! The platform of an arm: how late its clocks were, and which stage was busy.

use racegate_model::summary::{DelaySummary, PlatformSummary, Summary};

use super::super::document::{Block, Cell, Column, Table, Tone};
use super::super::human;

/// A stage busier than this is about to queue, whatever the arrivals look like.
const BUSY: f64 = 0.85;

/// The tables of an arm.
pub(super) fn blocks(summary: &Summary, arm: &str) -> Vec<Block> {
    let kinds: Vec<&PlatformSummary> = summary
        .platform
        .iter()
        .filter(|platform| platform.arm == arm)
        .collect();
    if kinds.is_empty() {
        return Vec::new();
    }
    let mut blocks = vec![
        super::heading(summary, "Platform", arm),
        Block::Subheading("Lag after the session's end, p50/p95/p99 and maximum".to_owned()),
        Block::Table(lags(&kinds)),
    ];
    if kinds.iter().any(|platform| !platform.stages.is_empty()) {
        blocks.push(Block::Subheading(
            "Stages of the metadata pipeline".to_owned(),
        ));
        blocks.push(Block::Table(stages(&kinds)));
    }
    blocks
}

fn lags(kinds: &[&PlatformSummary]) -> Table {
    let rows = kinds.iter().map(|platform| {
        let never = if platform.never_complete > 0 {
            Cell::new(human::count(platform.never_complete), "", Tone::Bad)
        } else {
            Cell::faint("0")
        };
        vec![
            Cell::plain(kind_of(platform)),
            lag(&platform.media_lag),
            lag(&platform.metadata_lag),
            lag(&platform.index_lag),
            slowest_field(platform),
            never,
        ]
    });
    Table {
        columns: vec![
            Column::left("kind"),
            Column::right("media"),
            Column::right("required fields"),
            Column::right("same on index"),
            Column::left("slowest field"),
            Column::right("never complete"),
        ],
        stub: 1,
        rows: rows.collect(),
    }
}

/// The kind, and the gate whose platform it is where each has one of its own.
fn kind_of(platform: &PlatformSummary) -> String {
    match &platform.gate {
        Some(gate) => format!("{} of {gate}", platform.kind),
        None => platform.kind.clone(),
    }
}

fn lag(delay: &DelaySummary) -> Cell {
    if delay.count == 0 {
        return Cell::faint("–");
    }
    let unit = human::unit(delay.max_s);
    let quantiles = super::gates::quantiles(delay, unit);
    let max = format!("max {} {}", human::times(&[delay.max_s], unit), unit.name);
    Cell::new(quantiles.text, max, Tone::Plain)
}

fn slowest_field(platform: &PlatformSummary) -> Cell {
    let slowest = platform
        .fields
        .iter()
        .filter(|(_, lag)| lag.count > 0)
        .max_by(|a, b| a.1.p99_s.total_cmp(&b.1.p99_s).then_with(|| b.0.cmp(a.0)));
    slowest.map_or_else(|| Cell::faint("–"), |(name, _)| Cell::plain(name.clone()))
}

fn stages(kinds: &[&PlatformSummary]) -> Table {
    let mut rows = Vec::new();
    for platform in kinds {
        for stage in &platform.stages {
            let tone = if stage.utilisation > BUSY {
                Tone::Bad
            } else {
                Tone::Plain
            };
            let (wait, error) = human::mean(stage.wait_mean_s, stage.wait_mean_se_s);
            rows.push(vec![
                Cell::plain(stage.name.clone()),
                Cell::plain(kind_of(platform)),
                Cell::plain(human::count(u64::from(stage.workers))),
                Cell::plain(human::count(stage.count)),
                Cell::plain(human::seconds(stage.service_mean_s)),
                Cell::new(wait, error, Tone::Plain),
                Cell::plain(human::percent(stage.wait_probability)),
                Cell::plain(human::seconds(stage.wait_max_s)),
                Cell::new(human::percent(stage.utilisation), "", tone),
            ]);
        }
    }
    Table {
        columns: vec![
            Column::left("stage"),
            Column::left("kind"),
            Column::right("workers"),
            Column::right("entered"),
            Column::right("service"),
            Column::right("mean wait"),
            Column::right("waited"),
            Column::right("max wait"),
            Column::right("utilisation"),
        ],
        stub: 2,
        rows,
    }
}
