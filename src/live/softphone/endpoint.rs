//! The media side of all softphones: one socket, a source address per caller.

use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Instant;

use racegate_media::{
    DatagramKind, Departure, Flow, Invitation, PeerError, PeerEvent, PeerOutput, Speech, Stack,
};
use racegate_model::fault::Fault;
use racegate_udp::{Datagram, Endpoint, SendBatch, SendCount, Wheel};
use slab::Slab;
use tokio::sync::{mpsc, oneshot};

use super::meter::Meter;
use super::oddities::Oddities;
use super::phone::{Phone, Progress, Spoken};
use super::tamper::{Outgoing, Tamper, edit_answer, edit_offer};
use super::{Dial, DialMedia, SoftphoneSettings, caller_address};

/// Handshake datagrams that may wait; a flight is sent again after a second, so dropping one heals.
const HANDSHAKES_WAITING_MAX: usize = 8192;

/// Commands taken per tick, so that a storm of calls cannot make audio late.
const COMMANDS_PER_TICK: usize = 32;

/// What a call asks of the media thread.
#[derive(Debug)]
pub(super) enum Command {
    /// Answer this offer.
    Answer {
        dial: Dial,
        offer: String,
        progress: mpsc::Sender<Progress>,
        reply: oneshot::Sender<Result<Answered, PeerError>>,
    },
    /// Make an offer to a server that waits for one.
    Invite {
        reply: oneshot::Sender<Result<Answered, PeerError>>,
    },
    /// Take that server's answer.
    Connect {
        ordinal: u32,
        dial: Dial,
        answer: String,
        progress: mpsc::Sender<Progress>,
        reply: oneshot::Sender<Result<(), PeerError>>,
    },
    /// Offer anew in a session that is up.
    OfferAgain {
        ordinal: u32,
        flow: Flow,
        reply: oneshot::Sender<Option<String>>,
    },
    /// Have a phone that rests speak again.
    Converse {
        ordinal: u32,
        dial: Dial,
        progress: mpsc::Sender<Progress>,
    },
    /// Hang up before the time.
    HangUp { ordinal: u32 },
}

/// A phone that has answered.
#[derive(Debug)]
pub(super) struct Answered {
    pub(super) ordinal: u32,
    pub(super) sdp: String,
}

/// All softphones' media, as a machine: datagrams, commands and time go in.
pub struct SoftphoneEndpoint {
    stack: Arc<dyn Stack>,
    oddities: Oddities,
    /// For calls to foreign servers.
    invited: BTreeMap<u32, Box<dyn Invitation>>,
    commands: mpsc::Receiver<Command>,
    meter: Arc<Meter>,
    first_address: Ipv4Addr,
    port: u16,
    handshakes_per_tick: usize,
    /// The next caller's ordinal. Addresses are taken in turn and not reused at once, so that a late datagram of an old call does
    /// not reach a new one.
    next: u32,
    phones: Slab<Phone>,
    keys: BTreeMap<SocketAddr, usize>,
    wheel: Option<Wheel>,
    due: Vec<usize>,
    handshakes: VecDeque<(SocketAddr, SocketAddr, Vec<u8>)>,
    /// When the frames that wait in the batch were due.
    sending: Vec<Instant>,
}

impl fmt::Debug for SoftphoneEndpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SoftphoneEndpoint")
            .field("phones", &self.phones.len())
            .finish_non_exhaustive()
    }
}

impl SoftphoneEndpoint {
    pub(super) fn new(
        settings: &SoftphoneSettings,
        port: u16,
        stack: Arc<dyn Stack>,
        commands: mpsc::Receiver<Command>,
        meter: Arc<Meter>,
    ) -> Self {
        Self {
            stack,
            oddities: Oddities::default(),
            invited: BTreeMap::new(),
            commands,
            meter,
            first_address: settings.first_address,
            port,
            handshakes_per_tick: settings.handshakes_per_tick,
            next: 0,
            phones: Slab::new(),
            keys: BTreeMap::new(),
            wheel: None,
            due: Vec::new(),
            handshakes: VecDeque::new(),
            sending: Vec::new(),
        }
    }

