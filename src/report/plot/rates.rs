//! Incomplete rate per gate and phase: one column per phase, one row per gate and arm.

use racegate_model::outcome::OutcomeKind;
use racegate_model::summary::{GateSummary, OutcomeSummary, Summary};

use super::super::human;
use super::axis::Scale;
use super::canvas::text_width;
use super::page::{HEIGHT, LABEL, MARGIN, SMALL, WIDTH, marker, no_data, title_block};
use super::palette::{BAND, Colour, GRID, INK, MUTED, arms, looks};
use super::scene::{Anchor, Dash, Point, Scene, fit};

/// More columns or rows than this are named, not drawn.
const COLUMNS_MAX: usize = 12;
const ROWS_MAX: usize = 60;
const COLUMN_WIDTH_MIN: f64 = 100.0;
const ROW_HEIGHT_MIN: f64 = 26.0;
/// The narrowest and widest column of names.
const NAMES_WIDTH: (f64, f64) = (70.0, 190.0);
/// Space on the right of a column, for the value of the longest bar.
const GAP: f64 = 86.0;
const RADIUS: f64 = 5.5;
/// Rows must be so high for the share of what was never exported to be written.
const TALL: f64 = 40.0;

/// A column: a phase, or the whole run.
struct Column<'a> {
    phase: Option<&'a str>,
    recordings: u64,
}

/// A row of one gate: its name, its colour, its tenant in each arm.
struct Row<'a> {
    name: &'a str,
    colour: Colour,
    tenants: Vec<(usize, &'a GateSummary)>,
}

/// Draws the picture.
pub(super) fn scene(summary: &Summary) -> Scene {
    let (columns, rows, left_out) = content(summary);
    let lines: usize = rows.iter().map(|row| row.tenants.len()).sum();
    let column_count = columns.len() as f64;
    let names_width = rows
        .iter()
        .map(|row| text_width(row.name, LABEL) + 32.0)
        .fold(NAMES_WIDTH.0, f64::max)
        .min(NAMES_WIDTH.1);
    let width = WIDTH.max(2.0 * MARGIN + names_width + column_count * (COLUMN_WIDTH_MIN + GAP));
    let height = HEIGHT.max(280.0 + lines as f64 * ROW_HEIGHT_MIN);
    let mut scene = Scene::new(width, height);
    let mut top = title_block(
        &mut scene,
        "Incomplete exports, by gate and phase of the load",
        "Share of ended recordings that were exported with something missing, with 95 % Wilson \
         intervals. Grey: never exported at all.",
        summary,
    );
    top = arm_legend(&mut scene, top, &arms(summary));
    let bottom = height - MARGIN - 2.0 * SMALL;
    let left = MARGIN + names_width;
    let column_width = (width - MARGIN - left) / column_count.max(1.0) - GAP;
    top += 62.0;
    if lines == 0 || columns.is_empty() {
        no_data(&mut scene, (MARGIN, top), (width - MARGIN, bottom));
        return scene;
    }
    let row_height = (bottom - top) / rows.len() as f64;
    names(&mut scene, &rows, (top, row_height), names_width);
    for (position, column) in columns.iter().enumerate() {
        let start = left + position as f64 * (column_width + GAP);
        let scale = Scale::linear((0.0, 1.0), (start, start + column_width));
        frame(&mut scene, column, &scale, (top, bottom));
        for (number, row) in rows.iter().enumerate() {
            let row_top = top + number as f64 * row_height;
            let line_height = row_height / row.tenants.len() as f64;
            for (line, (arm, tenant)) in row.tenants.iter().enumerate() {
                let y = row_top + (line as f64 + 0.5) * line_height;
                let total = total(tenant, column);
                estimate(&mut scene, (&scale, y), (*arm, row.colour), total);
                let room = if line_height >= TALL {
                    (5.0, Some(SMALL * 0.85))
                } else {
                    (3.0, None)
                };
                not_exported(&mut scene, (&scale, y + RADIUS + 8.0), room, total);
            }
        }
    }
    let note_at = (width - MARGIN, height - MARGIN / 2.0);
    scene.text(note_at, Anchor::Right, SMALL, MUTED, &left_out);
    scene
}

/// What is drawn, and a note on what is not.
fn content(summary: &Summary) -> (Vec<Column<'_>>, Vec<Row<'_>>, String) {
    let mut columns: Vec<Column<'_>> = summary
        .phases
        .iter()
        .map(|phase| Column {
            phase: Some(&phase.name),
            recordings: phase.ended,
        })
        .collect();
    let phases_left_out = columns.len().saturating_sub(COLUMNS_MAX);
    columns.truncate(COLUMNS_MAX);
    if columns.len() != 1 && !summary.gates.is_empty() {
        columns.push(Column {
            phase: None,
            recordings: summary.recordings,
        });
    }
    let arm_names = arms(summary);
    let mut rows = Vec::new();
    let (mut lines, mut gates_left_out) = (0, 0);
    for look in looks(summary) {
        let tenants: Vec<(usize, &GateSummary)> = summary
            .gates
            .iter()
            .filter(|gate| gate.name == look.gate)
            .filter_map(|gate| Some((arm_names.iter().position(|arm| *arm == gate.arm)?, gate)))
            .collect();
        let Some(name) = tenants.first().map(|(_, gate)| gate.name.as_str()) else {
            continue;
        };
        lines += tenants.len();
        if lines > ROWS_MAX {
            gates_left_out += 1;
        } else {
            rows.push(Row {
                name,
                colour: look.colour,
                tenants,
            });
        }
    }
    let mut notes = Vec::new();
    if gates_left_out > 0 {
        notes.push(human::counted(gates_left_out, "further gate"));
    }
    if phases_left_out > 0 {
        notes.push(human::counted(phases_left_out as u64, "further phase"));
    }
    let note = if notes.is_empty() {
        String::new()
    } else {
        format!("not shown: {}", notes.join(", "))
    };
    (columns, rows, note)
}

