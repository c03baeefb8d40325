//! What a gate looks for in a recording.

use crate::field::{Field, FieldSet, Kind};
use crate::scenario::{ReadPath, RequiredFields};
use crate::timeline::{Need, RecordingState, View};

/// What a check must find. All that is set must hold.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Readiness {
    /// `state` is COMPLETED.
    pub state_completed: Looked,
    /// The required fields are there on the primary read path, and not null but for those that may
    /// stay null.
    pub required_fields: Looked,
    /// The same on the index.
    pub index_visible: Looked,
    /// The media object is in storage.
    pub media_available: Looked,
    /// Further fields that must be there and not null on the primary read path.
    pub fields: FieldSet,
}

/// Whether a gate looks at something.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Looked {
    /// It does not.
    #[default]
    Ignored,
    /// It does, and it must hold.
    Needed,
}

impl Looked {
    /// Whether it must hold.
    #[must_use]
    pub const fn needed(self) -> bool {
        matches!(self, Self::Needed)
    }
}

impl Readiness {
    /// The required fields on the primary read path.
    #[must_use]
    pub fn required_fields() -> Self {
        Self {
            required_fields: Looked::Needed,
            ..Self::default()
        }
    }

    /// The names of all checks.
    pub fn words() -> impl Iterator<Item = &'static str> {
        let own = [
            "state-completed",
            "required-fields",
            "index-visible",
            "media-available",
        ];
        own.into_iter().chain(Field::METADATA.map(Field::name))
    }

    /// Adds the check called `word`, one of [`Readiness::words`].
    pub fn add(&mut self, word: &str) {
        match word {
            "state-completed" => self.state_completed = Looked::Needed,
            "required-fields" => self.required_fields = Looked::Needed,
            "index-visible" => self.index_visible = Looked::Needed,
            "media-available" => self.media_available = Looked::Needed,
            name => {
                let named = Field::METADATA.into_iter();
                named
                    .filter(|field| field.name() == name)
                    .for_each(|field| self.fields.insert(field));
            }
        }
    }

    /// The names of the checks that are set.
    pub fn set(&self) -> impl Iterator<Item = &'static str> {
        Self::words().filter(|word| {
            let mut more = *self;
            more.add(word);
            more == *self
        })
    }

    /// Where its checks read: on the index if it looks for what the index shows.
    #[must_use]
    pub const fn path(&self) -> ReadPath {
        if self.index_visible.needed() {
            ReadPath::Index
        } else {
            ReadPath::Primary
        }
    }

    /// What it looks for in a recording that needs the `required` fields.
    pub(crate) fn need(&self, required: FieldSet) -> Need {
        let need = Need::fields(self.needed_fields(required));
        if self.state_completed.needed() {
            need.and_state()
        } else {
            need
        }
    }

    /// Whether `view` shows what it looks for in a recording of `kind` that needs the `required`
    /// fields. A field that may stay null is there with null, unless it is named by itself.
    pub(crate) fn satisfied_by(&self, view: &View, required: &RequiredFields, kind: Kind) -> bool {
        let state_ok = !self.state_completed.needed() || view.state == RecordingState::Completed;
        let needed = self.needed_fields(required.of(kind));
        let named = self.needed_fields(FieldSet::EMPTY);
        state_ok
            && needed.difference(required.there(view)).is_empty()
            && named.difference(view.present).is_empty()
    }

    fn needed_fields(&self, required: FieldSet) -> FieldSet {
        let mut needed = self.fields;
        if self.required_fields.needed() || self.index_visible.needed() {
            needed = needed.union(required);
        }
        if self.media_available.needed() {
            needed.insert(Field::Media);
        }
        needed
    }
}
