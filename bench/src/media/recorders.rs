//! The server's end of a bench: thousands of recordings behind one socket.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

use racegate_media::dense::{DenseRecorder, MediaReceiver, Opened};
use racegate_media::ogg::{OpusPages, PageSink};
use racegate_media::{DatagramKind, Demux, PeerEvent, PeerOutput, Recorder, Route, Stack, is_rtcp};
use racegate_udp::{Datagram, Endpoint, RecvBatch, SendBatch, Wheel, prefetch};

use super::callers::{Audio, Engine};
use super::lobby::{IN_FLIGHT, Lobby, Offer};

/// Datagrams ahead whose session is looked up, and whose hot half is asked for.
const AHEAD: usize = 4;

/// The cold half of a session.
enum Desk {
    Dense(Box<DenseRecorder>),
    Str0m(Box<dyn Recorder>),
}

impl Desk {
    fn recorder(&mut self) -> &mut dyn Recorder {
        match self {
            Self::Dense(recorder) => recorder.as_mut(),
            Self::Str0m(recorder) => recorder.as_mut(),
        }
    }
}

/// The hot half of a session: what an audio packet needs.
struct Listener {
    receiver: Option<MediaReceiver>,
    pages: OpusPages,
    heard: u64,
    /// Its handshake is done.
    up: bool,
}

/// Counts the bytes of finished pages and lets them go, as storage would take them.
struct Storage(u64);

impl PageSink for Storage {
    fn page(&mut self, header: &[u8], body: &[u8]) {
        self.0 += (header.len() + body.len()) as u64;
    }
}

/// All recordings of a shard.
pub(super) struct Recorders {
    engine: Engine,
    audio: Audio,
    lobby: Arc<Lobby>,
    local: SocketAddr,
    target: usize,
    desks: Vec<Desk>,
    listeners: Vec<Listener>,
    demux: Demux,
    wheel: Wheel,
    due: Vec<usize>,
    handshakes: VecDeque<(usize, SocketAddr, Vec<u8>)>,
    payload: Vec<u8>,
    storage: Storage,
    received: u64,
    heard: usize,
    /// What the lobby knows of `heard`.
    told: usize,
}

impl Recorders {
    /// A server on `local` for that many sessions.
    pub(super) fn new(
        engine: Engine,
        audio: Audio,
        lobby: Arc<Lobby>,
        target: usize,
        local: SocketAddr,
    ) -> Self {
        Self {
            engine,
            audio,
            lobby,
            local,
            target,
            desks: Vec::with_capacity(target),
            listeners: Vec::with_capacity(target),
            demux: Demux::new(),
            wheel: Wheel::new(Instant::now()),
            due: Vec::new(),
            handshakes: VecDeque::new(),
            payload: Vec::new(),
            storage: Storage(0),
            received: 0,
            heard: 0,
            told: 0,
        }
    }

    /// Keeps offers ready for the callers, and takes their answers.
    fn signal(&mut self, now: Instant, out: &mut SendBatch) {
        while self.desks.len() < self.target && self.lobby.lock().offers.len() < IN_FLIGHT {
            let made = match &self.engine {
                Engine::Dense(stack) => stack
                    .recorder(now, self.local)
                    .map(|(recorder, sdp)| (Desk::Dense(Box::new(recorder)), sdp)),
                Engine::Str0m(stack) => stack
                    .offer(now, self.local)
                    .map(|(recorder, sdp)| (Desk::Str0m(recorder), sdp)),
            };
            let Ok((mut desk, sdp)) = made else {
                self.lobby.lock().tally.departed += 1;
                return;
            };
            let key = self.desks.len();
            self.demux.insert(desk.recorder().ufrag(), key);
            self.desks.push(desk);
            let serial = u32::try_from(key).unwrap_or(u32::MAX);
            self.listeners.push(Listener {
                receiver: None,
                pages: OpusPages::new(serial, &[], &mut self.storage),
                heard: 0,
                up: false,
            });
            self.lobby.lock().offers.push_back(Offer { key, sdp });
        }
        loop {
            let Some((key, answer)) = self.lobby.lock().answers.pop_front() else {
                return;
            };
            if self.desks[key]
                .recorder()
                .accept_answer(now, &answer)
                .is_err()
            {
                self.lobby.lock().tally.departed += 1;
            }
            self.drain(now, key, out);
        }
    }

    fn drain(&mut self, now: Instant, key: usize, out: &mut SendBatch) {
        let recorder = self.desks[key].recorder();
        let mut established = false;
        while let Some(output) = recorder.poll_output() {
            match output {
                PeerOutput::Transmit {
                    destination: SocketAddr::V4(destination),
                    bytes,
                    ..
                } => out.push(None, destination, &bytes),
                PeerOutput::Event(PeerEvent::Received(packet)) => {
                    let listener = &mut self.listeners[key];
                    listener
                        .pages
                        .push(packet.time, &packet.payload, &mut self.storage);
                    listener.heard += 1;
                    self.received += 1;
                    self.heard += usize::from(listener.heard == 1);
                }
                PeerOutput::Event(PeerEvent::Established) => established = true,
                PeerOutput::Event(PeerEvent::Departed(_)) => {
                    self.lobby.lock().tally.departed += 1;
                }
                PeerOutput::Transmit { .. } | PeerOutput::Event(PeerEvent::PathFound) => {}
            }
        }
        if let Some(deadline) = recorder.poll_timeout() {
            self.wheel.arm(key, deadline);
        }
        if established {
            self.listeners[key].up = true;
            if let Desk::Dense(recorder) = &mut self.desks[key] {
                self.listeners[key].receiver = recorder.take_receiver();
            }
            if self.audio == Audio::Silent {
                self.heard += 1;
            }
        }
        self.tell_heard(now);
    }

