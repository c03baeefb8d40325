//! The faults by name: what each acts on, and what it does to a session.

use crate::scenario::Fidelity;
use crate::time::Duration;

use Effect::{
    Altered, Consent, Cut, LateSetUp, MediaLate, MediaLost, NoSession, PartialWrite, Silence,
    Unharmed,
};
use FaultGroup::{Dtls, Ice, Network, Platform, Rtp, Session, Signalling};
use Strike::{At, Over, SetUp};

/// What a fault acts on.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum FaultGroup {
    /// Connectivity checks and consent.
    Ice,
    /// The handshake, and the goodbye.
    Dtls,
    /// Audio packets.
    Rtp,
    /// The way of datagrams.
    Network,
    /// The softphone as a whole.
    Session,
    /// The WebSocket.
    Signalling,
    /// The recording platform.
    Platform,
}

impl FaultGroup {
    /// The name used in documents and reports.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ice => "ice",
            Self::Dtls => "dtls",
            Self::Rtp => "rtp",
            Self::Network => "network",
            Self::Session => "session",
            Self::Signalling => "signalling",
            Self::Platform => "platform",
        }
    }

    /// How much of a session must be real for the fault to act on something; at `model` fidelity
    /// only its prediction does.
    #[must_use]
    pub const fn needs(self) -> Fidelity {
        match self {
            Self::Ice | Self::Dtls | Self::Session => Fidelity::Transport,
            Self::Rtp | Self::Network => Fidelity::Wire,
            Self::Signalling => Fidelity::Signalling,
            Self::Platform => Fidelity::Model,
        }
    }
}

/// When a fault acts.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Strike {
    /// While the session is set up.
    SetUp,
    /// From an instant of the call on.
    At,
    /// From an instant of the call on, for a time.
    Over,
}

/// What a fault does to a session.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Effect {
    /// Nothing that the recording could show.
    Unharmed,
    /// The session never comes up.
    NoSession,
    /// The session comes up late; a call that is over by then never does.
    LateSetUp(Duration),
    /// What is recorded is not what was said: packets are missing, or not in their order.
    Altered,
    /// The server notices nothing until consent has run out, unless the call is over before.
    Consent,
    /// Nothing comes any more; the server notices when consent has run out.
    Silence,
    /// The session ends when it strikes.
    Cut,
    /// The session ends when it strikes, and its WebRTC fields are never written.
    PartialWrite,
    /// The audio is stored later than it would be.
    MediaLate,
    /// The audio is never stored.
    MediaLost,
}

/// A fault's entry in the catalogue.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct FaultKind {
    /// The fault.
    pub fault: Fault,
    /// Its name in scenarios.
    pub name: &'static str,
    /// What it acts on.
    pub group: FaultGroup,
    /// When it acts.
    pub strike: Strike,
    /// What it does.
    pub effect: Effect,
    /// How long it lasts unless the scenario says; of faults that last.
    pub lasts: Duration,
    /// What happens, for documents.
    pub text: &'static str,
}

macro_rules! catalogue {
    ($($fault:ident $name:literal $group:ident $strike:ident $effect:expr, $lasts:literal, $text:literal;)*) => {
        /// What can go wrong with a session.
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
        #[repr(u8)]
        pub enum Fault {
            $(#[doc = $text] $fault,)*
        }

        impl Fault {
            /// Every fault, by groups.
            pub const ALL: &'static [FaultKind] = &[
                $(FaultKind {
                    fault: Self::$fault,
                    name: $name,
                    group: $group,
                    strike: $strike,
                    effect: $effect,
                    lasts: Duration::from_millis($lasts),
                    text: $text,
                },)*
            ];
        }
    };
}

/// A DTLS flight is sent again after a second (RFC 6347, section 4.2.4.1); some go with that.
const RETRANSMISSION: Duration = Duration::from_millis(2000);
/// Checks are repeated while there is no path.
const LATE_PATH: Duration = Duration::from_millis(1500);

