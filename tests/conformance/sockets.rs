//! The same plan over real sockets: HTTP, webhooks, the S3 protocol and WebRTC on loopback.

use racegate::live::{self, Arms, LiveOptions, Stop};
use tokio::sync::watch;

use crate::{Compare, Side, scenario_of};
use racegate_model::conformance::Conformance;

/// Every recording has a job of its own and the index follows at once, so that lateness is not
/// amplified: what differs must be nearer to the edge than the run was late.
const SCENARIO: &str = include_str!("sockets.toml");

#[tokio::test(flavor = "multi_thread")]
async fn over_real_sockets_every_disagreement_is_within_the_measured_lateness() {
    let scenario = scenario_of("sockets.toml", SCENARIO, &[]);
    let (_stop, stopped) = watch::channel(Stop::No);
    let options = LiveOptions {
        arms: Arms::Base,
        keep_audio: None,
    };
    let mut sink = Compare {
        scenario: &scenario,
        side: Side::Live,
        conformance: Conformance::default(),
        settled: 0,
    };
    let report = live::run(&scenario, &options, &mut sink, stopped, |_| {}).await;
    let generator = report.expect("loopback sockets can be had").finish();
    assert_eq!(generator.digest_mismatches, 0, "{generator:?}");
    assert!(
        generator.sessions > 0 && generator.packets_received > 0,
        "{generator:?}"
    );
    let settled = sink.settled;
    let mut sink = Compare {
        side: Side::Simulated,
        ..sink
    };
    racegate_model::sim::run(&scenario, &mut sink);
    let summary = sink.conformance.summary(|tenant| tenant.0.to_string());
    assert_eq!(summary.pairs, settled, "both engines settle the same pairs");
    assert!(summary.pairs > 200, "{} pairs", summary.pairs);
    assert_eq!(summary.unexplained, 0, "{:#?}", summary.disagreements);
    assert!(summary.agreed * 100 >= summary.pairs * 90, "{summary:#?}");
}
