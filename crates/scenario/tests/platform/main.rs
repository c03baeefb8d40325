//! Scenario files through the simulator: what `[expect]` says, what theory says, what is pinned.

mod claims;
mod golden;
mod pinned;
mod runs;
mod theory;
