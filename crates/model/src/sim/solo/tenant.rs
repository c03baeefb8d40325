//! A tenant whose calls share a rate limit: every call is an event, in order of time.
//!
//! At one instant what is told comes before what is due; of what is due, the gate's deadlines in
//! order of recordings, then approvals, then jobs in the order in which they were asked for. What
//! follows at the same instant is done breadth first, as an exporter does that sends every call
//! before it reads the first reply.

use std::collections::VecDeque;

use super::calls::Behind;
use super::{Call, Passage, Solo, Then, UNNAMED, Wake};
use crate::agenda::{Agenda, Due};
use crate::field::{FieldSet, Kind};
use crate::history::{JobRecord, Settled};
use crate::ids::JobOrdinal;
use crate::order::Event;
use crate::org::RateLimiter;
use crate::outcome::OutcomeKind;
use crate::platform::Notification;
use crate::scenario::{GateStart, RateLimit};
use crate::sim::recordings::{Kept, Slots};
use crate::time::Timestamp;
use crate::timeline::Decided;

/// See the module.
#[derive(Clone, Debug)]
pub(in crate::sim) struct Tenant {
    solo: Solo,
    limiter: RateLimiter,
    agenda: Agenda,
    /// By the recording's slot.
    open: Vec<Option<Open>>,
    open_count: usize,
    next_job: JobOrdinal,
    calls: VecDeque<(u32, Call)>,
    /// Approved at this instant: again, and by the gate.
    approved: [Vec<u32>; 2],
}

/// Three cache lines.
#[derive(Clone, Debug)]
#[repr(align(64))]
struct Open {
    passage: Passage,
    /// When checks find what the gate looks for, as far as that is decided.
    ready_at: Timestamp,
    /// From when on its sidecar is complete, if only time decides about that.
    complete_at: Timestamp,
    /// Its gate's deadline, if one counts.
    gate_due: Timestamp,
    /// What it waits to call for its job.
    job_call: Call,
}

impl Open {
    /// What its calls meet.
    const fn behind<'a, R>(
        &self,
        solo: &'a Solo,
        recording: &'a Kept,
        records: R,
    ) -> Behind<'a, Kept, R> {
        Behind {
            solo,
            ready_at: self.ready_at,
            complete_at: self.complete_at,
            recording,
            records,
        }
    }

    /// It waits until `at`.
    #[inline]
    fn wait(&mut self, at: Timestamp, wake: Wake, slot: u32, agenda: &mut Agenda) {
        let due = self.due(at, wake, slot);
        // Polls are half a second apart; a call that waits for the limit would block the lane.
        if wake == Wake::Job(Call::Poll) {
            agenda.push_in_order(JOBS_LANE, due);
        } else {
            agenda.push(due);
        }
    }

    #[inline]
    fn due(&mut self, at: Timestamp, wake: Wake, slot: u32) -> Due {
        let content = match wake {
            Wake::Gate => {
                self.gate_due = at;
                GATE | self.passage.recording().0
            }
            Wake::Approval => APPROVAL | self.passage.recording().0,
            Wake::Job(call) => {
                self.job_call = call;
                JOB | self.passage.job.ordinal.0
            }
        };
        Due { at, content, slot }
    }

    /// Something of each of its cache lines.
    #[inline]
    fn fetched(&self) -> u64 {
        let passage = &self.passage;
        self.ready_at.as_nanos()
            ^ self.gate_due.as_nanos()
            ^ passage.recording().0
            ^ u64::from(passage.tally.gate_calls)
            ^ passage.job.done_at.as_nanos()
            ^ u64::from(passage.job.calls)
    }
}

/// Takes what a tenant has to record; what nobody looks at is not even put together.
pub(in crate::sim) trait Records {
    /// A call.
    fn call(&mut self, event: impl FnOnce() -> Event);
    /// A job that is over.
    fn job(&mut self, job: impl FnOnce() -> JobRecord);
    /// The recording in `slot` is settled.
    fn settled(&mut self, slot: u32, settled: Settled);
}

impl<R: Records> Records for &mut R {
    #[inline(always)]
    fn call(&mut self, event: impl FnOnce() -> Event) {
        (**self).call(event);
    }

    #[inline(always)]
    fn job(&mut self, job: impl FnOnce() -> JobRecord) {
        (**self).job(job);
    }

    #[inline(always)]
    fn settled(&mut self, slot: u32, settled: Settled) {
        (**self).settled(slot, settled);
    }
}

const NEWS: u64 = 1 << 60;
const GATE: u64 = 2 << 60;
const APPROVAL: u64 = 3 << 60;
const JOB: u64 = 4 << 60;
const CLASS: u64 = 15 << 60;
const SUBJECT: u32 = 56;
const NUMBER: u64 = (1 << SUBJECT) - 1;
/// The session's end; the kinds of call apart, as everywhere in the order of news.
const ENDED: u64 = NEWS;
const MEDIA: u64 = NEWS | 2 << SUBJECT;
const NOTIFIED: u64 = NEWS | 4 << SUBJECT;

