//! Signalling saturation: which WebRTC calls are cut because the service is full when they arrive.
//!
//! A pure function of the planned calls: whoever knows the plan knows which connections a real
//! signalling service with these bounds must refuse.

use std::cmp::Reverse;
use std::collections::{BTreeSet, BinaryHeap};

use crate::draws::Seed;
use crate::field::Kind;
use crate::ids::RecordingIndex;
use crate::scenario::{SignallingSpec, Workload};
use crate::time::Timestamp;
use crate::workload::{Call, Calls};

/// The width of the windows that [`SignallingSpec::accepted_per_second`] counts in.
const SECOND: u64 = 1_000_000_000;

/// The signalling service's connections over the planned calls. Holds those in progress only.
#[derive(Clone, Debug)]
pub struct Signalling {
    spec: SignallingSpec,
    /// None where no call is ever cut: nobody asks for them.
    calls: Option<Calls>,
    /// Arrivals below this one are decided.
    decided: u64,
    connections: BinaryHeap<Reverse<Timestamp>>,
    window: (u64, u64),
    cut: BTreeSet<RecordingIndex>,
}

impl Signalling {
    /// The service of `spec`, met by the calls of `workload`.
    #[must_use]
    pub fn new(spec: SignallingSpec, workload: &Workload, seed: Seed) -> Self {
        Self {
            spec,
            calls: (!spec.is_unlimited()).then(|| Calls::new(workload, seed)),
            decided: 0,
            connections: BinaryHeap::new(),
            window: (0, 0),
            cut: BTreeSet::new(),
        }
    }

    /// Whether no call is ever cut.
    pub(crate) const fn cuts_none(&self) -> bool {
        self.calls.is_none()
    }

    /// Whether `call` is cut. Each call can be asked for once.
    #[inline]
    pub fn is_cut(&mut self, call: RecordingIndex) -> bool {
        self.calls.is_some() && self.cuts(call)
    }

    fn cuts(&mut self, call: RecordingIndex) -> bool {
        while self.decided <= call.0 {
            let Some(next) = self.calls.as_mut().and_then(Iterator::next) else {
                break;
            };
            self.decided = next.index.0 + 1;
            if next.kind == Kind::Webrtc && !self.accepts(&next) {
                self.cut.insert(next.index);
            }
        }
        self.cut.remove(&call)
    }

    /// A connection that ends at an instant is gone at that instant.
    fn accepts(&mut self, call: &Call) -> bool {
        while self
            .connections
            .peek()
            .is_some_and(|Reverse(end)| *end <= call.arrival)
        {
            self.connections.pop();
        }
        let full = self.spec.max_connections.is_some_and(|most| {
            self.connections.len() >= usize::try_from(most).unwrap_or(usize::MAX)
        });
        let window = call.arrival.as_nanos() / SECOND;
        if self.window.0 != window {
            self.window = (window, 0);
        }
        let busy = self
            .spec
            .accepted_per_second
            .is_some_and(|most| self.window.1 >= most);
        if full || busy {
            return false;
        }
        self.window.1 += 1;
        self.connections.push(Reverse(call.ended_at()));
        true
    }
}
