//! A chart of any curves: what calibration and tuning draw.

use super::axis::{Scale, compact, log_time_ticks, round_ticks, time_label, time_ticks};
use super::page::{HEIGHT, LABEL, MARGIN, SMALL, TITLE, WIDTH, no_data};
use super::palette::{Colour, GRID, INK, MUTED, turn};
use super::scene::{Anchor, Dash, LINE_HEIGHT, Point, Scene, fit};
use super::{Picture, PlotError, canvas};

/// Width of the legend on the right.
const LEGEND_WIDTH: f64 = 320.0;

/// What is drawn.
#[derive(Clone, PartialEq, Debug)]
pub struct Chart {
    /// The name of its files, without extension.
    pub name: &'static str,
    /// The headline, which says what is to be seen.
    pub title: String,
    /// How it is to be read.
    pub reading: String,
    /// The horizontal axis.
    pub x: Axis,
    /// The vertical axis.
    pub y: Axis,
    /// Curves, bands and points, the first one undermost.
    pub series: Vec<Series>,
}

/// An axis.
#[derive(Clone, PartialEq, Debug)]
pub struct Axis {
    /// What it shows, with its unit.
    pub label: &'static str,
    /// Lowest and highest value.
    pub range: (f64, f64),
    /// How values are placed and written.
    pub kind: AxisKind,
}

/// How values are placed and written.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum AxisKind {
    /// Seconds in decades.
    LogSeconds,
    /// Seconds from zero.
    Seconds,
    /// Numbers in decades.
    LogNumber,
    /// Shares from 0 to 1, in per cent.
    Share,
}

/// Something on the chart.
#[derive(Clone, PartialEq, Debug)]
pub struct Series {
    /// Its name in the legend; none if empty.
    pub name: String,
    /// What is drawn of it.
    pub shape: Shape,
}

/// What is drawn of a series.
#[derive(Clone, PartialEq, Debug)]
pub enum Shape {
    /// A line through points.
    Line(Vec<(f64, f64)>),
    /// A dashed line through points.
    Dashed(Vec<(f64, f64)>),
    /// The area between two curves: (x, low, high).
    Band(Vec<(f64, f64, f64)>),
    /// Single points, with a text beside each.
    Points(Vec<(f64, f64, String)>),
    /// Ticks that stand on the lower axis and reach up to a height.
    Ticks(Vec<(f64, f64)>),
}

/// Draws the chart.
///
/// # Errors
/// Only if the drawing library fails.
pub fn chart(chart: &Chart) -> Result<Picture, PlotError> {
    let scene = scene(chart);
    Ok(Picture {
        name: chart.name,
        caption: "",
        svg: canvas::svg(&scene)?,
        png: canvas::png(&scene)?,
    })
}

fn scene(chart: &Chart) -> Scene {
    let mut scene = Scene::new(WIDTH, HEIGHT);
    let width = WIDTH - 2.0 * MARGIN;
    let title = fit(&chart.title, TITLE, width);
    scene.text(
        (MARGIN, MARGIN + TITLE * 0.6),
        Anchor::Left,
        TITLE,
        INK,
        &title,
    );
    let y = MARGIN + TITLE * 0.6 + SMALL * 1.9;
    let top = scene.paragraph((MARGIN, y), width, SMALL, MUTED, &chart.reading) + 24.0;
    let (left, right) = (MARGIN + 64.0, WIDTH - MARGIN - LEGEND_WIDTH);
    let bottom = HEIGHT - MARGIN - 52.0;
    if chart.series.is_empty() {
        no_data(&mut scene, (left, top), (right, bottom));
        return scene;
    }
    let x = chart.x.scale((left, right));
    let y = chart.y.scale((bottom, top));
    grid(&mut scene, chart, &x, &y);
    let mut legend = top + LABEL * 0.4;
    for (position, series) in chart.series.iter().enumerate() {
        let colour = turn(position);
        draw(&mut scene, &series.shape, colour, &x, &y);
        if !series.name.is_empty() {
            let from = (right + 24.0, legend - 5.0);
            key(&mut scene, &series.shape, colour, from);
            let place = (right + 66.0, legend);
            let width = LEGEND_WIDTH - 66.0;
            legend = scene.paragraph(place, width, SMALL, INK, &series.name) + SMALL * 0.5;
        }
    }
    scene
}

impl Axis {
    pub(super) fn scale(&self, places: (f64, f64)) -> Scale {
        match self.kind {
            AxisKind::LogSeconds | AxisKind::LogNumber => Scale::logarithmic(self.range, places),
            AxisKind::Seconds | AxisKind::Share => Scale::linear(self.range, places),
        }
    }

    fn ticks(&self) -> Vec<(f64, String)> {
        let (from, to) = self.range;
        match self.kind {
            AxisKind::LogSeconds => labelled(log_time_ticks((from, to)), time_label),
            AxisKind::Seconds => labelled(within(time_ticks(to, 8), to), time_label),
            AxisKind::Share => labelled(within(round_ticks(to, 5), to), |share| {
                format!("{} %", compact(share * 100.0))
            }),
            AxisKind::LogNumber => {
                let steps = [
                    0.1, 0.2, 0.5, 1.0, 2.0, 3.0, 5.0, 10.0, 20.0, 50.0, 100.0, 1_000.0,
                ];
                let ticks = steps
                    .into_iter()
                    .filter(|tick| *tick >= from && *tick <= to);
                labelled(ticks.collect(), compact)
            }
        }
    }
}

