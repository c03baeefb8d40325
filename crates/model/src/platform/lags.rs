//! What chance decides of every recording, whatever its fields.

use crate::draws::{Draws, Purpose};
use crate::time::Duration;

/// Position of the lag common to all groups among the draws of [`Purpose::FieldLag`].
const COMMON_LAG: u32 = 100;

/// What chance decides of every recording.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Lag {
    Media,
    Common,
    Index,
    Null,
    State,
}

impl Lag {
    /// Its draw.
    #[inline(always)]
    pub(super) const fn draw(self, draws: Draws) -> u64 {
        match self {
            Self::Media => draws.draw(Purpose::MediaLag),
            Self::Common => draws.draw_nth(Purpose::FieldLag, COMMON_LAG),
            Self::Index => draws.draw(Purpose::IndexLag),
            Self::Null => draws.draw(Purpose::NullPhase),
            Self::State => draws.draw(Purpose::StateLag),
        }
    }
}

/// The lags of one recording that do not depend on its fields.
#[derive(Clone, Copy, Debug)]
pub(super) struct Lags {
    /// Of all fields behind the pipeline.
    pub(super) common: Duration,
    /// Of the index behind the primary read path.
    pub(super) index: Duration,
    /// How long fields are null.
    pub(super) null: Duration,
    /// Of `state`.
    pub(super) state: Duration,
}
