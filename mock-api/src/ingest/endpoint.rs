//! The media side of the ingest: all sessions on one UDP port.

use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use racegate_media::{DatagramKind, Demux, Departure, PeerEvent, PeerOutput, Route, Stack};
use racegate_udp::{Datagram, Endpoint, SendBatch, Wheel};
use slab::Slab;
use tokio::sync::mpsc;

use super::events::{EndReason, EndedMedia, Kept, SessionEvents, Started};
use super::handle::{Command, Counters, End, IngestError, IngestSettings, Notice, add};
use super::session::{Asked, Next, Session, Talk, Waited};

/// Handshake datagrams that may wait; a flight is sent again after a second, so dropping one heals.
const HANDSHAKES_WAITING_MAX: usize = 8192;

/// Of these, handshake datagrams of one session; a set-up has a dozen.
const HANDSHAKES_PER_SESSION: usize = 64;

/// Audio packets of one session that may wait for its handshake: ten seconds.
const AUDIO_PER_SESSION: usize = 512;

/// How the answer to a genuine binding request begins (RFC 8489).
const BINDING_SUCCESS: [u8; 2] = [0x01, 0x01];

/// How long the signalling may take to follow the media's goodbye; on loopback it takes milliseconds, and on a machine that is busy
/// with other things a hundred of them. The session ends as of the goodbye, so that waiting moves nothing.
const GOODBYE_WAIT: Duration = Duration::from_millis(300);

/// Commands taken per tick, so that a storm of calls cannot make audio late.
const COMMANDS_PER_TICK: usize = 32;

/// All sessions of an ingest, as a machine: datagrams, commands and time go in.
pub struct IngestEndpoint {
    settings: IngestSettings,
    local: SocketAddr,
    stack: Arc<dyn Stack>,
    events: Arc<dyn SessionEvents>,
    commands: mpsc::Receiver<Command>,
    counters: Arc<Counters>,
    sessions: Slab<Session>,
    keys: BTreeMap<String, usize>,
    demux: Demux,
    wheel: Option<Wheel>,
    due: Vec<usize>,
    /// Sessions of which an end was asked for, theirs or their conversation's.
    ending: Vec<Asked>,
    /// What was sent before this tick may still lie in the socket.
    backlog: bool,
    handshakes: VecDeque<(SocketAddr, Vec<u8>)>,
}

impl fmt::Debug for IngestEndpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IngestEndpoint")
            .field("local", &self.local)
            .field("sessions", &self.sessions.len())
            .finish_non_exhaustive()
    }
}

impl IngestEndpoint {
    pub(super) fn new(
        settings: IngestSettings,
        local: SocketAddr,
        stack: Arc<dyn Stack>,
        events: Arc<dyn SessionEvents>,
        commands: mpsc::Receiver<Command>,
        counters: Arc<Counters>,
    ) -> Self {
        Self {
            settings,
            local,
            stack,
            events,
            commands,
            counters,
            sessions: Slab::new(),
            keys: BTreeMap::new(),
            demux: Demux::new(),
            wheel: None,
            due: Vec::new(),
            ending: Vec::new(),
            backlog: false,
            handshakes: VecDeque::new(),
        }
    }

    /// Sessions at this moment.
    #[must_use]
    pub fn sessions(&self) -> usize {
        self.sessions.len()
    }

    /// Bytes of audio held for recordings that grow.
    #[must_use]
    pub fn held_bytes(&self) -> usize {
        let talks = self
            .sessions
            .iter()
            .filter_map(|(_, each)| each.talk.as_ref());
        talks.map(|talk| talk.tape.held()).sum()
    }

