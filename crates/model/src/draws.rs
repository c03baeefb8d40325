//! Chance: one keyed, counter-based draw per (seed, stream, call, purpose).
//!
//! No generator state exists, so a draw can be recomputed alone, nothing depends on the order in
//! which draws are made, and a new draw in one place moves nothing elsewhere. Every tenant meets
//! the same calls and the same lags (common random numbers).

use serde::{Deserialize, Serialize};

use crate::time::Timestamp;

/// What a run's chance is derived from.
#[derive(
    Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Seed(pub u64);

/// What a draw decides. The numbers are part of the reproducibility contract: never reuse one.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u16)]
pub enum Purpose {
    /// Gap to the next arrival.
    Arrival = 1,
    /// Length of the call.
    CallDuration = 2,
    /// Which kind of medium the call uses.
    Kind = 3,
    /// Whether the call is under legal hold.
    Hold = 4,
    /// Which audio clip is spoken.
    Clip = 5,
    /// Check bits of the public ids.
    Identity = 6,
    /// Lag of the media object.
    MediaLag = 10,
    /// Service time in pipeline stage `k`.
    Service = 11,
    /// Further lag of field group `k` behind the pipeline.
    FieldLag = 12,
    /// Lag of `state` behind (or ahead of) the fields.
    StateLag = 13,
    /// Lag of the index behind the primary read path.
    IndexLag = 14,
    /// Phase of the index's refresh grid.
    IndexPhase = 15,
    /// How long a field is null before it has its value.
    NullPhase = 16,
    /// After-call work.
    AfterCallWork = 17,
    /// Whether a hold set late misses the tagging window.
    HoldWindow = 18,
    /// Lag of propagation from the interaction's hold to the recording's.
    HoldPropagation = 19,
    /// Loss of notification `k`.
    NotificationLoss = 20,
    /// Duplication of notification `k`.
    NotificationDuplicate = 21,
    /// Delay of notification `k`.
    NotificationDelay = 22,
    /// Early sending of notification `k`.
    NotificationEarly = 23,
    /// Whether the signalling connection was refused or cut.
    Signalling = 24,
    /// Whether the platform took the call for another kind.
    Misclassified = 25,
    /// Back-off inside the platform after an update was refused.
    UpdateRetry = 26,
    /// Whether a hold never reaches the other level.
    HoldPropagationLoss = 27,
    /// Whether a recording carries another conversation id.
    OtherId = 28,
    /// Whether a session carries several conversations.
    SharedSession = 29,
    /// Time that a gate's read takes of a coupled platform.
    ReadCost = 30,
    /// How much of the session is real.
    Fidelity = 31,
    /// What a fault does to datagram `k`.
    FaultDatagram = 32,
    /// Whether the scenario's fault `k` strikes the session.
    SessionFault = 33,
    /// Whether the second region handles the call.
    Region = 34,
    /// Lag of the second region.
    RegionLag = 35,
    /// Whether a recording's first version is false.
    Provisional = 36,
    /// First version → final version.
    Correction = 37,
    /// How long ephemeral values stay.
    Kept = 38,
    /// Whether a job may not write a held recording.
    HeldForbidden = 39,
    /// Jitter of attempt `k` of a gate.
    Jitter = 40,
    /// Latency of an export job.
    JobLatency = 41,
    /// Whether the job fails for this recording.
    JobFailure = 42,
    /// Time that a job's query takes.
    JobQuery = 43,
    /// Time between a job's reading of sidecar and media.
    JobOrder = 44,
    /// Time that a restore from the archive takes.
    Restore = 45,
    /// What a client adds to its wait after 429 number `k`.
    RetryJitter = 46,
    /// Whether the call is made on a persistent connection.
    Connection = 50,
    /// Whether an injected fault strikes match `k` of a rule.
    Fault = 60,
    /// Resampling of a trace, and the bootstrap of its fit.
    Calibration = 70,
    /// Kind-independent reserve for tests.
    Test = 99,
}

