//! Calls in the order in which their sessions end.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};

use super::{Call, Calls};
use crate::fault::{Ending, FaultPlan, SessionOutcome};
use crate::ids::RecordingIndex;
use crate::time::Timestamp;

/// Calls by (end, index). Holds only those in progress.
#[derive(Clone, Debug)]
pub struct SessionEnds {
    calls: std::iter::Peekable<Calls>,
    faults: Option<FaultPlan>,
    ends: BinaryHeap<Reverse<(Timestamp, RecordingIndex)>>,
    open: BTreeMap<RecordingIndex, (Call, Ending)>,
    /// How the last one ended.
    ending: Ending,
    not_established: Vec<Call>,
}

impl SessionEnds {
    /// The ends of `calls`, which are in order of arrival.
    #[must_use]
    pub fn new(calls: Calls) -> Self {
        Self {
            calls: calls.peekable(),
            faults: None,
            ends: BinaryHeap::new(),
            open: BTreeMap::new(),
            ending: Ending::default(),
            not_established: Vec::new(),
        }
    }

    /// The same with faults: calls that are cut short come with the duration that they had, and
    /// those that never came up do not come.
    #[must_use]
    pub fn with_faults(mut self, faults: FaultPlan) -> Self {
        self.faults = Some(faults);
        self
    }

    /// How the session ended that came last.
    #[must_use]
    pub const fn ending(&self) -> Ending {
        self.ending
    }

    /// The calls that never came up, since the last time.
    pub fn take_not_established(&mut self) -> Vec<Call> {
        std::mem::take(&mut self.not_established)
    }

    /// Whether every call has ended.
    pub fn is_drained(&mut self) -> bool {
        self.ends.is_empty() && self.calls.peek().is_none()
    }

    fn begin(&mut self, mut call: Call) {
        let mut ending = Ending::default();
        if let Some(faults) = &self.faults {
            let prediction = faults.predict(&call);
            if prediction.outcome == SessionOutcome::NotEstablished {
                self.not_established.push(call);
                return;
            }
            call.duration = prediction.ended_at.since(call.arrival);
            ending = prediction.ending;
        }
        self.ends.push(Reverse((call.ended_at(), call.index)));
        self.open.insert(call.index, (call, ending));
    }
}

impl Iterator for SessionEnds {
    type Item = Call;

    fn next(&mut self) -> Option<Call> {
        // A call can only end before the pending ones if it begins before they end, faults or not.
        while let Some(call) = self.calls.peek().copied() {
            let before_next_end = self
                .ends
                .peek()
                .is_none_or(|Reverse((end, _))| call.arrival <= *end);
            if !before_next_end {
                break;
            }
            self.calls.next();
            self.begin(call);
        }
        let Reverse((_, index)) = self.ends.pop()?;
        let (call, ending) = self.open.remove(&index)?;
        self.ending = ending;
        Some(call)
    }
}
