//! What the ingest tells the rest of the platform.

use std::fmt;
use std::time::Instant;

use bytes::Bytes;
use racegate_media::Sha256;

/// Why a session ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum EndReason {
    /// The caller hung up, by `terminate`, or by a goodbye in the media that its WebSocket outlived.
    HungUp,
    /// The caller's checks stopped coming; its network or its process is gone.
    ConsentLost,
    /// Its WebSocket closed without `terminate`, whatever its media said.
    SignallingLost,
    /// No audio path within the time for set-up.
    SetupTimeout,
    /// The answer could not be used.
    AnswerRefused,
    /// Handshake or encryption broke.
    MediaFailed,
    /// The server stopped.
    Shutdown,
}

impl EndReason {
    /// The word used on the wire and in reports.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::HungUp => "hung-up",
            Self::ConsentLost => "consent-lost",
            Self::SignallingLost => "signalling-lost",
            Self::SetupTimeout => "setup-timeout",
            Self::AnswerRefused => "answer-refused",
            Self::MediaFailed => "media-failed",
            Self::Shutdown => "shutdown",
        }
    }
}

impl fmt::Display for EndReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A conversation that has begun: it has no audio yet, and its session perhaps only an offer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Started {
    /// The conversation it belongs to.
    pub conversation_id: String,
    /// Its own id, unique in this server.
    pub session_id: String,
    /// When it was made.
    pub at: Instant,
}

/// A recording that is being made; unique in this process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TakeNumber(pub(super) u64);

/// How much of what was received is in the recording.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kept {
    /// All of it.
    Whole,
    /// The beginning: then storage could not keep up, and the recording was closed.
    Cut,
}

/// Storage cannot take a part now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("too much audio is on its way to storage")]
pub struct NoRoom;

/// A conversation that is over, and what it left. A session carries one conversation, or on a persistent connection one after the other.
#[derive(Debug, Clone)]
pub struct EndedMedia {
    /// The conversation it belonged to.
    pub conversation_id: String,
    /// Its own id.
    pub session_id: String,
    /// The recording, whose earlier parts went to [`SessionEvents::part`].
    pub take: TakeNumber,
    /// The last part of the Ogg/Opus recording, which closes it. The whole has no audio packets if none came; its comments name
    /// conversation and session.
    pub tail: Bytes,
    /// Whether it has everything.
    pub kept: Kept,
    /// SHA-256 over the received payloads, in order of arrival.
    pub digest_received: Sha256,
    /// The digest that the caller gave of what it sent, if it said goodbye with one.
    pub digest_sent: Option<Sha256>,
    /// Audio packets received, none twice.
    pub packets_received: u64,
    /// Packets missing between the first and the last one received.
    pub packets_lost: u64,
    /// From where the audio came, once there was a path.
    pub client_address: Option<std::net::SocketAddr>,
    /// When audio could flow; `None` if it never could: such a session makes no recording.
    pub established_at: Option<Instant>,
    /// When the first audio packet came.
    pub first_packet_at: Option<Instant>,
    /// When the end was seen.
    pub ended_at: Instant,
    /// Why it ended.
    pub reason: EndReason,
}

/// Told of every conversation, in order, on the media thread: implementations must return at once.
pub trait SessionEvents: Send + Sync {
    /// A conversation has begun.
    fn started(&self, session: &Started);

    /// Audio can flow.
    fn established(&self, conversation_id: &str, session_id: &str, at: Instant);

    /// The next part of a recording: whole pages, a few kilobytes.
    ///
    /// # Errors
    /// When there is no room; then the recording is closed with what [`SessionEvents::ended`] brings.
    fn part(&self, take: TakeNumber, part: Bytes) -> Result<(), NoRoom>;

    /// The conversation is over, for whatever reason; every started one ends exactly once.
    fn ended(&self, media: EndedMedia);
}
