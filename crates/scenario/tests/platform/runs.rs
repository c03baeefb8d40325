//! Runs a scenario's text in virtual time and sums it up, as the program does.

use std::fs;
use std::path::Path;

use racegate_model::analysis::{Accumulator, Context, Tenant};
use racegate_model::scenario::{Engine, Scenario};
use racegate_model::sim;
use racegate_model::summary::Summary;
use racegate_model::workload::plan_hash;
use racegate_scenario::{Override, Source, parse};

/// The scenario in `text`, with another seed if there is one.
pub(crate) fn scenario(name: &str, text: &str, seed: Option<u64>) -> Scenario {
    let flag = |seed: u64| Override::of_flag("--seed", "seed", &seed.to_string());
    let overrides: Vec<Override> = seed.map(flag).into_iter().collect();
    match parse(&Source::new(name, text), &overrides) {
        Ok(scenario) => scenario,
        Err(mistakes) => panic!("{mistakes}"),
    }
}

/// Every gate of every arm, in virtual time.
pub(crate) fn run(scenario: &Scenario) -> Summary {
    let context = Context {
        tool: "test".to_owned(),
        engine: Engine::Sim,
        tenants: Tenant::all(scenario),
        plan_hash: plan_hash(&scenario.workload, scenario.seed),
    };
    let mut accumulator = Accumulator::new(scenario, context);
    sim::run(scenario, &mut accumulator);
    accumulator.summary()
}

/// The text of `scenarios/<name>.toml`.
pub(crate) fn text_of(name: &str) -> String {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../scenarios");
    fs::read_to_string(folder.join(format!("{name}.toml"))).expect("the scenario exists")
}
