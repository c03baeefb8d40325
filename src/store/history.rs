//! `history.ndjson.zst`: one JSON line per entry, in zstd frames of a second.
//!
//! A frame is written whole, so a process that is killed loses at most the last second, and a
//! reader takes all whole frames of a file that was cut off.

mod reader;
mod seal;
#[cfg(test)]
mod tests;
mod writer;

pub use reader::{Flaw, HistoryReader};
pub(super) use writer::WhenFull;
pub use writer::{HistoryError, HistoryLost, HistoryWriter};
