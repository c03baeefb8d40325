//! The live engine as the main job sees it: a runtime, signals, and the comparison afterwards.

use racegate_model::analysis::{Accumulator, Claims, Doubt, Exit, Replicates, Sharing, Tenant};
use racegate_model::conformance::Conformance;
use racegate_model::ids::TenantIndex;
use racegate_model::recorder::Sink;
use racegate_model::scenario::Scenario;
use racegate_model::summary::{ConformanceSummary, GeneratorSummary, Summary};

use super::seeds::Seeds;
use super::{Played, close};
use crate::doubts;
use crate::live::{self, Guest, LiveOptions, NoGuest};
use crate::load::context;
use crate::output::Notes;
use crate::plan::Plan;
use crate::progress::Bar;
use crate::signals::Signals;
use crate::sinks::{RunSink, SimulatedSide};
use crate::store::RunFolder;

/// Runs the scenario live, keeps what happened, and compares it with the simulation.
pub(crate) fn run(
    scenario: &Scenario,
    tenants: &[Tenant],
    folder: &RunFolder,
    options: &LiveOptions,
    notes: Notes,
    signals: &Signals,
) -> Result<Played, Exit> {
    let sink = sink(scenario, tenants, folder)?.comparing(scenario);
    conduct(
        scenario,
        tenants,
        options,
        notes,
        sink,
        &mut NoGuest,
        signals,
    )
}

/// Runs the scenario live beside an exporter that is judged; no simulation tells what that will do.
pub(crate) fn judge(
    scenario: &Scenario,
    tenants: &[Tenant],
    folder: &RunFolder,
    options: &LiveOptions,
    notes: Notes,
    guest: &mut impl Guest,
    signals: &Signals,
) -> Result<Played, Exit> {
    let sink = sink(scenario, tenants, folder)?;
    conduct(scenario, tenants, options, notes, sink, guest, signals)
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
    tenants: &[Tenant],
    options: &LiveOptions,
    notes: Notes,
    mut sink: RunSink<'_>,
    guest: &mut impl Guest,
    signals: &Signals,
) -> Result<Played, Exit> {
    let progress = Bar::new(scenario, notes);
    let mut generator = play(scenario, options, &mut sink, &progress, guest, signals)?;
    generator.stopped_s = signals.stopped().as_secs_f64();
    progress.finish();
    let (accumulator, history, conformance) = sink.into_parts();
    let mut summary = accumulator.summary();
    let mut seeds = None;
    let mut simulated = None;
    if conformance.is_some() {
        let sharing = Sharing::of(scenario);
        let mut own = Replicates::new(sharing);
        own.push(accumulator.replicate());
        if sharing.is_some() && !summary.interrupted {
            let borrowed = borrow_doubt(scenario, tenants, sharing, &mut summary)?;
            simulated = Some(borrowed);
        }
        if !summary.interrupted {
            judge_claims(scenario, &own, simulated.as_ref(), &mut summary);
        }
        seeds = Some(own);
    }
    summary
        .invalid_reasons
        .extend(doubts::invalid_reasons(scenario, &generator));
    summary.valid = summary.invalid_reasons.is_empty();
    summary.conformance = conformance.map(|seen| compare(scenario, seen));
    summary.generator = Some(generator);
    close(history, &mut summary);
    Ok(Played {
        counted: accumulator,
        summary,
        seeds,
        simulated,
    })
}

/// Simulated seeds that a live run borrows its doubt from.
const BORROWED: u64 = 50;

/// A live run is one draw. How far draws lie apart is what the simulation of the same scenario
/// says, where recordings share something; elsewhere the run's own recordings do.
fn borrow_doubt(
    scenario: &Scenario,
    tenants: &[Tenant],
    sharing: Sharing,
    summary: &mut Summary,
) -> Result<Replicates, Exit> {
    let mut simulated = Replicates::new(sharing);
    Seeds::new(scenario, tenants).fill(&mut simulated, BORROWED)?;
    summary.speak_of_seeds(scenario, Doubt::Borrowed(&simulated));
    Ok(simulated)
}

/// Judges claims by the one run that there is; what it leaves open, so many repeats would decide as
/// the simulated seeds tell.
fn judge_claims(
    scenario: &Scenario,
    own: &Replicates,
    simulated: Option<&Replicates>,
    summary: &mut Summary,
) {
    let after = |runs: &Replicates| {
        let mut claims = Claims::of(scenario);
        (0..runs.len()).for_each(|run| claims.add(&runs.run(run)));
        claims
    };
    let claims = after(own);
    claims.judge(summary);
    if let Some(simulated) = simulated {
        claims.say_repeats(&after(simulated), summary);
    }
}

/// Plays `scenario` until it is over or a signal ends it.
fn play(
    scenario: &Scenario,
    options: &LiveOptions,
    sink: &mut impl Sink,
    progress: &Bar,
    guest: &mut impl Guest,
    signals: &Signals,
) -> Result<GeneratorSummary, Exit> {
    ensure_files(Plan::of(scenario).file_descriptors)?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(Exit::internal)?;
    let show = |state| progress.show(&state);
    let run = live::run_beside(scenario, options, sink, signals.stop(), show, guest);
    let result = runtime.block_on(run);
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