/// Lanes: what is told of session ends, the gate's first deadlines, and the polls of jobs.
const ENDS_LANE: usize = 0;
const STARTS_LANE: usize = 1;
const JOBS_LANE: usize = 2;

impl Tenant {
    /// An idle tenant.
    pub(in crate::sim) fn new(solo: Solo, limit: Option<RateLimit>) -> Self {
        Self {
            solo,
            limiter: RateLimiter::new(limit),
            agenda: Agenda::default(),
            open: Vec::new(),
            open_count: 0,
            next_job: JobOrdinal(0),
            calls: VecDeque::new(),
            approved: [Vec::new(), Vec::new()],
        }
    }

    /// The session of `known` has ended; the recording is in `slot`.
    pub(in crate::sim) fn announce(&mut self, slot: u32, known: &impl Decided) {
        let (recording, kind) = (known.recording(), known.taken_for());
        if self.open.len() <= slot as usize {
            self.open.resize(slot as usize + 1, None);
        }
        self.open[slot as usize] = Some(Open {
            passage: Passage::new(recording, kind),
            ready_at: self.solo.ready_at(known),
            complete_at: self.solo.plainly_complete_at(known),
            gate_due: Timestamp::NEVER,
            job_call: Call::Create,
        });
        self.open_count += 1;
        match self.solo.start {
            GateStart::SessionEnd => {
                let content = ENDED | (kind.index() as u64) << SUBJECT | recording.0;
                let at = known.ended_at();
                self.agenda
                    .push_in_order(ENDS_LANE, Due { at, content, slot });
            }
            GateStart::Media => {
                let (at, content) = (known.media_at(), MEDIA | recording.0);
                self.agenda.push(Due { at, content, slot });
            }
        }
    }

    /// More of the recording in `slot` is decided.
    pub(in crate::sim) fn decided(&mut self, slot: u32, known: &impl Decided) {
        let ready_at = self.solo.ready_at(known);
        let complete_at = self.solo.plainly_complete_at(known);
        if let Some(Some(open)) = self.open.get_mut(slot as usize)
            && open.passage.recording() == known.recording()
        {
            open.ready_at = ready_at;
            open.complete_at = complete_at;
        }
    }

    /// Its subscription will bring `notification`.
    pub(in crate::sim) fn notify(&mut self, slot: u32, notification: Notification, kind: Kind) {
        let sub = (kind.index() as u64) << 1 | u64::from(notification.copy & 1);
        self.agenda.push(Due {
            at: notification.at,
            content: NOTIFIED | sub << SUBJECT | notification.recording.0,
            slot,
        });
    }

    /// Recordings that it has not settled.
    pub(in crate::sim) const fn open_count(&self) -> usize {
        self.open_count
    }

    /// Runs until `horizon`, inclusive. Returns the instant of the last thing that happened.
    pub(in crate::sim) fn advance(
        &mut self,
        horizon: Timestamp,
        slots: &Slots,
        records: &mut impl Records,
    ) -> Timestamp {
        let mut last = Timestamp::ZERO;
        while let Some(due) = self.agenda.pop_until(horizon) {
            last = due.at;
            self.fetch_coming(slots);
            if self.agenda.peek().is_none_or(|next| next.at > due.at) {
                self.happen_alone(due, slots, records);
                continue;
            }
            if due.content & CLASS == NEWS {
                self.told(due, slots, records);
            } else {
                self.wake_all(due, slots, records);
            }
            while let Some((slot, call)) = self.calls.pop_front() {
                self.make(due.at, slot, call, slots, records);
            }
        }
        last
    }

    /// Fetches what comes next from memory: of 350,000 recordings in flight each is far away when
    /// its time comes.
    #[inline]
    fn fetch_coming(&mut self, slots: &Slots) {
        let (open, mut fetched) = (&self.open, 0);
        self.agenda.show_coming(|due| {
            let open = open[due.slot as usize].as_ref();
            fetched ^= open.map_or(0, Open::fetched);
            if due.content & CLASS == JOB {
                fetched ^= slots.fetched(due.slot);
            }
        });
        std::hint::black_box(fetched);
    }

    /// Nothing else happens at the instant of `due`: what follows from it then needs no queue.
    fn happen_alone(&mut self, due: Due, slots: &Slots, records: &mut impl Records) {
        let now = due.at;
        let Some(open) = open(&mut self.open, due) else {
            return;
        };
        let mut behind = open.behind(&self.solo, slots.kept(due.slot), &mut *records);
        let passage = &mut open.passage;
        let mut then = match due.content & CLASS {
            NEWS if due.content >= NOTIFIED => behind.notified(now, passage),
            NEWS => behind.started(now, passage),
            GATE if open.gate_due == now => behind.woken(now, Wake::Gate, passage),
            APPROVAL => behind.woken(now, Wake::Approval, passage),
            JOB => behind.woken(now, Wake::Job(open.job_call), passage),
            _ => return,
        };
        if due.content & CLASS != NEWS {
            open.gate_due = Timestamp::NEVER;
        }
        loop {
            then = match then {
                Then::Call(call) => {
                    if call == Call::Create && passage.job.ordinal == UNNAMED {
                        passage.job.ordinal = self.next_job;
                        self.next_job = JobOrdinal(self.next_job.0 + 1);
                    }
                    behind.call(now, call, &mut self.limiter, passage)
                }
                Then::At(at, Wake::Gate) if at <= now => {
                    // As if it had been waited for: an older deadline is void.
                    open.gate_due = Timestamp::NEVER;
                    behind.woken(now, Wake::Gate, passage)
                }
                Then::Wait => break,
                Then::At(at, wake) => break open.wait(at, wake, due.slot, &mut self.agenda),
                Then::Settle(outcome, missing) => {
                    break self.settle(now, due.slot, (outcome, missing), records);
                }
            };
        }
    }

