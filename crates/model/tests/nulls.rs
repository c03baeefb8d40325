//! A flag that stays null for ever, and clients that take null for a value.

mod support;

use racegate_model::distribution::Distribution;
use racegate_model::field::{Field, FieldSet};
use racegate_model::ids::ArmIndex;
use racegate_model::outcome::{Cause, Fate, OutcomeKind};
use racegate_model::scenario::*;
use racegate_model::time::Duration;
use racegate_model::timeline::Hold;
use support::{Collected, gate, millis, polling, required_fields, run, spike};

const FLAG: FieldSet = FieldSet::EMPTY.with(Field::LegalHoldFlag);

/// Fields after one second, jobs that take no time, each recording in its own; nothing waits.
fn exact(gates: Vec<GateSpec>, unheld: UnheldFlag, nullable: FieldSet) -> Scenario {
    let mut scenario = spike(5);
    scenario.arms.truncate(1);
    let arm = &mut scenario.arms[0];
    arm.gates = gates;
    arm.required.nullable = nullable;
    let platform = &mut arm.platform;
    platform.pipelines = vec![PipelineSpec::default()];
    platform.hold.unheld = unheld;
    for kind in [&mut platform.kinds.webrtc, &mut platform.kinds.sip] {
        kind.media_lag = Distribution::constant(Duration::ZERO);
        kind.metadata_lag = Distribution::constant(millis(1_000));
    }
    platform.index.refresh = Duration::ZERO;
    platform.api.rate_limit = None;
    platform.export.slots = Slots::Unlimited;
    platform.export.latency = Distribution::constant(Duration::ZERO);
    scenario
}

fn gates() -> Vec<GateSpec> {
    let delay = millis(500);
    let fields = polling(required_fields(), Jitter::None);
    vec![
        gate("early", FixedDelay { delay }.into()),
        gate("forum", Strategy::ForumBackoff(ForumBackoff::default())),
        gate("fields", Strategy::ExponentialBackoff(fields)),
    ]
}

/// What became of the recordings of that hold under a gate, each thing once.
fn outcomes(of: &Collected, gate: u32, hold: Hold) -> Vec<(OutcomeKind, Option<Cause>)> {
    let own = of.settled.values().filter(|it| it.tenant.0 == gate);
    let own = own.filter(|it| of.timelines[&(ArmIndex(0), it.recording)].hold == hold);
    let mut outcomes: Vec<_> = own.map(|it| (it.outcome, it.cause)).collect();
    outcomes.sort_unstable();
    outcomes.dedup();
    outcomes
}

const COMPLETE: (OutcomeKind, Option<Cause>) = (OutcomeKind::Complete, None);

#[test]
fn a_flag_that_stays_null_abandons_every_recording_without_hold() {
    let collected = run(&exact(gates(), UnheldFlag::Null, FieldSet::EMPTY));
    let abandoned = (OutcomeKind::Abandoned, Some(Cause::StaysNull));
    for gate in [1, 2] {
        assert_eq!(outcomes(&collected, gate, Hold::Free), [abandoned]);
        assert_eq!(outcomes(&collected, gate, Hold::Held), [COMPLETE]);
    }
    for settled in collected.settled.values() {
        let abandoned = settled.outcome == OutcomeKind::Abandoned;
        assert!(
            !abandoned || settled.fate == Some(Fate::Lost),
            "{settled:?}"
        );
    }
}

#[test]
fn where_the_flag_may_stay_null_only_a_gate_that_names_it_waits_in_vain() {
    let collected = run(&exact(gates(), UnheldFlag::Null, FLAG));
    let abandoned = (OutcomeKind::Abandoned, Some(Cause::GaveUp));
    assert_eq!(outcomes(&collected, 1, Hold::Free), [abandoned]);
    for (gate, hold) in [(1, Hold::Held), (2, Hold::Held), (2, Hold::Free)] {
        assert_eq!(outcomes(&collected, gate, hold), [COMPLETE]);
    }
    // Before the null is written the key is not there, and that is incomplete.
    let early = outcomes(&collected, 0, Hold::Free);
    assert_eq!(early, [(OutcomeKind::Incomplete, Some(Cause::FieldLag))]);
    for timeline in collected.timelines.values() {
        let complete_at = timeline.complete_at(ReadPath::Index, FLAG.with(Field::MediaType));
        assert_eq!(complete_at, timeline.ended_at + millis(1_000));
    }
}

#[test]
fn a_null_that_goes_before_a_value_is_a_false_one_to_who_accepts_null() {
    let mut scenario = exact(gates(), UnheldFlag::False, FLAG);
    let kinds = &mut scenario.arms[0].platform.kinds;
    for kind in [&mut kinds.webrtc, &mut kinds.sip] {
        kind.groups[2].lag = Distribution::constant(millis(4_000));
        kind.null_phase = Distribution::constant(millis(4_000));
    }
    let collected = run(&scenario);
    let stale = (OutcomeKind::Inconsistent, Some(Cause::StaleVersion));
    assert_eq!(outcomes(&collected, 2, Hold::Held), [stale]);
    assert_eq!(outcomes(&collected, 2, Hold::Free), [COMPLETE]);
    // The forum's code names the flag, and waits for its value.
    assert_eq!(outcomes(&collected, 1, Hold::Held), [COMPLETE]);
}

#[test]
fn state_follows_the_last_field_written_whether_or_not_that_is_null() {
    let lag = |unheld, nullable| {
        let mut scenario = exact(gates(), unheld, nullable);
        let kinds = &mut scenario.arms[0].platform.kinds;
        for kind in [&mut kinds.webrtc, &mut kinds.sip] {
            kind.groups[2].lag = Distribution::constant(millis(3_000));
        }
        let collected = run(&scenario);
        let lags = collected.timelines.into_values();
        let lags: Vec<_> = lags.map(|it| it.state_at.since(it.ended_at)).collect();
        lags
    };
    let plain = lag(UnheldFlag::False, FieldSet::EMPTY);
    assert!(plain.iter().all(|lag| *lag == millis(4_000)));
    assert_eq!(plain, lag(UnheldFlag::Null, FieldSet::EMPTY));
    assert_eq!(plain, lag(UnheldFlag::Null, FLAG));
}
