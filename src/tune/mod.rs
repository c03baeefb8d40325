//! `racegate tune`: the check schedule that suits one's own lag.
//!
//! [`lags`] takes lags from a scenario's platform or a trace, [`search`] walks the front of calls
//! against delay and chooses on it, [`certify`] holds the choice against recordings that the
//! search did not see, [`race`] runs candidates in the simulator where gates share something, and
//! [`verify`] simulates the winner on seeds that nothing has seen.

pub mod certify;
pub mod lags;
pub mod objective;
mod page;
mod picture;
pub mod race;
mod say;
pub mod search;
pub mod snippets;
pub mod verify;

pub use page::page;
pub use picture::pictures;
pub use say::{gate_table, json, text};
