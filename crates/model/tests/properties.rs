//! What must hold on every platform, under every gate, at every seed.

mod support;

use std::collections::BTreeMap;

use proptest::prelude::{ProptestConfig, prop_assert, prop_assert_eq, prop_assert_ne, proptest};
use proptest::test_runner::FileFailurePersistence;
use racegate_model::distribution::Distribution;
use racegate_model::draws::Seed;
use racegate_model::field::Field;
use racegate_model::ids::{ArmIndex, RecordingIndex};
use racegate_model::outcome::OutcomeKind;
use racegate_model::platform::{Output, Platform};
use racegate_model::scenario::*;
use racegate_model::time::{Duration, Probability, Timestamp};
use racegate_model::timeline::{Region, Timeline};
use racegate_model::workload::{Call, Calls, SessionEnds};
use support::troubles::{exponential, share, short, troubled, troubles};
use support::{Collected, gate, index_visible, millis, polling, run};

/// Cases that once failed are tried first, for ever.
fn kept() -> Option<Box<FileFailurePersistence>> {
    let file = FileFailurePersistence::Direct("tests/regressions/properties.txt");
    Some(Box::new(file))
}

fn settled_of(collected: &Collected, tenant: u32) -> usize {
    collected
        .settled
        .keys()
        .filter(|(owner, _)| owner.0 == tenant)
        .count()
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 24,
        failure_persistence: kept().map(|file| file as _),
        ..ProptestConfig::default()
    })]

    #[test]
    fn every_ended_session_settles_exactly_once(seed in 0_u64..1_000, troubles in troubles()) {
        let mut scenario = troubled(seed, &troubles);
        let arm = &mut scenario.arms[0];
        arm.gates[2].request.jobs_at_once = Some(Slots::Limited(5));
        if let Some(versions) = &mut arm.platform.versions {
            versions.ephemeral.insert(Field::ClientIp);
            versions.kept = exponential(8_000);
        }
        let collected = run(&scenario);
        prop_assert_eq!(collected.settled_twice, 0);
        for tenant in 0..7 {
            prop_assert_eq!(settled_of(&collected, tenant) as u64, collected.ended[0]);
        }
        for settled in collected.settled.values() {
            let complete = settled.outcome == OutcomeKind::Complete;
            prop_assert_eq!(settled.fate.is_none(), complete);
            prop_assert_eq!(settled.cause.is_none(), complete);
        }
    }

    #[test]
    fn checking_what_the_export_reads_never_exports_incomplete(
        seed in 0_u64..1_000,
        troubles in troubles(),
    ) {
        let mut scenario = troubled(seed, &troubles);
        let patient = polling(index_visible(), Jitter::Equal);
        let gates = vec![gate("index", Strategy::ExponentialBackoff(patient))];
        scenario.arms[0].gates = gates;
        let collected = run(&scenario);
        for settled in collected.settled.values() {
            prop_assert_ne!(settled.outcome, OutcomeKind::Incomplete);
        }
    }

    #[test]
    fn more_lag_never_makes_the_ungated_export_more_complete(
        seed in 0_u64..1_000,
        lag in 0_u64..5_000,
        more in 1_u64..5_000,
    ) {
        let lagging = |ms: u64| {
            let mut scenario = short(seed);
            let platform = &mut scenario.arms[0].platform;
            platform.kinds.webrtc.metadata_lag = Distribution::constant(millis(ms));
            platform.kinds.sip.metadata_lag = Distribution::constant(millis(ms));
            platform.export.slots = Slots::Unlimited;
            scenario.arms[0].gates.truncate(1);
            run(&scenario)
        };
        let (less, more) = (lagging(lag), lagging(lag + more));
        for (key, later) in &more.settled {
            if later.outcome == OutcomeKind::Complete {
                prop_assert_eq!(less.settled[key].outcome, OutcomeKind::Complete);
            }
        }
    }

    #[test]
    fn arrivals_and_lags_are_the_same_under_every_gate(
        seed in 0_u64..1_000,
        troubles in troubles(),
    ) {
        let all = troubled(seed, &troubles);
        let together = run(&all);
        for gate in [0, 3] {
            let mut alone = all.clone();
            alone.arms[0].gates = vec![all.arms[0].gates[gate].clone()];
            prop_assert_eq!(&run(&alone).timelines, &together.timelines);
        }
    }

    #[test]
    fn a_second_region_without_calls_changes_nothing(
        seed in 0_u64..1_000,
        troubles in troubles(),
    ) {
        let alone = troubled(seed, &troubles);
        let mut beside = alone.clone();
        let platform = &mut beside.arms[0].platform;
        platform.pipelines.push(platform.pipelines[0].clone());
        platform.region = Some(RegionSpec {
            share: Probability::ZERO,
            lag: exponential(1_000),
            pipeline: Some(1),
        });
        let (alone, beside) = (run(&alone), run(&beside));
        prop_assert_eq!(&alone.timelines, &beside.timelines);
        prop_assert_eq!(&alone.settled, &beside.settled);
    }

    #[test]
    fn a_second_region_leaves_its_share_to_the_first(seed in 0_u64..1_000, percent in 1_u32..99) {
        let mut scenario = short(seed);
        let platform = &mut scenario.arms[0].platform;
        platform.pipelines.push(platform.pipelines[0].clone());
        platform.region = Some(RegionSpec {
            share: share(percent),
            lag: Distribution::constant(millis(700)),
            pipeline: Some(1),
        });
        let collected = run(&scenario);
        for timeline in collected.timelines.values() {
            let by = match timeline.region {
                Region::First => Duration::ZERO,
                Region::Second => millis(700),
            };
            prop_assert_eq!(timeline.fields[0].value_at, timeline.written_at + by);
        }
        let second = collected.timelines.values().filter(|t| t.region == Region::Second);
        let (second, all) = (second.count() as f64, collected.timelines.len() as f64);
        let expected = f64::from(percent) / 100.0;
        let error = (expected * (1.0 - expected) / all).sqrt();
        prop_assert!((second / all - expected).abs() < 5.0 * error);
    }

    #[test]
    fn reads_that_cost_nothing_change_nothing(seed in 0_u64..1_000, mut troubles in troubles()) {
        troubles.stages = troubles.stages.max(1);
        let mut shared = troubled(seed, &troubles);
        // One that never looks, two that do.
        let gates = &mut shared.arms[0].gates;
        *gates = vec![gates[0].clone(), gates[2].clone(), gates[3].clone()];
        let mut coupled = shared.clone();
        coupled.arms[0].platform.coupling = Some(ReadCost::Service {
            stage: "s0".into(),
            time: Distribution::constant(Duration::ZERO),
        });
        let (shared, coupled) = (run(&shared), run(&coupled));
        prop_assert_eq!(&shared.settled, &coupled.settled);
        prop_assert_eq!(&shared.ended, &coupled.ended);
        prop_assert_eq!(coupled.own.len(), 3 * shared.timelines.len());
        for ((_, recording), timeline) in &coupled.own {
            let mut timeline = timeline.clone();
            timeline.tenant = None;
            prop_assert_eq!(&timeline, &shared.timelines[&(ArmIndex(0), *recording)]);
        }
    }

    #[test]
    fn what_a_gate_reads_delays_every_recording_or_leaves_it_alone(
        seed in 0_u64..1_000,
        workers in 1_u32..4,
        cost in 1_u64..100,
    ) {
        let mut shared = short(seed);
        let arm = &mut shared.arms[0];
        arm.platform.pipelines[0].stages[0].workers = workers;
        arm.gates = vec![arm.gates[0].clone(), arm.gates[3].clone()];
        let mut coupled = shared.clone();
        coupled.arms[0].platform.coupling = Some(ReadCost::Service {
            stage: "inject".into(),
            time: exponential(cost),
        });
        let (shared, coupled) = (run(&shared), run(&coupled));
        for ((_, recording), own) in &coupled.own {
            let alone = &shared.timelines[&(ArmIndex(0), *recording)];
            prop_assert!(own.stages[0].started_at >= alone.stages[0].started_at);
        }
        // The first gate never looks, so it has the platform that nobody loads.
        let own = coupled.own.iter().filter(|((tenant, _), _)| tenant.0 == 0);
        for ((_, recording), own) in own {
            let alone = &shared.timelines[&(ArmIndex(0), *recording)];
            prop_assert_eq!(own.fields, alone.fields);
        }
    }

    #[test]
    fn an_instant_is_decided_at_latest_when_it_occurs(
        seed in 0_u64..1_000,
        troubles in troubles(),
    ) {
        let scenario = troubled(seed, &troubles);
        for told in told(&scenario).values() {
            let (_, decided) = told.last().expect("something was told");
            for (at, timeline) in told {
                let next = told.iter().map(|(at, _)| *at).find(|next| next > at);
                let before_next = next.map(|at| Timestamp::from_nanos(at.as_nanos() - 1));
                for now in [Some(*at), before_next].into_iter().flatten() {
                    for path in [ReadPath::Primary, ReadPath::Index] {
                        prop_assert_eq!(timeline.view(now, path), decided.view(now, path));
                    }
                }
            }
            for clock in decided.fields {
                prop_assert!(clock.null_at <= clock.value_at && clock.value_at <= clock.index_at);
            }
        }
    }
}

