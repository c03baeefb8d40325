//! Added delay per gate: how soon after the session's end a recording is exported.

use racegate_model::summary::{DelaySummary, GateSummary, Summary};

use super::super::human;
use super::axis::{Scale, finite, log_time_ticks, time_label};
use super::canvas::text_width;
use super::page::{HEIGHT, LABEL, MARGIN, SMALL, WIDTH, no_data, swatch, title_block};
use super::palette::{Colour, GRID, INK, MUTED, arms, looks};
use super::scene::{Anchor, Dash, LINE_HEIGHT, Point, Scene, fit};

const LEGEND_WIDTH: f64 = 320.0;
const ENTRY_HEIGHT: f64 = 46.0;
/// Edges that the axis may have on the left.
const EDGES: [f64; 5] = [1.0, 0.1, 0.01, 0.001, 0.000_1];
/// So much of a gate's exports may be clamped to the left edge before the axis is extended.
const CLAMPED_MAX: f64 = 0.05;

/// One curve.
struct Curve {
    name: String,
    note: String,
    /// (seconds, share of ended recordings exported by then).
    points: Vec<(f64, f64)>,
    median: f64,
    width: f64,
    dash: Dash,
    colour: Colour,
}

/// Draws the picture.
pub(super) fn scene(summary: &Summary) -> Scene {
    let mut scene = Scene::new(WIDTH, HEIGHT);
    let top = title_block(
        &mut scene,
        "Added delay: what each gate costs in time",
        "Share of ended recordings that are exported within a time after the session's end. \
         Below 100 % at the right: the rest is never exported.",
        summary,
    ) + 34.0;
    let curves = curves(summary);
    let (left, right) = (MARGIN + 56.0, WIDTH - MARGIN - LEGEND_WIDTH);
    let bottom = HEIGHT - MARGIN - 52.0;
    if curves.iter().all(|curve| curve.points.is_empty()) {
        no_data(&mut scene, (left, top), (right, bottom));
    } else {
        let x = Scale::logarithmic(domain(&curves), (left, right));
        let y = Scale::linear((0.0, 1.0), (bottom, top));
        frame(&mut scene, &x, &y, clamped(&curves, x.ends().0));
        for curve in &curves {
            let points = steps(&curve.points, &x, &y);
            scene.line(&points, curve.width, curve.dash, curve.colour);
        }
    }
    legend(
        &mut scene,
        &curves,
        (right + 34.0, top + LABEL * 0.4),
        bottom,
    );
    scene
}

fn curves(summary: &Summary) -> Vec<Curve> {
    let arm_names = arms(summary);
    let looks = looks(summary);
    let mut curves: Vec<Curve> = summary
        .gates
        .iter()
        .filter_map(|gate| {
            let position = looks.iter().position(|look| look.gate == gate.name)?;
            let arm = arm_names.iter().position(|arm| *arm == gate.arm)?;
            let look = &looks[position];
            let name = if arm == 0 {
                gate.name.clone()
            } else {
                format!("{} · {}", gate.name, gate.arm)
            };
            // Two gates may do the same: the later curve is thinner, so both are seen.
            let thinner = (position as f64 * 0.9).min(3.0);
            Some(Curve {
                name,
                note: note(gate),
                points: points(gate),
                median: if gate.added_delay.count == 0 {
                    f64::INFINITY
                } else {
                    finite(gate.added_delay.p50_s)
                },
                width: if arm == 0 { 5.5 - thinner } else { 2.0 },
                dash: if arm == 0 { look.dash } else { Dash::Dashed },
                colour: look.colour,
            })
        })
        .collect();
    curves.sort_by(|a, b| b.width.total_cmp(&a.width));
    curves
}

fn settled(gate: &GateSummary) -> u64 {
    gate.total
        .recordings
        .saturating_sub(gate.total.outcomes.in_flight)
}

/// Share of ended recordings that were exported at all.
fn exported(gate: &GateSummary) -> f64 {
    let settled = settled(gate).max(gate.added_delay.count);
    if settled == 0 {
        0.0
    } else {
        gate.added_delay.count as f64 / settled as f64
    }
}

fn note(gate: &GateSummary) -> String {
    let delay = &gate.added_delay;
    if delay.count == 0 {
        return "nothing exported".to_owned();
    }
    let median = human::seconds(delay.p50_s);
    let never = 1.0 - exported(gate);
    if never > 0.000_5 {
        format!("never {}, else median {median}", human::percent(never))
    } else {
        format!("median {median}, p99 {}", human::seconds(delay.p99_s))
    }
}

/// The distribution function, scaled to what was exported.
fn points(gate: &GateSummary) -> Vec<(f64, f64)> {
    let DelaySummary {
        count,
        p50_s,
        p95_s,
        p99_s,
        max_s,
        cdf,
        ..
    } = &gate.added_delay;
    if *count == 0 {
        return Vec::new();
    }
    let quantiles = [(*p50_s, 0.5), (*p95_s, 0.95), (*p99_s, 0.99), (*max_s, 1.0)];
    let given: &[(f64, f64)] = if cdf.is_empty() { &quantiles } else { cdf };
    let share = exported(gate);
    let mut points: Vec<(f64, f64)> = given
        .iter()
        .map(|(seconds, part)| {
            (
                finite(*seconds).max(0.0),
                finite(*part).clamp(0.0, 1.0) * share,
            )
        })
        .collect();
    points.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.total_cmp(&b.1)));
    points
}

