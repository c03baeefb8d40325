//! Faults at the datagram boundary: what a phone sends and receives is dropped, doubled, delayed, altered or made up.

#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "each place acts on a few of some eighty faults; what it does not know it lets through"
)]

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use racegate_media::DatagramKind;
use racegate_model::draws::{Draws, Purpose};
use racegate_model::fault::{Fault, FaultGroup};

mod descriptions;
mod forge;
mod shape;

use super::DialFault;
pub(super) use descriptions::{edit_answer, edit_offer};
use forge::{
    alert, another_hello, forged_audio, garbage_record, has_attribute, has_record, keyless_audio,
    unknown_check,
};
use shape::{Channel, transmission};

/// Datagrams of noise that a fault makes up.
const FORGED: u32 = 50;
/// Checks of a flood.
const FLOOD: u32 = 200;
/// ClientHellos of a storm.
const STORM: u32 = 2000;
/// Audio packets before their time.
const EARLY: u32 = 20;
/// Packets that a narrow way holds.
const QUEUE_MAX: usize = 10;
/// The longest datagram that a black hole lets through.
const BLACK_HOLE: usize = 400;
/// STUN's attribute of a check that nominates.
const USE_CANDIDATE: u16 = 0x0025;
/// How an error that answers a check begins.
const STUN_ERROR: [u8; 2] = [0x01, 0x11];
/// The record of a handshake's last flight.
const CHANGE_CIPHER_SPEC: u8 = 20;
/// A copy comes so much later.
const REPLAY_AFTER: Duration = Duration::from_millis(200);
/// A flight of a handshake comes within this time.
const FLIGHT: Duration = Duration::from_millis(300);
/// The most that jitter delays a packet by, in microseconds.
const JITTER_MAX_US: u64 = 15_000;

/// A datagram on its way out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Outgoing {
    pub(super) source: SocketAddr,
    pub(super) destination: SocketAddr,
    pub(super) bytes: Vec<u8>,
}

/// What one phone's datagrams meet.
#[derive(Debug)]
pub(super) struct Tamper {
    fault: DialFault,
    draws: Draws,
    began: Instant,
    /// Another address of ours, for a fault that changes it.
    alias: SocketAddr,
    /// The address that it has changed to.
    moved_to: Option<SocketAddr>,
    /// Audio packets that came by since the fault struck.
    audio: u32,
    handshakes_out: u32,
    /// When the first datagram of the flight came that is to be lost.
    flight_in: Option<Instant>,
    /// The first datagram of the handshake.
    hello: Option<Outgoing>,
    channel: Channel,
    /// What waits, in order of release.
    held: VecDeque<(Instant, Outgoing)>,
    /// The last audio packet, as a pattern for forgeries.
    last: Option<Outgoing>,
    /// Datagrams that have been made up, or could not be.
    made: u32,
    /// How often it did something.
    acts: u64,
}

impl Tamper {
    pub(super) fn new(fault: DialFault, began: Instant, alias: SocketAddr) -> Self {
        Self {
            fault,
            draws: fault.draws,
            began,
            alias,
            moved_to: None,
            audio: 0,
            handshakes_out: 0,
            flight_in: None,
            hello: None,
            channel: Channel::bad(),
            held: VecDeque::new(),
            last: None,
            made: 0,
            acts: 0,
        }
    }

    /// The address that the phone has besides its own.
    pub(super) fn alias(&self) -> SocketAddr {
        self.alias
    }

    /// How often it did something to what was sent or received.
    pub(super) fn acts(&self) -> u64 {
        self.acts
    }

    /// Whether a datagram that came in reaches the phone.
    pub(super) fn admits(&mut self, now: Instant, bytes: &[u8]) -> bool {
        let conflict = self.fault.fault == Fault::RoleConflict && bytes.starts_with(&STUN_ERROR);
        let admitted = self.lets_in(now, bytes);
        self.acts += u64::from(!admitted || conflict);
        admitted
    }

    fn lets_in(&mut self, now: Instant, bytes: &[u8]) -> bool {
        match self.fault.fault {
            Fault::AbruptClose | Fault::Vanish => now < self.fault.at,
            Fault::MtuBlackHole => bytes.len() <= BLACK_HOLE,
            Fault::FlightLoss if kind_of(bytes) == Kind::Handshake => self.is_past_flight(now),
            Fault::LastFlightLoss
                if kind_of(bytes) == Kind::Handshake && has_record(bytes, CHANGE_CIPHER_SPEC) =>
            {
                self.is_past_flight(now)
            }
            _ => true,
        }
    }

    fn is_past_flight(&mut self, now: Instant) -> bool {
        let first = *self.flight_in.get_or_insert(now);
        now >= first + FLIGHT
    }

    /// Hands what becomes of a datagram to `send`.
    pub(super) fn outgoing(
        &mut self,
        now: Instant,
        datagram: Outgoing,
        send: &mut impl FnMut(Outgoing),
    ) {
        let plain = datagram.clone();
        let (mut all, mut intact) = (0, 0);
        self.pass(now, datagram, &mut |sent| {
            all += 1;
            intact += u32::from(sent == plain);
            send(sent);
        });
        self.acts += u64::from((all, intact) != (1, 1));
    }

