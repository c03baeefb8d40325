//! The simulator as the main job sees it: the run of the seed, and its repetitions.

use racegate_model::analysis::{Accumulator, Exit, Tenant};
use racegate_model::draws::Seed;
use racegate_model::scenario::Scenario;
use racegate_model::summary::Summary;

use super::close;
use crate::load::context;
use crate::sinks::RunSink;
use crate::store::RunFolder;

/// Simulates the scenario; the first replication's history goes to the folder.
pub(crate) fn run(
    scenario: &Scenario,
    tenants: &[Tenant],
    folder: &RunFolder,
    replications: u32,
) -> Result<Summary, Exit> {
    let accumulator = Accumulator::new(scenario, context(scenario, tenants.to_vec()));
    let history = folder.history().map_err(Exit::internal)?;
    let mut sink = RunSink::new(accumulator, Some(history), scenario.limits.history);
    racegate_model::sim::run(scenario, &mut sink);
    let (mut accumulator, history, _) = sink.into_parts();
    for replication in 1..u64::from(replications) {
        let mut again = scenario.clone();
        again.seed = Seed(scenario.seed.0.wrapping_add(replication));
        let fresh = Accumulator::new(&again, context(&again, tenants.to_vec()));
        let mut sink = RunSink::new(fresh, None, 0);
        racegate_model::sim::run(&again, &mut sink);
        accumulator = accumulator.merge(sink.into_parts().0);
    }
    folder.write_latency(&accumulator).map_err(Exit::internal)?;
    let mut summary = accumulator.summary();
    close(history, &mut summary);
    Ok(summary)
}
