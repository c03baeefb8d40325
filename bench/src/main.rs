//! `racegate-bench`: our speed beside peers and limits, as ratios.

mod media;
mod mock;
mod sim;
mod tune;

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use racegate::output::conclude;

/// racegate's speed beside peers and limits, as ratios.
#[derive(Debug, Parser)]
#[command(name = "racegate-bench", version)]
struct Cli {
    #[command(subcommand)]
    bench: Bench,
}

#[derive(Debug, Subcommand)]
enum Bench {
    /// Recordings per second of the simulator on the reference model, by path; memory; peers
    Sim(sim::SimArgs),
    /// One GET of a recording: ours, a bare axum handler, wiremock, Mockoon
    Mock(mock::MockArgs),
    /// Real WebRTC calls, both ends on this machine: sessions, set-ups, processor time, memory
    Media(media::MediaArgs),
    /// How good a tuned front is for how many evaluations, and how laws come back from traces
    Tune(tune::TuneArgs),
    /// Serve the mock, as one side of a comparison
    #[command(hide = true)]
    Serve(mock_api::serve::ServeArgs),
}

fn main() -> ExitCode {
    let ended = match Cli::parse().bench {
        Bench::Sim(args) => args.run(),
        Bench::Mock(args) => args.run(),
        Bench::Media(args) => args.run(),
        Bench::Tune(args) => args.run(),
        Bench::Serve(args) => return mock_api::serve::main(&args),
    };
    let exit = ended.unwrap_or_else(|error| error);
    conclude(&exit);
    ExitCode::from(exit.code())
}
