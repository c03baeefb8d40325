//! What must hold on every platform, under every gate, at every seed.

mod support;

use std::collections::BTreeMap;

use proptest::prelude::{
    Just, ProptestConfig, any, prop_assert, prop_assert_eq, prop_assert_ne, prop_oneof, proptest,
};
use proptest::strategy::Strategy as Generator;
use racegate_model::distribution::Distribution;
use racegate_model::draws::Seed;
use racegate_model::field::{Field, FieldGroup, FieldSet};
use racegate_model::ids::{ArmIndex, JobOrdinal, RecordingIndex};
use racegate_model::outcome::OutcomeKind;
use racegate_model::platform::{Output, Platform};
use racegate_model::scenario::*;
use racegate_model::sim::{Path, run_on};
use racegate_model::time::{Duration, Fixed, Probability, Rate, Timestamp};
use racegate_model::timeline::{Region, Timeline};
use racegate_model::workload::{Call, Calls, SessionEnds};
use support::{
    Collected, gate, index_visible, lognormal, millis, polling, required_fields, run, spike,
};

fn share(percent: u32) -> Probability {
    Probability::new(f64::from(percent) / 100.0).expect("a share")
}

fn exponential(ms: u64) -> Distribution {
    Distribution::exponential(millis(ms.max(1))).expect("a mean")
}

/// What a platform may suffer from, each thing on or off.
#[derive(Clone, Copy, Debug)]
struct Troubles {
    workers: u32,
    stages: usize,
    writes_early: bool,
    updates: Option<u64>,
    outage: Option<(u64, u64, u32)>,
    connections: Option<u32>,
    misclassified: u32,
    after_call_work: u64,
    metadata_lag: u64,
    index_refresh: u64,
    index_lag: u64,
    missed: u32,
    propagation_loss: u32,
    level: HoldLevel,
    other_id: u32,
    duplicate: u32,
    policy: ExportPolicy,
    correlation: Correlation,
    lake: Option<LakeSpec>,
    order: WriteOrder,
    between: u64,
    snapshot: SnapshotInstant,
    provisional: u32,
    corrected: Option<u64>,
    forbidden: u32,
    done_when: JobDone,
}

fn troubles() -> impl Generator<Value = Troubles> {
    let pipeline = (
        1_u32..6,
        0_usize..4,
        any::<bool>(),
        proptest::option::of(5_u64..40),
        proptest::option::of((0_u64..15, 1_u64..10, 0_u32..3)),
    );
    let intake = (
        proptest::option::of(10_u32..80),
        0_u32..30,
        0_u64..5_000,
        0_u64..5_000,
    );
    let index = (0_u64..4_000, 0_u64..2_000);
    let level = prop_oneof![Just(HoldLevel::Interaction), Just(HoldLevel::Recording)];
    let hold = (0_u32..50, 0_u32..30, level);
    let policy = prop_oneof![Just(ExportPolicy::Lenient), Just(ExportPolicy::Strict)];
    let by = prop_oneof![Just(Correlation::Conversation), Just(Correlation::Session)];
    let (refresh, lag) = (Duration::from_secs(5), Duration::from_secs(3));
    let lake = proptest::option::of(Just(LakeSpec { refresh, lag }));
    let export = (0_u32..20, 0_u32..50, policy, by, lake);
    let first = prop_oneof![
        Just(WriteOrder::Together),
        Just(WriteOrder::MediaFirst),
        Just(WriteOrder::SidecarFirst),
    ];
    let at = prop_oneof![
        Just(SnapshotInstant::Write),
        Just(SnapshotInstant::Selection)
    ];
    let order = (first, 0_u64..4_000, at);
    let done = prop_oneof![Just(JobDone::Status), Just(JobDone::Counters)];
    let corrected = proptest::option::of(0_u64..9_000);
    let versions = (0_u32..40, corrected, 0_u32..20, done);
    let all = (pipeline, intake, index, hold, export, order, versions);
    all.prop_map(
        |(pipeline, intake, index, hold, export, order, versions)| Troubles {
            workers: pipeline.0,
            stages: pipeline.1,
            writes_early: pipeline.2,
            updates: pipeline.3,
            outage: pipeline.4,
            connections: intake.0,
            misclassified: intake.1,
            after_call_work: intake.2,
            metadata_lag: intake.3,
            index_refresh: index.0,
            index_lag: index.1,
            missed: hold.0,
            propagation_loss: hold.1,
            level: hold.2,
            other_id: export.0,
            duplicate: export.1,
            policy: export.2,
            correlation: export.3,
            lake: export.4,
            order: order.0,
            between: order.1,
            snapshot: order.2,
            provisional: versions.0,
            corrected: versions.1,
            forbidden: versions.2,
            done_when: versions.3,
        },
    )
}

