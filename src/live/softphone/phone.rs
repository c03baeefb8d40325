//! One softphone's media: its peer, what it says, and when.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use racegate_media::{Caller, Departure, Form, Frame, PayloadDigest, Sha256, Speech};
use racegate_model::fault::Fault;
use tokio::sync::mpsc;

use super::pace::{Pace, redundant};
use super::tamper::Tamper;
use super::{Connection, Dial, DialFault, Silence};

/// Sequence numbers leap by that much at each of these frames: a receiver can follow, and they wrap.
const LEAP: u64 = 30_000;
const LEAPS: [u64; 3] = [10, 20, 30];
/// Frames that a jump leaves out.
const JUMP: u64 = 50;
/// Samples by which time jumps.
const TIME_JUMP: u64 = 96_000;
/// In discontinuous transmission one frame in so many is sent.
const DTX_EVERY: u64 = 20;
/// One frame in so many is empty, or followed by a packet of another kind.
const EMPTY_EVERY: u64 = 10;
/// A payload type that nobody agrees on.
const UNKNOWN_TYPE: u8 = 100;
/// The payload type that browsers give RED.
const RED_TYPE: u8 = 63;
/// One element of RFC 8285's one-byte form: id 1, three bytes.
const EXTENSION: (u16, &[u8]) = (0xbede, &[0x12, 0xab, 0xcd, 0xef]);
/// By how much a clock steps.
const CLOCK_STEP: Duration = Duration::from_secs(3600);

/// What a phone tells its call.
#[derive(Debug)]
pub(super) enum Progress {
    /// A path was found.
    PathFound,
    /// Audio flows from now on.
    Established(Instant),
    /// The phone is gone.
    Finished(Finished),
}

/// What a phone leaves.
#[derive(Debug)]
pub(super) struct Finished {
    pub(super) at: Instant,
    pub(super) packets_sent: u64,
    pub(super) digest_sent: Sha256,
    /// What it said, packet by packet; of faulty sessions only.
    pub(super) payloads: Vec<Arc<[u8]>>,
    /// The other side went first.
    pub(super) departure: Option<Departure>,
    /// How often its fault did something.
    pub(super) acts: u64,
}

impl Finished {
    /// What a call leaves in which nothing was said.
    pub(super) fn of_silence() -> Self {
        Self {
            at: Instant::now(),
            packets_sent: 0,
            digest_sent: PayloadDigest::new().finish(),
            payloads: Vec::new(),
            departure: None,
            acts: 0,
        }
    }
}

#[derive(Debug)]
pub(super) struct Phone {
    pub(super) peer: Box<dyn Caller>,
    pub(super) address: SocketAddr,
    /// None while it rests.
    hang_up_at: Option<Instant>,
    connection: Connection,
    silence: Silence,
    /// Holds all that a phone says on one call, and that it is gone.
    pub(super) progress: mpsc::Sender<Progress>,
    /// What its datagrams meet.
    pub(super) tamper: Option<Box<Tamper>>,
    pub(super) fault: Option<DialFault>,
    pace: Pace,
    /// When it did what its fault does once.
    acted_at: Option<Instant>,
    /// How often its fault did something, its datagrams apart.
    acts: u64,
    /// None says nothing.
    speech: Option<Speech>,
    established_at: Option<Instant>,
    /// When it could speak first: RTP time goes on from call to call.
    began_at: Option<Instant>,
    /// The next frame by the clock.
    next: u64,
    /// The next sequence number.
    sequence: u64,
    /// Samples by which RTP time has been put forward.
    ahead: u64,
    sent: u64,
    digest: PayloadDigest,
    payloads: Vec<Arc<[u8]>>,
    /// It has said goodbye by itself and stays on the line.
    closed: bool,
}

impl Phone {
    pub(super) fn new(
        peer: Box<dyn Caller>,
        address: SocketAddr,
        hang_up_at: Instant,
        speech: Option<Speech>,
        progress: mpsc::Sender<Progress>,
    ) -> Self {
        Self {
            peer,
            address,
            hang_up_at: Some(hang_up_at),
            connection: Connection::PerCall,
            silence: Silence::Sent,
            progress,
            tamper: None,
            fault: None,
            pace: Pace::of(None),
            acted_at: None,
            acts: 0,
            speech,
            established_at: None,
            began_at: None,
            next: 0,
            sequence: 0,
            ahead: 0,
            sent: 0,
            digest: PayloadDigest::new(),
            payloads: Vec::new(),
            closed: false,
        }
    }

    /// Makes it a phone with a fault, which has done something so often already.
    pub(super) fn with_fault(mut self, fault: DialFault, tamper: Tamper, acts: u64) -> Self {
        self.fault = Some(fault);
        self.pace = Pace::of(Some(fault.fault));
        self.acts = acts + u64::from(self.pace != Pace::of(None));
        self.tamper = Some(Box::new(tamper));
        self
    }

