//! What a WebRTC audio peer is to the endpoints that drive it, whichever stack is inside.

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::FRAME_SAMPLES;

/// Why a peer could not be made or did not take its counterpart's description.
#[derive(Debug, thiserror::Error)]
pub enum PeerError {
    /// The session description cannot be read.
    #[error("the session description cannot be read: {0}")]
    Parse(String),
    /// The session description can be read and not be used.
    #[error("the session description was refused: {0}")]
    Refused(String),
    /// The description has no audio that we can take part in.
    #[error("the session description has no usable Opus audio")]
    NoAudio,
    /// No DTLS certificate could be made.
    #[error("no DTLS certificate could be made")]
    Certificate,
    /// An answer came without an offer that waits for one.
    #[error("no offer waits for an answer")]
    NotOffered,
}

/// One received audio packet.
#[derive(Debug, Clone)]
pub struct Received {
    /// Sequence number, extended over wrap-arounds.
    pub sequence: u64,
    /// RTP time in samples of 1/48,000 s, extended over wrap-arounds.
    pub time: u64,
    /// The Opus packet; empty for a packet of padding.
    pub payload: Arc<[u8]>,
}

/// One audio frame to be sent.
#[derive(Debug, Clone)]
pub struct Frame {
    /// Number of the frame in its call: both sequence number and RTP time follow from it.
    pub index: u64,
    /// The Opus packet.
    pub payload: Arc<[u8]>,
}

/// How a packet differs from a plain one; the default is plain. Callers of faulty sessions send others.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Form {
    /// A payload type in place of the negotiated one; below 64, or 96 to 127.
    pub payload_type: Option<u8>,
    /// A header extension (RFC 8285): its profile, and whole words of it.
    pub extension: Option<(u16, &'static [u8])>,
}

/// Whether audio is to flow, as a description says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Flow {
    /// From the caller to the server.
    #[default]
    Flowing,
    /// Not for now: the call is on hold.
    Held,
}

/// Why a peer is gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Departure {
    /// It said goodbye (RTCP BYE or DTLS close_notify).
    Goodbye,
    /// It answered no more, or asked no more for consent.
    ConsentLost,
    /// The session broke: an alert, or a handshake that failed.
    Failed,
}

/// What happened at a peer.
#[derive(Debug, Clone)]
pub enum PeerEvent {
    /// A path was found; the handshake begins.
    PathFound,
    /// Audio can flow.
    Established,
    /// An audio packet came.
    Received(Received),
    /// The other side is gone.
    Departed(Departure),
}

/// What a peer wants done, in order.
#[derive(Debug)]
pub enum PeerOutput {
    /// Send this datagram.
    Transmit {
        /// Our address to send from.
        source: SocketAddr,
        /// Where to.
        destination: SocketAddr,
        /// The datagram.
        bytes: Vec<u8>,
    },
    /// Something happened.
    Event(PeerEvent),
}

/// One end of a session. After every call into it, poll its outputs until there are none, then ask for its timeout.
pub trait Peer: Send + fmt::Debug {
    /// Takes a datagram that came from `source` to our address `destination`. What is no WebRTC datagram is ignored.
    fn handle_datagram(
        &mut self,
        now: Instant,
        source: SocketAddr,
        destination: SocketAddr,
        bytes: &[u8],
    );

    /// Lets time pass.
    fn handle_timeout(&mut self, now: Instant);

    /// The next thing to be done, if any.
    fn poll_output(&mut self) -> Option<PeerOutput>;

    /// When [`Peer::handle_timeout`] must be called, as of the last poll. `None` when nothing is to come.
    fn poll_timeout(&self) -> Option<Instant>;

    /// Says goodbye; what that takes is in the outputs that follow.
    fn close(&mut self, now: Instant);
}

/// The server's end: it offers, and receives audio.
pub trait Recorder: Peer {
    /// The ufrag by which the caller's first datagrams name this session.
    fn ufrag(&self) -> &str;

