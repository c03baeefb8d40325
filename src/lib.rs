//! racegate: reproduces, measures and fixes the race between a recording's media and its metadata.
//!
//! The shell around the pure core (`racegate_model`): everything that touches a clock, a socket or
//! a file. Start with [`run`], the main job.

pub mod bench;
pub mod call;
pub mod catalogue;
pub mod cli;
mod doubts;
mod engine;
pub mod live;
pub mod plan;
mod progress;
pub mod report;
pub mod run;
mod sinks;
pub mod store;
