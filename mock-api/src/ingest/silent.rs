//! Sessions that are signalling only: they end as all do, and no media thread knows of them.

use std::time::Instant;

use super::events::Started;
use super::handle::{End, Ingest, add};
use super::tape::{Ended, Tape};

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
        let tape = Tape::new(&conversation_id, &session_id);
        self.events().ended(tape.finish(Ended {
            conversation_id,
            session_id,
            established_at,
            client_address: None,
            digest_sent: end.digest,
            reason: end.reason,
            at: end.at,
        }));
    }
}
