//! What a trace says about a lag, where some values are only known to lie between two looks.
//!
//! [`Observations`] holds lags that are exact, interval-censored (ready between the last look
//! without and the first look with the field) or right-censored (not ready at the last look).
//! [`kaplan_meier`] and [`turnbull`] estimate the distribution without assuming a family;
//! [`fit`] chooses one by maximum likelihood.

pub mod fit;
mod kaplan_meier;
mod observations;
mod turnbull;

pub use kaplan_meier::{KaplanMeier, kaplan_meier};
pub use observations::{Observation, Observations};
pub use turnbull::{Cell, Turnbull, binned, turnbull};
