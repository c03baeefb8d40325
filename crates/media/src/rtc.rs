//! The stack on str0m: RTP mode, one shared certificate, no retransmission.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use str0m::change::{SdpAnswer, SdpOffer, SdpPendingOffer};
use str0m::crypto::CryptoProvider;
use str0m::crypto::dtls::{DtlsCert, DtlsVersion as Version};
use str0m::media::{Direction, MediaKind, Mid, Pt};
use str0m::net::{Protocol, Receive};
use str0m::rtp::{Extension, ExtensionMap, RtpWrite};
use str0m::{Candidate, Event, IceConnectionState, Input, Output, Rtc, RtcConfig, RtcError};

use crate::crypto::{self, DtlsVersion};
use crate::peer::{
    Caller, Departure, Frame, Invitation, Peer, PeerError, PeerEvent, PeerOutput, Received,
    Recorder, Stack,
};

/// Makes peers on str0m.
///
/// Four settings keep it dense (measured: without them it carries a fifth of the set-ups and a third fewer packets): one DTLS
/// configuration for all sessions, no NACKs (a timer every 33 ms and session), no cache for retransmission, and GCM, which DTLS 1.2
/// negotiates and DTLS 1.3 here does not.
#[derive(Debug, Clone)]
pub struct RtcStack {
    provider: Arc<CryptoProvider>,
    certificate: DtlsCert,
    version: Version,
}

impl RtcStack {
    /// A stack with a fresh certificate, which all its sessions share.
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
        Ok(Self {
            provider: Arc::new(crypto::provider()),
            certificate: crypto::certificate().ok_or(PeerError::Certificate)?,
            version: match version {
                DtlsVersion::V12 => Version::Dtls12,
                DtlsVersion::V13 => Version::Dtls13,
                DtlsVersion::Either => Version::Auto,
            },
        })
    }

    fn config(&self) -> RtcConfig {
        let mut extensions = ExtensionMap::empty();
        // Neither transport-cc nor audio level: the first has every packet reported on, the second makes every packet longer.
        extensions.set(1, Extension::RtpMid);
        RtcConfig::new()
            .set_crypto_provider(Arc::clone(&self.provider))
            .set_dtls_cert(self.certificate.clone())
            .set_dtls_version(self.version)
            .set_rtp_mode(true)
            .clear_codecs()
            .enable_opus(true, false)
            .set_extension_map(extensions)
            .set_stats_interval(None)
    }
}

impl Stack for RtcStack {
    fn offer(
        &self,
        now: Instant,
        local: SocketAddr,
    ) -> Result<(Box<dyn Recorder>, String), PeerError> {
        let mut session = Session::new(self.config().set_ice_lite(true), now, local)?;
        let mut changes = session.rtc.sdp_api();
        let mid = changes.add_media(MediaKind::Audio, Direction::RecvOnly, None, None, None);
        let (offer, pending) = changes.apply().ok_or(PeerError::NoAudio)?;
        let ufrag = session.rtc.direct_api().local_ice_credentials().ufrag;
        let recorder = RtcRecorder {
            session,
            mid,
            ufrag,
            pending: Some(pending),
        };
        Ok((Box::new(recorder), offer.to_sdp_string()))
    }

    fn answer(
        &self,
        now: Instant,
        local: SocketAddr,
        offer: &str,
    ) -> Result<(Box<dyn Caller>, String), PeerError> {
        let offer = SdpOffer::from_sdp_string(offer)
            .map_err(|error| PeerError::Parse(error.to_string()))?;
        let mut session = Session::new(self.config(), now, local)?;
        let answer = session
            .rtc
            .sdp_api()
            .accept_offer(offer)
            .map_err(|error| PeerError::Refused(error.to_string()))?;
        let answer = answer.to_sdp_string();
        let (mid, pt) = audio_of(&answer).ok_or(PeerError::NoAudio)?;
        if let Some(stream) = session.rtc.direct_api().stream_tx_by_mid(mid, None) {
            stream.set_rtx_cache(0, Duration::ZERO, None);
        }
        Ok((Box::new(RtcCaller { session, mid, pt }), answer))
    }

    fn invite(
        &self,
        now: Instant,
        local: SocketAddr,
    ) -> Result<(Box<dyn Invitation>, String), PeerError> {
        let mut session = Session::new(self.config(), now, local)?;
        let mut changes = session.rtc.sdp_api();
        let mid = changes.add_media(MediaKind::Audio, Direction::SendOnly, None, None, None);
        let (offer, pending) = changes.apply().ok_or(PeerError::NoAudio)?;
        let invitation = RtcInvitation {
            session,
            mid,
            pending,
        };
        Ok((Box::new(invitation), offer.to_sdp_string()))
    }

