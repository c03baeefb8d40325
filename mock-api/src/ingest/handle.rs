//! The handle by which the tokio side reaches the media thread.

use std::fmt;
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use racegate_media::{PayloadDigest, PeerError, Sha256, Stack};
use racegate_udp::{BatchSocket, BindError, Station};
use tokio::sync::{mpsc, oneshot};

use super::endpoint::IngestEndpoint;
use super::events::{EndReason, SessionEvents};
use super::parked::Parked;

/// Commands that may wait for the media thread; senders beyond that wait in turn.
const COMMANDS_MAX: usize = 1024;

/// Why the ingest refused something.
#[derive(Debug, thiserror::Error)]
pub enum IngestError {
    /// The media thread is gone.
    #[error("the media ingest has stopped")]
    Stopped,
    /// There are as many sessions as there may be.
    #[error("the media ingest is full: {sessions} sessions")]
    Full {
        /// The limit.
        sessions: usize,
    },
    /// No such session, or not any more.
    #[error("there is no session {session_id}")]
    Unknown {
        /// The id that was asked for.
        session_id: String,
    },
    /// The session carries a conversation already, or is none that could carry another.
    #[error("session {session_id} can carry no further conversation now")]
    Busy {
        /// The session.
        session_id: String,
    },
    /// The stack could not make an offer or refused the answer.
    #[error(transparent)]
    Peer(#[from] PeerError),
}

/// Limits and times of an ingest.
#[derive(Debug, Clone)]
pub struct IngestSettings {
    /// Where to listen; port 0 lets the system choose.
    pub address: SocketAddrV4,
    /// Sessions at once, at most.
    pub sessions_max: usize,
    /// From the offer until audio must be able to flow.
    pub setup_timeout: Duration,
    /// Handshake datagrams worked on per millisecond; more wait their turn, so that a burst of set-ups does not make audio late.
    pub handshakes_per_tick: usize,
    /// Sessions without media that may wait for their softphones to come back, in all shards; then the one that has waited for longest
    /// ends.
    pub parked_max: usize,
    /// The stack for offers from outside, if it is another one.
    pub door: Option<Arc<dyn Stack>>,
}

impl Default for IngestSettings {
    /// Loopback, 10,000 sessions, 15 s for set-up, 8 handshake datagrams a millisecond; and as many sessions may wait without media as
    /// a process usually may have connections.
    fn default() -> Self {
        Self {
            address: SocketAddrV4::new(Ipv4Addr::LOCALHOST, 0),
            sessions_max: 10_000,
            setup_timeout: Duration::from_secs(15),
            handshakes_per_tick: 8,
            parked_max: 20_000,
            door: None,
        }
    }
}

/// What the ingest has counted so far.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct IngestCounters {
    /// Conversations that have begun.
    pub started: u64,
    /// Conversations in which audio could flow.
    pub established: u64,
    /// Conversations that are over.
    pub ended: u64,
    /// Sessions whose path and keys were agreed on; on a persistent connection one carries many conversations.
    pub connected: u64,
    /// Requests for a session that found the ingest full.
    pub refused: u64,
    /// Audio packets received in conversations that are over.
    pub packets_received: u64,
    /// Audio packets lost in conversations that are over.
    pub packets_lost: u64,
    /// Audio packets that came between two conversations.
    pub packets_between: u64,
    /// Recordings that were closed before their call ended, because storage could not keep up.
    pub recordings_cut: u64,
    /// Datagrams that belonged to no session.
    pub stray_datagrams: u64,
    /// Handshake datagrams dropped because too many waited.
    pub handshakes_dropped: u64,
    /// Persistent sessions whose softphone came back while their old WebSocket still looked alive.
    pub taken_over: u64,
    /// Sessions without media that ended because too many waited for their softphones.
    pub parked_dropped: u64,
}

