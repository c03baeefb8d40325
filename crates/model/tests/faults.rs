//! Which sessions are struck, and what becomes of them in the simulation.

mod support;

use racegate_model::fault::{
    CONSENT, Effect, Fault, FaultPlan, RECONNECT, SessionOutcome, SignallingEnd, predict,
};
use racegate_model::ids::RecordingIndex;
use racegate_model::outcome::{Cause, OutcomeKind};
use racegate_model::scenario::{
    FaultShare, FaultSpec, Fidelity, FidelityMix, GateSpec, Scenario, Strategy,
};
use racegate_model::time::{Duration, Probability};
use racegate_model::workload::{Call, Calls};
use support::{run, spike};

fn share(value: f64) -> Probability {
    Probability::new(value).expect("it is in range")
}

fn spec(fault: Fault, share: FaultShare) -> FaultSpec {
    FaultSpec {
        fault,
        share,
        phase: None,
        at: Probability::new(0.5).expect("it is in range"),
        lasts: fault.kind().lasts,
        loss: Probability::ZERO,
    }
}

/// The main scenario, one arm, an ungated and a patient gate.
fn struck(faults: Vec<FaultSpec>) -> Scenario {
    let mut scenario = spike(42);
    scenario.arms.truncate(1);
    scenario.workload.faults = faults;
    scenario
}

fn plan(scenario: &Scenario) -> Vec<(Call, Option<racegate_model::fault::Struck>)> {
    let plan = FaultPlan::new(&scenario.workload, scenario.seed);
    Calls::new(&scenario.workload, scenario.seed)
        .map(|call| (call, plan.of(&call)))
        .collect()
}

#[test]
fn a_count_strikes_exactly_so_many_sessions_spread_over_the_run() {
    let faults = [Fault::Vanish, Fault::Loss, Fault::NoMedia];
    let specs = faults.map(|fault| spec(fault, FaultShare::Count(20)));
    let plan = plan(&struck(specs.to_vec()));
    for (position, fault) in faults.into_iter().enumerate() {
        let hit: Vec<usize> = (0..plan.len())
            .filter(|at| plan[*at].1.is_some_and(|struck| struck.fault == fault))
            .collect();
        assert_eq!(hit.len(), 20, "{}", fault.name());
        assert!(
            hit[0] < plan.len() / 3 && hit[19] > plan.len() / 2,
            "{hit:?}"
        );
        assert!(hit.iter().all(|at| plan[*at].1.unwrap().spec == position));
    }
}

#[test]
fn a_probability_strikes_its_share_of_the_webrtc_calls_of_its_stage() {
    let mut loss = spec(Fault::Loss, FaultShare::Probability(share(0.5)));
    loss.phase = Some(1);
    let plan = plan(&struck(vec![loss]));
    let in_spike = |call: &Call| (22..37).contains(&(call.arrival.as_nanos() / 1_000_000_000));
    let hit = plan.iter().filter(|(_, struck)| struck.is_some()).count();
    let eligible = plan
        .iter()
        .filter(|(call, _)| in_spike(call) && call.kind == racegate_model::field::Kind::Webrtc);
    let eligible = eligible.count();
    assert!(
        plan.iter()
            .all(|(call, struck)| struck.is_none() || in_spike(call))
    );
    assert!(
        (hit * 2).abs_diff(eligible) < eligible / 5,
        "{hit} of {eligible}"
    );
}

#[test]
fn a_fault_passes_over_sessions_that_are_not_real_enough_for_it() {
    let mut scenario = struck(vec![spec(
        Fault::Loss,
        FaultShare::Probability(Probability::ONE),
    )]);
    let shares = [0.0, 0.25, 0.25, 0.25, 0.25].map(share);
    scenario.workload.fidelity.webrtc = FidelityMix::new(shares).expect("they sum to one");
    let mut seen = [0; 5];
    for (call, struck) in plan(&scenario) {
        let fidelity = scenario.workload.fidelity_of(scenario.seed, &call);
        let webrtc = call.kind == racegate_model::field::Kind::Webrtc;
        assert_eq!(struck.is_some(), webrtc && fidelity >= Fidelity::Wire);
        seen[fidelity as usize] += u32::from(webrtc);
    }
    assert!(
        seen[1..].iter().all(|count| (300..500).contains(count)),
        "{seen:?}"
    );
}

