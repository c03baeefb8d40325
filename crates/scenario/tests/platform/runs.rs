//! Runs a scenario's text in virtual time and sums it up, as the program does.

use std::fs;
use std::path::Path;
use std::thread;

use racegate_model::analysis::{Accumulator, Context, Doubt, Replicates, Sharing, Tenant};
use racegate_model::draws::hash_bytes;
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
    counted(scenario).summary()
}

/// Runs that are made where recordings share something.
const RUNS: usize = 20;

/// Its own run, and where recordings share something what runs with the next seeds make of it.
pub(crate) fn speaking_of_seeds(mut scenario: Scenario) -> Summary {
    let own = counted(&scenario);
    let mut summary = own.summary();
    let sharing = Sharing::of(&scenario);
    if sharing.is_some() {
        let mut all = Replicates::new(sharing);
        all.push(own.replicate());
        while all.len() < RUNS {
            scenario.seed.0 += 1;
            all.push(counted(&scenario).replicate());
        }
        summary.speak_of_seeds(&scenario, Doubt::Replicated(&all));
    }
    summary
}

/// A seed that follows from the text, so that what texts share does not make their runs alike.
pub(crate) fn own_seed(text: &str) -> u64 {
    hash_bytes(text.as_bytes()) >> 16
}

/// What `--replications` gives: the summary of all, and the summary of each.
pub(crate) fn replicated(name: &str, text: &str, seeds: u64) -> (Summary, Vec<Summary>) {
    let first = own_seed(text);
    let half = |odd: u64| {
        let own = (first..first + seeds).filter(move |seed| seed % 2 == odd);
        own.map(|seed| counted(&scenario(name, text, Some(seed))))
            .collect::<Vec<_>>()
    };
    let runs: Vec<Accumulator> = thread::scope(|scope| {
        let other_half = scope.spawn(|| half(0));
        let mut runs = half(1);
        runs.extend(other_half.join().expect("the other half ran"));
        runs
    });
    let each = runs.iter().map(Accumulator::summary).collect();
    let all = runs.into_iter().reduce(Accumulator::merge);
    (all.expect("at least one seed").summary(), each)
}

fn counted(scenario: &Scenario) -> Accumulator {
    let context = Context {
        tool: "test".to_owned(),
        engine: Engine::Sim,
        tenants: Tenant::all(scenario),
        plan_hash: plan_hash(&scenario.workload, scenario.seed),
    };
    let mut accumulator = Accumulator::new(scenario, context);
    sim::run(scenario, &mut accumulator);
    accumulator
}

/// The text of `scenarios/<name>.toml`.
pub(crate) fn text_of(name: &str) -> String {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../scenarios");
    fs::read_to_string(folder.join(format!("{name}.toml"))).expect("the scenario exists")
}
