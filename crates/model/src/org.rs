//! One organization on the platform, as its API shows it: a token's rate limit, export jobs, and
//! the sidecars that they take. Every tenant is an organization of its own.

use crate::agenda::{Agenda, Due};
use crate::draws::{Draws, Seed};
pub use crate::export::JobTimes;
pub use crate::export::verdict;
use crate::export::{ExportRules, Reads};
use crate::field::FieldSet;
use crate::ids::{JobOrdinal, RecordingIndex};
use crate::job_chance::Chance;
pub use crate::job_chance::{JobChance, JobChances};
use crate::job_draws::JobDraws;
use crate::scenario::{
    ApiSpec, ExportRequest, ExportSpec, HoldSpec, Permission, RateLimit, RequiredFields, Slots,
};
use crate::selection::Refusal;
use crate::table::Table;
use crate::time::{Duration, Timestamp};
use crate::timeline::{Decided, View};

/// Where an organization finds its recordings.
pub trait Recordings {
    /// What is known of a recording.
    type Recording: Decided;

    /// Calls `read` with what is known of `recording`, if there is such a recording.
    fn read<T>(
        &self,
        recording: RecordingIndex,
        read: impl FnOnce(&Self::Recording) -> T,
    ) -> Option<T>;
}

/// A fixed-window rate limit of one token.
#[derive(Clone, Debug)]
pub struct RateLimiter {
    limit: Option<RateLimit>,
    window: u64,
    used: u64,
}

/// How much of the limit is used, as the `inin-ratelimit-*` headers say.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct RateUsage {
    /// Calls in this window.
    pub used: u64,
    /// Calls allowed in a window.
    pub allowed: u64,
    /// Time to the window's end.
    pub reset: Duration,
}

/// A call was refused: 429.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Throttled {
    /// When to try again.
    pub retry_after: Duration,
}

impl RateLimiter {
    /// A limiter whose windows are counted from the run's start.
    #[must_use]
    pub const fn new(limit: Option<RateLimit>) -> Self {
        Self {
            limit,
            window: 0,
            used: 0,
        }
    }

    /// Admits or refuses a call at `now`.
    ///
    /// # Errors
    /// [`Throttled`] when the window's calls are used up; the refused call is not counted.
    #[inline]
    pub fn admit(&mut self, now: Timestamp) -> Result<(), Throttled> {
        let Some(limit) = self.limit else {
            return Ok(());
        };
        self.roll(now, limit);
        if self.used >= limit.calls {
            return Err(Throttled {
                retry_after: self.reset(now, limit),
            });
        }
        self.used += 1;
        Ok(())
    }

    /// The usage at `now`; `None` when there is no limit.
    pub fn usage(&mut self, now: Timestamp) -> Option<RateUsage> {
        let limit = self.limit?;
        self.roll(now, limit);
        Some(RateUsage {
            used: self.used,
            allowed: limit.calls,
            reset: self.reset(now, limit),
        })
    }

    #[inline]
    const fn roll(&mut self, now: Timestamp, limit: RateLimit) {
        // Most calls come in the window of the one before: no need to divide.
        let since = now
            .as_nanos()
            .wrapping_sub(self.window * limit.window.as_nanos());
        if since < limit.window.as_nanos() {
            return;
        }
        let window = now.as_nanos() / limit.window.as_nanos();
        if window != self.window {
            self.window = window;
            self.used = 0;
        }
    }

    const fn reset(&self, now: Timestamp, limit: RateLimit) -> Duration {
        let end = (self.window + 1) * limit.window.as_nanos();
        Duration::from_nanos(end.saturating_sub(now.as_nanos()))
    }
}

/// What a client is told to wait for when all job slots are taken. Not documented for the real API;
/// assumed.
pub const SLOT_RETRY: Duration = Duration::from_secs(1);

/// The state of an export job.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum JobState {
    /// Its query runs.
    Pending,
    /// It waits for the caller's PUT.
    Ready,
    /// It runs.
    Processing,
    /// Its sidecars are written.
    Fulfilled,
    /// It was deleted.
    Cancelled,
}

/// Why a job was refused.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum JobError {
    /// As many jobs as allowed are pending or processing; this one would be one more.
    TooManyJobs,
    /// There is no such job.
    NotFound,
    /// The job is not in a state in which that is possible.
    WrongState(JobState),
    /// A strict export misses fields: recordings and what they lack.
    MissingFields(Vec<(RecordingIndex, FieldSet)>),
}

/// What a job wrote for one recording.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Sidecar {
    /// The recording.
    pub recording: RecordingIndex,
    /// What the sidecar holds.
    pub view: View,
}

