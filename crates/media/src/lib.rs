//! WebRTC audio peers, Opus clips, Ogg recordings and digests, as machines without sockets and clocks.
//!
//! Datagrams and the time go in, datagrams and events come out: `handle_*`, then `poll_output` until it is empty, then
//! `poll_timeout`. Two stacks are behind [`Stack`]: the dense one, and str0m, which has every feature and is the test's oracle.

mod clip;
mod crypto;
mod demux;
pub mod dense;
mod digest;
pub mod ogg;
mod peer;
mod rtc;
mod stun;
mod toc;

pub use clip::{Clip, ClipError, Speech, clips};
pub use crypto::DtlsVersion;
pub use demux::{Demux, Route};
pub use dense::rtp::is_rtcp;
pub use dense::{Curve, DenseStack};
pub use digest::{PayloadDigest, Sha256};
pub use peer::{
    Caller, Departure, Flow, Form, Frame, Invitation, Peer, PeerError, PeerEvent, PeerOutput,
    Received, Recorder, Stack,
};
pub use rtc::RtcStack;
pub use stun::{DatagramKind, binding_ufrag};
pub use toc::{SAMPLE_RATE, duration_of};

/// Samples in one Opus frame of 20 ms; RTP timestamps of Opus always count at 48 kHz.
pub const FRAME_SAMPLES: u32 = 960;
