//! Live only: how softphones and ingest go about their sessions. Nothing here changes what a simulation does.

use crate::time::Probability;

/// How the real ones among a workload's sessions are made.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct LiveSessions {
    /// The share of WebRTC calls that are made on a persistent connection.
    pub persistent: Probability,
    /// The WebRTC stack of the softphones.
    pub softphone_stack: WebrtcStack,
    /// The WebRTC stack of the ingest.
    pub ingest_stack: WebrtcStack,
    /// What softphones send while nobody speaks.
    pub silence: Silence,
}

impl Default for LiveSessions {
    /// A connection per call, the dense stack at both ends, discontinuous transmission.
    fn default() -> Self {
        Self {
            persistent: Probability::ZERO,
            softphone_stack: WebrtcStack::Dense,
            ingest_stack: WebrtcStack::Dense,
            silence: Silence::Dtx,
        }
    }
}

/// How long a softphone keeps its session.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Connection {
    /// For one call.
    PerCall,
    /// For call after call, as softphones with a persistent connection do.
    Persistent,
}

/// Which WebRTC stack an end runs on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum WebrtcStack {
    /// Made for thousands of sessions.
    Dense,
    /// str0m, which has every feature.
    Str0m,
}

/// What a softphone sends while nobody speaks.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Silence {
    /// A frame of comfort noise every 400 ms: discontinuous transmission (RFC 6716, section 2.1.9).
    Dtx,
    /// Every frame, as while somebody speaks.
    Sent,
}