    /// Something is told of a recording.
    fn told(&mut self, due: Due, slots: &Slots, records: &mut impl Records) {
        let Some(open) = open(&mut self.open, due) else {
            return;
        };
        let mut behind = open.behind(&self.solo, slots.kept(due.slot), &mut *records);
        let then = if due.content >= NOTIFIED {
            behind.notified(due.at, &mut open.passage)
        } else {
            behind.started(due.at, &mut open.passage)
        };
        if let Then::At(at, Wake::Gate) = then {
            let due = open.due(at, Wake::Gate, due.slot);
            self.agenda.push_in_order(STARTS_LANE, due);
        } else {
            self.follow(due.at, due.slot, then, records);
        }
    }

    /// Everything that is due at the instant of `first`, until the calls that follow are known.
    fn wake_all(&mut self, first: Due, slots: &Slots, records: &mut impl Records) {
        self.wake(first, slots, records);
        while let Some(also) = self.agenda.peek().filter(|also| also.at == first.at) {
            self.agenda.pop_until(also.at);
            self.wake(also, slots, records);
        }
        for approved in 0..self.approved.len() {
            for slot in std::mem::take(&mut self.approved[approved]) {
                self.call(slot, Call::Create);
            }
        }
    }

    fn wake(&mut self, due: Due, slots: &Slots, records: &mut impl Records) {
        let Some(open) = open(&mut self.open, due) else {
            return;
        };
        let wake = match due.content & CLASS {
            GATE if open.gate_due == due.at => Wake::Gate,
            APPROVAL => Wake::Approval,
            JOB => Wake::Job(open.job_call),
            _ => return,
        };
        open.gate_due = Timestamp::NEVER;
        let mut behind = open.behind(&self.solo, slots.kept(due.slot), &mut *records);
        match (behind.woken(due.at, wake, &mut open.passage), wake) {
            (Then::Call(Call::Create), Wake::Approval) => self.approved[0].push(due.slot),
            (Then::Call(Call::Create), Wake::Gate) => self.approved[1].push(due.slot),
            (then, _) => self.follow(due.at, due.slot, then, records),
        }
    }

    /// Makes a call. The limit comes first.
    fn make(
        &mut self,
        now: Timestamp,
        slot: u32,
        call: Call,
        slots: &Slots,
        records: &mut impl Records,
    ) {
        let Some(Some(open)) = self.open.get_mut(slot as usize) else {
            return;
        };
        let mut behind = open.behind(&self.solo, slots.kept(slot), &mut *records);
        let then = behind.call(now, call, &mut self.limiter, &mut open.passage);
        self.follow(now, slot, then, records);
    }

    fn follow(&mut self, now: Timestamp, slot: u32, then: Then, records: &mut impl Records) {
        match then {
            Then::Wait => {}
            Then::Call(call) => self.call(slot, call),
            Then::At(at, wake) => {
                if let Some(Some(open)) = self.open.get_mut(slot as usize) {
                    open.wait(at, wake, slot, &mut self.agenda);
                }
            }
            Then::Settle(outcome, missing) => self.settle(now, slot, (outcome, missing), records),
        }
    }

    fn settle(
        &mut self,
        now: Timestamp,
        slot: u32,
        (outcome, missing): (OutcomeKind, FieldSet),
        records: &mut impl Records,
    ) {
        if let Some(open) = self.open[slot as usize].take() {
            self.open_count -= 1;
            let settled = open.passage.settled(&self.solo, now, outcome, missing);
            records.settled(slot, settled);
        }
    }

    fn call(&mut self, slot: u32, call: Call) {
        if let Some(Some(open)) = self.open.get_mut(slot as usize)
            && call == Call::Create
            && open.passage.job.ordinal == UNNAMED
        {
            open.passage.job.ordinal = self.next_job;
            self.next_job = JobOrdinal(self.next_job.0 + 1);
        }
        self.calls.push_back((slot, call));
    }
}

/// The recording that `due` is about, unless it is settled.
fn open(all: &mut [Option<Open>], due: Due) -> Option<&mut Open> {
    let number = due.content & NUMBER;
    let open = all.get_mut(due.slot as usize)?.as_mut()?;
    let meant = if due.content & CLASS == JOB {
        open.passage.job.ordinal.0 == due.content & !CLASS
    } else {
        open.passage.recording().0 == number
    };
    meant.then_some(open)
}
