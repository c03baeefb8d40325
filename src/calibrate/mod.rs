//! `racegate calibrate`: from a trace of what became visible when to a law of the lag.
//!
//! [`read`] streams a trace into observations of bounded size, [`Calibration::of`] fits and tests,
//! and the rest says what was found: [`text`] for people, [`toml`] as a `[platform]` table,
//! [`json`] for programs.

mod columns;
mod fitted;
mod instants;
mod picture;
mod rows;
mod say;
mod toml;
mod trace;

pub use columns::Columns;
pub use fitted::{Calibration, LagFit, NaiveBias};
pub use picture::picture;
pub use say::{json, text};
pub use toml::{distribution, law, platform_table};
pub use trace::{Trace, TraceError, TraceOptions, read};
