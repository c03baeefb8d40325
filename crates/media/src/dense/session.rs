//! One session without its media: ICE, the handshake, RTCP, and the timers of all three.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use aws_lc_rs::digest;
use dimpl::{Dtls, Output, SrtpProfile};
use is::stun::{StunMessage, StunPacket};
use is::{Candidate, IceAgent, IceAgentEvent, IceConnectionState, IceCreds, Protocol};

use super::identity::{HandshakeRole, Identity, Sha1, credentials, one};
use super::keys::Keys;
use super::receive::{Drop, Reception, samples_between};
use super::rtcp::{self, LastReport, Ntp, Parting, Report};
use super::sdp::{Local, Remote};
use super::send::{Origin, Sent};
use super::srtp::{Master, Profile};
use crate::peer::{Departure, PeerError, PeerEvent, PeerOutput};

/// How long the handshake's state outlives the handshake: the other side may have to ask for its last flight again. It is two thirds of
/// a session's memory.
pub(super) const LINGER: Duration = Duration::from_secs(2);

/// Time between reports (RFC 3550, section 6.2: at least 5 s).
const REPORT_INTERVAL: Duration = Duration::from_secs(5);

/// Pace of connectivity checks. There is one pair to check, so nothing is gained by waiting longer.
const CHECK_PACE: Duration = Duration::from_millis(10);

/// Addresses from which checks have come; a browser uses two.
const SOURCES_MAX: usize = 8;

/// A datagram that DTLS writes; its MTU is smaller.
const DTLS_BUFFER: usize = 2048;

/// Our canonical name in RTCP: sessions are told apart by their sources.
const CNAME: &str = "racegate";

/// How far a session has come; it never goes back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Progress {
    SettingUp,
    PathFound,
    Established,
    Departed,
}

/// Masters of both directions, for whoever handles media.
#[derive(Debug)]
pub(super) struct Agreed {
    pub(super) send: Master,
    pub(super) receive: Master,
}

/// Everything about a session but its audio.
#[derive(Debug)]
pub(super) struct Session {
    identity: Arc<Identity>,
    local: SocketAddr,
    pub(super) origin: Origin,
    ice: IceAgent,
    remote: Option<SocketAddr>,
    sources: Vec<SocketAddr>,
    role: HandshakeRole,
    dtls: Option<Box<Dtls>>,
    dtls_at: Option<Instant>,
    /// When the handshake's state is dropped.
    drop_at: Option<Instant>,
    fingerprint: Option<[u8; 32]>,
    verified: bool,
    keys: Option<Box<Keys>>,
    agreed: Option<Agreed>,
    epoch: Instant,
    /// By how much its time of day runs ahead of the time since then.
    clock_ahead: Duration,
    report_at: Option<Instant>,
    last_report: Option<(u32, Instant)>,
    deadline: Option<Instant>,
    progress: Progress,
    outputs: VecDeque<PeerOutput>,
}

impl Session {
    /// A session on `local`; [`Session::connect`] must follow.
    pub(super) fn new(
        identity: Arc<Identity>,
        now: Instant,
        local: SocketAddr,
    ) -> Result<Self, PeerError> {
        let mut ice = IceAgent::with_hmac(credentials(), &Sha1);
        let candidate =
            Candidate::host(local, "udp").map_err(|error| PeerError::Refused(error.to_string()))?;
        ice.set_timing_advance(CHECK_PACE);
        ice.add_local_candidate(candidate);
        let origin = Origin::random();
        Ok(Self {
            identity,
            local,
            origin,
            ice,
            remote: None,
            sources: Vec::new(),
            role: HandshakeRole::Server,
            dtls: None,
            dtls_at: None,
            drop_at: None,
            fingerprint: None,
            verified: false,
            keys: None,
            agreed: None,
            epoch: now,
            clock_ahead: Duration::ZERO,
            report_at: None,
            last_report: None,
            deadline: Some(now),
            progress: Progress::SettingUp,
            outputs: VecDeque::new(),
        })
    }

    /// Makes it the end that only answers checks. It can never decide on the path, so it wins every conflict of roles: the other side
    /// is told (487) and changes its own.
    pub(super) fn set_ice_lite(&mut self) {
        self.ice.set_ice_lite(true);
        self.ice.set_control_tie_breaker(u64::MAX);
    }

    /// Checks the path from another address too.
    pub(super) fn add_address(&mut self, now: Instant, address: SocketAddr) {
        if let Ok(candidate) = Candidate::host(address, "udp") {
            self.ice.add_local_candidate(candidate);
            self.handle_timeout(now);
        }
    }

