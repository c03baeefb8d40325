//! Softphones: thousands of real WebRTC callers in one process.
//!
//! Each call has its own WebSocket, its own ICE, DTLS and SRTP, and its own source address. Signalling is a task on tokio; media is
//! one [`Endpoint`](racegate_udp::Endpoint) with one socket for all, on the shard of the ingest that it calls.

mod back;
#[cfg(test)]
mod broken;
mod call;
mod connect;
mod endpoint;
mod line;
mod meter;
mod oddities;
mod pace;
mod phone;
mod storm;
mod tamper;
#[cfg(test)]
mod tests;
mod trouble;
mod whip;

use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};
use std::sync::Arc;
use std::time::{Duration, Instant};

use racegate_media::{Departure, Sha256, Stack};
use racegate_model::draws::Draws;
use racegate_model::fault::Fault;
pub use racegate_model::scenario::{Connection, Silence};
use racegate_model::time::Probability;
use racegate_udp::{BatchSocket, BindError, Station};
use tokio::sync::{mpsc, oneshot};

pub use endpoint::SoftphoneEndpoint;
pub use meter::SoftphoneReport;

use endpoint::Command;
use line::Lines;
use meter::Meter;

/// Commands that may wait for the media thread.
const COMMANDS_MAX: usize = 1024;

/// Where softphones call, and from where.
#[derive(Debug, Clone)]
pub struct SoftphoneSettings {
    /// `ws://host:port/path` of the signalling.
    pub signalling_url: String,
    /// The first caller's address; each call takes the next one, out of a quarter of 127/8.
    pub first_address: Ipv4Addr,
    /// Handshake datagrams worked on per millisecond; more wait their turn, so that a burst of set-ups does not make audio late.
    pub handshakes_per_tick: usize,
}

impl SoftphoneSettings {
    /// Callers from 127.64.0.1 on, and 8 handshake datagrams a millisecond.
    #[must_use]
    pub fn new(signalling_url: impl Into<String>) -> Self {
        Self {
            signalling_url: signalling_url.into(),
            first_address: Ipv4Addr::new(127, 64, 0, 1),
            handshakes_per_tick: 8,
        }
    }
}

/// One call to be made.
#[derive(Debug, Clone)]
pub struct Dial {
    /// The conversation it belongs to.
    pub conversation_id: String,
    /// When to hang up, however long set-up takes.
    pub hang_up_at: Instant,
    /// Which clip to speak, counted round.
    pub clip: usize,
    /// How much of it is real.
    pub media: DialMedia,
    /// Whether it has a connection of its own.
    pub connection: Connection,
    /// What is sent while nobody speaks.
    pub silence: Silence,
    /// What goes wrong with it.
    pub fault: Option<DialFault>,
}

impl Dial {
    /// A whole call on a connection of its own, every frame of which is sent, and in which nothing goes wrong.
    #[must_use]
    pub fn new(conversation_id: impl Into<String>, hang_up_at: Instant, clip: usize) -> Self {
        Self {
            conversation_id: conversation_id.into(),
            hang_up_at,
            clip,
            media: DialMedia::Audio,
            connection: Connection::PerCall,
            silence: Silence::Sent,
            fault: None,
        }
    }

    /// Whether it meets that fault.
    fn meets(&self, fault: Fault) -> bool {
        self.fault.is_some_and(|met| met.fault == fault)
    }
}

/// How much of a call's media is real.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DialMedia {
    /// Everything.
    Audio,
    /// A path and its keys, and not a word.
    Transport,
    /// Nothing: signalling only.
    Signalling,
}

/// What goes wrong with a call, and when.
#[derive(Debug, Clone, Copy)]
pub struct DialFault {
    /// The fault.
    pub fault: Fault,
    /// When it strikes.
    pub at: Instant,
    /// How long it lasts, where that means something.
    pub lasts: Duration,
    /// The share of packets that are lost; `loss` only.
    pub loss: Probability,
    /// The call's chance.
    pub draws: Draws,
}

/// How far a call had come when it failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum CallStage {
    /// Opening the WebSocket.
    Connect,
    /// Asking for the call, until the server's proposal.
    Propose,
    /// Waiting for the server's offer.
    Offer,
    /// Answering it.
    Answer,
    /// Finding a path (ICE).
    Path,
    /// Agreeing on keys (DTLS).
    Handshake,
}

impl CallStage {
    /// All stages, in order.
    pub const ALL: [Self; 6] = [
        Self::Connect,
        Self::Propose,
        Self::Offer,
        Self::Answer,
        Self::Path,
        Self::Handshake,
    ];

    /// The word used in reports.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Connect => "connect",
            Self::Propose => "propose",
            Self::Offer => "offer",
            Self::Answer => "answer",
            Self::Path => "path",
            Self::Handshake => "handshake",
        }
    }
}

