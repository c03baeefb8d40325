//! Calls that no workload plans: made when a caller comes, counted from a place far above the planned ones.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use racegate_model::field::Kind;
use racegate_model::ids::{ConversationId, RecordingIndex};
use racegate_model::time::Duration;
use racegate_model::timeline::Hold;
use racegate_model::workload::Call;

use crate::clock::RunClock;
use crate::service::Service;
use crate::traffic::GUESTS_FROM;

/// Guests of one server that came up, at most: each keeps its place for as long as the server runs.
const GUESTS_MAX: u64 = 100_000;
/// Conversations that may be promised: what is promised to an offer that is refused never comes up.
const PROMISES_MAX: u64 = 1 << 24;

/// The guests of a server. A guest's conversation is promised to it when it asks, and begins when
/// audio can flow: a call that never comes up never was. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Guests {
    service: Service,
    clock: RunClock,
    counts: Arc<Counts>,
}

#[derive(Default)]
struct Counts {
    promised: AtomicU64,
    arrived: AtomicU64,
}

/// The server has no place for a further guest.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("the server has had {GUESTS_MAX} guests; start it again")]
pub(crate) struct NoPlace;

impl Guests {
    pub(crate) fn new(service: Service, clock: RunClock) -> Self {
        Self {
            service,
            clock,
            counts: Arc::default(),
        }
    }

    /// Whether the call is a guest's.
    pub(super) fn is_guest(call: &Call) -> bool {
        call.index.0 >= GUESTS_FROM
    }

    /// The place of a new guest's call, which has not begun.
    pub(super) fn promise(&self) -> Result<RecordingIndex, NoPlace> {
        let nth = self.counts.promised.fetch_add(1, Ordering::Relaxed);
        if nth >= PROMISES_MAX || self.counts.arrived.load(Ordering::Relaxed) >= GUESTS_MAX {
            // So that the count cannot wrap either.
            self.counts
                .promised
                .fetch_min(PROMISES_MAX, Ordering::Relaxed);
            return Err(NoPlace);
        }
        Ok(RecordingIndex(GUESTS_FROM + nth))
    }

    /// Audio of a conversation can flow: if it was promised to a guest, the guest's call begins. It
    /// ends when it ends.
    pub(crate) fn arrived(&self, conversation_id: &str) {
        let id = ConversationId::parse(conversation_id);
        let Some(index) = id.and_then(|id| id.index(self.service.seed())) else {
            return;
        };
        let promised = GUESTS_FROM + self.counts.promised.load(Ordering::Relaxed);
        if !(GUESTS_FROM..promised).contains(&index.0) {
            return;
        }
        self.counts.arrived.fetch_add(1, Ordering::Relaxed);
        self.service.calls().begin(Call {
            index,
            arrival: self.clock.now(),
            duration: Duration::ZERO,
            kind: Kind::Webrtc,
            hold: Hold::Free,
        });
    }
}