impl IngestCounters {
    /// The sums of both.
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        Self {
            started: self.started + other.started,
            established: self.established + other.established,
            ended: self.ended + other.ended,
            connected: self.connected + other.connected,
            refused: self.refused + other.refused,
            packets_received: self.packets_received + other.packets_received,
            packets_lost: self.packets_lost + other.packets_lost,
            packets_between: self.packets_between + other.packets_between,
            recordings_cut: self.recordings_cut + other.recordings_cut,
            stray_datagrams: self.stray_datagrams + other.stray_datagrams,
            handshakes_dropped: self.handshakes_dropped + other.handshakes_dropped,
            taken_over: self.taken_over + other.taken_over,
            parked_dropped: self.parked_dropped + other.parked_dropped,
        }
    }
}

/// The counters as the media thread keeps them.
#[derive(Debug, Default)]
pub(super) struct Counters {
    pub(super) started: AtomicU64,
    pub(super) established: AtomicU64,
    pub(super) ended: AtomicU64,
    pub(super) connected: AtomicU64,
    pub(super) refused: AtomicU64,
    pub(super) packets_received: AtomicU64,
    pub(super) packets_lost: AtomicU64,
    pub(super) packets_between: AtomicU64,
    pub(super) recordings_cut: AtomicU64,
    pub(super) stray_datagrams: AtomicU64,
    pub(super) handshakes_dropped: AtomicU64,
    pub(super) taken_over: AtomicU64,
    pub(super) parked_dropped: AtomicU64,
}

/// Adds to a counter; counters are only read for reports, so order between them does not matter.
pub(super) fn add(counter: &AtomicU64, n: u64) {
    counter.fetch_add(n, Ordering::Relaxed);
}

/// Tells the WebSocket of a session that the server's side of it is over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notice {
    /// The session.
    pub session_id: String,
    /// Why it is over.
    pub reason: EndReason,
}

/// What the handle asks of the media thread.
pub(super) enum Command {
    Create {
        conversation_id: String,
        session_id: String,
        /// The caller's offer; without one, we offer.
        offer: Option<String>,
        notices: mpsc::Sender<Notice>,
        reply: oneshot::Sender<Result<String, IngestError>>,
    },
    Answer {
        session_id: String,
        sdp: String,
        reply: oneshot::Sender<Result<(), IngestError>>,
    },
    Renegotiate {
        session_id: String,
        offer: String,
        reply: oneshot::Sender<Result<String, IngestError>>,
    },
    /// The session has another WebSocket.
    Attach {
        session_id: String,
        notices: mpsc::Sender<Notice>,
        reply: oneshot::Sender<Result<(), IngestError>>,
    },
    /// A further conversation on a session that carries none.
    Begin {
        session_id: String,
        conversation_id: String,
        reply: oneshot::Sender<Result<(), IngestError>>,
    },
    End {
        session_id: String,
        /// Only this conversation; the session stays.
        conversation_id: Option<String>,
        end: End,
    },
}

/// That a session is over, seen from outside the media.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct End {
    /// Why.
    pub reason: EndReason,
    /// When.
    pub at: Instant,
    /// The caller's digest of what it sent, if it gave one.
    pub digest: Option<Sha256>,
}

/// A handle on a running ingest; clones reach the same one.
#[derive(Clone)]
pub struct Ingest {
    commands: mpsc::Sender<Command>,
    counters: Arc<Counters>,
    events: Arc<dyn SessionEvents>,
    address: SocketAddrV4,
    ordinal: Arc<AtomicU64>,
    parked: Arc<Parked>,
}

impl fmt::Debug for Ingest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ingest")
            .field("address", &self.address)
            .field("counters", &self.counters())
            .finish_non_exhaustive()
    }
}

impl Ingest {
    /// Binds the media port and makes the endpoint that serves it, together with the handle. Nothing happens until the station runs
    /// on a shard.
    ///
    /// # Errors
    /// When the address cannot be bound.
    pub fn bind(
        settings: &IngestSettings,
        stack: Arc<dyn Stack>,
        events: Arc<dyn SessionEvents>,
    ) -> Result<(Self, Station), BindError> {
        let socket = BatchSocket::bind(settings.address)?;
        let (ingest, endpoint) = Self::detached(settings, socket.local_addr(), stack, events);
        let endpoint = Box::new(endpoint);
        Ok((ingest, Station { socket, endpoint }))
    }

