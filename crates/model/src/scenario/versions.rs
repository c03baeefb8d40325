//! What becomes of values after they are there: first versions that are corrected, and values that
//! do not stay.

use super::PlatformSpec;
use crate::distribution::Distribution;
use crate::field::FieldSet;
use crate::time::Probability;

/// Values that change.
#[derive(Clone, PartialEq, Debug)]
pub struct VersionsSpec {
    /// The share of recordings whose first version is false in some fields.
    pub provisional: Probability,
    /// Which fields these are.
    pub fields: FieldSet,
    /// The last of these fields is there → all are true; none is never.
    pub corrected: Option<Distribution>,
    /// Fields that do not stay.
    pub ephemeral: FieldSet,
    /// Session end → these read as null again, on every read path.
    pub kept: Distribution,
}

impl PlatformSpec {
    /// Whether values go away: then what is ready once need not be ready later.
    #[must_use]
    pub fn loses_values(&self) -> bool {
        self.versions
            .as_ref()
            .is_some_and(|versions| !versions.ephemeral.is_empty())
    }
}
