//! The two engines as the main job sees them.

pub(crate) mod live;
pub(crate) mod seeds;
mod shares;
pub(crate) mod sim;

use racegate_model::analysis::{Accumulator, Exit, Replicates};
use racegate_model::summary::Summary;

use crate::store::HistoryWriter;

/// What a run showed, and what its folder still lacks.
pub(crate) struct Played {
    pub(crate) counted: Accumulator,
    pub(crate) summary: Summary,
    /// What each seed showed; none where the folder has it.
    pub(crate) seeds: Option<Replicates>,
    /// What the simulated seeds of a live run showed; none where the folder has it.
    pub(crate) simulated: Option<Replicates>,
}

/// Ends the history; what could not be written makes the run invalid, and nothing else is lost.
fn close(history: Option<HistoryWriter>, summary: &mut Summary) {
    if let Some(Err(error)) = history.map(HistoryWriter::finish) {
        summary.invalid_reasons.push(error.to_string());
        summary.valid = false;
    }
    summary.exit_code = Exit::of(summary).code();
}