    fn command(&mut self, now: Instant, command: Command, out: &mut SendBatch) {
        match command {
            Command::Answer {
                dial,
                offer,
                progress,
                reply,
            } => {
                let answered = self.answer(now, &dial, &offer, progress, out);
                let ordinal = answered.as_ref().ok().map(|answered| answered.ordinal);
                if let (Err(_), Some(ordinal)) = (reply.send(answered), ordinal) {
                    self.hang_up(now, ordinal, out);
                }
            }
            Command::Invite { reply } => {
                let invited = self.invite(now);
                let ordinal = invited.as_ref().ok().map(|invited| invited.ordinal);
                if let (Err(_), Some(ordinal)) = (reply.send(invited), ordinal) {
                    self.invited.remove(&ordinal);
                }
            }
            Command::Connect {
                ordinal,
                dial,
                answer,
                progress,
                reply,
            } => {
                let connected = self.connect(now, ordinal, &dial, &answer, progress, out);
                // Whoever asked learns by the progress, too.
                drop(reply.send(connected));
            }
            Command::OfferAgain {
                ordinal,
                flow,
                reply,
            } => {
                // Whoever asked and went away hangs up, too.
                drop(reply.send(self.offer_again(ordinal, flow)));
            }
            Command::Converse {
                ordinal,
                dial,
                progress,
            } => self.converse(now, ordinal, &dial, progress),
            Command::HangUp { ordinal } => {
                self.invited.remove(&ordinal);
                self.hang_up(now, ordinal, out);
            }
        }
    }

    /// Makes an offer by itself.
    fn invite(&mut self, now: Instant) -> Result<Answered, PeerError> {
        let ordinal = self.next;
        let address = caller_address(self.first_address, ordinal, self.port);
        let (invitation, sdp) = self.stack.invite(now, address)?;
        self.next = self.next.wrapping_add(1);
        self.invited.insert(ordinal, invitation);
        Ok(Answered { ordinal, sdp })
    }

    fn connect(
        &mut self,
        now: Instant,
        ordinal: u32,
        dial: &Dial,
        answer: &str,
        progress: mpsc::Sender<Progress>,
        out: &mut SendBatch,
    ) -> Result<(), PeerError> {
        let invitation = self.invited.remove(&ordinal).ok_or(PeerError::NotOffered)?;
        let peer = invitation.accept_answer(now, answer)?;
        let address = caller_address(self.first_address, ordinal, self.port);
        let speech = Speech::of(&dial.conversation_id, dial.clip);
        let phone = Phone::new(peer, address, dial.hang_up_at, Some(speech), progress);
        let phone = phone.dialled(dial);
        let key = self.phones.insert(phone);
        self.keys.insert(address, key);
        self.drain(now, key, out);
        Ok(())
    }

    fn answer(
        &mut self,
        now: Instant,
        dial: &Dial,
        offer: &str,
        progress: mpsc::Sender<Progress>,
        out: &mut SendBatch,
    ) -> Result<Answered, PeerError> {
        let ordinal = self.next;
        let address = caller_address(self.first_address, ordinal, self.port);
        let edited = dial.fault.map(|met| edit_offer(met.fault, offer));
        let offer = edited.as_deref().unwrap_or(offer);
        let stack = self.oddities.stack(dial.fault, &self.stack)?;
        let odd = !Arc::ptr_eq(&stack, &self.stack);
        let (peer, mut sdp) = stack.answer(now, address, offer)?;
        self.next = self.next.wrapping_add(1);
        let speech =
            (dial.media == DialMedia::Audio).then(|| Speech::of(&dial.conversation_id, dial.clip));
        let mut phone = Phone::new(peer, address, dial.hang_up_at, speech, progress).dialled(dial);
        let mut alias = None;
        if let Some(fault) = dial.fault {
            sdp = edit_answer(fault.fault, &sdp);
            let other = caller_address(self.first_address, self.next, self.port);
            self.next = self.next.wrapping_add(1);
            if fault.fault == Fault::TwoPaths {
                phone.peer.add_address(now, other);
            }
            let acts = u64::from(odd || fault.fault == Fault::TwoPaths);
            phone = phone.with_fault(fault, Tamper::new(fault, now, other), acts);
            alias = Some(other);
        }
        let key = self.phones.insert(phone);
        self.keys.insert(address, key);
        self.keys.extend(alias.map(|alias| (alias, key)));
        self.drain(now, key, out);
        Ok(Answered { ordinal, sdp })
    }

