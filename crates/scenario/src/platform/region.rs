//! `[platform.region]`: a second region.

use racegate_model::scenario::{PipelineSpec, RegionSpec};
use racegate_model::time::Probability;

use super::{at_once, intake, kind};
use crate::distribution;
use crate::reader::Table;

/// Reads the table. A pipeline of its own is added to `pipelines`; its stages have other names.
pub(super) fn read(
    platform: &mut Table<'_>,
    pipelines: &mut Vec<PipelineSpec>,
) -> Option<RegionSpec> {
    let field = platform.get("region")?;
    let mut table = platform.table("region");
    let share = table
        .need("share", "0.3")
        .and_then(|field| field.probability());
    let lag = table.or("lag", at_once(), distribution::read);
    let stages = table.get("stage").map(|_| kind::stages(&mut table));
    let updates = intake::updates(&mut table);
    table.finish();
    for stage in stages.iter().flatten() {
        if pipelines
            .iter()
            .any(|other| other.stage_named(&stage.name).is_some())
        {
            field.wrong(
                format!("has a stage `{}`, as the first region has", stage.name),
                "give it another name, so that results can tell them apart",
            );
        }
    }
    let own = (stages.is_some() || updates.is_some()).then(|| {
        pipelines.push(PipelineSpec {
            stages: stages.unwrap_or_default(),
            updates,
        });
        pipelines.len() - 1
    });
    Some(RegionSpec {
        share: share.unwrap_or(Probability::ZERO),
        lag,
        pipeline: own,
    })
}
