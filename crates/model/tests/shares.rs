//! A run shared between cores says the same as on one.

mod support;

use racegate_model::analysis::{Accumulator, Context, Tenant};
use racegate_model::distribution::Distribution;
use racegate_model::scenario::*;
use racegate_model::sim::{Share, run, run_share};
use racegate_model::time::Rate;
use racegate_model::workload::plan_hash;
use support::{gate, millis, spike};

fn accumulator(scenario: &Scenario) -> Accumulator {
    let context = Context {
        tool: "shares".into(),
        engine: Engine::Sim,
        tenants: Tenant::all(scenario),
        plan_hash: plan_hash(&scenario.workload, scenario.seed),
    };
    Accumulator::new(scenario, context)
}

/// Ten thousand recordings, each in its own job, so that recordings meet in the queue alone.
fn alone() -> Scenario {
    let mut scenario = spike(7);
    scenario.workload.executor = Executor::ArrivalRate(vec![Stage {
        name: "steady".into(),
        duration: millis(20_000),
        shape: StageShape::Constant(Rate::per_second(500)),
    }]);
    for arm in &mut scenario.arms {
        arm.platform.api.rate_limit = None;
        arm.platform.export.slots = Slots::Unlimited;
        arm.platform.pipelines[0].stages[0].workers *= 20;
        arm.platform.export.latency = Distribution::constant(millis(700));
        arm.gates.push(gate("last", Strategy::NONE));
    }
    scenario
}

#[test]
fn shares_add_up_to_the_run_whatever_their_number() {
    // Where tenants share jobs, an arm is run whole.
    let mut mixed = alone();
    mixed.arms[1].platform.export.slots = Slots::Limited(2);
    for (scenario, together) in [(alone(), 0), (alone(), 3_000), (mixed, 0)] {
        let mut whole = accumulator(&scenario);
        run(&scenario, &mut whole);
        let whole = whole.summary();
        assert!(whole.recordings > 9_000 && whole.valid, "{whole:?}");
        for count in [1, 2, 7] {
            let parts = Share::split(count, together).map(|share| {
                let mut part = accumulator(&scenario);
                run_share(share, &scenario, &mut part);
                part
            });
            let sum = parts.reduce(|sum, part| sum.with_share(&part));
            let sum = sum.expect("there is a share").summary();
            assert_eq!(sum, whole, "in {count} shares");
        }
    }
}
