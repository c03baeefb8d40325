//! The lagging Recording API.
pub mod clock;
pub mod service;
