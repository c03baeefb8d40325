//! Calls in the order in which their sessions end.

use super::{Call, Calls};
use crate::agenda::{Agenda, Due};
use crate::draws::{Draws, Seed};
use crate::fault::{Ending, FaultPlan, SessionOutcome};
use crate::scenario::Workload;

/// Calls by (end, index). Holds only those in progress, and none where they end as they begin.
#[derive(Clone, Debug)]
pub struct SessionEnds {
    calls: Calls,
    /// The next call to begin, once it had to be looked at.
    next: Option<Call>,
    ends: Agenda,
    open: Vec<Call>,
    free: Vec<u32>,
    in_order: bool,
    faults: Option<Faults>,
}

/// What faults make of calls.
#[derive(Clone, Debug)]
struct Faults {
    plan: FaultPlan,
    /// How the open calls end, by slot.
    endings: Vec<Ending>,
    /// How the last one ended.
    ending: Ending,
}

impl SessionEnds {
    /// The ends of `calls`, which are in order of arrival.
    #[must_use]
    pub fn new(calls: Calls) -> Self {
        Self {
            in_order: calls.end_in_order(),
            next: None,
            calls,
            ends: Agenda::default(),
            open: Vec::new(),
            free: Vec::new(),
            faults: None,
        }
    }

    /// The same where `workload` has faults: calls that are cut short come with the duration that
    /// they had, and those that never came up do not come.
    #[must_use]
    pub fn of_workload(workload: &Workload, seed: Seed) -> Self {
        let mut ends = Self::new(Calls::new(workload, seed));
        if !workload.faults.is_empty() {
            ends.in_order = false;
            ends.faults = Some(Faults {
                plan: FaultPlan::new(workload, seed),
                endings: Vec::new(),
                ending: Ending::default(),
            });
        }
        ends
    }

    /// How the session ended that came last.
    #[must_use]
    pub fn ending(&self) -> Ending {
        let last = self.faults.as_ref().map(|faults| faults.ending);
        last.unwrap_or_default()
    }

    /// Whether every call has ended.
    #[must_use]
    pub fn is_drained(&mut self) -> bool {
        self.ends.is_empty() && self.look().is_none()
    }

    /// The next `count` calls, or all that are left, and their draws, in place of what `calls` and
    /// `draws` hold.
    pub(crate) fn take_some(
        &mut self,
        count: usize,
        calls: &mut Vec<Call>,
        draws: &mut Vec<Draws>,
    ) {
        calls.clear();
        draws.clear();
        if self.in_order && self.next.is_none() {
            self.calls.take_some(count, calls, draws);
        } else {
            let seed = self.calls.seed();
            calls.extend(self.by_ref().take(count));
            draws.extend(calls.iter().map(|call| call.draws(seed)));
        }
    }

    #[inline]
    fn look(&mut self) -> Option<Call> {
        if self.next.is_none() {
            self.next = self.calls.next();
        }
        self.next
    }

    #[inline(never)]
    fn next_out_of_order(&mut self) -> Option<Call> {
        // A call can only end before the pending ones if it begins before they end.
        while let Some(call) = self.look() {
            if self
                .ends
                .peek()
                .is_some_and(|first| call.arrival > first.at)
            {
                break;
            }
            self.begin(call);
            self.next = None;
        }
        let Due { slot, at, .. } = self.ends.peek()?;
        self.ends.pop_until(at);
        self.free.push(slot);
        if let Some(faults) = &mut self.faults {
            faults.ending = faults.endings[slot as usize];
        }
        self.open.get(slot as usize).copied()
    }

    fn begin(&mut self, mut call: Call) {
        let mut ending = Ending::default();
        if let Some(faults) = &self.faults {
            let prediction = faults.plan.predict(&call);
            if prediction.outcome == SessionOutcome::NotEstablished {
                return;
            }
            call.duration = prediction.ended_at.since(call.arrival);
            ending = prediction.ending;
        }
        let slot = self.free.pop().unwrap_or_else(|| {
            self.open.push(call);
            u32::try_from(self.open.len() - 1).expect("fewer than 2^32 calls at once")
        });
        self.open[slot as usize] = call;
        if let Some(faults) = &mut self.faults {
            faults.endings.resize(self.open.len(), Ending::default());
            faults.endings[slot as usize] = ending;
        }
        self.ends.push(Due {
            at: call.ended_at(),
            content: call.index.0,
            slot,
        });
    }
}

impl Iterator for SessionEnds {
    type Item = Call;

    #[inline(always)]
    fn next(&mut self) -> Option<Call> {
        if self.in_order {
            if self.next.is_some() {
                return self.next.take();
            }
            return self.calls.next();
        }
        self.next_out_of_order()
    }
}
