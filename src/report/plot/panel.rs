//! Panels that share a time axis: shaded phases, grids, ticks and a legend beside each.

use racegate_model::summary::PhaseSummary;

use super::axis::{Scale, clock_label, time_ticks};
use super::page::{LABEL, SMALL, swatch};
use super::palette::{BAND, BAND_SPIKE, Colour, GRID, INK, MUTED};
use super::scene::{Anchor, Dash, LINE_HEIGHT, Point, Scene, fit};

/// Width of the space on the right of the panels.
pub(super) const LEGEND_WIDTH: f64 = 270.0;
/// Width of a line of a legend.
pub(super) const REMARK_WIDTH: f64 = LEGEND_WIDTH - 24.0;

/// One panel: its scales, and the next free place in its legend.
pub(super) struct Panel {
    pub(super) x: Scale,
    pub(super) y: Scale,
    pub(super) legend: Point,
    pub(super) bottom: f64,
}

/// The phase with the most arrivals, if the phases differ.
pub(super) fn spike(phases: &[PhaseSummary]) -> Option<usize> {
    let rate = |phase: &PhaseSummary| phase.rate_per_s.map_or(0.0, |(from, to)| from.max(to));
    let lowest = phases.iter().map(rate).fold(f64::INFINITY, f64::min);
    let (position, phase) = phases
        .iter()
        .enumerate()
        .max_by(|a, b| rate(a.1).total_cmp(&rate(b.1)))?;
    (rate(phase) > lowest).then_some(position)
}

/// Shades and names the phases over all panels.
pub(super) fn phases(scene: &mut Scene, phases: &[PhaseSummary], x: &Scale, (top, bottom): Point) {
    let spike = spike(phases);
    for (position, phase) in phases.iter().enumerate() {
        let (from, to) = (x.at(phase.start_s), x.at(phase.end_s));
        let to = if position + 1 == phases.len() {
            x.at(f64::INFINITY)
        } else {
            to
        };
        if spike == Some(position) {
            scene.rectangle((from, top), (to, bottom), BAND_SPIKE);
        } else if position % 2 == 0 {
            scene.rectangle((from, top), (to, bottom), BAND);
        }
        if to - from > 24.0 {
            let name = fit(&phase.name, LABEL, to - from - 6.0);
            let at = (f64::midpoint(from, to), top - LABEL * 0.4);
            scene.text(at, Anchor::Middle, LABEL, INK, &name);
        }
    }
}

/// Ticks of the time axis.
fn ticks(x: &Scale) -> Vec<f64> {
    let end = x.ends().1;
    time_ticks(end, 8)
        .into_iter()
        .filter(|tick| *tick <= end * 1.001)
        .collect()
}

/// The grid of time and the bounds of phases, in one panel.
pub(super) fn verticals(
    scene: &mut Scene,
    phases: &[PhaseSummary],
    x: &Scale,
    (top, bottom): Point,
) {
    for place in ticks(x).into_iter().map(|tick| x.at(tick)) {
        scene.line(&[(place, top), (place, bottom)], 1.0, Dash::Solid, GRID);
    }
    for place in phases.iter().skip(1).map(|phase| x.at(phase.start_s)) {
        scene.line(
            &[(place, top), (place, bottom)],
            1.5,
            Dash::Dashed,
            MUTED.faded(0.6),
        );
    }
}

/// The labels of the time axis, below the lowest panel.
pub(super) fn time_axis(scene: &mut Scene, x: &Scale, bottom: f64) {
    let end = x.ends().1;
    for tick in ticks(x) {
        let at = (x.at(tick), bottom + SMALL * 1.4);
        scene.text(at, Anchor::Middle, SMALL, MUTED, &clock_label(tick, end));
    }
    let at = (
        x.at(0.0) + (x.at(end) - x.at(0.0)) / 2.0,
        bottom + SMALL * 2.9,
    );
    scene.text(
        at,
        Anchor::Middle,
        SMALL,
        INK,
        "time since the start of the run",
    );
}

/// A panel with its name, its horizontal grid and its ticks.
pub(super) fn panel(
    scene: &mut Scene,
    name: &str,
    x: Scale,
    (top, bottom): Point,
    ticks: &[(f64, String)],
) -> Panel {
    let highest = ticks.iter().map(|tick| tick.0).fold(0.0, f64::max);
    let y = Scale::linear((0.0, highest), (bottom, top));
    let (left, right) = (x.at(f64::NEG_INFINITY), x.at(f64::INFINITY));
    scene.text((left + 8.0, top - 10.0), Anchor::Left, LABEL, INK, name);
    for (value, label) in ticks {
        let height = y.at(*value);
        let colour = if *value > 0.0 { GRID } else { MUTED };
        scene.line(&[(left, height), (right, height)], 1.0, Dash::Solid, colour);
        let at = (left - 8.0, height + SMALL * 0.35);
        scene.text(at, Anchor::Right, SMALL, MUTED, label);
    }
    Panel {
        x,
        y,
        legend: (right + 24.0, top + LABEL * 0.5),
        bottom,
    }
}

impl Panel {
    /// Draws values that may be missing; a gap ends a line.
    pub(super) fn curve(
        &self,
        scene: &mut Scene,
        (times, values): (&[f64], &[Option<f64>]),
        (width, dash, colour): (f64, Dash, Colour),
    ) {
        let mut points: Vec<Point> = Vec::new();
        for (time, value) in times.iter().zip(values) {
            if let Some(value) = value {
                points.push((self.x.at(*time), self.y.at(*value)));
            } else {
                scene.line(&std::mem::take(&mut points), width, dash, colour);
            }
        }
        scene.line(&points, width, dash, colour);
    }

    /// Adds a line to the legend.
    pub(super) fn entry(&mut self, scene: &mut Scene, look: (f64, Dash, Colour), name: &str) {
        swatch(scene, self.legend, look, name);
        self.legend.1 += LABEL * LINE_HEIGHT;
    }

    /// Adds a remark to the legend.
    pub(super) fn remark(&mut self, scene: &mut Scene, text: &str) {
        self.legend.1 = scene.paragraph(self.legend, REMARK_WIDTH, SMALL, MUTED, text);
    }
}
