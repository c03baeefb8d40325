//! A second region.

use super::PlatformSpec;
use crate::distribution::Distribution;
use crate::field::Kind;
use crate::time::Probability;
use crate::timeline::Region;

/// A second region, which handles a share of the calls of every kind.
#[derive(Clone, PartialEq, Debug)]
pub struct RegionSpec {
    /// The share.
    pub share: Probability,
    /// A further lag of its metadata, drawn once per recording: the way to the primary store.
    pub lag: Distribution,
    /// Which of [`PlatformSpec::pipelines`] writes its metadata, if it has one of its own.
    pub pipeline: Option<usize>,
}

impl PlatformSpec {
    /// Which pipeline writes the metadata of a call taken for `kind` that `region` handles.
    #[must_use]
    pub const fn pipeline_of(&self, kind: Kind, region: Region) -> usize {
        match (region, &self.region) {
            (
                Region::Second,
                Some(RegionSpec {
                    pipeline: Some(pipeline),
                    ..
                }),
            ) => *pipeline,
            _ => self.kinds.get(kind).pipeline,
        }
    }

    /// The second region's own pipeline.
    #[must_use]
    pub const fn regional_pipeline(&self) -> Option<usize> {
        match &self.region {
            Some(region) => region.pipeline,
            None => None,
        }
    }
}
