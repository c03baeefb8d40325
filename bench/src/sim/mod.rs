//! `racegate-bench sim`: recordings per second of processor time, on the reference model.
//!
//! Processor time of the measuring thread is the measure, since machines are shared: waiting for a
//! core does not count. Each figure is the best of some rounds, and how far the others were off is
//! printed beside it.

mod measure;
mod peer;
mod report;

use std::fs::File;
use std::path::PathBuf;

use clap::Args;
use racegate_model::analysis::{Accumulator, Tenant};
use racegate_model::draws::Seed;
use racegate_model::scenario::Scenario;
use racegate_model::sim::{self, Path};
use racegate_scenario::{Override, Source, parse};

use measure::{Rate, best_of, peak_rss_mb};
use racegate::engine::play_seed;
use racegate::load::context;
use racegate::output::{Output, OutputArgs, note, print};
use racegate::sinks::RunSink;
use racegate::store::HistoryWriter;
use racegate_model::analysis::Exit;
use report::Report;

/// Arguments of `racegate-bench sim`.
#[derive(Debug, Args)]
pub(crate) struct SimArgs {
    #[command(flatten)]
    output: OutputArgs,
    /// Recordings of the long run, whose memory is looked at
    #[arg(long, value_name = "N", default_value_t = 100_000_000, value_parser = clap::value_parser!(u64).range(1_000..=1_000_000_000))]
    recordings: u64,
    /// Recordings of each shorter run
    #[arg(long, value_name = "N", default_value_t = 10_000_000, value_parser = clap::value_parser!(u64).range(1_000..=100_000_000))]
    short: u64,
    /// Rounds of each shorter run, of which the best counts
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=100))]
    rounds: u32,
    /// Also run the model in SimPy, with this Python interpreter
    #[arg(long, value_name = "PYTHON")]
    simpy: Option<PathBuf>,
    /// Also build and run the model in nexosim, whose crate is in this folder
    #[arg(long, value_name = "FOLDER", num_args = 0..=1, default_missing_value = "bench/peers/nexosim")]
    nexosim: Option<PathBuf>,
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

impl SimArgs {
    /// Measures and prints the figures.
    pub(crate) fn run(self) -> Result<Exit, Exit> {
        let report = measure(&self)?;
        print(&match self.output.output() {
            Output::Table => report.table(),
            Output::Json => report.json(),
        })?;
        Ok(Exit::Done)
    }
}

fn measure(args: &SimArgs) -> Result<Report, Exit> {
    let mut report = Report::default();
    // First, while the process has not held anything else.
    note(&format!("fused, {} recordings", args.recordings));
    report.long = Some(Rate::of(Path::Auto, &reference(SMALL, args.recordings)?));
    report.peak_rss_mb = peak_rss_mb();
    let rounds = |name: &str, path, scenario: &Scenario| {
        note(name);
        best_of(args.rounds, || Rate::of(path, scenario))
    };
    let short = reference(SMALL, args.short)?;
    report.fused = Some(rounds("fused", Path::Auto, &short));
    report.eight_gates = Some(rounds("fused, 8 gates", Path::Auto, &with_gates(&short)));
    report.event = Some(rounds("events", Path::Events, &short));
    let deep = reference(DEEP, args.short)?;
    report.deep = Some(rounds("events, 350,000 in flight", Path::Events, &deep));
    let limit = format!("platform.api.rate_limit=\"{THROTTLED}\"");
    let throttled = variant(SMALL, args.short, &[limit])?;
    report.throttled = Some(rounds("events, throttled", Path::Auto, &throttled));
    note("two threads");
    report.two_threads = Some(best_of(args.rounds, || two_threads(&short)));
    prices(&mut report, &short)?;
    if let Some(python) = &args.simpy {
        note("SimPy");
        report.simpy = Some(peer::simpy(python)?);
    }
    if let Some(folder) = &args.nexosim {
        note("nexosim");
        report.nexosim = Some(peer::nexosim(folder)?);
    }
    Ok(report)
}

/// The reference model for about so many recordings.
fn reference(size: Size, recordings: u64) -> Result<Scenario, Exit> {
    variant(size, recordings, &[])
}

fn variant(size: Size, recordings: u64, more: &[String]) -> Result<Scenario, Exit> {
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
        .map_err(|mistakes| Exit::internal(mistakes.render(racegate::output::color())))
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
fn prices(report: &mut Report, short: &Scenario) -> Result<(), Exit> {
    note("prices of an ordinary run");
    let few = reference(SMALL, 300_000)?;
    report.price("the simulation alone", Rate::of(Path::Auto, short));
    report.price("and timelines, fates and causes", {
        let mut sink = measure::Everything::default();
        Rate::with(&few, |scenario| sim::run(scenario, &mut sink))
    });
    report.price("and all accumulators of the summary", {
        Rate::with(&few, |scenario| {
            let context = context(scenario, Tenant::all(scenario));
            let mut sink = RunSink::new(Accumulator::new(scenario, context), None, 0);
            sim::run(scenario, &mut sink);
        })
    });
    let path = std::env::temp_dir().join(format!("racegate-bench-{}", std::process::id()));
    let file = File::create(&path).map_err(Exit::internal)?;
    let history = HistoryWriter::waiting(file).map_err(Exit::internal)?;
    report.price("and the history, compressed by another thread", {
        Rate::with(&few, |scenario| {
            let context = context(scenario, Tenant::all(scenario));
            let accumulator = Accumulator::new(scenario, context);
            let mut sink = RunSink::new(accumulator, Some(history), u64::MAX);
            sim::run(scenario, &mut sink);
        })
    });
    let file = File::create(&path).map_err(Exit::internal)?;
    let history = HistoryWriter::waiting(file).map_err(Exit::internal)?;
    report.price("`run` itself: all threads, history written", {
        Rate::of_process(&few, |scenario| {
            let context = context(scenario, Tenant::all(scenario));
            let accumulator = Accumulator::new(scenario, context);
            let (_, history) = play_seed(scenario, &accumulator, history);
            drop(history.finish());
        })
    });
    std::fs::remove_file(&path).map_err(Exit::internal)
}
