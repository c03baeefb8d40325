//! A run's folder. The only module that knows its layout.
//!
//! ```text
//! run.toml             what was run: tool, seed, engine, machine, scenario; written first
//! history.ndjson.zst   what happened, a line per entry, a zstd frame per second
//! summary.json         the numbers
//! replications.json    what each seed showed, series by series; of a live run its own values
//! model-replications.json  what the simulated seeds of a live run showed
//! latency.hlog         added delays by gate and phase, as an HdrHistogram interval log
//! recordings.csv       one row per gate and recording
//! dead-letters.csv     one row per gate and recording that it gave up
//! report.html, report.md, summary.md, junit.xml, gates.csv, *.svg, *.png
//! ```
//!
//! Files are written under another name and renamed, so that a name is there with all its bytes or
//! not at all. Only the history grows in place: a reader may find it cut off, and says so. The one
//! process that writes to the folder holds a lock on `.lock`.

mod dead_letters;
mod folder;
mod history;
mod latency;
mod lock;
mod machine;
mod origin;
mod recordings;
mod run_file;
#[cfg(test)]
mod tests;

pub(crate) use folder::AUDIO;
pub use folder::{CreateError, Existing, NewRun, OpenError, ReportsError, RunFolder, WriteError};
use history::WhenFull;
pub use history::{Flaw, HistoryError, HistoryLost, HistoryReader, HistoryWriter};
pub use machine::Machine;
pub use recordings::TableError;
use run_file::utc_now;
pub use run_file::{Stored, StoredError};

/// What was run.
const RUN: &str = "run.toml";
/// What happened.
const HISTORY: &str = "history.ndjson.zst";
/// The numbers.
const SUMMARY: &str = "summary.json";
/// What each seed showed.
const REPLICATIONS: &str = "replications.json";
/// What the simulated seeds of a live run showed.
const MODEL_REPLICATIONS: &str = "model-replications.json";
/// Added delays.
const LATENCY: &str = "latency.hlog";
/// One row per gate and recording.
const RECORDINGS: &str = "recordings.csv";
/// One row per gate and recording that it gave up.
const DEAD_LETTERS: &str = "dead-letters.csv";
/// Points at the newest run of a scenario.
const LATEST: &str = "latest";
