//! The dense stack: a session in a few kilobytes, and a packet in little more than its encryption.
//!
//! ICE is `is` and the handshake `dimpl`, both str0m's own; SRTP, RTCP and session descriptions are ours, because a session of a load
//! generator needs few of them and thousands of times. [`DenseRecorder::take_receiver`] and [`DenseCaller::take_sender`] hand the hot
//! half of a session to a driver that keeps all of them side by side.

#[cfg(test)]
mod fuzz;
mod identity;
mod keys;
#[cfg(test)]
mod properties;
mod receive;
mod rtcp;
pub(crate) mod rtp;
mod sdp;
mod send;
mod session;
mod srtp;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

pub use identity::{Curve, Drops};
pub use receive::{Drop, MediaReceiver, Opened, Reception};
pub use send::{MediaSender, Origin, Sent};

use identity::{HandshakeRole, Identity};
use rtcp::Parting;
use session::Session;

use crate::DtlsVersion;
use crate::peer::{
    Caller, Flow, Form, Frame, Peer, PeerError, PeerEvent, PeerOutput, Received, Recorder, Stack,
};
use crate::stun::DatagramKind;

/// Makes peers of the dense stack.
#[derive(Debug, Clone)]
pub struct DenseStack(Arc<Identity>);

impl DenseStack {
    /// A stack with a fresh certificate, which all its sessions share, on DTLS 1.2: there GCM is negotiated.
    ///
    /// # Errors
    /// When no certificate can be made.
    pub fn new() -> Result<Self, PeerError> {
        Self::with_dtls(DtlsVersion::V12)
    }

    /// The same with another version of DTLS.
    ///
    /// # Errors
    /// When no certificate can be made.
    pub fn with_dtls(version: DtlsVersion) -> Result<Self, PeerError> {
        Self::with_identity(version, Curve::P256)
    }

    /// The same with a certificate on another curve.
    ///
    /// # Errors
    /// When no certificate can be made.
    pub fn with_identity(version: DtlsVersion, curve: Curve) -> Result<Self, PeerError> {
        Ok(Self(Arc::new(Identity::new(version, curve)?)))
    }

    /// What the stack's sessions have dropped.
    #[must_use]
    pub fn drops(&self) -> Drops {
        self.0.drops.read()
    }

    /// [`Stack::offer`], with the peer in its own type.
    ///
    /// # Errors
    /// As there.
    pub fn recorder(
        &self,
        now: Instant,
        local: SocketAddr,
    ) -> Result<(DenseRecorder, String), PeerError> {
        let mut session = Session::new(Arc::clone(&self.0), now, local)?;
        session.set_ice_lite();
        let offer = sdp::offer(&session.describe());
        let recorder = DenseRecorder {
            session,
            receiver: None,
            offered: true,
        };
        Ok((recorder, offer))
    }

    /// [`Stack::answer`], with the peer in its own type.
    ///
    /// # Errors
    /// As there.
    pub fn caller(
        &self,
        now: Instant,
        local: SocketAddr,
        offer: &str,
    ) -> Result<(DenseCaller, String), PeerError> {
        let remote = sdp::parse(offer)?;
        let mut session = Session::new(Arc::clone(&self.0), now, local)?;
        // The offerer decides on the path, unless it only answers checks.
        if remote.ice_lite {
            session.set_controlling();
        }
        let answer = sdp::answer(&session.describe(), &remote);
        let payload_type = remote.audio.payload_type;
        session.connect(now, remote, HandshakeRole::Client);
        let caller = DenseCaller {
            session,
            sender: None,
            payload_type,
            sent: Sent::default(),
            sent_at: now,
            reception: None,
        };
        Ok((caller, answer))
    }
}

impl Stack for DenseStack {
    fn offer(
        &self,
        now: Instant,
        local: SocketAddr,
    ) -> Result<(Box<dyn Recorder>, String), PeerError> {
        let (recorder, offer) = self.recorder(now, local)?;
        Ok((Box::new(recorder), offer))
    }

    fn answer(
        &self,
        now: Instant,
        local: SocketAddr,
        offer: &str,
    ) -> Result<(Box<dyn Caller>, String), PeerError> {
        let (caller, answer) = self.caller(now, local, offer)?;
        Ok((Box::new(caller), answer))
    }
}

/// The server's end on the dense stack.
#[derive(Debug)]
pub struct DenseRecorder {
    session: Session,
    receiver: Option<MediaReceiver>,
    /// An answer is waited for.
    offered: bool,
}

impl DenseRecorder {
    /// Hands the media over to a driver that opens packets itself. From then on the session counts packets as early; the driver lets
    /// time pass with [`DenseRecorder::handle_timeout_with`], so that reports go on, and gives the media back before it closes.
    pub fn take_receiver(&mut self) -> Option<MediaReceiver> {
        self.receiver.take()
    }

