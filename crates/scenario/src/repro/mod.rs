//! Repro files: a failing case as TOML, values and not draws.
//!
//! Configuration is written in the words of scenarios and read by their reader; the rest is
//! instants, one table a recording.

mod platform;
mod read;
mod recording;
mod words;
mod write;

use racegate_model::repro::{Case, Fingerprint, Level};

pub use read::{read_repro, read_repro_file};

/// The schema of the files that are written, and the only one that is read.
pub const REPRO_SCHEMA: &str = "racegate-repro/1";

/// The largest repro file, in bytes.
pub const REPRO_BYTES_MAX: usize = 32 << 20;

/// A repro file.
#[derive(Clone, PartialEq, Debug)]
pub struct Repro {
    /// The tool that wrote it, with its version.
    pub tool: String,
    /// Where it comes from.
    pub origin: Origin,
    /// How far it was shrunk.
    pub level: Level,
    /// The case.
    pub case: Case,
    /// How it fails.
    pub expect: Fingerprint,
    /// The hash of what it does in the simulator.
    pub hash: String,
}

/// The run that a case was taken out of.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Origin {
    /// The scenario's name.
    pub scenario: String,
    /// Recordings of the run.
    pub recordings: u64,
    /// Recordings that failed under the gate.
    pub failing: u64,
}
