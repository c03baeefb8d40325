//! Calls in the order in which their sessions end.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};

use super::{Call, Calls};
use crate::ids::RecordingIndex;
use crate::time::Timestamp;

/// Calls by (end, index). Holds only those in progress.
#[derive(Clone, Debug)]
pub struct SessionEnds {
    calls: std::iter::Peekable<Calls>,
    ends: BinaryHeap<Reverse<(Timestamp, RecordingIndex)>>,
    open: BTreeMap<RecordingIndex, Call>,
}

impl SessionEnds {
    /// The ends of `calls`, which are in order of arrival.
    #[must_use]
    pub fn new(calls: Calls) -> Self {
        Self {
            calls: calls.peekable(),
            ends: BinaryHeap::new(),
            open: BTreeMap::new(),
        }
    }

    /// Whether every call has ended.
    pub fn is_drained(&mut self) -> bool {
        self.ends.is_empty() && self.calls.peek().is_none()
    }
}

impl Iterator for SessionEnds {
    type Item = Call;

    fn next(&mut self) -> Option<Call> {
        // A call can only end before the pending ones if it begins before they end.
        while let Some(call) = self.calls.peek().copied() {
            let before_next_end = self
                .ends
                .peek()
                .is_none_or(|Reverse((end, _))| call.arrival <= *end);
            if !before_next_end {
                break;
            }
            self.calls.next();
            self.ends.push(Reverse((call.ended_at(), call.index)));
            self.open.insert(call.index, call);
        }
        let Reverse((_, index)) = self.ends.pop()?;
        self.open.remove(&index)
    }
}
