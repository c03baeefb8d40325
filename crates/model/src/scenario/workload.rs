//! The workload: an open model (or a closed one) of calls.

use super::{Connection, FaultSpec, LiveSessions};
use crate::distribution::Distribution;
use crate::draws::{Draws, Purpose, Seed};
use crate::field::PerKind;
use crate::time::{Duration, Probability, Rate};
use crate::workload::Call;

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
    pub fidelity: PerKind<FidelityMix>,
    /// Live only: how real sessions are made.
    pub live: LiveSessions,
    /// What goes wrong with sessions.
    pub faults: Vec<FaultSpec>,
}

impl Workload {
    /// How much of the session of `call` is real.
    #[must_use]
    pub fn fidelity_of(&self, seed: Seed, call: &Call) -> Fidelity {
        let mix = self.fidelity.get(call.kind);
        mix.of(Draws::of_call(seed, call.index.0).draw(Purpose::Fidelity))
    }

    /// How long the softphone of `call` keeps its session.
    #[must_use]
    pub fn connection_of(&self, seed: Seed, call: &Call) -> Connection {
        let draw = Draws::of_call(seed, call.index.0).draw(Purpose::Connection);
        if self.live.persistent.occurs(draw) {
            Connection::Persistent
        } else {
            Connection::PerCall
        }
    }
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

impl Stage {
    /// Whether no call arrives in it, whatever the seed.
    #[must_use]
    pub fn is_silent(&self) -> bool {
        let zero = Rate::from_nanohertz(0);
        let rises = match self.shape {
            StageShape::Constant(rate) => rate > zero,
            StageShape::Ramp(from, to) => from > zero || to > zero,
        };
        !rises || self.duration == Duration::ZERO
    }
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

/// How much of a live session is real; each has what the one before has.
#[derive(
    Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, serde::Serialize, serde::Deserialize,
)]
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

impl Fidelity {
    /// Every fidelity, from the least real on.
    pub const ALL: [Self; 5] = [
        Self::Model,
        Self::Signalling,
        Self::Transport,
        Self::Wire,
        Self::Media,
    ];

    /// The name used in scenarios.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Model => "model",
            Self::Signalling => "signalling",
            Self::Transport => "transport",
            Self::Wire => "wire",
            Self::Media => "media",
        }
    }
}

/// The shares of a kind's sessions that have each fidelity; they sum to one.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct FidelityMix {
    /// By [`Fidelity::ALL`].
    shares: [Probability; Fidelity::ALL.len()],
}

impl FidelityMix {
    /// All sessions alike.
    #[must_use]
    pub fn only(fidelity: Fidelity) -> Self {
        let mut shares = [Probability::ZERO; Fidelity::ALL.len()];
        shares[fidelity as usize] = Probability::ONE;
        Self { shares }
    }

    /// These shares, by [`Fidelity::ALL`]; none unless they sum to one (to a millionth).
    #[must_use]
    pub fn new(shares: [Probability; Fidelity::ALL.len()]) -> Option<Self> {
        let sum: f64 = shares.iter().map(|share| share.as_f64()).sum();
        ((sum - 1.0).abs() < 1e-6).then_some(Self { shares })
    }

    /// The share of sessions with this fidelity.
    #[must_use]
    pub const fn share(&self, fidelity: Fidelity) -> Probability {
        self.shares[fidelity as usize]
    }

    /// Whether any session has it.
    #[must_use]
    pub fn has(&self, fidelity: Fidelity) -> bool {
        self.share(fidelity) > Probability::ZERO
    }

    /// The fidelity that `draw` stands for.
    #[must_use]
    pub fn of(&self, draw: u64) -> Fidelity {
        let mut below = 0.0;
        for fidelity in Fidelity::ALL {
            below += self.share(fidelity).as_f64();
            let within = Probability::new(below.min(1.0)).unwrap_or(Probability::ONE);
            if self.has(fidelity) && within.occurs(draw) {
                return fidelity;
            }
        }
        // Rounding may leave the last draws to nobody.
        let last = Fidelity::ALL.into_iter().rev().find(|one| self.has(*one));
        last.unwrap_or(Fidelity::Model)
    }
}
