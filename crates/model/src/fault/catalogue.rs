//! The faults by name: what each acts on, and what it does to a session.

use crate::scenario::Fidelity;
use crate::time::Duration;

use Effect::{
    Altered, Consent, Cut, CutLate, LateSetUp, MediaLate, MediaLost, NoRoom, NoSession,
    PartialWrite, Reconnect, Silence, Unharmed, Unheard,
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
    /// The same, and the audio is stored later than it would be.
    CutLate,
    /// The session ends when it strikes, and its WebRTC fields are never written.
    PartialWrite,
    /// The same, once the server has pinged in vain.
    Unheard,
    /// Nothing, if the softphone comes back in time; the server waits for it, and then it is a partial write.
    Reconnect,
    /// The audio is stored later than it would be.
    MediaLate,
    /// The audio is never stored.
    MediaLost,
    /// The same, because there is no room for it.
    NoRoom,
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
    RoleConflict "role-conflict" Ice SetUp Unharmed, 0, "The caller takes the server for the side that decides on the path, and is told (487).";
    LateNomination "late-nomination" Ice SetUp Unharmed, 1000, "No check nominates the path for a time; keys and audio come before it.";
    TwoPaths "two-paths" Ice SetUp Unharmed, 0, "The caller checks two paths, each from an address of its own.";

    HalfOpen "dtls-half-open" Dtls SetUp NoSession, 0, "The handshake stops after the ClientHello.";
    FlightLoss "dtls-flight-loss" Dtls SetUp LateSetUp(RETRANSMISSION), 0, "The server's first flight is lost once.";
    LastFlightLoss "dtls-last-flight-loss" Dtls SetUp Unharmed, 0, "The server's last flight is lost once: it is up before the caller is.";
    WrongFingerprint "wrong-fingerprint" Dtls SetUp NoSession, 0, "The caller's certificate is not the one that its answer names.";
    WrongRole "wrong-setup-role" Dtls SetUp NoSession, 0, "The answer names the other role for the handshake.";
    DtlsGarbage "dtls-garbage" Dtls At Unharmed, 0, "50 handshake records of noise come from the caller's address.";
    DuplicateHandshake "duplicate-handshake" Dtls SetUp Unharmed, 0, "Every handshake datagram comes twice.";
    LateClientHello "late-client-hello" Dtls At Unharmed, 0, "The first ClientHello comes again in mid-call.";
    DtlsRestart "dtls-restart" Dtls At Unharmed, 0, "A ClientHello of another handshake comes in mid-call; nothing proves who sent it.";
    HandshakeStorm "handshake-storm" Dtls Over Unharmed, 1000, "2,000 other ClientHellos a second come from the caller's address.";
    OtherCurve "other-curve" Dtls SetUp Unharmed, 0, "The caller's certificate is on P-384.";
    Dtls13Only "dtls13-only" Dtls SetUp NoSession, 0, "The caller speaks no DTLS but 1.3, and the server 1.2.";
    DtlsAlert "dtls-alert" Dtls SetUp NoSession, 0, "The caller ends the handshake with a fatal alert.";
    ForgedAlert "forged-alert" Dtls At Unharmed, 0, "Fatal alerts in the clear come from the caller's address in mid-call.";
    CloseNotify "close-notify" Dtls At Cut, 0, "The caller closes DTLS in mid-call and says nothing on the WebSocket.";

    BitFlip "bit-flip" Rtp At Altered, 0, "One bit of an audio packet flips: it fails authentication.";
    Replay "replay" Rtp Over Unharmed, 500, "Audio packets come again later.";
    ForgedSrtp "forged-srtp" Rtp At Unharmed, 0, "50 audio packets with a forged tag come from the caller's address.";
    SequenceJump "sequence-jump" Rtp At Unharmed, 0, "Sequence numbers jump forward by 50.";
    TimestampJump "timestamp-jump" Rtp At Unharmed, 0, "RTP time jumps forward by two seconds.";
    RocWrap "roc-wrap" Rtp SetUp Unharmed, 0, "Sequence numbers leap by 30,000 three times, and wrap.";
    EmptyPayload "empty-payload" Rtp At Unharmed, 0, "One packet in ten carries no payload.";
    Dtx "dtx" Rtp Over Unharmed, 1200, "Discontinuous transmission: one packet every 400 ms.";
    SsrcChange "ssrc-change" Rtp At Unharmed, 0, "Audio goes on from another source, with numbers of its own.";
    UnknownPayloadType "unknown-payload-type" Rtp At Unharmed, 0, "One packet in ten is followed by one of a payload type that nobody agreed on.";
    HeaderExtensions "header-extensions" Rtp At Unharmed, 0, "Audio packets have header extensions that nobody agreed on.";
    Frames10 "frames-10ms" Rtp SetUp Unharmed, 0, "Audio packets last 10 ms each.";
    Frames40 "frames-40ms" Rtp SetUp Unharmed, 0, "Audio packets last 40 ms each.";
    Frames60 "frames-60ms" Rtp SetUp Unharmed, 0, "Audio packets last 60 ms each.";
    Red "red" Rtp Over Altered, 300, "Audio comes wrapped as RED (RFC 2198), which nobody agreed on.";
    RtcpOnly "rtcp-only" Rtp SetUp Unharmed, 0, "The caller sends reports and no audio.";
    ByeThenAudio "bye-then-audio" Rtp At Cut, 0, "The caller sends BYE, and audio after it.";
    EarlyAudio "early-audio" Rtp SetUp Unharmed, 0, "20 audio packets of no keys come before the handshake is done.";
    ClockStep "clock-step" Rtp At Unharmed, 0, "The caller's clock steps forward by an hour: its reports say so.";

    Loss "loss" Network At Altered, 0, "Audio packets are lost at random; one is for certain.";
    BurstLoss "burst-loss" Network Over Altered, 300, "All audio packets of a time are lost.";
    GilbertElliott "gilbert-elliott" Network At Altered, 0, "Audio packets are lost in bursts, by a Gilbert-Elliott channel that begins bad.";
    BandwidthCap "bandwidth-cap" Network Over Altered, 1000, "12 kbit/s get through, after a queue of ten packets; the rest is lost.";
    MtuBlackHole "mtu-black-hole" Network SetUp NoSession, 0, "Datagrams of more than 400 bytes vanish: the handshake's do.";
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
    HangUpDuringUpload "hang-up-during-upload" Session Over CutLate, 2000, "The caller hangs up before its time, and storage takes so long to take the audio.";
    ReInvite "re-invite" Session At Unharmed, 0, "The caller offers anew while audio flows, and is answered.";
    HoldResume "hold-resume" Session Over Unharmed, 1000, "The caller offers to hold and, later, to go on; it sends nothing between.";
    SameCallTwice "same-call-twice" Session At Unharmed, 0, "A second session of the same conversation comes up, speaks and hangs up.";

    SignallingCut "signalling-cut" Signalling At PartialWrite, 0, "The WebSocket is cut, as at a connection limit, while audio flows.";
    HalfClosed "half-closed" Signalling At PartialWrite, 0, "The caller closes its half of the WebSocket's connection.";
    PingWithoutPong "ping-without-pong" Signalling At Unheard, 0, "The caller no longer answers the server's pings; its audio flows on.";
    ReconnectStorm "reconnect-storm" Signalling At PartialWrite, 0, "The WebSocket is cut, and 50 new ones are opened at once.";
    JitteredReconnects "jittered-reconnects" Signalling Over PartialWrite, 2000, "The WebSocket is cut, and 50 new ones are opened at random times.";
    LineReconnect "line-reconnect" Signalling Over Reconnect, 1000, "A persistent session's WebSocket is cut; the softphone comes back to it by a new one.";
    SendBufferFull "send-buffer-full" Signalling Over Unharmed, 1000, "The caller asks much and reads nothing for a time: the server must wait for it.";
    ResetDuringAnswer "reset-during-answer" Signalling SetUp NoSession, 0, "The connection breaks in the midst of the answer.";
    HugeAnswer "huge-answer" Signalling SetUp NoSession, 0, "The answer is longer than any frame may be.";
    NoAnswer "no-answer" Signalling SetUp NoSession, 0, "The caller never answers the offer.";
    FragmentedFrames "fragmented-frames" Signalling SetUp Unharmed, 0, "Every frame comes in fragments of seven bytes.";
    SlowFrames "slow-frames" Signalling SetUp Unharmed, 0, "The answer dribbles in, 256 bytes every 10 ms.";
    GarbageFrame "garbage-frame" Signalling At Unharmed, 0, "A frame that is no JSON-RPC comes in mid-call.";

    StoreLate "store-late" Platform SetUp MediaLate, 5000, "The audio reaches storage late.";
    StoreFailure "store-failure" Platform SetUp MediaLost, 0, "The audio never reaches storage.";
    DiskFull "disk-full" Platform SetUp NoRoom, 0, "Storage has no room left for the audio.";
    ShardStall "shard-stall" Platform Over Unharmed, 200, "The media thread stands still; what comes meanwhile waits in the kernel.";
}

/// The ends of a session that must be on the dense stack for a fault to be brought about and borne as predicted.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum DenseEnds {
    /// None: it is made of datagrams or signalling.
    Neither,
    /// The softphone.
    Softphone,
    /// The softphone and the ingest.
    Both,
}

impl Fault {
    /// Which ends must be on the dense stack. str0m offers once, has one source and one address, and sends plain packets; as an
    /// ingest it neither takes a new offer or a new source nor hears a BYE.
    #[must_use]
    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "of some eighty faults these are within a stack"
    )]
    pub const fn dense_ends(self) -> DenseEnds {
        match self {
            Self::ReInvite | Self::HoldResume | Self::SsrcChange | Self::ByeThenAudio => {
                DenseEnds::Both
            }
            Self::TwoPaths
            | Self::ClockStep
            | Self::UnknownPayloadType
            | Self::HeaderExtensions
            | Self::Red => DenseEnds::Softphone,
            _ => DenseEnds::Neither,
        }
    }

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
