//! What a platform can suffer from, one thing at a time.

mod support;

use std::collections::BTreeSet;

use racegate_model::distribution::Distribution;
use racegate_model::field::Kind;
use racegate_model::outcome::{Cause, Fate, OutcomeKind};
use racegate_model::platform::Signalling;
use racegate_model::scenario::*;
use racegate_model::time::{Duration, Probability};
use racegate_model::workload::{Call, Calls};
use support::{gate, millis, run, spike};

/// Sixty regular calls of ten seconds, one per second, all of browser phones.
fn regular() -> Scenario {
    let mut scenario = spike(1);
    let shape = StageShape::Constant(racegate_model::time::Rate::per_second(1));
    let stage = Stage {
        name: "steady".into(),
        duration: Duration::from_secs(60),
        shape,
    };
    scenario.workload.executor = Executor::ArrivalRate(vec![stage]);
    scenario.workload.arrivals = Arrivals::Regular;
    scenario.workload.warmup = Duration::ZERO;
    scenario.workload.call_duration = Distribution::constant(Duration::from_secs(10));
    scenario.workload.webrtc_share = Probability::ONE;
    scenario.arms.truncate(1);
    scenario.arms[0].platform.api.rate_limit = None;
    scenario.arms[0].platform.export.slots = Slots::Unlimited;
    scenario.arms[0].gates = vec![gate(
        "patient",
        FixedDelay {
            delay: millis(30_000),
        }
        .into(),
    )];
    scenario
}

fn cut(scenario: &Scenario, spec: SignallingSpec) -> BTreeSet<u64> {
    let mut signalling = Signalling::new(spec, &scenario.workload, scenario.seed);
    let calls: Vec<Call> = Calls::new(&scenario.workload, scenario.seed).collect();
    // Sessions end in another order than they begin: the last one is asked for first here.
    let cut = calls
        .iter()
        .rev()
        .filter(|call| signalling.is_cut(call.index));
    cut.map(|call| call.index.0).collect()
}

#[test]
fn an_arm_is_untroubled_until_something_is_switched_on() {
    let untroubled = || regular().arms.remove(0);
    assert!(untroubled().is_untroubled());
    let troubles: [fn(&mut Arm); 6] = [
        |arm| arm.platform.intake.misclassified = Probability::ONE,
        |arm| arm.platform.intake.signalling.max_connections = Some(1),
        |arm| arm.platform.hold.propagation_loss = Probability::ONE,
        |arm| arm.platform.export.selection.sidecar = SidecarSource::Own,
        |arm| arm.gates[0].request.exporting = Permission::Missing,
        |arm| {
            let (from, duration) = (Duration::ZERO, Duration::from_secs(1));
            arm.platform.pipelines[0].stages[0].outages = vec![Outage {
                from,
                duration,
                workers: 0,
            }];
        },
    ];
    for trouble in troubles {
        let mut arm = untroubled();
        trouble(&mut arm);
        assert!(!arm.is_untroubled());
    }
}

#[test]
fn a_full_signalling_service_cuts_exactly_the_calls_beyond_its_connections() {
    let scenario = regular();
    let limit = |most| SignallingSpec {
        max_connections: Some(most),
        accepted_per_second: None,
    };
    // Ten calls are up at any time; a cut one holds no connection.
    assert_eq!(cut(&scenario, limit(10)), BTreeSet::new());
    let expected: BTreeSet<u64> = (0..60).filter(|index| index % 10 >= 7).collect();
    assert_eq!(cut(&scenario, limit(7)), expected);
}

#[test]
fn an_accept_rate_cuts_what_arrives_beyond_it_within_a_second() {
    let mut scenario = regular();
    let shape = StageShape::Constant(racegate_model::time::Rate::per_second(4));
    let stage = Stage {
        name: "steady".into(),
        duration: Duration::from_secs(5),
        shape,
    };
    scenario.workload.executor = Executor::ArrivalRate(vec![stage]);
    let spec = SignallingSpec {
        max_connections: None,
        accepted_per_second: Some(3),
    };
    assert_eq!(cut(&scenario, spec), [3, 7, 11, 15, 19].into());
}