fn total<'a>(tenant: &'a GateSummary, column: &Column<'_>) -> Option<&'a OutcomeSummary> {
    match column.phase {
        None => Some(&tenant.total),
        Some(phase) => tenant.phases.get(phase).map(|slice| &slice.total),
    }
}

fn arm_legend(scene: &mut Scene, top: f64, arms: &[&str]) -> f64 {
    if arms.len() < 2 {
        return top;
    }
    let y = top + LABEL * 1.2;
    let mut x = MARGIN + RADIUS;
    for (position, arm) in arms.iter().enumerate() {
        let name = fit(&format!("arm {arm}"), LABEL, 260.0);
        let width = text_width(&name, LABEL) + 50.0;
        if x + width > scene.width - MARGIN {
            break;
        }
        marker(scene, (x, y - LABEL * 0.33), position, RADIUS, INK);
        scene.text((x + 16.0, y), Anchor::Left, LABEL, INK, &name);
        x += width;
    }
    y + LABEL * 0.3
}

fn names(scene: &mut Scene, rows: &[Row<'_>], (top, row_height): (f64, f64), width: f64) {
    let right = scene.width - MARGIN;
    for (number, row) in rows.iter().enumerate() {
        let row_top = top + number as f64 * row_height;
        if number % 2 == 0 {
            scene.rectangle((MARGIN, row_top), (right, row_top + row_height), BAND);
        }
        let at = (MARGIN + 12.0, row_top + row_height / 2.0 + LABEL * 0.33);
        let name = fit(row.name, LABEL, width - 16.0);
        scene.text(at, Anchor::Left, LABEL, INK, &name);
    }
}

fn frame(scene: &mut Scene, column: &Column<'_>, scale: &Scale, (top, bottom): Point) {
    let (start, end) = (scale.at(0.0), scale.at(1.0));
    let name = fit(
        column.phase.unwrap_or("whole run"),
        LABEL,
        end - start + GAP - 8.0,
    );
    let middle = f64::midpoint(start, end);
    scene.text((middle, top - 34.0), Anchor::Middle, LABEL, INK, &name);
    let recordings = human::counted(column.recordings, "recording");
    let recordings = fit(&recordings, SMALL, end - start + GAP - 8.0);
    scene.text(
        (middle, top - 13.0),
        Anchor::Middle,
        SMALL,
        MUTED,
        &recordings,
    );
    for share in [0.0, 0.25, 0.5, 0.75, 1.0] {
        let x = scale.at(share);
        let colour = if share == 0.0 { MUTED } else { GRID };
        scene.line(&[(x, top), (x, bottom)], 1.0, Dash::Solid, colour);
    }
    for (share, label) in [(0.0, "0"), (0.5, "50 %"), (1.0, "100")] {
        let at = (scale.at(share), bottom + SMALL * 1.4);
        scene.text(at, Anchor::Middle, SMALL, MUTED, label);
    }
}

/// One estimate with its interval and its value in words.
fn estimate(
    scene: &mut Scene,
    (scale, y): (&Scale, f64),
    (arm, colour): (usize, Colour),
    total: Option<&OutcomeSummary>,
) {
    let settled = total.map_or(0, |total| {
        total.recordings.saturating_sub(total.outcomes.in_flight)
    });
    let Some(total) = total.filter(|_| settled > 0) else {
        let at = (scale.at(0.0) + 10.0, y + SMALL * 0.33);
        scene.text(at, Anchor::Left, SMALL, MUTED, "no data");
        return;
    };
    let rate = total.rate(OutcomeKind::Incomplete);
    let (low, high) = (scale.at(rate.low), scale.at(rate.high));
    let at = scale.at(rate.estimate);
    scene.rectangle((scale.at(0.0), y - 5.0), (at, y + 5.0), colour.faded(0.3));
    scene.line(&[(low, y), (high, y)], 2.5, Dash::Solid, colour);
    for x in [low, high] {
        scene.line(&[(x, y - 9.0), (x, y + 9.0)], 2.0, Dash::Solid, colour);
    }
    marker(scene, (at, y), arm, RADIUS, colour);
    let value = human::percent(rate.estimate);
    let right = high.max(at + RADIUS) + 8.0;
    scene.text((right, y + SMALL * 0.35), Anchor::Left, SMALL, INK, &value);
}

/// The share that was not exported: a gate that gives up has no incomplete exports either.
fn not_exported(
    scene: &mut Scene,
    (scale, y): (&Scale, f64),
    (thickness, number): (f64, Option<f64>),
    total: Option<&OutcomeSummary>,
) {
    const OUTCOMES: [OutcomeKind; 4] = [
        OutcomeKind::Rejected,
        OutcomeKind::Skipped,
        OutcomeKind::Abandoned,
        OutcomeKind::Errored,
    ];
    let share: f64 = total.map_or(0.0, |total| {
        OUTCOMES
            .iter()
            .map(|outcome| total.rate(*outcome).estimate)
            .sum()
    });
    if share <= 0.0 {
        return;
    }
    let end = scale.at(share);
    scene.rectangle((scale.at(0.0), y), (end, y + thickness), MUTED);
    if let Some(size) = number {
        let at = (end + 8.0, y + thickness / 2.0 + size * 0.35);
        scene.text(at, Anchor::Left, size, MUTED, &human::percent(share));
    }
}