    /// Says how many sessions have been heard, when that has changed.
    fn tell_heard(&mut self, now: Instant) {
        if self.heard != self.told {
            self.told = self.heard;
            let mut inner = self.lobby.lock();
            inner.tally.heard = self.heard;
            inner.tally.last = Some(now);
        }
    }

    fn take(&mut self, now: Instant, key: usize, datagram: &Datagram<'_>, out: &mut SendBatch) {
        let kind = DatagramKind::of(datagram.bytes);
        if kind == DatagramKind::Srtp
            && !is_rtcp(datagram.bytes)
            && let Some(receiver) = &mut self.listeners[key].receiver
        {
            self.payload.clear();
            if let Opened::Payload { time, len, .. } =
                receiver.open(now, datagram.bytes, &mut self.payload)
                && len > 0
            {
                let listener = &mut self.listeners[key];
                listener.pages.push(time, &self.payload, &mut self.storage);
                listener.heard += 1;
                self.received += 1;
                if listener.heard == 1 {
                    self.heard += 1;
                    self.tell_heard(now);
                }
            }
            return;
        }
        let source = SocketAddr::V4(datagram.source);
        // Where the caller ends the handshake it speaks before the recorder knows: audio must not overtake what waits here.
        let early = kind == DatagramKind::Srtp && !self.listeners[key].up;
        if early || kind == DatagramKind::Dtls {
            self.handshakes
                .push_back((key, source, datagram.bytes.to_vec()));
        } else {
            self.feed(now, key, source, datagram.bytes, out);
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
        self.desks[key]
            .recorder()
            .handle_datagram(now, source, self.local, bytes);
        self.drain(now, key, out);
    }

    fn expire(&mut self, now: Instant, key: usize, out: &mut SendBatch) {
        match (&mut self.desks[key], &mut self.listeners[key].receiver) {
            (Desk::Dense(recorder), Some(receiver)) => recorder.handle_timeout_with(now, receiver),
            (desk, _) => desk.recorder().handle_timeout(now),
        }
        self.drain(now, key, out);
    }

    fn route(&mut self, datagram: &Datagram<'_>) -> Option<usize> {
        match self
            .demux
            .route(SocketAddr::V4(datagram.source), datagram.bytes)
        {
            Route::Session(key) => Some(key),
            Route::Unknown => None,
        }
    }
}

impl Endpoint for Recorders {
    fn name(&self) -> &'static str {
        "recorders"
    }

    fn handle_datagram(&mut self, now: Instant, datagram: &Datagram<'_>, out: &mut SendBatch) {
        if let Some(key) = self.route(datagram) {
            self.take(now, key, datagram, out);
        }
    }

    fn handle_batch(&mut self, now: Instant, batch: &RecvBatch, out: &mut SendBatch) {
        let mut routes = [None; AHEAD];
        for number in 0..batch.len() + AHEAD {
            let slot = number % AHEAD;
            if let (Some(key), Some(datagram)) = (
                routes[slot],
                number.checked_sub(AHEAD).and_then(|at| batch.get(at)),
            ) {
                self.take(now, key, &datagram, out);
            }
            routes[slot] = batch.get(number).and_then(|datagram| {
                let key = self.route(&datagram)?;
                let listener = &self.listeners[key];
                prefetch(listener);
                Some(key)
            });
            // Half way, when the hot half has come, the page's ends are known.
            if let Some(key) = routes[(number + AHEAD / 2) % AHEAD] {
                for tail in self.listeners[key].pages.tails() {
                    prefetch(tail);
                }
            }
        }
    }

    fn handle_control(&mut self, now: Instant, out: &mut SendBatch) {
        let until = Instant::now() + self.lobby.handshake_budget();
        while let Some((key, source, bytes)) = self.handshakes.pop_front() {
            self.feed(now, key, source, &bytes, out);
            if Instant::now() >= until {
                break;
            }
        }
        self.signal(now, out);
        let mut inner = self.lobby.lock();
        inner.tally.received = self.received;
        inner.tally.recorded = self.storage.0;
    }

    fn handle_timeout(&mut self, now: Instant, out: &mut SendBatch) {
        let mut due = std::mem::take(&mut self.due);
        self.wheel.expire(now, &mut due);
        for key in due.drain(..) {
            self.expire(now, key, out);
        }
        self.due = due;
    }

    fn handle_stop(&mut self, _now: Instant, _out: &mut SendBatch) {}
}
