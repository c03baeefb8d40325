//! The callers' end of a bench: thousands of softphones on one socket, their hot halves side by side.

use std::collections::VecDeque;
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};
use std::sync::Arc;
use std::time::{Duration, Instant};

use racegate_media::dense::{DenseCaller, MediaSender};
use racegate_media::{
    Caller, DatagramKind, DenseStack, Frame, Peer, PeerEvent, PeerOutput, RtcStack, Stack,
};
use racegate_udp::{Datagram, Endpoint, RecvBatch, SendBatch, SendCount, Wheel, prefetch};

use super::lobby::{IN_FLIGHT, Lobby};
use super::voice::{Clip, voices};

/// A frame lasts so many ticks of a millisecond; callers are spread over them.
const SLOTS: usize = 20;

/// One frame.
const FRAME: Duration = Duration::from_millis(20);

/// Callers ahead whose hot half is asked for.
const AHEAD: usize = 2;

/// The stack of both ends.
#[derive(Debug, Clone)]
pub(super) enum Engine {
    Dense(DenseStack),
    Str0m(RtcStack),
}

/// Whether sessions carry audio.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Audio {
    /// 50 packets a second.
    Spoken,
    /// One packet, which proves that the session is set up.
    Once,
    /// None.
    Silent,
}

/// The cold half of a caller.
enum Phone {
    Dense(Box<DenseCaller>),
    Str0m(Box<dyn Caller>),
}

impl Phone {
    fn peer(&mut self) -> &mut dyn Peer {
        match self {
            Self::Dense(caller) => caller.as_mut(),
            Self::Str0m(caller) => caller.as_mut(),
        }
    }
}

/// The hot half of a dense caller: all that a frame needs, but for the key schedule.
struct Talker {
    sender: MediaSender,
    source: Ipv4Addr,
    destination: SocketAddrV4,
    clip: &'static Clip,
    /// The next frame's place in the clip.
    at: usize,
    /// The next frame, which is also how many have been sent.
    next: u64,
}

/// Where a caller's hot half is.
#[derive(Clone, Copy)]
struct Place {
    slot: usize,
    index: usize,
}

/// Callers that speak in the same millisecond.
#[derive(Default)]
struct Slot {
    talkers: Vec<Talker>,
    /// Callers of the str0m stack: key and next frame.
    others: Vec<(usize, u64)>,
    /// When it spoke last.
    spoke: u64,
}

/// All callers of a shard.
pub(super) struct Callers {
    engine: Engine,
    audio: Audio,
    lobby: Arc<Lobby>,
    target: usize,
    first: Ipv4Addr,
    port: u16,
    phones: Vec<Phone>,
    places: Vec<Option<Place>>,
    slots: Vec<Slot>,
    wheel: Wheel,
    epoch: Instant,
    established: usize,
    due: Vec<usize>,
    handshakes: VecDeque<(usize, SocketAddr, Vec<u8>)>,
    /// When the frames that wait in the batch were due, and how many they are.
    sending: Vec<(Instant, u64)>,
}

impl Callers {
    /// Callers from the addresses after `first`, all on `port`; they set themselves up.
    pub(super) fn new(
        engine: Engine,
        audio: Audio,
        lobby: Arc<Lobby>,
        target: usize,
        first: Ipv4Addr,
        port: u16,
    ) -> Self {
        let epoch = Instant::now();
        Self {
            engine,
            audio,
            lobby,
            target,
            first,
            port,
            phones: Vec::with_capacity(target),
            places: Vec::with_capacity(target),
            slots: (0..SLOTS).map(|_| Slot::default()).collect(),
            wheel: Wheel::new(epoch),
            epoch,
            established: 0,
            due: Vec::new(),
            handshakes: VecDeque::new(),
            sending: Vec::new(),
        }
    }

    /// An address is a caller's number: no lookup.
    fn key_of(&self, address: Ipv4Addr) -> Option<usize> {
        let key = u32::from(address).checked_sub(u32::from(self.first))?;
        usize::try_from(key)
            .ok()
            .filter(|key| *key < self.phones.len())
    }

