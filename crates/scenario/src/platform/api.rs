//! `[platform.api]`: the limit of a token, and what calls take of the platform behind it.

use std::collections::BTreeSet;

use racegate_model::distribution::Distribution;
use racegate_model::scenario::{ApiSpec, PipelineSpec, RateLimit, ReadCost};
use racegate_model::time::Duration;

use super::at_once;
use crate::distribution;
use crate::reader::{Field, Table};
use crate::suggest;

/// Calls per minute and token of the real platform.
const CALLS_PER_MINUTE: u64 = 300;

/// Reads the table. What costs are about are the stages and limits of `pipelines`.
pub(super) fn read(
    mut table: Table<'_>,
    pipelines: &[PipelineSpec],
) -> (ApiSpec, Option<ReadCost>) {
    let window = Duration::from_secs(60);
    let default = Some(RateLimit {
        calls: CALLS_PER_MINUTE,
        window,
    });
    let api = ApiSpec {
        rate_limit: table.or("rate_limit", default, rate_limit),
    };
    let coupled = table.or("coupled", false, Field::boolean);
    let cost = if coupled {
        table.need("read_cost", "\"20ms\"")
    } else {
        table.get("read_cost")
    };
    let stage = table.get("read_stage");
    let cost = cost.and_then(|field| read_cost(&field, stage.as_ref(), pipelines));
    table.finish();
    (api, cost.filter(|_| coupled))
}

fn rate_limit(field: &Field<'_>) -> Option<Option<RateLimit>> {
    if field.node.text() == Some("none") {
        return Some(None);
    }
    let limit = RateLimit::per_minute_window(field.rate()?);
    if limit.calls > 0 {
        return Some(Some(limit));
    }
    field.wrong(
        "allows no call in a window of 60 s",
        "use at least \"1/min\", or \"none\"",
    );
    None
}

/// `"update"`, or the time that a worker of the stage is busy with a read.
fn read_cost(
    field: &Field<'_>,
    stage: Option<&Field<'_>>,
    pipelines: &[PipelineSpec],
) -> Option<ReadCost> {
    if field.node.text() == Some("update") {
        if let Some(stage) = stage {
            stage.wrong(
                "stands beside `read_cost = \"update\"`, which takes no stage",
                "give one of the two",
            );
        }
        if pipelines.iter().all(|pipeline| pipeline.updates.is_none()) {
            field.wrong(
                "takes tokens of an update service that has no limit",
                "add `[platform.metadata.updates]`, or give a time and a `read_stage`",
            );
        }
        return Some(ReadCost::Update);
    }
    let time: Distribution = distribution::read(field).unwrap_or_else(at_once);
    let stage = stage_of(field, stage, pipelines)?;
    Some(ReadCost::Service { stage, time })
}

/// The stage that reads join: the one named, or the only one.
fn stage_of(
    cost: &Field<'_>,
    named: Option<&Field<'_>>,
    pipelines: &[PipelineSpec],
) -> Option<String> {
    let stages = pipelines.iter().flat_map(|pipeline| &pipeline.stages);
    let names: BTreeSet<&str> = stages.map(|stage| stage.name.as_str()).collect();
    let names: Vec<&str> = names.into_iter().collect();
    let Some(field) = named else {
        if let [only] = names.as_slice() {
            return Some((*only).to_owned());
        }
        let (reason, help) = match names.as_slice() {
            [] => (
                "is of a stage, and there is none",
                "add `[[platform.metadata.stage]]`".to_owned(),
            ),
            several => (
                "does not say of which stage",
                format!("add `read_stage`: {}", suggest::list(several)),
            ),
        };
        cost.wrong(reason, help);
        return None;
    };
    let name = field.name()?;
    if !names.contains(&name.as_str()) {
        field.wrong(
            format!("names the unknown stage `{name}`"),
            suggest::help_for(&name, &names, "stages"),
        );
        return None;
    }
    Some(name)
}
