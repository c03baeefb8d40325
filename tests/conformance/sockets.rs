//! The same plan over real sockets: HTTP, webhooks, the S3 protocol and WebRTC on loopback.

use std::num::NonZeroUsize;

use racegate::live::{self, Arms, LiveOptions, Stop};
use tokio::sync::watch;

use crate::{Compare, Side, scenario_of};
use racegate_model::conformance::Conformance;
use racegate_model::scenario::{Fidelity, Scenario};
use racegate_model::summary::{ConformanceSummary, GeneratorSummary};
use racegate_model::workload::Calls;

/// Every recording has a job of its own and the index follows at once, so that lateness is not
/// amplified: what differs must be nearer to the edge than the run was late.
const SCENARIO: &str = include_str!("sockets.toml");

/// Runs the scenario over sockets and in the simulator.
async fn both(
    scenario: &Scenario,
    shards: Option<usize>,
) -> (GeneratorSummary, ConformanceSummary, u64) {
    let (_stop, stopped) = watch::channel(Stop::No);
    let options = LiveOptions {
        arms: Arms::Base,
        keep_audio: None,
        shards: shards.and_then(NonZeroUsize::new),
    };
    let mut sink = Compare {
        scenario,
        side: Side::Live,
        conformance: Conformance::default(),
        settled: 0,
    };
    let report = live::run(scenario, &options, &mut sink, stopped, |_| {}).await;
    let generator = report.expect("loopback sockets can be had").finish();
    let settled = sink.settled;
    let mut sink = Compare {
        side: Side::Simulated,
        ..sink
    };
    racegate_model::sim::run(scenario, &mut sink);
    let summary = sink.conformance.summary(|tenant| tenant.0.to_string());
    (generator, summary, settled)
}

#[tokio::test(flavor = "multi_thread")]
async fn over_real_sockets_every_disagreement_is_within_the_measured_lateness() {
    let scenario = scenario_of("sockets.toml", SCENARIO, &[]);
    let (generator, summary, settled) = both(&scenario, None).await;
    assert_eq!(generator.digest_mismatches, 0, "{generator:?}");
    assert!(
        generator.sessions > 0 && generator.packets_received > 0,
        "{generator:?}"
    );
    assert_eq!(summary.pairs, settled, "both engines settle the same pairs");
    assert!(summary.pairs > 200, "{} pairs", summary.pairs);
    assert_eq!(summary.unexplained, 0, "{:#?}", summary.disagreements);
    assert!(summary.agreed * 100 >= summary.pairs * 90, "{summary:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn over_real_sockets_sessions_of_every_fidelity_leave_the_same_history() {
    let mix = "workload.fidelity.webrtc={ media = 0.2, wire = 0.2, transport = 0.2, \
               signalling = 0.2, model = 0.2 }";
    // Long enough for every call to come up on a busy machine.
    let longer = "workload.call_duration=\"2s\"";
    let webrtc = "workload.media={webrtc=1}";
    let scenario = scenario_of("sockets.toml", SCENARIO, &[mix, longer, webrtc]);
    let calls = Calls::new(&scenario.workload, scenario.seed);
    let mut planned = [0_u64; Fidelity::ALL.len()];
    for call in calls {
        planned[scenario.workload.fidelity_of(scenario.seed, &call) as usize] += 1;
    }
    assert!(planned.iter().all(|count| *count > 5), "{planned:?}");
    let (generator, summary, settled) = both(&scenario, None).await;
    assert_eq!(generator.sessions, planned[1..].iter().sum::<u64>());
    assert_eq!(generator.digest_mismatches, 0, "{generator:?}");
    assert_eq!(generator.packets_lost, 0, "{generator:?}");
    assert_eq!(generator.recordings_stored, planned.iter().sum::<u64>());
    assert_eq!(summary.pairs, settled, "both engines settle the same pairs");
    assert_eq!(summary.unexplained, 0, "{:#?}", summary.disagreements);
}

/// A short run whose calls are long enough to come up on a busy machine.
fn short(overrides: &[&str]) -> Scenario {
    let all = [
        "workload.duration=\"2s\"",
        "workload.call_duration=\"2s\"",
        "workload.media={webrtc=1}",
    ];
    scenario_of("sockets.toml", SCENARIO, &[&all, overrides].concat())
}

/// Runs it, and holds all of it against the simulation.
async fn told_as_simulated(scenario: &Scenario, shards: Option<usize>) -> GeneratorSummary {
    let (generator, summary, settled) = both(scenario, shards).await;
    assert_eq!(generator.digest_mismatches, 0, "{generator:?}");
    assert_eq!(generator.packets_lost, 0, "{generator:?}");
    assert_eq!(generator.recordings_stored, generator.sessions);
    assert!(generator.packets_received > 20 * generator.sessions);
    assert_eq!(summary.pairs, settled, "both engines settle the same pairs");
    assert!(summary.pairs > 100, "{} pairs", summary.pairs);
    assert_eq!(summary.unexplained, 0, "{:#?}", summary.disagreements);
    generator
}

#[tokio::test(flavor = "multi_thread")]
async fn over_real_sockets_the_history_is_the_same_on_two_and_three_shards() {
    let mixed = "workload.fidelity.webrtc={ media = 0.6, wire = 0.4 }";
    for shards in [2, 3] {
        let generator = told_as_simulated(&short(&[mixed]), Some(shards)).await;
        assert_eq!(generator.media_shards, shards as u64);
        assert_eq!(generator.connections, generator.sessions);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn over_real_sockets_the_history_is_the_same_whatever_the_stacks() {
    for softphones in ["dense", "str0m"] {
        for ingest in ["dense", "str0m"] {
            let stack =
                format!("workload.stack={{ softphones='{softphones}', ingest='{ingest}' }}");
            told_as_simulated(&short(&[&stack]), None).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn over_real_sockets_the_history_is_the_same_on_persistent_connections() {
    // Calls long enough to come up on a busy machine, of which some thirty are made at once.
    let calls = [
        "workload.call_duration=\"1500ms\"",
        "workload.duration=\"5s\"",
    ];
    let with = |connection| short(&[&calls[..], &[connection]].concat());
    let persistent = "workload.connection='persistent'";
    let generator = told_as_simulated(&with(persistent), Some(2)).await;
    let most = generator.sessions * 3 / 4;
    assert!((1..=most).contains(&generator.connections), "{generator:?}");
    let some = "workload.connection={ persistent = 0.5 }";
    let mixed = told_as_simulated(&with(some), None).await;
    assert!(generator.connections < mixed.connections, "{mixed:?}");
}
