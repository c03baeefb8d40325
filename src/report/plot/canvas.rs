//! From a scene to SVG and PNG: the one place that draws.

use std::sync::OnceLock;

use plotters::coord::Shift;
use plotters::prelude::{
    BitMapBackend, Circle, DrawingArea, DrawingBackend, IntoDrawingArea, IntoFont, PathElement,
    Polygon, RGBAColor, Rectangle, SVGBackend, Text,
};
use plotters::style::text_anchor::{HPos, Pos, VPos};
use plotters::style::{Color, FontDesc, FontStyle, ShapeStyle, TextStyle, register_font};

use super::PlotError;
use super::palette::{Colour, PAPER};
use super::scene::{Anchor, Mark, Scene};

/// What the SVG asks a viewer for. The font that is compiled in goes by this whole name, so that
/// texts are measured and PNGs drawn with it; Verdana has nearly the same widths.
const FONT: &str = "DejaVu Sans, Verdana, sans-serif";
static FONT_BYTES: &[u8] = include_bytes!("../../../assets/fonts/DejaVuSans.ttf");

/// Plotters takes a font's size for the height of a line of 1.24 em in SVG; in bitmaps it is the
/// font's own line, of 1.164 em in DejaVu Sans.
const SVG_LINE: f64 = 1.24;
const BITMAP_LINE: f64 = 1.164;
/// From the top of a text to its baseline, as plotters places it: of an em in SVG, of the size in
/// bitmaps.
const SVG_ASCENT: f64 = 0.76;
const BITMAP_ASCENT: f64 = 0.5;

/// Units of the SVG per unit of the scene: plotters has integer coordinates, and half a pixel
/// matters in a curve.
const SVG_SCALE: f64 = 4.0;
/// Pixels of the PNG per unit of the scene, for sharp text on dense screens.
pub(super) const PNG_SCALE: u32 = 2;
/// Every pixel of the PNG is the mean of so many by so many, because plotters does not smooth the
/// edges of wide lines.
const SAMPLES: u32 = 2;
/// No coordinate is farther out; keeps what is drawn within `i32`.
const FAR: f64 = 30_000.0;

/// How a backend wants its texts.
#[derive(Clone, Copy)]
struct Frame {
    scale: f64,
    text_size: f64,
    ascent: f64,
}

/// Registers the font once.
fn font_family() -> Result<&'static str, PlotError> {
    static REGISTERED: OnceLock<bool> = OnceLock::new();
    let registered =
        REGISTERED.get_or_init(|| register_font(FONT, FontStyle::Normal, FONT_BYTES).is_ok());
    registered.then_some(FONT).ok_or(PlotError::Font)
}

/// Width of a text, in units of the scene; `size` is that of an em.
pub(super) fn text_width(text: &str, size: f64) -> f64 {
    // Widths come in whole pixels, so they are measured large.
    const LARGE: f64 = 200.0;
    let measured = font_family().ok().and_then(|family| {
        let font: FontDesc<'_> = (family, LARGE * BITMAP_LINE).into_font();
        font.box_size(text).ok()
    });
    let guess = LARGE * 0.6 * text.chars().count() as f64;
    measured.map_or(guess, |(width, _)| f64::from(width)) * size / LARGE
}

/// The scene as SVG.
pub(super) fn svg(scene: &Scene) -> Result<String, PlotError> {
    let (width, height) = size(scene, SVG_SCALE);
    let mut text = String::new();
    {
        let area = SVGBackend::with_string(&mut text, (width, height)).into_drawing_area();
        let frame = Frame {
            scale: SVG_SCALE,
            text_size: SVG_LINE,
            ascent: SVG_ASCENT,
        };
        area.fill(&colour(PAPER))
            .map_err(|reason| PlotError::Draw {
                reason: reason.to_string(),
            })?;
        draw(scene, &area, frame)?;
    }
    let opened = format!("<svg width=\"{width}\" height=\"{height}\"");
    let wanted = format!(
        "<svg width=\"{:.0}\" height=\"{:.0}\"",
        scene.width, scene.height
    );
    Ok(text.replacen(&opened, &wanted, 1))
}

/// The scene as PNG.
pub(super) fn png(scene: &Scene) -> Result<Vec<u8>, PlotError> {
    let (width, height) = size(scene, f64::from(PNG_SCALE * SAMPLES));
    encode(&pixels_of(scene)?, width / SAMPLES, height / SAMPLES)
}

/// The scene as rows of red, green and blue.
pub(super) fn pixels_of(scene: &Scene) -> Result<Vec<u8>, PlotError> {
    let scale = f64::from(PNG_SCALE * SAMPLES);
    let (width, height) = size(scene, scale);
    // White is the paper: nothing needs to be filled.
    let mut pixels = vec![u8::MAX; width as usize * height as usize * 3];
    {
        let area = BitMapBackend::with_buffer(&mut pixels, (width, height)).into_drawing_area();
        let frame = Frame {
            scale,
            text_size: BITMAP_LINE,
            ascent: BITMAP_ASCENT * BITMAP_LINE,
        };
        draw(scene, &area, frame)?;
    }
    Ok(shrunk(&pixels, width as usize))
}