    fn begin(&mut self, now: Instant, out: &mut SendBatch) {
        while self.phones.len() < self.target && self.phones.len() - self.established < IN_FLIGHT {
            let Some(offer) = self.lobby.lock().offers.pop_front() else {
                return;
            };
            let key = self.phones.len();
            let number = u32::try_from(key).unwrap_or(u32::MAX);
            let ip = Ipv4Addr::from(u32::from(self.first).wrapping_add(number));
            let local = SocketAddr::V4(SocketAddrV4::new(ip, self.port));
            let answered = match &self.engine {
                Engine::Dense(stack) => stack
                    .caller(now, local, &offer.sdp)
                    .map(|(caller, sdp)| (Phone::Dense(Box::new(caller)), sdp)),
                Engine::Str0m(stack) => stack
                    .answer(now, local, &offer.sdp)
                    .map(|(caller, sdp)| (Phone::Str0m(caller), sdp)),
            };
            let mut inner = self.lobby.lock();
            inner.tally.begun += 1;
            inner.tally.first.get_or_insert(now);
            let Ok((phone, sdp)) = answered else {
                inner.tally.departed += 1;
                continue;
            };
            inner.answers.push_back((offer.key, sdp));
            drop(inner);
            self.phones.push(phone);
            self.places.push(None);
            self.drain(now, key, out);
        }
    }

    /// Carries out what a caller's peer wants, and files its next deadline.
    fn drain(&mut self, now: Instant, key: usize, out: &mut SendBatch) {
        let peer = self.phones[key].peer();
        let mut established = false;
        while let Some(output) = peer.poll_output() {
            match output {
                PeerOutput::Transmit {
                    source: SocketAddr::V4(source),
                    destination: SocketAddr::V4(destination),
                    bytes,
                } => out.push(Some(*source.ip()), destination, &bytes),
                PeerOutput::Event(PeerEvent::Established) => established = true,
                PeerOutput::Event(PeerEvent::Departed(_)) => {
                    self.lobby.lock().tally.departed += 1;
                }
                PeerOutput::Transmit { .. } | PeerOutput::Event(_) => {}
            }
        }
        if let Some(deadline) = peer.poll_timeout() {
            self.wheel.arm(key, deadline);
        }
        if established {
            self.establish(now, key);
        }
    }

    fn establish(&mut self, now: Instant, key: usize) {
        let slot = self.established % SLOTS;
        self.established += 1;
        self.lobby.lock().tally.established += 1;
        if self.audio == Audio::Silent {
            return;
        }
        let clip = &voices()[key % voices().len()];
        let slot_at = &mut self.slots[slot];
        if slot_at.talkers.is_empty() && slot_at.others.is_empty() {
            slot_at.spoke = frame_number(self.epoch, now, slot);
        }
        match &mut self.phones[key] {
            Phone::Dense(caller) => {
                let path = caller.path();
                let (Some(sender), Some((SocketAddr::V4(source), SocketAddr::V4(destination)))) =
                    (caller.take_sender(), path)
                else {
                    return;
                };
                if slot_at.talkers.is_empty() {
                    // Exactly: to double in steps would hold half as much again for nobody.
                    slot_at.talkers.reserve_exact(self.target.div_ceil(SLOTS));
                }
                self.places[key] = Some(Place {
                    slot,
                    index: slot_at.talkers.len(),
                });
                slot_at.talkers.push(Talker {
                    sender,
                    source: *source.ip(),
                    destination,
                    clip,
                    at: key * 37 % clip.len(),
                    next: 0,
                });
            }
            Phone::Str0m(_) => slot_at.others.push((key, 0)),
        }
    }

    /// Sends what has become due, slot after slot in the order of their times.
    fn speak(&mut self, now: Instant, out: &mut SendBatch) {
        if self.lobby.is_hushed() {
            return;
        }
        for slot in 0..SLOTS {
            let number = frame_number(self.epoch, now, slot);
            while self.slots[slot].spoke < number {
                self.slots[slot].spoke += 1;
                let due = frame_time(self.epoch, self.slots[slot].spoke, slot);
                let count = self.speak_slot(now, slot, out);
                if count > 0 {
                    self.sending.push((due, count));
                }
            }
        }
    }

