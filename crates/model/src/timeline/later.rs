//! What becomes of values after they are there.

use serde::{Deserialize, Serialize};

use super::{Timeline, View};
use crate::field::FieldSet;
use crate::scenario::ReadPath;
use crate::time::Timestamp;

/// Values of one recording that change after they are there.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Later {
    /// Fields whose first version is false.
    pub provisional: FieldSet,
    /// From here on the primary read path has them right.
    pub final_at: Timestamp,
    /// From here on the index has them right.
    pub final_index_at: Timestamp,
    /// Fields that do not stay.
    pub ephemeral: FieldSet,
    /// From here on these read as null.
    pub gone_at: Timestamp,
}

impl Later {
    /// Nothing changes.
    pub(crate) const NOTHING: Self = Self {
        provisional: FieldSet::EMPTY,
        final_at: Timestamp::NEVER,
        final_index_at: Timestamp::NEVER,
        ephemeral: FieldSet::EMPTY,
        gone_at: Timestamp::NEVER,
    };

    const fn final_on(&self, path: ReadPath) -> Timestamp {
        match path {
            ReadPath::Primary => self.final_at,
            ReadPath::Index => self.final_index_at,
        }
    }

    /// Turns first versions into what a reader of `path` sees at `now`.
    pub(super) fn apply(&self, now: Timestamp, path: ReadPath, view: &mut View) {
        if now >= self.gone_at {
            let gone = view.present.intersection(self.ephemeral);
            view.present = view.present.difference(gone);
            view.null = view.null.union(gone);
        }
        if now < self.final_on(path) {
            view.wrong = view.wrong.union(self.provisional);
        }
        view.wrong = view.wrong.intersection(view.present);
    }
}

impl Timeline {
    /// From when on `required` fields are not false for their first version; the beginning of time
    /// where none is.
    #[must_use]
    pub fn corrected_at(&self, path: ReadPath, required: FieldSet) -> Timestamp {
        let later = self.later.as_deref();
        let later = later.filter(|it| !it.provisional.intersection(required).is_empty());
        later.map_or(Timestamp::ZERO, |later| later.final_on(path))
    }

    /// From when on one of `required` is gone.
    #[must_use]
    pub fn gone_at(&self, required: FieldSet) -> Timestamp {
        let later = self.later.as_deref();
        let later = later.filter(|it| !it.ephemeral.intersection(required).is_empty());
        later.map_or(Timestamp::NEVER, |later| later.gone_at)
    }
}
