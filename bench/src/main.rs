//! `racegate-bench`: our speed beside peers and limits, as ratios.

mod doubt;
mod media;
mod mock;
mod sim;
mod tune;

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use racegate::cmd::usage::parse;
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
    /// How often what is printed as a 95 % interval covers what is true
    Doubt(doubt::DoubtArgs),
    /// Serve the mock, as one side of a comparison
    #[command(hide = true)]
    Serve(Box<mock_api::serve::ServeArgs>),
}

fn main() -> ExitCode {
    let ended = match parse::<Cli>().map(|cli| cli.bench) {
        Ok(Bench::Sim(args)) => args.run(),
        Ok(Bench::Mock(args)) => args.run(),
        Ok(Bench::Media(args)) => args.run(),
        Ok(Bench::Tune(args)) => args.run(),
        Ok(Bench::Doubt(args)) => args.run(),
        Ok(Bench::Serve(args)) => return mock_api::serve::main(&args),
        Err(exit) => Err(exit),
    };
    let exit = ended.unwrap_or_else(|error| error);
    conclude(&exit);
    ExitCode::from(exit.code())
}
