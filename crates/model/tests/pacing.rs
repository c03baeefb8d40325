//! A gate's own limit of its calls, and what it does when the API's limit refuses one.

mod support;

use racegate_model::distribution::Distribution;
use racegate_model::draws::Seed;
use racegate_model::gate::{Minimax, OddsIndex, Policy, Progress, Seen, Step};
use racegate_model::ids::{RecordingIndex, TenantIndex};
use racegate_model::outcome::OutcomeKind;
use racegate_model::scenario::*;
use racegate_model::time::{Duration, Rate, Timestamp};
use support::{Collected, gate, millis, run, spike};

/// Calls of one tenant, by outcome and 429s.
fn sums(of: &Collected, tenant: u32) -> (u64, u64, u64) {
    let own = of
        .settled
        .values()
        .filter(|it| it.tenant == TenantIndex(tenant));
    own.fold((0, 0, 0), |(calls, throttled, complete), settled| {
        let is_complete = u64::from(settled.outcome == OutcomeKind::Complete);
        let gate_calls = u64::from(settled.gate_calls);
        (
            calls + gate_calls,
            throttled + u64::from(settled.throttled),
            complete + is_complete,
        )
    })
}

fn strategy(polling: Polling) -> Strategy {
    Minimax {
        polling,
        ..Minimax::default()
    }
    .into()
}

fn minimax(max_calls: Option<Rate>) -> Strategy {
    let polling = Polling {
        max_calls,
        deadline: Some(Duration::from_secs(900)),
        ..Polling::default()
    };
    strategy(polling)
}

fn odds(max_calls: Option<Rate>) -> Strategy {
    let polling = Polling {
        max_calls,
        deadline: Some(Duration::from_secs(900)),
        ..Polling::default()
    };
    OddsIndex {
        polling,
        ..OddsIndex::default()
    }
    .into()
}

/// Some 3 calls a second with a lag of 15 s in the median, and an API of 300 calls a minute.
fn scarce(gates: Vec<GateSpec>) -> Scenario {
    let mut scenario = spike(5);
    scenario.arms.truncate(1);
    scenario.workload.executor = Executor::ArrivalRate(vec![support::stage("steady", 120, 3)]);
    scenario.limits.drain = Duration::from_secs(900);
    let arm = &mut scenario.arms[0];
    arm.gates = gates;
    let platform = &mut arm.platform;
    platform.pipelines = vec![PipelineSpec::default()];
    for kind in [&mut platform.kinds.webrtc, &mut platform.kinds.sip] {
        kind.metadata_lag = support::lognormal(15_000, 153_000);
    }
    platform.index.refresh = Duration::ZERO;
    platform.export.slots = Slots::Unlimited;
    platform.export.latency = Distribution::constant(Duration::ZERO);
    // A job takes three calls, and a recording has one of its own.
    platform.api.rate_limit = Some(RateLimit {
        calls: 1_200,
        window: Duration::from_secs(60),
    });
    scenario
}

#[test]
fn a_paced_gate_is_never_refused_and_loses_nothing() {
    let rate = Rate::per_second(5);
    let gates = vec![
        gate("unpaced", minimax(None)),
        gate("paced", minimax(Some(rate))),
        gate("paced-odds", odds(Some(rate))),
    ];
    let mut scenario = scarce(gates);
    let limit = scenario.arms[0].platform.api.rate_limit.as_mut();
    limit.expect("there is one").calls = 1_000;
    let collected = run(&scenario);
    let recordings = collected.timelines.len() as u64;
    let (_, refused, _) = sums(&collected, 0);
    assert!(refused > 50, "{refused} refused");
    for tenant in [1, 2] {
        let (calls, refused, complete) = sums(&collected, tenant);
        assert_eq!((refused, complete), (0, recordings), "tenant {tenant}");
        assert!(calls >= recordings, "{calls} for {recordings}");
    }
}

#[test]
fn looks_of_a_paced_gate_are_never_nearer_than_its_rate_allows() {
    let rate = Rate::per_second(2);
    let gates = vec![
        gate("paced", minimax(Some(rate))),
        gate("paced-odds", odds(Some(rate))),
    ];
    let collected = run(&scarce(gates));
    for tenant in [0, 1] {
        // The last look of each recording stands for all of them.
        let own = collected
            .settled
            .values()
            .filter(|it| it.tenant.0 == tenant);
        let mut looks: Vec<Timestamp> = own.filter_map(|it| it.checked_at).collect();
        looks.sort_unstable();
        assert!(looks.len() > 200, "{} looks", looks.len());
        let nearest = looks.windows(2).map(|pair| pair[1].since(pair[0])).min();
        assert!(nearest >= Some(millis(500)), "{nearest:?}");
    }
}

#[test]
fn chance_adds_to_the_wait_that_a_429_asks_for_and_never_shortens_it() {
    let polling = Polling {
        retry_jitter: Duration::from_secs(2),
        ..Polling::default()
    };
    let policy = Policy::new(&strategy(polling), Seed(7));
    let (now, wait) = (Timestamp::ZERO, Duration::from_secs(30));
    let mut waits = Vec::new();
    for recording in 0..200 {
        let mut progress = Progress::new(RecordingIndex(recording));
        _ = policy.on(now, Seen::Started, &mut progress);
        for _ in 0..2 {
            let Step::At(at) = policy.on(now, Seen::Throttled(wait), &mut progress) else {
                panic!("a refused check is tried again");
            };
            waits.push(at.since(now).as_secs_f64() - 30.0);
        }
    }
    assert!(waits.iter().all(|wait| (0.0..2.0).contains(wait)));
    let mean = waits.iter().sum::<f64>() / waits.len() as f64;
    // Four standard errors of a uniform mean.
    assert!(
        (mean - 1.0).abs() < 4.0 * 2.0 / (12.0 * 400.0_f64).sqrt(),
        "{mean}"
    );
    assert!((waits[0] - waits[1]).abs() > 1e-9);
}

#[test]
fn without_a_limit_of_its_own_a_429_is_waited_for_to_the_nanosecond() {
    let policy = Policy::new(&minimax(None), Seed(7));
    let mut progress = Progress::new(RecordingIndex(0));
    _ = policy.on(Timestamp::ZERO, Seen::Started, &mut progress);
    let wait = Duration::from_nanos(1_234_567_891);
    let step = policy.on(Timestamp::ZERO, Seen::Throttled(wait), &mut progress);
    assert_eq!(step, Step::At(Timestamp::ZERO + wait));
}
