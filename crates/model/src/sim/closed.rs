//! The closed form of one gate whose every recording has an export job of its own: where only time
//! decides about an export, its outcome is a comparison.
//!
//! It is the rule of the exporter and the organization worked out beforehand, for the arms and
//! recordings that it accepts; [`super::One`] takes the others. `tests/paths.rs` holds both against
//! each other.

use crate::draws::{Seed, Stream};
use crate::export::{ExportRules, verdict};
use crate::exporter::jobs::{POLL_INTERVAL, next_poll};
use crate::exporter::tally::Tally;
use crate::field::{Field, FieldSet, Kind, PerKind};
use crate::gate::{Policy, Polls, Progress, Ready, Rounds, Seen, Series, Step};
use crate::history::{JobRecord, Settled};
use crate::ids::{JobOrdinal, RecordingIndex, TenantIndex};
use crate::job_draws::JobDraws;
use crate::outcome::OutcomeKind;
use crate::scenario::{
    Arm, ExportRequest, GateSpec, GateStart, ReadPath, RequiredFields, SidecarName, Slots,
};
use crate::time::{Duration, Timestamp};
use crate::timeline::{Decided, Missed, Need};

/// Whether the tenants of `arm` can be run recording by recording: a job for each, and no gate or
/// platform through which one changes what another meets.
pub(super) fn suits(arm: &Arm) -> bool {
    let alone = |gate: &GateSpec| {
        let slots = gate.request.jobs_at_once.unwrap_or(Slots::Unlimited);
        let polling = gate.strategy.polling();
        let unpaced = polling.is_none_or(|it| it.max_calls.is_none());
        slots == Slots::Unlimited && unpaced && gate.strategy.fleet(arm.required).is_none()
    };
    arm.platform.export.slots == Slots::Unlimited
        && !arm.is_coupled()
        && !arm.platform.loses_values()
        && !arm.has_lasting_nulls()
        && arm.gates.iter().all(alone)
}

/// The rules of one tenant of which outcomes are a matter of time alone.
#[derive(Clone, Debug)]
pub(super) struct Closed {
    seed: Seed,
    tenant: TenantIndex,
    policy: Policy,
    start: GateStart,
    /// What checks look for, and where.
    need: PerKind<Need>,
    path: ReadPath,
    required: RequiredFields,
    rules: ExportRules,
    /// Draws of the jobs, which are keyed by their recording.
    stream: Stream,
    /// What a sidecar must hold.
    plain: Plain,
    /// The times of its jobs, if they are all the same.
    same_times: Option<JobTimes>,
    /// What would happen later does not happen in this run.
    until: Timestamp,
}

impl Closed {
    /// The rules of `tenant`, which runs `gate` on `arm` in a run that is over at `until`; none
    /// where something else than time decides.
    pub(super) fn new(
        tenant: TenantIndex,
        gate: &GateSpec,
        arm: &Arm,
        seed: Seed,
        until: Timestamp,
    ) -> Option<Self> {
        let plain = gate.request == ExportRequest::default()
            && gate.repair.is_none()
            && gate.strategy.listens().is_none();
        if !plain {
            return None;
        }
        let platform = &arm.platform;
        let rules = ExportRules::new(&platform.export, arm.required, seed);
        let rules = rules.selecting(&platform.export, &platform.hold, gate.request);
        let read = rules.plain_read()?;
        let policy = Policy::new(&gate.strategy, seed);
        let need = PerKind::of(|kind| policy.need(arm.required.of(kind)));
        Some(Self {
            seed,
            tenant,
            start: gate.start,
            plain: Plain::new(read, arm, gate.start, (policy.read_path(), &need)),
            need,
            path: policy.read_path(),
            policy,
            required: arm.required,
            stream: JobDraws::of_recordings(seed),
            same_times: JobTimes::of_all(&rules),
            rules,
            until,
        })
    }

    /// How recordings pass this gate.
    pub(super) fn way(&self) -> Way<'_> {
        match self.policy.polls(self.until) {
            Some(gate) => Way::Polling(Plainly { rules: self, gate }),
            None => Way::Stepping(Plainly {
                rules: self,
                gate: Steps,
            }),
        }
    }
}