    /// Makes it keep its connection, and its silence, as the call is to have them.
    pub(super) fn dialled(mut self, dial: &Dial) -> Self {
        self.connection = dial.connection;
        self.silence = dial.silence;
        self
    }

    pub(super) fn establish(&mut self, now: Instant) {
        self.established_at = Some(now);
        self.began_at.get_or_insert(now);
        self.tell(Progress::Established(now));
    }

    /// Whether its call is over.
    pub(super) fn is_over(&self, now: Instant) -> bool {
        self.hang_up_at.is_some_and(|at| at <= now)
    }

    /// Whether it stays on the line when its call is over.
    pub(super) fn stays(&self) -> bool {
        self.connection == Connection::Persistent && self.established_at.is_some()
    }

    /// Ends the call and keeps the session.
    pub(super) fn rest(&mut self, now: Instant) {
        self.finish_call(now, None);
        self.hang_up_at = None;
        self.established_at = None;
        self.speech = None;
    }

    /// Begins another call on the session: its frames are counted from the beginning, and RTP's numbers and time go on.
    pub(super) fn converse(
        &mut self,
        now: Instant,
        dial: &Dial,
        speech: Option<Speech>,
        progress: mpsc::Sender<Progress>,
    ) {
        let passed = self
            .began_at
            .map_or(Duration::ZERO, |at| now.saturating_duration_since(at));
        // Whole frames, so that it stays on the grid.
        let frames =
            u64::try_from(passed.as_nanos() / self.pace.length.as_nanos()).unwrap_or(u64::MAX);
        self.ahead = (frames + 1) * u64::from(self.pace.samples);
        self.next = 0;
        self.hang_up_at = Some(dial.hang_up_at);
        self.silence = dial.silence;
        self.speech = speech;
        self.progress = progress;
        self.establish(now);
    }

    pub(super) fn tell(&self, progress: Progress) {
        // The call may have been given up; then nobody needs to know.
        drop(self.progress.try_send(progress));
    }

    /// When the next frame is due: on an absolute schedule from the moment of establishment, so that lateness does not add up.
    fn due(&self) -> Option<Instant> {
        if self.closed || self.speech.is_none() {
            return None;
        }
        let since = u32::try_from(self.next)
            .ok()
            .and_then(|next| self.pace.length.checked_mul(next));
        self.established_at.zip(since).map(|(at, since)| at + since)
    }

    /// When the phone must be looked at next.
    pub(super) fn deadline(&self) -> Option<Instant> {
        let tamper = self
            .tamper
            .as_ref()
            .and_then(|tamper| tamper.poll_timeout());
        let acting = self.closes_by_itself().or(self.stands_still());
        let closing = acting.map(|fault| fault.at);
        let others = self.peer.poll_timeout().into_iter().chain(self.due());
        let others = others.chain(tamper).chain(closing).chain(self.hang_up_at);
        others.min()
    }

    fn closes_by_itself(&self) -> Option<DialFault> {
        self.fault
            .filter(|fault| fault.fault == Fault::CloseNotify && !self.closed)
    }

    /// Stands still, and with it the thread and everybody on it, if that is its fault and it is time.
    pub(super) fn stall(&mut self, now: Instant) {
        let stalls = self.stands_still().filter(|fault| fault.at <= now);
        if let Some(fault) = stalls {
            (self.acted_at, self.acts) = (Some(now), self.acts + 1);
            racegate_udp::stall(fault.lasts);
        }
    }

    fn stands_still(&self) -> Option<DialFault> {
        self.fault
            .filter(|fault| fault.fault == Fault::ShardStall && self.acted_at.is_none())
    }

    /// Says goodbye without hanging up, if that is its fault and it is time.
    pub(super) fn close_early(&mut self, now: Instant) {
        if self.closes_by_itself().is_some_and(|fault| fault.at <= now) {
            (self.closed, self.acts) = (true, self.acts + 1);
            self.peer.close(now);
        }
    }

    /// Has the next frame's turn if it is due. What fell due before the hang-up is sent, however late.
    pub(super) fn speak(&mut self, now: Instant) -> Option<Spoken> {
        let over = self.hang_up_at;
        let due = self
            .due()
            .filter(|due| *due <= now && over.is_some_and(|over| *due < over))?;
        let speech = self.speech?;
        let frame = self.next;
        self.next += 1;
        self.act(now, due);
        let turn = self.turn(due, frame);
        self.acts += u64::from(turn.is_some());
        // A fault is predicted for a call in which every frame is sent.
        let dtx = self.silence == Silence::Dtx && self.fault.is_none();
        let payload = if dtx {
            speech.discontinuous(frame)
        } else {
            Some(speech.packet(frame, self.pace.samples))
        };
        let Some(payload) = payload else {
            return Some(Spoken::Nothing);
        };
        let mut packet = Packet {
            payload,
            form: Form::default(),
        };
        match turn.unwrap_or(Turn::Speak) {
            Turn::Speak => self.send(now, frame, packet),
            Turn::Extend => {
                packet.form.extension = Some(EXTENSION);
                self.send(now, frame, packet);
            }
            Turn::Wrap => {
                self.note_said(&packet.payload);
                packet.payload = redundant(&packet.payload, &speech.frame(frame.saturating_sub(1)));
                packet.form.payload_type = Some(RED_TYPE);
                self.transmit(now, frame, packet);
            }
            Turn::Follow => {
                let mut other = packet.clone();
                other.form.payload_type = Some(UNKNOWN_TYPE);
                self.send(now, frame, packet);
                self.transmit(now, frame, other);
            }
            Turn::Pad => {
                packet.payload = Arc::from([]);
                self.send(now, frame, packet);
            }
            Turn::Pause => return Some(Spoken::Nothing),
        }
        Some(Spoken::Sent(due))
    }