    fn accept(
        &self,
        now: Instant,
        local: SocketAddr,
        offer: &str,
    ) -> Result<(Box<dyn Recorder>, String), PeerError> {
        let offer = SdpOffer::from_sdp_string(offer)
            .map_err(|error| PeerError::Parse(error.to_string()))?;
        let mut session = Session::new(self.config().set_ice_lite(true), now, local)?;
        let answer = session
            .rtc
            .sdp_api()
            .accept_offer(offer)
            .map_err(|error| PeerError::Refused(error.to_string()))?;
        let answer = answer.to_sdp_string();
        let (mid, _) = audio_of(&answer).ok_or(PeerError::NoAudio)?;
        let ufrag = session.rtc.direct_api().local_ice_credentials().ufrag;
        session.handle_timeout(now);
        let recorder = RtcRecorder {
            session,
            mid,
            ufrag,
            pending: None,
        };
        Ok((Box::new(recorder), answer))
    }
}

/// A softphone's end that has offered.
#[derive(Debug)]
struct RtcInvitation {
    session: Session,
    mid: Mid,
    pending: SdpPendingOffer,
}

impl Invitation for RtcInvitation {
    fn accept_answer(
        self: Box<Self>,
        now: Instant,
        answer: &str,
    ) -> Result<Box<dyn Caller>, PeerError> {
        let (_, pt) = audio_of(answer).ok_or(PeerError::NoAudio)?;
        let answer = SdpAnswer::from_sdp_string(answer)
            .map_err(|error| PeerError::Parse(error.to_string()))?;
        let Self {
            mut session,
            mid,
            pending,
        } = *self;
        session
            .rtc
            .sdp_api()
            .accept_answer(pending, answer)
            .map_err(|error| PeerError::Refused(error.to_string()))?;
        if let Some(stream) = session.rtc.direct_api().stream_tx_by_mid(mid, None) {
            stream.set_rtx_cache(0, Duration::ZERO, None);
        }
        session.handle_timeout(now);
        Ok(Box::new(RtcCaller { session, mid, pt }))
    }
}

/// Where our own answer says that we send Opus: str0m tells of accepted media only once the session runs.
fn audio_of(answer: &str) -> Option<(Mid, Pt)> {
    let mut lines = answer
        .lines()
        .skip_while(|line| !line.starts_with("m=audio"));
    let accepted = lines
        .next()
        .is_some_and(|line| !line.starts_with("m=audio 0 "));
    let (mut mid, mut pt) = (None, None);
    for line in lines.take_while(|line| accepted && !line.starts_with("m=")) {
        if let Some(value) = line.strip_prefix("a=mid:") {
            mid = Some(Mid::from(value));
        } else if let Some(value) = line.strip_prefix("a=rtpmap:")
            && let Some((number, "opus/48000/2")) = value.split_once(' ')
        {
            pt = number.parse::<u8>().ok().map(Pt::from);
        }
    }
    mid.zip(pt)
}

/// How far a session has come; it never goes back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Progress {
    SettingUp,
    Established,
    Departed,
}

/// What both ends have in common.
#[derive(Debug)]
struct Session {
    rtc: Rtc,
    /// Outputs that set-up brought forth before anybody could poll.
    early: VecDeque<PeerOutput>,
    deadline: Option<Instant>,
    progress: Progress,
}

impl Session {
    fn new(config: RtcConfig, now: Instant, local: SocketAddr) -> Result<Self, PeerError> {
        let mut rtc = config.build(now);
        let candidate =
            Candidate::host(local, "udp").map_err(|error| PeerError::Refused(error.to_string()))?;
        rtc.add_local_candidate(candidate);
        // DTLS must have seen the time before its first packet, and a browser sends that before a path is nominated.
        rtc.handle_input(Input::Timeout(now))
            .map_err(|error| PeerError::Refused(error.to_string()))?;
        Ok(Self {
            rtc,
            early: VecDeque::new(),
            deadline: Some(now),
            progress: Progress::SettingUp,
        })
    }

    fn handle_datagram(
        &mut self,
        now: Instant,
        source: SocketAddr,
        destination: SocketAddr,
        bytes: &[u8],
    ) {
        let Ok(receive) = Receive::new(Protocol::Udp, source, destination, bytes) else {
            return;
        };
        let taken = self.rtc.handle_input(Input::Receive(now, receive));
        self.note(&taken);
    }

    fn handle_timeout(&mut self, now: Instant) {
        let taken = self.rtc.handle_input(Input::Timeout(now));
        self.note(&taken);
    }

    /// What str0m refuses is the sender's fault and harms nobody; if it was fatal, the session is no longer alive.
    fn note(&mut self, taken: &Result<(), RtcError>) {
        if taken.is_err() && !self.rtc.is_alive() {
            self.depart(Departure::Failed);
        }
    }

    /// Reports a departure, once.
    fn depart(&mut self, departure: Departure) {
        if std::mem::replace(&mut self.progress, Progress::Departed) != Progress::Departed {
            self.early
                .push_back(PeerOutput::Event(PeerEvent::Departed(departure)));
        }
    }

