//! racegate: reproduces, measures and fixes the race between a recording's media and its metadata.
//!
//! The shell around the pure core (`racegate_model`): everything that touches a clock, a socket or
//! a file. Start with [`cmd`], a file per verb; `cmd/run.rs` is the main job.

mod baseline;
pub mod calibrate;
mod certificate;
pub mod cmd;
mod doubts;
pub mod engine;
mod judge;
pub mod live;
pub mod load;
pub mod output;
pub mod plan;
mod progress;
mod replay;
pub mod report;
mod signals;
pub mod sinks;
pub mod store;
pub mod tune;
