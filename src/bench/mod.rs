//! `racegate bench`: our speed beside peers and limits, as ratios.

pub mod media;
pub mod mock;
pub mod sim;
