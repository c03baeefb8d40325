//! One session: its peer, and the conversation that it carries at the moment.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use racegate_media::{Recorder, Sha256};
use tokio::sync::{mpsc, oneshot};

use super::events::{EndReason, EndedMedia};
use super::handle::{End, IngestError, Notice};
use super::tape::{Ended, Tape};

/// How long an end that was asked for may wait for what was sent before it. A media thread that cannot
/// empty its socket in this time loses datagrams anyway, and the kernel counts them.
const END_WAIT_MAX: Duration = Duration::from_secs(2);

/// A session that is to end, or whose conversation is, and when that was asked for.
#[derive(Debug, Clone, Copy)]
pub(super) struct Asked {
    pub(super) key: usize,
    pub(super) at: Instant,
}

impl Asked {
    /// Whether there is time left for what was sent before.
    pub(super) fn may_wait(self, now: Instant) -> bool {
        now < self.at + END_WAIT_MAX
    }
}

pub(super) struct Session {
    pub(super) session_id: String,
    pub(super) peer: Box<dyn Recorder>,
    pub(super) notices: mpsc::Sender<Notice>,
    /// Until when audio must be able to flow.
    pub(super) setup_by: Instant,
    pub(super) established_at: Option<Instant>,
    pub(super) client_address: Option<SocketAddr>,
    /// An end that has been asked for and waits for the audio that was sent before it.
    pub(super) ending: Option<(EndReason, Instant)>,
    /// The media said goodbye, and the signalling has this long to say why.
    pub(super) goodbye_by: Option<Instant>,
    /// Handshake datagrams that wait their turn.
    pub(super) waiting_handshakes: usize,
    /// Audio that waits behind them.
    pub(super) waiting_audio: usize,
    /// None between two conversations of a persistent connection.
    pub(super) talk: Option<Talk>,
    /// The conversation that begins when the present one has ended.
    pub(super) next: Option<Next>,
}

/// The conversation that a session carries.
pub(super) struct Talk {
    pub(super) conversation_id: String,
    /// When audio could flow.
    pub(super) established_at: Option<Instant>,
    /// The caller's digest of what it sent.
    pub(super) digest_sent: Option<Sha256>,
    /// Its end without the session's, like [`Session::ending`].
    pub(super) ending: Option<(EndReason, Instant)>,
    pub(super) tape: Tape,
}

/// A conversation that waits for its turn.
pub(super) struct Next {
    pub(super) conversation_id: String,
    pub(super) reply: oneshot::Sender<Result<(), IngestError>>,
}

/// What has waited behind other sessions' handshakes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Waited {
    Handshake,
    Audio,
}

impl Talk {
    pub(super) fn new(
        conversation_id: String,
        session_id: &str,
        established_at: Option<Instant>,
    ) -> Self {
        Self {
            tape: Tape::new(&conversation_id, session_id),
            conversation_id,
            established_at,
            digest_sent: None,
            ending: None,
        }
    }
}

impl Session {
    pub(super) fn new(
        conversation_id: String,
        session_id: String,
        peer: Box<dyn Recorder>,
        notices: mpsc::Sender<Notice>,
        setup_by: Instant,
    ) -> Self {
        Self {
            talk: Some(Talk::new(conversation_id, &session_id, None)),
            next: None,
            session_id,
            peer,
            notices,
            setup_by,
            established_at: None,
            client_address: None,
            ending: None,
            goodbye_by: None,
            waiting_handshakes: 0,
            waiting_audio: 0,
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

    /// Whether datagrams of the session wait behind other sessions' handshakes.
    pub(super) fn has_waiting(&self) -> bool {
        self.waiting_handshakes + self.waiting_audio > 0
    }

    /// When the session must be looked at next.
    pub(super) fn deadline(&self) -> Option<Instant> {
        let setup = self.established_at.is_none().then_some(self.setup_by);
        let others = setup.into_iter().chain(self.goodbye_by);
        self.peer.poll_timeout().into_iter().chain(others).min()
    }

    /// Takes note that the whole session is to end, or one conversation of it. Says whether that is new.
    pub(super) fn request_end(&mut self, conversation_id: Option<&str>, end: End) -> bool {
        if let Some(id) = conversation_id {
            let talk = self.talk.as_mut();
            let Some(talk) = talk.filter(|talk| talk.conversation_id == id) else {
                return false;
            };
            talk.digest_sent = talk.digest_sent.or(end.digest);
            let new = talk.ending.is_none();
            talk.ending.get_or_insert((end.reason, end.at));
            return new;
        }
        if let Some(talk) = &mut self.talk {
            talk.digest_sent = talk.digest_sent.or(end.digest);
        }
        match (self.ending, self.goodbye_by.take()) {
            (None, _) => self.ending = Some((end.reason, end.at)),
            // The media only said that it is over. Why it is, the signalling tells, whichever came first.
            (Some((_, at)), Some(_)) => self.ending = Some((end.reason, at.min(end.at))),
            (Some(_), None) => return false,
        }
        true
    }

    /// Takes out the conversation. An end that was asked for keeps its reason and instant, the conversation's own first.
    pub(super) fn finish_talk(&mut self, reason: EndReason, now: Instant) -> Option<EndedMedia> {
        let talk = self.talk.take()?;
        let asked = talk.ending.or(self.ending);
        let (reason, at) = asked.unwrap_or((reason, now));
        Some(talk.tape.finish(Ended {
            conversation_id: talk.conversation_id,
            session_id: self.session_id.clone(),
            established_at: talk.established_at,
            client_address: self.client_address,
            digest_sent: talk.digest_sent,
            reason,
            at,
        }))
    }
}