/// All that the platform says of each recording, and when.
fn told(scenario: &Scenario) -> BTreeMap<RecordingIndex, Vec<(Timestamp, Timeline)>> {
    let calls = Calls::new(&scenario.workload, scenario.seed);
    let mut platform = Platform::new(&scenario.arms[0], &scenario.workload, scenario.seed);
    let mut told: BTreeMap<RecordingIndex, Vec<(Timestamp, Timeline)>> = BTreeMap::new();
    let mut ends = SessionEnds::new(calls).peekable();
    loop {
        let end = ends.peek().map(Call::ended_at);
        let due = platform.poll_timeout();
        let Some(now) = [end, due].into_iter().flatten().min() else {
            return told;
        };
        if due == Some(now) {
            platform.handle_timeout(now);
        } else if let Some(call) = ends.next() {
            platform.handle_input(now, &call);
        }
        while let Some(output) = platform.poll_output() {
            let (Output::Began(timeline) | Output::Decided(timeline)) = output;
            told.entry(timeline.recording)
                .or_default()
                .push((now, timeline));
        }
    }
}

#[test]
fn a_seed_names_the_history_of_every_gate_and_no_other_does() {
    let mut other = short(1);
    other.seed = Seed(2);
    assert_eq!(run(&short(1)).hash, run(&short(1)).hash);
    assert_ne!(run(&short(1)).hash, run(&other).hash);
}