    /// Says a packet: it is to be heard as it is.
    fn send(&mut self, now: Instant, frame: u64, packet: Packet) {
        if !packet.payload.is_empty() {
            self.note_said(&packet.payload);
        }
        self.transmit(now, frame, packet);
    }

    fn note_said(&mut self, payload: &Arc<[u8]>) {
        self.digest.update(payload);
        self.sent += 1;
        if self.fault.is_some() {
            self.payloads.push(Arc::clone(payload));
        }
    }

    fn transmit(&mut self, now: Instant, frame: u64, packet: Packet) {
        let Packet { payload, form } = packet;
        let time = frame * u64::from(self.pace.samples) + self.ahead;
        let index = self.sequence;
        self.sequence += 1;
        self.peer
            .send_formed(now, Frame { index, payload }, time, form);
    }

    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "of some eighty faults these do something to the peer, once"
    )]
    fn act(&mut self, now: Instant, due: Instant) {
        let Some(fault) = self
            .fault
            .filter(|fault| due >= fault.at && self.acted_at.is_none())
        else {
            return;
        };
        if fault.fault == Fault::ShardStall {
            return;
        }
        self.acted_at = Some(now);
        match fault.fault {
            Fault::SsrcChange => self.peer.change_source(),
            Fault::ByeThenAudio => self.peer.say_bye(now),
            Fault::ClockStep => self.peer.step_clock(CLOCK_STEP),
            _ => return,
        }
        self.acts += 1;
    }

    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "of some eighty faults these change what is said"
    )]
    /// What the phone does with a frame's turn; a fault may change it, and the numbers that follow. `None` where none does.
    fn turn(&mut self, due: Instant, frame: u64) -> Option<Turn> {
        let strikes = |fault: &DialFault| due >= fault.at;
        let fault = self.fault.filter(strikes)?;
        let within = due < fault.at + fault.lasts;
        let turn = match fault.fault {
            Fault::Pause | Fault::HoldResume if within => Turn::Pause,
            Fault::RtcpOnly => Turn::Pause,
            Fault::HeaderExtensions => Turn::Extend,
            Fault::Red if within => Turn::Wrap,
            Fault::UnknownPayloadType if frame.is_multiple_of(EMPTY_EVERY) => Turn::Follow,
            Fault::Dtx if within && !frame.is_multiple_of(DTX_EVERY) => Turn::Pause,
            Fault::EmptyPayload if frame.is_multiple_of(EMPTY_EVERY) => Turn::Pad,
            Fault::SequenceJump if self.sequence < JUMP + frame => {
                self.sequence += JUMP;
                Turn::Speak
            }
            Fault::RocWrap if LEAPS.contains(&frame) => {
                self.sequence += LEAP;
                Turn::Speak
            }
            Fault::TimestampJump => {
                self.ahead = TIME_JUMP;
                Turn::Speak
            }
            _ => return None,
        };
        Some(turn)
    }

    /// Tells what was said on the call, and begins a new count.
    pub(super) fn finish_call(&mut self, now: Instant, departure: Option<Departure>) {
        let digest = std::mem::take(&mut self.digest);
        let finished = Finished {
            at: now,
            packets_sent: std::mem::take(&mut self.sent),
            digest_sent: digest.finish(),
            payloads: std::mem::take(&mut self.payloads),
            departure,
            acts: self.acts + self.tamper.as_ref().map_or(0, |tamper| tamper.acts()),
        };
        self.tell(Progress::Finished(finished));
    }
}

/// A packet that is about to be sent.
#[derive(Debug, Clone)]
struct Packet {
    payload: Arc<[u8]>,
    form: Form,
}

/// What came of a frame's turn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Spoken {
    /// A packet, which was due then.
    Sent(Instant),
    Nothing,
}

/// What a phone does when a frame is due.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Turn {
    Speak,
    /// The same with a header extension.
    Extend,
    /// The same wrapped as RED.
    Wrap,
    /// The same, and another of a type that nobody knows.
    Follow,
    /// A packet without audio.
    Pad,
    Pause,
}
