//! Values that change after they are there, and clients that misread a job.

mod support;

use racegate_model::distribution::Distribution;
use racegate_model::field::{Field, FieldSet, Kind};
use racegate_model::outcome::{Cause, Fate, OutcomeKind};
use racegate_model::scenario::*;
use racegate_model::time::{Duration, Probability};
use racegate_model::timeline::Hold;
use support::{Collected, gate, millis, polling, required_fields, run, spike};

fn times() -> FieldSet {
    FieldSet::EMPTY.with(Field::StartTime).with(Field::EndTime)
}

/// Fields after one second, jobs of one second, each recording in its own; nothing waits.
fn exact(gates: Vec<GateSpec>, versions: Option<VersionsSpec>) -> Scenario {
    let mut scenario = spike(5);
    scenario.arms.truncate(1);
    let arm = &mut scenario.arms[0];
    arm.gates = gates;
    let platform = &mut arm.platform;
    platform.pipelines = vec![PipelineSpec::default()];
    platform.versions = versions;
    for kind in [&mut platform.kinds.webrtc, &mut platform.kinds.sip] {
        kind.media_lag = Distribution::constant(Duration::ZERO);
        kind.metadata_lag = Distribution::constant(millis(1_000));
    }
    platform.index.refresh = Duration::ZERO;
    platform.api.rate_limit = None;
    platform.export.slots = Slots::Unlimited;
    platform.export.latency = Distribution::constant(millis(1_000));
    scenario
}

fn versions() -> VersionsSpec {
    VersionsSpec {
        provisional: Probability::ZERO,
        fields: times(),
        corrected: None,
        ephemeral: FieldSet::EMPTY,
        kept: Distribution::constant(Duration::ZERO),
    }
}

fn after(seconds: u64) -> GateSpec {
    let delay = Duration::from_secs(seconds);
    gate(&format!("after-{seconds}s"), FixedDelay { delay }.into())
}

fn outcomes(collected: &Collected, tenant: u32) -> Vec<(OutcomeKind, Option<Fate>, Option<Cause>)> {
    let all = collected.settled.values();
    let own = all.filter(|settled| settled.tenant.0 == tenant);
    let mut outcomes: Vec<_> = own
        .map(|settled| (settled.outcome, settled.fate, settled.cause))
        .collect();
    outcomes.sort();
    outcomes.dedup();
    outcomes
}

#[test]
fn a_first_version_is_inconsistent_until_it_is_corrected() {
    let first = VersionsSpec {
        provisional: Probability::ONE,
        corrected: Some(Distribution::constant(millis(4_000))),
        ..versions()
    };
    // Snapshots at 2, 4 and 6 s; the values are right from 5 s on.
    let collected = run(&exact(vec![after(1), after(3), after(5)], Some(first)));
    let stale = |ms| {
        let late = Some(Fate::Late(millis(ms)));
        vec![(OutcomeKind::Inconsistent, late, Some(Cause::StaleVersion))]
    };
    assert_eq!(outcomes(&collected, 0), stale(3_000));
    assert_eq!(outcomes(&collected, 1), stale(1_000));
    let complete = vec![(OutcomeKind::Complete, None, None)];
    assert_eq!(outcomes(&collected, 2), complete);
    for settled in collected.settled.values().filter(|it| it.tenant.0 == 2) {
        let timeline = collected
            .timelines
            .values()
            .find(|timeline| timeline.recording == settled.recording);
        let timeline = timeline.expect("every recording has a timeline");
        let true_at = timeline.true_at(ReadPath::Index, times());
        assert_eq!(
            settled.regret(true_at, timeline.media_at),
            Some(millis(1_000))
        );
    }
}

#[test]
fn what_is_never_corrected_is_lost_and_repairs_copy_it_again() {
    let skewed = VersionsSpec {
        provisional: Probability::ONE,
        ..versions()
    };
    let mut repairing = after(2);
    repairing.repair = Some(Repair {
        max_exports: 3,
        delay: millis(2_000),
    });
    let collected = run(&exact(vec![repairing], Some(skewed)));
    let lost = (
        OutcomeKind::Inconsistent,
        Some(Fate::Lost),
        Some(Cause::StaleVersion),
    );
    assert_eq!(outcomes(&collected, 0), vec![lost]);
    assert!(
        collected
            .settled
            .values()
            .all(|settled| settled.exports == 3)
    );
}

#[test]
fn an_ephemeral_value_is_there_for_the_prompt_and_gone_for_the_patient() {
    let ephemeral = VersionsSpec {
        ephemeral: FieldSet::EMPTY.with(Field::ClientIp),
        kept: Distribution::constant(millis(5_000)),
        ..versions()
    };
    let polls = polling(required_fields(), Jitter::None);
    let mut late = polls.clone();
    late.polling.initial_delay = millis(5_000);
    late.polling.deadline = Some(millis(8_000));
    let gates = vec![
        after(3),
        after(4),
        gate("prompt", Strategy::ExponentialBackoff(polls)),
        gate("late", Strategy::ExponentialBackoff(late)),
    ];
    let collected = run(&exact(gates, Some(ephemeral)));
    for ((tenant, recording), settled) in &collected.settled {
        let mut timelines = collected.timelines.values();
        let timeline = timelines.find(|it| it.recording == *recording);
        let webrtc = timeline.is_some_and(|timeline| timeline.kind == Kind::Webrtc);
        let expected = match tenant.0 {
            1 if webrtc => OutcomeKind::Incomplete,
            3 if webrtc => OutcomeKind::Abandoned,
            _ => OutcomeKind::Complete,
        };
        assert_eq!(settled.outcome, expected, "{tenant:?}");
        if expected != OutcomeKind::Complete {
            assert_eq!(settled.cause, Some(Cause::Expired));
            assert_eq!(settled.fate, Some(Fate::Lost));
        }
    }
}

#[test]
fn a_bucket_that_takes_no_held_recording_fails_these_and_no_others() {
    let mut scenario = exact(vec![after(5)], None);
    scenario.arms[0].platform.export.selection.held_forbidden = Probability::ONE;
    let collected = run(&scenario);
    for settled in collected.settled.values() {
        let mut timelines = collected.timelines.values();
        let timeline = timelines.find(|it| it.recording == settled.recording);
        if timeline.is_some_and(|timeline| timeline.hold == Hold::Held) {
            assert_eq!(settled.outcome, OutcomeKind::Errored);
            assert_eq!(settled.cause, Some(Cause::Permission));
        } else {
            assert_eq!(settled.outcome, OutcomeKind::Complete);
        }
    }
}

#[test]
fn equal_counters_are_a_result_of_nothing_unless_the_query_takes_no_time() {
    let run_with = |query_ms| {
        let mut counting = after(5);
        counting.request.done_when = JobDone::Counters;
        let mut scenario = exact(vec![counting], None);
        scenario.arms[0].platform.export.query_time = Distribution::constant(millis(query_ms));
        run(&scenario)
    };
    let early = (
        OutcomeKind::Skipped,
        Some(Fate::Lost),
        Some(Cause::ReadEarly),
    );
    assert_eq!(outcomes(&run_with(1), 0), vec![early]);
    assert_eq!(
        outcomes(&run_with(0), 0),
        vec![(OutcomeKind::Complete, None, None)]
    );
}