/// Lowest and highest time of the axis, both ticks.
fn domain(curves: &[Curve]) -> (f64, f64) {
    let all = || curves.iter().flat_map(|curve| &curve.points);
    let shows_enough = |edge: f64| {
        clamped(curves, edge) <= CLAMPED_MAX || !all().any(|point| in_reach(*point, edge))
    };
    let from = EDGES
        .into_iter()
        .find(|edge| shows_enough(*edge))
        .unwrap_or(EDGES[4]);
    let max = all().map(|point| point.0).fold(from * 10.0, f64::max);
    let to = [
        1.0, 2.0, 5.0, 10.0, 20.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1_800.0, 3_600.0, 7_200.0,
        21_600.0, 43_200.0, 86_400.0, 864_000.0,
    ]
    .into_iter()
    .find(|tick| *tick >= max)
    .unwrap_or(max);
    (from, to)
}

/// Whether a point is positive and left of the edge, so that a lower edge would show it.
fn in_reach(point: (f64, f64), edge: f64) -> bool {
    point.0 < edge && point.0 > 0.0
}

/// The largest share of any curve at or left of the edge.
fn clamped(curves: &[Curve], edge: f64) -> f64 {
    curves
        .iter()
        .flat_map(|curve| &curve.points)
        .filter(|point| point.0 < edge)
        .map(|point| point.1)
        .fold(0.0, f64::max)
}

fn frame(scene: &mut Scene, x: &Scale, y: &Scale, clamped: f64) {
    let (from, to) = x.ends();
    let (bottom, top) = (y.at(0.0), y.at(1.0));
    for share in [0.0, 0.25, 0.5, 0.75, 1.0] {
        let height = y.at(share);
        let colour = if share == 0.0 { MUTED } else { GRID };
        scene.line(
            &[(x.at(from), height), (x.at(to), height)],
            1.0,
            Dash::Solid,
            colour,
        );
        let at = (x.at(from) - 10.0, height + SMALL * 0.35);
        scene.text(
            at,
            Anchor::Right,
            SMALL,
            MUTED,
            &format!("{:.0} %", share * 100.0),
        );
    }
    let mut taken = f64::NEG_INFINITY;
    for tick in log_time_ticks((from, to)) {
        let place = x.at(tick);
        let label = time_label(tick);
        let first = (tick - from).abs() < from * 0.01 && clamped > 0.0;
        let label = if first { format!("≤ {label}") } else { label };
        let half = text_width(&label, SMALL) / 2.0;
        if place - half < taken {
            continue;
        }
        taken = place + half + SMALL;
        scene.line(&[(place, top), (place, bottom)], 1.0, Dash::Solid, GRID);
        let at = (place, bottom + SMALL * 1.5);
        scene.text(at, Anchor::Middle, SMALL, MUTED, &label);
    }
    let middle = f64::midpoint(x.at(from), x.at(to));
    let at = (middle, bottom + SMALL * 3.2);
    scene.text(
        at,
        Anchor::Middle,
        SMALL,
        INK,
        "time from session end to export",
    );
    let at = (x.at(from), top - SMALL);
    scene.text(
        at,
        Anchor::Left,
        SMALL,
        INK,
        "exported, of ended recordings",
    );
}

/// A distribution function as a line; from the left edge to the right one.
fn steps(points: &[(f64, f64)], x: &Scale, y: &Scale) -> Vec<Point> {
    let (from, to) = x.ends();
    let Some(first) = points.first() else {
        return Vec::new();
    };
    let mut line = Vec::with_capacity(points.len() + 3);
    line.push((x.at(first.0.max(from)), y.at(0.0)));
    line.extend(
        points
            .iter()
            .map(|(seconds, share)| (x.at(*seconds), y.at(*share))),
    );
    if let Some(last) = points.last().filter(|last| last.1 < 0.999) {
        line.push((x.at(to), y.at(last.1)));
    }
    line
}

fn legend(scene: &mut Scene, curves: &[Curve], (x, top): Point, bottom: f64) {
    let mut order: Vec<&Curve> = curves.iter().collect();
    order.sort_by(|a, b| {
        a.median
            .total_cmp(&b.median)
            .then_with(|| a.name.cmp(&b.name))
    });
    let room = bottom - top;
    let full = order.len() as f64 * ENTRY_HEIGHT <= room + ENTRY_HEIGHT;
    let step = if full {
        ENTRY_HEIGHT
    } else {
        LABEL * LINE_HEIGHT
    };
    let mut y = top;
    for (position, curve) in order.iter().enumerate() {
        let last = y + step > bottom + ENTRY_HEIGHT / 2.0;
        if last && position + 1 < order.len() {
            let more = format!("and {} more", order.len() - position);
            scene.text((x + 44.0, y), Anchor::Left, SMALL, MUTED, &more);
            return;
        }
        swatch(
            scene,
            (x, y),
            (curve.width, curve.dash, curve.colour),
            &curve.name,
        );
        if full {
            let at = (x + 44.0, y + SMALL * 1.25);
            scene.text(
                at,
                Anchor::Left,
                SMALL,
                MUTED,
                &fit(&curve.note, SMALL, LEGEND_WIDTH - 60.0),
            );
        }
        y += step;
    }
}
