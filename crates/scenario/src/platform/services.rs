//! Index, holds, notifications, exports and the API's limits.

use racegate_model::field::FieldSet;
use racegate_model::scenario::{
    ArchiveSpec, ExportPolicy, ExportSpec, HoldLevel, HoldSpec, IndexSpec, NotificationSpec,
    ReadPath, Slots, SnapshotInstant, Sweep, UnheldFlag, WriteOrder,
};
use racegate_model::time::{Duration, Probability};

use super::{at_once, intake};
use crate::distribution;
use crate::reader::{Field, Table};

/// Export jobs at once, where they are limited.
const SLOTS_MAX: u32 = 10_000;
/// Slots of the real platform.
const SLOTS: u32 = 2;

/// `[platform.index]`.
pub(super) fn index(mut table: Table<'_>) -> IndexSpec {
    let index = IndexSpec {
        refresh: table.or("refresh", Duration::ZERO, Field::duration),
        lag: table.or("lag", at_once(), distribution::read),
    };
    table.finish();
    index
}

/// `[platform.hold]`.
pub(super) fn hold(mut table: Table<'_>) -> HoldSpec {
    let hold = HoldSpec {
        missed: table.or("missed", Probability::ZERO, Field::probability),
        sweep: table.or("sweep", Sweep::Never, |field| match field.node.text() {
            Some("never") => Some(Sweep::Never),
            _ => field.duration_above_zero().map(Sweep::Every),
        }),
        level: table.or("level", HoldLevel::Interaction, |field| {
            field.choice(&[
                ("interaction", HoldLevel::Interaction),
                ("recording", HoldLevel::Recording),
            ])
        }),
        propagation: table.or("propagation", at_once(), distribution::read),
        propagation_loss: table.or("propagation_loss", Probability::ZERO, Field::probability),
        unheld: table.or("unheld", UnheldFlag::False, |field| {
            field.choice(&[("false", UnheldFlag::False), ("null", UnheldFlag::Null)])
        }),
    };
    table.finish();
    hold
}

/// `[platform.notification]`.
pub(super) fn notification(mut table: Table<'_>) -> NotificationSpec {
    let notification = NotificationSpec {
        loss: table.or("loss", Probability::ZERO, Field::probability),
        duplicate: table.or("duplicate", Probability::ZERO, Field::probability),
        delay: table.or("delay", at_once(), distribution::read),
        early: table.or("early", Probability::ZERO, Field::probability),
    };
    table.finish();
    notification
}

/// `[platform.archive]`.
pub(super) fn archive(mut table: Table<'_>) -> ArchiveSpec {
    let default = ArchiveSpec::default();
    let archive = ArchiveSpec {
        restore: table.or("restore", default.restore, distribution::read),
    };
    table.finish();
    archive
}

/// `[platform.export]`.
pub(super) fn export(platform: &mut Table<'_>) -> ExportSpec {
    let mut table = platform.table("export");
    let export = ExportSpec {
        policy: table.or("policy", ExportPolicy::Lenient, |field| {
            field.choice(&[
                ("lenient", ExportPolicy::Lenient),
                ("strict", ExportPolicy::Strict),
            ])
        }),
        latency: table.or("latency", at_once(), distribution::read),
        query_time: table.or("query_time", at_once(), distribution::read),
        slots: table.or("slots", Slots::Limited(SLOTS), slots),
        snapshot: table.or("snapshot", SnapshotInstant::Write, |field| {
            field.choice(&[
                ("write", SnapshotInstant::Write),
                ("selection", SnapshotInstant::Selection),
            ])
        }),
        order: table.or("order", WriteOrder::Together, |field| {
            field.choice(&[
                ("together", WriteOrder::Together),
                ("media-first", WriteOrder::MediaFirst),
                ("sidecar-first", WriteOrder::SidecarFirst),
            ])
        }),
        between: table.or("between", at_once(), distribution::read),
        read: table.or("read", ReadPath::Index, |field| {
            field.choice(&[("index", ReadPath::Index), ("primary", ReadPath::Primary)])
        }),
        schema: table.or("schema", FieldSet::METADATA, |field| Some(fields(field))),
        failure: table.or("failure", Probability::ZERO, Field::probability),
        selection: intake::selection(platform, &mut table),
    };
    table.finish();
    export
}

/// A number of jobs at once, or `"unlimited"`.
pub(crate) fn slots(field: &Field<'_>) -> Option<Slots> {
    if field.node.text().is_some() {
        return field.choice(&[("unlimited", Slots::Unlimited)]);
    }
    field.count(1, SLOTS_MAX).map(Slots::Limited)
}

/// A list of metadata fields.
pub(crate) fn fields(field: &Field<'_>) -> FieldSet {
    field
        .items(32)
        .iter()
        .filter_map(Field::manifest_field)
        .collect()
}
