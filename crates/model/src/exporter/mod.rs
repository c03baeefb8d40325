//! The exporter of one tenant: asks its gate, submits what it approves in jobs, reads what they
//! wrote, and says what became of each recording.
//!
//! It is a client: it knows the API and the storage, nothing of the platform behind them. Both
//! engines drive it; the live one over HTTP, the simulated one by calls.

pub(crate) mod jobs;
mod sorted;
pub(crate) mod tally;

pub use jobs::LocalJob;

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap, VecDeque};

use crate::draws::Seed;
use crate::field::{FieldSet, Kind};
use crate::gate::{Action, Found, Gate, Observation, Read};
use crate::history::{JobRecord, Settled};
use crate::ids::{RecordingIndex, TenantIndex};
use crate::index_set::IndexSet;
use crate::org::JobState;
use crate::outcome::{Cause, OutcomeKind};
use crate::scenario::{
    ExportSpec, GateSpec, GateStart, Repair, RequiredFields, SidecarName, WebhookEvent,
};
use crate::table::Table;
use crate::time::{Duration, Timestamp};
use crate::timeline::View;
use jobs::Jobs;
use sorted::Sorted;
use tally::Tally;

/// What the exporter wants done over the network.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Command {
    /// What the gate asks for.
    Read(Read),
    /// POST a job.
    CreateJob {
        /// The exporter's own name for it.
        job: LocalJob,
        /// What it shall export.
        recordings: Vec<RecordingIndex>,
    },
    /// GET the job.
    PollJob(LocalJob),
    /// PUT the job: it begins.
    StartJob(LocalJob),
    /// Read manifest and sidecars from storage.
    ReadExport(LocalJob),
}

/// What the exporter has to say.
#[derive(Clone, PartialEq, Debug)]
pub enum Output {
    /// To be done; its reply is an [`Input`].
    Command(Command),
    /// A recording is settled. Fate and cause are left to whoever knows the platform.
    Settled(Settled),
    /// A job is over.
    Job(JobRecord),
}

/// What the exporter gets to know.
#[derive(Clone, PartialEq, Debug)]
pub enum Input {
    /// A session has ended.
    Ended(RecordingIndex, Kind),
    /// Its media object is in storage.
    MediaStored(RecordingIndex),
    /// A notification arrived.
    Notified(RecordingIndex, Kind, WebhookEvent),
    /// Reply to [`Command::Read`].
    Answered(Read, Reply<Found>),
    /// Reply to [`Command::CreateJob`].
    JobCreated(LocalJob, Reply<()>),
    /// Reply to [`Command::PollJob`].
    JobPolled(LocalJob, Reply<JobState>),
    /// Reply to [`Command::StartJob`]; of a strict export: what is missing.
    JobStarted(LocalJob, Reply<Vec<(RecordingIndex, FieldSet)>>),
    /// Reply to [`Command::ReadExport`].
    Exported(LocalJob, ExportRead),
}

/// The reply to a call.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Reply<T> {
    /// It was done.
    Done(T),
    /// 404.
    NotFound,
    /// 429.
    Throttled(Duration),
    /// 400 for a filter: trying again does not help.
    BadRequest,
    /// 403, 401: trying again does not help.
    Forbidden,
    /// No answer, or 5xx.
    Unavailable,
}

impl<T> Reply<T> {
    /// The same reply with what was done changed by `change`.
    pub fn map<U>(self, change: impl FnOnce(T) -> U) -> Reply<U> {
        match self {
            Self::Done(done) => Reply::Done(change(done)),
            Self::NotFound => Reply::NotFound,
            Self::Throttled(retry_after) => Reply::Throttled(retry_after),
            Self::BadRequest => Reply::BadRequest,
            Self::Forbidden => Reply::Forbidden,
            Self::Unavailable => Reply::Unavailable,
        }
    }
}

/// What was read back from storage.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct ExportRead {
    /// When the sidecars were taken, as they say themselves.
    pub snapshot_at: Timestamp,
    /// When the media was read, if not then.
    pub media_read_at: Option<Timestamp>,
    /// Recordings with a sidecar.
    pub sidecars: Vec<(RecordingIndex, View)>,
    /// Recordings that the job lists as failed.
    pub failed: Vec<RecordingIndex>,
}

