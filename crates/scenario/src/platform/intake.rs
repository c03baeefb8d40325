//! What goes wrong between a session and its metadata: signalling limits, outages, update limits,
//! and what a job's query sees.

use racegate_model::scenario::{
    Backoff, Correlation, Filters, IntakeSpec, LakeSpec, Outage, RateLimit, SelectionSpec,
    SidecarSource, SignallingSpec, UpdateLimit,
};
use racegate_model::time::{Duration, Probability};

use crate::gate;
use crate::reader::{Field, Table};

/// Connections of the signalling service, where they are limited.
const CONNECTIONS_MAX: u32 = 10_000_000;
/// Outages of one stage.
const OUTAGES_MAX: usize = 1_000;
/// Workers of one stage.
const WORKERS_MAX: u32 = 100_000;

/// `[platform.signalling]` and `platform.misclassified`.
pub(super) fn intake(platform: &mut Table<'_>) -> IntakeSpec {
    let misclassified = platform.or("misclassified", Probability::ZERO, Field::probability);
    let mut table = platform.table("signalling");
    let signalling = SignallingSpec {
        max_connections: table.or("max_connections", None, |field| {
            gate::unless_none(field, |field| field.count(1, CONNECTIONS_MAX))
        }),
        accepted_per_second: table.or("accept_rate", None, |field| {
            gate::unless_none(field, |field| {
                events(field, Duration::from_secs(1)).map(|limit| limit.calls)
            })
        }),
    };
    table.finish();
    IntakeSpec {
        signalling,
        misclassified,
    }
}

/// A rate that allows at least one event in `window`.
fn events(field: &Field<'_>, window: Duration) -> Option<RateLimit> {
    let calls = field.rate()?.events_in(window);
    if calls > 0 {
        return Some(RateLimit { calls, window });
    }
    field.wrong(
        format!("allows nothing in a window of {window}"),
        "use a higher rate or a longer window",
    );
    None
}

/// `outages = [{ from, duration, workers }]` of a stage: in order and apart.
pub(super) fn outages(stage: &mut Table<'_>) -> Vec<Outage> {
    let Some(field) = stage.get("outages") else {
        return Vec::new();
    };
    let mut outages: Vec<Outage> = Vec::new();
    for item in field.items(OUTAGES_MAX) {
        let mut table = item.table();
        let from = table
            .need("from", "\"20s\"")
            .and_then(|from| from.duration());
        let lasting = table.need("duration", "\"10s\"");
        let lasting = lasting.and_then(|lasting| lasting.duration_above_zero());
        let workers = table.or("workers", 0, |field| field.count(0, WORKERS_MAX));
        table.finish();
        let (Some(from), Some(duration)) = (from, lasting) else {
            continue;
        };
        if let Some(before) = outages.last()
            && from < before.from.saturating_add(before.duration)
        {
            item.wrong(
                "begins before the one above it ends",
                "give outages in order and apart",
            );
        }
        outages.push(Outage {
            from,
            duration,
            workers,
        });
    }
    outages
}

/// `[platform.metadata.updates]`.
pub(super) fn updates(metadata: &mut Table<'_>) -> Option<UpdateLimit> {
    metadata.get("updates")?;
    let mut table = metadata.table("updates");
    let window = table.or("window", Duration::from_secs(1), Field::duration_above_zero);
    let limit = table
        .need("rate", "\"20/s\"")
        .and_then(|field| events(&field, window));
    let backoff: Backoff = gate::backoff(&mut table);
    table.finish();
    let limit = limit.unwrap_or(RateLimit { calls: 1, window });
    Some(UpdateLimit { limit, backoff })
}

/// The keys of `[platform.export]` about selection, and `[platform.lake]`.
pub(super) fn selection(platform: &mut Table<'_>, export: &mut Table<'_>) -> SelectionSpec {
    let acting = export.or("forum_filters", false, Field::boolean);
    let unknown = export.or("unknown_filter", Filters::RefusingUnknown, |field| {
        field.choice(&[
            ("refuse", Filters::RefusingUnknown),
            ("match-nothing", Filters::MatchingNothing),
        ])
    });
    SelectionSpec {
        filters: if acting { unknown } else { Filters::Ignored },
        correlation: export.or("correlation", Correlation::Conversation, |field| {
            field.choice(&[
                ("conversation", Correlation::Conversation),
                ("session", Correlation::Session),
            ])
        }),
        other_id: export.or("other_id", Probability::ZERO, Field::probability),
        shared_session: export.or("shared_session", Probability::ZERO, Field::probability),
        sidecar: export.or("sidecar", SidecarSource::All, |field| {
            field.choice(&[("all", SidecarSource::All), ("own", SidecarSource::Own)])
        }),
        held_forbidden: export.or("held_forbidden", Probability::ZERO, Field::probability),
        lake: lake(platform),
    }
}

fn lake(platform: &mut Table<'_>) -> Option<LakeSpec> {
    platform.get("lake")?;
    let mut table = platform.table("lake");
    let lake = LakeSpec {
        refresh: table.or("refresh", Duration::ZERO, Field::duration),
        lag: table.or("lag", Duration::ZERO, Field::duration),
    };
    table.finish();
    Some(lake)
}