    fn offer_again(&mut self, ordinal: u32, flow: Flow) -> Option<String> {
        let address = caller_address(self.first_address, ordinal, self.port);
        let phone = self.phones.get_mut(*self.keys.get(&address)?)?;
        phone.peer.offer_again(flow)
    }

    /// If the phone is gone, so is `progress`, and its call learns by that.
    fn converse(
        &mut self,
        now: Instant,
        ordinal: u32,
        dial: &Dial,
        progress: mpsc::Sender<Progress>,
    ) {
        let address = caller_address(self.first_address, ordinal, self.port);
        let Some(key) = self.keys.get(&address).copied() else {
            return;
        };
        let speech =
            (dial.media == DialMedia::Audio).then(|| Speech::of(&dial.conversation_id, dial.clip));
        let phone = &mut self.phones[key];
        phone.converse(now, dial, speech, progress);
        self.file(now, key);
    }

    /// Files the phone's next deadline.
    fn file(&mut self, now: Instant, key: usize) {
        if let Some(deadline) = self.phones[key].deadline() {
            self.wheel
                .get_or_insert_with(|| Wheel::new(now))
                .arm(key, deadline);
        }
    }

    fn hang_up(&mut self, now: Instant, ordinal: u32, out: &mut SendBatch) {
        let address = caller_address(self.first_address, ordinal, self.port);
        if let Some(key) = self.keys.get(&address) {
            self.leave(now, *key, out);
        }
    }

    /// Says goodbye and removes the phone.
    fn leave(&mut self, now: Instant, key: usize, out: &mut SendBatch) {
        if let Some(tamper) = &mut self.phones[key].tamper {
            tamper.flush(&mut |datagram| push(out, &datagram));
        }
        self.phones[key].peer.close(now);
        self.drain(now, key, out);
        self.remove(now, key, None);
    }

    fn remove(&mut self, now: Instant, key: usize, departure: Option<Departure>) {
        let Some(mut phone) = self.phones.try_remove(key) else {
            return;
        };
        self.keys.remove(&phone.address);
        if let Some(tamper) = &phone.tamper {
            self.keys.remove(&tamper.alias());
        }
        if let Some(wheel) = &mut self.wheel {
            wheel.disarm(key);
        }
        phone.finish_call(now, departure);
    }

    fn feed(
        &mut self,
        now: Instant,
        source: SocketAddr,
        address: SocketAddr,
        bytes: &[u8],
        out: &mut SendBatch,
    ) {
        let Some(key) = self.keys.get(&address).copied() else {
            return;
        };
        let phone = &mut self.phones[key];
        let admits = |tamper: &mut Box<Tamper>| tamper.admits(now, bytes);
        if phone.tamper.as_mut().is_none_or(admits) {
            // Whatever address it was sent to, the peer knows of one, unless it checks two paths.
            let two = phone.fault.is_some_and(|met| met.fault == Fault::TwoPaths);
            let own = if two { address } else { phone.address };
            phone.peer.handle_datagram(now, source, own, bytes);
            self.drain(now, key, out);
        }
    }

