//! One session: its peer, and the recording that grows from it.

use std::net::SocketAddr;
use std::time::Instant;

use bytes::Bytes;
use racegate_media::ogg::OpusMuxer;
use racegate_media::{PayloadDigest, Received, Recorder, Sha256};
use tokio::sync::mpsc;

use super::events::{EndReason, EndedMedia};
use super::handle::Notice;

pub(super) struct Session {
    pub(super) conversation_id: String,
    pub(super) session_id: String,
    pub(super) peer: Box<dyn Recorder>,
    pub(super) notices: mpsc::Sender<Notice>,
    /// Until when audio must be able to flow.
    pub(super) setup_by: Instant,
    pub(super) established_at: Option<Instant>,
    pub(super) client_address: Option<SocketAddr>,
    /// An end that has been asked for and waits for the audio that was sent before it.
    pub(super) ending: Option<(EndReason, Instant)>,
    /// The media said goodbye, and the signalling has this long to say the same.
    pub(super) goodbye_by: Option<Instant>,
    /// The caller's digest of what it sent.
    pub(super) digest_sent: Option<Sha256>,
    /// Handshake datagrams that wait their turn.
    pub(super) waiting_handshakes: usize,
    /// Audio that waits behind them.
    pub(super) waiting_audio: usize,
    tape: Tape,
}

/// What has waited behind other sessions' handshakes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Waited {
    Handshake,
    Audio,
}

/// What has been heard.
struct Tape {
    muxer: OpusMuxer,
    digest: PayloadDigest,
    packets: u64,
    first: Option<(u64, Instant)>,
    /// The highest sequence number.
    last: u64,
}

impl Session {
    pub(super) fn new(
        conversation_id: String,
        session_id: String,
        peer: Box<dyn Recorder>,
        notices: mpsc::Sender<Notice>,
        setup_by: Instant,
    ) -> Self {
        let comments = comments(&conversation_id, &session_id);
        let tape = Tape {
            muxer: OpusMuxer::new(serial_of(&session_id), &comments),
            digest: PayloadDigest::new(),
            packets: 0,
            first: None,
            last: 0,
        };
        Self {
            conversation_id,
            session_id,
            peer,
            notices,
            setup_by,
            established_at: None,
            client_address: None,
            ending: None,
            goodbye_by: None,
            digest_sent: None,
            waiting_handshakes: 0,
            waiting_audio: 0,
            tape,
        }
    }

    /// A datagram of the session has had its turn.
    pub(super) fn waited(&mut self, handshake: Waited) {
        let waiting = match handshake {
            Waited::Handshake => &mut self.waiting_handshakes,
            Waited::Audio => &mut self.waiting_audio,
        };
        *waiting = waiting.saturating_sub(1);
    }

    /// When the session must be looked at next.
    pub(super) fn deadline(&self) -> Option<Instant> {
        let setup = self.established_at.is_none().then_some(self.setup_by);
        let others = setup.into_iter().chain(self.goodbye_by);
        self.peer.poll_timeout().into_iter().chain(others).min()
    }

    pub(super) fn hear(&mut self, now: Instant, packet: &Received) {
        // Browsers send packets of padding; they carry no audio and count as none.
        if packet.payload.is_empty() {
            return;
        }
        let tape = &mut self.tape;
        tape.digest.update(&packet.payload);
        tape.muxer.push(packet.time, &packet.payload);
        tape.packets += 1;
        tape.first.get_or_insert((packet.sequence, now));
        tape.last = tape.last.max(packet.sequence);
    }

    pub(super) fn finish(self, reason: EndReason, ended_at: Instant) -> EndedMedia {
        let tape = self.tape;
        let expected = tape
            .first
            .map_or(0, |(first, _)| tape.last.saturating_sub(first) + 1);
        EndedMedia {
            conversation_id: self.conversation_id,
            session_id: self.session_id,
            ogg: Bytes::from(tape.muxer.finish()),
            digest_sent: self.digest_sent,
            digest_received: tape.digest.finish(),
            packets_received: tape.packets,
            packets_lost: expected.saturating_sub(tape.packets),
            client_address: self.client_address,
            established_at: self.established_at,
            first_packet_at: tape.first.map(|(_, at)| at),
            ended_at,
            reason,
        }
    }
}

/// What a recording says of itself in its header.
pub(super) fn comments<'a>(
    conversation_id: &'a str,
    session_id: &'a str,
) -> [(&'static str, &'a str); 2] {
    [
        ("CONVERSATION_ID", conversation_id),
        ("SESSION_ID", session_id),
    ]
}

/// Ogg wants a serial number that differs between streams that may be joined.
pub(super) fn serial_of(session_id: &str) -> u32 {
    session_id.bytes().fold(0x811c_9dc5, |hash: u32, byte| {
        (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193)
    })
}