/// What a fulfilled job left in storage.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Export {
    /// The job.
    pub job: JobOrdinal,
    /// When the sidecars were taken.
    pub snapshot_at: Timestamp,
    /// When the media was read, if not then.
    pub media_read_at: Option<Timestamp>,
    /// One per recording that the job's query saw.
    pub sidecars: Vec<Sidecar>,
    /// Recordings for which the job failed.
    pub failed: Vec<RecordingIndex>,
}

#[derive(Clone, Debug)]
struct Job {
    state: JobState,
    recordings: Vec<RecordingIndex>,
    created_at: Timestamp,
    draws: Draws,
    times: JobTimes,
    /// Recordings for which chance makes the job fail.
    failing: Vec<RecordingIndex>,
    /// When it reads what it writes, once it has begun.
    reads: Option<Reads>,
    export: Option<Export>,
    /// The job asks for something else than the organization's own request.
    asks: Option<ExportRequest>,
}

/// One organization.
#[derive(Clone, Debug)]
pub struct Org {
    draws: JobDraws,
    limiter: RateLimiter,
    rules: ExportRules,
    slots: Slots,
    request: ExportRequest,
    chance: Chance,
    next: JobOrdinal,
    jobs: Table<JobOrdinal, Job>,
    /// Jobs that are pending or processing.
    busy: u64,
    due: Agenda,
    /// Fulfilled jobs whose objects are still on their way into storage.
    writing: usize,
}

impl Org {
    /// An organization without jobs. Their chance is that of the platform: organizations that
    /// create jobs at the same moments meet the same latencies.
    #[must_use]
    pub fn new(seed: Seed, api: &ApiSpec, export: &ExportSpec, required: RequiredFields) -> Self {
        Self {
            draws: JobDraws::new(seed, export.slots),
            limiter: RateLimiter::new(api.rate_limit),
            rules: ExportRules::new(export, required, seed),
            slots: export.slots,
            request: ExportRequest::default(),
            chance: Chance::Drawn,
            next: JobOrdinal(0),
            jobs: Table::default(),
            busy: 0,
            due: Agenda::default(),
            writing: 0,
        }
    }

    /// The same organization, with the permissions and filters of `request` and the platform's
    /// rules of selection.
    #[must_use]
    pub fn selecting(
        mut self,
        export: &ExportSpec,
        hold: &HoldSpec,
        request: ExportRequest,
    ) -> Self {
        self.rules = self.rules.selecting(export, hold, request);
        self.request = request;
        self
    }

    /// The same organization, which notes what chance made of its jobs.
    #[must_use]
    pub fn noting(mut self) -> Self {
        self.chance = Chance::Noted(JobChances::new());
        self
    }

    /// The same organization, whose jobs meet these chances; an export beyond a recording's last
    /// one meets that again, and a recording without any takes no time.
    #[must_use]
    pub fn given(mut self, chances: JobChances) -> Self {
        self.chance = Chance::given(chances);
        self
    }

    /// What chance made of its jobs, where that was noted.
    #[must_use]
    pub const fn noted(&self) -> Option<&JobChances> {
        match &self.chance {
            Chance::Noted(noted) => Some(noted),
            Chance::Drawn | Chance::Given(..) => None,
        }
    }

    /// Why its token may not read a recording.
    #[must_use]
    pub const fn refuses_reading(&self) -> Option<Refusal> {
        match self.request.reading {
            Permission::Granted => None,
            Permission::Missing => Some(Refusal::Forbidden),
        }
    }

    /// Why it may not create a job with its filters.
    #[must_use]
    pub fn refuses_jobs(&self) -> Option<Refusal> {
        self.rules.refuses(&self.request)
    }

    /// The date before which its jobs' queries find everything.
    #[must_use]
    pub fn watermark(&self, now: Timestamp) -> Timestamp {
        self.rules.watermark(now)
    }

    /// The rate limit of its token. Every API call passes it first.
    pub const fn limiter(&mut self) -> &mut RateLimiter {
        &mut self.limiter
    }

    /// POST: a job for `recordings`. Its query takes its time; by default none.
    ///
    /// # Errors
    /// [`JobError::TooManyJobs`].
    pub fn create_job(
        &mut self,
        now: Timestamp,
        recordings: Vec<RecordingIndex>,
    ) -> Result<JobOrdinal, JobError> {
        self.need_slot()?;
        let ordinal = self.next;
        self.next = JobOrdinal(ordinal.0 + 1);
        let draws = self.draws.next(now, &recordings);
        self.draws.count(now);
        let (times, failing) = self.chance.meet(&self.rules, draws, &recordings);
        let query_time = times.query;
        let state = if query_time == Duration::ZERO {
            JobState::Ready
        } else {
            JobState::Pending
        };
        if state == JobState::Pending {
            self.busy += 1;
            self.due.push(due(now + query_time, ordinal));
        }
        self.jobs.insert(
            ordinal,
            Job {
                state,
                recordings,
                created_at: now,
                draws,
                times,
                failing,
                reads: None,
                export: None,
                asks: None,
            },
        );
        Ok(ordinal)
    }

