//! The live engine: the embedded mock on loopback, real softphones, real exporters, wall clock.
//!
//! Arrivals are an open model on an absolute schedule. Everything is told to the sink as it
//! happens; nothing is computed here.

mod callers;
mod error;
mod exporters;
mod generator;
mod guest;
mod health;
mod media;
mod network;
mod platform;
pub mod softphone;
mod tenant;
pub mod transport;
mod verdicts;
mod webhooks;
mod world;

pub use error::LiveError;
pub use generator::{GeneratorReport, Progress};
pub use guest::{Guest, NoGuest};
pub(crate) use network::HttpTransport;
pub use world::{LiveOptions, Stop, run, run_beside};

/// Which arms a live run runs.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Arms {
    /// The base arm only.
    Base,
    /// All of them, fed by the same sessions.
    All,
}
