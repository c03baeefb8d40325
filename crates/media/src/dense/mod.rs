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

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

pub use identity::{Curve, Drops};
pub use receive::{Drop, MediaReceiver, Opened, Reception};
pub use send::{MediaSender, Origin, Sent};

use identity::{HandshakeRole, Identity};
use rtcp::Parting;
use session::{Agreed, Session};

use crate::DtlsVersion;
use crate::peer::{
    Caller, Flow, Form, Frame, Invitation, Peer, PeerError, PeerEvent, PeerOutput, Received,
    Recorder, Stack,
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
            payload_type: sdp::OPUS,
            offered: true,
        };
        Ok((recorder, offer))
    }

    /// [`Stack::accept`], with the peer in its own type.
    ///
    /// # Errors
    /// As there.
    pub fn guest(
        &self,
        now: Instant,
        local: SocketAddr,
        offer: &str,
    ) -> Result<(DenseRecorder, String), PeerError> {
        let remote = sdp::parse_offer(offer)?;
        let mut session = Session::new(Arc::clone(&self.0), now, local)?;
        session.set_ice_lite();
        let role = remote.setup.answered_by(HandshakeRole::Server);
        let answer = sdp::answer_as_server(&session.describe(), &remote, role);
        let payload_type = remote.audio.payload_type;
        session.connect(now, remote, role);
        let recorder = DenseRecorder {
            session,
            receiver: None,
            payload_type,
            offered: false,
        };
        Ok((recorder, answer))
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
        Ok((DenseCaller::new(session, now, payload_type), answer))
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

    fn invite(
        &self,
        now: Instant,
        local: SocketAddr,
    ) -> Result<(Box<dyn Invitation>, String), PeerError> {
        let mut session = Session::new(Arc::clone(&self.0), now, local)?;
        session.set_controlling();
        let offer = sdp::invitation(&session.describe());
        let caller = DenseCaller::new(session, now, sdp::OPUS);
        Ok((Box::new(Invited(caller)), offer))
    }

    fn accept(
        &self,
        now: Instant,
        local: SocketAddr,
        offer: &str,
    ) -> Result<(Box<dyn Recorder>, String), PeerError> {
        let (recorder, answer) = self.guest(now, local, offer)?;
        Ok((Box::new(recorder), answer))
    }
}

/// What differs between the two ends of a session; what they have in common is [`Peer`].
trait End: Send + fmt::Debug {
    fn session(&self) -> &Session;
    fn session_mut(&mut self) -> &mut Session;
    /// Audio can flow with these keys.
    fn agree(&mut self, agreed: &Agreed);
    fn report(&mut self, now: Instant, parting: Parting);
    /// What the other side says of our audio.
    fn note(&mut self, reception: Option<Reception>);
    /// An audio packet came.
    fn hear(&mut self, now: Instant, bytes: &[u8]);

    fn arm(&mut self) {
        if let Some(agreed) = self.session_mut().take_agreed() {
            self.agree(&agreed);
        }
    }
}

impl<E: End> Peer for E {
    fn handle_datagram(
        &mut self,
        now: Instant,
        source: SocketAddr,
        destination: SocketAddr,
        bytes: &[u8],
    ) {
        let session = self.session_mut();
        match DatagramKind::of(bytes) {
            DatagramKind::Stun => session.handle_stun(now, source, destination, bytes),
            DatagramKind::Dtls => {
                session.handle_dtls(now, source, bytes);
                self.arm();
            }
            DatagramKind::Srtp if rtp::is_rtcp(bytes) => {
                let heard = session.handle_rtcp(now, bytes, session.origin.ssrc);
                self.note(heard);
            }
            DatagramKind::Srtp => self.hear(now, bytes),
            DatagramKind::Other => session.count(Drop::Malformed),
        }
    }

    fn handle_timeout(&mut self, now: Instant) {
        if self.session().is_report_due(now) {
            self.report(now, Parting::Stays);
        }
        self.session_mut().handle_timeout(now);
        self.arm();
    }

    fn poll_output(&mut self) -> Option<PeerOutput> {
        self.session_mut().pop()
    }

    fn poll_timeout(&self) -> Option<Instant> {
        self.session().deadline()
    }

    fn close(&mut self, now: Instant) {
        if self.session().is_established() {
            self.report(now, Parting::Leaves);
        }
        self.session_mut().close(now);
    }
}

/// The server's end on the dense stack.
#[derive(Debug)]
pub struct DenseRecorder {
    session: Session,
    /// Boxed, as it is large and often elsewhere.
    receiver: Option<Box<MediaReceiver>>,
    /// Of the audio.
    payload_type: u8,
    /// An answer is waited for.
    offered: bool,
}

