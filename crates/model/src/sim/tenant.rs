//! One tenant in virtual time: its exporter, and its organization behind a network that takes no
//! time.

use crate::agenda::{Agenda, Due};
use crate::draws::{Purpose, Seed};
use crate::exporter::{Command, ExportRead, Exporter, Input, LocalJob, Output, Reply};
use crate::field::Kind;
use crate::gate::{Found, Read};
use crate::ids::{JobOrdinal, RecordingIndex, TenantIndex};
use crate::order::Event;
use crate::org::{JobChances, JobError, Org, Recordings};
use crate::platform::Notification;
use crate::scenario::{Arm, GateSpec, GateStart, ReadPath, WebhookEvent};
use crate::selection::Refusal;
use crate::table::Table;
use crate::time::Timestamp;
use crate::timeline::Decided;

/// One gate with its exporter, and the organization that it calls.
pub(super) struct Tenant {
    tenant: TenantIndex,
    exporter: Exporter,
    org: Org,
    start: GateStart,
    listens: Option<WebhookEvent>,
    /// What it will get to know.
    inbox: Agenda,
    jobs: Table<LocalJob, Job>,
    /// Its calls since they were last taken, where their order is noted.
    calls: Option<Vec<Event>>,
    subjects: Subjects,
    /// Answered reads of the primary store since they were last taken, where they cost something.
    reads: Option<Vec<(RecordingIndex, Kind)>>,
}

/// A job that the organization has created.
#[derive(Clone, Copy, Debug)]
struct Job {
    ordinal: JobOrdinal,
    /// The first recording in it.
    first: RecordingIndex,
}

/// What a call about a job is about, in the order of events.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Subjects {
    /// The job's only recording.
    Recordings,
    /// The job, by its number.
    Jobs,
}

/// What a tenant gets to know from outside, in the order in which it does at one instant.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum News {
    Ended(Kind),
    MediaStored,
    Notified(Kind, u32),
}

/// Bits of [`Due::content`] that hold the recording; the news are above.
const NUMBER_BITS: u32 = 56;
/// The lane of session ends, which come in order.
const ENDS: usize = 0;