    /// Carries out what the phone's peer wants, and files its next deadline.
    fn drain(&mut self, now: Instant, key: usize, out: &mut SendBatch) {
        let phone = &mut self.phones[key];
        let mut departed = None;
        while let Some(output) = phone.peer.poll_output() {
            match output {
                PeerOutput::Transmit {
                    source,
                    destination,
                    bytes,
                } => {
                    let datagram = Outgoing {
                        source,
                        destination,
                        bytes,
                    };
                    match &mut phone.tamper {
                        None => push(out, &datagram),
                        Some(tamper) => tamper.outgoing(now, datagram, &mut |d| push(out, &d)),
                    }
                }
                PeerOutput::Event(PeerEvent::PathFound) => phone.tell(Progress::PathFound),
                PeerOutput::Event(PeerEvent::Established) => phone.establish(now),
                PeerOutput::Event(PeerEvent::Departed(departure)) => departed = Some(departure),
                PeerOutput::Event(PeerEvent::Received(_)) => {}
            }
        }
        match departed {
            Some(departure) => self.remove(now, key, Some(departure)),
            None => self.file(now, key),
        }
    }

    fn expire(&mut self, now: Instant, key: usize, out: &mut SendBatch) {
        let Some(phone) = self.phones.get_mut(key) else {
            return;
        };
        if let Some(tamper) = &mut phone.tamper {
            tamper.handle_timeout(now, &mut |datagram| push(out, &datagram));
        }
        phone.stall(now);
        phone.close_early(now);
        let mut spoke = false;
        while let Some(spoken) = phone.speak(now) {
            if let Spoken::Sent(due) = spoken {
                self.sending.push(due);
                spoke = true;
            }
        }
        let over = phone.is_over(now);
        if !spoke && !over {
            phone.peer.handle_timeout(now);
        }
        self.drain(now, key, out);
        if over && let Some(phone) = self.phones.get_mut(key) {
            if phone.stays() {
                phone.rest(now);
                self.file(now, key);
            } else {
                self.leave(now, key, out);
            }
        }
    }
}

impl Endpoint for SoftphoneEndpoint {
    fn name(&self) -> &'static str {
        "softphones"
    }

    fn handle_datagram(&mut self, now: Instant, datagram: &Datagram<'_>, out: &mut SendBatch) {
        let (source, address) = (
            SocketAddr::V4(datagram.source),
            SocketAddr::V4(datagram.destination),
        );
        if DatagramKind::of(datagram.bytes) != DatagramKind::Dtls {
            self.feed(now, source, address, datagram.bytes, out);
        } else if self.keys.contains_key(&address) && self.handshakes.len() < HANDSHAKES_WAITING_MAX
        {
            self.handshakes
                .push_back((source, address, datagram.bytes.to_vec()));
        }
    }

    fn handle_control(&mut self, now: Instant, out: &mut SendBatch) {
        for _ in 0..self.handshakes_per_tick {
            let Some((source, address, bytes)) = self.handshakes.pop_front() else {
                break;
            };
            self.feed(now, source, address, &bytes, out);
        }
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
        let keys: Vec<_> = self.phones.iter().map(|(key, _)| key).collect();
        for key in keys {
            self.leave(now, key, out);
        }
    }

    fn handle_sent(&mut self, now: Instant, count: SendCount) {
        if self.sending.is_empty() && count.refused == 0 {
            return;
        }
        let lateness = self
            .sending
            .drain(..)
            .map(|due| now.saturating_duration_since(due));
        self.meter.count_sent(lateness, count);
    }
}

fn push(out: &mut SendBatch, datagram: &Outgoing) {
    if let (SocketAddr::V4(source), SocketAddr::V4(destination)) =
        (datagram.source, datagram.destination)
    {
        out.push(Some(*source.ip()), destination, &datagram.bytes);
    }
}