/// What the closed form says of a recording.
pub(super) enum Ran<T> {
    /// It waits for something that never comes.
    InFlight,
    /// It is settled.
    Settled(T),
    /// The outcome is not a matter of time alone: exporter and organization say.
    Unclear,
}

/// What a gate has decided about a recording.
#[derive(Clone, Copy, Debug)]
struct Passed {
    at: Timestamp,
    /// Whether it approves.
    approved: Ready,
    /// Whether its last look showed what it looks for.
    saw: Ready,
    /// How often it looked.
    looks: u32,
    /// When it last did.
    looked_at: Option<Timestamp>,
}

/// How recordings pass a gate.
pub(super) enum Way<'a> {
    /// It only polls.
    Polling(Plainly<'a, Polls<'a>>),
    /// Any other strategy, step by step.
    Stepping(Plainly<'a, Steps>),
}

/// A gate of which outcomes are a matter of time alone.
pub(super) struct Plainly<'a, G> {
    rules: &'a Closed,
    gate: G,
}

/// Any strategy.
pub(super) struct Steps;

impl Plainly<'_, Polls<'_>> {
    /// Takes recordings from their sessions' ends to their outcomes.
    #[inline(always)]
    pub(super) fn run_all<R: Decided, I: Iterator<Item = R>>(
        &self,
        recordings: impl Fn() -> I,
        rounds: &mut Rounds,
        mut note: impl FnMut(&R, Ran<(Settled, Option<JobRecord>)>),
    ) {
        let Closed {
            start, path, seed, ..
        } = *self.rules;
        let need = self.rules.need;
        let starts = recordings().map(move |recording| {
            let start = match start {
                GateStart::SessionEnd => recording.ended_at(),
                GateStart::Media => recording.media_at(),
            };
            let ready_at = recording.first_seen(path, need.get(recording.taken_for()));
            (start, ready_at, recording.draws(seed))
        });
        let series = self.gate.run(starts, rounds);
        let rows = recordings().zip(series);
        if let Some(times) = self.rules.same_times {
            rows.for_each(|(recording, series)| {
                let passed = Some(Passed::by(series));
                note(&recording, self.follow(&recording, passed, || times));
            });
        } else {
            rows.for_each(|(recording, series)| {
                let passed = Some(Passed::by(series));
                let times = || self.rules.job_times(recording.recording());
                note(&recording, self.follow(&recording, passed, times));
            });
        }
    }
}

impl Plainly<'_, Steps> {
    /// Takes the recording from its session's end to its outcome.
    #[inline(always)]
    pub(super) fn run(&self, recording: &impl Decided) -> Ran<(Settled, Option<JobRecord>)> {
        let (start, rules) = (self.start(recording), self.rules);
        let need = rules.need.get(recording.taken_for());
        let ready_at = recording.first_seen(rules.path, need);
        let passed = rules.step_through(start, ready_at, recording.recording());
        let times = || rules.job_times(recording.recording());
        self.follow(recording, passed, times)
    }
}