impl News {
    /// It and its recording as one number that orders what happens at one instant.
    const fn content(self, recording: RecordingIndex) -> u64 {
        let place = match self {
            Self::Ended(kind) => kind.index() as u64,
            Self::MediaStored => 2,
            Self::Notified(kind, copy) => 4 | (kind.index() as u64) << 1 | (copy & 1) as u64,
        };
        place << NUMBER_BITS | recording.0
    }
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
            start: gate.start,
            listens: gate.strategy.listens(),
            inbox: Agenda::default(),
            jobs: Table::default(),
            calls: None,
            subjects: Subjects::Jobs,
            reads: arm.is_coupled().then(Vec::new),
        }
    }

    /// The same tenant, which also notes its calls, each with its subject.
    pub(super) fn noting_calls(mut self, subjects: Subjects) -> Self {
        self.calls = Some(Vec::new());
        self.subjects = subjects;
        self
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

    /// Forgets every recording and job, as if it were new.
    pub(super) fn clear(&mut self) {
        self.exporter.clear();
        self.org.clear();
        self.inbox.clear();
        self.jobs.clear();
    }

    /// The session of `known` has ended.
    pub(super) fn announce(&mut self, known: &impl Decided) {
        let recording = known.recording();
        let ended = News::Ended(known.taken_for());
        let due = |at, news: News| Due {
            at,
            content: news.content(recording),
            slot: 0,
        };
        self.inbox.push_in_order(ENDS, due(known.ended_at(), ended));
        if self.start == GateStart::Media {
            self.inbox.push(due(known.media_at(), News::MediaStored));
        }
    }

    /// Its subscription will bring `notification`.
    pub(super) fn notify(&mut self, notification: Notification, kind: Kind) {
        self.inbox.push(Due {
            at: notification.at,
            content: News::Notified(kind, notification.copy).content(notification.recording),
            slot: 0,
        });
    }

    /// The event that it wants to be notified of.
    pub(super) const fn listens(&self) -> Option<WebhookEvent> {
        self.listens
    }

    pub(super) fn open_count(&self) -> usize {
        self.exporter.open_count()
    }

    /// What is over since that was last taken. All calls are answered.
    pub(super) fn drain_outputs(&mut self) -> impl Iterator<Item = Output> {
        std::iter::from_fn(|| self.exporter.poll_output())
    }

    /// Its calls since they were last taken, where they are noted.
    pub(super) fn drain_calls(&mut self) -> impl Iterator<Item = Event> {
        self.calls.iter_mut().flat_map(|calls| calls.drain(..))
    }

    /// What was read of the primary store since the last call.
    pub(super) fn take_reads(&mut self) -> Vec<(RecordingIndex, Kind)> {
        self.reads.as_mut().map(std::mem::take).unwrap_or_default()
    }

    /// Runs until `horizon`, inclusive. Returns the instant of the last thing that happened.
    pub(super) fn advance(&mut self, horizon: Timestamp, timelines: &impl Recordings) -> Timestamp {
        let mut last = Timestamp::ZERO;
        loop {
            let now = self.due_at();
            if now > horizon || now.is_never() {
                return last;
            }
            last = now;
            while self.org.handle_timeout(now, timelines).is_some() {}
            while let Some(due) = self.inbox.pop_until(now) {
                self.exporter.handle_input(now, self.input(due.content));
                self.serve(now, timelines);
            }
            if self.exporter.due_at() <= now {
                self.exporter.handle_timeout(now);
                self.serve(now, timelines);
            }
        }
    }

    /// What the exporter gets to know by the news in `content`.
    fn input(&self, content: u64) -> Input {
        let recording = RecordingIndex(content & ((1 << NUMBER_BITS) - 1));
        let place = content >> NUMBER_BITS;
        let kind = |bit: u64| Kind::ALL[usize::from(bit & 1 != 0)];
        match (place, self.listens) {
            (0 | 1, _) => Input::Ended(recording, kind(place)),
            (4.., Some(event)) => Input::Notified(recording, kind(place >> 1), event),
            _ => Input::MediaStored(recording),
        }
    }

    /// When something happens next.
    pub(super) fn next_timeout(&self) -> Option<Timestamp> {
        self.due_at().ever()
    }

    #[inline]
    fn due_at(&self) -> Timestamp {
        let told_at = self.inbox.first_at().min(self.org.due_at());
        told_at.min(self.exporter.due_at())
    }

    /// Answers the exporter's calls until it has no more.
    fn serve(&mut self, now: Timestamp, timelines: &impl Recordings) {
        while let Some(command) = self.exporter.poll_command() {
            self.note_call(now, &command);
            let input = self.answer(now, command, timelines);
            self.exporter.handle_input(now, input);
        }
    }

    /// Notes the call as an event, if calls are noted.
    fn note_call(&mut self, now: Timestamp, command: &Command) {
        if self.calls.is_none() {
            return;
        }
        let of_job = |job: LocalJob| match self.subjects {
            Subjects::Jobs => job.0,
            Subjects::Recordings => self.jobs.get(job).map_or(job.0, |job| job.first.0),
        };
        let (kind, number) = match command {
            Command::Read(Read::Check { recording, .. }) => (2, recording.0),
            Command::CreateJob { job, recordings } => {
                (3, recordings.first().map_or(job.0, |recording| recording.0))
            }
            Command::PollJob(job) => (4, of_job(*job)),
            Command::StartJob(job) => (5, of_job(*job)),
            // Part of the poll before it, where a job has one recording.
            Command::ReadExport(_) if self.subjects == Subjects::Recordings => return,
            Command::ReadExport(job) => (6, job.0),
            Command::Read(Read::Watermark { recording }) => (7, recording.0),
        };
        let event = Event {
            at: now,
            kind,
            recording: RecordingIndex(number),
            tenant: Some(self.tenant),
            draws: self.drawn(now, command),
        };
        self.calls.iter_mut().for_each(|calls| calls.push(event));
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

    fn answer(&mut self, now: Timestamp, command: Command, timelines: &impl Recordings) -> Input {
        match command {
            Command::Read(read) => Input::Answered(read, self.read(now, read, timelines)),
            Command::CreateJob { job, recordings } => {
                let first = recordings.first().copied();
                let reply = self.create_job(now, recordings);
                if let (Reply::Done(ordinal), Some(first)) = (&reply, first) {
                    let ordinal = *ordinal;
                    self.jobs.insert(job, Job { ordinal, first });
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
                    Err(JobError::MissingFields(missing)) => {
                        org.forget(ordinal);
                        Ok(missing)
                    }
                    Err(error) => Err(error),
                });
                Input::JobStarted(job, reply)
            }
            Command::ReadExport(job) => Input::Exported(job, self.read_export(job)),
        }
    }

    /// What a read finds.
    fn read(&mut self, now: Timestamp, read: Read, timelines: &impl Recordings) -> Reply<Found> {
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
        timelines: &impl Recordings,
    ) -> Reply<Found> {
        match timelines.read(recording, |it| (it.view(now, path), it.taken_for())) {
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
        let job = self.jobs.get(job);
        job.map_or(JobOrdinal(u64::MAX), |job| job.ordinal)
    }

    /// Reads what the job wrote, and forgets the job.
    fn read_export(&mut self, job: LocalJob) -> ExportRead {
        let ordinal = self.ordinal(job);
        self.jobs.remove(job);
        let Some(export) = self.org.take_export(ordinal) else {
            self.org.forget(ordinal);
            return ExportRead::default();
        };
        let sidecars = export.sidecars.into_iter();
        ExportRead {
            snapshot_at: export.snapshot_at,
            media_read_at: export.media_read_at,
            sidecars: sidecars.map(|it| (it.recording, it.view)).collect(),
            failed: export.failed,
        }
    }
}