/// The scene's size in pixels; a multiple of the samples.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "clamped"
)]
fn size(scene: &Scene, scale: f64) -> (u32, u32) {
    let side = |length: f64| (length.clamp(1.0, FAR / 4.0).round() * scale) as u32;
    (side(scene.width), side(scene.height))
}

fn draw<DB: DrawingBackend>(
    scene: &Scene,
    area: &DrawingArea<DB, Shift>,
    frame: Frame,
) -> Result<(), PlotError> {
    let family = font_family()?;
    let failed = |reason: &dyn std::fmt::Display| PlotError::Draw {
        reason: reason.to_string(),
    };
    for mark in &scene.marks {
        let drawn = match mark {
            Mark::Rectangle {
                from,
                to,
                colour: paint,
            } => area.draw(&Rectangle::new(
                [place(*from, frame), place(*to, frame)],
                filled(*paint),
            )),
            Mark::Polygon {
                points,
                colour: paint,
            } => {
                let points: Vec<_> = points.iter().map(|point| place(*point, frame)).collect();
                area.draw(&Polygon::new(points, filled(*paint)))
            }
            Mark::Line {
                points,
                width,
                colour: paint,
            } => {
                let points: Vec<_> = points.iter().map(|point| place(*point, frame)).collect();
                let width = pixels(width * frame.scale).max(1).unsigned_abs();
                area.draw(&PathElement::new(
                    points,
                    colour(*paint).stroke_width(width),
                ))
            }
            Mark::Circle {
                centre,
                radius,
                colour: paint,
            } => {
                let radius = pixels(radius * frame.scale).max(1).unsigned_abs();
                area.draw(&Circle::new(place(*centre, frame), radius, filled(*paint)))
            }
            Mark::Text {
                at,
                anchor,
                size,
                colour: paint,
                text,
            } => {
                let top = (at.0, at.1 - size * frame.ascent);
                let size = size * frame.scale * frame.text_size;
                let paint = colour(*paint);
                let style = TextStyle::from((family, size).into_font())
                    .color(&paint)
                    .pos(Pos::new(horizontal(*anchor), VPos::Top));
                area.draw(&Text::new(text.as_str(), place(top, frame), style))
            }
        };
        drawn.map_err(|reason| failed(&reason))?;
    }
    area.present().map_err(|reason| failed(&reason))
}

const fn horizontal(anchor: Anchor) -> HPos {
    match anchor {
        Anchor::Left => HPos::Left,
        Anchor::Middle => HPos::Center,
        Anchor::Right => HPos::Right,
    }
}

fn place(point: (f64, f64), frame: Frame) -> (i32, i32) {
    (pixels(point.0 * frame.scale), pixels(point.1 * frame.scale))
}

#[expect(clippy::cast_possible_truncation, reason = "clamped")]
fn pixels(length: f64) -> i32 {
    if length.is_finite() {
        length.clamp(-FAR, FAR).round() as i32
    } else {
        0
    }
}

const fn colour(colour: Colour) -> RGBAColor {
    RGBAColor(colour.rgb.0, colour.rgb.1, colour.rgb.2, colour.alpha)
}

fn filled(paint: Colour) -> ShapeStyle {
    colour(paint).filled()
}

/// The mean of every square of samples.
fn shrunk(pixels: &[u8], width: usize) -> Vec<u8> {
    const SIDE: usize = SAMPLES as usize;
    let row = width * 3;
    let mut small = Vec::with_capacity(pixels.len() / (SIDE * SIDE));
    for rows in pixels.chunks_exact(row * SIDE) {
        for x in (0..width).step_by(SIDE) {
            for channel in 0..3 {
                let mut sum = 0_usize;
                for line in 0..SIDE {
                    for column in 0..SIDE {
                        sum += usize::from(rows[line * row + (x + column) * 3 + channel]);
                    }
                }
                small.push(u8::try_from(sum / (SIDE * SIDE)).unwrap_or(u8::MAX));
            }
        }
    }
    small
}

fn encode(pixels: &[u8], width: u32, height: u32) -> Result<Vec<u8>, PlotError> {
    let mut bytes = Vec::new();
    let mut encoder = png::Encoder::new(&mut bytes, width, height);
    encoder.set_color(png::ColorType::Rgb);
    encoder.set_depth(png::BitDepth::Eight);
    let mut writer = encoder.write_header()?;
    writer.write_image_data(pixels)?;
    writer.finish()?;
    Ok(bytes)
}