    /// Handshake datagrams that wait their turn.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.handshakes.len()
    }

    fn command(&mut self, now: Instant, command: Command, out: &mut SendBatch) {
        match command {
            Command::Create {
                conversation_id,
                session_id,
                offer,
                notices,
                reply,
            } => {
                let ids = (conversation_id, session_id.clone());
                let description = self.create(now, ids, offer.as_deref(), notices);
                let made = description.is_ok();
                // A caller that has gone away meanwhile will never hang up.
                if reply.send(description).is_err() && made {
                    let end = End {
                        reason: EndReason::SignallingLost,
                        at: now,
                        digest: None,
                    };
                    self.request_end(now, (&session_id, None), end);
                }
            }
            Command::Answer {
                session_id,
                sdp,
                reply,
            } => {
                let taken = self.answer(now, &session_id, &sdp, out);
                // Whoever asked and did not wait learns of a refusal by the notice.
                drop(reply.send(taken));
            }
            Command::Renegotiate {
                session_id,
                offer,
                reply,
            } => {
                // Whoever asked and did not wait has no use for it.
                drop(reply.send(self.renegotiate(&session_id, &offer)));
            }
            Command::Attach {
                session_id,
                notices,
                reply,
            } => drop(reply.send(self.attach(session_id, notices))),
            Command::Begin {
                session_id,
                conversation_id,
                reply,
            } => self.begin(
                now,
                &session_id,
                Next {
                    conversation_id,
                    reply,
                },
            ),
            Command::End {
                session_id,
                conversation_id,
                end,
            } => self.request_end(now, (&session_id, conversation_id.as_deref()), end),
        }
    }

    fn attach(
        &mut self,
        session_id: String,
        notices: mpsc::Sender<Notice>,
    ) -> Result<(), IngestError> {
        let key = self.keys.get(&session_id).copied();
        let session = key.and_then(|key| self.sessions.get_mut(key));
        let session = session.ok_or(IngestError::Unknown { session_id })?;
        session.notices = notices;
        Ok(())
    }

    fn create(
        &mut self,
        now: Instant,
        (conversation_id, session_id): (String, String),
        offer: Option<&str>,
        notices: mpsc::Sender<Notice>,
    ) -> Result<String, IngestError> {
        if self.sessions.len() >= self.settings.sessions_max || self.keys.contains_key(&session_id)
        {
            add(&self.counters.refused, 1);
            let sessions = self.settings.sessions_max;
            return Err(IngestError::Full { sessions });
        }
        let local = self.local;
        let (peer, description) = match offer {
            None => self.stack.offer(now, local)?,
            Some(offer) => {
                let door = self.settings.door.as_ref().unwrap_or(&self.stack);
                door.accept(now, local, offer)?
            }
        };
        let entry = self.sessions.vacant_entry();
        let key = entry.key();
        self.demux.insert(peer.ufrag(), key);
        self.keys.insert(session_id.clone(), key);
        let setup_by = now + self.settings.setup_timeout;
        entry.insert(Session::new(
            conversation_id.clone(),
            session_id.clone(),
            peer,
            notices,
            setup_by,
        ));
        self.wheel
            .get_or_insert_with(|| Wheel::new(now))
            .arm(key, now);
        add(&self.counters.started, 1);
        self.events.started(&Started {
            conversation_id,
            session_id,
            at: now,
        });
        Ok(description)
    }

    fn answer(
        &mut self,
        now: Instant,
        session_id: &str,
        sdp: &str,
        out: &mut SendBatch,
    ) -> Result<(), IngestError> {
        let key = *self
            .keys
            .get(session_id)
            .ok_or_else(|| IngestError::Unknown {
                session_id: session_id.to_owned(),
            })?;
        let taken = self.sessions[key].peer.accept_answer(now, sdp);
        match &taken {
            Ok(()) => self.drain(now, key, out),
            Err(_) => self.finish(now, key, EndReason::AnswerRefused),
        }
        Ok(taken?)
    }

    fn renegotiate(&mut self, session_id: &str, offer: &str) -> Result<String, IngestError> {
        let key = self.keys.get(session_id);
        let session = key.and_then(|key| self.sessions.get_mut(*key));
        let session = session.ok_or_else(|| IngestError::Unknown {
            session_id: session_id.to_owned(),
        })?;
        Ok(session.peer.renegotiate(offer)?)
    }

    /// Ends a session once the datagrams that were sent before the request have been taken in: they lie
    /// in the socket by now, and a later tick takes them.
    fn request_end(
        &mut self,
        now: Instant,
        (session_id, conversation_id): (&str, Option<&str>),
        end: End,
    ) {
        let Some(key) = self.keys.get(session_id).copied() else {
            return;
        };
        if self.sessions[key].request_end(conversation_id, end) {
            self.ending.push(Asked { key, at: now });
        }
    }

    /// A further conversation, at once or when the present one has ended.
    fn begin(&mut self, now: Instant, session_id: &str, next: Next) {
        let Some(key) = self.keys.get(session_id).copied() else {
            let session_id = session_id.to_owned();
            drop(next.reply.send(Err(IngestError::Unknown { session_id })));
            return;
        };
        let session = &mut self.sessions[key];
        let ready = session.established_at.is_some()
            && session.ending.is_none()
            && session.next.is_none()
            && session
                .talk
                .as_ref()
                .is_none_or(|talk| talk.ending.is_some());
        if !ready {
            let session_id = session_id.to_owned();
            drop(next.reply.send(Err(IngestError::Busy { session_id })));
            return;
        }
        session.next = Some(next);
        if session.talk.is_none() {
            self.begin_next(now, key);
        }
    }

    /// Begins the conversation that waits, if one does.
    fn begin_next(&mut self, now: Instant, key: usize) {
        let session = &mut self.sessions[key];
        let Some(Next {
            conversation_id,
            reply,
        }) = session.next.take()
        else {
            return;
        };
        let session_id = session.session_id.clone();
        session.talk = Some(Talk::new(conversation_id.clone(), &session_id, Some(now)));
        add(&self.counters.started, 1);
        add(&self.counters.established, 1);
        self.events.started(&Started {
            conversation_id: conversation_id.clone(),
            session_id: session_id.clone(),
            at: now,
        });
        self.events.established(&conversation_id, &session_id, now);
        // Whoever asked and is gone has left the session, which ends with its connection.
        drop(reply.send(Ok(())));
    }

    /// The media said goodbye: the session is over as of now, but the signalling is about to say so too, and with more to tell; or it was
    /// cut, and that is why.
    fn take_leave(&mut self, now: Instant, key: usize) {
        let session = &mut self.sessions[key];
        if session.ending.is_none() {
            session.ending = Some((EndReason::HungUp, now));
            session.goodbye_by = Some(now + GOODBYE_WAIT);
        }
        self.file(now, key);
    }

    /// The signalling has had its time. A session whose WebSocket is gone without a word was cut, even if it waits for another one: its
    /// media is over.
    fn follow_goodbye(&mut self, now: Instant, key: usize) {
        // What it says may lie here.
        if !self.commands.is_empty() {
            return self.file(now, key);
        }
        let session = &mut self.sessions[key];
        if session.notices.is_closed()
            && let Some((reason, _)) = &mut session.ending
        {
            *reason = EndReason::SignallingLost;
        }
        self.finish(now, key, EndReason::HungUp);
    }

    fn file(&mut self, now: Instant, key: usize) {
        if let Some(deadline) = self.sessions[key].deadline() {
            self.wheel
                .get_or_insert_with(|| Wheel::new(now))
                .arm(key, deadline);
        }
    }

    fn feed(
        &mut self,
        now: Instant,
        key: usize,
        source: SocketAddr,
        bytes: &[u8],
        out: &mut SendBatch,
    ) {
        if let Some(session) = self.sessions.get_mut(key) {
            session.peer.handle_datagram(now, source, self.local, bytes);
            self.drain(now, key, out);
        }
    }

    /// Carries out what the session's peer wants, and files its next deadline.
    fn drain(&mut self, now: Instant, key: usize, out: &mut SendBatch) {
        let session = &mut self.sessions[key];
        let mut departed = None;
        while let Some(output) = session.peer.poll_output() {
            match output {
                PeerOutput::Transmit {
                    destination, bytes, ..
                } => {
                    // Only a genuine request is answered.
                    if bytes.starts_with(&BINDING_SUCCESS) {
                        self.demux.learn(session.peer.ufrag(), destination);
                    }
                    push(out, destination, &bytes);
                }
                PeerOutput::Event(PeerEvent::Received(packet)) => match &mut session.talk {
                    Some(talk) => talk.tape.hear(now, &packet, self.events.as_ref()),
                    None => add(&self.counters.packets_between, 1),
                },
                PeerOutput::Event(PeerEvent::Established) => {
                    session.established_at = Some(now);
                    add(&self.counters.connected, 1);
                    if let Some(talk) = &mut session.talk {
                        talk.established_at = Some(now);
                        add(&self.counters.established, 1);
                        self.events
                            .established(&talk.conversation_id, &session.session_id, now);
                    }
                }
                PeerOutput::Event(PeerEvent::Departed(departure)) => departed = Some(departure),
                PeerOutput::Event(PeerEvent::PathFound) => {}
            }
        }
        match departed {
            None => self.file(now, key),
            Some(Departure::Goodbye) => self.take_leave(now, key),
            Some(Departure::ConsentLost) => self.finish(now, key, EndReason::ConsentLost),
            Some(Departure::Failed) => self.finish(now, key, EndReason::MediaFailed),
        }
    }

    /// Takes what waits, in order. Only handshakes cost a place in the tick: audio that waits behind them would otherwise hold up the
    /// next ones, whose callers then speak too early in turn.
    fn work_on_handshakes(&mut self, now: Instant, out: &mut SendBatch) {
        let mut left = self.settings.handshakes_per_tick;
        while left > 0 {
            let Some((source, bytes)) = self.handshakes.pop_front() else {
                return;
            };
            let waited = match DatagramKind::of(&bytes) {
                DatagramKind::Dtls => Waited::Handshake,
                DatagramKind::Srtp | DatagramKind::Stun | DatagramKind::Other => Waited::Audio,
            };
            left -= usize::from(waited == Waited::Handshake);
            if let Route::Session(key) = self.demux.find(source, &bytes) {
                if let Some(session) = self.sessions.get_mut(key) {
                    session.waited(waited);
                }
                self.feed(now, key, source, &bytes, out);
            }
        }
    }

    fn expire(&mut self, now: Instant, key: usize, out: &mut SendBatch) {
        let Some(session) = self.sessions.get_mut(key) else {
            return;
        };
        if session.established_at.is_none() && session.setup_by <= now {
            self.finish(now, key, EndReason::SetupTimeout);
            return;
        }
        if session.goodbye_by.is_some_and(|by| by <= now) {
            self.follow_goodbye(now, key);
            return;
        }
        session.peer.handle_timeout(now);
        self.drain(now, key, out);
    }

    /// What was asked to end before this tick, and has had all that was sent before.
    fn finish_asked(&mut self, now: Instant) {
        let backlog = std::mem::take(&mut self.backlog);
        for asked in std::mem::take(&mut self.ending) {
            let key = asked.key;
            let Some(session) = self.sessions.get_mut(key) else {
                continue;
            };
            if (backlog || session.has_waiting()) && asked.may_wait(now) {
                self.ending.push(asked);
                continue;
            }
            if session.ending.is_some() {
                self.finish(now, key, EndReason::HungUp);
                continue;
            }
            let media = session.finish_talk(EndReason::HungUp, now);
            self.hand_over(media);
            self.begin_next(now, key);
        }
    }

    /// Counts and reports what a conversation left.
    fn hand_over(&self, media: Option<EndedMedia>) {
        let Some(media) = media else {
            return;
        };
        add(&self.counters.ended, 1);
        add(&self.counters.packets_received, media.packets_received);
        add(&self.counters.packets_lost, media.packets_lost);
        add(
            &self.counters.recordings_cut,
            u64::from(media.kept == Kept::Cut),
        );
        self.events.ended(media);
    }

    /// Takes a session out and reports its end; an end that was asked for keeps its reason and instant.
    fn finish(&mut self, now: Instant, key: usize, reason: EndReason) {
        let mut session = self.sessions.remove(key);
        self.demux.remove(session.peer.ufrag());
        self.keys.remove(&session.session_id);
        self.ending.retain(|asked| asked.key != key);
        if let Some(wheel) = &mut self.wheel {
            wheel.disarm(key);
        }
        let notice = Notice {
            session_id: session.session_id.clone(),
            reason: session.ending.map_or(reason, |(asked, _)| asked),
        };
        // A WebSocket that is gone or does not read needs no notice: its own end is near.
        drop(session.notices.try_send(notice));
        let media = session.finish_talk(reason, now);
        self.hand_over(media);
    }
}