    fn close(&mut self, now: Instant) {
        // We are the ones who leave: nothing that follows is news.
        self.progress = Progress::Departed;
        let _closed = self.rtc.close();
        self.handle_timeout(now);
    }

    /// The next output; `see` turns an event of interest into one.
    fn poll(&mut self, mut see: impl FnMut(Event) -> Option<PeerEvent>) -> Option<PeerOutput> {
        loop {
            if let Some(output) = self.early.pop_front() {
                return Some(output);
            }
            match self.rtc.poll_output() {
                Ok(Output::Timeout(deadline)) => {
                    self.deadline = self.rtc.is_alive().then_some(deadline);
                    return None;
                }
                Ok(Output::Transmit(transmit)) => {
                    return Some(PeerOutput::Transmit {
                        source: transmit.source,
                        destination: transmit.destination,
                        bytes: transmit.contents.into(),
                    });
                }
                Ok(Output::Event(event)) => self.classify(event, &mut see),
                Err(_) => {
                    self.rtc.disconnect();
                    self.depart(Departure::Failed);
                }
            }
        }
    }

    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "str0m's events are non-exhaustive"
    )]
    fn classify(&mut self, event: Event, see: &mut impl FnMut(Event) -> Option<PeerEvent>) {
        let news = match event {
            Event::Connected => {
                self.progress = self.progress.max(Progress::Established);
                Some(PeerEvent::Established)
            }
            Event::IceConnectionStateChange(
                IceConnectionState::Connected | IceConnectionState::Completed,
            ) if self.progress == Progress::SettingUp => Some(PeerEvent::PathFound),
            Event::IceConnectionStateChange(IceConnectionState::Disconnected) => {
                self.depart(Departure::ConsentLost);
                None
            }
            Event::Closed => {
                self.depart(Departure::Goodbye);
                None
            }
            other => see(other),
        };
        self.early.extend(news.map(PeerOutput::Event));
    }
}

macro_rules! delegate_to_session {
    () => {
        fn handle_datagram(
            &mut self,
            now: Instant,
            source: SocketAddr,
            destination: SocketAddr,
            bytes: &[u8],
        ) {
            self.session
                .handle_datagram(now, source, destination, bytes);
        }

        fn handle_timeout(&mut self, now: Instant) {
            self.session.handle_timeout(now);
        }

        fn poll_timeout(&self) -> Option<Instant> {
            self.session.deadline
        }

        fn close(&mut self, now: Instant) {
            self.session.close(now);
        }
    };
}

#[derive(Debug)]
struct RtcRecorder {
    session: Session,
    mid: Mid,
    ufrag: String,
    pending: Option<SdpPendingOffer>,
}

impl Peer for RtcRecorder {
    delegate_to_session!();

    fn poll_output(&mut self) -> Option<PeerOutput> {
        self.session.poll(|event| {
            let Event::RtpPacket(packet) = event else {
                return None;
            };
            Some(PeerEvent::Received(Received {
                sequence: *packet.seq_no,
                time: packet.time.numer(),
                payload: packet.payload,
            }))
        })
    }
}

impl Recorder for RtcRecorder {
    fn ufrag(&self) -> &str {
        &self.ufrag
    }

    fn accept_answer(&mut self, now: Instant, answer: &str) -> Result<(), PeerError> {
        let answer = SdpAnswer::from_sdp_string(answer)
            .map_err(|error| PeerError::Parse(error.to_string()))?;
        let pending = self.pending.take().ok_or(PeerError::NotOffered)?;
        self.session
            .rtc
            .sdp_api()
            .accept_answer(pending, answer)
            .map_err(|error| PeerError::Refused(error.to_string()))?;
        if let Some(stream) = self
            .session
            .rtc
            .direct_api()
            .stream_rx_by_mid(self.mid, None)
        {
            stream.suppress_nack(true);
        }
        self.session.handle_timeout(now);
        Ok(())
    }
}

#[derive(Debug)]
struct RtcCaller {
    session: Session,
    mid: Mid,
    pt: Pt,
}

impl Peer for RtcCaller {
    delegate_to_session!();

    fn poll_output(&mut self) -> Option<PeerOutput> {
        self.session.poll(|_| None)
    }
}

impl Caller for RtcCaller {
    fn send_at(&mut self, now: Instant, frame: Frame, time: u64) {
        let Frame { index, payload } = frame;
        let mut api = self.session.rtc.direct_api();
        let Some(stream) = api.stream_tx_by_mid(self.mid, None) else {
            return;
        };
        // RTP time wraps at 32 bits by design.
        let time = u32::try_from(time & u64::from(u32::MAX)).unwrap_or(0);
        stream
            .write_rtp(RtpWrite::new(self.pt, index.into(), time, now, payload).marker(index == 0));
        self.session.handle_timeout(now);
    }
}
