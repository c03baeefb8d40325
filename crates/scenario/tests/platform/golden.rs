//! What each scenario plans and settles, pinned: an intended change of a rule shows here scenario
//! by scenario, an unintended one too.

use std::fmt::Write;
use std::thread;

use racegate_model::sim::order_of;

use crate::claims::files;
use crate::runs::{run, scenario};

/// `name plan history order`, in the order of names.
fn hashes(name: &str, text: &str) -> String {
    let scenario = scenario(name, text, None);
    let summary = run(&scenario);
    let history = summary.history_hash.expect("a simulation has one");
    let order = order_of(&scenario);
    format!(
        "{name} plan={} history={history} {order}",
        summary.plan_hash
    )
}

#[test]
fn every_scenario_plans_and_settles_what_it_always_did() {
    let files = files();
    let (front, back) = files.split_at(files.len() / 2);
    let all = |part: &[(String, String)]| -> Vec<String> {
        part.iter().map(|(name, text)| hashes(name, text)).collect()
    };
    let lines = thread::scope(|scope| {
        let other_half = scope.spawn(|| all(back));
        let mut lines = all(front);
        lines.extend(other_half.join().expect("the other half ran"));
        lines
    });
    let table = lines.iter().fold(String::new(), |mut table, line| {
        writeln!(table, "{line}").expect("a string takes all");
        table
    });
    insta::assert_snapshot!("hashes", table);
}
