//! Pictures of a summary, as SVG and PNG; with `canvas.rs` all that knows plotters.

mod axis;
mod canvas;
mod chart;
mod delay;
mod page;
mod palette;
mod panel;
mod plane;
mod race;
mod rates;
mod scene;
#[cfg(test)]
mod tests;
mod timeline;

use racegate_model::summary::Summary;

pub use self::chart::{Axis, AxisKind, Chart, Series, Shape, chart};
use self::scene::Scene;
pub use self::timeline::timeline;

/// What can go wrong when a picture is drawn.
#[derive(Debug, thiserror::Error)]
pub enum PlotError {
    /// The font that is compiled in is not one.
    #[error("the built-in font cannot be read")]
    Font,
    /// A mark could not be drawn.
    #[error("cannot draw: {reason}")]
    Draw {
        /// What the drawing library says.
        reason: String,
    },
    /// The pixels could not be written as PNG.
    #[error("cannot encode the picture as PNG")]
    Encode(#[from] png::EncodingError),
}

/// A picture in both formats.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Picture {
    /// The name of its files, without extension.
    pub name: &'static str,
    /// One sentence that says what it shows.
    pub caption: &'static str,
    /// An SVG document.
    pub svg: String,
    /// A PNG file, of twice the SVG's size.
    pub png: Vec<u8>,
}

/// A picture that can be drawn of any summary.
pub(super) struct Plot {
    pub(super) name: &'static str,
    pub(super) caption: &'static str,
    scene: fn(&Summary) -> Scene,
}

/// Every picture, in the order of a report.
pub(super) const PLOTS: [Plot; 4] = [
    Plot {
        name: "race-over-time",
        caption: "Arrivals, metadata lag and incomplete exports over time.",
        scene: race::scene,
    },
    Plot {
        name: "loss-and-delay",
        caption: "What each gate loses, against how long it takes; larger points call more.",
        scene: plane::scene,
    },
    Plot {
        name: "incomplete-rate",
        caption: "Incomplete rate of every gate in every phase, with 95 % intervals.",
        scene: rates::scene,
    },
    Plot {
        name: "added-delay-cdf",
        caption: "How soon after the session's end each gate exports.",
        scene: delay::scene,
    },
];

/// Every picture without its PNG, which takes long in a debug build.
#[cfg(test)]
pub(super) fn drawings(summary: &Summary) -> Result<Vec<Picture>, PlotError> {
    let drawing = |plot: &Plot| {
        let svg = canvas::svg(&(plot.scene)(summary))?;
        Ok(Picture {
            name: plot.name,
            caption: plot.caption,
            svg,
            png: Vec::new(),
        })
    };
    PLOTS.iter().map(drawing).collect()
}

/// Draws every picture of a run.
///
/// # Errors
///
/// Fails only if the drawing library does; missing and odd data is drawn as such.
pub fn pictures(summary: &Summary) -> Result<Vec<Picture>, PlotError> {
    PLOTS
        .iter()
        .map(|plot| {
            let scene = (plot.scene)(summary);
            let (svg, png) = (canvas::svg(&scene)?, canvas::png(&scene)?);
            Ok(Picture {
                name: plot.name,
                caption: plot.caption,
                svg,
                png,
            })
        })
        .collect()
}
