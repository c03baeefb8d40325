//! The mock Recording API as a program of its own; `racegate serve` is the same.

use std::process::ExitCode;

use clap::Parser;
use mock_api::serve::ServeArgs;

/// A recording platform whose metadata lags its media, for exporters to be tested against.
#[derive(Debug, Parser)]
#[command(name = "mock-api", version)]
struct Cli {
    #[command(flatten)]
    serve: ServeArgs,
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    let filter = tracing_subscriber::EnvFilter::try_from_default_env()
        .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new("warn,s3s=off"));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .init();
    mock_api::serve::main(&cli.serve)
}
