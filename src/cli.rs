//! The command line: arguments → command → exit code. The only file of the package that knows clap.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, CommandFactory, Parser, Subcommand, ValueEnum};
use racegate_model::scenario::{Engine, WebrtcStack};
use racegate_scenario::Override;

use crate::bench::media as bench_media;
use crate::bench::mock as bench_mock;
use crate::bench::sim as bench_sim;
use crate::live::Arms;
use crate::run::{Audio, Notes, Output, RunOptions};

/// Reproduces, measures and fixes the race between a recording's media and its metadata.
#[derive(Debug, Parser)]
#[command(name = "racegate", version, about, after_help = AFTER_HELP)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

const AFTER_HELP: &str = "\
Exit codes:
    0  all expectations met           92  the run is invalid
    1  internal failure               93  an expectation had no samples
    2  bad command line               99  an expectation failed
   90  regression (compare)          104  bad scenario
   91  inconclusive                  105  interrupted

The human table goes to stdout (with --json: the summary); progress and logs go to stderr.
Start with:  racegate run scenarios/webrtc-spike.toml";

#[derive(Debug, Subcommand)]
enum Command {
    /// Run a scenario, report, and judge its [expect]
    Run(RunArgs),
    /// Parse scenarios and print their plan: duration, sessions, file descriptors, memory, disk
    Check(CheckArgs),
    /// Render a run's folder again, also that of a run that was cut short
    Report(ReportArgs),
    /// Serve the mock alone, for people and scripts; prints where it is and how to get in
    Serve(mock_api::serve::ServeArgs),
    /// Our speed beside peers and limits, as ratios
    Bench {
        /// What is measured
        #[command(subcommand)]
        target: BenchTarget,
    },
    /// Simulate every scenario of a folder and print what each showed, as Markdown
    Catalogue {
        /// The folder
        folder: PathBuf,
    },
    /// Place calls at a WHIP endpoint on this machine (RFC 9725), ours or a foreign one
    Call(CallArgs),
    /// Print the JSON Schema of the scenario format
    Schema,
    /// Print completions for a shell
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },
}

#[derive(Debug, Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of its own")]
struct RunArgs {
    /// The scenario file
    scenario: PathBuf,
    /// Engine: virtual time, or wall clock with real HTTP, WebRTC and S3 [default: the scenario's]
    #[arg(long, value_enum)]
    engine: Option<EngineArg>,
    #[command(flatten)]
    change: ChangeArgs,
    /// Run only this gate (repeatable)
    #[arg(long = "gate", value_name = "NAME")]
    gates: Vec<String>,
    /// Live: which arms to run
    #[arg(long, value_enum, default_value = "base")]
    arms: ArmsArg,
    /// Sim: independent repetitions with seeds SEED, SEED+1, …, merged
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    replications: u32,
    /// The run's folder [default: reports/<scenario>/<utc>-<seed>]
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Live: keep the received audio in the run's folder (about 5 kB per second of call)
    #[arg(long)]
    keep_audio: bool,
    /// Live: threads that carry the media [default: all cores but one]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=64))]
    shards: Option<u16>,
    /// Live: WebRTC stack of softphones and ingest [default: the scenario's]
    #[arg(long, value_enum)]
    stack: Option<StackArg>,
    /// Print summary.json on stdout instead of the table
    #[arg(long)]
    json: bool,
    /// No progress and no notes on stderr, but for errors and the last line
    #[arg(long, short)]
    quiet: bool,
}

#[derive(Debug, Args)]
struct ChangeArgs {
    /// Seed of all chance [default: the scenario's]
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
    /// Change one value of the scenario, e.g. platform.metadata.stage.inject.workers=12 (repeatable)
    #[arg(long = "set", value_name = "KEY=VALUE")]
    set: Vec<String>,
}

#[derive(Debug, Args)]
struct CheckArgs {
    /// The scenario files
    #[arg(required = true)]
    scenarios: Vec<PathBuf>,
    #[command(flatten)]
    change: ChangeArgs,
}

#[derive(Debug, Args)]
struct ReportArgs {
    /// The run's folder
    #[arg(required = true)]
    runs: Vec<PathBuf>,
    /// Print summary.json on stdout instead of the table
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Subcommand)]
enum BenchTarget {
    /// Recordings per second of the simulator on the reference model, by path; memory; peers
    Sim(BenchSimArgs),
    /// One GET of a recording: ours, a bare axum handler, wiremock, Mockoon
    Mock(BenchMockArgs),
    /// Real WebRTC calls, both ends on this machine: sessions, set-ups, processor time, memory
    Media(BenchMediaArgs),
}