fn within(ticks: Vec<f64>, to: f64) -> Vec<f64> {
    ticks
        .into_iter()
        .filter(|tick| *tick <= to * 1.001)
        .collect()
}

fn labelled(ticks: Vec<f64>, label: impl Fn(f64) -> String) -> Vec<(f64, String)> {
    ticks.into_iter().map(|tick| (tick, label(tick))).collect()
}

/// Draws the axes with their ticks and labels.
pub(super) fn grid(scene: &mut Scene, chart: &Chart, x: &Scale, y: &Scale) {
    let (left, right) = (x.at(f64::NEG_INFINITY), x.at(f64::INFINITY));
    let (bottom, top) = (y.at(f64::NEG_INFINITY), y.at(f64::INFINITY));
    for (value, label) in chart.x.ticks() {
        let at = x.at(value);
        scene.line(&[(at, top), (at, bottom)], 1.0, Dash::Solid, GRID);
        scene.text(
            (at, bottom + SMALL * 1.4),
            Anchor::Middle,
            SMALL,
            MUTED,
            &label,
        );
    }
    for (value, label) in chart.y.ticks() {
        let at = y.at(value);
        scene.line(&[(left, at), (right, at)], 1.0, Dash::Solid, GRID);
        scene.text(
            (left - 8.0, at + SMALL * 0.35),
            Anchor::Right,
            SMALL,
            MUTED,
            &label,
        );
    }
    let middle = f64::midpoint(left, right);
    scene.text(
        (middle, bottom + SMALL * 2.9),
        Anchor::Middle,
        SMALL,
        INK,
        chart.x.label,
    );
    scene.text(
        (left - 56.0, top - 10.0),
        Anchor::Left,
        LABEL,
        INK,
        chart.y.label,
    );
}

fn draw(scene: &mut Scene, shape: &Shape, colour: Colour, x: &Scale, y: &Scale) {
    let place = |(a, b): (f64, f64)| (x.at(a), y.at(b));
    match shape {
        Shape::Line(points) => {
            let points: Vec<Point> = points.iter().copied().map(place).collect();
            scene.line(&points, 3.0, Dash::Solid, colour);
        }
        Shape::Dashed(points) => {
            let points: Vec<Point> = points.iter().copied().map(place).collect();
            scene.line(&points, 2.5, Dash::Dashed, colour);
        }
        Shape::Band(points) => {
            let low = points.iter().map(|(a, low, _)| place((*a, *low)));
            let high = points.iter().rev().map(|(a, _, high)| place((*a, *high)));
            scene.polygon(low.chain(high).collect(), colour.faded(0.25));
        }
        Shape::Points(points) => {
            for (a, b, text) in points {
                let at = place((*a, *b));
                scene.circle(at, 6.0, colour);
                scene.text((at.0 + 10.0, at.1 - 6.0), Anchor::Left, SMALL, INK, text);
            }
        }
        Shape::Ticks(ticks) => {
            for (a, b) in ticks {
                let foot = (x.at(*a), y.at(f64::NEG_INFINITY));
                scene.line(&[foot, place((*a, *b))], 2.0, Dash::Solid, colour);
            }
        }
    }
}

fn key(scene: &mut Scene, shape: &Shape, colour: Colour, (left, middle): Point) {
    let line = [(left, middle), (left + 32.0, middle)];
    match shape {
        Shape::Line(_) => scene.line(&line, 3.0, Dash::Solid, colour),
        Shape::Dashed(_) => scene.line(&line, 2.5, Dash::Dashed, colour),
        Shape::Band(_) => {
            let half = SMALL * LINE_HEIGHT / 3.0;
            let (from, to) = ((left, middle - half), (left + 32.0, middle + half));
            scene.rectangle(from, to, colour.faded(0.25));
        }
        Shape::Points(_) => scene.circle((left + 16.0, middle), 6.0, colour),
        Shape::Ticks(_) => {
            let tick = [(left + 16.0, middle + 7.0), (left + 16.0, middle - 7.0)];
            scene.line(&tick, 2.0, Dash::Solid, colour);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_shape_is_drawn_and_named_in_the_legend() {
        let series = |name: &str, shape| Series {
            name: name.to_owned(),
            shape,
        };
        let drawn = scene(&Chart {
            name: "test",
            title: "Title".to_owned(),
            reading: "Reading".to_owned(),
            x: Axis {
                label: "lag",
                range: (0.1, 100.0),
                kind: AxisKind::LogSeconds,
            },
            y: Axis {
                label: "share",
                range: (0.0, 1.0),
                kind: AxisKind::Share,
            },
            series: vec![
                series("band", Shape::Band(vec![(1.0, 0.2, 0.4), (5.0, 0.5, 0.7)])),
                series("line", Shape::Line(vec![(1.0, 0.3), (5.0, 0.6)])),
                series("points", Shape::Points(vec![(2.0, 0.5, "here".to_owned())])),
                series("ticks", Shape::Ticks(vec![(3.0, 0.5), (0.0, f64::NAN)])),
            ],
        });
        let svg = canvas::svg(&drawn).unwrap();
        for text in [
            "Title", "band", "line", "points", "ticks", "here", "10 s", "60 %",
        ] {
            assert!(svg.contains(text), "{text}");
        }
    }
}
