//! What all pictures share: sizes, the title block, the legend's swatches and markers.

use racegate_model::summary::Summary;

use super::super::human;
use super::palette::{Colour, INK, MUTED, PAPER};
use super::scene::{Anchor, Dash, LINE_HEIGHT, Point, Scene, fit};

/// Width of a picture; it grows only if there is more than fits.
pub(super) const WIDTH: f64 = 1200.0;
/// Height of a picture.
pub(super) const HEIGHT: f64 = 700.0;
/// Space around everything.
pub(super) const MARGIN: f64 = 32.0;
/// Size of the title.
pub(super) const TITLE: f64 = 26.0;
/// Size of names and values.
pub(super) const LABEL: f64 = 17.0;
/// Size of ticks and notes.
pub(super) const SMALL: f64 = 15.0;

/// Draws the title and what is to be known for reading; returns the y where the rest may start.
pub(super) fn title_block(scene: &mut Scene, title: &str, reading: &str, summary: &Summary) -> f64 {
    let width = scene.width - 2.0 * MARGIN;
    scene.text(
        (MARGIN, MARGIN + TITLE * 0.6),
        Anchor::Left,
        TITLE,
        INK,
        &fit(title, TITLE, width),
    );
    let mut y = MARGIN + TITLE * 0.6 + SMALL * 1.9;
    y = scene.paragraph((MARGIN, y), width, SMALL, MUTED, reading);
    y = scene.paragraph((MARGIN, y), width, SMALL, MUTED, &provenance(summary));
    y - SMALL * LINE_HEIGHT + SMALL
}

/// Where the numbers come from.
fn provenance(summary: &Summary) -> String {
    let mut parts = vec![
        summary.scenario.clone(),
        summary.engine.clone(),
        format!("seed {}", summary.seed),
        human::counted(summary.recordings, "recording"),
    ];
    if summary.replications > 1 {
        parts.push(human::counted(summary.replications, "replication"));
    }
    if !summary.valid {
        parts.push("INVALID RUN".to_owned());
    }
    if summary.interrupted {
        parts.push("interrupted".to_owned());
    }
    parts.join(" · ")
}

/// Says in the middle of an area that there is nothing to draw.
pub(super) fn no_data(scene: &mut Scene, from: Point, to: Point) {
    let middle = (
        (from.0 + to.0) / 2.0,
        f64::midpoint(from.1, to.1) + LABEL * 0.3,
    );
    scene.text(middle, Anchor::Middle, LABEL, MUTED, "no data");
}

/// A marker of the arm with that position: circle, square, diamond, each filled, then hollow.
pub(super) fn marker(scene: &mut Scene, at: Point, arm: usize, radius: f64, colour: Colour) {
    let hollow = arm % 2 == 1;
    shape(scene, at, arm / 2 % 3, radius, colour);
    if hollow {
        shape(scene, at, arm / 2 % 3, radius - 2.5, PAPER);
    }
}

fn shape(scene: &mut Scene, (x, y): Point, kind: usize, radius: f64, colour: Colour) {
    match kind {
        0 => scene.circle((x, y), radius, colour),
        1 => {
            let half = radius * 0.9;
            scene.rectangle((x - half, y - half), (x + half, y + half), colour);
        }
        _ => {
            let long = radius * 1.25;
            let points = vec![(x, y - long), (x + long, y), (x, y + long), (x - long, y)];
            scene.polygon(points, colour);
        }
    }
}

/// A piece of line for a legend, with its name on the right; `y` is the name's baseline.
pub(super) fn swatch(
    scene: &mut Scene,
    (x, y): Point,
    (width, dash, colour): (f64, Dash, Colour),
    name: &str,
) {
    const LENGTH: f64 = 34.0;
    let line_y = y - LABEL * 0.33;
    scene.line(&[(x, line_y), (x + LENGTH, line_y)], width, dash, colour);
    let room = scene.width - MARGIN / 2.0 - x - LENGTH - 10.0;
    scene.text(
        (x + LENGTH + 10.0, y),
        Anchor::Left,
        LABEL,
        INK,
        &fit(name, LABEL, room),
    );
}
