//! Why a live run could not begin or go on.

use std::path::PathBuf;

use mock_api::server::ServerError;
use racegate_udp::ShardError;

/// Why a live run could not begin or go on.
#[derive(Debug, thiserror::Error)]
pub enum LiveError {
    /// A server could not be started.
    #[error(transparent)]
    Server(#[from] ServerError),
    /// A socket could not be opened.
    #[error("{what} could not be opened: {source}{hint}", hint = hint(source))]
    Socket {
        /// What it was for.
        what: &'static str,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The media stack could not be set up.
    #[error("the media stack could not be set up: {0}")]
    Media(String),
    /// The media thread failed.
    #[error("the media thread failed: {0}")]
    Shard(#[from] ShardError),
    /// The audio could not be kept.
    #[error("the audio cannot be written to {folder} ({source})", folder = folder.display())]
    Audio {
        /// Where to.
        folder: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The exporter that is judged could not be started.
    #[error("the exporter could not be started: {source}")]
    Exporter {
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// An exporter could not log in.
    #[error("the exporter of gate `{gate}` could not log in: {reason}")]
    Login {
        /// Which.
        gate: String,
        /// Why.
        reason: String,
    },
}

fn hint(error: &std::io::Error) -> &'static str {
    match error.raw_os_error() {
        Some(24 | 23) => {
            "\n  too few file descriptors: raise the limit (`ulimit -n 4096`) or lower the rates"
        }
        _ => "",
    }
}
