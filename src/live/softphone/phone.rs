//! One softphone's media: its peer, what it says, and when.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use racegate_media::{Caller, Departure, FRAME_SAMPLES, Frame, PayloadDigest, Sha256, Speech};
use racegate_model::fault::Fault;
use tokio::sync::mpsc;

use super::tamper::Tamper;
use super::{Connection, Dial, DialFault, Silence};

/// Opus at 50 packets a second.
const FRAME: Duration = Duration::from_millis(20);
/// Sequence numbers leap by that much at each of these frames: a receiver can follow, and they wrap.
const LEAP: u64 = 30_000;
const LEAPS: [u64; 3] = [10, 20, 30];
/// Frames that a jump leaves out.
const JUMP: u64 = 50;
/// Samples by which time jumps.
const TIME_JUMP: u64 = 96_000;
/// In discontinuous transmission one frame in so many is sent.
const DTX_EVERY: u64 = 20;
/// One frame in so many is empty.
const EMPTY_EVERY: u64 = 10;

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
    fault: Option<DialFault>,
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

    /// Makes it a phone with a fault.
    pub(super) fn with_fault(mut self, fault: DialFault, tamper: Tamper) -> Self {
        self.fault = Some(fault);
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
        let frames = u64::try_from(passed.as_nanos() / FRAME.as_nanos()).unwrap_or(u64::MAX);
        self.ahead = (frames + 1) * u64::from(FRAME_SAMPLES);
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
            .and_then(|next| FRAME.checked_mul(next));
        self.established_at.zip(since).map(|(at, since)| at + since)
    }

    /// When the phone must be looked at next.
    pub(super) fn deadline(&self) -> Option<Instant> {
        let tamper = self
            .tamper
            .as_ref()
            .and_then(|tamper| tamper.poll_timeout());
        let closing = self.closes_by_itself().map(|fault| fault.at);
        let others = self.peer.poll_timeout().into_iter().chain(self.due());
        let others = others.chain(tamper).chain(closing).chain(self.hang_up_at);
        others.min()
    }

    fn closes_by_itself(&self) -> Option<DialFault> {
        self.fault
            .filter(|fault| fault.fault == Fault::CloseNotify && !self.closed)
    }

    /// Says goodbye without hanging up, if that is its fault and it is time.
    pub(super) fn close_early(&mut self, now: Instant) {
        if self.closes_by_itself().is_some_and(|fault| fault.at <= now) {
            self.closed = true;
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
        let turn = self.turn(due, frame);
        // A fault is predicted for a call in which every frame is sent.
        let dtx = self.silence == Silence::Dtx && self.fault.is_none();
        let payload = match turn {
            Turn::Speak if dtx => speech.discontinuous(frame),
            Turn::Speak => Some(speech.frame(frame)),
            Turn::Pad => Some(Arc::from([])),
            Turn::Pause => None,
        };
        let Some(payload) = payload else {
            return Some(Spoken::Nothing);
        };
        self.send(now, frame, payload);
        Some(Spoken::Sent(due))
    }

    fn send(&mut self, now: Instant, frame: u64, payload: Arc<[u8]>) {
        if !payload.is_empty() {
            self.digest.update(&payload);
            self.sent += 1;
            if self.fault.is_some() {
                self.payloads.push(Arc::clone(&payload));
            }
        }
        let time = frame * u64::from(FRAME_SAMPLES) + self.ahead;
        let index = self.sequence;
        self.sequence += 1;
        self.peer.send_at(now, Frame { index, payload }, time);
    }

    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "of some forty faults these change what is said"
    )]
    /// What the phone does with a frame's turn; a fault may change it, and the numbers that follow.
    fn turn(&mut self, due: Instant, frame: u64) -> Turn {
        let strikes = |fault: &DialFault| due >= fault.at;
        let Some(fault) = self.fault.filter(strikes) else {
            return Turn::Speak;
        };
        let within = due < fault.at + fault.lasts;
        match fault.fault {
            Fault::Pause if within => Turn::Pause,
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
            _ => Turn::Speak,
        }
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
        };
        self.tell(Progress::Finished(finished));
    }
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
    /// A packet without audio.
    Pad,
    Pause,
}
