//! Loss against delay: a point for each gate, larger the more it calls, and the front of those that
//! no other gate beats on both.

use racegate_model::summary::{GateSummary, Summary};

use super::super::human;
use super::axis::finite;
use super::canvas::text_width;
use super::chart::{Axis, AxisKind, Chart, grid};
use super::page::{HEIGHT, LABEL, MARGIN, SMALL, WIDTH, marker, no_data, title_block};
use super::palette::{Colour, INK, Look, MUTED, arms, looks};
use super::scene::{Anchor, Dash, Scene, fit};

/// Width of the legend on the right.
const LEGEND_WIDTH: f64 = 380.0;
/// Height of a line of the legend.
const LINE: f64 = 26.0;
/// Gates that are named, at most.
const NAMED_MAX: usize = 60;
/// Calls a recording whose point is as large as any.
const CALLS_MOST: f64 = 20.0;

/// A gate on the plane.
struct Place<'a> {
    gate: &'a GateSummary,
    arm: usize,
    colour: Colour,
    delay: f64,
    loss: f64,
}

/// Draws the picture.
pub(super) fn scene(summary: &Summary) -> Scene {
    let places = places(summary);
    let lines = places.len().min(NAMED_MAX) as f64;
    let mut scene = Scene::new(WIDTH, HEIGHT.max(240.0 + lines * LINE));
    let top = title_block(
        &mut scene,
        "What each gate loses, and how long it takes",
        "Share of ended recordings that were not exported complete, against the mean delay of those \
         that were exported. Larger points call more. The dashed line joins gates that no other \
         beats on both.",
        summary,
    ) + 34.0;
    let (left, right) = (MARGIN + 64.0, WIDTH - MARGIN - LEGEND_WIDTH);
    let bottom = scene.height - MARGIN - 52.0;
    if places.is_empty() {
        no_data(&mut scene, (left, top), (right, bottom));
        return scene;
    }
    let delays = || places.iter().map(|place| place.delay);
    let (least, most) = (
        delays().fold(f64::INFINITY, f64::min),
        delays().fold(0.0, f64::max),
    );
    let loss = places.iter().map(|place| place.loss).fold(0.0, f64::max);
    let chart = Chart {
        name: "loss-and-delay",
        title: String::new(),
        reading: String::new(),
        x: Axis {
            label: "mean delay from session end to export",
            range: (least / 1.5, most * 1.5),
            kind: AxisKind::LogSeconds,
        },
        y: Axis {
            label: "not exported complete",
            range: (0.0, (loss * 1.1).max(0.01)),
            kind: AxisKind::Share,
        },
        series: Vec::new(),
    };
    let (x, y) = (chart.x.scale((left, right)), chart.y.scale((bottom, top)));
    grid(&mut scene, &chart, &x, &y);
    let front: Vec<_> = front(&places)
        .map(|place| (x.at(place.delay), y.at(place.loss)))
        .collect();
    scene.line(&front, 2.0, Dash::Dashed, MUTED);
    for place in &places {
        let at = (x.at(place.delay), y.at(place.loss));
        marker(&mut scene, at, place.arm, radius(place.gate), place.colour);
    }
    legend(&mut scene, summary, &places, (right + 28.0, top + LABEL));
    scene
}

/// The gates that have exported something, in the order of the summary.
fn places(summary: &Summary) -> Vec<Place<'_>> {
    let (looks, arms) = (looks(summary), arms(summary));
    let place = |gate| place(gate, &looks, &arms);
    summary.gates.iter().filter_map(place).collect()
}

fn place<'g>(gate: &'g GateSummary, looks: &[Look], arms: &[&str]) -> Option<Place<'g>> {
    let look = looks.iter().find(|look| look.gate == gate.name)?;
    let (total, delay) = (&gate.total, finite(gate.added_delay.mean_s));
    let settled = total.recordings > total.outcomes.in_flight;
    (settled && delay > 0.0).then(|| Place {
        gate,
        arm: arms.iter().position(|arm| *arm == gate.arm).unwrap_or(0),
        colour: look.colour,
        delay,
        loss: finite(1.0 - total.complete_rate.estimate).clamp(0.0, 1.0),
    })
}

/// Those that no other beats on both loss and delay, from the quickest on.
fn front<'p>(places: &'p [Place<'_>]) -> impl Iterator<Item = &'p Place<'p>> {
    let mut by_delay: Vec<&Place<'_>> = places.iter().filter(|place| place.arm == 0).collect();
    by_delay.sort_by(|a, b| a.delay.total_cmp(&b.delay).then(a.loss.total_cmp(&b.loss)));
    let mut least = f64::INFINITY;
    by_delay.into_iter().filter(move |place| {
        let better = place.loss < least;
        least = least.min(place.loss);
        better
    })
}

fn radius(gate: &GateSummary) -> f64 {
    let calls = finite(gate.calls_per_recording).clamp(0.0, CALLS_MOST);
    6.0 + 10.0 * (calls / CALLS_MOST).sqrt()
}

fn legend(scene: &mut Scene, summary: &Summary, places: &[Place<'_>], (left, top): (f64, f64)) {
    let arms = arms(summary);
    let width = LEGEND_WIDTH - 28.0 - 20.0;
    for (place, nth) in places.iter().take(NAMED_MAX).zip(0_u32..) {
        let y = top + f64::from(nth) * LINE;
        marker(
            scene,
            (left + 6.0, y - LABEL * 0.33),
            place.arm,
            6.0,
            place.colour,
        );
        let arm = match arms.get(place.arm) {
            Some(arm) if arms.len() > 1 => format!(" ({arm})"),
            _ => String::new(),
        };
        let gate = place.gate;
        let numbers = format!(
            ": {}, {}, {} calls",
            human::percent(place.loss),
            human::seconds(place.delay),
            human::number(finite(gate.calls_per_recording))
        );
        let name = format!("{}{arm}", gate.name);
        let room = width - text_width(&numbers, SMALL);
        let text = fit(&name, SMALL, room) + &numbers;
        scene.text((left + 20.0, y), Anchor::Left, SMALL, INK, &text);
    }
}