    /// The same without a socket, for tests that carry the datagrams themselves; `address` is what offers will name.
    #[must_use]
    pub fn detached(
        settings: &IngestSettings,
        address: SocketAddrV4,
        stack: Arc<dyn Stack>,
        events: Arc<dyn SessionEvents>,
    ) -> (Self, IngestEndpoint) {
        let (commands, inbox) = mpsc::channel(COMMANDS_MAX);
        let counters = Arc::new(Counters::default());
        let local = SocketAddr::V4(address);
        let endpoint = IngestEndpoint::new(
            settings.clone(),
            local,
            stack,
            Arc::clone(&events),
            inbox,
            Arc::clone(&counters),
        );
        let ordinal = Arc::new(AtomicU64::new(0));
        let ingest = Self {
            commands,
            counters,
            events,
            address,
            ordinal,
            parked: Arc::new(Parked::new(settings.parked_max)),
        };
        (ingest, endpoint)
    }

    /// Makes it a shard of the same server: session ids are unique there, and a softphone may come back by any of its connections.
    pub(super) fn join(&mut self, other: &Self) {
        self.ordinal = Arc::clone(&other.ordinal);
        self.parked = Arc::clone(&other.parked);
    }

    pub(super) fn parked(&self) -> &Parked {
        &self.parked
    }

    pub(super) fn events(&self) -> &dyn SessionEvents {
        self.events.as_ref()
    }

    pub(super) fn counting(&self) -> &Counters {
        &self.counters
    }

    /// The media port.
    #[must_use]
    pub fn address(&self) -> SocketAddrV4 {
        self.address
    }

    /// The counters at this moment.
    #[must_use]
    pub fn counters(&self) -> IngestCounters {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let counters = &self.counters;
        IngestCounters {
            started: read(&counters.started),
            established: read(&counters.established),
            ended: read(&counters.ended),
            connected: read(&counters.connected),
            refused: read(&counters.refused),
            packets_received: read(&counters.packets_received),
            packets_lost: read(&counters.packets_lost),
            packets_between: read(&counters.packets_between),
            recordings_cut: read(&counters.recordings_cut),
            stray_datagrams: read(&counters.stray_datagrams),
            handshakes_dropped: read(&counters.handshakes_dropped),
            taken_over: read(&counters.taken_over),
            parked_dropped: read(&counters.parked_dropped),
        }
    }

    /// A new session id in the form of a UUID, unique in this server.
    #[must_use]
    pub fn next_session_id(&self, conversation_id: &str) -> String {
        let ordinal = self.ordinal.fetch_add(1, Ordering::Relaxed);
        let mut digest = PayloadDigest::new();
        digest.update(conversation_id.as_bytes());
        digest.update(&ordinal.to_be_bytes());
        let mut bytes = [0; 16];
        bytes.copy_from_slice(&digest.finish().0[..16]);
        // Version 8 is RFC 9562's for ids of the maker's own recipe.
        bytes[6] = bytes[6] & 0x0f | 0x80;
        bytes[8] = bytes[8] & 0x3f | 0x80;
        let hex = u128::from_be_bytes(bytes);
        let part = |shift: u32, digits: u32| hex >> shift & ((1 << (digits * 4)) - 1);
        format!(
            "{:08x}-{:04x}-{:04x}-{:04x}-{:012x}",
            part(96, 8),
            part(80, 4),
            part(64, 4),
            part(48, 4),
            part(0, 12)
        )
    }

    /// Makes a session and returns its SDP offer. If the server ends the session, it says so in `notices`.
    ///
    /// # Errors
    /// When the ingest is full or has stopped.
    pub async fn create(
        &self,
        conversation_id: &str,
        session_id: &str,
        notices: mpsc::Sender<Notice>,
    ) -> Result<String, IngestError> {
        self.make(conversation_id, session_id, None, notices).await
    }

