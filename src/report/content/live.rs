//! What only a live run has: the health of the generator, and how it agrees with the simulation.

use std::collections::BTreeMap;

use racegate_model::summary::{ConformanceSummary, GeneratorSummary, Summary};

use super::super::document::{Block, Cell, Column, Table, Tone};
use super::super::human;

/// Disagreements that are listed.
const LISTED: usize = 5;

/// The blocks of a live run; none for a simulated one.
pub(super) fn blocks(summary: &Summary) -> Vec<Block> {
    let mut blocks = Vec::new();
    if let Some(generator) = &summary.generator {
        blocks.push(Block::Heading("Generator".to_owned()));
        blocks.push(Block::Table(health(generator)));
    }
    if let Some(generator) = summary.generator.as_ref().filter(|g| !g.faults.is_empty()) {
        blocks.push(Block::Heading("Faults: predicted and seen".to_owned()));
        blocks.push(Block::Table(faults(generator)));
    }
    if let Some(conformance) = &summary.conformance {
        blocks.push(Block::Heading("Agreement with the simulation".to_owned()));
        blocks.extend(agreement(conformance));
    }
    blocks
}

fn health(generator: &GeneratorSummary) -> Table {
    let fault = |count: u64| {
        let tone = if count > 0 { Tone::Bad } else { Tone::Faint };
        Cell::new(human::count(count), "", tone)
    };
    let plain = |text: String| Cell::plain(text);
    let rows = [
        ("sessions", plain(human::count(generator.sessions))),
        ("most at once", plain(human::count(generator.sessions_peak))),
        ("packets sent", plain(human::count(generator.packets_sent))),
        (
            "packets stored",
            plain(human::count(generator.packets_received)),
        ),
        ("packets lost", fault(generator.packets_lost)),
        ("dropped by sockets", fault(generator.socket_drops)),
        ("arrivals dropped", fault(generator.dropped)),
        ("digest mismatches", fault(generator.digest_mismatches)),
        (
            "packet lateness p99",
            plain(human::seconds(generator.send_lateness_p99_s)),
        ),
        (
            "packets over the limit",
            plain(human::count(generator.packets_late)),
        ),
        ("sends refused", fault(generator.sends_refused)),
        ("recordings cut", fault(generator.recordings_cut)),
        ("waiting lines dropped", fault(generator.lines_dropped)),
        ("connections", plain(human::count(generator.connections))),
        ("media threads", plain(human::count(generator.media_shards))),
        (
            "CPU of softphones",
            plain(core_share(generator.cpu.softphones_s, generator)),
        ),
        (
            "CPU of ingest",
            plain(core_share(generator.cpu.ingest_s, generator)),
        ),
        (
            "CPU of the process",
            plain(core_share(generator.cpu.process_s, generator)),
        ),
        (
            "API call lateness p99",
            plain(human::seconds(generator.call_lateness_p99_s)),
        ),
        (
            "recordings stored",
            plain(human::count(generator.recordings_stored)),
        ),
        ("audio stored", plain(human::bytes(generator.bytes_stored))),
    ];
    Table {
        columns: vec![Column::left("measure"), Column::right("value")],
        stub: 1,
        rows: rows
            .map(|(name, value)| vec![Cell::plain(name), value])
            .to_vec(),
    }
}

/// Processor time as a share of one core over the run.
fn core_share(seconds: f64, generator: &GeneratorSummary) -> String {
    if generator.cpu.elapsed_s > 0.0 {
        format!(
            "{} of a core",
            human::percent(seconds / generator.cpu.elapsed_s)
        )
    } else {
        "–".to_owned()
    }
}

fn faults(generator: &GeneratorSummary) -> Table {
    let words = |counts: &BTreeMap<String, u64>| {
        let parts: Vec<String> = counts
            .iter()
            .map(|(word, count)| format!("{} {word}", human::count(*count)))
            .collect();
        parts.join(", ")
    };
    let rows = generator.faults.iter().map(|fault| {
        let tone = if fault.agreed == fault.sessions {
            Tone::Good
        } else {
            Tone::Bad
        };
        vec![
            Cell::plain(fault.name.clone()),
            Cell::plain(human::count(fault.sessions)),
            Cell::plain(words(&fault.predicted)),
            Cell::new(words(&fault.seen), "", tone),
        ]
    });
    Table {
        columns: vec![
            Column::left("fault"),
            Column::right("sessions"),
            Column::left("predicted"),
            Column::left("seen"),
        ],
        stub: 1,
        rows: rows.collect(),
    }
}

fn agreement(conformance: &ConformanceSummary) -> Vec<Block> {
    let share = |agreed: u64, pairs: u64| {
        if pairs == 0 {
            "–".to_owned()
        } else {
            human::percent(agreed as f64 / pairs as f64)
        }
    };
    let tone = if conformance.unexplained > 0 {
        Tone::Bad
    } else {
        Tone::Good
    };
    let text = format!(
        "{} of {} outcomes agree ({}); of the others {} are explained by lateness, {} moved to \
         another job, {} are not explained",
        human::count(conformance.agreed),
        human::count(conformance.pairs),
        share(conformance.agreed, conformance.pairs),
        human::count(conformance.explained),
        human::count(conformance.moved),
        human::count(conformance.unexplained),
    );
    let rows = conformance.gates.iter().map(|(gate, (pairs, agreed))| {
        vec![
            Cell::plain(gate.clone()),
            Cell::plain(human::count(*pairs)),
            Cell::plain(human::count(*agreed)),
            Cell::plain(share(*agreed, *pairs)),
        ]
    });
    let mut blocks = vec![
        Block::Text(Cell::new(text, "", tone)),
        Block::Table(Table {
            columns: vec![
                Column::left("gate"),
                Column::right("compared"),
                Column::right("agreed"),
                Column::right("share"),
            ],
            stub: 1,
            rows: rows.collect(),
        }),
    ];
    if !conformance.disagreements.is_empty() {
        blocks.push(Block::Subheading("The worst disagreements".to_owned()));
        blocks.push(Block::Table(disagreements(conformance)));
    }
    blocks
}

fn disagreements(conformance: &ConformanceSummary) -> Table {
    let rows = conformance.disagreements.iter().take(LISTED).map(|one| {
        vec![
            Cell::plain(one.gate.clone()),
            Cell::plain(human::count(one.recording)),
            Cell::new(one.sim.name(), "", Tone::Outcome(one.sim)),
            Cell::new(one.live.name(), "", Tone::Outcome(one.live)),
            Cell::plain(one.why.name()),
            Cell::plain(human::seconds(one.margin_s)),
            Cell::plain(human::seconds(one.lateness_s)),
        ]
    });
    Table {
        columns: vec![
            Column::left("gate"),
            Column::right("recording"),
            Column::left("sim"),
            Column::left("live"),
            Column::left("explained by"),
            Column::right("margin"),
            Column::right("lateness"),
        ],
        stub: 1,
        rows: rows.collect(),
    }
}