    fn pass(&mut self, now: Instant, mut datagram: Outgoing, send: &mut impl FnMut(Outgoing)) {
        let kind = kind_of(&datagram.bytes);
        if kind == Kind::Audio {
            self.last = Some(datagram.clone());
        }
        if kind == Kind::Handshake && self.hello.is_none() {
            self.hello = Some(datagram.clone());
            self.speak_early(&datagram, send);
        }
        datagram.source = self.moved_to.unwrap_or(datagram.source);
        match self.fault.fault.kind().group {
            FaultGroup::Ice => self.check(now, kind, datagram, send),
            FaultGroup::Dtls => self.handshake(kind, datagram, send),
            FaultGroup::Rtp | FaultGroup::Network => self.audio(now, kind, datagram, send),
            FaultGroup::Session => {
                let silent = match self.fault.fault {
                    Fault::NoMedia => true,
                    Fault::AbruptClose | Fault::Vanish => now >= self.fault.at,
                    _ => false,
                };
                if !silent {
                    send(datagram);
                }
            }
            FaultGroup::Signalling | FaultGroup::Platform => send(datagram),
        }
    }

    fn check(
        &mut self,
        now: Instant,
        kind: Kind,
        mut datagram: Outgoing,
        send: &mut impl FnMut(Outgoing),
    ) {
        let request = kind == Kind::Request;
        match self.fault.fault {
            Fault::ConsentLoss if request && now >= self.fault.at => return,
            Fault::LatePath if request && now < self.began + self.fault.lasts => return,
            Fault::LateNomination
                if request
                    && now < self.began + self.fault.lasts
                    && has_attribute(&datagram.bytes, USE_CANDIDATE) =>
            {
                return;
            }
            // Struck with an audio packet, so that one at least comes from an address that nobody knows yet.
            Fault::NatRebind
                if kind == Kind::Audio && now >= self.fault.at && self.moved_to.is_none() =>
            {
                self.moved_to = Some(self.alias);
                datagram.source = self.alias;
            }
            _ => {}
        }
        send(datagram);
    }

    fn handshake(&mut self, kind: Kind, mut datagram: Outgoing, send: &mut impl FnMut(Outgoing)) {
        if kind == Kind::Handshake {
            self.handshakes_out += 1;
            match self.fault.fault {
                Fault::HalfOpen if self.handshakes_out > 1 => return,
                Fault::DuplicateHandshake => send(datagram.clone()),
                Fault::DtlsAlert if self.handshakes_out > 1 => {
                    datagram.bytes = alert(self.handshakes_out);
                }
                _ => {}
            }
        }
        send(datagram);
    }

    fn audio(
        &mut self,
        now: Instant,
        kind: Kind,
        mut datagram: Outgoing,
        send: &mut impl FnMut(Outgoing),
    ) {
        let DialFault {
            fault, at, lasts, ..
        } = self.fault;
        let struck = now >= at;
        let within = struck && now < at + lasts;
        if fault == Fault::MtuBlackHole && datagram.bytes.len() > BLACK_HOLE {
            return;
        }
        if fault == Fault::Duplicate && within {
            send(datagram.clone());
        }
        if kind != Kind::Audio || !struck {
            if fault == Fault::OneWayAudio && kind == Kind::Audio {
                return;
            }
            // What is not audio overtakes what is held up: a handshake or a goodbye is not part of the fault.
            return send(datagram);
        }
        self.audio += 1;
        let nth = self.audio;
        match fault {
            Fault::OneWayAudio => {}
            Fault::BurstLoss if within => {}
            Fault::Loss if nth == 1 || self.fault.loss.occurs(self.draw(nth)) => {}
            Fault::GilbertElliott if self.channel.loses(self.draw(nth)) => {}
            Fault::BandwidthCap if within && self.held.len() >= QUEUE_MAX => {}
            Fault::BandwidthCap if within => {
                let free = self.held.back().map_or(now, |(release, _)| *release);
                let release = free.max(now) + transmission(datagram.bytes.len());
                self.held.push_back((release, datagram));
            }
            Fault::BitFlip if nth == 1 => {
                if let Some(byte) = datagram.bytes.get_mut(20) {
                    *byte ^= 1;
                }
                send(datagram);
            }
            Fault::Replay if within => {
                self.held.push_back((now + REPLAY_AFTER, datagram.clone()));
                send(datagram);
            }
            Fault::Jitter if within => {
                let delay = Duration::from_micros(self.draw(nth) % JITTER_MAX_US);
                let after = self.held.back().map_or(now, |(release, _)| *release);
                self.held.push_back(((now + delay).max(after), datagram));
            }
            Fault::Stall if within => self.held.push_back((at + lasts, datagram)),
            Fault::Reorder if within && nth % 2 == 1 => {
                // Its successor is due in 20 ms; if none comes, it goes alone.
                self.held
                    .push_back((now + Duration::from_millis(50), datagram));
            }
            Fault::Reorder => {
                send(datagram);
                self.release(|_| true, send);
            }
            // What follows a delay must not overtake what is delayed.
            Fault::Jitter | Fault::Stall | Fault::BandwidthCap if !self.held.is_empty() => {
                let after = self.held.back().map_or(now, |(release, _)| *release);
                self.held.push_back((after, datagram));
            }
            _ => send(datagram),
        }
    }

