//! Calls in the order in which their sessions end.

use super::{Call, Calls};
use crate::agenda::{Agenda, Due};

/// Calls by (end, index). Holds only those in progress, and none where they end as they begin.
#[derive(Clone, Debug)]
pub struct SessionEnds {
    calls: Calls,
    /// The next call to begin, where it must be known before others may end.
    next: Option<Call>,
    ends: Agenda,
    open: Vec<Call>,
    free: Vec<u32>,
    in_order: bool,
}

impl SessionEnds {
    /// The ends of `calls`, which are in order of arrival.
    #[must_use]
    pub fn new(mut calls: Calls) -> Self {
        Self {
            in_order: calls.end_in_order(),
            next: calls.next(),
            calls,
            ends: Agenda::default(),
            open: Vec::new(),
            free: Vec::new(),
        }
    }

    /// Whether every call has ended.
    #[must_use]
    pub fn is_drained(&self) -> bool {
        self.next.is_none() && self.ends.is_empty()
    }

    fn begin(&mut self, call: Call) {
        let slot = self.free.pop().unwrap_or_else(|| {
            self.open.push(call);
            u32::try_from(self.open.len() - 1).expect("fewer than 2^32 calls at once")
        });
        self.open[slot as usize] = call;
        self.ends.push(Due {
            at: call.ended_at(),
            content: call.index.0,
            slot,
        });
    }
}

impl Iterator for SessionEnds {
    type Item = Call;

    #[inline]
    fn next(&mut self) -> Option<Call> {
        if self.in_order {
            return std::mem::replace(&mut self.next, self.calls.next());
        }
        // A call can only end before the pending ones if it begins before they end.
        while let Some(call) = self.next {
            if self
                .ends
                .peek()
                .is_some_and(|first| call.arrival > first.at)
            {
                break;
            }
            self.begin(call);
            self.next = self.calls.next();
        }
        let Due { slot, at, .. } = self.ends.peek()?;
        self.ends.pop_until(at);
        self.free.push(slot);
        self.open.get(slot as usize).copied()
    }
}