impl Endpoint for IngestEndpoint {
    fn name(&self) -> &'static str {
        "ingest"
    }

    fn handle_datagram(&mut self, now: Instant, datagram: &Datagram<'_>, out: &mut SendBatch) {
        let source = SocketAddr::V4(datagram.source);
        let Route::Session(key) = self.demux.find(source, datagram.bytes) else {
            add(&self.counters.stray_datagrams, 1);
            return;
        };
        let Some(session) = self.sessions.get_mut(key) else {
            return;
        };
        session.client_address = Some(source);
        // The caller speaks as soon as its half of the handshake is done: audio must not overtake the handshake that waits here, nor
        // audio that waits behind it. Once all that is through, no handshake holds up audio any more.
        let early = session.established_at.is_none() || session.waiting_audio > 0;
        let waiting = match DatagramKind::of(datagram.bytes) {
            DatagramKind::Dtls => Some((&mut session.waiting_handshakes, HANDSHAKES_PER_SESSION)),
            DatagramKind::Srtp if early => Some((&mut session.waiting_audio, AUDIO_PER_SESSION)),
            DatagramKind::Srtp | DatagramKind::Stun | DatagramKind::Other => None,
        };
        let Some((waiting, most)) = waiting else {
            return self.feed(now, key, source, datagram.bytes, out);
        };
        // One caller's flood must not take the places of all others.
        if self.handshakes.len() < HANDSHAKES_WAITING_MAX && *waiting < most {
            *waiting += 1;
            self.handshakes.push_back((source, datagram.bytes.to_vec()));
        } else {
            add(&self.counters.handshakes_dropped, 1);
        }
    }

    fn handle_backlog(&mut self) {
        self.backlog = true;
    }

    fn handle_control(&mut self, now: Instant, out: &mut SendBatch) {
        self.work_on_handshakes(now, out);
        self.finish_asked(now);
        for _ in 0..COMMANDS_PER_TICK {
            let Ok(command) = self.commands.try_recv() else {
                return;
            };
            self.command(now, command, out);
        }
    }

    fn handle_timeout(&mut self, now: Instant, out: &mut SendBatch) {
        let mut due = std::mem::take(&mut self.due);
        if let Some(wheel) = &mut self.wheel {
            wheel.expire(now, &mut due);
        }
        for key in due.drain(..) {
            self.expire(now, key, out);
        }
        self.due = due;
    }

    fn handle_stop(&mut self, now: Instant, out: &mut SendBatch) {
        self.commands.close();
        let keys: Vec<_> = self.sessions.iter().map(|(key, _)| key).collect();
        for key in keys {
            self.sessions[key].peer.close(now);
            self.drain(now, key, out);
            if self.sessions.contains(key) {
                self.finish(now, key, EndReason::Shutdown);
            }
        }
    }
}

fn push(out: &mut SendBatch, destination: SocketAddr, bytes: &[u8]) {
    if let SocketAddr::V4(destination) = destination {
        out.push(None, destination, bytes);
    }
}
