//! When first versions are corrected, and when values are gone.

use super::clocks::Clocks;
use crate::distribution::Sampler;
use crate::draws::{Draws, Purpose};
use crate::field::FieldSet;
use crate::scenario::VersionsSpec;
use crate::time::{Duration, Probability, Timestamp};
use crate::timeline::{Later, Timeline};

/// The samplers of one platform.
#[derive(Clone, Debug)]
pub(super) struct Versions {
    provisional: Probability,
    fields: FieldSet,
    corrected: Option<Sampler>,
    ephemeral: FieldSet,
    kept: Sampler,
}

impl Versions {
    pub(super) fn new(spec: &VersionsSpec) -> Self {
        Self {
            provisional: spec.provisional,
            fields: spec.fields,
            corrected: spec.corrected.as_ref().map(Sampler::new),
            ephemeral: spec.ephemeral,
            kept: Sampler::new(&spec.kept),
        }
    }

    /// What becomes of the recording's values, as far as their instants are decided.
    pub(super) fn of(
        &self,
        timeline: &Timeline,
        clocks: &Clocks,
        draws: Draws,
    ) -> Option<Box<Later>> {
        let is_provisional = self
            .provisional
            .occurs_with(|| draws.draw(Purpose::Provisional));
        let mut later = Later::NOTHING;
        if is_provisional && !self.fields.is_empty() {
            later.provisional = self.fields;
            let first_at = timeline.last_value_at(self.fields);
            if let Some(lag) = &self.corrected
                && !first_at.is_never()
            {
                later.final_at = first_at + lag.sample_with(|| draws.draw(Purpose::Correction));
                later.final_index_at = clocks.indexed_at(later.final_at, draws);
            }
        }
        if !self.ephemeral.is_empty() {
            let kept: Duration = self.kept.sample_with(|| draws.draw(Purpose::Kept));
            later.ephemeral = self.ephemeral;
            later.gone_at = timeline.ended_at + kept;
        }
        (later != Later::NOTHING).then(|| Box::new(later))
    }
}

impl Timeline {
    /// When the last of `fields` that ever comes has a value on the primary read path.
    fn last_value_at(&self, fields: FieldSet) -> Timestamp {
        let values = fields
            .iter()
            .filter_map(|field| self.fields.get(field as usize))
            .map(|clock| clock.value_at);
        values.max().unwrap_or(Timestamp::NEVER)
    }
}