impl<G> Plainly<'_, G> {
    /// When the gate's clock starts.
    #[inline(always)]
    fn start(&self, recording: &impl Decided) -> Timestamp {
        match self.rules.start {
            GateStart::SessionEnd => recording.ended_at(),
            GateStart::Media => recording.media_at(),
        }
    }

    /// What becomes of the recording. Also returns its job, if it had one.
    #[inline(always)]
    fn follow(
        &self,
        recording: &impl Decided,
        passed: Option<Passed>,
        times: impl FnOnce() -> JobTimes,
    ) -> Ran<(Settled, Option<JobRecord>)> {
        if !recording.is_true() {
            return Ran::Unclear;
        }
        let rules = self.rules;
        let plain = &rules.plain;
        let Some(passed) = passed.filter(|passed| passed.at <= rules.until) else {
            return Ran::InFlight;
        };
        let now = passed.at;
        let mut tally = Tally::new(recording.taken_for());
        tally.gate_calls = passed.looks;
        tally.checks_answered = passed.looks;
        tally.checked_at = passed.looked_at.unwrap_or(Timestamp::NEVER);
        if passed.approved == Ready::No {
            let outcome = OutcomeKind::Abandoned;
            let mut settled = rules.settled(tally, recording, now, outcome, FieldSet::EMPTY);
            let looked_at = passed.looked_at.unwrap_or(now);
            plain.judge(looked_at, rules.path, recording, &mut settled);
            return Ran::Settled((settled, None));
        }
        tally.checks_passed = u32::from(tally.checks_answered > 0);
        tally.approved_at = now;
        let times = times();
        let (snapshot_at, done_at) = (now + times.snapshot, now + times.seen);
        let kind = recording.taken_for();
        let (mut outcome, mut missing) = (OutcomeKind::Complete, FieldSet::EMPTY);
        let sure = passed.saw == Ready::Yes && plain.shown_by_looks(kind);
        let mut missed = None;
        if !sure && snapshot_at < plain.complete_at(recording) {
            let needed = rules.required.of(kind).with(Field::Media);
            missed = recording.missed(snapshot_at, plain.path, needed);
            (outcome, missing) = match &missed {
                Some(missed) => (OutcomeKind::Incomplete, missed.fields),
                None => {
                    let view = recording.look(|timeline| timeline.view(snapshot_at, plain.path));
                    verdict(&rules.required, kind, &view)
                }
            };
        }
        tally.exported(snapshot_at, outcome, SidecarName::Right);
        let mut settled = rules.settled(tally, recording, done_at, outcome, missing);
        plain.conclude(missed, &mut settled);
        let record = JobRecord {
            tenant: rules.tenant,
            // Fused jobs have no order: their recording names them.
            ordinal: JobOrdinal(recording.recording().0),
            created_at: now,
            started_at: Some(now + times.started),
            snapshot_at: Some(snapshot_at),
            done_at,
            recordings: 1,
            calls: times.calls,
            throttled: 0,
        };
        Ran::Settled((settled, Some(record)))
    }
}

impl Passed {
    #[inline(always)]
    const fn by(series: &Series) -> Self {
        Self {
            at: series.at,
            approved: series.found,
            saw: series.found,
            looks: series.looks,
            looked_at: Some(series.at),
        }
    }
}

impl Closed {
    /// What the gate decides about a recording that is ready at `ready_at`, where its clock starts
    /// at `start`, step by step; none if it never decides.
    fn step_through(
        &self,
        start: Timestamp,
        ready_at: Timestamp,
        recording: RecordingIndex,
    ) -> Option<Passed> {
        let mut progress = Progress::new(recording);
        let mut passed = Passed {
            at: start,
            approved: Ready::Yes,
            saw: Ready::No,
            looks: 0,
            looked_at: None,
        };
        let mut step = self.policy.on(start, Seen::Started, &mut progress);
        loop {
            let now = passed.at;
            step = match step {
                Step::At(at) => {
                    passed.at = at.max(now);
                    self.policy.due(passed.at, &mut progress)
                }
                Step::Check => {
                    passed.looks += 1;
                    passed.looked_at = Some(now);
                    passed.saw = if now >= ready_at {
                        Ready::Yes
                    } else {
                        Ready::No
                    };
                    self.policy
                        .on(now, Seen::Checked(passed.saw), &mut progress)
                }
                Step::Approve => return Some(passed),
                Step::GiveUp => {
                    passed.approved = Ready::No;
                    return Some(passed);
                }
                Step::Wait => return None,
            };
            if passed.at > self.until {
                return None;
            }
        }
    }

    /// The times of the recording's job.
    fn job_times(&self, recording: RecordingIndex) -> JobTimes {
        self.same_times.unwrap_or_else(|| {
            let draws = || self.stream.nth(recording.0);
            let (query_time, latency) = (self.rules.query_time(draws), self.rules.latency(draws));
            JobTimes::new(&self.rules, query_time, latency)
        })
    }

    #[inline(always)]
    fn settled(
        &self,
        tally: Tally,
        recording: &impl Decided,
        now: Timestamp,
        outcome: OutcomeKind,
        missing: FieldSet,
    ) -> Settled {
        tally.settled(self.tenant, recording.recording(), now, outcome, missing)
    }
}

/// What a sidecar must hold, where only time decides whether it does.
#[derive(Clone, Debug)]
pub(super) struct Plain {
    /// Where sidecars are read.
    path: ReadPath,
    need: PerKind<Need>,
    /// Whether a look that shows what the gate looks for shows all of that.
    shown: PerKind<Ready>,
    needed: RequiredFields,
    judges: Judges,
}

