//! Gates whose every recording has an export job of its own (`slots = "unlimited"`).
//!
//! Then recordings meet in nothing but the API's rate limit, so a tenant needs no queue of
//! approved recordings and no table of jobs: a [`Passage`] per recording is all its state. The
//! rules are those of the exporter and the organization: [`Policy`], [`ExportRules`] and the
//! exporter's decisions after an export.
//!
//! Without a rate limit nothing that others do changes a passage: [`Solo::run`] takes it from the
//! session's end to its outcome at once. With one, [`Tenant`] keeps all calls in order of time.

mod calls;
mod plain;
mod run;
mod tenant;

use crate::draws::{Purpose, Seed, Stream};
use crate::export::ExportRules;
use crate::exporter::jobs::next_poll;
use crate::exporter::tally::Tally;
use crate::field::{FieldSet, Kind, PerKind};
use crate::gate::{Policy, Progress, Step};
use crate::history::{JobRecord, Settled};
use crate::ids::{JobOrdinal, RecordingIndex, TenantIndex};
use crate::job_draws::JobDraws;
use crate::outcome::{Cause, OutcomeKind};
use crate::scenario::{
    Arm, ExportRequest, GateSpec, GateStart, JobDone, ReadPath, Repair, RequiredFields, Slots,
    WebhookEvent,
};
use crate::selection::Refusal;
use crate::time::Timestamp;
use crate::timeline::{Decided, Need};

use plain::{JobTimes, Plain};
pub(super) use plain::{Ran, Way};
pub(super) use tenant::{Records, Tenant};

/// The rules of one tenant, and nothing that changes.
#[derive(Clone, Debug)]
pub(super) struct Solo {
    seed: Seed,
    tenant: TenantIndex,
    policy: Policy,
    start: GateStart,
    listens: Option<WebhookEvent>,
    /// What checks look for, and where.
    need: PerKind<Need>,
    path: ReadPath,
    repair: Option<Repair>,
    required: RequiredFields,
    request: ExportRequest,
    refusal: Option<Refusal>,
    rules: ExportRules,
    /// Of the jobs, which are keyed by their recording.
    stream: Stream,
    /// What a sidecar must hold, if only time decides about that.
    plain: Option<Plain>,
    /// The times of its jobs, if they are all the same.
    same_times: Option<JobTimes>,
    /// What would happen later does not happen in this run.
    until: Timestamp,
}

/// One recording on its way through one gate.
#[derive(Clone, Debug)]
pub(super) struct Passage {
    progress: Progress,
    tally: Tally,
    job: Job,
}

/// Of a job that is about to be asked for.
const UNNAMED: JobOrdinal = JobOrdinal(u64::MAX);

/// The recording's current job.
#[derive(Clone, Copy, Debug)]
struct Job {
    ordinal: JobOrdinal,
    /// When it was asked for, first.
    created_at: Timestamp,
    /// When its POST was admitted.
    posted_at: Timestamp,
    /// When its PUT was admitted; never as long as it was not.
    started_at: Timestamp,
    /// When what it does now is done: its query, then its export.
    done_at: Timestamp,
    calls: u32,
    throttled: u32,
}

/// A call to the API; its number in the order of events, behind the platform's.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
enum Call {
    Check = 2,
    Create,
    Poll,
    Start,
}

/// What a recording waits for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Wake {
    /// Its gate's deadline.
    Gate,
    /// Its next approval, after a refusal or an export to be repaired.
    Approval,
    /// The next call for its job.
    Job(Call),
}

/// What follows for a recording.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Then {
    /// Nothing until it is told something.
    Wait,
    /// A call, now.
    Call(Call),
    /// Something later.
    At(Timestamp, Wake),
    /// It is settled: how, and what it lacks.
    Settle(OutcomeKind, FieldSet),
}

impl Solo {
    /// The rules of `tenant`, which runs `gate` on `arm`.
    pub(super) fn new(tenant: TenantIndex, gate: &GateSpec, arm: &Arm, seed: Seed) -> Self {
        let platform = &arm.platform;
        let rules = ExportRules::new(&platform.export, arm.required, seed);
        let rules = rules.selecting(&platform.export, &platform.hold, gate.request);
        let policy = Policy::new(&gate.strategy, seed);
        let mut solo = Self {
            seed,
            tenant,
            start: gate.start,
            listens: gate.strategy.listens(),
            need: PerKind::of(|kind| policy.need(arm.required.of(kind))),
            path: policy.read_path(),
            policy,
            repair: gate.repair,
            required: arm.required,
            request: gate.request,
            refusal: rules.refuses(&gate.request),
            stream: JobDraws::of_recordings(seed),
            plain: None,
            same_times: JobTimes::of_all(&rules),
            rules,
            until: Timestamp::from_nanos(u64::MAX - 1),
        };
        let is_plain = gate.request == ExportRequest::default() && gate.repair.is_none();
        let path = solo.rules.plain_read().filter(|_| is_plain);
        solo.plain = path.map(|path| Plain::new(path, arm, &solo));
        solo
    }

