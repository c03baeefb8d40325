//! The exporter's side of export jobs: slots, the life cycle, polls, and their price.

use std::collections::VecDeque;

use super::{Command, Reply};
use crate::agenda::{Agenda, Due};
use crate::history::JobRecord;
use crate::ids::{JobOrdinal, RecordingIndex, TenantIndex};
use crate::org::JobState;
use crate::scenario::{JobDone, Slots};
use crate::table::{Number, Table};
use crate::time::{Duration, Timestamp};

/// The exporter's own name for a job, in the order in which it asked for them.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct LocalJob(pub u64);

impl Number for LocalJob {
    #[inline(always)]
    fn number(self) -> u64 {
        self.0
    }
}

/// Gap between polls of a job, counted from its PUT.
pub(crate) const POLL_INTERVAL: Duration = Duration::from_millis(500);

/// The poll after the one at `now`. Polls keep to a grid that begins at `origin`, the job's PUT or
/// before that its POST, so that a slow answer does not shift the later ones.
pub(crate) const fn next_poll(origin: Timestamp, now: Timestamp) -> Timestamp {
    let steps = now.since(origin).as_nanos() / POLL_INTERVAL.as_nanos() + 1;
    let wait = steps.saturating_mul(POLL_INTERVAL.as_nanos());
    Timestamp::from_nanos(origin.as_nanos().saturating_add(wait))
}

/// Wait after a call that got no answer.
pub(super) const RETRY_UNAVAILABLE: Duration = Duration::from_secs(1);

#[derive(Clone, Debug)]
pub(super) struct Jobs {
    tenant: TenantIndex,
    slots: Slots,
    done_when: JobDone,
    next: LocalJob,
    queue: Vec<RecordingIndex>,
    jobs: Table<LocalJob, Job>,
    /// Jobs that hold a slot: the others are done, and their export is being read.
    slots_held: u64,
    due: Agenda,
    /// Calls to be made.
    commands: VecDeque<Command>,
    /// Jobs that are over.
    over: VecDeque<JobRecord>,
}

#[derive(Clone, Debug)]
struct Job {
    recordings: Vec<RecordingIndex>,
    next: Call,
    created_at: Timestamp,
    started_at: Option<Timestamp>,
    calls: u32,
    throttled: u32,
}

/// What is to be called next.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Call {
    Create,
    Poll,
    Start,
    /// Its export is read, which holds no slot.
    Read,
}

/// The lane of polls: they come half a second after one another, so nearly in order.
const POLLS: usize = 0;

impl Jobs {
    pub(super) fn new(tenant: TenantIndex, slots: Slots) -> Self {
        Self {
            tenant,
            slots,
            done_when: JobDone::Status,
            next: LocalJob(0),
            queue: Vec::new(),
            jobs: Table::default(),
            slots_held: 0,
            due: Agenda::default(),
            commands: VecDeque::new(),
            over: VecDeque::new(),
        }
    }

    /// The same, by whatever it takes a job for done.
    pub(super) const fn done_when(mut self, done_when: JobDone) -> Self {
        self.done_when = done_when;
        self
    }

    /// Forgets every job.
    pub(super) fn clear(&mut self) {
        self.next = LocalJob(0);
        self.queue.clear();
        self.jobs.clear();
        self.slots_held = 0;
        self.due.clear();
        self.commands.clear();
        self.over.clear();
    }

    pub(super) fn enqueue(&mut self, recording: RecordingIndex) {
        self.queue.push(recording);
    }

    /// Puts what is approved into jobs, as far as slots are free.
    pub(super) fn submit(&mut self, now: Timestamp) {
        if self.queue.is_empty() {
            return;
        }
        match self.slots {
            Slots::Unlimited => {
                let mut queue = std::mem::take(&mut self.queue);
                for recording in queue.drain(..) {
                    self.create(now, vec![recording]);
                }
                self.queue = queue;
            }
            Slots::Limited(slots) if self.slots_held < slots.into() => {
                let recordings = std::mem::take(&mut self.queue);
                self.create(now, recordings);
            }
            Slots::Limited(_) => {}
        }
    }

    fn create(&mut self, now: Timestamp, recordings: Vec<RecordingIndex>) {
        let id = self.next;
        self.next = LocalJob(id.0 + 1);
        let job = Job {
            recordings,
            next: Call::Create,
            created_at: now,
            started_at: None,
            calls: 0,
            throttled: 0,
        };
        self.jobs.insert(id, job);
        self.slots_held += 1;
        self.call(id);
    }

    fn call(&mut self, id: LocalJob) {
        let Some(job) = self.running(id) else {
            return;
        };
        let command = match job.next {
            Call::Create => Command::CreateJob {
                job: id,
                recordings: job.recordings.clone(),
            },
            Call::Poll => Command::PollJob(id),
            Call::Start => Command::StartJob(id),
            // Nothing but its reply is waited for.
            Call::Read => return,
        };
        job.calls += 1;
        self.commands.push_back(command);
    }

    /// The job, while it holds a slot.
    fn running(&mut self, id: LocalJob) -> Option<&mut Job> {
        let job = self.jobs.get_mut(id)?;
        (job.next != Call::Read).then_some(job)
    }