impl Troubles {
    fn stage(&self, index: usize) -> StageSpec {
        let outage = |(from, secs, workers)| Outage {
            from: Duration::from_secs(from),
            duration: Duration::from_secs(secs),
            workers,
        };
        let early = index == 0 && self.writes_early;
        StageSpec {
            name: format!("s{index}"),
            workers: self.workers,
            service: exponential(100),
            writes: if early {
                vec![FieldGroup::Identity]
            } else {
                Vec::new()
            },
            outages: self.outage.map(outage).into_iter().collect(),
        }
    }

    fn platform(&self, platform: &mut PlatformSpec) {
        let backoff = Backoff {
            base: millis(500),
            multiplier: Fixed::new(2.0).expect("a factor"),
            cap: millis(8_000),
            jitter: Jitter::Full,
        };
        let window = Duration::from_secs(1);
        let updates = self.updates.map(|calls| UpdateLimit {
            limit: RateLimit { calls, window },
            backoff,
        });
        let stages = (0..self.stages).map(|index| self.stage(index)).collect();
        platform.pipelines = vec![PipelineSpec { stages, updates }];
        for kind in [&mut platform.kinds.webrtc, &mut platform.kinds.sip] {
            kind.after_call_work = exponential(self.after_call_work);
            kind.metadata_lag = exponential(self.metadata_lag);
            kind.null_phase = exponential(300);
        }
        platform.intake.signalling.max_connections = self.connections;
        platform.intake.misclassified = share(self.misclassified);
        platform.index = IndexSpec {
            refresh: millis(self.index_refresh),
            lag: exponential(self.index_lag),
        };
        platform.hold.missed = share(self.missed);
        platform.hold.level = self.level;
        platform.hold.propagation = exponential(500);
        platform.hold.propagation_loss = share(self.propagation_loss);
        platform.notification.duplicate = share(self.duplicate);
        platform.notification.delay = exponential(1_000);
        platform.versions = (self.provisional > 0).then(|| self.versions());
        platform.export.policy = self.policy;
        platform.export.order = self.order;
        platform.export.between = exponential(self.between);
        platform.export.snapshot = self.snapshot;
        let selection = &mut platform.export.selection;
        selection.other_id = share(self.other_id);
        selection.shared_session = share(self.other_id);
        selection.correlation = self.correlation;
        selection.lake = self.lake;
        selection.held_forbidden = share(self.forbidden);
    }

    fn versions(&self) -> VersionsSpec {
        VersionsSpec {
            provisional: share(self.provisional),
            fields: [Field::StartTime, Field::ClientIp].into_iter().collect(),
            corrected: self.corrected.map(exponential),
            ephemeral: FieldSet::EMPTY,
            kept: exponential(1),
        }
    }
}

/// A short run, small enough to be tried often.
fn short(seed: u64) -> Scenario {
    let mut scenario = spike(seed);
    let stage = |name: &str, secs, rate| Stage {
        name: name.into(),
        duration: Duration::from_secs(secs),
        shape: StageShape::Constant(Rate::per_second(rate)),
    };
    scenario.workload.executor =
        Executor::ArrivalRate(vec![stage("calm", 5, 6), stage("rush", 5, 24)]);
    scenario.workload.warmup = Duration::ZERO;
    scenario.workload.call_duration = lognormal(1_000, 4_000);
    scenario.arms.truncate(1);
    scenario
}

