//! One tenant in virtual time: its exporter, and its organization behind a network that takes no
//! time.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};

use super::News;
use super::recordings::Slots;
use crate::draws::{Purpose, Seed};
use crate::exporter::{Command, ExportRead, Exporter, Input, LocalJob, Output, Reply};
use crate::field::Kind;
use crate::gate::{Found, Read};
use crate::history::{JobRecord, Settled};
use crate::ids::{JobOrdinal, RecordingIndex, TenantIndex};
use crate::order::Event;
use crate::org::{JobChances, JobError, Org, Recordings};
use crate::platform::Notification;
use crate::scenario::{Arm, GateSpec, ReadPath, WebhookEvent};
use crate::selection::Refusal;
use crate::time::Timestamp;
use crate::timeline::{Decided, Timeline};

/// What a tenant has to record.
pub(super) enum Record {
    Settled(Settled),
    Job(JobRecord),
    Call(Event),
}

pub(super) struct Tenant {
    tenant: TenantIndex,
    exporter: Exporter,
    org: Org,
    inbox: BinaryHeap<Reverse<(Timestamp, News, RecordingIndex)>>,
    jobs: BTreeMap<LocalJob, JobOrdinal>,
    outputs: Vec<Record>,
    /// Answered reads of the primary store since they were last taken, where they cost something.
    reads: Option<Vec<(RecordingIndex, Kind)>>,
}

impl Tenant {
    pub(super) fn new(tenant: TenantIndex, gate: &GateSpec, arm: &Arm, seed: Seed) -> Self {
        let platform = &arm.platform;
        Self {
            tenant,
            exporter: Exporter::new(tenant, gate, &platform.export, arm.required, seed),
            org: Org::new(seed, &platform.api, &platform.export, arm.required).selecting(
                &platform.export,
                &platform.hold,
                gate.request,
            ),
            inbox: BinaryHeap::new(),
            jobs: BTreeMap::new(),
            outputs: Vec::new(),
            reads: arm.is_coupled().then(Vec::new),
        }
    }

    /// The same tenant, whose jobs meet these chances.
    pub(super) fn given(mut self, chances: JobChances) -> Self {
        self.org = self.org.given(chances);
        self
    }

    /// The same tenant, which notes what chance made of its jobs.
    pub(super) fn noting(mut self) -> Self {
        self.org = self.org.noting();
        self
    }

    /// What chance made of its jobs, where that was noted.
    pub(super) const fn noted(&self) -> Option<&JobChances> {
        self.org.noted()
    }

    /// The session of `known` has ended.
    pub(super) fn announce(&mut self, known: &impl Decided) {
        let (recording, kind) = (known.recording(), known.taken_for());
        let ended = News::Ended(kind);
        self.inbox
            .push(Reverse((known.ended_at(), ended, recording)));
        self.inbox
            .push(Reverse((known.media_at(), News::MediaStored, recording)));
    }

    pub(super) fn notify(&mut self, notification: Notification, kind: Kind, event: WebhookEvent) {
        let news = News::Notified(kind, event, notification.copy);
        self.inbox
            .push(Reverse((notification.at, news, notification.recording)));
    }

    pub(super) fn open_count(&self) -> usize {
        self.exporter.open_count()
    }

    /// What came out since the last call.
    pub(super) fn take_outputs(&mut self) -> Vec<Record> {
        std::mem::take(&mut self.outputs)
    }

    /// What was read of the primary store since the last call.
    pub(super) fn take_reads(&mut self) -> Vec<(RecordingIndex, Kind)> {
        self.reads.as_mut().map(std::mem::take).unwrap_or_default()
    }

    /// Runs until `horizon`, inclusive. Returns the instant of the last thing that happened.
    pub(super) fn advance(&mut self, horizon: Timestamp, timelines: &Slots) -> Timestamp {
        let mut last = Timestamp::ZERO;
        while let Some(now) = self.next_timeout().filter(|at| *at <= horizon) {
            last = now;
            while self.org.handle_timeout(now, timelines).is_some() {}
            while let Some(Reverse((at, news, recording))) = self.inbox.peek().copied() {
                if at > now {
                    break;
                }
                self.inbox.pop();
                self.exporter.handle_input(now, input(news, recording));
                self.serve(now, timelines);
            }
            self.exporter.handle_timeout(now);
            self.serve(now, timelines);
        }
        last
    }

    pub(super) fn next_timeout(&self) -> Option<Timestamp> {
        let inbox = self.inbox.peek().map(|Reverse((at, _, _))| *at);
        [self.org.poll_timeout(), inbox, self.exporter.poll_timeout()]
            .into_iter()
            .flatten()
            .min()
    }

    /// Answers the exporter's calls until it has no more.
    fn serve(&mut self, now: Timestamp, timelines: &Slots) {
        while let Some(output) = self.exporter.poll_output() {
            match output {
                Output::Command(command) => {
                    self.outputs.push(Record::Call(self.event(now, &command)));
                    let input = self.answer(now, command, timelines);
                    self.exporter.handle_input(now, input);
                }
                Output::Settled(settled) => self.outputs.push(Record::Settled(settled)),
                Output::Job(job) => self.outputs.push(Record::Job(job)),
            }
        }
    }