    /// Puts the time of day that reports tell forward.
    pub(super) fn step_clock(&mut self, by: Duration) {
        self.clock_ahead += by;
    }

    /// Makes it the end that decides on the path.
    pub(super) fn set_controlling(&mut self) {
        self.ice.set_controlling(true);
    }

    /// Which side of the handshake it is.
    pub(super) fn role(&self) -> HandshakeRole {
        self.role
    }

    pub(super) fn ufrag(&self) -> &str {
        &self.ice.local_credentials().ufrag
    }

    /// What a description of ours says.
    pub(super) fn describe(&self) -> Local<'_> {
        let credentials = self.ice.local_credentials();
        Local {
            ufrag: &credentials.ufrag,
            password: &credentials.pass,
            fingerprint: &self.identity.fingerprint,
            address: self.local,
            ssrc: self.origin.ssrc,
            session: u64::from(self.origin.ssrc) << 16 | u64::from(self.origin.sequence),
        }
    }

    /// Takes the other side's description: from now on checks and the handshake can go on.
    pub(super) fn connect(&mut self, now: Instant, remote: Remote, fallback: HandshakeRole) {
        self.role = remote.setup.answered_by(fallback);
        self.fingerprint = Some(remote.fingerprint);
        self.ice.set_remote_credentials(IceCreds {
            ufrag: remote.ufrag,
            pass: remote.password,
        });
        for candidate in remote.candidates {
            self.ice.add_remote_candidate(candidate);
        }
        self.handle_timeout(now);
    }

    /// Checks that a new description is one of this session. Another path or other keys would be another session.
    pub(super) fn renew(&self, remote: &Remote) -> Result<(), PeerError> {
        let known = self.ice.remote_credentials();
        let same =
            known.is_some_and(|known| known.ufrag == remote.ufrag && known.pass == remote.password);
        if !self.is_established() {
            return Err(PeerError::NotOffered);
        }
        if !same || self.fingerprint != Some(remote.fingerprint) {
            let text = "it asks for another path or other keys; end the session and call again";
            return Err(PeerError::Refused(text.to_owned()));
        }
        Ok(())
    }

    /// Keys, once, when they have been agreed on and belong to whom they should.
    pub(super) fn take_agreed(&mut self) -> Option<Agreed> {
        self.agreed.take()
    }

    pub(super) fn is_established(&self) -> bool {
        self.progress == Progress::Established
    }

    /// When media began to be possible, from which time stamps count.
    pub(super) fn epoch(&self) -> Instant {
        self.epoch
    }

    pub(super) fn path(&self) -> Option<(SocketAddr, SocketAddr)> {
        self.remote.map(|remote| (self.local, remote))
    }

    pub(super) fn handle_stun(
        &mut self,
        now: Instant,
        source: SocketAddr,
        destination: SocketAddr,
        bytes: &[u8],
    ) {
        let Ok(message) = StunMessage::parse(bytes) else {
            return self.count(Drop::Malformed);
        };
        let packet = StunPacket {
            proto: Protocol::Udp,
            source,
            destination,
            message,
        };
        if self.progress == Progress::Departed || !self.ice.handle_packet(now, packet) {
            return one(&self.identity.drops.stun);
        }
        if self.progress == Progress::SettingUp {
            // The agent draws its conclusions when time passes, and a server that only answers checks has no timer of its own.
            self.ice.handle_timeout(now);
        }
        self.follow_ice(now);
    }

    pub(super) fn handle_dtls(&mut self, now: Instant, source: SocketAddr, bytes: &[u8]) {
        let expected = self.fingerprint.is_some()
            && self.progress < Progress::Departed
            && self.sources.contains(&source);
        let begins = self.keys.is_none() && self.role == HandshakeRole::Server;
        if expected && self.dtls.is_none() && begins {
            self.begin_handshake(now);
        }
        let Some(dtls) = self.dtls.as_mut().filter(|_| expected) else {
            return one(&self.identity.drops.dtls);
        };
        let taken = dtls
            .handle_timeout(now)
            .and_then(|()| dtls.handle_packet(bytes));
        if self.drop_at.is_some() {
            // The other side still asks: give it as long again.
            self.drop_at = Some(now + LINGER);
        }
        self.follow_dtls(now, &taken);
    }

    /// Takes an SRTCP packet that is about our source `ours`.
    pub(super) fn handle_rtcp(
        &mut self,
        now: Instant,
        bytes: &[u8],
        ours: u32,
    ) -> Option<Reception> {
        let Some(keys) = self
            .keys
            .as_mut()
            .filter(|_| self.progress == Progress::Established)
        else {
            one(&self.identity.drops.early);
            return None;
        };
        let drop = match keys.open(bytes) {
            Ok(compound) => match rtcp::parse(&compound, ours) {
                Some(heard) => {
                    if let Some(stamp) = heard.stamp {
                        self.last_report = Some((stamp, now));
                    }
                    if heard.bye {
                        self.depart(Departure::Goodbye);
                    }
                    return heard.reception;
                }
                None => Drop::Malformed,
            },
            Err(drop) => drop,
        };
        self.count(drop);
        None
    }

    pub(super) fn handle_timeout(&mut self, now: Instant) {
        if self.progress == Progress::Departed {
            return;
        }
        self.ice.handle_timeout(now);
        self.follow_ice(now);
        if self.drop_at.is_some_and(|at| at <= now) {
            (self.dtls, self.dtls_at, self.drop_at) = (None, None, None);
            self.outputs.shrink_to_fit();
        }
        if let Some(dtls) = self.dtls.as_mut() {
            let taken = dtls.handle_timeout(now);
            self.follow_dtls(now, &taken);
        }
        self.refresh();
    }

    /// Whether a report is due.
    pub(super) fn is_report_due(&self, now: Instant) -> bool {
        self.progress == Progress::Established && self.report_at.is_some_and(|at| at <= now)
    }

    /// Sends a report.
    pub(super) fn report(
        &mut self,
        now: Instant,
        sent: Option<(Sent, Instant)>,
        received: Option<Reception>,
        parting: Parting,
    ) {
        self.report_at = Some(now + REPORT_INTERVAL);
        let Some(keys) = &mut self.keys else {
            return;
        };
        let ntp = Ntp::after(now.saturating_duration_since(self.epoch) + self.clock_ahead);
        let sent = sent.map(|(sent, at)| {
            // The RTP time of the report's own instant, not of the last frame.
            let time = sent.time.wrapping_add(samples_between(at, now));
            (Sent { time, ..sent }, ntp)
        });
        let last = self
            .last_report
            .map_or(LastReport::default(), |(stamp, at)| {
                let since = now.saturating_duration_since(at);
                LastReport { stamp, since }
            });
        let report = rtcp::write(&Report {
            ssrc: self.origin.ssrc,
            cname: CNAME,
            sent,
            received: received.map(|reception| (reception, last)),
            parting,
        });
        let sealed = keys.seal(&report);
        self.transmit(sealed);
        self.refresh();
    }

    /// Ends the handshake's side of it; the caller has sent its last report.
    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "dimpl's outputs are non-exhaustive"
    )]
    pub(super) fn close(&mut self, now: Instant) {
        let was = self.progress;
        // We are the ones who leave: nothing that follows is news.
        self.progress = Progress::Departed;
        if let Some(mut dtls) = self.dtls.take().filter(|_| was < Progress::Departed) {
            let closing = dtls.handle_timeout(now).and_then(|()| dtls.close());
            let mut buffer = [0; DTLS_BUFFER];
            while closing.is_ok() {
                match dtls.poll_output(&mut buffer) {
                    Output::Packet(packet) => self.transmit(packet.to_vec()),
                    Output::Timeout(_) | Output::BufferTooSmall { .. } => break,
                    _ => {}
                }
            }
        }
        self.deadline = None;
    }

    pub(super) fn push(&mut self, output: PeerOutput) {
        self.outputs.push_back(output);
    }

    pub(super) fn pop(&mut self) -> Option<PeerOutput> {
        self.outputs.pop_front()
    }

    pub(super) fn deadline(&self) -> Option<Instant> {
        self.deadline
    }

    pub(super) fn count(&self, drop: Drop) {
        self.identity.drops.count(drop);
    }

    pub(super) fn count_early(&self) {
        one(&self.identity.drops.early);
    }

    fn transmit(&mut self, bytes: Vec<u8>) {
        if let Some((source, destination)) = self.path() {
            self.outputs.push_back(PeerOutput::Transmit {
                source,
                destination,
                bytes,
            });
        }
    }

    fn event(&mut self, event: PeerEvent) {
        self.outputs.push_back(PeerOutput::Event(event));
    }

    /// Reports a departure, once.
    fn depart(&mut self, departure: Departure) {
        if self.progress < Progress::Departed {
            self.progress = Progress::Departed;
            self.dtls = None;
            self.deadline = None;
            self.event(PeerEvent::Departed(departure));
        }
    }

    fn follow_ice(&mut self, now: Instant) {
        while let Some(transmit) = self.ice.poll_transmit() {
            self.outputs.push_back(PeerOutput::Transmit {
                source: transmit.source,
                destination: transmit.destination,
                bytes: transmit.contents.into(),
            });
        }
        while let Some(event) = self.ice.poll_event() {
            match event {
                IceAgentEvent::DiscoveredRecv { source, .. } => {
                    if self.sources.len() < SOURCES_MAX && !self.sources.contains(&source) {
                        self.sources.push(source);
                    }
                    self.remote.get_or_insert(source);
                }
                IceAgentEvent::NominatedSend {
                    source,
                    destination,
                    ..
                } => {
                    (self.local, self.remote) = (source, Some(destination));
                    self.find_path(now);
                }
                IceAgentEvent::IceConnectionStateChange(IceConnectionState::Disconnected) => {
                    self.depart(Departure::ConsentLost);
                }
                IceAgentEvent::IceConnectionStateChange(_) | IceAgentEvent::IceRestart(_) => {}
            }
        }
        self.refresh();
    }

    fn find_path(&mut self, now: Instant) {
        if self.progress != Progress::SettingUp {
            return;
        }
        self.progress = Progress::PathFound;
        self.event(PeerEvent::PathFound);
        if self.role == HandshakeRole::Client && self.dtls.is_none() {
            self.begin_handshake(now);
        }
    }

    fn begin_handshake(&mut self, now: Instant) {
        match self.identity.handshake(now, self.role) {
            Ok(dtls) => {
                self.dtls = Some(dtls);
                self.follow_dtls(now, &Ok(()));
            }
            Err(_) => self.depart(Departure::Failed),
        }
    }

    /// Drains the handshake's outputs; an error of dimpl is the end of it.
    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "dimpl's outputs are non-exhaustive"
    )]
    fn follow_dtls(&mut self, now: Instant, taken: &Result<(), dimpl::Error>) {
        let Some(mut dtls) = self.dtls.take() else {
            return;
        };
        let (mut healthy, mut connected) = (taken.is_ok(), false);
        let mut buffer = [0; DTLS_BUFFER];
        while healthy {
            match dtls.poll_output(&mut buffer) {
                Output::Packet(packet) => self.transmit(packet.to_vec()),
                Output::PeerCert(der) => {
                    let print = digest::digest(&digest::SHA256, der);
                    self.verified = self
                        .fingerprint
                        .is_some_and(|expected| expected == *print.as_ref());
                    healthy = self.verified;
                }
                Output::KeyingMaterial(material, profile) => {
                    healthy = self.verified && self.agree(profile, &material);
                }
                // The keys may come after it.
                Output::Connected => connected = true,
                Output::CloseNotify => {
                    self.depart(Departure::Goodbye);
                    return;
                }
                Output::Timeout(at) => {
                    self.dtls_at = Some(at);
                    break;
                }
                Output::BufferTooSmall { .. } => healthy = false,
                _ => {}
            }
        }
        if healthy && (!connected || self.establish(now)) {
            self.dtls = Some(dtls);
        } else {
            self.depart(Departure::Failed);
        }
        self.refresh();
    }

    fn agree(&mut self, profile: SrtpProfile, material: &[u8]) -> bool {
        let profile = match profile {
            SrtpProfile::AEAD_AES_128_GCM => Profile::AesGcm128,
            SrtpProfile::AEAD_AES_256_GCM => Profile::AesGcm256,
            SrtpProfile::AES128_CM_SHA1_80 => Profile::AesCm128,
            _ => return false,
        };
        let Some((client, server)) = Master::from_material(profile, material) else {
            return false;
        };
        let (send, receive) = match self.role {
            HandshakeRole::Client => (client, server),
            HandshakeRole::Server => (server, client),
        };
        self.agreed = Some(Agreed {
            send: send.clone(),
            receive: receive.clone(),
        });
        self.keys = Some(Box::new(Keys::new(send, receive)));
        true
    }

    /// The handshake is over: without keys it was for nothing.
    fn establish(&mut self, now: Instant) -> bool {
        if self.keys.is_none() {
            return false;
        }
        self.progress = Progress::Established;
        self.drop_at = Some(now + LINGER);
        // Reports of many sessions are spread by their sources, which are random.
        let phase = u64::from(self.origin.ssrc) % 5_000;
        self.report_at = Some(now + Duration::from_millis(phase));
        self.event(PeerEvent::Established);
        true
    }

    fn refresh(&mut self) {
        if self.progress == Progress::Departed {
            self.deadline = None;
            return;
        }
        let timers = [
            self.ice.poll_timeout(),
            self.dtls.as_ref().and(self.dtls_at),
            self.drop_at,
            self.report_at,
        ];
        self.deadline = timers.into_iter().flatten().min();
    }
}