catalogue! {
    ConsentLoss "consent-loss" Ice At Consent, 0, "The caller's consent checks no longer reach the server; its audio does.";
    WrongUfrag "wrong-ice-ufrag" Ice SetUp NoSession, 0, "The caller's checks name a session that there is not.";
    WrongPassword "wrong-ice-password" Ice SetUp NoSession, 0, "The caller's checks carry a wrong message integrity.";
    LatePath "late-path" Ice SetUp LateSetUp(LATE_PATH), 500, "The first checks are lost.";
    NatRebind "nat-rebind" Ice At Altered, 0, "The caller's address changes in mid-call; audio is lost until its next consent check.";
    StunFlood "stun-flood" Ice At Unharmed, 0, "200 checks for unknown sessions come from the caller's address.";

    HalfOpen "dtls-half-open" Dtls SetUp NoSession, 0, "The handshake stops after the ClientHello.";
    FlightLoss "dtls-flight-loss" Dtls SetUp LateSetUp(RETRANSMISSION), 0, "The server's first flight is lost once.";
    WrongFingerprint "wrong-fingerprint" Dtls SetUp NoSession, 0, "The caller's certificate is not the one that its answer names.";
    WrongRole "wrong-setup-role" Dtls SetUp NoSession, 0, "The answer names the other role for the handshake.";
    DtlsGarbage "dtls-garbage" Dtls At Unharmed, 0, "50 handshake records of noise come from the caller's address.";
    DuplicateHandshake "duplicate-handshake" Dtls SetUp Unharmed, 0, "Every handshake datagram comes twice.";
    CloseNotify "close-notify" Dtls At Cut, 0, "The caller closes DTLS in mid-call and says nothing on the WebSocket.";

    BitFlip "bit-flip" Rtp At Altered, 0, "One bit of an audio packet flips: it fails authentication.";
    Replay "replay" Rtp Over Unharmed, 500, "Audio packets come again later.";
    ForgedSrtp "forged-srtp" Rtp At Unharmed, 0, "50 audio packets with a forged tag come from the caller's address.";
    SequenceJump "sequence-jump" Rtp At Unharmed, 0, "Sequence numbers jump forward by 50.";
    TimestampJump "timestamp-jump" Rtp At Unharmed, 0, "RTP time jumps forward by two seconds.";
    RocWrap "roc-wrap" Rtp SetUp Unharmed, 0, "Sequence numbers leap by 30,000 three times, and wrap.";
    EmptyPayload "empty-payload" Rtp At Unharmed, 0, "One packet in ten carries no payload.";
    Dtx "dtx" Rtp Over Unharmed, 1200, "Discontinuous transmission: one packet every 400 ms.";

    Loss "loss" Network At Altered, 0, "Audio packets are lost at random; one is for certain.";
    BurstLoss "burst-loss" Network Over Altered, 300, "All audio packets of a time are lost.";
    Jitter "jitter" Network Over Unharmed, 500, "Audio packets are delayed by up to 15 ms each, in order.";
    Stall "stall" Network Over Unharmed, 300, "Audio packets are held up and come in a burst.";
    Reorder "reorder" Network Over Altered, 300, "Every second audio packet comes after its successor.";
    Duplicate "duplicate" Network Over Unharmed, 500, "Every datagram comes twice.";
    OneWayAudio "one-way-audio" Network SetUp Altered, 0, "The session comes up and none of its audio arrives.";

    NoMedia "no-media" Session SetUp NoSession, 0, "The caller vanishes between its answer and its first check.";
    AbruptClose "abrupt-close" Session At PartialWrite, 0, "The caller's process dies: WebSocket and media are gone without a word.";
    Vanish "vanish" Session At Silence, 0, "The caller falls silent for good; its WebSocket stays open.";
    Pause "pause" Session Over Unharmed, 1000, "The caller is on hold: it sends no audio for a time.";
    EarlyHangUp "early-hang-up" Session At Cut, 0, "The caller hangs up before its time.";

    SignallingCut "signalling-cut" Signalling At PartialWrite, 0, "The WebSocket is cut, as at a connection limit, while audio flows.";
    HalfClosed "half-closed" Signalling At PartialWrite, 0, "The caller closes its half of the WebSocket's connection.";
    ResetDuringAnswer "reset-during-answer" Signalling SetUp NoSession, 0, "The connection breaks in the midst of the answer.";
    HugeAnswer "huge-answer" Signalling SetUp NoSession, 0, "The answer is longer than any frame may be.";
    NoAnswer "no-answer" Signalling SetUp NoSession, 0, "The caller never answers the offer.";
    FragmentedFrames "fragmented-frames" Signalling SetUp Unharmed, 0, "Every frame comes in fragments of seven bytes.";
    SlowFrames "slow-frames" Signalling SetUp Unharmed, 0, "The answer dribbles in, 256 bytes every 10 ms.";
    GarbageFrame "garbage-frame" Signalling At Unharmed, 0, "A frame that is no JSON-RPC comes in mid-call.";

    StoreLate "store-late" Platform SetUp MediaLate, 5000, "The audio reaches storage late.";
    StoreFailure "store-failure" Platform SetUp MediaLost, 0, "The audio never reaches storage.";
}

impl Fault {
    /// Its entry in the catalogue.
    #[must_use]
    pub const fn kind(self) -> &'static FaultKind {
        &Self::ALL[self as usize]
    }

    /// Its name in scenarios.
    #[must_use]
    pub const fn name(self) -> &'static str {
        self.kind().name
    }

    /// How far a session that it keeps from coming up gets, in the words of reports.
    #[must_use]
    pub const fn stopped_at(self) -> &'static str {
        match self.kind().group {
            Signalling => "answer",
            Dtls => "handshake",
            Ice | Rtp | Network | Session | Platform => "path",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_fault_has_its_place_and_a_name_of_its_own() {
        for (place, kind) in Fault::ALL.iter().enumerate() {
            assert_eq!(kind.fault as usize, place, "{}", kind.name);
            assert_eq!(kind.fault.kind(), kind);
            let same = Fault::ALL.iter().filter(|other| other.name == kind.name);
            assert_eq!(same.count(), 1, "{}", kind.name);
            assert!(
                kind.strike != Over || kind.lasts > Duration::ZERO,
                "{}",
                kind.name
            );
            assert!(
                kind.text.ends_with('.') && kind.text.len() < 90,
                "{}",
                kind.name
            );
        }
    }
}
