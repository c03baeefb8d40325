//! The simulator as the main job sees it: the run of the seed, and further seeds for its doubt.

use std::time::{Duration, Instant};

use racegate_model::analysis::{Accumulator, Claims, Doubt, Exit, Replicates, Sharing, Tenant};
use racegate_model::scenario::Scenario;

use super::seeds::{Replications, Seeds};
use super::{Played, close, shares};
use crate::load::context;
use crate::signals::Signals;
use crate::store::RunFolder;

/// Simulates the scenario; the history of its own seed goes to the folder.
pub(crate) fn run(
    scenario: &Scenario,
    tenants: &[Tenant],
    folder: &RunFolder,
    (replications, budget): (Replications, Duration),
    signals: &Signals,
) -> Result<Played, Exit> {
    let accumulator = Accumulator::new(scenario, context(scenario, tenants.to_vec()));
    let history = folder.history().map_err(Exit::internal)?;
    let begun = Instant::now();
    let (accumulator, history) = shares::run(scenario, &accumulator, history, signals);
    let took = begun.elapsed();
    let mut all = Replicates::new(Sharing::of(scenario));
    all.push(accumulator.replicate());
    let mut claims = Claims::of(scenario);
    // Whole runs say nothing of one that was cut short.
    if !accumulator.interrupted() {
        let seeds = Seeds::new(scenario, tenants).ended_by(signals);
        let until = Instant::now() + budget;
        seeds.add(&mut all, replications, took, budget)?;
        (0..all.len()).for_each(|run| claims.add(&all.run(run)));
        if replications == Replications::Auto {
            seeds.decide(&mut claims, all.len() as u64, until)?;
        }
    }
    let mut summary = accumulator.summary();
    if all.len() > 1 {
        summary.speak_of_seeds(scenario, Doubt::Replicated(&all));
    }
    claims.judge(&mut summary);
    close(Some(history), &mut summary);
    Ok(Played {
        counted: accumulator,
        summary,
        seeds: Some(all),
        simulated: None,
    })
}