/// Where fates and causes follow from a recording's instants alone.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Judges {
    /// Here.
    Here,
    /// Only with the platform's specification: stages lose workers, or the gate is a special one.
    Elsewhere,
}

impl Plain {
    /// Sidecars that are read on `path`, behind looks that begin at `start`, on a path of their own
    /// and for what they need.
    fn new(
        path: ReadPath,
        arm: &Arm,
        start: GateStart,
        (looked, needs): (ReadPath, &PerKind<Need>),
    ) -> Self {
        let required = arm.required;
        let stages = arm.platform.pipelines.iter().flat_map(|it| &it.stages);
        let judges = if stages.into_iter().all(|stage| stage.outages.is_empty()) {
            Judges::Here
        } else {
            Judges::Elsewhere
        };
        let need = |kind| Need::fields(required.of(kind).with(Field::Media));
        let shown = |kind| {
            let looks = match start {
                GateStart::Media => needs.get(kind).and_media(),
                GateStart::SessionEnd => *needs.get(kind),
            };
            if looked == path && need(kind).is_within(&looks) {
                Ready::Yes
            } else {
                Ready::No
            }
        };
        Self {
            path,
            need: PerKind::of(need),
            shown: PerKind::of(shown),
            needed: required,
            judges,
        }
    }

    /// Fate and cause of a recording that the gate gave up, having looked at it at `at`.
    #[inline(always)]
    fn judge(
        &self,
        at: Timestamp,
        path: ReadPath,
        recording: &impl Decided,
        settled: &mut Settled,
    ) {
        let needed = self.needed.of(recording.taken_for()).with(Field::Media);
        self.conclude(recording.missed(at, path, needed), settled);
    }

    #[inline(always)]
    fn conclude(&self, missed: Option<Missed>, settled: &mut Settled) {
        if let Some(missed) = missed.filter(|_| self.judges == Judges::Here) {
            (settled.fate, settled.cause) = (Some(missed.fate), Some(missed.cause));
        }
    }

    /// From when on a sidecar is complete.
    #[inline(always)]
    pub(super) fn complete_at(&self, recording: &impl Decided) -> Timestamp {
        recording.first_seen(self.path, self.need.get(recording.taken_for()))
    }

    #[inline(always)]
    fn shown_by_looks(&self, kind: Kind) -> bool {
        *self.shown.get(kind) == Ready::Yes
    }
}

/// A job from its POST on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct JobTimes {
    started: Duration,
    ended: Duration,
    snapshot: Duration,
    /// A poll sees that it has ended.
    seen: Duration,
    calls: u32,
}

impl JobTimes {
    /// Of every job, if chance has no part in them.
    pub(super) fn of_all(rules: &ExportRules) -> Option<Self> {
        let (query_time, latency) = rules.constant_times()?;
        Some(Self::new(rules, query_time, latency))
    }

    /// A job whose query takes `query_time` and whose export takes `latency`.
    #[inline(always)]
    fn new(rules: &ExportRules, query_time: Duration, latency: Duration) -> Self {
        // POST, GET, PUT, and the polls for each wait.
        let (mut started, mut calls) = (Duration::ZERO, 3);
        if query_time > Duration::ZERO {
            let (seen, polls) = seen_by_polls(query_time);
            (started, calls) = (seen, calls + polls);
        }
        let at = |wait| Timestamp::ZERO + wait;
        let ended = started.saturating_add(latency);
        let snapshot = rules.snapshot_at(at(started), at(ended));
        let (seen, polls) = seen_by_polls(latency);
        Self {
            started,
            ended,
            snapshot: snapshot.since(Timestamp::ZERO),
            seen: started.saturating_add(seen),
            calls: calls + polls,
        }
    }
}

/// The first poll that comes after `wait` or later, and how many it takes.
#[inline]
fn seen_by_polls(wait: Duration) -> (Duration, u32) {
    let before = wait.saturating_sub(Duration::from_nanos(1));
    let seen_at = next_poll(Timestamp::ZERO, Timestamp::ZERO + before);
    let seen = seen_at.since(Timestamp::ZERO);
    let polls = seen.as_nanos() / POLL_INTERVAL.as_nanos();
    (seen, u32::try_from(polls).unwrap_or(u32::MAX))
}
