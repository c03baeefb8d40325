//! The pure core of racegate.
//!
//! Every decision that needs no clock, socket or file lives here, and both engines (simulated and
//! live) drive it. Time is an argument; chance is keyed by the seed; iteration is ordered.
//!
//! Start with [`scenario::Scenario`] (what an experiment is), [`timeline::Timeline`] (when each
//! thing of a recording becomes visible), [`exporter::Exporter`] with its [`gate::Gate`] (the
//! client) and [`org::Org`] (the server), then [`sim`], which joins them.
//!
//! Machines share verbs by habit: `handle_input(now, input)`, `handle_timeout(now)`,
//! `poll_output() -> Option<Output>`, `poll_timeout() -> Option<Timestamp>`.

mod agenda;
pub mod analysis;
pub mod compare;
pub mod conformance;
pub mod diagnose;
pub mod distribution;
pub mod draws;
mod export;
pub mod exporter;
pub mod fault;
pub mod field;
pub mod gate;
pub mod history;
pub mod ids;
mod index_set;
mod job_chance;
mod job_draws;
mod judge;
pub mod order;
pub mod org;
pub mod outcome;
pub mod platform;
pub mod recorder;
pub mod repro;
pub mod scenario;
pub mod schedule;
pub mod selection;
pub mod sim;
pub mod stats;
pub mod summary;
pub mod survival;
mod table;
pub mod time;
pub mod timeline;
pub mod workload;
