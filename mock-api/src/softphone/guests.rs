//! Calls that no workload plans: made when somebody comes, counted from a place far above the planned ones.

use std::sync::atomic::{AtomicU64, Ordering};

use axum::http::StatusCode;
use racegate_model::field::Kind;
use racegate_model::ids::RecordingIndex;
use racegate_model::time::Duration;
use racegate_model::timeline::Hold;
use racegate_model::workload::Call;

use super::problem::Problem;
use crate::clock::RunClock;
use crate::service::Service;
use crate::traffic::GUESTS_FROM;

/// Guests of one server, at most: each keeps its place for as long as the server runs.
const GUESTS_MAX: u64 = 100_000;

/// The guests of a server.
pub(super) struct Guests {
    service: Service,
    clock: RunClock,
    next: AtomicU64,
}

impl Guests {
    pub(super) fn new(service: Service, clock: RunClock) -> Self {
        Self {
            service,
            clock,
            next: AtomicU64::new(0),
        }
    }

    /// Whether the call is a guest's.
    pub(super) fn is_guest(call: &Call) -> bool {
        call.index.0 >= GUESTS_FROM
    }

    /// A call for a new guest: it begins now, and ends when it ends.
    pub(super) fn welcome(&self) -> Result<Call, Problem> {
        let nth = self.next.fetch_add(1, Ordering::Relaxed);
        if nth >= GUESTS_MAX {
            // So that the count cannot wrap either.
            self.next.store(GUESTS_MAX, Ordering::Relaxed);
            return Err(Problem::new(
                StatusCode::SERVICE_UNAVAILABLE,
                format!("the server has had {GUESTS_MAX} guests; start it again"),
            ));
        }
        let call = Call {
            index: RecordingIndex(GUESTS_FROM + nth),
            arrival: self.clock.now(),
            duration: Duration::ZERO,
            kind: Kind::Webrtc,
            hold: Hold::Free,
        };
        self.service.calls().begin(call);
        Ok(call)
    }
}
