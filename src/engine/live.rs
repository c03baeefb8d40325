//! The live engine as the main job sees it: a runtime, Ctrl-C, and the comparison afterwards.

use racegate_model::analysis::{Accumulator, Exit, Tenant};
use racegate_model::conformance::Conformance;
use racegate_model::ids::TenantIndex;
use racegate_model::recorder::Sink;
use racegate_model::scenario::Scenario;
use racegate_model::summary::{ConformanceSummary, GeneratorSummary, Summary};
use tokio::sync::watch;

use super::close;
use crate::doubts;
use crate::live::{self, Guest, LiveOptions, NoGuest, Stop};
use crate::load::context;
use crate::output::{Notes, note};
use crate::plan::Plan;
use crate::progress::Bar;
use crate::sinks::{RunSink, SimulatedSide};
use crate::store::RunFolder;

/// Runs the scenario live, keeps what happened, and compares it with the simulation.
pub(crate) fn run(
    scenario: &Scenario,
    tenants: &[Tenant],
    folder: &RunFolder,
    options: &LiveOptions,
    notes: Notes,
) -> Result<Summary, Exit> {
    let sink = sink(scenario, tenants, folder)?.comparing(scenario);
    conduct(scenario, folder, options, notes, sink, &mut NoGuest)
}

/// Runs the scenario live beside an exporter that is judged; no simulation tells what that will do.
pub(crate) fn judge(
    scenario: &Scenario,
    tenants: &[Tenant],
    folder: &RunFolder,
    options: &LiveOptions,
    notes: Notes,
    guest: &mut impl Guest,
) -> Result<Summary, Exit> {
    let sink = sink(scenario, tenants, folder)?;
    conduct(scenario, folder, options, notes, sink, guest)
}

fn sink<'a>(
    scenario: &Scenario,
    tenants: &[Tenant],
    folder: &RunFolder,
) -> Result<RunSink<'a>, Exit> {
    let accumulator = Accumulator::new(scenario, context(scenario, tenants.to_vec()));
    let history = folder.history().map_err(Exit::internal)?;
    Ok(RunSink::new(
        accumulator,
        Some(history),
        scenario.limits.history,
    ))
}

fn conduct(
    scenario: &Scenario,
    folder: &RunFolder,
    options: &LiveOptions,
    notes: Notes,
    mut sink: RunSink<'_>,
    guest: &mut impl Guest,
) -> Result<Summary, Exit> {
    let progress = Bar::new(scenario, notes);
    let generator = play(scenario, options, &mut sink, &progress, guest)?;
    progress.finish();
    let (accumulator, history, conformance) = sink.into_parts();
    folder.write_latency(&accumulator).map_err(Exit::internal)?;
    let mut summary = accumulator.summary();
    summary
        .invalid_reasons
        .extend(doubts::invalid_reasons(scenario, &generator));
    summary.valid = summary.invalid_reasons.is_empty();
    summary.conformance = conformance.map(|seen| compare(scenario, seen));
    summary.generator = Some(generator);
    close(history, &mut summary);
    Ok(summary)
}

/// Plays `scenario` until it is over or Ctrl-C was pressed.
fn play(
    scenario: &Scenario,
    options: &LiveOptions,
    sink: &mut impl Sink,
    progress: &Bar,
    guest: &mut impl Guest,
) -> Result<GeneratorSummary, Exit> {
    ensure_files(Plan::of(scenario).file_descriptors)?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(Exit::internal)?;
    let result = runtime.block_on(async {
        let (sender, stop) = watch::channel(Stop::No);
        let signals = tokio::spawn(watch_signals(sender));
        let show = |state| progress.show(&state);
        let report = live::run_beside(scenario, options, sink, stop, show, guest).await;
        signals.abort();
        report
    });
    // Tasks that still wait for something are of no use any more.
    runtime.shutdown_background();
    result
        .map(live::GeneratorReport::finish)
        .map_err(Exit::internal)
}

/// Raises the limit of open files as far as a run needs it.
fn ensure_files(needed: u64) -> Result<(), Exit> {
    // Where there is no such limit, nothing is to be raised.
    let Ok(allowed) = rlimit::increase_nofile_limit(needed) else {
        return Ok(());
    };
    if allowed >= needed {
        return Ok(());
    }
    Err(Exit::internal(format!(
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
fn compare(scenario: &Scenario, seen: Conformance) -> ConformanceSummary {
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
