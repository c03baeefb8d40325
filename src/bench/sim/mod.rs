//! `racegate bench sim`: recordings per second of processor time, on the reference model.
//!
//! Processor time of the measuring thread is the measure, since machines are shared: waiting for a
//! core does not count. Each figure is the best of some rounds, and how far the others were off is
//! printed beside it.

mod measure;
mod peer;
mod report;

use std::fs::File;
use std::process::ExitCode;

use racegate_model::analysis::{Accumulator, Tenant};
use racegate_model::draws::Seed;
use racegate_model::scenario::Scenario;
use racegate_model::sim::{self, Path};
use racegate_scenario::{Override, Source, parse};

use crate::progress;
use crate::run::{self, Failure, Output, note};
use crate::sinks::RunSink;
use crate::store::HistoryWriter;
use measure::{Rate, best_of, peak_rss_mb};
use report::Report;

/// What is asked of the bench.
#[derive(Clone, Debug)]
pub struct Options {
    /// Table or JSON.
    pub output: Output,
    /// Recordings of the long run, whose memory is looked at.
    pub recordings: u64,
    /// Recordings of each shorter run.
    pub short: u64,
    /// Rounds of each shorter run.
    pub rounds: u32,
    /// A Python interpreter with SimPy, to run the same model beside.
    pub simpy: Option<std::path::PathBuf>,
    /// The folder of the crate that has the same model in nexosim.
    pub nexosim: Option<std::path::PathBuf>,
}

/// Of the reference model: sessions that end in a second, and workers.
#[derive(Clone, Copy, Debug)]
struct Size {
    per_second: u64,
    workers: u32,
}

/// About 4,000 recordings in flight.
const SMALL: Size = Size {
    per_second: 1_000,
    workers: 64,
};
/// About 350,000.
const DEEP: Size = Size {
    per_second: 100_000,
    workers: 6_400,
};
/// Calls a minute that all gates of the throttled run may make: 8 % over what they would make
/// without a limit (6.2 calls a recording), so that some are refused and nothing grows for ever.
const THROTTLED: &str = "400000/min";
/// Gates of the run that shows what another gate costs.
const GATES: usize = 8;

/// Runs the bench.
#[must_use]
pub fn bench(options: &Options) -> ExitCode {
    match measure(options) {
        Ok(report) => {
            run::print(&match options.output {
                Output::Table => report.table(),
                Output::Json => report.json(),
            });
            ExitCode::SUCCESS
        }
        Err(failure) => run::fail(&failure),
    }
}

fn measure(options: &Options) -> Result<Report, Failure> {
    let mut report = Report::default();
    // First, while the process has not held anything else.
    note(&format!("fused, {} recordings", options.recordings));
    report.long = Some(Rate::of(Path::Auto, &reference(SMALL, options.recordings)?));
    report.peak_rss_mb = peak_rss_mb();
    let rounds = |name: &str, path, scenario: &Scenario| {
        note(name);
        best_of(options.rounds, || Rate::of(path, scenario))
    };
    let short = reference(SMALL, options.short)?;
    report.fused = Some(rounds("fused", Path::Auto, &short));
    report.eight_gates = Some(rounds("fused, 8 gates", Path::Auto, &with_gates(&short)));
    report.event = Some(rounds("events", Path::Events, &short));
    let deep = reference(DEEP, options.short)?;
    report.deep = Some(rounds("events, 350,000 in flight", Path::Events, &deep));
    let limit = format!("platform.api.rate_limit=\"{THROTTLED}\"");
    let throttled = variant(SMALL, options.short, &[limit])?;
    report.throttled = Some(rounds("events, throttled", Path::Auto, &throttled));
    note("two threads");
    report.two_threads = Some(best_of(options.rounds, || two_threads(&short)));
    prices(&mut report, &short)?;
    if let Some(python) = &options.simpy {
        note("SimPy");
        report.simpy = Some(peer::simpy(python)?);
    }
    if let Some(folder) = &options.nexosim {
        note("nexosim");
        report.nexosim = Some(peer::nexosim(folder)?);
    }
    Ok(report)
}

/// The reference model for about so many recordings.
fn reference(size: Size, recordings: u64) -> Result<Scenario, Failure> {
    variant(size, recordings, &[])
}

fn variant(size: Size, recordings: u64, more: &[String]) -> Result<Scenario, Failure> {
    let seconds = (recordings / size.per_second).max(1);
    let mut set = vec![
        format!("workload.rate=\"{}/s\"", size.per_second),
        format!("workload.duration=\"{seconds}s\""),
        format!("platform.metadata.stage.inject.workers={}", size.workers),
    ];
    set.extend_from_slice(more);
    let overrides: Vec<Override> = set.iter().map(Override::set).collect();
    let source = Source::new("reference.toml", include_str!("reference.toml"));
    parse(&source, &overrides)
        .map_err(|mistakes| Failure::internal(mistakes.render(progress::color())))
}

/// The same with gates that differ in nothing but their names, which key their jobs.
fn with_gates(scenario: &Scenario) -> Scenario {
    let mut scenario = scenario.clone();
    let arm = &mut scenario.arms[0];
    let gate = arm.gates[0].clone();
    arm.gates = (0..GATES)
        .map(|number| {
            let mut gate = gate.clone();
            gate.name = format!("{}-{number}", gate.name);
            gate
        })
        .collect();
    scenario
}

/// Two replications at once, each on a thread of its own: recordings per second of both threads'
/// processor time.
fn two_threads(scenario: &Scenario) -> Rate {
    let mut other = scenario.clone();
    other.seed = Seed(scenario.seed.0 + 1);
    let rates = std::thread::scope(|scope| {
        let threads = [scenario, &other].map(|it| scope.spawn(|| Rate::of(Path::Auto, it)));
        threads.map(|thread| thread.join().expect("the simulator does not panic"))
    });
    rates[0].together_with(rates[1])
}

/// What the rest of a run costs beside the simulation itself.
fn prices(report: &mut Report, short: &Scenario) -> Result<(), Failure> {
    note("prices of an ordinary run");
    let few = reference(SMALL, 300_000)?;
    report.price("the simulation alone", Rate::of(Path::Auto, short));
    report.price("and timelines, fates and causes", {
        let mut sink = measure::Everything::default();
        Rate::with(&few, |scenario| sim::run(scenario, &mut sink))
    });
    report.price("and all accumulators of the summary", {
        Rate::with(&few, |scenario| {
            let context = run::context(scenario, Tenant::all(scenario));
            let mut sink = RunSink::new(Accumulator::new(scenario, context), None, 0);
            sim::run(scenario, &mut sink);
        })
    });
    let path = std::env::temp_dir().join(format!("racegate-bench-{}", std::process::id()));
    let file = File::create(&path).map_err(Failure::internal)?;
    let history = HistoryWriter::waiting(file).map_err(Failure::internal)?;
    report.price("and the history, compressed by another thread", {
        Rate::with(&few, |scenario| {
            let context = run::context(scenario, Tenant::all(scenario));
            let accumulator = Accumulator::new(scenario, context);
            let mut sink = RunSink::new(accumulator, Some(history), u64::MAX);
            sim::run(scenario, &mut sink);
        })
    });
    std::fs::remove_file(&path).map_err(Failure::internal)
}