fn troubled(seed: u64, troubles: &Troubles) -> Scenario {
    let mut scenario = short(seed);
    troubles.platform(&mut scenario.arms[0].platform);
    let event = WebhookEvent::MetadataReady;
    let ExponentialBackoff { backoff, polling } = polling(required_fields(), Jitter::Full);
    let confirm = Strategy::WebhookFallback(WebhookFallback {
        event,
        after: millis(5_000),
        backoff,
        polling,
    });
    scenario.arms[0].gates.push(gate("fallback", confirm));
    scenario.arms[0].gates[1].request.done_when = troubles.done_when;
    scenario
}

fn settled_of(collected: &Collected, tenant: u32) -> usize {
    collected
        .settled
        .keys()
        .filter(|(owner, _)| owner.0 == tenant)
        .count()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 10, failure_persistence: None, ..ProptestConfig::default() })]

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

/// A scenario whose every recording has its own job, under an API limit if there is one.
fn alone(seed: u64, troubles: &Troubles, limit: Option<u64>, drain: u64) -> Scenario {
    let mut scenario = troubled(seed, troubles);
    let arm = &mut scenario.arms[0];
    let platform = &mut arm.platform;
    platform.export.slots = Slots::Unlimited;
    platform.export.failure = share(u32::try_from(seed % 4).expect("below four"));
    platform.export.query_time = exponential(seed % 3 * 400);
    // Round numbers make ties: many calls are refused, and come back, at one instant.
    platform.api.rate_limit = limit.map(|calls| RateLimit {
        calls,
        window: Duration::from_secs(10),
    });
    for (position, gate) in arm.gates.iter_mut().enumerate() {
        gate.start = if position % 2 == 0 {
            GateStart::SessionEnd
        } else {
            GateStart::Media
        };
        gate.repair = (position % 3 == 1).then_some(Repair {
            max_exports: 3,
            delay: millis(1_000),
        });
    }
    // Which changes nothing where the platform allows as many.
    arm.gates[0].request.jobs_at_once = seed.is_multiple_of(2).then_some(Slots::Unlimited);
    scenario.limits.drain = Duration::from_secs(drain);
    scenario
}

fn on(path: Path, scenario: &Scenario) -> Collected {
    let mut collected = Collected::default();
    run_on(path, scenario, &mut collected);
    // Jobs are counted in the order in which they are asked for; fused, there is no such order.
    for job in &mut collected.jobs {
        job.ordinal = JobOrdinal(0);
    }
    collected.jobs.sort_by_key(|job| {
        (
            job.tenant,
            job.created_at,
            job.started_at,
            job.done_at,
            job.calls,
        )
    });
    collected
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_path_of_the_simulator_settles_every_recording_alike(
        seed in 0_u64..1_000,
        troubles in troubles(),
        drain in prop_oneof![Just(120_u64), 0_u64..20],
        limit in proptest::option::of(20_u64..2_000),
        slow_media in any::<bool>(),
    ) {
        let mut scenario = alone(seed, &troubles, limit, drain);
        if slow_media {
            scenario.arms[0].platform.kinds.webrtc.media_lag = exponential(4_000);
        }
        let exporter = on(Path::Exporter, &scenario);
        for path in [Path::Auto, Path::Events] {
            let other = on(path, &scenario);
            prop_assert_eq!(exporter.settled.len(), other.settled.len());
            for (one, other) in exporter.settled.values().zip(other.settled.values()) {
                prop_assert_eq!(one, other);
            }
            prop_assert_eq!(exporter.jobs.len(), other.jobs.len());
            for (one, other) in exporter.jobs.iter().zip(&other.jobs) {
                prop_assert_eq!(one, other);
            }
            prop_assert!(exporter.timelines == other.timelines);
            prop_assert_eq!(&exporter.ended, &other.ended);
        }
    }
}
