//! Faults of sessions: which session meets which, and what becomes of it.
//!
//! The rule (fault → outcome) stands here once. The simulator applies it; the live engine brings
//! the fault about and is held against it.

mod catalogue;
mod plan;

pub use catalogue::{DenseEnds, Effect, Fault, FaultGroup, FaultKind, Strike};
pub use plan::{FaultPlan, Struck};

use serde::{Deserialize, Serialize};

use crate::time::{Duration, Timestamp};
use crate::workload::Call;

/// How long a server of ICE-lite keeps a session whose checks no longer come.
pub const CONSENT: Duration = Duration::from_secs(15);

/// A server pings a WebSocket on which it has heard nothing for so long.
pub const PING_AFTER: Duration = Duration::from_secs(5);

/// It gives a WebSocket up on which it has heard nothing for so long, pongs included.
pub const UNHEARD: Duration = Duration::from_secs(10);

/// A server keeps a persistent session whose WebSocket broke for so long: its media goes on, and the softphone may come back to it.
pub const RECONNECT: Duration = Duration::from_secs(5);

/// What becomes of a session, in a word.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SessionOutcome {
    /// Recorded as it was said, to its planned end.
    Unharmed,
    /// It never came up: no recording.
    NotEstablished,
    /// Recorded, and not as it was said.
    Altered,
    /// Recorded as it was said, and ended before its time.
    CutShort,
    /// The same, and the server found out when its consent ran out.
    ConsentLost,
    /// Cut short, and its WebRTC fields are never written.
    PartialWrite,
    /// Recorded; the audio comes late.
    MediaLate,
    /// Recorded; the audio never comes.
    MediaLost,
}

impl SessionOutcome {
    /// The word used in reports.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Unharmed => "unharmed",
            Self::NotEstablished => "not-established",
            Self::Altered => "altered",
            Self::CutShort => "cut-short",
            Self::ConsentLost => "consent-lost",
            Self::PartialWrite => "partial-write",
            Self::MediaLate => "media-late",
            Self::MediaLost => "media-lost",
        }
    }
}

/// How a session ended, as far as the platform can tell.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Ending {
    /// Whether its signalling lasted.
    pub signalling: SignallingEnd,
    /// Whether its audio is what was said.
    pub audio: AudioEnd,
    /// What storage did with its audio.
    pub storage: StorageEnd,
}

/// Whether signalling lasted to the end.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum SignallingEnd {
    /// It did, or there was none.
    #[default]
    Kept,
    /// It was cut: the WebRTC fields are never written.
    Lost,
}

/// Whether the audio is what was said.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum AudioEnd {
    /// It is, as far as is known.
    #[default]
    Whole,
    /// Its digest differs from the caller's.
    Altered,
}

/// What storage did with the audio.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum StorageEnd {
    /// It took it.
    #[default]
    Stored,
    /// It took it so much later.
    Late(Duration),
    /// It failed.
    Failed,
    /// It had no room.
    Full,
}

/// What a fault makes of a call.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Prediction {
    /// In a word.
    pub outcome: SessionOutcome,
    /// When the session ends.
    pub ended_at: Timestamp,
    /// How, if it comes up.
    pub ending: Ending,
}

/// The rule: what becomes of `call` when it is struck at `at` by a fault of that `effect`.
#[must_use]
pub fn predict(call: &Call, effect: Effect, at: Timestamp, lasts: Duration) -> Prediction {
    let mut prediction = without_storage(call, effect, (at, lasts));
    match effect {
        Effect::MediaLate | Effect::CutLate => prediction.ending.storage = StorageEnd::Late(lasts),
        Effect::MediaLost => prediction.ending.storage = StorageEnd::Failed,
        Effect::NoRoom => prediction.ending.storage = StorageEnd::Full,
        Effect::Unharmed
        | Effect::NoSession
        | Effect::LateSetUp(_)
        | Effect::Altered
        | Effect::Consent
        | Effect::Silence
        | Effect::Cut
        | Effect::PartialWrite
        | Effect::Reconnect
        | Effect::Unheard => {}
    }
    prediction
}

/// What becomes of the session itself.
fn without_storage(call: &Call, effect: Effect, (at, lasts): (Timestamp, Duration)) -> Prediction {
    let planned = call.ended_at();
    let mut prediction = Prediction {
        outcome: SessionOutcome::Unharmed,
        ended_at: planned,
        ending: Ending::default(),
    };
    match effect {
        Effect::Unharmed => {}
        Effect::NoSession => prediction.outcome = SessionOutcome::NotEstablished,
        Effect::LateSetUp(after) => {
            if call.duration <= after {
                prediction.outcome = SessionOutcome::NotEstablished;
            }
        }
        Effect::Altered => {
            prediction.outcome = SessionOutcome::Altered;
            prediction.ending.audio = AudioEnd::Altered;
        }
        Effect::Consent => {
            let ended_at = at + CONSENT;
            if ended_at < planned {
                prediction.outcome = SessionOutcome::ConsentLost;
                prediction.ended_at = ended_at;
            }
        }
        Effect::Silence => {
            prediction.outcome = SessionOutcome::ConsentLost;
            prediction.ended_at = at + CONSENT;
        }
        Effect::Cut | Effect::CutLate | Effect::PartialWrite if at >= planned => {}
        Effect::Cut | Effect::CutLate => {
            prediction.outcome = SessionOutcome::CutShort;
            prediction.ended_at = at;
        }
        Effect::PartialWrite => {
            prediction.outcome = SessionOutcome::PartialWrite;
            prediction.ended_at = at;
            prediction.ending.signalling = SignallingEnd::Lost;
        }
        Effect::Reconnect => {
            let ended_at = at + RECONNECT;
            // It comes back to hang up, too.
            if lasts >= RECONNECT && ended_at < planned {
                prediction.outcome = SessionOutcome::PartialWrite;
                prediction.ended_at = ended_at;
                prediction.ending.signalling = SignallingEnd::Lost;
            }
        }
        Effect::Unheard => {
            let ended_at = last_heard(call, at) + UNHEARD;
            if ended_at < planned {
                prediction.outcome = SessionOutcome::PartialWrite;
                prediction.ended_at = ended_at;
                prediction.ending.signalling = SignallingEnd::Lost;
            }
        }
        Effect::MediaLate => prediction.outcome = SessionOutcome::MediaLate,
        Effect::MediaLost | Effect::NoRoom => {
            prediction.outcome = SessionOutcome::MediaLost;
        }
    }
    prediction
}

/// When the server heard the caller last that fell silent on its WebSocket at `at`: a call has nothing to say there but pongs, the
/// first [`PING_AFTER`] its set-up, which takes no time here.
fn last_heard(call: &Call, at: Timestamp) -> Timestamp {
    let pongs = at.since(call.arrival).as_nanos() / PING_AFTER.as_nanos();
    call.arrival + Duration::from_nanos(pongs * PING_AFTER.as_nanos())
}
