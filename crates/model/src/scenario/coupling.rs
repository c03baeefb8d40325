//! API calls that load the platform.

use super::{Arm, PipelineSpec};
use crate::distribution::Distribution;

/// What each `GET` of a gate takes of the platform. Every tenant then has a platform of its own.
#[derive(Clone, PartialEq, Debug)]
pub enum ReadCost {
    /// It joins a stage's queue as work of that length. Where a kind's pipeline has no such stage
    /// its reads cost nothing.
    Service {
        /// The stage's name.
        stage: String,
        /// How long a worker is busy with it.
        time: Distribution,
    },
    /// It takes a token of the update service, if one is left.
    Update,
}

impl PipelineSpec {
    /// Position of the stage called `name`.
    #[must_use]
    pub fn stage_named(&self, name: &str) -> Option<usize> {
        self.stages.iter().position(|stage| stage.name == name)
    }
}

impl Arm {
    /// Whether the gates' own calls load the platform: then each tenant has one of its own.
    #[must_use]
    pub const fn is_coupled(&self) -> bool {
        self.platform.coupling.is_some()
    }

    /// The same arm with its gate at position `gate` only.
    ///
    /// # Panics
    ///
    /// If there is no such gate.
    #[must_use]
    pub fn alone(&self, gate: usize) -> Self {
        Self {
            gates: vec![self.gates[gate].clone()],
            ..self.clone()
        }
    }
}