#[derive(Debug, Args)]
struct BenchSimArgs {
    /// Print JSON instead of the table
    #[arg(long)]
    json: bool,
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
    #[arg(long, value_name = "FOLDER", num_args = 0..=1, default_missing_value = "benches/peers/nexosim")]
    nexosim: Option<PathBuf>,
}

impl BenchSimArgs {
    fn run(self) -> ExitCode {
        bench_sim::bench(&bench_sim::Options {
            output: if self.json {
                Output::Json
            } else {
                Output::Table
            },
            recordings: self.recordings,
            short: self.short,
            rounds: self.rounds,
            simpy: self.simpy,
            nexosim: self.nexosim,
        })
    }
}

#[derive(Debug, Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of its own")]
struct BenchMockArgs {
    /// Print JSON instead of the table
    #[arg(long)]
    json: bool,
    /// Fetch Mockoon with npx if it is not installed
    #[arg(long)]
    mockoon: bool,
    /// Rounds of each comparison
    #[arg(long, value_name = "N", default_value_t = 15, value_parser = clap::value_parser!(u32).range(1..=1000))]
    rounds: u32,
    /// Length of a round in milliseconds
    #[arg(long, value_name = "MS", default_value_t = 400, value_parser = clap::value_parser!(u64).range(50..=60_000))]
    round: u64,
    /// Requests after which memory is looked at
    #[arg(long, value_name = "N", default_value_t = 1_000_000)]
    requests: u64,
    /// Serve as one side of the comparison until stdin ends
    #[arg(long, hide = true, value_enum)]
    peer: Option<PeerArg>,
    /// Recordings that the served side holds
    #[arg(long, hide = true, default_value_t = 0)]
    held: u64,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum PeerArg {
    Ours,
    Axum,
    Wiremock,
}

#[derive(Debug, Args)]
struct BenchMediaArgs {
    /// Print JSON instead of the table
    #[arg(long)]
    json: bool,
    /// How long the highest number of sessions must hold, in seconds
    #[arg(long, value_name = "S", default_value_t = 60, value_parser = clap::value_parser!(u64).range(1..=3600))]
    seconds: u64,
    /// Measure this many sessions in place of climbing the ladder
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=200_000))]
    sessions: Option<u32>,
    /// How long all of it may take, in seconds
    #[arg(long, value_name = "S", default_value_t = 360, value_parser = clap::value_parser!(u64).range(10..=7200))]
    budget: u64,
    /// When others keep the machine busy
    #[arg(long, value_enum, default_value = "refuse")]
    busy: BusyArg,
    /// Scheduling class of the media threads; real time needs privilege and keeps others waiting
    #[arg(long, value_enum, default_value = "realtime")]
    class: ClassArg,
    /// Measure aiortc beside with this Python, which has it [default: python3; installed for it if missing]
    #[arg(long, value_name = "PYTHON")]
    aiortc: Option<String>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum BusyArg {
    Refuse,
    Report,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum ClassArg {
    Fair,
    Realtime,
}

#[derive(Debug, Args)]
struct CallArgs {
    /// The endpoint, e.g. http://127.0.0.1:8080/whip
    url: String,
    /// Calls, all at once
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=1_000))]
    calls: u32,
    /// How long each lasts, in seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 5, value_parser = clap::value_parser!(u64).range(1..=3_600))]
    duration: u64,
    /// WebRTC stack of the callers
    #[arg(long, value_enum, default_value_t = CallStackArg::Str0m)]
    stack: CallStackArg,
    /// Print JSON on stdout
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum CallStackArg {
    /// Made for many calls: one audio stream, and answers that are as plain
    Dense,
    /// Takes every kind of answer
    Str0m,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum EngineArg {
    Sim,
    Live,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum StackArg {
    Dense,
    Str0m,
    /// Softphones on the dense stack, ingest on str0m
    #[value(name = "dense/str0m")]
    DenseStr0m,
    /// Softphones on str0m, ingest on the dense stack
    #[value(name = "str0m/dense")]
    Str0mDense,
}

impl StackArg {
    /// What it sets `workload.stack` to.
    fn value(self) -> &'static str {
        match self {
            Self::Dense => "\"dense\"",
            Self::Str0m => "\"str0m\"",
            Self::DenseStr0m => "{ softphones = \"dense\", ingest = \"str0m\" }",
            Self::Str0mDense => "{ softphones = \"str0m\", ingest = \"dense\" }",
        }
    }
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum ArmsArg {
    Base,
    All,
}

impl ChangeArgs {
    fn overrides(&self) -> Vec<Override> {
        let seed = self
            .seed
            .map(|seed| Override::of_flag("--seed", "seed", &seed.to_string()));
        self.set.iter().map(Override::set).chain(seed).collect()
    }
}

impl RunArgs {
    fn options(self) -> RunOptions {
        let stack = self
            .stack
            .map(|stack| Override::of_flag("--stack", "workload.stack", stack.value()));
        RunOptions {
            overrides: self.change.overrides().into_iter().chain(stack).collect(),
            shards: self
                .shards
                .and_then(|shards| std::num::NonZeroUsize::new(shards.into())),
            engine: self.engine.map(|engine| match engine {
                EngineArg::Sim => Engine::Sim,
                EngineArg::Live => Engine::Live,
            }),
            gates: self.gates,
            arms: match self.arms {
                ArmsArg::Base => Arms::Base,
                ArmsArg::All => Arms::All,
            },
            replications: self.replications,
            out: self.out,
            output: if self.json {
                Output::Json
            } else {
                Output::Table
            },
            audio: if self.keep_audio {
                Audio::Kept
            } else {
                Audio::Dropped
            },
            notes: if self.quiet {
                Notes::Hidden
            } else {
                Notes::Shown
            },
            scenario: self.scenario,
        }
    }
}

impl BenchMockArgs {
    fn run(&self) -> ExitCode {
        let peer = self.peer.map(|peer| match peer {
            PeerArg::Ours => bench_mock::Peer::Ours,
            PeerArg::Axum => bench_mock::Peer::Axum,
            PeerArg::Wiremock => bench_mock::Peer::Wiremock,
        });
        if let Some(peer) = peer {
            return bench_mock::serve_peer(peer, self.held);
        }
        bench_mock::bench(&bench_mock::Options {
            output: if self.json {
                Output::Json
            } else {
                Output::Table
            },
            mockoon: if self.mockoon {
                bench_mock::Mockoon::Fetched
            } else {
                bench_mock::Mockoon::Installed
            },
            rounds: self.rounds,
            round: std::time::Duration::from_millis(self.round),
            requests: self.requests,
        })
    }
}

impl BenchMediaArgs {
    fn run(&self) -> ExitCode {
        bench_media::bench(&bench_media::Options {
            output: if self.json {
                Output::Json
            } else {
                Output::Table
            },
            steady: std::time::Duration::from_secs(self.seconds),
            sessions: self
                .sessions
                .map(|sessions| usize::try_from(sessions).unwrap_or(usize::MAX)),
            budget: std::time::Duration::from_secs(self.budget),
            busy: match self.busy {
                BusyArg::Refuse => bench_media::Busy::Refuse,
                BusyArg::Report => bench_media::Busy::Report,
            },
            class: match self.class {
                ClassArg::Fair => racegate_udp::Class::Fair,
                ClassArg::Realtime => racegate_udp::Class::Realtime,
            },
            aiortc: self.aiortc.clone(),
        })
    }
}

/// Parses the command line and does what it says.
#[must_use]
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    log_to_stderr();
    match cli.command {
        Command::Run(args) => crate::run::run(&args.options()),
        Command::Check(args) => {
            let overrides = args.change.overrides();
            crate::plan::check(&args.scenarios, &overrides)
        }
        Command::Report(args) => {
            let output = if args.json {
                Output::Json
            } else {
                Output::Table
            };
            crate::run::report(&args.runs, output)
        }
        Command::Bench { target } => match target {
            BenchTarget::Sim(args) => args.run(),
            BenchTarget::Mock(args) => args.run(),
            BenchTarget::Media(args) => args.run(),
        },
        Command::Serve(args) => mock_api::serve::main(&args),
        Command::Catalogue { folder } => crate::catalogue::catalogue(&folder),
        Command::Call(args) => crate::call::call(&crate::call::CallOptions {
            url: args.url,
            calls: args.calls,
            duration: std::time::Duration::from_secs(args.duration),
            stack: match args.stack {
                CallStackArg::Dense => WebrtcStack::Dense,
                CallStackArg::Str0m => WebrtcStack::Str0m,
            },
            output: if args.json {
                Output::Json
            } else {
                Output::Table
            },
        }),
        Command::Schema => crate::run::print_schema(),
        Command::Completions { shell } => {
            clap_complete::generate(
                shell,
                &mut Cli::command(),
                "racegate",
                &mut std::io::stdout(),
            );
            ExitCode::SUCCESS
        }
    }
}

/// Warnings and worse go to stderr; `RUST_LOG` changes that. The S3 library logs every refusal that
/// a client gets as an error, which here is data.
fn log_to_stderr() {
    let filter = tracing_subscriber::EnvFilter::try_from_default_env()
        .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new("warn,s3s=off"));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .init();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn a_seed_becomes_an_override_that_wins_over_set() {
        let change = ChangeArgs {
            seed: Some(7),
            set: vec!["seed=1".into()],
        };
        let last = change.overrides().pop().map(|last| last.assignment);
        assert_eq!(last.as_deref(), Some("seed=7"));
    }
}