const K1: u64 = 0x9E37_79B9_7F4A_7C15;
const K2: u64 = 0xD1B5_4A32_D192_ED03;

/// The draws of one key: a call of a run, or an export job.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Draws {
    base: u64,
}

impl Draws {
    /// The draws of call `call`.
    #[must_use]
    pub const fn of_call(seed: Seed, call: u64) -> Self {
        Self {
            base: mix64(seed.0 ^ call.wrapping_add(1).wrapping_mul(K1)),
        }
    }

    /// The draws of a named stream (job slots, a refresh grid) at position `ordinal`.
    #[must_use]
    pub fn of_stream(seed: Seed, name: &str, ordinal: u64) -> Self {
        Stream::new(seed, name).nth(ordinal)
    }

    /// The draws of the `ordinal`-th thing under this key.
    #[must_use]
    pub const fn nth(self, ordinal: u64) -> Self {
        Self {
            base: mix64(self.base ^ ordinal.wrapping_add(1).wrapping_mul(K1)),
        }
    }

    /// The draws of what the key does at `now`.
    #[must_use]
    pub const fn at(self, now: Timestamp) -> Self {
        self.nth(now.as_nanos())
    }

    /// A uniform 64-bit number for `purpose`.
    #[must_use]
    pub const fn draw(self, purpose: Purpose) -> u64 {
        self.draw_nth(purpose, 0)
    }

    /// A uniform 64-bit number for the `k`-th draw of `purpose`.
    #[must_use]
    pub const fn draw_nth(self, purpose: Purpose, k: u32) -> u64 {
        let key = ((purpose as u64) << 32) | k as u64;
        mix64(self.base.wrapping_add(key.wrapping_mul(K2)))
    }
}

/// A named stream of draws, ready for its ordinals.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Stream {
    base: u64,
}

impl Stream {
    /// The stream `name` of `seed`.
    #[must_use]
    pub fn new(seed: Seed, name: &str) -> Self {
        Self {
            base: mix64(seed.0 ^ hash_bytes(name.as_bytes())),
        }
    }

    /// The draws of its `ordinal`-th thing.
    #[inline]
    #[must_use]
    pub const fn nth(self, ordinal: u64) -> Draws {
        Draws {
            base: mix64(self.base ^ ordinal.wrapping_add(1).wrapping_mul(K1)),
        }
    }
}

/// The SplitMix64 finaliser (Stafford's variant 13): a bijection on 64 bits.
#[must_use]
pub const fn mix64(mut z: u64) -> u64 {
    z = z.wrapping_add(K1);
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

/// A portable 64-bit hash of bytes: for names and log entries, never against an adversary.
#[must_use]
pub fn hash_bytes(bytes: &[u8]) -> u64 {
    let mut hash = mix64(bytes.len() as u64);
    for chunk in bytes.chunks(8) {
        let mut word = [0_u8; 8];
        word[..chunk.len()].copy_from_slice(chunk);
        hash = mix64(hash ^ u64::from_le_bytes(word));
    }
    hash
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn draws_are_pinned_for_ever() {
        let draws = Draws::of_call(Seed(42), 7);
        assert_eq!(mix64(0), 0xE220_A839_7B1D_CDAF);
        assert_eq!(draws.draw(Purpose::Kind), draws.draw_nth(Purpose::Kind, 0));
        assert_ne!(draws.draw(Purpose::Kind), draws.draw(Purpose::Hold));
        assert_ne!(
            Draws::of_stream(Seed(1), "a", 0).draw(Purpose::Test),
            Draws::of_stream(Seed(1), "b", 0).draw(Purpose::Test)
        );
    }

    #[test]
    fn bits_of_neighbouring_calls_are_balanced() {
        let ones: u32 = (0..4096)
            .map(|i| Draws::of_call(Seed(1), i).draw(Purpose::Test).count_ones())
            .sum();
        let mean = f64::from(ones) / 4096.0;
        assert!(
            (mean - 32.0).abs() < 4.0 * 4.0 / 64.0,
            "mean of ones {mean}"
        );
    }
}