impl DenseRecorder {
    /// Hands the media over to a driver that opens packets itself. From then on the session counts packets as early; the driver lets
    /// time pass with [`DenseRecorder::handle_timeout_with`], so that reports go on, and gives the media back before it closes.
    pub fn take_receiver(&mut self) -> Option<MediaReceiver> {
        self.receiver.take().map(|receiver| *receiver)
    }

    /// Gives the media back.
    pub fn put_receiver(&mut self, receiver: MediaReceiver) {
        self.receiver = Some(Box::new(receiver));
    }

    /// [`Peer::handle_timeout`], with the media that was taken.
    pub fn handle_timeout_with(&mut self, now: Instant, receiver: &mut MediaReceiver) {
        if self.session.is_report_due(now) {
            let reception = receiver.report();
            self.session.report(now, None, reception, Parting::Stays);
        }
        self.session.handle_timeout(now);
    }
}

impl End for DenseRecorder {
    fn session(&self) -> &Session {
        &self.session
    }

    fn session_mut(&mut self) -> &mut Session {
        &mut self.session
    }

    fn agree(&mut self, agreed: &Agreed) {
        let (transform, epoch) = (agreed.receive.rtp(), self.session.epoch());
        let receiver = MediaReceiver::new(transform, self.payload_type, epoch);
        self.receiver = Some(Box::new(receiver));
    }

    fn report(&mut self, now: Instant, parting: Parting) {
        let reception = self
            .receiver
            .as_mut()
            .and_then(|receiver| receiver.report());
        self.session.report(now, None, reception, parting);
    }

    /// We send nothing that could be reported on.
    fn note(&mut self, _: Option<Reception>) {}

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
}

impl Recorder for DenseRecorder {
    fn ufrag(&self) -> &str {
        self.session.ufrag()
    }

    fn accept_answer(&mut self, now: Instant, answer: &str) -> Result<(), PeerError> {
        let remote = sdp::parse_answer(answer)?;
        if remote.ice_lite {
            return Err(PeerError::Refused(sdp::NOBODY_CHECKS.to_owned()));
        }
        if !std::mem::replace(&mut self.offered, false) {
            return Err(PeerError::NotOffered);
        }
        self.session.connect(now, remote, HandshakeRole::Server);
        Ok(())
    }

    fn renegotiate(&mut self, offer: &str) -> Result<String, PeerError> {
        let remote = sdp::parse(offer)?;
        if remote.audio.payload_type != self.payload_type {
            return Err(PeerError::NoAudio);
        }
        self.session.renew(&remote)?;
        let (local, role) = (self.session.describe(), self.session.role());
        Ok(sdp::answer_as_server(&local, &remote, role))
    }
}

/// The softphone's end on the dense stack.
#[derive(Debug)]
pub struct DenseCaller {
    session: Session,
    /// Boxed, as it is large and often elsewhere.
    sender: Option<Box<MediaSender>>,
    payload_type: u8,
    sent: Sent,
    sent_at: Instant,
    reception: Option<Reception>,
}

/// One that has offered by itself.
#[derive(Debug)]
struct Invited(DenseCaller);

impl Invitation for Invited {
    fn accept_answer(
        self: Box<Self>,
        now: Instant,
        answer: &str,
    ) -> Result<Box<dyn Caller>, PeerError> {
        let Self(mut caller) = *self;
        let remote = sdp::parse_answer(answer)?;
        caller.session.connect(now, remote, HandshakeRole::Client);
        Ok(Box::new(caller))
    }
}

impl DenseCaller {
    fn new(session: Session, now: Instant, payload_type: u8) -> Self {
        Self {
            session,
            sender: None,
            payload_type,
            sent: Sent::default(),
            sent_at: now,
            reception: None,
        }
    }

    /// Hands the media over to a driver that seals frames itself. From then on the session sends none; the driver tells it with
    /// [`DenseCaller::note_sent`], before time passes and before it closes, what its reports shall say.
    pub fn take_sender(&mut self) -> Option<MediaSender> {
        self.sender.take().map(|sender| *sender)
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
}

impl End for DenseCaller {
    fn session(&self) -> &Session {
        &self.session
    }

    fn session_mut(&mut self) -> &mut Session {
        &mut self.session
    }

    fn agree(&mut self, agreed: &Agreed) {
        let origin = self.session.origin;
        let sender = MediaSender::new(agreed.send.rtp(), self.payload_type, origin);
        self.sender = Some(Box::new(sender));
    }

    fn report(&mut self, now: Instant, parting: Parting) {
        let spoke = self.sent.packets > 0;
        let sent = spoke.then_some((self.sent, self.sent_at));
        self.session.report(now, sent, None, parting);
    }

    fn note(&mut self, reception: Option<Reception>) {
        self.reception = reception.or(self.reception);
    }

    /// We agreed to send and not to receive.
    fn hear(&mut self, _: Instant, _: &[u8]) {
        self.session.count(Drop::PayloadType);
    }
}

impl Caller for DenseCaller {
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