    /// Whoever writes what jobs leave says how many of the fulfilled ones are not written yet: a
    /// client still sees them processing, and they hold their slots.
    pub const fn set_writing(&mut self, jobs: usize) {
        self.writing = jobs;
    }

    /// The vendor's limit counts jobs that are pending or processing, and holds for a job that is
    /// to become either: a READY one waits for its PUT outside it.
    fn need_slot(&self) -> Result<(), JobError> {
        let Slots::Limited(slots) = self.slots else {
            return Ok(());
        };
        let busy = self.busy + self.writing as u64;
        if busy < slots.into() {
            Ok(())
        } else {
            Err(JobError::TooManyJobs)
        }
    }

    /// POST: a job that asks for something else than the organization's own request.
    ///
    /// # Errors
    /// See [`Org::create_job`].
    pub fn create_job_asking(
        &mut self,
        now: Timestamp,
        recordings: Vec<RecordingIndex>,
        request: ExportRequest,
    ) -> Result<JobOrdinal, JobError> {
        let ordinal = self.create_job(now, recordings)?;
        if let Some(job) = self.jobs.get_mut(ordinal) {
            job.asks = Some(request);
        }
        Ok(ordinal)
    }

    /// Why a job that asks for `request` is refused.
    #[must_use]
    pub fn refuses_job_asking(&self, request: ExportRequest) -> Option<Refusal> {
        self.rules.asking(request).refuses(&request)
    }

    /// What a job for `recordings` would draw from, if it were created at `now`.
    pub(crate) fn draws_of_next(&self, now: Timestamp, recordings: &[RecordingIndex]) -> Draws {
        self.draws.next(now, recordings)
    }

    /// What a job draws from.
    pub(crate) fn draws_of(&self, job: JobOrdinal) -> Option<Draws> {
        self.jobs.get(job).map(|job| job.draws)
    }

    /// GET: the job's state.
    ///
    /// # Errors
    /// [`JobError::NotFound`].
    pub fn job_state(&self, job: JobOrdinal) -> Result<JobState, JobError> {
        self.jobs
            .get(job)
            .map(|job| job.state)
            .ok_or(JobError::NotFound)
    }

    /// PUT: the job begins.
    ///
    /// # Errors
    /// [`JobError::NotFound`], [`JobError::WrongState`], [`JobError::TooManyJobs`], after which the
    /// job stays READY, and from a strict export [`JobError::MissingFields`], which cancels it.
    pub fn start_job(
        &mut self,
        now: Timestamp,
        ordinal: JobOrdinal,
        recordings: &impl Recordings,
    ) -> Result<(), JobError> {
        let state = self.job_state(ordinal)?;
        if state != JobState::Ready {
            return Err(JobError::WrongState(state));
        }
        self.need_slot()?;
        let job = self.jobs.get_mut(ordinal).ok_or(JobError::NotFound)?;
        let own = job.asks.map(|request| self.rules.asking(request));
        let rules = own.as_ref().unwrap_or(&self.rules);
        if rules.is_strict() {
            let lacks = |recording: &RecordingIndex| {
                let missing = recordings.read(*recording, |it| rules.lacks(now, it))?;
                (!missing.is_empty()).then_some((*recording, missing))
            };
            let missing: Vec<_> = job.recordings.iter().filter_map(lacks).collect();
            if !missing.is_empty() {
                // It was READY, and held no slot.
                job.state = JobState::Cancelled;
                return Err(JobError::MissingFields(missing));
            }
        }
        job.state = JobState::Processing;
        self.busy += 1;
        let done_at = now + job.times.latency;
        let reads = rules.reads(now, done_at, job.times);
        job.reads = Some(reads);
        if reads.last() <= now {
            job.export = Some(write(rules, reads, ordinal, job, recordings));
        }
        self.due.push(due(done_at, ordinal));
        Ok(())
    }

    /// DELETE: the job is cancelled.
    ///
    /// # Errors
    /// [`JobError::NotFound`], [`JobError::WrongState`].
    pub fn cancel_job(&mut self, job: JobOrdinal) -> Result<(), JobError> {
        let job = self.jobs.get_mut(job).ok_or(JobError::NotFound)?;
        match job.state {
            JobState::Pending | JobState::Ready | JobState::Processing => {
                self.busy -= u64::from(job.state.occupies_slot());
                job.state = JobState::Cancelled;
                Ok(())
            }
            JobState::Fulfilled | JobState::Cancelled => Err(JobError::WrongState(job.state)),
        }
    }

