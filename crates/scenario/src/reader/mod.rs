//! Reading tables and values, noting every mistake and going on.
//!
//! Readers return a stand-in where something is wrong; the stand-in never leaves the crate,
//! because a scenario is released only if no mistake was noted.

mod context;
mod field;
mod table;

pub(crate) use context::{Context, Readable, unique};
pub(crate) use field::Field;
pub(crate) use table::Table;
