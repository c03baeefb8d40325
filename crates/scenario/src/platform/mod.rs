//! `[platform.*]`: the clocks of one arm.

mod api;
mod intake;
mod kind;
mod region;
mod services;
mod versions;

use racegate_model::distribution::Distribution;
use racegate_model::field::{Kind, PerKind};
use racegate_model::scenario::{PipelineSpec, PlatformSpec};
use racegate_model::time::Duration;

use crate::reader::Table;

pub(crate) use services::{fields, slots};

/// A lag of nothing: the default of every clock.
pub(crate) const fn at_once() -> Distribution {
    Distribution::constant(Duration::ZERO)
}

/// Reads `[platform]`. What a kind does not say of itself is as for all kinds.
pub(crate) fn read(mut table: Table<'_>) -> PlatformSpec {
    let mut pipelines = Vec::new();
    let shared = kind::read(&mut table, &kind::defaults());
    let own = Kind::ALL.map(|kind| {
        let mut table = table.table(kind.name());
        let read = kind::read(&mut table, &shared.spec);
        table.finish();
        read
    });
    let stages = shared.stages.unwrap_or_default();
    if own.iter().any(|read| !read.has_own_pipeline()) {
        pipelines.push(PipelineSpec {
            stages: stages.clone(),
            updates: shared.updates,
        });
    }
    let [webrtc, sip] = own.map(|mut read| {
        read.spec.pipeline = 0;
        if read.has_own_pipeline() {
            pipelines.push(PipelineSpec {
                stages: read.stages.unwrap_or_else(|| stages.clone()),
                updates: read.updates.or(shared.updates),
            });
            read.spec.pipeline = pipelines.len() - 1;
        }
        read.spec
    });
    let region = region::read(&mut table, &mut pipelines);
    let (api, coupling) = api::read(table.table("api"), &pipelines);
    let platform = PlatformSpec {
        pipelines,
        kinds: PerKind { webrtc, sip },
        region,
        versions: versions::read(&mut table),
        intake: intake::intake(&mut table),
        index: services::index(table.table("index")),
        hold: services::hold(table.table("hold")),
        notification: services::notification(table.table("notification")),
        export: services::export(&mut table),
        archive: services::archive(table.table("archive")),
        api,
        coupling,
    };
    table.finish();
    platform
}