    /// Reply to POST. Returns recordings that cannot be exported at all.
    pub(super) fn created(
        &mut self,
        now: Timestamp,
        id: LocalJob,
        reply: &Reply<()>,
    ) -> Vec<RecordingIndex> {
        let Some(job) = self.running(id) else {
            return Vec::new();
        };
        match reply {
            Reply::Done(()) => {
                job.next = Call::Poll;
                self.call(id);
                Vec::new()
            }
            Reply::NotFound
            | Reply::Throttled(_)
            | Reply::BadRequest
            | Reply::Forbidden
            | Reply::Unavailable => self.failed(now, id, reply),
        }
    }

    /// Reply to GET.
    pub(super) fn polled(
        &mut self,
        now: Timestamp,
        id: LocalJob,
        reply: &Reply<JobState>,
    ) -> Vec<RecordingIndex> {
        let done_when = self.done_when;
        let Some(job) = self.running(id) else {
            return Vec::new();
        };
        let state = match reply {
            Reply::Done(state) => *state,
            Reply::NotFound
            | Reply::Throttled(_)
            | Reply::BadRequest
            | Reply::Forbidden
            | Reply::Unavailable => return self.failed(now, id, reply),
        };
        match state {
            // Nothing found, nothing written: the counters are equal.
            JobState::Pending if done_when == JobDone::Counters => {
                self.read(id);
                Vec::new()
            }
            JobState::Pending | JobState::Processing => {
                let origin = job.started_at.unwrap_or(job.created_at);
                let at = next_poll(origin, now);
                self.due.push_in_order(POLLS, due(at, id));
                Vec::new()
            }
            JobState::Ready => {
                job.next = Call::Start;
                self.call(id);
                Vec::new()
            }
            JobState::Fulfilled => {
                self.read(id);
                Vec::new()
            }
            JobState::Cancelled => self.finish(now, id, None),
        }
    }

    /// The job is done, for all that the client knows.
    fn read(&mut self, id: LocalJob) {
        if let Some(job) = self.running(id) {
            job.next = Call::Read;
            self.slots_held -= 1;
            self.commands.push_back(Command::ReadExport(id));
        }
    }

    /// Reply to PUT, unless it names missing fields.
    pub(super) fn started<T>(
        &mut self,
        now: Timestamp,
        id: LocalJob,
        reply: &Reply<T>,
    ) -> Vec<RecordingIndex> {
        let Some(job) = self.running(id) else {
            return Vec::new();
        };
        match reply {
            Reply::Done(_) => {
                job.started_at = Some(now);
                job.next = Call::Poll;
                self.due.push_in_order(POLLS, due(now + POLL_INTERVAL, id));
                Vec::new()
            }
            Reply::NotFound
            | Reply::Throttled(_)
            | Reply::BadRequest
            | Reply::Forbidden
            | Reply::Unavailable => self.failed(now, id, reply),
        }
    }

    /// A strict export refused the job. Returns its recordings.
    pub(super) fn refused(&mut self, now: Timestamp, id: LocalJob) -> Vec<RecordingIndex> {
        self.finish(now, id, None)
    }

    /// The export was read. Returns the job's recordings.
    pub(super) fn exported(
        &mut self,
        now: Timestamp,
        id: LocalJob,
        snapshot_at: Timestamp,
    ) -> Vec<RecordingIndex> {
        self.finish(now, id, Some(snapshot_at))
    }

    fn finish(
        &mut self,
        now: Timestamp,
        id: LocalJob,
        snapshot_at: Option<Timestamp>,
    ) -> Vec<RecordingIndex> {
        let Some(job) = self.jobs.remove(id) else {
            return Vec::new();
        };
        self.slots_held -= u64::from(job.next != Call::Read);
        self.over.push_back(JobRecord {
            tenant: self.tenant,
            ordinal: JobOrdinal(id.0),
            created_at: job.created_at,
            started_at: job.started_at,
            // What never began has written nothing.
            snapshot_at: snapshot_at.filter(|_| job.started_at.is_some()),
            done_at: now,
            recordings: job.recordings.len() as u64,
            calls: job.calls,
            throttled: job.throttled,
        });
        job.recordings
    }

    fn failed<T>(&mut self, now: Timestamp, id: LocalJob, reply: &Reply<T>) -> Vec<RecordingIndex> {
        let wait = match reply {
            Reply::Throttled(retry_after) => {
                if let Some(job) = self.running(id) {
                    job.throttled += 1;
                }
                *retry_after
            }
            Reply::Unavailable => RETRY_UNAVAILABLE,
            Reply::Done(_) | Reply::NotFound | Reply::BadRequest | Reply::Forbidden => {
                return self.finish(now, id, None);
            }
        };
        self.due.push(due(now + wait, id));
        Vec::new()
    }

    pub(super) fn handle_timeout(&mut self, now: Timestamp) {
        while let Some(due) = self.due.pop_until(now) {
            self.call(LocalJob(due.content));
        }
    }

    /// When a call is due next; never if none is.
    #[inline]
    pub(super) fn due_at(&self) -> Timestamp {
        self.due.first_at()
    }

    /// The next call to be made.
    #[inline]
    pub(super) fn poll_command(&mut self) -> Option<Command> {
        self.commands.pop_front()
    }

    /// The next job that is over.
    #[inline]
    pub(super) fn poll_over(&mut self) -> Option<JobRecord> {
        self.over.pop_front()
    }
}

const fn due(at: Timestamp, job: LocalJob) -> Due {
    Due {
        at,
        content: job.0,
        slot: 0,
    }
}
