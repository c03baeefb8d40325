//! What has been heard of one conversation: a recording that goes to storage page by page.

use std::mem;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use bytes::Bytes;
use racegate_media::ogg::{OpusPages, PageSink, identity};
use racegate_media::{PayloadDigest, Received};

use super::events::{EndReason, EndedMedia, Kept, SessionEvents, TakeNumber};

/// Pages are handed on when they fill so many bytes: two or three seconds of speech.
const PART: usize = 8 * 1024;

/// A recording that grows. It holds the page that grows and less than a part of finished ones, however long the call.
pub(super) struct Tape {
    take: TakeNumber,
    pages: Option<OpusPages>,
    /// Finished pages that are not yet handed on.
    waiting: Pages,
    kept: Kept,
    digest: PayloadDigest,
    packets: u64,
    first: Option<(u64, Instant)>,
    /// The highest sequence number.
    last: u64,
}

#[derive(Default)]
struct Pages(Vec<u8>);

impl PageSink for Pages {
    fn page(&mut self, header: &[u8], body: &[u8]) {
        self.0.page(header, body);
    }
}

/// What is known of a conversation beside its audio.
pub(super) struct Ended {
    pub(super) conversation_id: String,
    pub(super) session_id: String,
    pub(super) established_at: Option<Instant>,
    pub(super) client_address: Option<std::net::SocketAddr>,
    pub(super) digest_sent: Option<racegate_media::Sha256>,
    pub(super) reason: EndReason,
    pub(super) at: Instant,
}

impl Tape {
    pub(super) fn new(conversation_id: &str, session_id: &str) -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let comments = identity(conversation_id, session_id);
        let mut waiting = Pages::default();
        let serial = serial_of(conversation_id, session_id);
        Self {
            take: TakeNumber(NEXT.fetch_add(1, Ordering::Relaxed)),
            pages: Some(OpusPages::new(serial, &comments, &mut waiting)),
            waiting,
            kept: Kept::Whole,
            digest: PayloadDigest::new(),
            packets: 0,
            first: None,
            last: 0,
        }
    }

    /// Records a packet. Full pages go to `events`; if those have no room, the recording is closed, and what comes later is counted
    /// and not kept.
    pub(super) fn hear(&mut self, now: Instant, packet: &Received, events: &dyn SessionEvents) {
        // Browsers send packets of padding; they carry no audio and count as none.
        if packet.payload.is_empty() {
            return;
        }
        self.packets += 1;
        self.first.get_or_insert((packet.sequence, now));
        self.last = self.last.max(packet.sequence);
        let Some(pages) = &mut self.pages else {
            return;
        };
        self.digest.update(&packet.payload);
        pages.push(packet.time, &packet.payload, &mut self.waiting);
        if self.waiting.0.len() >= PART {
            let part = Bytes::from(mem::take(&mut self.waiting.0));
            if events.part(self.take, part.clone()).is_err() {
                self.waiting.0 = part.to_vec();
                self.kept = Kept::Cut;
                self.close();
            }
        }
    }

    fn close(&mut self) {
        if let Some(pages) = self.pages.take() {
            pages.finish(&mut self.waiting);
        }
    }

    /// Bytes of audio that are held here.
    pub(super) fn held(&self) -> usize {
        let page = self.pages.as_ref().map_or(0, OpusPages::held);
        page + self.waiting.0.capacity()
    }

    pub(super) fn finish(mut self, ended: Ended) -> EndedMedia {
        self.close();
        let expected = self
            .first
            .map_or(0, |(first, _)| self.last.saturating_sub(first) + 1);
        EndedMedia {
            conversation_id: ended.conversation_id,
            session_id: ended.session_id,
            take: self.take,
            tail: Bytes::from(self.waiting.0),
            kept: self.kept,
            digest_sent: ended.digest_sent,
            digest_received: self.digest.finish(),
            packets_received: self.packets,
            packets_lost: expected.saturating_sub(self.packets),
            client_address: ended.client_address,
            established_at: ended.established_at,
            first_packet_at: self.first.map(|(_, at)| at),
            ended_at: ended.at,
            reason: ended.reason,
        }
    }
}

/// Ogg wants a serial number that differs between streams that may be joined.
fn serial_of(conversation_id: &str, session_id: &str) -> u32 {
    let bytes = session_id.bytes().chain(conversation_id.bytes());
    bytes.fold(0x811c_9dc5, |hash: u32, byte| {
        (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193)
    })
}
