//! Every path of the simulator settles every recording alike, and every path is reached.

mod support;

use std::cell::Cell;
use std::collections::BTreeMap;

use proptest::prelude::{Just, any, prop_assert, prop_assert_eq, prop_oneof};
use proptest::strategy::Strategy as Generator;
use proptest::test_runner::{Config, FileFailurePersistence, TestCaseError, TestRunner};
use racegate_model::distribution::Distribution;
use racegate_model::draws::Seed;
use racegate_model::ids::{JobOrdinal, RecordingIndex};
use racegate_model::platform::{AtOnce, Decides, Platform, Stepped, Timelines};
use racegate_model::scenario::*;
use racegate_model::sim::{Path, run_on};
use racegate_model::time::Duration;
use racegate_model::timeline::Timeline;
use support::troubles::{Trouble, Troubles, exponential, share, trouble, troubled, troubles};
use support::{Collected, millis};

/// 256 cases; those that once failed are tried first, for ever.
fn runner(kept: &'static str) -> TestRunner {
    TestRunner::new(Config {
        cases: 256,
        failure_persistence: Some(Box::new(FileFailurePersistence::Direct(kept))),
        ..Config::default()
    })
}

/// What a case asks for, beside its platform.
#[derive(Clone, Copy, Debug)]
struct Case {
    seed: u64,
    troubles: Troubles,
    trouble: Trouble,
    drain: u64,
    limit: Option<u64>,
    slow_media: bool,
}

fn cases() -> impl Generator<Value = Case> {
    let drain = prop_oneof![Just(120_u64), 0_u64..20];
    // Half of the arms have no API limit.
    let limit = proptest::option::of(20_u64..2_000);
    let all = (
        0_u64..1_000,
        troubles(),
        trouble(),
        drain,
        limit,
        any::<bool>(),
    );
    all.prop_map(|(seed, troubles, trouble, drain, limit, slow_media)| Case {
        seed,
        troubles: troubles.limited_to(trouble),
        trouble,
        drain,
        limit,
        slow_media,
    })
}

impl Case {
    /// Its platform and gates, all in order of time.
    fn troubled(&self) -> Scenario {
        let mut scenario = troubled(self.seed, &self.troubles);
        if self.slow_media {
            scenario.arms[0].platform.kinds.webrtc.media_lag = exponential(4_000);
        }
        scenario
    }

    /// A scenario whose every recording has its own job, under an API limit if there is one.
    fn alone(&self) -> Scenario {
        let mut scenario = self.troubled();
        let (seed, plain) = (self.seed, self.trouble == Trouble::Plain);
        let arm = &mut scenario.arms[0];
        let platform = &mut arm.platform;
        platform.export.slots = Slots::Unlimited;
        platform.export.query_time = Distribution::constant(millis(seed % 3 * 400));
        if !plain {
            platform.export.failure = share(u32::try_from(seed % 4).expect("below four"));
        }
        // Round numbers make ties: many calls are refused, and come back, at one instant.
        platform.api.rate_limit = self.limit.map(|calls| RateLimit {
            calls,
            window: Duration::from_secs(10),
        });
        for (position, gate) in arm.gates.iter_mut().enumerate() {
            gate.start = if position % 2 == 0 {
                GateStart::SessionEnd
            } else {
                GateStart::Media
            };
            gate.repair = (position % 3 == 1 && !plain).then_some(Repair {
                max_exports: 3,
                delay: millis(1_000),
            });
        }
        // Which changes nothing where the platform allows as many.
        arm.gates[0].request.jobs_at_once = seed.is_multiple_of(2).then_some(Slots::Unlimited);
        scenario.limits.drain = Duration::from_secs(self.drain);
        scenario
    }
}

fn decides(scenario: &Scenario) -> Decides {
    let platform = Platform::new(&scenario.arms[0], &scenario.workload, scenario.seed);
    platform.decides(&scenario.workload)
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
            job.snapshot_at,
            job.calls,
        )
    });
    collected
}