    fn speak_slot(&mut self, now: Instant, slot: usize, out: &mut SendBatch) -> u64 {
        let talkers = &mut self.slots[slot].talkers;
        for index in 0..talkers.len() {
            if let Some(ahead) = talkers.get(index + AHEAD) {
                prefetch(ahead);
                prefetch(ahead.clip[ahead.at].as_ref());
            }
            let talker = &mut talkers[index];
            let payload = &talker.clip[talker.at];
            out.push_with(Some(talker.source), talker.destination, |bytes| {
                talker.sender.seal(talker.next, payload, bytes);
            });
            talker.next += 1;
            talker.at += 1;
            if talker.at == talker.clip.len() {
                talker.at = 0;
            }
        }
        let mut count = talkers.len() as u64;
        if self.audio == Audio::Once {
            talkers.clear();
            return count;
        }
        for at in 0..self.slots[slot].others.len() {
            let (key, index) = self.slots[slot].others[at];
            self.slots[slot].others[at].1 += 1;
            let clip = &voices()[key % voices().len()];
            let place = (key * 37 + usize::try_from(index).unwrap_or(0)) % clip.len();
            if let Phone::Str0m(caller) = &mut self.phones[key] {
                let payload = Arc::clone(&clip[place]);
                caller.send(now, Frame { index, payload });
                self.drain(now, key, out);
                count += 1;
            }
        }
        count
    }

    fn take(&mut self, now: Instant, datagram: &Datagram<'_>, out: &mut SendBatch) {
        let Some(key) = self.key_of(*datagram.destination.ip()) else {
            return;
        };
        let source = SocketAddr::V4(datagram.source);
        if DatagramKind::of(datagram.bytes) == DatagramKind::Dtls {
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
        let number = u32::try_from(key).unwrap_or(u32::MAX);
        let ip = Ipv4Addr::from(u32::from(self.first).wrapping_add(number));
        let local = SocketAddr::V4(SocketAddrV4::new(ip, self.port));
        self.phones[key]
            .peer()
            .handle_datagram(now, source, local, bytes);
        self.drain(now, key, out);
    }

    fn expire(&mut self, now: Instant, key: usize, out: &mut SendBatch) {
        if let (Some(place), Phone::Dense(caller)) = (self.places[key], &mut self.phones[key]) {
            let slot = &self.slots[place.slot];
            if let Some(talker) = slot.talkers.get(place.index) {
                let at = frame_time(self.epoch, slot.spoke, place.slot);
                caller.note_sent(talker.sender.sent(), at);
            }
        }
        self.phones[key].peer().handle_timeout(now);
        self.drain(now, key, out);
    }
}

/// How many frames of `slot` are due by `now`.
fn frame_number(epoch: Instant, now: Instant, slot: usize) -> u64 {
    let passed = now.saturating_duration_since(epoch).as_millis();
    let passed = u64::try_from(passed).unwrap_or(u64::MAX);
    passed.saturating_sub(slot as u64) / SLOTS as u64
}

/// When that frame of `slot` is due.
fn frame_time(epoch: Instant, number: u64, slot: usize) -> Instant {
    let frames = u32::try_from(number).unwrap_or(u32::MAX);
    epoch + FRAME * frames + Duration::from_millis(slot as u64)
}

impl Endpoint for Callers {
    fn name(&self) -> &'static str {
        "callers"
    }

    fn handle_datagram(&mut self, now: Instant, datagram: &Datagram<'_>, out: &mut SendBatch) {
        self.take(now, datagram, out);
    }

    fn handle_batch(&mut self, now: Instant, batch: &RecvBatch, out: &mut SendBatch) {
        for datagram in batch.iter() {
            self.take(now, &datagram, out);
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
        if !self.lobby.is_pressed() {
            self.begin(now, out);
        }
    }

    fn handle_timeout(&mut self, now: Instant, out: &mut SendBatch) {
        self.speak(now, out);
        let mut due = std::mem::take(&mut self.due);
        self.wheel.expire(now, &mut due);
        for key in due.drain(..) {
            self.expire(now, key, out);
        }
        self.due = due;
    }

    fn handle_stop(&mut self, _now: Instant, _out: &mut SendBatch) {}

    fn handle_sent(&mut self, now: Instant, count: SendCount) {
        if self.sending.is_empty() && count.refused == 0 {
            return;
        }
        if let Some((due, _)) = self.sending.first() {
            self.lobby
                .note_lateness(now.saturating_duration_since(*due));
        }
        let mut inner = self.lobby.lock();
        inner.tally.refused += count.refused;
        for (due, frames) in self.sending.drain(..) {
            inner.tally.sent += frames;
            inner.tally.late(now.saturating_duration_since(due), frames);
        }
    }
}
