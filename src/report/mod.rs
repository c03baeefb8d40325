//! What a run says to people and to CI: terminal, HTML, Markdown, JUnit, CSV and pictures.
//!
//! Everything here is a pure function of a [`Summary`]; the run's folder is another module's, which
//! is handed names and bytes by [`write_all`].

mod content;
pub mod csv;
mod document;
mod doubt;
mod glossary;
pub mod html;
mod human;
pub mod junit;
pub mod lanes;
pub mod markdown;
mod plot;
#[cfg(test)]
pub(crate) mod sample;
pub mod terminal;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod xsd;

use std::io;

use racegate_model::summary::Summary;

pub use self::plot::{
    Axis, AxisKind, Chart, Picture, PlotError, Series, Shape, chart, pictures, timeline,
};
pub use self::terminal::Style;

/// What can go wrong when a report is written.
#[derive(Debug, thiserror::Error)]
pub enum ReportError {
    /// A picture could not be drawn.
    #[error("cannot draw the report's pictures")]
    Plot(#[from] PlotError),
    /// The JUnit file could not be made.
    #[error("cannot make junit.xml")]
    Junit(#[from] quick_junit::SerializeError),
    /// The caller could not write a file.
    #[error("cannot write {name}")]
    Write {
        /// The file.
        name: String,
        /// The reason.
        source: io::Error,
    },
}

/// Where a report's numbers come from: what `run.toml` says, in words.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Origin {
    /// The command line that runs the same again.
    pub command: String,
    /// Names and values, in the order of the page.
    pub facts: Vec<(&'static str, String)>,
    /// The scenario's text.
    pub scenario: String,
}

/// The report that a person reads first.
pub const REPORT: &str = "report.html";

/// Names of the files that [`write_all`] makes.
pub fn files() -> impl Iterator<Item = String> {
    let pictures = plot::PLOTS
        .iter()
        .flat_map(|plot| ["svg", "png"].map(|kind| format!("{}.{kind}", plot.name)));
    let texts = [REPORT, "report.md", "summary.md", "junit.xml", "gates.csv"];
    texts.into_iter().map(str::to_owned).chain(pictures)
}

/// Makes every file of a report and hands each to `write` as name and bytes: `report.html`,
/// `report.md`, `summary.md`, `junit.xml`, `gates.csv`, and each picture as `.svg` and `.png`.
///
/// # Errors
///
/// Fails if `write` does, or if a file cannot be made.
pub fn write_all(
    summary: &Summary,
    origin: Option<&Origin>,
    write: &mut dyn FnMut(&str, &[u8]) -> io::Result<()>,
) -> Result<(), ReportError> {
    let mut put = |name: &str, bytes: &[u8]| {
        write(name, bytes).map_err(|source| ReportError::Write {
            name: name.to_owned(),
            source,
        })
    };
    put("report.md", markdown::render(summary).as_bytes())?;
    put("summary.md", markdown::digest(summary).as_bytes())?;
    put("junit.xml", junit::render(summary)?.as_bytes())?;
    put("gates.csv", csv::render(summary).as_bytes())?;
    let pictures = pictures(summary)?;
    for picture in &pictures {
        put(&format!("{}.svg", picture.name), picture.svg.as_bytes())?;
        put(&format!("{}.png", picture.name), &picture.png)?;
    }
    put(REPORT, html::render(summary, origin, &pictures).as_bytes())
}