/// How often something was reached.
#[derive(Default)]
struct Reached(Cell<u32>);

impl Reached {
    fn count(&self, reached: impl Into<u32>) {
        self.0.set(self.0.get() + reached.into());
    }

    #[track_caller]
    fn at_least(&self, expected: u32, what: &str) {
        let times = self.0.get();
        assert!(times >= expected, "{what}: {times} of 256 cases");
    }
}

#[test]
fn every_path_of_the_simulator_settles_every_recording_alike() {
    let (blocks, at_end, steps): (Reached, Reached, Reached) = Default::default();
    let (limited, late, settled): (Reached, Reached, Reached) = Default::default();
    let count = |scenario: &Scenario, case: &Case, seen: &Collected| {
        // With a limit all calls are events.
        match (case.limit, decides(scenario)) {
            (Some(_), _) => limited.count(true),
            (None, Decides::InBlocks) => blocks.count(true),
            (None, Decides::AtEnd) => at_end.count(true),
            (None, Decides::InSteps) => steps.count(true),
        }
        late.count(!(seen.settled.len() as u64).is_multiple_of(seen.ended[0]));
        settled.count(seen.settled.len() > 500);
    };
    let result = runner("tests/regressions/paths.txt").run(&cases(), |case| {
        let scenario = case.alone();
        let exporter = on(Path::Exporter, &scenario);
        count(&scenario, &case, &exporter);
        for path in [Path::Auto, Path::Events] {
            compare(&exporter, &on(path, &scenario))?;
        }
        Ok(())
    });
    result.unwrap_or_else(|failure| panic!("{failure}"));
    blocks.at_least(40, "decided in blocks");
    at_end.at_least(15, "decided at the session's end");
    steps.at_least(15, "decided in steps");
    limited.at_least(80, "under an API limit");
    late.at_least(20, "left in flight");
    settled.at_least(200, "settled in numbers");
}

fn compare(exporter: &Collected, other: &Collected) -> Result<(), TestCaseError> {
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
    Ok(())
}

#[test]
fn a_platform_decides_alike_at_once_and_in_steps() {
    let (blocks, at_end): (Reached, Reached) = Default::default();
    let result = runner("tests/regressions/timelines.txt").run(&cases(), |case| {
        let scenario = case.troubled();
        let (arm, workload, seed) = (&scenario.arms[0], &scenario.workload, scenario.seed);
        let decides = decides(&scenario);
        blocks.count(decides == Decides::InBlocks);
        at_end.count(decides == Decides::AtEnd);
        let Some(at_once) = AtOnce::new(arm, workload, seed) else {
            return Ok(());
        };
        let (at_once, stepped) = (all(at_once), all(Stepped::new(arm, workload, seed)));
        prop_assert!(at_once.len() > 60, "{} recordings", at_once.len());
        prop_assert_eq!(at_once.len(), stepped.len());
        for (one, other) in at_once.values().zip(stepped.values()) {
            prop_assert_eq!(one, other);
        }
        Ok(())
    });
    result.unwrap_or_else(|failure| panic!("{failure}"));
    blocks.at_least(80, "in blocks");
    at_end.at_least(30, "one by one");
}

/// All of them, by recording; each comes once.
fn all(mut timelines: impl Timelines) -> BTreeMap<RecordingIndex, Timeline> {
    let mut all = BTreeMap::new();
    while let Some(timeline) = timelines.next() {
        let before = all.insert(timeline.recording, timeline.clone());
        assert_eq!(before, None);
    }
    all
}

#[test]
fn seeds_differ_in_what_they_decide() {
    let scenario = |seed| {
        let mut scenario = support::spike(1);
        scenario.seed = Seed(seed);
        scenario
    };
    let of = |scenario: &Scenario| {
        all(Stepped::new(
            &scenario.arms[0],
            &scenario.workload,
            scenario.seed,
        ))
    };
    assert_ne!(of(&scenario(1)), of(&scenario(2)));
}
