//! Persistent sessions whose WebSocket broke: their media goes on, and for a time their softphones may come back to them.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use racegate_model::fault::RECONNECT;
use tokio::time::sleep;

use super::events::EndReason;
use super::handle::{End, Ingest};
use super::signalling::{Leg, end};

/// By session.
#[derive(Default)]
pub(super) struct Parked {
    legs: Mutex<BTreeMap<String, (u64, Leg)>>,
    turn: AtomicU64,
}

impl Parked {
    fn put(&self, session_id: &str, leg: Leg) -> u64 {
        let turn = self.turn.fetch_add(1, Ordering::Relaxed);
        self.legs.lock().insert(session_id.to_owned(), (turn, leg));
        turn
    }

    pub(super) fn take(&self, session_id: &str) -> Option<Leg> {
        self.legs.lock().remove(session_id).map(|(_, leg)| leg)
    }

    /// Takes it unless its softphone came back, whether or not the line broke once more since.
    fn take_put(&self, session_id: &str, turn: u64) -> Option<Leg> {
        let mut legs = self.legs.lock();
        let same = legs.get(session_id).is_some_and(|(put, _)| *put == turn);
        same.then(|| legs.remove(session_id))?.map(|(_, leg)| leg)
    }
}

/// Keeps a session for its softphone to come back to, and ends it if it does not.
pub(super) fn park(ingest: Ingest, session_id: String, leg: Leg) {
    let turn = ingest.parked().put(&session_id, leg);
    tokio::spawn(async move {
        sleep(Duration::from_nanos(RECONNECT.as_nanos())).await;
        if let Some(leg) = ingest.parked().take_put(&session_id, turn) {
            let lost = End {
                reason: EndReason::SignallingLost,
                at: Instant::now(),
                digest: None,
            };
            end(&ingest, &session_id, leg, lost).await;
        }
    });
}
