//! The mock as a program: `mock-api`, and `racegate serve`.

mod addresses;
mod banner;
mod cli;
mod clients;
mod start;

pub use addresses::{Addresses, ClientAddress};
pub use cli::{IngestStack, ServeArgs};
pub use clients::{Client, ClientError};
pub use start::{Mock, Options, Storage};

use std::io::{IsTerminal, Write as _};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use futures_util::FutureExt;
use racegate_model::scenario::Scenario;
use racegate_model::workload::Estimate;
use racegate_scenario::{Color, Diagnostics, LoadError, Override};

use crate::gentle;
use crate::room::{self, Room};
use crate::server::ServerError;
use crate::traffic::PLANNED_MAX;

/// Exit code for a bad command line.
const BAD_COMMAND_LINE: u8 = 2;
/// Exit code for a scenario with mistakes, as k6's.
const BAD_SCENARIO: u8 = 104;
/// Files that a mock may have open: ten thousand connections, and then some.
const FILES: u64 = 20_000;

/// Why the mock does not serve.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The scenario has mistakes, or cannot be read.
    #[error("{0}")]
    Scenario(String),
    /// The arguments do not fit together.
    #[error("{0}")]
    Arguments(String),
    /// A client is no client.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// A server could not be started.
    #[error(transparent)]
    Server(#[from] ServerError),
    /// The port file could not be written.
    #[error("cannot write the port file {path} ({source})", path = path.display())]
    PortFile {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// Something of the machine's.
    #[error("{what} ({source})")]
    Machine {
        /// What was wanted.
        what: &'static str,
        /// Why it is not to be had.
        #[source]
        source: std::io::Error,
    },
}

impl ServeError {
    const fn code(&self) -> u8 {
        match self {
            Self::Scenario(_) => BAD_SCENARIO,
            Self::Arguments(_) | Self::Client(_) => BAD_COMMAND_LINE,
            Self::Server(_) | Self::PortFile { .. } | Self::Machine { .. } => 1,
        }
    }
}

/// Serves until it is told to stop; returns the program's exit code.
#[must_use]
pub fn main(args: &ServeArgs) -> ExitCode {
    match run(args) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let text = error.to_string();
            // Diagnostics say themselves that they are errors.
            let prefix = if matches!(error, ServeError::Scenario(_)) {
                ""
            } else {
                "error: "
            };
            drop(writeln!(std::io::stderr(), "{prefix}{}", text.trim_end()));
            ExitCode::from(error.code())
        }
    }
}

/// Serves until a signal says otherwise.
///
/// # Errors
/// Why the mock does not serve.
pub fn run(args: &ServeArgs) -> Result<(), ServeError> {
    let options = args.options()?;
    ensure_room(&options)?;
    // Where there is no such limit, nothing is to be raised.
    drop(rlimit::increase_nofile_limit(FILES));
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build();
    let runtime = runtime.map_err(|source| ServeError::Machine {
        what: "cannot start threads",
        source,
    })?;
    let served = runtime.block_on(serve(options, args));
    // What still waits for something is of no use any more.
    runtime.shutdown_background();
    served
}

/// Refuses a workload that the mock cannot hold; recordings are kept until they are deleted.
fn ensure_room(options: &Options) -> Result<(), ServeError> {
    let estimate = Estimate::of(&options.scenario.workload);
    if estimate.calls > PLANNED_MAX as f64 {
        return Err(ServeError::Scenario(format!(
            "error: the workload has about {:.0} calls, and the mock has places for {PLANNED_MAX}; \
             lower its rates or its duration",
            estimate.calls
        )));
    }
    let audio = match options.storage {
        Storage::Memory => room::of_recordings(&estimate),
        Storage::Folder(_) => estimate.calls * room::BYTES_PER_RECORDING,
    };
    let way_out = "lower its rates or its duration, shorten its calls, or keep audio in --data-dir";
    Room::ensure(audio, "the recordings of this workload", way_out)
        .map_err(|error| ServeError::Scenario(format!("error: memory: {error}")))
}

async fn serve(options: Options, args: &ServeArgs) -> Result<(), ServeError> {
    let mut stopped = std::pin::pin!(signals()?);
    let mock = tokio::select! {
        biased;
        () = stopped.as_mut() => return Ok(()),
        mock = Mock::start_sharded(options, args.shards.into()) => mock?,
    };
    // Starting is mostly computing, during which no signal is heard.
    if stopped.as_mut().now_or_never().is_some() {
        mock.stop().await;
        return Ok(());
    }
    let addresses = mock.addresses();
    if let Some(path) = &args.port_file {
        addresses
            .write(path)
            .map_err(|source| ServeError::PortFile {
                path: path.clone(),
                source,
            })?;
    }
    if !args.quiet {
        say(&banner::text(&mock))?;
    }
    stopped.await;
    if !args.quiet {
        say("stopping")?;
    }
    mock.stop().await;
    if let Some(path) = &args.port_file {
        // Whoever finds the file finds a server.
        drop(std::fs::remove_file(path));
    }
    Ok(())
}

/// Comes true at SIGINT or SIGTERM.
fn signals() -> Result<impl Future<Output = ()>, ServeError> {
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        let listen = |kind| {
            signal(kind).map_err(|source| ServeError::Machine {
                what: "cannot listen to signals",
                source,
            })
        };
        let mut interrupt = listen(SignalKind::interrupt())?;
        let mut terminate = listen(SignalKind::terminate())?;
        Ok(async move {
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
            }
        })
    }
    #[cfg(not(unix))]
    Ok(async {
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
    })
}

/// Prints to stdout; a reader that has gone away is no error.
fn say(text: &str) -> Result<(), ServeError> {
    let mut stdout = std::io::stdout().lock();
    let written = writeln!(stdout, "{}", text.trim_end()).and_then(|()| stdout.flush());
    match written {
        Err(source) if source.kind() != std::io::ErrorKind::BrokenPipe => {
            let what = "cannot write to standard output";
            Err(ServeError::Machine { what, source })
        }
        _ => Ok(()),
    }
}

/// The scenario of a file, or the built-in one.
///
/// # Errors
/// [`ServeError::Scenario`]
pub fn load_scenario(path: Option<&Path>, overrides: &[Override]) -> Result<Scenario, ServeError> {
    let colored = std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none();
    let color = if colored { Color::Always } else { Color::Never };
    let told = |diagnostics: Diagnostics| ServeError::Scenario(diagnostics.render(color));
    let Some(path) = path else {
        return gentle::scenario(overrides).map_err(told);
    };
    match racegate_scenario::load(path, overrides) {
        Ok((scenario, _)) => Ok(scenario),
        Err(LoadError::Scenario(diagnostics)) => Err(told(diagnostics)),
        Err(error @ LoadError::File { .. }) => Err(ServeError::Scenario(format!(
            "error: {error}\n  name a scenario file, or none for the built-in one"
        ))),
    }
}

/// The address on which something listens: `port`, or any.
const fn address(host: std::net::IpAddr, port: u16) -> SocketAddr {
    SocketAddr::new(host, port)
}
