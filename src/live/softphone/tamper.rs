//! Faults at the datagram boundary: what a phone sends and receives is dropped, doubled, delayed, altered or made up.

#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "each place acts on a few of some forty faults; what it does not know it lets through"
)]

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use racegate_media::DatagramKind;
use racegate_model::draws::{Draws, Purpose};
use racegate_model::fault::{Fault, FaultGroup};

use super::DialFault;

/// Datagrams of noise that a fault makes up.
const FORGED: u32 = 50;
/// Checks of a flood.
const FLOOD: u32 = 200;
/// A copy comes so much later.
const REPLAY_AFTER: Duration = Duration::from_millis(200);
/// A flight of a handshake comes within this time.
const FLIGHT: Duration = Duration::from_millis(300);
/// The most that jitter delays a packet by, in microseconds.
const JITTER_MAX_US: u64 = 15_000;

/// A datagram on its way out.
#[derive(Debug, Clone)]
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
    first_handshake_in: Option<Instant>,
    /// What waits, in order of release.
    held: VecDeque<(Instant, Outgoing)>,
    /// The last audio packet, as a pattern for forgeries.
    last: Option<Outgoing>,
    forged: bool,
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
            first_handshake_in: None,
            held: VecDeque::new(),
            last: None,
            forged: false,
        }
    }

    /// The address that the phone has besides its own.
    pub(super) fn alias(&self) -> SocketAddr {
        self.alias
    }

    /// Whether a datagram that came in reaches the phone.
    pub(super) fn admits(&mut self, now: Instant, bytes: &[u8]) -> bool {
        match self.fault.fault {
            Fault::AbruptClose | Fault::Vanish => now < self.fault.at,
            Fault::FlightLoss if DatagramKind::of(bytes) == DatagramKind::Dtls => {
                let first = *self.first_handshake_in.get_or_insert(now);
                now >= first + FLIGHT
            }
            _ => true,
        }
    }

    /// Hands what becomes of a datagram to `send`.
    pub(super) fn outgoing(
        &mut self,
        now: Instant,
        mut datagram: Outgoing,
        send: &mut impl FnMut(Outgoing),
    ) {
        let kind = kind_of(&datagram.bytes);
        if kind == Kind::Audio {
            self.last = Some(datagram.clone());
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

    fn handshake(&mut self, kind: Kind, datagram: Outgoing, send: &mut impl FnMut(Outgoing)) {
        if kind == Kind::Handshake {
            self.handshakes_out += 1;
            match self.fault.fault {
                Fault::HalfOpen if self.handshakes_out > 1 => return,
                Fault::DuplicateHandshake => send(datagram.clone()),
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
            Fault::Jitter | Fault::Stall if !self.held.is_empty() => {
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
        if now >= self.fault.at && !self.forged && self.makes_up() {
            self.forged = true;
            if let Some(pattern) = self.last.clone() {
                self.forge(&pattern, send);
            }
        }
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
        let making = (self.makes_up() && !self.forged).then_some(self.fault.at);
        let release = self.held.front().map(|(at, _)| *at);
        making.into_iter().chain(release).min()
    }

    fn release(&mut self, due: impl Fn(Instant) -> bool, send: &mut impl FnMut(Outgoing)) {
        while self.held.front().is_some_and(|(at, _)| due(*at)) {
            if let Some((_, datagram)) = self.held.pop_front() {
                send(datagram);
            }
        }
    }

    fn makes_up(&self) -> bool {
        matches!(
            self.fault.fault,
            Fault::StunFlood | Fault::DtlsGarbage | Fault::ForgedSrtp
        )
    }

    fn forge(&self, pattern: &Outgoing, send: &mut impl FnMut(Outgoing)) {
        let count = match self.fault.fault {
            Fault::StunFlood => FLOOD,
            _ => FORGED,
        };
        for nth in 0..count {
            let noise = self.noise(nth);
            let bytes = match self.fault.fault {
                Fault::StunFlood => unknown_check(&noise),
                Fault::DtlsGarbage => garbage_record(&noise),
                _ => forged_audio(&pattern.bytes, nth, &noise),
            };
            send(Outgoing {
                bytes,
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

/// A binding request for a session that there is not.
fn unknown_check(noise: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0, 1, 0, 12, 0x21, 0x12, 0xa4, 0x42];
    bytes.extend(&noise[..12]);
    bytes.extend([0, 6, 0, 8]);
    bytes.extend(noise[12..16].iter().map(|byte| b'A' + byte % 26));
    bytes.extend(b":abc");
    bytes
}

/// A handshake record of noise.
fn garbage_record(noise: &[u8]) -> Vec<u8> {
    let mut bytes = vec![22, 0xfe, 0xfd, 0, 0, 0, 0, 0, 0, 0, noise[0], 0, 40];
    bytes.extend(&noise[..40]);
    bytes
}

/// A packet with a plausible header and nothing genuine behind it.
fn forged_audio(pattern: &[u8], nth: u32, noise: &[u8]) -> Vec<u8> {
    let mut bytes = pattern.to_vec();
    if let [_, _, high, low, ..] = bytes.as_mut_slice() {
        let sequence = u16::from_be_bytes([*high, *low]);
        let next = sequence.wrapping_add(1 + u16::try_from(nth).unwrap_or(0));
        [*high, *low] = next.to_be_bytes();
    }
    for (byte, noise) in bytes.iter_mut().skip(12).zip(noise) {
        *byte ^= noise | 1;
    }
    bytes
}

/// What a phone of a faulty session sees of the offer.
pub(super) fn edit_offer(fault: Fault, offer: &str) -> String {
    match fault {
        Fault::WrongUfrag => replace(offer, "a=ice-ufrag:", "nobody01"),
        Fault::WrongPassword => replace(offer, "a=ice-pwd:", "0123456789abcdefghijklmn"),
        _ => offer.to_owned(),
    }
}

/// What a server sees of a faulty session's answer.
pub(super) fn edit_answer(fault: Fault, answer: &str) -> String {
    match fault {
        Fault::WrongFingerprint => {
            let print = ["00"; 32].join(":");
            replace(answer, "a=fingerprint:", &format!("sha-256 {print}"))
        }
        Fault::WrongRole => {
            let other = if answer.contains("a=setup:active") {
                "passive"
            } else {
                "active"
            };
            replace(answer, "a=setup:", other)
        }
        Fault::HugeAnswer => {
            let line = format!("a=x-padding:{}\r\n", "x".repeat(500));
            format!("{answer}{}", line.repeat(160))
        }
        _ => answer.to_owned(),
    }
}

fn replace(sdp: &str, key: &str, value: &str) -> String {
    let line = |line: &str| match line.strip_prefix(key) {
        Some(_) => format!("{key}{value}\r\n"),
        None => format!("{line}\r\n"),
    };
    sdp.lines().map(line).collect()
}
