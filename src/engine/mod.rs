//! The two engines as the main job sees them.

pub(crate) mod live;
pub(crate) mod seeds;
mod shares;
pub(crate) mod sim;

use racegate_model::analysis::Exit;
use racegate_model::summary::Summary;

use crate::store::HistoryWriter;

/// Ends the history; what could not be written makes the run invalid, and nothing else is lost.
fn close(history: Option<HistoryWriter>, summary: &mut Summary) {
    if let Some(Err(error)) = history.map(HistoryWriter::finish) {
        summary.invalid_reasons.push(error.to_string());
        summary.valid = false;
    }
    summary.exit_code = Exit::of(summary).code();
}