    fn draw(&self, nth: u32) -> u64 {
        self.draws.draw_nth(Purpose::FaultDatagram, nth)
    }

    /// Sends what has waited long enough, and what the fault makes up by itself.
    pub(super) fn handle_timeout(&mut self, now: Instant, send: &mut impl FnMut(Outgoing)) {
        self.release(|at| at <= now, send);
        let due = self.made_by(now);
        for nth in self.made..due {
            let forged = self.forge(nth);
            self.acts += u64::from(forged.is_some());
            forged.into_iter().for_each(&mut *send);
        }
        self.made = self.made.max(due);
    }

    /// Sends everything that waits: the phone leaves.
    pub(super) fn flush(&mut self, send: &mut impl FnMut(Outgoing)) {
        // Copies are of no use after the end.
        if self.fault.fault == Fault::Replay {
            self.held.clear();
        }
        self.release(|_| true, send);
    }

    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        let making = (self.made < self.makes_up()).then(|| self.made_at(self.made));
        let release = self.held.front().map(|(at, _)| *at);
        making.into_iter().chain(release).min()
    }

    fn release(&mut self, due: impl Fn(Instant) -> bool, send: &mut impl FnMut(Outgoing)) {
        while self.held.front().is_some_and(|(at, _)| due(*at)) {
            if let Some((_, datagram)) = self.held.pop_front() {
                self.acts += 1;
                send(datagram);
            }
        }
    }

    /// Datagrams that the fault makes up in mid-call.
    fn makes_up(&self) -> u32 {
        match self.fault.fault {
            Fault::StunFlood => FLOOD,
            Fault::DtlsGarbage | Fault::ForgedSrtp => FORGED,
            Fault::ForgedAlert => 10,
            Fault::HandshakeStorm => STORM,
            Fault::LateClientHello | Fault::DtlsRestart => 1,
            _ => 0,
        }
    }

    /// When the one of that number is due: all at once, or spread over the fault's time.
    fn made_at(&self, nth: u32) -> Instant {
        self.fault.at + self.fault.lasts * nth / self.makes_up().max(1)
    }

    /// How many are due by `now`.
    fn made_by(&self, now: Instant) -> u32 {
        let later = |nth: &u32| self.made_at(*nth) > now;
        let all = self.makes_up();
        (self.made..all).find(later).unwrap_or(all)
    }

    /// None of a caller that has sent nothing of the kind: it is not up, or says nothing.
    fn forge(&self, nth: u32) -> Option<Outgoing> {
        let noise = self.noise(nth);
        let pattern = match self.fault.fault {
            Fault::HandshakeStorm | Fault::LateClientHello | Fault::DtlsRestart => &self.hello,
            _ => &self.last,
        };
        let pattern = pattern.as_ref()?;
        let bytes = match self.fault.fault {
            Fault::StunFlood => unknown_check(&noise),
            Fault::DtlsGarbage => garbage_record(&noise),
            Fault::ForgedAlert => alert(nth),
            Fault::LateClientHello => pattern.bytes.clone(),
            Fault::HandshakeStorm | Fault::DtlsRestart => another_hello(&pattern.bytes, &noise),
            _ => forged_audio(&pattern.bytes, nth, &noise),
        };
        Some(Outgoing {
            bytes,
            ..pattern.clone()
        })
    }

    /// Audio before there are keys for it.
    fn speak_early(&self, pattern: &Outgoing, send: &mut impl FnMut(Outgoing)) {
        if self.fault.fault != Fault::EarlyAudio {
            return;
        }
        for nth in 0..EARLY {
            send(Outgoing {
                bytes: keyless_audio(nth, &self.noise(nth)),
                ..pattern.clone()
            });
        }
    }

    /// 64 bytes that look like nothing.
    fn noise(&self, nth: u32) -> Vec<u8> {
        let words = (0..8).map(|word| self.draw(1_000_000 + nth * 8 + word));
        words.flat_map(u64::to_be_bytes).collect()
    }
}

/// What a datagram is to a fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Request,
    Handshake,
    Audio,
    Other,
}

fn kind_of(bytes: &[u8]) -> Kind {
    match (DatagramKind::of(bytes), bytes) {
        (DatagramKind::Stun, [0, 1, ..]) => Kind::Request,
        (DatagramKind::Dtls, _) => Kind::Handshake,
        // RTCP shares the port; its types would be payload types 72 to 79 (RFC 5761).
        (DatagramKind::Srtp, [_, second, ..]) if !(72..=79).contains(&(second & 0x7f)) => {
            Kind::Audio
        }
        _ => Kind::Other,
    }
}
