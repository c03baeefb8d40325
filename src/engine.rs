//! The live engine as the main job sees it: a runtime, Ctrl-C, and the comparison afterwards.

use racegate_model::conformance::Conformance;
use racegate_model::ids::TenantIndex;
use racegate_model::recorder::Sink;
use racegate_model::scenario::Scenario;
use racegate_model::summary::{ConformanceSummary, GeneratorSummary};
use tokio::sync::watch;

use crate::live::{self, LiveOptions, Stop};
use crate::plan::Plan;
use crate::progress::Bar;
use crate::run::{Failure, note};
use crate::sinks::SimulatedSide;

/// Runs `scenario` live until it is over or Ctrl-C was pressed.
pub(crate) fn live(
    scenario: &Scenario,
    options: &LiveOptions,
    sink: &mut impl Sink,
    progress: &Bar,
) -> Result<GeneratorSummary, Failure> {
    ensure_files(Plan::of(scenario).file_descriptors)?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(Failure::internal)?;
    let result = runtime.block_on(async {
        let (sender, stop) = watch::channel(Stop::No);
        let signals = tokio::spawn(watch_signals(sender));
        let report = live::run(scenario, options, sink, stop, |state| progress.show(&state)).await;
        signals.abort();
        report
    });
    // Tasks that still wait for something are of no use any more.
    runtime.shutdown_background();
    result
        .map(live::GeneratorReport::finish)
        .map_err(Failure::internal)
}

/// Raises the limit of open files as far as a run needs it.
fn ensure_files(needed: u64) -> Result<(), Failure> {
    // Where there is no such limit, nothing is to be raised.
    let Ok(allowed) = rlimit::increase_nofile_limit(needed) else {
        return Ok(());
    };
    if allowed >= needed {
        return Ok(());
    }
    Err(Failure::internal(format!(
        "too few file descriptors: the run needs {needed}, the limit is {allowed}; raise it \
         (`ulimit -n {needed}`), lower the rates or run fewer gates (--gate)"
    )))
}

async fn watch_signals(stop: watch::Sender<Stop>) {
    for (level, text) in [
        (
            Stop::Arrivals,
            "interrupted: no more calls; finishing what is under way (again: stop now)",
        ),
        (Stop::Now, "interrupted: stopping now"),
    ] {
        if tokio::signal::ctrl_c().await.is_err() {
            return std::future::pending().await;
        }
        note(text);
        if stop.send(level).is_err() {
            return;
        }
    }
    std::future::pending().await
}

/// Compares a live run with the simulation of the same file.
pub(crate) fn compare(scenario: &Scenario, seen: Conformance) -> ConformanceSummary {
    let mut side = SimulatedSide {
        scenario,
        conformance: seen,
    };
    racegate_model::sim::run(scenario, &mut side);
    let gates: Vec<String> = scenario
        .arms
        .iter()
        .flat_map(|arm| arm.gates.iter().map(|gate| gate.name.clone()))
        .collect();
    let name = |tenant: TenantIndex| gates.get(tenant.0 as usize).cloned().unwrap_or_default();
    side.conformance.summary(name)
}
