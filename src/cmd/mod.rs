//! The command line: a file per verb, which holds its arguments, its help and what it does.

mod calibrate;
mod call;
mod catalogue;
mod certify;
mod change;
mod check;
mod compare;
mod completions;
mod diagnose;
mod judge;
mod replay;
mod report;
mod repro;
mod run;
mod schema;
mod serve;
mod trend;
mod tune;
pub mod usage;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use racegate_model::analysis::Exit;

use crate::output::conclude;

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

Every option is an environment variable too: --seed 7 is RACEGATE_SEED=7.
The human table goes to stdout (with --json: the summary); progress and logs go to stderr.
Start with:  racegate run scenarios/webrtc-spike.toml";

#[derive(Debug, Subcommand)]
enum Command {
    /// Run a scenario, report, and judge its [expect]
    Run(run::RunArgs),
    /// Parse scenarios and print their plan: duration, sessions, file descriptors, memory, disk
    Check(check::CheckArgs),
    /// Say which cause explains which share of what is not exported complete
    Diagnose(diagnose::DiagnoseArgs),
    /// Run your own exporter under the scenario's load and judge what it wrote
    Judge(judge::JudgeArgs),
    /// Make one failing export small and write it down, so that it fails every time
    Repro(repro::ReproArgs),
    /// Run a repro again, simulated or forced over HTTP: exit 0 (complete) or 90 (still fails)
    Replay(replay::ReplayArgs),
    /// Try every order of the platform's writes against a gate's looks: exit 0 or 90 (one breaks it)
    Certify(certify::CertifyArgs),
    /// Render a run's folder again, also that of a run that was cut short
    Report(report::ReportArgs),
    /// Say whether runs are worse than a baseline: exit 0, 90 (worse) or 91 (inconclusive)
    Compare(compare::CompareArgs),
    /// Fit a lag model to a trace (interval-censored), write a [platform] table
    Calibrate(calibrate::CalibrateArgs),
    /// Search the check schedule that suits a scenario's platform or a trace
    Tune(tune::TuneArgs),
    /// Serve the mock alone, for people and scripts; prints where it is and how to get in
    Serve(mock_api::serve::ServeArgs),
    /// Simulate every scenario of a folder and print what each showed, as Markdown
    Catalogue(catalogue::CatalogueArgs),
    /// Place calls at a WHIP endpoint on this machine (RFC 9725), ours or a foreign one
    Call(call::CallArgs),
    /// Print the JSON Schema of the scenario format
    Schema,
    /// Print completions for a shell
    Completions(completions::CompletionsArgs),
}

/// Parses the command line, does what it says, and says how it ended.
#[must_use]
pub fn main() -> ExitCode {
    let ended = usage::parse::<Cli>().and_then(|cli| {
        log_to_stderr();
        cli.command.run()
    });
    let exit = ended.unwrap_or_else(|error| error);
    conclude(&exit);
    ExitCode::from(exit.code())
}

impl Command {
    fn run(self) -> Result<Exit, Exit> {
        match self {
            Self::Run(args) => args.run(),
            Self::Check(args) => args.run(),
            Self::Compare(args) => args.run(),
            Self::Diagnose(args) => args.run(),
            Self::Judge(args) => args.run(),
            Self::Repro(args) => args.run(),
            Self::Replay(args) => args.run(),
            Self::Certify(args) => args.run(),
            Self::Report(args) => args.run(),
            Self::Calibrate(args) => args.run(),
            Self::Tune(args) => args.run(),
            Self::Serve(args) => serve::run(&args),
            Self::Catalogue(args) => args.run(),
            Self::Call(args) => args.run(),
            Self::Schema => schema::run(),
            Self::Completions(args) => args.run(),
        }
    }
}

/// Logs warnings and worse on stderr; `RUST_LOG` changes that. The S3 library logs every refusal
/// that a client gets as an error, which here is data.
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
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }
}