/// The exporter of one tenant.
#[derive(Debug)]
pub struct Exporter {
    tenant: TenantIndex,
    gate: Gate,
    start: GateStart,
    repair: Option<Repair>,
    required: RequiredFields,
    sidecar_name: SidecarName,
    jobs: Jobs,
    open: Table<RecordingIndex, Tally>,
    /// How late calls for them were, where that was noted.
    lateness: BTreeMap<RecordingIndex, Duration>,
    /// All that it ever knew: a late duplicate of a notification must not export again.
    known: IndexSet,
    /// Recordings to be approved again, by when.
    again: BinaryHeap<Reverse<(Timestamp, RecordingIndex)>>,
    /// What became of recordings, apart from calls: those are many and small.
    settled: VecDeque<Settled>,
    commands: VecDeque<Command>,
}

/// After a strict export's refusal its failures are tried again that much later …
const REJECTED_RETRY: Duration = Duration::from_secs(5);
/// … so many times in all.
const REJECTED_TRIES: u32 = 3;

impl Exporter {
    /// The exporter of `tenant`, which runs `gate`.
    #[must_use]
    pub fn new(
        tenant: TenantIndex,
        gate: &GateSpec,
        export: &ExportSpec,
        required: RequiredFields,
        seed: Seed,
    ) -> Self {
        Self {
            tenant,
            gate: Gate::new(gate, required, seed),
            start: gate.start,
            repair: gate.repair,
            required,
            sidecar_name: gate.request.sidecar_name,
            jobs: Jobs::new(tenant, gate.request.jobs_at_once.unwrap_or(export.slots))
                .done_when(gate.request.done_when),
            open: Table::default(),
            lateness: BTreeMap::new(),
            known: IndexSet::default(),
            again: BinaryHeap::new(),
            settled: VecDeque::new(),
            commands: VecDeque::new(),
        }
    }

    /// Tells the exporter what happened at `now`.
    pub fn handle_input(&mut self, now: Timestamp, input: Input) {
        match input {
            Input::Ended(recording, kind) => {
                self.know(recording, kind);
                if self.start == GateStart::SessionEnd {
                    self.gate.observe(now, Observation::Started(recording));
                }
            }
            Input::MediaStored(recording) => {
                if self.start == GateStart::Media {
                    self.gate.observe(now, Observation::Started(recording));
                }
            }
            Input::Notified(recording, kind, event) => {
                self.know(recording, kind);
                self.gate
                    .observe(now, Observation::Notified(recording, event));
            }
            Input::Answered(read, reply) => self.answered(now, read, &reply),
            Input::JobCreated(job, reply) => {
                let given_up = self.jobs.created(now, job, &reply);
                self.give_up(now, &given_up, cause_of(&reply));
            }
            Input::JobPolled(job, reply) => {
                let given_up = self.jobs.polled(now, job, &reply);
                self.give_up(now, &given_up, cause_of(&reply));
            }
            Input::JobStarted(job, reply) => self.job_started(now, job, reply),
            Input::Exported(job, read) => self.exported(now, job, read),
        }
        self.act(now);
    }

    /// Handles everything due until `now`.
    pub fn handle_timeout(&mut self, now: Timestamp) {
        self.gate.handle_timeout(now);
        while let Some(Reverse((at, recording))) = self.again.peek().copied() {
            if at > now {
                break;
            }
            self.again.pop();
            self.approve(at, recording);
        }
        self.jobs.handle_timeout(now);
        self.act(now);
    }