    /// Makes a session of a caller's own offer and returns the SDP answer.
    ///
    /// # Errors
    /// When the ingest is full or has stopped, or cannot use the offer.
    pub async fn accept(
        &self,
        conversation_id: &str,
        session_id: &str,
        offer: &str,
        notices: mpsc::Sender<Notice>,
    ) -> Result<String, IngestError> {
        let offer = Some(offer.to_owned());
        self.make(conversation_id, session_id, offer, notices).await
    }

    async fn ask<T>(
        &self,
        command: impl FnOnce(oneshot::Sender<Result<T, IngestError>>) -> Command,
    ) -> Result<T, IngestError> {
        let (reply, answer) = oneshot::channel();
        self.commands
            .send(command(reply))
            .await
            .map_err(|_| IngestError::Stopped)?;
        answer.await.map_err(|_| IngestError::Stopped)?
    }

    async fn make(
        &self,
        conversation_id: &str,
        session_id: &str,
        offer: Option<String>,
        notices: mpsc::Sender<Notice>,
    ) -> Result<String, IngestError> {
        self.ask(|reply| Command::Create {
            conversation_id: conversation_id.to_owned(),
            session_id: session_id.to_owned(),
            offer,
            notices,
            reply,
        })
        .await
    }

    /// Gives the session the caller's SDP answer. A session whose answer is refused is over.
    ///
    /// # Errors
    /// When there is no such session, or the answer is not one to its offer.
    pub async fn answer(&self, session_id: &str, sdp: &str) -> Result<(), IngestError> {
        self.ask(|reply| Command::Answer {
            session_id: session_id.to_owned(),
            sdp: sdp.to_owned(),
            reply,
        })
        .await
    }

    /// Gives a session that is up the caller's new offer, and returns the answer. A refused offer changes nothing.
    ///
    /// # Errors
    /// When there is no such session, or the offer is not one for it.
    pub async fn renegotiate(&self, session_id: &str, offer: &str) -> Result<String, IngestError> {
        self.ask(|reply| Command::Renegotiate {
            session_id: session_id.to_owned(),
            offer: offer.to_owned(),
            reply,
        })
        .await
    }

    /// From now on the session's end is told to `notices`.
    ///
    /// # Errors
    /// When there is no such session.
    pub async fn attach(
        &self,
        session_id: &str,
        notices: mpsc::Sender<Notice>,
    ) -> Result<(), IngestError> {
        self.ask(|reply| Command::Attach {
            session_id: session_id.to_owned(),
            notices,
            reply,
        })
        .await
    }

    /// Begins a further conversation on a session that carries none, or whose conversation is about to end.
    ///
    /// # Errors
    /// When there is no such session, or it has no path or a conversation already.
    pub async fn begin(&self, session_id: &str, conversation_id: &str) -> Result<(), IngestError> {
        self.ask(|reply| Command::Begin {
            session_id: session_id.to_owned(),
            conversation_id: conversation_id.to_owned(),
            reply,
        })
        .await
    }

    /// Ends a session as of `end.at`; one that is over already stays as it ended.
    ///
    /// # Errors
    /// When the ingest has stopped.
    pub async fn end(&self, session_id: &str, end: End) -> Result<(), IngestError> {
        self.ask_end(session_id, None, end).await
    }

    /// Ends the conversation that a session carries; the session stays. Another conversation is left alone.
    ///
    /// # Errors
    /// When the ingest has stopped.
    pub async fn end_conversation(
        &self,
        session_id: &str,
        conversation_id: &str,
        end: End,
    ) -> Result<(), IngestError> {
        let conversation_id = Some(conversation_id.to_owned());
        self.ask_end(session_id, conversation_id, end).await
    }

    async fn ask_end(
        &self,
        session_id: &str,
        conversation_id: Option<String>,
        end: End,
    ) -> Result<(), IngestError> {
        let command = Command::End {
            session_id: session_id.to_owned(),
            conversation_id,
            end,
        };
        self.commands
            .send(command)
            .await
            .map_err(|_| IngestError::Stopped)
    }
}