    /// The call as an event. A job's is about the first recording in it, or its number.
    fn event(&self, now: Timestamp, command: &Command) -> Event {
        let (kind, number) = match command {
            Command::Read(Read::Check { recording, .. }) => (2, recording.0),
            Command::CreateJob { job, recordings } => {
                (3, recordings.first().map_or(job.0, |recording| recording.0))
            }
            Command::PollJob(job) => (4, job.0),
            Command::StartJob(job) => (5, job.0),
            Command::ReadExport(job) => (6, job.0),
            Command::Read(Read::Watermark { recording }) => (7, recording.0),
        };
        Event {
            at: now,
            kind,
            recording: RecordingIndex(number),
            tenant: Some(self.tenant),
            draws: self.drawn(now, command),
        }
    }

    /// What the outcome of a call depends on, besides time.
    fn drawn(&self, now: Timestamp, command: &Command) -> u64 {
        let of_job = |job: LocalJob, purpose| {
            let draws = self.org.draws_of(self.ordinal(job));
            draws.map_or(0, |draws| draws.draw(purpose))
        };
        match command {
            Command::Read(Read::Check { recording, .. }) => self.exporter.drawn(*recording),
            Command::CreateJob { recordings, .. } => {
                let draws = self.org.draws_of_next(now, recordings);
                draws.draw(Purpose::JobQuery)
            }
            Command::StartJob(job) => of_job(*job, Purpose::JobLatency),
            Command::ReadExport(job) => of_job(*job, Purpose::JobFailure),
            Command::PollJob(_) | Command::Read(Read::Watermark { .. }) => 0,
        }
    }

    fn answer(&mut self, now: Timestamp, command: Command, timelines: &Slots) -> Input {
        match command {
            Command::Read(read) => Input::Answered(read, self.read(now, read, timelines)),
            Command::CreateJob { job, recordings } => {
                let reply = self.create_job(now, recordings);
                if let Reply::Done(ordinal) = &reply {
                    self.jobs.insert(job, *ordinal);
                }
                Input::JobCreated(job, reply.map(|_| ()))
            }
            Command::PollJob(job) => {
                let ordinal = self.ordinal(job);
                Input::JobPolled(job, self.call(now, |org| org.job_state(ordinal)))
            }
            Command::StartJob(job) => {
                let ordinal = self.ordinal(job);
                let reply = self.call(now, |org| match org.start_job(now, ordinal, timelines) {
                    Ok(()) => Ok(Vec::new()),
                    Err(JobError::MissingFields(missing)) => Ok(missing),
                    Err(error) => Err(error),
                });
                Input::JobStarted(job, reply)
            }
            Command::ReadExport(job) => Input::Exported(job, self.read_export(job)),
        }
    }

    /// What a read finds.
    fn read(&mut self, now: Timestamp, read: Read, timelines: &Slots) -> Reply<Found> {
        if let Err(throttled) = self.org.limiter().admit(now) {
            return Reply::Throttled(throttled.retry_after);
        }
        if self.org.refuses_reading().is_some() {
            return Reply::Forbidden;
        }
        match read {
            Read::Check { recording, path } => self.view(now, recording, path, timelines),
            Read::Watermark { .. } => Reply::Done(Found::Watermark(self.org.watermark(now))),
        }
    }

    fn view(
        &mut self,
        now: Timestamp,
        recording: RecordingIndex,
        path: ReadPath,
        timelines: &Slots,
    ) -> Reply<Found> {
        let seen = |timeline: &Timeline| (timeline.view(now, path), timeline.taken_for());
        match timelines.read(recording, seen) {
            Some((view, kind)) => {
                if let Some(reads) = self.reads.as_mut().filter(|_| path == ReadPath::Primary) {
                    reads.push((recording, kind));
                }
                Reply::Done(Found::View(view))
            }
            None => Reply::NotFound,
        }
    }

    fn call<T>(
        &mut self,
        now: Timestamp,
        call: impl FnOnce(&mut Org) -> Result<T, JobError>,
    ) -> Reply<T> {
        if let Err(throttled) = self.org.limiter().admit(now) {
            return Reply::Throttled(throttled.retry_after);
        }
        match call(&mut self.org) {
            Ok(done) => Reply::Done(done),
            Err(JobError::TooManyJobs) => Reply::Throttled(crate::org::SLOT_RETRY),
            Err(_) => Reply::NotFound,
        }
    }

    fn create_job(&mut self, now: Timestamp, recordings: Vec<RecordingIndex>) -> Reply<JobOrdinal> {
        match self.org.refuses_jobs() {
            None => self.call(now, |org| org.create_job(now, recordings)),
            Some(refusal) => match self.org.limiter().admit(now) {
                Err(throttled) => Reply::Throttled(throttled.retry_after),
                Ok(()) if refusal == Refusal::Forbidden => Reply::Forbidden,
                Ok(()) => Reply::BadRequest,
            },
        }
    }

    fn ordinal(&self, job: LocalJob) -> JobOrdinal {
        self.jobs.get(&job).copied().unwrap_or(JobOrdinal(u64::MAX))
    }

    fn read_export(&mut self, job: LocalJob) -> ExportRead {
        let ordinal = self.ordinal(job);
        let read = self.org.export(ordinal).map(|export| ExportRead {
            snapshot_at: export.snapshot_at,
            media_read_at: export.media_read_at,
            sidecars: export
                .sidecars
                .iter()
                .map(|s| (s.recording, s.view))
                .collect(),
            failed: export.failed.clone(),
        });
        self.org.forget(ordinal);
        self.jobs.remove(&job);
        read.unwrap_or_default()
    }
}

fn input(news: News, recording: RecordingIndex) -> Input {
    match news {
        News::Ended(kind) => Input::Ended(recording, kind),
        News::MediaStored => Input::MediaStored(recording),
        News::Notified(kind, event, _) => Input::Notified(recording, kind, event),
    }
}
