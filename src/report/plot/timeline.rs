//! One recording's race: a lane for each thing, the window in which an export is incomplete shaded.

use super::axis::{Scale, time_label, time_ticks};
use super::page::{LABEL, MARGIN, SMALL, TITLE, WIDTH};
use super::palette::{BAND_SPIKE, BLUE, Colour, GRID, INK, MUTED, turn};
use super::scene::{Anchor, Dash, Scene, fit};
use super::{Picture, PlotError, canvas};
use crate::report::lanes::{Lane, Lanes, MarkKind, What};

/// Width of the names on the left.
const NAMES: f64 = 250.0;
/// Height of a lane.
const LANE: f64 = 38.0;
const READING: &str = "Bars last: the call, waiting for and service by a stage, and what a reader \
    sees from then on. Circles are looks of the gate, the line is the export. Shaded: from the \
    export to the last thing that it lacked.";

/// Draws the lanes.
///
/// # Errors
/// Only if the drawing library fails.
pub fn timeline(lanes: &Lanes) -> Result<Picture, PlotError> {
    let scene = scene(lanes);
    Ok(Picture {
        name: "race-timeline",
        caption: "One recording: what was visible when, and what the exporter did.",
        svg: canvas::svg(&scene)?,
        png: canvas::png(&scene)?,
    })
}

fn scene(lanes: &Lanes) -> Scene {
    let mut head = Scene::new(WIDTH, 0.0);
    let width = WIDTH - 2.0 * MARGIN;
    let title = fit(&lanes.title, TITLE, width);
    let y = MARGIN + TITLE * 0.6;
    head.text((MARGIN, y), Anchor::Left, TITLE, INK, &title);
    let mut top = head.paragraph((MARGIN, y + SMALL * 1.9), width, SMALL, MUTED, READING);
    for names in &lanes.together {
        top = head.paragraph((MARGIN, top), width, SMALL, MUTED, names);
    }
    let top = top + 12.0;
    let bottom = top + LANE * lanes.lanes.len() as f64;
    let mut scene = Scene::new(WIDTH, bottom + MARGIN + SMALL * 3.0);
    scene.marks = head.marks;
    let x = Scale::linear((0.0, lanes.until), (MARGIN + NAMES, WIDTH - MARGIN));
    if let Some((from, to)) = lanes.window {
        let to = to.min(lanes.until);
        scene.rectangle((x.at(from), top), (x.at(to), bottom), BAND_SPIKE);
    }
    for tick in time_ticks(lanes.until, 8) {
        if tick <= lanes.until {
            let at = x.at(tick);
            scene.line(&[(at, top), (at, bottom)], 1.0, Dash::Solid, GRID);
            let label = time_label(tick);
            scene.text(
                (at, bottom + SMALL * 1.4),
                Anchor::Middle,
                SMALL,
                MUTED,
                &label,
            );
        }
    }
    let middle = f64::midpoint(MARGIN + NAMES, WIDTH - MARGIN);
    let label = "time since the session's start";
    scene.text(
        (middle, bottom + SMALL * 2.9),
        Anchor::Middle,
        SMALL,
        INK,
        label,
    );
    let mut y = top + LANE / 2.0;
    for lane in &lanes.lanes {
        draw(&mut scene, lane, lanes, &x, y);
        y += LANE;
    }
    if let Some(at) = export_at(lanes) {
        scene.line(
            &[(x.at(at), top), (x.at(at), bottom)],
            2.0,
            Dash::Dashed,
            turn(1),
        );
    }
    scene
}

fn draw(scene: &mut Scene, lane: &Lane, lanes: &Lanes, x: &Scale, y: f64) {
    let name = fit(&lane.name, LABEL, NAMES - 16.0);
    scene.text((MARGIN, y + LABEL * 0.33), Anchor::Left, LABEL, INK, &name);
    for span in &lane.spans {
        let half = match span.what {
            What::Waiting => LANE * 0.12,
            What::Session | What::Service | What::Visible => LANE * 0.27,
        };
        let (from, to) = (x.at(span.from), x.at(span.to.min(lanes.until)));
        let to = to.max(from + 2.0);
        scene.rectangle((from, y - half), (to, y + half), colour(span.what));
    }
    for mark in &lane.marks {
        let at = (x.at(mark.at), y);
        match mark.kind {
            MarkKind::Look => scene.circle(at, 6.0, BLUE),
            MarkKind::Export => {
                scene.circle(at, 8.0, turn(1));
                let text = (at.0 + 14.0, y + SMALL * 0.35);
                scene.text(text, Anchor::Left, SMALL, INK, &mark.what);
            }
        }
    }
}

fn export_at(lanes: &Lanes) -> Option<f64> {
    let marks = lanes.lanes.iter().flat_map(|lane| &lane.marks);
    let mut exports = marks.filter(|mark| mark.kind == MarkKind::Export);
    exports.next().map(|mark| mark.at)
}

const fn colour(what: What) -> Colour {
    match what {
        What::Session => MUTED,
        What::Waiting => turn(4),
        What::Service => turn(3),
        What::Visible => turn(2),
    }
}
