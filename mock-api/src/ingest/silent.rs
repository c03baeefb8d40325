//! Sessions that are signalling only: they end as all do, and no media thread knows of them.

use std::time::Instant;

use bytes::Bytes;
use racegate_media::PayloadDigest;
use racegate_media::ogg::OpusMuxer;

use super::events::{EndedMedia, Started};
use super::handle::{End, Ingest, add};
use super::session::{comments, serial_of};

/// The offer of a session without media: one audio section that is not used.
pub(super) const SILENT_OFFER: &str = "v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\n\
    m=audio 9 UDP/TLS/RTP/SAVPF 111\r\nc=IN IP4 0.0.0.0\r\na=mid:0\r\na=inactive\r\n\
    a=rtpmap:111 opus/48000/2\r\n";

impl Ingest {
    pub(super) fn silent_started(&self, conversation_id: &str, session_id: &str) {
        add(&self.counting().started, 1);
        self.events().started(&Started {
            conversation_id: conversation_id.to_owned(),
            session_id: session_id.to_owned(),
            at: Instant::now(),
        });
    }

    pub(super) fn silent_established(&self, conversation: &str, session: &str, at: Instant) {
        add(&self.counting().established, 1);
        self.events().established(conversation, session, at);
    }

    pub(super) fn silent_ended(
        &self,
        conversation_id: String,
        session_id: String,
        established_at: Option<Instant>,
        end: End,
    ) {
        add(&self.counting().ended, 1);
        let serial = serial_of(&session_id);
        let comments = comments(&conversation_id, &session_id);
        let ogg = Bytes::from(OpusMuxer::new(serial, &comments).finish());
        self.events().ended(EndedMedia {
            conversation_id,
            session_id,
            ogg,
            digest_received: PayloadDigest::new().finish(),
            digest_sent: end.digest,
            packets_received: 0,
            packets_lost: 0,
            client_address: None,
            established_at,
            first_packet_at: None,
            ended_at: end.at,
            reason: end.reason,
        });
    }
}
