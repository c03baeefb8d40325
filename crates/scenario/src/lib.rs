//! Scenario files: from TOML to [`racegate_model::scenario::Scenario`], the only crate that knows
//! TOML.
//!
//! A file is parsed, never validated afterwards: what [`parse`] returns is right by construction.
//! Every mistake of a file is reported at once, each with its place, its reason and a way out.
//! [`load`] reads them from disk; a caller without one passes a reader for
//! `empirical = { file = … }` to [`parse_with_files`].

mod arm;
mod diagnostics;
mod distribution;
mod document;
mod edit;
mod expect;
mod fault;
mod gate;
mod load;
mod platform;
mod printable;
mod reader;
mod repro;
mod request;
mod root;
mod schema;
mod source;
mod suggest;
mod units;
mod workload;
mod write;

use racegate_model::scenario::Scenario;

pub use diagnostics::{Color, Diagnostic, Diagnostics, Label};
pub use expect::claim;
pub use load::{LoadError, load, parse_in_folder, read};
pub use printable::{is_unprintable, printable};
pub use repro::{Origin, REPRO_BYTES_MAX, REPRO_SCHEMA, Repro, read_repro, read_repro_file};
pub use schema::json_schema;
pub use source::{Override, Source, Span};
pub use write::{gate as write_gate, gate_tables};

/// Reads a file that a scenario names, given the name as written; the error says why it cannot.
pub type ReadFile<'a> = dyn Fn(&str) -> Result<String, String> + 'a;

/// The largest scenario file, in bytes.
pub const SOURCE_BYTES_MAX: usize = 1 << 20;

/// Parses a scenario that names no other file.
///
/// # Errors
/// If the file or an override has a mistake: all of them are reported.
pub fn parse(source: &Source, overrides: &[Override]) -> Result<Scenario, Diagnostics> {
    let refuse = |_: &str| Err("files cannot be read here".to_owned());
    parse_with_files(source, overrides, &refuse)
}

/// Parses a scenario; `read` opens the files that empirical distributions name, relative to the
/// scenario.
///
/// # Errors
/// If the file, an override or a named file has a mistake: all of them are reported.
pub fn parse_with_files(
    source: &Source,
    overrides: &[Override],
    read: &ReadFile<'_>,
) -> Result<Scenario, Diagnostics> {
    root::parse(source, overrides, read)
}

/// Parses a length of time as scenarios write it: `250ms`, `1.5s`, `1m30s`, at most 30 days.
///
/// # Errors
/// What is wrong with it, and how it is written.
pub fn parse_duration(text: &str) -> Result<racegate_model::time::Duration, String> {
    units::duration(text).map_err(|error| {
        let units::UnitError { reason, help } = error;
        format!("the duration {reason}; {help}")
    })
}
