//! Faults of sessions, as a scenario asks for them.

use crate::fault::Fault;
use crate::time::{Duration, Probability};

/// A fault, and the sessions that it strikes.
#[derive(Clone, PartialEq, Debug)]
pub struct FaultSpec {
    /// Which.
    pub fault: Fault,
    /// How many of the eligible sessions.
    pub share: FaultShare,
    /// The stage of the workload in which a session must begin; none is any, the warm-up included.
    pub phase: Option<usize>,
    /// When it strikes, as a share of the call. Of no meaning for faults of the set-up.
    pub at: Probability,
    /// How long it lasts, where that means something.
    pub lasts: Duration,
    /// The share of packets that are lost; `loss` only.
    pub loss: Probability,
}

/// How many sessions a fault strikes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum FaultShare {
    /// Each with this probability.
    Probability(Probability),
    /// Exactly so many, spread over the run, or all if there are fewer.
    Count(u32),
}
