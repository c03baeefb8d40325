//! Where persistent sessions can be reached: by their WebSocket, or when it broke by none for a time, while their media goes on.
//!
//! A softphone may come back before the server knows that its old WebSocket is dead (a NAT forgets a connection and tells nobody). Then
//! the old one gives up what it holds.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use racegate_model::fault::RECONNECT;
use tokio::sync::{mpsc, oneshot};
use tokio::time::{sleep, timeout};

use super::events::EndReason;
use super::handle::{End, add};
use super::signalling::{Leg, end};

/// Claims that may wait for one WebSocket; the first is the end of it.
pub(super) const CLAIMS_MAX: usize = 4;

/// How long a WebSocket may take to give a session up. It does nothing else that waits for anybody but the media thread.
const GIVE_UP_WITHIN: Duration = Duration::from_secs(2);

/// A session breaks off and is parked while it is claimed; it cannot do so twice without having been found in between.
const TRIES: usize = 3;

/// Another WebSocket wants a session.
#[derive(Debug)]
pub(super) struct Claim {
    pub(super) session_id: String,
    pub(super) reply: oneshot::Sender<Leg>,
}

/// All persistent sessions of a server, whatever their shards.
pub(super) struct Parked {
    places: Mutex<Places>,
    /// Sessions without media that may be parked at once.
    silent_max: usize,
}

#[derive(Default)]
struct Places {
    by_session: BTreeMap<String, Place>,
    /// Those parked that have no media, in the order in which they came. The others are bounded by the ingest.
    silent: BTreeMap<u64, String>,
    turn: u64,
}

enum Place {
    /// A WebSocket has it, and hears claims here.
    Held(mpsc::Sender<Claim>),
    /// Nobody has it.
    Parked(u64, Leg),
}

impl Places {
    fn take(&mut self, session_id: &str) -> Option<Leg> {
        let Some(Place::Parked(turn, leg)) = self.by_session.remove(session_id) else {
            return None;
        };
        self.silent.remove(&turn);
        Some(leg)
    }
}

impl Parked {
    pub(super) fn new(silent_max: usize) -> Self {
        Self {
            places: Mutex::default(),
            silent_max,
        }
    }

    /// A WebSocket has that session now.
    pub(super) fn hold(&self, session_id: &str, claims: &mpsc::Sender<Claim>) {
        let held = Place::Held(claims.clone());
        let mut places = self.places.lock();
        places.by_session.insert(session_id.to_owned(), held);
    }

    /// The session is over, unless another WebSocket has it by now.
    pub(super) fn forget(&self, session_id: &str, claims: &mpsc::Sender<Claim>) {
        let mut places = self.places.lock();
        let place = places.by_session.get(session_id);
        if matches!(place, Some(Place::Held(held)) if held.same_channel(claims)) {
            places.by_session.remove(session_id);
        }
    }

    /// Parks it. The session that has been parked for longest must go if they become too many.
    fn put(&self, session_id: &str, leg: Leg) -> (u64, Option<(String, Leg)>) {
        let mut places = self.places.lock();
        places.turn += 1;
        let turn = places.turn;
        if leg.is_silent() {
            places.silent.insert(turn, session_id.to_owned());
        }
        let parked = Place::Parked(turn, leg);
        places.by_session.insert(session_id.to_owned(), parked);
        if places.silent.len() <= self.silent_max {
            return (turn, None);
        }
        let oldest = places.silent.pop_first().map(|(_, oldest)| oldest);
        let gone = oldest.and_then(|oldest| {
            let leg = places.take(&oldest)?;
            Some((oldest, leg))
        });
        (turn, gone)
    }

    /// Takes it from where it is, for another WebSocket.
    pub(super) async fn claim(&self, session_id: &str) -> Option<Leg> {
        for _ in 0..TRIES {
            let claims = {
                let mut places = self.places.lock();
                match places.by_session.get(session_id)? {
                    Place::Parked(..) => return places.take(session_id),
                    Place::Held(claims) => claims.clone(),
                }
            };
            let (reply, given) = oneshot::channel();
            let claim = Claim {
                session_id: session_id.to_owned(),
                reply,
            };
            let asked = async {
                // If it is gone, it has parked the session or ended it.
                let _gone = claims.send(claim).await;
                given.await.ok()
            };
            match timeout(GIVE_UP_WITHIN, asked).await {
                Ok(Some(leg)) => {
                    self.forget(session_id, &claims);
                    add(&leg.ingest.counting().taken_over, 1);
                    return Some(leg);
                }
                Ok(None) => {}
                Err(_) => return None,
            }
        }
        None
    }

    /// Takes it unless its softphone came back, whether or not the line broke once more since.
    fn take_put(&self, session_id: &str, turn: u64) -> Option<Leg> {
        let mut places = self.places.lock();
        let place = places.by_session.get(session_id);
        let same = matches!(place, Some(Place::Parked(put, _)) if *put == turn);
        same.then(|| places.take(session_id))?
    }
}

/// Keeps a session for its softphone to come back to, and ends it if it does not.
pub(super) fn park(session_id: String, leg: Leg) {
    let ingest = leg.ingest.clone();
    let (turn, gone) = ingest.parked().put(&session_id, leg);
    tokio::spawn(async move {
        if let Some((oldest, leg)) = gone {
            add(&leg.ingest.counting().parked_dropped, 1);
            end(&oldest, leg, lost()).await;
        }
        sleep(Duration::from_nanos(RECONNECT.as_nanos())).await;
        if let Some(leg) = ingest.parked().take_put(&session_id, turn) {
            end(&session_id, leg, lost()).await;
        }
    });
}

fn lost() -> End {
    End {
        reason: EndReason::SignallingLost,
        at: Instant::now(),
        digest: None,
    }
}