    /// When a job is due next.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Timestamp> {
        self.due_at().ever()
    }

    /// When a job is due next; never if none is.
    #[inline]
    pub(crate) const fn due_at(&self) -> Timestamp {
        self.due.first_at()
    }

    /// Handles the first thing that is due until `now`; call until it returns `None`. Returns what
    /// a job has written, at most once per job.
    pub fn handle_timeout(
        &mut self,
        now: Timestamp,
        recordings: &impl Recordings,
    ) -> Option<JobOrdinal> {
        loop {
            let Due { at, content, .. } = self.due.pop_until(now)?;
            let ordinal = JobOrdinal(content);
            let Some(job) = self.jobs.get_mut(ordinal) else {
                continue;
            };
            match job.state {
                JobState::Pending => {
                    job.state = JobState::Ready;
                    self.busy -= 1;
                }
                JobState::Processing => {
                    if job.export.is_none() {
                        let own = job.asks.map(|request| self.rules.asking(request));
                        let rules = own.as_ref().unwrap_or(&self.rules);
                        let reads = job.reads.unwrap_or(Reads::at_once(at));
                        job.export = Some(write(rules, reads, ordinal, job, recordings));
                    }
                    job.state = JobState::Fulfilled;
                    self.busy -= 1;
                    return Some(ordinal);
                }
                JobState::Ready | JobState::Fulfilled | JobState::Cancelled => {}
            }
        }
    }

    /// What a fulfilled job has written.
    #[must_use]
    pub fn export(&self, job: JobOrdinal) -> Option<&Export> {
        let job = self.jobs.get(job)?;
        if job.state == JobState::Fulfilled {
            job.export.as_ref()
        } else {
            None
        }
    }

    /// Forgets a job that nobody will ask for again.
    pub fn forget(&mut self, job: JobOrdinal) {
        let held = |job: Job| job.state.occupies_slot();
        self.busy -= u64::from(self.jobs.remove(job).is_some_and(held));
    }

    /// Takes what a fulfilled job has written, and forgets the job.
    pub(crate) fn take_export(&mut self, job: JobOrdinal) -> Option<Export> {
        self.export(job)?;
        self.jobs.remove(job)?.export
    }

    /// Forgets every job, as if it were new.
    pub(crate) fn clear(&mut self) {
        self.jobs.clear();
        self.busy = 0;
        self.due.clear();
    }
}

impl JobState {
    /// Whether the job counts against the limit of jobs at once.
    #[must_use]
    pub const fn occupies_slot(self) -> bool {
        matches!(self, Self::Pending | Self::Processing)
    }
}

const fn due(at: Timestamp, job: JobOrdinal) -> Due {
    Due {
        at,
        content: job.0,
        slot: 0,
    }
}

/// What the job writes. Reads that lie back see what was to be seen then.
fn write(
    rules: &ExportRules,
    reads: Reads,
    ordinal: JobOrdinal,
    job: &Job,
    recordings: &impl Recordings,
) -> Export {
    let mut export = Export {
        job: ordinal,
        snapshot_at: reads.sidecar_at,
        media_read_at: reads.media_at,
        sidecars: Vec::new(),
        failed: Vec::new(),
    };
    // In the order of the job's recordings.
    let mut failing = job.failing.iter().peekable();
    for recording in &job.recordings {
        let fails = failing.next_if_eq(&recording).is_some();
        let written = recordings.read(*recording, |it| {
            let view = rules.sidecar(reads, job.created_at, it);
            (rules.forbids(it), view)
        });
        let written = written.map(|(forbidden, view)| (fails || forbidden, view));
        match written {
            Some((true, _)) => export.failed.push(*recording),
            Some((false, Some(view))) => export.sidecars.push(Sidecar {
                recording: *recording,
                view,
            }),
            Some((false, None)) | None => {}
        }
    }
    export
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fixed_window_refuses_until_it_rolls_over() {
        let limit = RateLimit {
            calls: 2,
            window: Duration::from_secs(60),
        };
        let mut limiter = RateLimiter::new(Some(limit));
        let at = |secs| Timestamp::ZERO + Duration::from_secs(secs);
        assert_eq!(limiter.admit(at(1)), Ok(()));
        assert_eq!(limiter.admit(at(2)), Ok(()));
        let refused = limiter.admit(at(18));
        assert_eq!(
            refused,
            Err(Throttled {
                retry_after: Duration::from_secs(42)
            })
        );
        assert_eq!(limiter.admit(at(60)), Ok(()));
    }
}
