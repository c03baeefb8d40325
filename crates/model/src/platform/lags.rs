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
    /// What it is drawn for, and its position among those draws.
    #[inline(always)]
    pub(super) const fn purpose(self) -> (Purpose, u32) {
        match self {
            Self::Media => (Purpose::MediaLag, 0),
            Self::Common => (Purpose::FieldLag, COMMON_LAG),
            Self::Index => (Purpose::IndexLag, 0),
            Self::Null => (Purpose::NullPhase, 0),
            Self::State => (Purpose::StateLag, 0),
        }
    }

    /// Its draw.
    #[inline(always)]
    pub(super) const fn draw(self, draws: Draws) -> u64 {
        let (purpose, nth) = self.purpose();
        draws.draw_nth(purpose, nth)
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