    /// Gives the media back.
    pub fn put_receiver(&mut self, receiver: MediaReceiver) {
        self.receiver = Some(receiver);
    }

    /// [`Peer::handle_timeout`], with the media that was taken.
    pub fn handle_timeout_with(&mut self, now: Instant, receiver: &mut MediaReceiver) {
        if self.session.is_report_due(now) {
            let reception = receiver.report();
            self.session.report(now, None, reception, Parting::Stays);
        }
        self.session.handle_timeout(now);
    }

    fn arm(&mut self) {
        if let Some(agreed) = self.session.take_agreed() {
            let epoch = self.session.epoch();
            let receiver = MediaReceiver::new(agreed.receive.rtp(), sdp::OPUS, epoch);
            self.receiver = Some(receiver);
        }
    }

    fn hear(&mut self, now: Instant, bytes: &[u8]) {
        let Some(receiver) = self
            .receiver
            .as_mut()
            .filter(|_| self.session.is_established())
        else {
            return self.session.count_early();
        };
        let mut payload = Vec::with_capacity(bytes.len());
        match receiver.open(now, bytes, &mut payload) {
            Opened::Payload { sequence, time, .. } => {
                let payload = Arc::from(payload);
                let received = Received {
                    sequence,
                    time,
                    payload,
                };
                self.session
                    .push(PeerOutput::Event(PeerEvent::Received(received)));
            }
            Opened::Dropped(drop) => self.session.count(drop),
        }
    }

    fn report(&mut self, now: Instant, parting: Parting) {
        let reception = self.receiver.as_mut().and_then(MediaReceiver::report);
        self.session.report(now, None, reception, parting);
    }
}

impl Peer for DenseRecorder {
    fn handle_datagram(
        &mut self,
        now: Instant,
        source: SocketAddr,
        destination: SocketAddr,
        bytes: &[u8],
    ) {
        match DatagramKind::of(bytes) {
            DatagramKind::Stun => self.session.handle_stun(now, source, destination, bytes),
            DatagramKind::Dtls => {
                self.session.handle_dtls(now, source, bytes);
                self.arm();
            }
            DatagramKind::Srtp if rtp::is_rtcp(bytes) => {
                // We send nothing that could be reported on.
                self.session
                    .handle_rtcp(now, bytes, self.session.origin.ssrc);
            }
            DatagramKind::Srtp => self.hear(now, bytes),
            DatagramKind::Other => self.session.count(Drop::Malformed),
        }
    }

    fn handle_timeout(&mut self, now: Instant) {
        if self.session.is_report_due(now) {
            self.report(now, Parting::Stays);
        }
        self.session.handle_timeout(now);
        self.arm();
    }

    fn poll_output(&mut self) -> Option<PeerOutput> {
        self.session.pop()
    }

    fn poll_timeout(&self) -> Option<Instant> {
        self.session.deadline()
    }

    fn close(&mut self, now: Instant) {
        if self.session.is_established() {
            self.report(now, Parting::Leaves);
        }
        self.session.close(now);
    }
}

impl Recorder for DenseRecorder {
    fn ufrag(&self) -> &str {
        self.session.ufrag()
    }

    fn accept_answer(&mut self, now: Instant, answer: &str) -> Result<(), PeerError> {
        let remote = sdp::parse(answer)?;
        if remote.audio.payload_type != sdp::OPUS {
            return Err(PeerError::NoAudio);
        }
        if remote.setup == sdp::Setup::Either {
            let text = "an answer must say who begins the handshake";
            return Err(PeerError::Refused(text.to_owned()));
        }
        if remote.ice_lite {
            let text = "neither side would check the path";
            return Err(PeerError::Refused(text.to_owned()));
        }
        if !std::mem::replace(&mut self.offered, false) {
            return Err(PeerError::NotOffered);
        }
        self.session.connect(now, remote, HandshakeRole::Server);
        Ok(())
    }

    fn renegotiate(&mut self, offer: &str) -> Result<String, PeerError> {
        let remote = sdp::parse(offer)?;
        if remote.audio.payload_type != sdp::OPUS {
            return Err(PeerError::NoAudio);
        }
        self.session.renew(&remote)?;
        Ok(sdp::answer_again(&self.session.describe(), &remote))
    }
}

/// The softphone's end on the dense stack.
#[derive(Debug)]
pub struct DenseCaller {
    session: Session,
    sender: Option<MediaSender>,
    payload_type: u8,
    sent: Sent,
    sent_at: Instant,
    reception: Option<Reception>,
}