    /// Takes the answer to the offer.
    ///
    /// # Errors
    /// When the answer is not one to our offer.
    fn accept_answer(&mut self, now: Instant, answer: &str) -> Result<(), PeerError>;

    /// Takes the caller's new offer of a session that is up, and answers it. A refused one changes nothing.
    ///
    /// # Errors
    /// When the offer is not one of this session, or the stack does not renegotiate.
    fn renegotiate(&mut self, _offer: &str) -> Result<String, PeerError> {
        Err(PeerError::Refused(
            "this stack does not renegotiate".to_owned(),
        ))
    }
}

/// The softphone's end: it answers, and sends audio.
pub trait Caller: Peer {
    /// Sends one frame; only of use once established.
    fn send(&mut self, now: Instant, frame: Frame) {
        let time = frame.index.wrapping_mul(u64::from(FRAME_SAMPLES));
        self.send_at(now, frame, time);
    }

    /// The same with an RTP time of its own, in samples: after a pause time has gone on and sequence numbers have not.
    fn send_at(&mut self, now: Instant, frame: Frame, time: u64);

    /// The same in another form. A stack that has only the plain one sends that.
    fn send_formed(&mut self, now: Instant, frame: Frame, time: u64, _form: Form) {
        self.send_at(now, frame, time);
    }

    /// Has a second address, from which it checks another path. A stack that knows one only keeps to it.
    fn add_address(&mut self, _now: Instant, _address: SocketAddr) {}

    /// Says BYE and stays; of no effect in a stack that cannot.
    fn say_bye(&mut self, _now: Instant) {}

    /// Goes on as another source, with numbers of its own; of no effect in a stack that cannot.
    fn change_source(&mut self) {}

    /// Its wall clock is put forward by so much; of no effect in a stack that sends no time of day.
    fn step_clock(&mut self, _by: Duration) {}

    /// A new offer for the session that is up. `None` when the stack does not renegotiate.
    fn offer_again(&mut self, _flow: Flow) -> Option<String> {
        None
    }
}

/// A softphone's end that has offered and waits for the answer.
pub trait Invitation: Send + fmt::Debug {
    /// Takes the server's answer.
    ///
    /// # Errors
    /// When the answer is not one to the offer, or has no audio for us.
    fn accept_answer(
        self: Box<Self>,
        now: Instant,
        answer: &str,
    ) -> Result<Box<dyn Caller>, PeerError>;
}

/// A WebRTC stack: it makes the two kinds of peers.
pub trait Stack: Send + Sync + fmt::Debug {
    /// A server's end on `local` (ICE-lite, that one candidate), and its offer.
    ///
    /// # Errors
    /// When the stack cannot make one.
    fn offer(
        &self,
        now: Instant,
        local: SocketAddr,
    ) -> Result<(Box<dyn Recorder>, String), PeerError>;

    /// A softphone's end on `local` that accepts `offer`, and its answer.
    ///
    /// # Errors
    /// When the offer cannot be read or has no audio for us.
    fn answer(
        &self,
        now: Instant,
        local: SocketAddr,
        offer: &str,
    ) -> Result<(Box<dyn Caller>, String), PeerError>;

    /// A softphone's end on `local` that calls a server by itself, and its offer: what WHIP asks of a client.
    ///
    /// # Errors
    /// When the stack cannot make one.
    fn invite(
        &self,
        now: Instant,
        local: SocketAddr,
    ) -> Result<(Box<dyn Invitation>, String), PeerError>;

    /// A server's end on `local` (ICE-lite) that takes an offer from outside, and its answer. Of an offer with more than one Opus stream
    /// the first one that it sends is recorded, and all the rest declined.
    ///
    /// # Errors
    /// When the offer cannot be read or has no audio for us.
    fn accept(
        &self,
        now: Instant,
        local: SocketAddr,
        offer: &str,
    ) -> Result<(Box<dyn Recorder>, String), PeerError>;
}
