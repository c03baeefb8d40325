//! The same plan through both engines, recording by recording.

mod lockstep;
mod sockets;

use std::collections::BTreeMap;

use lockstep::{Lateness, lockstep};
use racegate_model::conformance::Conformance;
use racegate_model::history::{EndReason, JobRecord, Settled};
use racegate_model::ids::{ArmIndex, RecordingIndex};
use racegate_model::outcome::OutcomeKind;
use racegate_model::recorder::Sink;
use racegate_model::scenario::{Arm, Scenario};
use racegate_model::summary::ConformanceSummary;
use racegate_model::time::{Duration, Timestamp};
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

    fn job(&mut self, job: &JobRecord) {
        match self.side {
            Side::Simulated => self.conformance.simulated_job(job),
            Side::Live => self.conformance.live_job(job),
        }
    }

    fn end(&mut self, _: Timestamp, _: EndReason, _: &[u64]) {}
}

/// Runs `live` through the service on a paused clock and `simulated` through the simulator.
async fn compare(live: &Scenario, simulated: &Scenario) -> (ConformanceSummary, u64) {
    compare_late(live, simulated, Lateness::NONE).await
}

/// The same with a live run that is late by `lateness`.
async fn compare_late(
    live: &Scenario,
    simulated: &Scenario,
    lateness: Lateness,
) -> (ConformanceSummary, u64) {
    let sink = Compare {
        scenario: live,
        side: Side::Live,
        conformance: Conformance::default(),
        settled: 0,
    };
    let sink = lockstep(live, lateness, sink).await;
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

/// Recordings that share two job slots and a queue: a job holds those of half a second.
const SHARED_JOBS: &str = include_str!("shared-jobs.toml");

/// How a run of that seed that is late by two milliseconds on average agrees with its simulation.
async fn late(seed: u64) -> ConformanceSummary {
    let seed = format!("seed={seed}");
    let scenario = scenario_of("shared-jobs.toml", SHARED_JOBS, &[&seed]);
    let lateness = Lateness::of_mean(Duration::from_millis(2));
    compare_late(&scenario, &scenario, lateness).await.0
}

#[tokio::test(start_paused = true)]
async fn where_jobs_are_shared_a_late_run_still_agrees_on_nearly_all() {
    let (mut agreed, mut pairs, mut moved, mut unexplained) = (0, 0, 0, 0);
    for seed in 1..=6 {
        let summary = late(seed).await;
        agreed += summary.agreed;
        pairs += summary.pairs;
        moved += summary.moved;
        unexplained += summary.unexplained;
    }
    assert!(agreed * 1000 >= pairs * 985, "{agreed} of {pairs}");
    // Sessions that end in another order are served in another order: no job says so.
    assert!(unexplained * 500 <= pairs, "{unexplained} of {pairs}");
    assert!(moved > 0, "the scenario moves no recording");
}

#[tokio::test(start_paused = true)]
async fn equal_gates_differ_by_nothing_whatever_their_names() {
    let twin = "gate=[{ name = 'a', strategy = 'fixed-delay', delay = '1s' }, \
                { name = 'b', strategy = 'fixed-delay', delay = '1s' }]";
    let scenario = scenario_of("shared-jobs.toml", SHARED_JOBS, &[twin]);
    let mut twins = Twins::default();
    racegate_model::sim::run(&scenario, &mut twins);
    let [one, other] = &twins.settled;
    assert_eq!(one, other);
    let exported = one.values().filter(|(_, at)| at.is_some()).count();
    assert!(exported > 100, "{exported} exported");
}

/// What two tenants of one arm settled: outcome and snapshot, by recording.
#[derive(Default)]
struct Twins {
    settled: [BTreeMap<RecordingIndex, (OutcomeKind, Option<Timestamp>)>; 2],
}

impl Sink for Twins {
    fn timeline(&mut self, _: ArmIndex, _: &Timeline) {}

    fn settled(&mut self, settled: &Settled, _: &Timeline) {
        let tenant = settled.tenant.0 as usize;
        let seen = (settled.outcome, settled.snapshot_at);
        self.settled[tenant].insert(settled.recording, seen);
    }

    fn job(&mut self, _: &JobRecord) {}

    fn end(&mut self, _: Timestamp, _: EndReason, _: &[u64]) {}
}
