//! The interleaving of a repro, forced over real HTTP: the mock holds back what came too late until
//! the exporter has exported, or has shown that it waits.

mod command;
mod gate;
mod stage;

use racegate_model::field::FieldSet;

pub(crate) use command::{Command, run as run_command};
pub(crate) use gate::{run as run_gate, run_free};
pub(crate) use stage::Stage;

/// What an exporter did in the forced interleaving.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Verdict {
    /// It exported the recording complete, after it had waited for what was held back.
    Complete,
    /// Its last export lacks these fields.
    Incomplete(FieldSet),
    /// The interleaving could not be forced on it, or it never exported: why.
    Impossible(String),
}

impl Verdict {
    /// Its name in tables and JSON.
    pub(crate) const fn name(&self) -> &'static str {
        match self {
            Self::Complete => "complete",
            Self::Incomplete(_) => "incomplete",
            Self::Impossible(_) => "impossible",
        }
    }
}