#[test]
fn the_rule_says_when_and_how_a_session_ends() {
    let call = plan(&struck(Vec::new()))[0].0;
    let call = Call {
        duration: Duration::from_secs(60),
        ..call
    };
    let at = call.arrival + Duration::from_secs(20);
    let of = |effect, call: &Call| predict(call, effect, at, Duration::from_secs(5));
    let consent = of(Effect::Consent, &call);
    assert_eq!(
        (consent.outcome, consent.ended_at),
        (SessionOutcome::ConsentLost, at + CONSENT)
    );
    let brief = Call {
        duration: Duration::from_secs(30),
        ..call
    };
    let over_before = of(Effect::Consent, &brief);
    assert_eq!(over_before.outcome, SessionOutcome::Unharmed);
    assert_eq!(over_before.ended_at, brief.ended_at());
    let cut = of(Effect::PartialWrite, &call);
    assert_eq!(
        (cut.outcome, cut.ended_at),
        (SessionOutcome::PartialWrite, at)
    );
    assert_eq!(cut.ending.signalling, SignallingEnd::Lost);
    let back_after = |lasts| predict(&call, Effect::Reconnect, at, lasts);
    let in_time = back_after(Duration::from_secs(4));
    assert_eq!(
        (in_time.outcome, in_time.ended_at),
        (SessionOutcome::Unharmed, call.ended_at())
    );
    let too_late = back_after(RECONNECT);
    assert_eq!(
        (too_late.outcome, too_late.ended_at),
        (SessionOutcome::PartialWrite, at + RECONNECT)
    );
    assert_eq!(too_late.ending.signalling, SignallingEnd::Lost);
    let back_to_hang_up = Call {
        duration: Duration::from_secs(24),
        ..call
    };
    let in_time = of(Effect::Reconnect, &back_to_hang_up);
    assert_eq!(in_time.outcome, SessionOutcome::Unharmed);
    let late = of(Effect::LateSetUp(Duration::from_secs(2)), &call);
    assert_eq!(late.outcome, SessionOutcome::Unharmed);
    let never = of(Effect::LateSetUp(Duration::from_secs(60)), &call);
    assert_eq!(never.outcome, SessionOutcome::NotEstablished);
}

/// What became of the struck sessions under the gate, and why.
fn outcomes(fault: Fault, strategy: &Strategy) -> Vec<(OutcomeKind, Option<Cause>)> {
    let mut scenario = struck(vec![spec(fault, FaultShare::Count(30))]);
    let gate = &mut scenario.arms[0].gates;
    gate.retain(|gate: &GateSpec| gate.strategy == *strategy);
    assert_eq!(gate.len(), 1, "there is one such gate");
    let hit: Vec<RecordingIndex> = plan(&scenario)
        .into_iter()
        .filter(|(_, struck)| struck.is_some())
        .map(|(call, _)| call.index)
        .collect();
    assert_eq!(hit.len(), 30);
    let collected = run(&scenario);
    let settled = collected.settled.values();
    settled
        .filter(|settled| hit.contains(&settled.recording))
        .map(|settled| (settled.outcome, settled.cause))
        .collect()
}

#[test]
fn what_a_fault_does_to_a_session_is_what_its_export_shows() {
    let patient = spike(42).arms[0]
        .gates
        .iter()
        .find(|gate| matches!(gate.strategy, Strategy::FixedDelay(_)))
        .expect("the main scenario has one")
        .strategy
        .clone();
    let of = |fault| outcomes(fault, &patient);
    assert!(of(Fault::NoMedia).is_empty(), "no session, no recording");
    let altered = of(Fault::Loss);
    assert_eq!(altered.len(), 30);
    assert!(
        altered
            .iter()
            .all(|(outcome, _)| *outcome != OutcomeKind::Complete)
    );
    let wrong = (OutcomeKind::Inconsistent, Some(Cause::AudioAltered));
    assert!(altered.contains(&wrong), "{altered:?}");
    let cut = of(Fault::SignallingCut);
    assert!(
        cut.iter()
            .all(|(outcome, _)| *outcome == OutcomeKind::Incomplete)
    );
    assert!(
        cut.iter()
            .any(|(_, cause)| *cause == Some(Cause::PartialWrite))
    );
    let unstored = of(Fault::StoreFailure);
    assert!(
        unstored
            .iter()
            .all(|(outcome, _)| *outcome == OutcomeKind::Incomplete)
    );
    assert!(
        unstored
            .iter()
            .any(|(_, cause)| *cause == Some(Cause::MediaLost))
    );
    let short = of(Fault::EarlyHangUp);
    assert!(
        short
            .iter()
            .any(|(outcome, _)| *outcome == OutcomeKind::Complete)
    );
}

#[test]
fn a_session_that_never_came_up_is_counted_and_nothing_else() {
    let whole = run(&struck(Vec::new()));
    let scenario = struck(vec![spec(Fault::NoMedia, FaultShare::Count(25))]);
    let fewer = run(&scenario);
    assert_eq!(fewer.not_established, 25);
    assert_eq!(fewer.ended[0] + 25, whole.ended[0]);
}

#[test]
fn every_way_of_simulating_agrees_on_sessions_that_meet_faults() {
    let kinds = [Fault::Vanish, Fault::NoMedia, Fault::Loss, Fault::StoreLate];
    let specs = kinds.map(|fault| spec(fault, FaultShare::Probability(share(0.1))));
    let mut scenario = struck(specs.to_vec());
    let export = &mut scenario.arms[0].platform.export;
    export.slots = racegate_model::scenario::Slots::Unlimited;
    scenario.arms[0].platform.api.rate_limit = None;
    let on = |path| {
        let mut collected = support::Collected::default();
        racegate_model::sim::run_on(path, &scenario, &mut collected);
        (collected.hash, collected.ended, collected.not_established)
    };
    let fused = on(racegate_model::sim::Path::Auto);
    assert!(fused.2 > 50, "{} never came up", fused.2);
    assert_eq!(fused, on(racegate_model::sim::Path::Events));
}
