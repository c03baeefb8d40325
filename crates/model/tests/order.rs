//! What becomes of a recording whose sidecar and media a job reads at different instants.

mod support;

use racegate_model::distribution::Distribution;
use racegate_model::field::{Field, FieldSet};
use racegate_model::history::Settled;
use racegate_model::outcome::{Cause, Fate, OutcomeKind};
use racegate_model::scenario::*;
use racegate_model::sim::{Path, run_on};
use racegate_model::time::{Duration, Timestamp};
use racegate_model::timeline::Timeline;
use support::{Collected, gate, millis, spike};

const EVERY: [Path; 2] = [Path::Auto, Path::Events];

/// Jobs of one second that read the other thing two seconds later; everything else is exact.
fn scenario(order: WriteOrder, media_ms: u64, fields_ms: u64) -> Scenario {
    let mut scenario = spike(3);
    scenario.arms.truncate(1);
    let arm = &mut scenario.arms[0];
    arm.gates = vec![gate("ungated", Strategy::NONE)];
    let platform = &mut arm.platform;
    platform.pipelines = vec![PipelineSpec::default()];
    for kind in [&mut platform.kinds.webrtc, &mut platform.kinds.sip] {
        kind.media_lag = Distribution::constant(millis(media_ms));
        kind.metadata_lag = Distribution::constant(millis(fields_ms));
    }
    platform.index.refresh = Duration::ZERO;
    platform.api.rate_limit = None;
    platform.export.slots = Slots::Unlimited;
    platform.export.latency = Distribution::constant(millis(1_000));
    platform.export.order = order;
    platform.export.between = Distribution::constant(millis(2_000));
    scenario
}

/// Runs it on every path and hands each settled recording over, with its timeline.
fn each(scenario: &Scenario, mut see: impl FnMut(&Settled, &Timeline)) {
    for path in EVERY {
        let mut collected = Collected::default();
        run_on(path, scenario, &mut collected);
        assert!(collected.settled.len() > 1_000, "{path:?}");
        for (key, timeline) in &collected.timelines {
            let settled = collected.settled.values();
            let settled = settled.filter(|settled| settled.recording == key.1);
            settled.for_each(|settled| see(settled, timeline));
        }
    }
}

fn after(timeline: &Timeline, ms: u64) -> Option<Timestamp> {
    Some(timeline.ended_at + millis(ms))
}

#[test]
fn media_first_misses_media_that_is_there_when_its_sidecar_is_taken() {
    let scenario = scenario(WriteOrder::MediaFirst, 2_500, 2_500);
    each(&scenario, |settled, timeline| {
        assert_eq!(settled.outcome, OutcomeKind::Incomplete);
        assert_eq!(settled.missing, FieldSet::EMPTY.with(Field::Media));
        assert_eq!(settled.cause, Some(Cause::MediaLate));
        assert_eq!(settled.fate, Some(Fate::Late(millis(1_500))));
        assert_eq!(settled.snapshot_at, after(timeline, 3_000));
        assert_eq!(settled.media_read_at, after(timeline, 1_000));
        assert_eq!(Some(settled.settled_at), after(timeline, 3_000));
    });
}

#[test]
fn sidecar_first_misses_fields_that_are_there_when_its_media_is_copied() {
    let scenario = scenario(WriteOrder::SidecarFirst, 2_500, 2_500);
    each(&scenario, |settled, timeline| {
        assert_eq!(settled.outcome, OutcomeKind::Incomplete);
        assert!(!settled.missing.contains(Field::Media) && !settled.missing.is_empty());
        assert_eq!(settled.cause, Some(Cause::FieldLag));
        assert_eq!(settled.fate, Some(Fate::Late(millis(1_500))));
        assert_eq!(settled.snapshot_at, after(timeline, 1_000));
        assert_eq!(settled.media_read_at, after(timeline, 3_000));
        assert_eq!(Some(settled.settled_at), after(timeline, 3_000));
    });
}

#[test]
fn what_comes_latest_after_its_own_reading_is_the_cause() {
    // Both are missed; the fields would have needed 1.5 s, the media 3 s.
    each(
        &scenario(WriteOrder::MediaFirst, 4_000, 4_500),
        |settled, _| {
            assert!(settled.missing.contains(Field::Media) && settled.missing.iter().count() > 1);
            assert_eq!(settled.cause, Some(Cause::MediaLate));
            assert_eq!(settled.fate, Some(Fate::Late(millis(3_000))));
        },
    );
    each(
        &scenario(WriteOrder::SidecarFirst, 4_500, 4_000),
        |settled, _| {
            assert!(settled.missing.contains(Field::Media) && settled.missing.iter().count() > 1);
            assert_eq!(settled.cause, Some(Cause::FieldLag));
            assert_eq!(settled.fate, Some(Fate::Late(millis(3_000))));
        },
    );
}

#[test]
fn a_complete_export_regrets_the_shorter_of_its_two_waits() {
    for (order, media_ms, fields_ms) in [
        (WriteOrder::MediaFirst, 400, 2_900),
        (WriteOrder::SidecarFirst, 2_900, 400),
    ] {
        each(
            &scenario(order, media_ms, fields_ms),
            |settled, timeline| {
                assert_eq!(settled.outcome, OutcomeKind::Complete);
                let fields_at = timeline.ended_at + millis(fields_ms);
                let regret = settled.regret(fields_at, timeline.media_at);
                assert_eq!(regret, Some(millis(100)));
            },
        );
    }
}

#[test]
fn a_job_that_selects_first_reads_the_other_thing_later_or_is_done_before() {
    // The second read comes two seconds after the PUT, and the job lasts that long.
    let mut scenario = scenario(WriteOrder::SidecarFirst, 1_500, 0);
    scenario.arms[0].platform.export.snapshot = SnapshotInstant::Selection;
    each(&scenario, |settled, timeline| {
        assert_eq!(settled.outcome, OutcomeKind::Complete);
        assert_eq!(settled.snapshot_at, after(timeline, 0));
        assert_eq!(settled.media_read_at, after(timeline, 2_000));
        assert_eq!(Some(settled.settled_at), after(timeline, 2_000));
    });
}

#[test]
fn without_time_between_an_order_changes_nothing() {
    let hash = |order| {
        let mut scenario = scenario(order, 900, 1_100);
        scenario.arms[0].platform.export.between = Distribution::constant(Duration::ZERO);
        support::run(&scenario).hash
    };
    assert_eq!(hash(WriteOrder::MediaFirst), hash(WriteOrder::Together));
    assert_eq!(hash(WriteOrder::SidecarFirst), hash(WriteOrder::Together));
}
