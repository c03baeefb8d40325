//! The workload: an open model (or a closed one) of calls.

use crate::distribution::Distribution;
use crate::field::PerKind;
use crate::time::{Duration, Probability, Rate};

/// What makes the sessions.
#[derive(Clone, PartialEq, Debug)]
pub struct Workload {
    /// How calls arrive.
    pub executor: Executor,
    /// Whether gaps are exponential or equal. Not used by `constant-vus`.
    pub arrivals: Arrivals,
    /// Time before the first stage, at its rate; its recordings are made but not counted.
    pub warmup: Duration,
    /// How long a call lasts.
    pub call_duration: Distribution,
    /// The share of WebRTC calls; the others are SIP.
    pub webrtc_share: Probability,
    /// Legal hold.
    pub hold: HoldWorkload,
    /// Live only: how much of a session is real.
    pub fidelity: PerKind<Fidelity>,
}

/// How calls arrive, in k6's words.
#[derive(Clone, PartialEq, Debug)]
pub enum Executor {
    /// An open model: stages of arrival rates.
    ArrivalRate(Vec<Stage>),
    /// A closed model: each virtual user places calls back to back.
    ConstantVus {
        /// Number of virtual users.
        vus: u32,
        /// How long they do so.
        duration: Duration,
        /// Pause between one user's calls.
        pause: Duration,
    },
}

/// A stretch of the workload; also a phase of the results.
#[derive(Clone, PartialEq, Debug)]
pub struct Stage {
    /// Its name; unique.
    pub name: String,
    /// How long it lasts.
    pub duration: Duration,
    /// The rate in it.
    pub shape: StageShape,
}

/// How the rate runs within a stage.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum StageShape {
    /// The same all the time (`constant-arrival-rate`, `stepped-arrival-rate`).
    Constant(Rate),
    /// Linear from the first to the second (`ramping-arrival-rate`, as in k6).
    Ramp(Rate, Rate),
}

/// Gaps between arrivals.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Arrivals {
    /// A Poisson process.
    Poisson,
    /// Equal gaps.
    Regular,
}

/// Legal hold in the workload.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct HoldWorkload {
    /// The share of calls under hold.
    pub fraction: Probability,
    /// When it is set.
    pub set_at: HoldSetAt,
}

/// When a legal hold is set.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum HoldSetAt {
    /// As the call begins: it can never miss the tagging window.
    CallStart,
    /// As the call ends.
    CallEnd,
}

/// How much of a live session is real.
#[derive(Clone, Copy, PartialEq, Eq, Debug, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Fidelity {
    /// No network: a synthetic recording.
    Model,
    /// The signalling WebSocket only.
    Signalling,
    /// ICE and DTLS kept alive, no RTP.
    Transport,
    /// Real RTP, SRTP and Ogg through an in-process ring.
    Wire,
    /// Everything, on sockets.
    Media,
}
