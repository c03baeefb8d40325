//! The calls of one passage, one by one: what is answered, and what follows.

use super::{Call, Passage, Records, Solo, Then, Wake};
use crate::export::Reads;
use crate::exporter::{Next, Reply, after_export, after_rejection, cause_of};
use crate::field::FieldSet;
use crate::gate::{Ready, Seen};
use crate::order::Event;
use crate::org::RateLimiter;
use crate::outcome::{Cause, OutcomeKind};
use crate::scenario::Permission;
use crate::selection::Refusal;
use crate::time::{Duration, Timestamp};
use crate::timeline::{Decided, Timeline};

/// What a passage's calls meet.
pub(super) struct Behind<'a, D, R> {
    /// Rules.
    pub(super) solo: &'a Solo,
    /// The first instant at which a check finds what the gate looks for.
    pub(super) ready_at: Timestamp,
    /// From when on a sidecar is complete, if that is known without a look at it.
    pub(super) complete_at: Timestamp,
    /// The recording, as far as it is decided.
    pub(super) recording: &'a D,
    /// Takes calls, and jobs that are over.
    pub(super) records: R,
}

impl<D: Decided, R: Records> Behind<'_, D, R> {
    /// The gate's clock starts.
    #[inline]
    pub(super) fn started(&mut self, now: Timestamp, passage: &mut Passage) -> Then {
        if passage.tally.approved_at.ever().is_some() {
            return Then::Wait;
        }
        let step = self
            .solo
            .policy
            .on(now, Seen::Started, &mut passage.progress);
        passage.gate(now, step)
    }

    /// A notification has come. Once the recording is approved it changes nothing.
    pub(super) fn notified(&mut self, now: Timestamp, passage: &mut Passage) -> Then {
        let waits = passage.tally.approved_at.is_never();
        let Some(event) = self.solo.listens.filter(|_| waits) else {
            return Then::Wait;
        };
        let policy = &self.solo.policy;
        let step = policy.on(now, Seen::Notified(event), &mut passage.progress);
        passage.gate(now, step)
    }

    /// What the passage waited for has come.
    #[inline]
    pub(super) fn woken(&mut self, now: Timestamp, wake: Wake, passage: &mut Passage) -> Then {
        match wake {
            Wake::Gate => {
                let step = self.solo.policy.due(now, &mut passage.progress);
                passage.gate(now, step)
            }
            Wake::Approval => passage.approve(now),
            Wake::Job(call) => Then::Call(call),
        }
    }

    /// Makes a call. The limit comes first.
    #[inline]
    pub(super) fn call(
        &mut self,
        now: Timestamp,
        call: Call,
        limiter: &mut RateLimiter,
        passage: &mut Passage,
    ) -> Then {
        let solo = self.solo;
        self.records.call(|| Event {
            at: now,
            kind: call as u8,
            recording: passage.recording(),
            tenant: Some(solo.tenant),
            draws: solo.drawn(call, passage),
        });
        self.attempt(now, call, passage);
        match limiter.admit(now) {
            Ok(()) => self.answered(now, call, passage),
            Err(refused) => self.throttled(now, call, refused.retry_after, passage),
        }
    }

    /// Counts an attempt.
    #[inline]
    pub(super) fn attempt(&mut self, now: Timestamp, call: Call, passage: &mut Passage) {
        match call {
            Call::Check => {
                passage.tally.gate_calls += 1;
                passage.tally.checked_at = now;
            }
            Call::Create | Call::Poll | Call::Start => passage.job.calls += 1,
        }
    }

    /// The attempt was answered with 429.
    pub(super) fn throttled(
        &mut self,
        now: Timestamp,
        call: Call,
        retry_after: Duration,
        passage: &mut Passage,
    ) -> Then {
        if call == Call::Check {
            passage.tally.throttled += 1;
            let policy = &self.solo.policy;
            let seen = Seen::Throttled(retry_after);
            let step = policy.on(now, seen, &mut passage.progress);
            return passage.gate(now, step);
        }
        passage.job.throttled += 1;
        Then::At(now + retry_after, Wake::Job(call))
    }

    /// The attempt was admitted.
    #[inline]
    pub(super) fn answered(&mut self, now: Timestamp, call: Call, passage: &mut Passage) -> Then {
        match call {
            Call::Check => self.checked(now, passage),
            Call::Create => self.created(now, passage),
            Call::Poll => self.polled(now, passage),
            Call::Start => self.started_job(now, passage),
        }
    }

    #[inline]
    fn checked(&mut self, now: Timestamp, passage: &mut Passage) -> Then {
        if self.solo.request.reading == Permission::Missing {
            return passage.give_up(cause_of(&Reply::<()>::Forbidden));
        }
        passage.tally.checks_answered += 1;
        let ready = if now >= self.ready_at {
            Ready::Yes
        } else {
            Ready::No
        };
        let policy = &self.solo.policy;
        let step = policy.on(now, Seen::Checked(ready), &mut passage.progress);
        passage.gate(now, step)
    }

    #[inline]
    fn created(&mut self, now: Timestamp, passage: &mut Passage) -> Then {
        if let Some(refusal) = self.solo.refusal {
            self.over(now, None, passage);
            let reply: Reply<()> = match refusal {
                Refusal::Forbidden => Reply::Forbidden,
                Refusal::UnknownFilter => Reply::BadRequest,
            };
            return passage.give_up(cause_of(&reply));
        }
        let recording = passage.recording();
        let draws = || self.solo.stream.nth(recording.0);
        passage.job.posted_at = now;
        passage.job.done_at = now + self.solo.rules.query_time(draws);
        Then::Call(Call::Poll)
    }

    #[inline]
    fn started_job(&mut self, now: Timestamp, passage: &mut Passage) -> Then {
        let rules = &self.solo.rules;
        if rules.is_strict() {
            let missing = self.recording.look(|timeline| rules.lacks(now, timeline));
            if !missing.is_empty() {
                return self.rejected(now, missing, passage);
            }
        }
        let recording = passage.recording();
        let draws = || self.solo.stream.nth(recording.0);
        passage.job.started_at = now;
        passage.job.done_at = now + rules.latency(draws);
        passage.poll_again(now)
    }

    fn rejected(&mut self, now: Timestamp, missing: FieldSet, passage: &mut Passage) -> Then {
        self.over(now, None, passage);
        passage.tally.rejections += 1;
        match after_rejection(now, passage.tally.rejections) {
            Next::ApproveAt(at) => Then::At(at, Wake::Approval),
            Next::Settle => Then::Settle(OutcomeKind::Rejected, missing),
        }
    }

    #[inline]
    fn polled(&mut self, now: Timestamp, passage: &mut Passage) -> Then {
        match passage.job.started_at.ever() {
            None if now < passage.job.done_at && self.solo.takes_counters() => {
                self.over(now, None, passage);
                Then::Settle(OutcomeKind::Skipped, FieldSet::EMPTY)
            }
            _ if now < passage.job.done_at => passage.poll_again(now),
            None => Then::Call(Call::Start),
            Some(started_at) => self.exported(now, started_at, passage),
        }
    }

    /// The job is done: its sidecar is read.
    fn exported(&mut self, now: Timestamp, started_at: Timestamp, passage: &mut Passage) -> Then {
        let solo = self.solo;
        let recording = passage.recording();
        let draws = || solo.stream.nth(recording.0);
        let reads = solo.rules.reads(started_at, passage.job.done_at, draws);
        let snapshot_at = reads.sidecar_at;
        self.over(now, Some(snapshot_at), passage);
        if snapshot_at >= self.complete_at {
            let name = solo.request.sidecar_name;
            passage
                .tally
                .exported(snapshot_at, OutcomeKind::Complete, name);
            return Then::Settle(OutcomeKind::Complete, FieldSet::EMPTY);
        }
        self.read(now, reads, passage)
    }

    /// What the job has written.
    #[inline(never)]
    fn read(&mut self, now: Timestamp, reads: Reads, passage: &mut Passage) -> Then {
        let solo = self.solo;
        let draws = solo.stream.nth(passage.recording().0);
        if self
            .recording
            .look(|timeline| solo.rules.fails(draws, timeline))
        {
            return passage.give_up(Cause::JobFailure);
        }
        let posted_at = passage.job.posted_at;
        let look = |timeline: &Timeline| solo.rules.sidecar(reads, posted_at, timeline);
        let Some(view) = self.recording.look(look) else {
            return Then::Settle(OutcomeKind::Skipped, FieldSet::EMPTY);
        };
        let name = solo.request.sidecar_name;
        let view = name.looked_up(view);
        let (outcome, missing) = crate::export::verdict(&solo.required, passage.tally.kind, &view);
        passage.tally.exported(reads.sidecar_at, outcome, name);
        passage.tally.media_read_at = reads.media_at.unwrap_or(Timestamp::NEVER);
        match after_export(now, outcome, passage.tally.exports, solo.repair) {
            Next::ApproveAt(at) => Then::At(at, Wake::Approval),
            Next::Settle => Then::Settle(outcome, missing),
        }
    }

    #[inline]
    fn over(&mut self, now: Timestamp, snapshot_at: Option<Timestamp>, passage: &Passage) {
        let solo = self.solo;
        self.records
            .job(|| solo.job_record(&passage.job, now, snapshot_at));
    }
}