#[test]
fn a_cut_call_never_gets_its_webrtc_fields_and_gets_all_others() {
    let mut scenario = regular();
    scenario.arms[0].platform.intake.signalling.max_connections = Some(7);
    let collected = run(&scenario);
    for ((_, recording), settled) in &collected.settled {
        if recording.0 % 10 < 7 {
            assert_eq!(settled.outcome, OutcomeKind::Complete);
            continue;
        }
        assert_eq!(settled.outcome, OutcomeKind::Incomplete);
        assert_eq!(
            (settled.fate, settled.cause),
            (Some(Fate::Lost), Some(Cause::PartialWrite))
        );
        let missing: Vec<&str> = settled.missing.iter().map(|field| field.name()).collect();
        assert_eq!(missing, ["webrtc_session_id", "client_ip"]);
    }
}

#[test]
fn a_misclassified_call_is_inconsistent_and_keeps_its_kind() {
    let mut scenario = regular();
    scenario.arms[0].platform.intake.misclassified = Probability::ONE;
    let collected = run(&scenario);
    assert!(
        collected
            .timelines
            .values()
            .all(|timeline| { timeline.kind == Kind::Webrtc && timeline.taken_for() == Kind::Sip })
    );
    for settled in collected.settled.values() {
        assert_eq!(settled.outcome, OutcomeKind::Inconsistent);
        assert_eq!(settled.cause, Some(Cause::Misclassified));
    }
}

#[test]
fn a_late_duplicate_of_a_notification_exports_nothing_again() {
    let mut scenario = regular();
    let platform = &mut scenario.arms[0].platform;
    platform.notification.duplicate = Probability::ONE;
    platform.notification.delay =
        Distribution::uniform(Duration::ZERO, millis(30_000)).expect("a range");
    let event = WebhookEvent::SessionEnded;
    let webhook = Strategy::Webhook(Webhook {
        event,
        delay: Duration::ZERO,
        patience: None,
    });
    scenario.arms[0].gates = vec![gate("webhook", webhook)];
    let collected = run(&scenario);
    assert_eq!((collected.settled_twice, collected.settled.len()), (0, 60));
}

#[test]
fn a_webhook_about_the_session_does_not_wait_for_the_metadata() {
    let mut scenario = regular();
    let platform = &mut scenario.arms[0].platform;
    platform.kinds.webrtc.after_call_work = Distribution::constant(Duration::from_secs(40));
    let event = WebhookEvent::SessionEnded;
    let webhook = Strategy::Webhook(Webhook {
        event,
        delay: Duration::ZERO,
        patience: None,
    });
    scenario.arms[0].gates = vec![gate("webhook", webhook)];
    let collected = run(&scenario);
    for ((_, recording), settled) in &collected.settled {
        let timeline = &collected.timelines[&(racegate_model::ids::ArmIndex(0), *recording)];
        assert_eq!(settled.approved_at, Some(timeline.ended_at));
        assert_eq!(settled.cause, Some(Cause::AfterCallWork));
    }
}

#[test]
fn the_watermark_makes_a_skip_late_and_a_wrong_id_makes_it_lost() {
    let mut scenario = regular();
    let selection = &mut scenario.arms[0].platform.export.selection;
    let (refresh, lag) = (Duration::ZERO, Duration::from_secs(45));
    selection.lake = Some(LakeSpec { refresh, lag });
    let late = run(&scenario);
    for settled in late.settled.values() {
        assert_eq!(settled.outcome, OutcomeKind::Skipped);
        assert_eq!(settled.cause, Some(Cause::Watermark));
        assert_eq!(settled.fate, Some(Fate::Late(Duration::from_secs(15))));
    }
    let selection = &mut scenario.arms[0].platform.export.selection;
    (selection.lake, selection.other_id) = (None, Probability::ONE);
    for settled in run(&scenario).settled.values() {
        assert_eq!(
            (settled.fate, settled.cause),
            (Some(Fate::Lost), Some(Cause::WrongId))
        );
    }
}
