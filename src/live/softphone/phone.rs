//! One softphone's media: its peer, what it says, and when.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use racegate_media::{Caller, Departure, Frame, PayloadDigest, Sha256, Speech};
use tokio::sync::mpsc;

/// Opus at 50 packets a second.
const FRAME: Duration = Duration::from_millis(20);

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
    /// The other side went first.
    pub(super) departure: Option<Departure>,
}

#[derive(Debug)]
pub(super) struct Phone {
    pub(super) peer: Box<dyn Caller>,
    pub(super) address: SocketAddr,
    pub(super) hang_up_at: Instant,
    /// Holds three messages, which is all that a phone ever says.
    pub(super) progress: mpsc::Sender<Progress>,
    speech: Speech,
    established_at: Option<Instant>,
    /// The next frame, which is also how many have been sent.
    next: u64,
    digest: PayloadDigest,
}

impl Phone {
    pub(super) fn new(
        peer: Box<dyn Caller>,
        address: SocketAddr,
        hang_up_at: Instant,
        speech: Speech,
        progress: mpsc::Sender<Progress>,
    ) -> Self {
        Self {
            peer,
            address,
            hang_up_at,
            progress,
            speech,
            established_at: None,
            next: 0,
            digest: PayloadDigest::new(),
        }
    }

    pub(super) fn establish(&mut self, now: Instant) {
        self.established_at = Some(now);
        self.tell(Progress::Established(now));
    }

    pub(super) fn tell(&self, progress: Progress) {
        // The call may have been given up; then nobody needs to know.
        drop(self.progress.try_send(progress));
    }

    /// When the next frame is due: on an absolute schedule from the moment of establishment, so that lateness does not add up.
    fn due(&self) -> Option<Instant> {
        let since = u32::try_from(self.next)
            .ok()
            .and_then(|next| FRAME.checked_mul(next));
        self.established_at.zip(since).map(|(at, since)| at + since)
    }

    /// When the phone must be looked at next.
    pub(super) fn deadline(&self) -> Instant {
        let others = self.peer.poll_timeout().into_iter().chain(self.due());
        others.fold(self.hang_up_at, Instant::min)
    }

    /// Sends the next frame if it is due, and says when it was. What fell due before the hang-up is sent, however late.
    pub(super) fn speak(&mut self, now: Instant) -> Option<Instant> {
        let due = self
            .due()
            .filter(|due| *due <= now && *due < self.hang_up_at)?;
        let payload = self.speech.frame(self.next);
        self.digest.update(&payload);
        let index = self.next;
        self.peer.send(now, Frame { index, payload });
        self.next += 1;
        Some(due)
    }

    pub(super) fn finish(&self, now: Instant, departure: Option<Departure>) {
        self.tell(Progress::Finished(Finished {
            at: now,
            packets_sent: self.next,
            digest_sent: self.digest.finish(),
            departure,
        }));
    }
}
