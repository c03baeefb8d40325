//! The same plan over real sockets: HTTP, webhooks, the S3 protocol and WebRTC on loopback.

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
async fn both(scenario: &Scenario) -> (GeneratorSummary, ConformanceSummary, u64) {
    let (_stop, stopped) = watch::channel(Stop::No);
    let options = LiveOptions {
        arms: Arms::Base,
        keep_audio: None,
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
    let (generator, summary, settled) = both(&scenario).await;
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
    let (generator, summary, settled) = both(&scenario).await;
    assert_eq!(generator.sessions, planned[1..].iter().sum::<u64>());
    assert_eq!(generator.digest_mismatches, 0, "{generator:?}");
    assert_eq!(generator.packets_lost, 0, "{generator:?}");
    assert_eq!(generator.recordings_stored, planned.iter().sum::<u64>());
    assert_eq!(summary.pairs, settled, "both engines settle the same pairs");
    assert_eq!(summary.unexplained, 0, "{:#?}", summary.disagreements);
}