    /// When something is due next.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Timestamp> {
        self.due_at().ever()
    }

    /// When something is due next; never if nothing is.
    #[inline]
    pub(crate) fn due_at(&self) -> Timestamp {
        let due_at = self.gate.due_at().min(self.jobs.due_at());
        match self.again.peek() {
            Some(Reverse((at, _))) => due_at.min(*at),
            None => due_at,
        }
    }

    /// The next output: what is over, then calls in the order in which they are due.
    #[inline]
    pub fn poll_output(&mut self) -> Option<Output> {
        if let Some(job) = self.jobs.poll_over() {
            return Some(Output::Job(job));
        }
        if let Some(settled) = self.settled.pop_front() {
            return Some(Output::Settled(settled));
        }
        self.commands.pop_front().map(Output::Command)
    }

    /// The next call alone.
    #[inline]
    pub(crate) fn poll_command(&mut self) -> Option<Command> {
        self.commands.pop_front()
    }

    /// Forgets every recording and job, as if it were new.
    pub(crate) fn clear(&mut self) {
        self.gate.clear();
        self.jobs.clear();
        self.open.clear();
        self.lateness.clear();
        self.known = IndexSet::default();
        self.again.clear();
        self.settled.clear();
        self.commands.clear();
    }

    /// Recordings that it knows of and has not settled.
    #[must_use]
    pub fn open_count(&self) -> usize {
        self.open.len()
    }

    /// The jitter that follows the check of the recording under way, if it finds nothing.
    pub(crate) fn drawn(&self, recording: RecordingIndex) -> u64 {
        let attempt = self.open.get(recording).map(|tally| tally.gate_calls);
        attempt.map_or(0, |attempt| self.gate.drawn(recording, attempt))
    }

    /// Live only: a call for `recording` was made that much after its time.
    pub fn note_lateness(&mut self, recording: RecordingIndex, lateness: Duration) {
        if self.open.get(recording).is_some() {
            let noted = self.lateness.entry(recording).or_default();
            *noted = lateness.max(*noted);
        }
    }

    fn know(&mut self, recording: RecordingIndex, kind: Kind) {
        if self.known.insert(recording.0) {
            self.open.insert(recording, Tally::new(kind));
            self.gate.expect(recording, kind);
        }
    }

    fn answered(&mut self, now: Timestamp, read: Read, reply: &Reply<Found>) {
        let recording = read.recording();
        let Some(tally) = self.open.get_mut(recording) else {
            return;
        };
        let observation = match reply {
            Reply::Done(found) => Observation::Answered(read, *found),
            Reply::NotFound => Observation::NotFound(read),
            Reply::Throttled(retry_after) => {
                tally.throttled += 1;
                Observation::Throttled(read, *retry_after)
            }
            Reply::Unavailable => Observation::Throttled(read, jobs::RETRY_UNAVAILABLE),
            Reply::Forbidden | Reply::BadRequest => {
                let refused = self.gate.refused(recording);
                self.give_up(now, &refused, cause_of(reply));
                return;
            }
        };
        tally.checks_answered += u32::from(matches!(reply, Reply::Done(_)));
        self.gate.observe(now, observation);
    }

    /// Does what the gate wants, and submits what is approved.
    fn act(&mut self, now: Timestamp) {
        while let Some(action) = self.gate.poll_action() {
            match action {
                Action::Read(read) => {
                    if let Some(tally) = self.open.get_mut(read.recording()) {
                        tally.gate_calls += 1;
                        tally.checked_at = now;
                        self.commands.push_back(Command::Read(read));
                    }
                }
                Action::Export(recording) => {
                    if let Some(tally) = self.open.get_mut(recording) {
                        tally.checks_passed = u32::from(tally.checks_answered > 0);
                    }
                    self.approve(now, recording);
                }
                Action::Abandon(recording) => {
                    self.settle(now, recording, OutcomeKind::Abandoned, FieldSet::EMPTY);
                }
            }
        }
        self.jobs.submit(now);
        while let Some(command) = self.jobs.poll_command() {
            self.commands.push_back(command);
        }
    }

    fn approve(&mut self, now: Timestamp, recording: RecordingIndex) {
        if let Some(tally) = self.open.get_mut(recording) {
            tally.approved_at = now;
            self.jobs.enqueue(recording);
        }
    }

    fn job_started(
        &mut self,
        now: Timestamp,
        job: LocalJob,
        reply: Reply<Vec<(RecordingIndex, FieldSet)>>,
    ) {
        match reply {
            Reply::Done(missing) if !missing.is_empty() => self.refused(now, job, missing),
            Reply::Done(_)
            | Reply::NotFound
            | Reply::Throttled(_)
            | Reply::BadRequest
            | Reply::Forbidden
            | Reply::Unavailable => {
                let given_up = self.jobs.started(now, job, &reply);
                self.give_up(now, &given_up, cause_of(&reply));
            }
        }
    }

    /// A strict export refused the job for what is `missing`.
    fn refused(&mut self, now: Timestamp, job: LocalJob, missing: Vec<(RecordingIndex, FieldSet)>) {
        let failing = Sorted::new(missing.iter().map(|(recording, _)| (*recording, ())));
        for recording in self.jobs.refused(now, job) {
            if failing.get(recording).is_none() {
                self.jobs.enqueue(recording);
            }
        }
        for (recording, fields) in missing {
            let Some(tally) = self.open.get_mut(recording) else {
                continue;
            };
            tally.rejections += 1;
            if tally.rejections >= REJECTED_TRIES {
                self.settle(now, recording, OutcomeKind::Rejected, fields);
            } else {
                self.again.push(Reverse((now + REJECTED_RETRY, recording)));
            }
        }
    }

    fn exported(&mut self, now: Timestamp, job: LocalJob, read: ExportRead) {
        let sidecars = Sorted::new(read.sidecars.into_iter());
        let failed = Sorted::new(read.failed.into_iter().map(|recording| (recording, ())));
        for recording in self.jobs.exported(now, job, read.snapshot_at) {
            let Some(tally) = self.open.get_mut(recording) else {
                continue;
            };
            if failed.get(recording).is_some() {
                self.give_up(now, &[recording], Cause::JobFailure);
            } else if let Some(view) = sidecars.get(recording) {
                let view = self.sidecar_name.looked_up(*view);
                let (outcome, missing) = crate::org::verdict(&self.required, tally.kind, &view);
                tally.exported(read.snapshot_at, outcome, self.sidecar_name);
                tally.media_read_at = read.media_read_at.unwrap_or(Timestamp::NEVER);
                match self.repair {
                    Some(repair)
                        if outcome != OutcomeKind::Complete
                            && tally.exports < repair.max_exports =>
                    {
                        self.again.push(Reverse((now + repair.delay, recording)));
                    }
                    _ => self.settle(now, recording, outcome, missing),
                }
            } else {
                self.settle(now, recording, OutcomeKind::Skipped, FieldSet::EMPTY);
            }
        }
    }

    /// What can never be exported, and why.
    fn give_up(&mut self, now: Timestamp, recordings: &[RecordingIndex], cause: Cause) {
        for recording in recordings {
            if let Some(tally) = self.open.get_mut(*recording) {
                tally.cause = Some(cause);
            }
            self.settle(now, *recording, OutcomeKind::Errored, FieldSet::EMPTY);
        }
    }

    fn settle(
        &mut self,
        now: Timestamp,
        recording: RecordingIndex,
        outcome: OutcomeKind,
        missing: FieldSet,
    ) {
        if let Some(tally) = self.open.remove(recording) {
            let settled = Settled {
                lateness: self.lateness.remove(&recording),
                ..tally.settled(self.tenant, recording, now, outcome, missing)
            };
            self.settled.push_back(settled);
        }
    }
}

/// Why a reply means that a job is given up.
const fn cause_of<T>(reply: &Reply<T>) -> Cause {
    match reply {
        Reply::Forbidden => Cause::Permission,
        Reply::BadRequest => Cause::Filter,
        Reply::Done(_) | Reply::NotFound | Reply::Throttled(_) | Reply::Unavailable => {
            Cause::JobFailure
        }
    }
}

impl SidecarName {
    /// What a client finds of a sidecar: under another name it finds the audio only.
    fn looked_up(self, view: View) -> View {
        match self {
            Self::Right => view,
            Self::Wrong => View {
                present: view.present.difference(FieldSet::METADATA),
                null: FieldSet::EMPTY,
                wrong: FieldSet::EMPTY,
                state: view.state,
            },
        }
    }

    const fn cause(self) -> Option<Cause> {
        match self {
            Self::Right => None,
            Self::Wrong => Some(Cause::WrongSuffix),
        }
    }
}