/// How a call ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CallEnd {
    /// It hung up when it was told to.
    HungUp,
    /// The other side went away before that.
    CutOff {
        /// What was seen of it; `None` when the WebSocket said so.
        departure: Option<Departure>,
    },
    /// Audio never flowed: a fault of the generator or of signalling, not a recording.
    NotEstablished {
        /// How far it came.
        stage: CallStage,
        /// What went wrong.
        cause: String,
    },
}

/// What became of a call.
#[derive(Debug, Clone)]
pub struct CallOutcome {
    /// The conversation.
    pub conversation_id: String,
    /// The session that the server gave it, if it came so far.
    pub session_id: Option<String>,
    /// When audio could flow.
    pub established_at: Option<Instant>,
    /// When it hung up or was found to be over.
    pub ended_at: Instant,
    /// Audio packets sent.
    pub packets_sent: u64,
    /// SHA-256 over their payloads, in order.
    pub digest_sent: Sha256,
    /// The payloads themselves; of faulty calls only.
    pub payloads: Vec<Arc<[u8]>>,
    /// How often its fault did something that this end knows of.
    pub acts: u64,
    /// How it ended.
    pub end: CallEnd,
}

/// A handle on the softphones; clones reach the same ones.
#[derive(Debug, Clone)]
pub struct Softphones {
    signalling_url: Arc<str>,
    commands: mpsc::Sender<Command>,
    meter: Arc<Meter>,
    /// Persistent connections that wait for a call.
    lines: Arc<Lines>,
}

impl Softphones {
    /// Opens the callers' socket and makes the endpoint that speaks through it. Nothing happens until the station runs on a shard,
    /// which should be that of the server it calls.
    ///
    /// # Errors
    /// When the socket cannot be opened.
    pub fn bind(
        settings: &SoftphoneSettings,
        stack: Arc<dyn Stack>,
    ) -> Result<(Self, Station), BindError> {
        let socket = BatchSocket::bind_callers()?;
        let (phones, endpoint) = Self::detached(settings, socket.local_addr().port(), stack);
        let endpoint = Box::new(endpoint);
        Ok((phones, Station { socket, endpoint }))
    }

    /// The same without a socket, for tests that carry the datagrams themselves.
    #[must_use]
    pub fn detached(
        settings: &SoftphoneSettings,
        port: u16,
        stack: Arc<dyn Stack>,
    ) -> (Self, SoftphoneEndpoint) {
        let (commands, inbox) = mpsc::channel(COMMANDS_MAX);
        let meter = Arc::new(Meter::new());
        let endpoint = SoftphoneEndpoint::new(settings, port, stack, inbox, Arc::clone(&meter));
        let signalling_url = Arc::from(settings.signalling_url.as_str());
        let phones = Self {
            signalling_url,
            commands,
            meter,
            lines: Arc::default(),
        };
        (phones, endpoint)
    }

    /// Makes a call, on a task of its own; the outcome comes when it is over. Dropping the receiver does not end the call.
    ///
    /// On a persistent connection it takes one that is free, and otherwise opens one, which then stays for later calls. A call that
    /// meets a fault always has a connection of its own: it must not take others with it.
    ///
    /// Must be called within a tokio runtime with time and IO.
    pub fn dial(&self, dial: Dial) -> oneshot::Receiver<CallOutcome> {
        let (sender, outcome) = oneshot::channel();
        self.meter.count_dialled();
        if dial.connection == Connection::Persistent && dial.fault.is_none() {
            line::dial(self, dial, sender);
            return outcome;
        }
        let phones = self.clone();
        let dial = Dial {
            connection: Connection::PerCall,
            ..dial
        };
        tokio::spawn(async move {
            let outcome = call::place(&phones, dial).await;
            phones.meter.count(&outcome);
            // Whoever asked may not want to know.
            drop(sender.send(outcome));
        });
        outcome
    }

    /// Makes a call to a foreign WHIP endpoint (RFC 9725), on a task of its own; faults and signalling of ours are not part of it.
    ///
    /// Must be called within a tokio runtime with time and IO.
    pub fn dial_whip(&self, url: &str, dial: Dial) -> oneshot::Receiver<CallOutcome> {
        let (sender, outcome) = oneshot::channel();
        let (phones, url) = (self.clone(), url.to_owned());
        self.meter.count_dialled();
        tokio::spawn(async move {
            let outcome = whip::place(&phones, &url, dial).await;
            phones.meter.count(&outcome);
            // Whoever asked may not want to know.
            drop(sender.send(outcome));
        });
        outcome
    }

    /// What has been counted so far.
    #[must_use]
    pub fn report(&self) -> SoftphoneReport {
        self.meter.report()
    }
}

/// The address of the caller with that ordinal; they come round after four million calls.
fn caller_address(first: Ipv4Addr, ordinal: u32, port: u16) -> SocketAddr {
    const SPAN: u32 = 0x0040_0000 - 2;
    let address = Ipv4Addr::from(u32::from(first).wrapping_add(ordinal % SPAN));
    SocketAddr::V4(SocketAddrV4::new(address, port))
}