    /// The same tenant in a run that is over at `until`.
    pub(super) const fn until(mut self, until: Timestamp) -> Self {
        self.until = until;
        self
    }

    /// What the outcome of a call depends on, besides time.
    fn drawn(&self, call: Call, passage: &Passage) -> u64 {
        let job = self.stream.nth(passage.recording().0);
        match call {
            Call::Check => self
                .policy
                .drawn(passage.recording(), passage.tally.gate_calls + 1),
            Call::Create => job.draw(Purpose::JobQuery),
            Call::Start => job.draw(Purpose::JobLatency),
            Call::Poll => 0,
        }
    }

    /// Whether it takes a job for done whose counters are equal.
    fn takes_counters(&self) -> bool {
        self.request.done_when == JobDone::Counters
    }

    /// The event that it wants to be notified of.
    pub(super) const fn listens(&self) -> Option<WebhookEvent> {
        self.listens
    }

    /// The first instant at which a check finds what the gate looks for.
    #[inline(always)]
    fn ready_at(&self, recording: &impl Decided) -> Timestamp {
        recording.first_seen(self.path, self.need.get(recording.taken_for()))
    }

    /// A job that is asked for at `now`.
    const fn job(now: Timestamp) -> Job {
        Job {
            ordinal: UNNAMED,
            created_at: now,
            posted_at: now,
            started_at: Timestamp::NEVER,
            done_at: now,
            calls: 0,
            throttled: 0,
        }
    }

    /// From when on a sidecar is complete and true, if only time decides about that.
    #[inline(always)]
    fn plainly_complete_at(&self, recording: &impl Decided) -> Timestamp {
        match &self.plain {
            Some(plain) if recording.is_true() => plain.complete_at(recording),
            _ => Timestamp::NEVER,
        }
    }

    /// The record of a job that is over at `now`.
    const fn job_record(
        &self,
        job: &Job,
        now: Timestamp,
        snapshot_at: Option<Timestamp>,
    ) -> JobRecord {
        JobRecord {
            tenant: self.tenant,
            ordinal: job.ordinal,
            created_at: job.created_at,
            started_at: job.started_at.ever(),
            snapshot_at,
            done_at: now,
            recordings: 1,
            calls: job.calls,
            throttled: job.throttled,
        }
    }
}

/// Whether the tenants of `arm` can be run recording by recording: a job for each, and no gate or
/// platform through which one changes what another meets.
pub(super) fn suits(arm: &Arm) -> bool {
    let alone = |gate: &GateSpec| {
        let slots = gate.request.jobs_at_once.unwrap_or(Slots::Unlimited);
        let unpaced = gate
            .strategy
            .polling()
            .is_none_or(|it| it.max_calls.is_none());
        slots == Slots::Unlimited && unpaced && gate.strategy.fleet(arm.required).is_none()
    };
    arm.platform.export.slots == Slots::Unlimited
        && !arm.is_coupled()
        && !arm.platform.loses_values()
        && !arm.has_lasting_nulls()
        && arm.gates.iter().all(alone)
}

impl Passage {
    /// At the beginning.
    #[inline]
    pub(super) const fn new(recording: RecordingIndex, kind: Kind) -> Self {
        Self {
            progress: Progress::new(recording),
            tally: Tally::new(kind),
            job: Solo::job(Timestamp::ZERO),
        }
    }

    const fn recording(&self) -> RecordingIndex {
        self.progress.recording()
    }

    /// What came of it.
    #[inline]
    fn settled(
        &self,
        solo: &Solo,
        now: Timestamp,
        outcome: OutcomeKind,
        missing: FieldSet,
    ) -> Settled {
        let tally = self.tally;
        tally.settled(solo.tenant, self.recording(), now, outcome, missing)
    }

    const fn give_up(&mut self, cause: Cause) -> Then {
        self.tally.cause = Some(cause);
        Then::Settle(OutcomeKind::Errored, FieldSet::EMPTY)
    }

    /// What the gate wants.
    #[inline]
    fn gate(&mut self, now: Timestamp, step: Step) -> Then {
        match step {
            Step::Wait => Then::Wait,
            Step::At(at) => Then::At(at.max(now), Wake::Gate),
            Step::Check => Then::Call(Call::Check),
            Step::Approve => {
                self.tally.checks_passed = u32::from(self.tally.checks_answered > 0);
                self.approve(now)
            }
            Step::GiveUp => Then::Settle(OutcomeKind::Abandoned, FieldSet::EMPTY),
        }
    }

    #[inline]
    fn approve(&mut self, now: Timestamp) -> Then {
        self.tally.approved_at = now;
        self.job = Solo::job(now);
        Then::Call(Call::Create)
    }

    /// The next poll of its job.
    #[inline]
    fn poll_again(&self, now: Timestamp) -> Then {
        let origin = self.job.started_at.ever().unwrap_or(self.job.created_at);
        Then::At(next_poll(origin, now), Wake::Job(Call::Poll))
    }
}