impl DenseCaller {
    /// Hands the media over to a driver that seals frames itself. From then on the session sends none; the driver tells it with
    /// [`DenseCaller::note_sent`], before time passes and before it closes, what its reports shall say.
    pub fn take_sender(&mut self) -> Option<MediaSender> {
        self.sender.take()
    }

    /// Says what a sender that was taken has sent, and when it sent last.
    pub fn note_sent(&mut self, sent: Sent, at: Instant) {
        self.sent = sent;
        self.sent_at = at;
    }

    /// Where its packets go: from our address to the other side's.
    #[must_use]
    pub fn path(&self) -> Option<(SocketAddr, SocketAddr)> {
        self.session.path()
    }

    /// What the other side last reported about our audio.
    #[must_use]
    pub fn reception(&self) -> Option<Reception> {
        self.reception
    }

    fn arm(&mut self) {
        if let Some(agreed) = self.session.take_agreed() {
            let origin = self.session.origin;
            self.sender = Some(MediaSender::new(
                agreed.send.rtp(),
                self.payload_type,
                origin,
            ));
        }
    }

    fn report(&mut self, now: Instant, parting: Parting) {
        let spoke = self.sent.packets > 0;
        let sent = spoke.then_some((self.sent, self.sent_at));
        self.session.report(now, sent, None, parting);
    }
}

impl Peer for DenseCaller {
    fn handle_datagram(
        &mut self,
        now: Instant,
        source: SocketAddr,
        destination: SocketAddr,
        bytes: &[u8],
    ) {
        match DatagramKind::of(bytes) {
            DatagramKind::Stun => self.session.handle_stun(now, source, destination, bytes),
            DatagramKind::Dtls => {
                self.session.handle_dtls(now, source, bytes);
                self.arm();
            }
            DatagramKind::Srtp if rtp::is_rtcp(bytes) => {
                let ours = self.session.origin.ssrc;
                let heard = self.session.handle_rtcp(now, bytes, ours);
                self.reception = heard.or(self.reception);
            }
            // We agreed to send and not to receive.
            DatagramKind::Srtp => self.session.count(Drop::PayloadType),
            DatagramKind::Other => self.session.count(Drop::Malformed),
        }
    }

    fn handle_timeout(&mut self, now: Instant) {
        if self.session.is_report_due(now) {
            self.report(now, Parting::Stays);
        }
        self.session.handle_timeout(now);
        self.arm();
    }

    fn poll_output(&mut self) -> Option<PeerOutput> {
        self.session.pop()
    }

    fn poll_timeout(&self) -> Option<Instant> {
        self.session.deadline()
    }

    fn close(&mut self, now: Instant) {
        if self.session.is_established() {
            self.report(now, Parting::Leaves);
        }
        self.session.close(now);
    }
}

impl Caller for DenseCaller {
    fn send(&mut self, now: Instant, frame: Frame) {
        let time = frame.index.wrapping_mul(u64::from(crate::FRAME_SAMPLES));
        self.send_at(now, frame, time);
    }

    fn send_at(&mut self, now: Instant, frame: Frame, time: u64) {
        self.send_formed(now, frame, time, Form::default());
    }

    fn send_formed(&mut self, now: Instant, frame: Frame, time: u64, form: Form) {
        let Some(sender) = self
            .sender
            .as_mut()
            .filter(|_| self.session.is_established())
        else {
            return;
        };
        let Some((source, destination)) = self.session.path() else {
            return;
        };
        let extension = form.extension.map_or(0, |(_, words)| 4 + words.len());
        let clear = rtp::HEADER + extension;
        let mut bytes = Vec::with_capacity(clear + frame.payload.len() + srtp::TAG_MAX);
        sender.seal_formed(frame.index, time, &frame.payload, form, &mut bytes);
        self.sent = sender.sent();
        self.sent_at = now;
        self.session.push(PeerOutput::Transmit {
            source,
            destination,
            bytes,
        });
    }

    fn add_address(&mut self, now: Instant, address: SocketAddr) {
        self.session.add_address(now, address);
    }

    fn say_bye(&mut self, now: Instant) {
        if self.session.is_established() {
            self.report(now, Parting::Leaves);
        }
    }

    fn change_source(&mut self) {
        let origin = Origin::random();
        if let Some(sender) = &mut self.sender {
            sender.change_source(origin);
            self.session.origin = origin;
        }
    }

    fn step_clock(&mut self, by: Duration) {
        self.session.step_clock(by);
    }

    fn offer_again(&mut self, flow: Flow) -> Option<String> {
        let local = self.session.describe();
        Some(sdp::offer_again(&local, self.payload_type, flow))
    }
}
