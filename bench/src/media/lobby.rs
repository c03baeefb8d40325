//! What the two ends of a bench share beside packets: descriptions, which signalling would carry, and what was counted.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;

/// Lateness beyond a minute is recorded as a minute.
const LATENESS_MAX_US: u64 = 60_000_000;

/// Sessions being set up at once per shard: as many as real callers would queue, and enough to keep a core busy.
pub(super) const IN_FLIGHT: usize = 64;

/// Time per tick and end for handshakes: more would make audio late, less would waste the core while there is no audio.
const HANDSHAKE_BUDGET: Duration = Duration::from_micros(400);

/// Audio that is later than two ticks has no time to spare for handshakes.
const PRESSED: Duration = Duration::from_millis(2);

/// An offer that waits for a caller, with the server's key for it.
#[derive(Debug)]
pub(super) struct Offer {
    pub(super) key: usize,
    pub(super) sdp: String,
}

/// What one shard's ends share.
#[derive(Debug, Default)]
pub(super) struct Lobby {
    inner: Mutex<Inner>,
    hushed: AtomicBool,
    /// Audio was late when it was last sent.
    pressed: AtomicBool,
}

#[derive(Debug, Default)]
pub(super) struct Inner {
    pub(super) offers: VecDeque<Offer>,
    /// Answers, with the key of the offer.
    pub(super) answers: VecDeque<(usize, String)>,
    pub(super) tally: Tally,
}

/// What was counted since the start, or since it was last taken.
#[derive(Debug, Clone)]
pub(super) struct Tally {
    /// Sessions begun.
    pub(super) begun: usize,
    /// Sessions whose caller could speak.
    pub(super) established: usize,
    /// Sessions whose first packet was heard, or in a bench without audio that were established on both sides.
    pub(super) heard: usize,
    /// Sessions that ended though nobody hung up.
    pub(super) departed: usize,
    /// When the first session began and when the last one was heard.
    pub(super) first: Option<Instant>,
    pub(super) last: Option<Instant>,
    /// Audio packets.
    pub(super) sent: u64,
    pub(super) received: u64,
    /// Datagrams that the kernel refused.
    pub(super) refused: u64,
    /// Bytes of finished Ogg pages.
    pub(super) recorded: u64,
    /// From when a packet was due until the kernel had it.
    pub(super) lateness_us: Histogram<u64>,
}

impl Default for Tally {
    fn default() -> Self {
        Self {
            begun: 0,
            established: 0,
            heard: 0,
            departed: 0,
            first: None,
            last: None,
            sent: 0,
            received: 0,
            refused: 0,
            recorded: 0,
            lateness_us: lateness(),
        }
    }
}

/// An empty histogram of lateness.
#[expect(clippy::expect_used, reason = "the bounds are a valid range")]
fn lateness() -> Histogram<u64> {
    Histogram::new_with_bounds(1, LATENESS_MAX_US, 3).expect("the bounds are a valid range")
}

impl Tally {
    /// Records that `count` packets were that late.
    pub(super) fn late(&mut self, lateness: Duration, count: u64) {
        let micros = u64::try_from(lateness.as_micros()).unwrap_or(u64::MAX);
        self.lateness_us
            .saturating_record_n(micros.clamp(1, LATENESS_MAX_US), count);
    }
}

impl Lobby {
    pub(super) fn new() -> Arc<Self> {
        Arc::default()
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, Inner> {
        // A panicking end fails the bench anyway.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Has all callers fall silent, so that what is on its way can arrive and be counted.
    pub(super) fn hush(&self) {
        self.hushed.store(true, Ordering::Release);
    }

    pub(super) fn is_hushed(&self) -> bool {
        self.hushed.load(Ordering::Acquire)
    }

    /// Takes note of how late audio was.
    pub(super) fn note_lateness(&self, lateness: Duration) {
        self.pressed.store(lateness > PRESSED, Ordering::Release);
    }

    /// Whether those who speak have no time to spare for those who want to.
    pub(super) fn is_pressed(&self) -> bool {
        self.pressed.load(Ordering::Acquire)
    }

    /// How long handshakes may take in a tick, beyond the one that is always taken.
    pub(super) fn handshake_budget(&self) -> Duration {
        if self.is_pressed() {
            Duration::ZERO
        } else {
            HANDSHAKE_BUDGET
        }
    }

    /// The counters at this moment.
    pub(super) fn tally(&self) -> Tally {
        self.lock().tally.clone()
    }

    /// Begins a new measurement of lateness.
    pub(super) fn restart_lateness(&self) {
        self.lock().tally.lateness_us.reset();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn handshakes_wait_while_audio_is_late() {
        let lobby = Lobby::new();
        assert_eq!(lobby.handshake_budget(), HANDSHAKE_BUDGET);
        lobby.note_lateness(PRESSED * 2);
        assert!(lobby.is_pressed() && lobby.handshake_budget().is_zero());
        lobby.note_lateness(PRESSED);
        assert_eq!(lobby.handshake_budget(), HANDSHAKE_BUDGET);
    }
}
