//! The same plan through both engines, recording by recording.

mod lockstep;
mod sockets;

use lockstep::lockstep;
use racegate_model::conformance::Conformance;
use racegate_model::history::{EndReason, JobRecord, Settled};
use racegate_model::ids::ArmIndex;
use racegate_model::recorder::Sink;
use racegate_model::scenario::{Arm, Scenario};
use racegate_model::summary::ConformanceSummary;
use racegate_model::time::Timestamp;
use racegate_model::timeline::Timeline;
use racegate_scenario::{Override, Source, parse};

/// A scenario with every kind of gate and every clock, small enough for a test.
const SCENARIO: &str = include_str!("every-gate.toml");

fn scenario(overrides: &[&str]) -> Scenario {
    scenario_of("every-gate.toml", SCENARIO, overrides)
}

fn scenario_of(name: &str, text: &str, overrides: &[&str]) -> Scenario {
    let overrides: Vec<Override> = overrides.iter().map(|set| Override::set(*set)).collect();
    match parse(&Source::new(name, text), &overrides) {
        Ok(scenario) => scenario,
        Err(diagnostics) => {
            panic!("{}", diagnostics.render(racegate_scenario::Color::Never))
        }
    }
}

/// Hands what one engine settles to the comparison.
enum Side {
    Simulated,
    Live,
}

struct Compare<'a> {
    scenario: &'a Scenario,
    side: Side,
    conformance: Conformance,
    settled: u64,
}

impl Compare<'_> {
    fn arm(&self, settled: &Settled) -> &Arm {
        let mut first = 0;
        let tenant = settled.tenant.0 as usize;
        let arm = self.scenario.arms.iter().find(|arm| {
            first += arm.gates.len();
            tenant < first
        });
        arm.expect("every tenant belongs to an arm")
    }
}

impl Sink for Compare<'_> {
    fn timeline(&mut self, _: ArmIndex, _: &Timeline) {}

    fn settled(&mut self, settled: &Settled, timeline: &Timeline) {
        self.settled += 1;
        let arm = self.arm(settled).clone();
        match self.side {
            Side::Simulated => self.conformance.simulated(settled, timeline, &arm),
            Side::Live => self.conformance.live(settled, timeline, &arm),
        }
    }

    fn job(&mut self, _: &JobRecord) {}

    fn end(&mut self, _: Timestamp, _: EndReason, _: &[u64]) {}
}

/// Runs `live` through the service on a paused clock and `simulated` through the simulator.
async fn compare(live: &Scenario, simulated: &Scenario) -> (ConformanceSummary, u64) {
    let sink = Compare {
        scenario: live,
        side: Side::Live,
        conformance: Conformance::default(),
        settled: 0,
    };
    let sink = lockstep(live, sink).await;
    let settled = sink.settled;
    let mut sink = Compare {
        scenario: simulated,
        side: Side::Simulated,
        ..sink
    };
    racegate_model::sim::run(simulated, &mut sink);
    (
        sink.conformance.summary(|tenant| tenant.0.to_string()),
        settled,
    )
}

#[tokio::test(start_paused = true)]
async fn on_a_paused_clock_both_engines_agree_on_every_recording() {
    let scenario = scenario(&[]);
    let (summary, settled) = compare(&scenario, &scenario).await;
    assert!(summary.pairs > 2_000, "{} pairs", summary.pairs);
    assert_eq!(summary.pairs, settled);
    assert_eq!(
        summary.agreed, summary.pairs,
        "{:#?}",
        summary.disagreements
    );
}

/// Faults of every effect, a tenth of the sessions each.
const FAULTS: &str = "fault=[\
    { name = 'no-media', probability = 0.1 }, { name = 'loss', probability = 0.1 }, \
    { name = 'vanish', probability = 0.1 }, { name = 'early-hang-up', probability = 0.1 }, \
    { name = 'signalling-cut', probability = 0.1 }, { name = 'store-late', probability = 0.1 }, \
    { name = 'store-failure', probability = 0.1 }, { name = 'dtx', count = 5 }]";

#[tokio::test(start_paused = true)]
async fn both_engines_agree_on_sessions_that_meet_faults() {
    let scenario = scenario(&[FAULTS]);
    let (summary, settled) = compare(&scenario, &scenario).await;
    assert!(summary.pairs > 1_500, "{} pairs", summary.pairs);
    assert_eq!(summary.pairs, settled);
    assert_eq!(
        summary.agreed, summary.pairs,
        "{:#?}",
        summary.disagreements
    );
}

#[tokio::test(start_paused = true)]
async fn a_lag_changed_in_one_engine_is_noticed() {
    for broken in [
        "platform.media.lag=\"3s\"",
        "platform.metadata.lag=\"1s\"",
        "platform.index.refresh=\"3s\"",
        "platform.metadata.stage.inject.workers=3",
        "platform.export.latency=\"4s\"",
    ] {
        let (summary, _) = compare(&scenario(&[broken]), &scenario(&[])).await;
        assert!(summary.unexplained > 0, "{broken} went unnoticed");
    }
}
