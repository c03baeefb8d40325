//! One organization of the service, with its credentials and its export jobs.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use parking_lot::{Mutex, MutexGuard};
use racegate_model::distribution::Sampler;
use racegate_model::draws::{Draws, Purpose, Seed};
use racegate_model::field::FieldSet;
use racegate_model::ids::{ArmIndex, JobOrdinal, RecordingIndex, TenantIndex};
use racegate_model::org::{Export, JobError, JobState, Org, Throttled};
use racegate_model::scenario::{Arm, ExportRequest, RateLimit, ReadPath, RequiredFields, Slots};
use racegate_model::selection::Refusal;
use racegate_model::time::{Duration, Timestamp};
use racegate_model::timeline::Timeline;

use super::{Service, exports};
use crate::storage::JobWrites;

/// What a tenant logs in with, for the API and for storage alike.
#[derive(Clone, PartialEq, Eq)]
pub struct Credentials {
    /// OAuth client id; also the S3 access key.
    pub client_id: String,
    /// OAuth client secret; also the S3 secret key.
    pub client_secret: String,
}

impl std::fmt::Debug for Credentials {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Credentials")
            .field("client_id", &self.client_id)
            .finish_non_exhaustive()
    }
}

/// A tenant to be.
#[derive(Clone, Debug)]
pub struct TenantConfig {
    /// Its position.
    pub index: TenantIndex,
    /// The arm whose platform it sees.
    pub arm: ArmIndex,
    /// The gate's name, which says what its jobs ask for.
    pub gate: String,
    /// Its organization id, which is its bucket's name too.
    pub organization: String,
    /// Its credentials.
    pub credentials: Credentials,
}

impl TenantConfig {
    /// A tenant with an organization and credentials derived from the seed.
    #[must_use]
    pub fn derived(seed: Seed, index: TenantIndex, arm: ArmIndex, gate: &str) -> Self {
        let draws = Draws::of_stream(seed, "tenant", u64::from(index.0));
        let word = |nth| draws.draw_nth(Purpose::Identity, nth);
        Self {
            index,
            arm,
            gate: gate.to_owned(),
            organization: format!("org-{:016x}", word(0)),
            credentials: Credentials {
                client_id: format!("client-{:016x}", word(1)),
                client_secret: format!("{:016x}{:016x}", word(2), word(3)),
            },
        }
    }
}

/// A tenant.
#[derive(Debug)]
pub struct Tenant {
    config: TenantConfig,
    required: RequiredFields,
    request: ExportRequest,
    slots: Slots,
    rate_limit: Option<RateLimit>,
    seed: Seed,
    restore: Sampler,
    /// What the organization says; it does not change, and every read asks.
    refuses_reading: Option<Refusal>,
    org: Mutex<Org>,
    /// Jobs that change dates and write nothing.
    writes_nothing: Mutex<BTreeSet<JobOrdinal>>,
    /// What fulfilled jobs put into storage.
    writes: Mutex<BTreeMap<JobOrdinal, Arc<JobWrites>>>,
    /// Jobs that fail as a whole when they are done.
    doomed: Mutex<BTreeSet<JobOrdinal>>,
}

impl Tenant {
    pub(super) fn new(config: TenantConfig, arm: &Arm, seed: Seed) -> Self {
        let platform = &arm.platform;
        let gate = arm.gates.iter().find(|gate| gate.name == config.gate);
        let request = gate.map(|gate| gate.request).unwrap_or_default();
        let org = Org::new(seed, &platform.api, &platform.export, arm.required).selecting(
            &platform.export,
            &platform.hold,
            request,
        );
        Self {
            config,
            required: arm.required,
            request,
            slots: platform.export.slots,
            rate_limit: platform.api.rate_limit,
            seed,
            restore: Sampler::new(&platform.archive.restore),
            refuses_reading: org.refuses_reading(),
            org: Mutex::new(org),
            writes_nothing: Mutex::default(),
            writes: Mutex::default(),
            doomed: Mutex::default(),
        }
    }

    /// Jobs that it may have pending or processing at once; none says that there is no limit.
    #[must_use]
    pub const fn job_slots(&self) -> Option<u32> {
        match self.slots {
            Slots::Limited(slots) => Some(slots),
            Slots::Unlimited => None,
        }
    }

    /// How long it takes to get a recording back from the archive.
    #[must_use]
    pub fn restore_time(&self, recording: RecordingIndex) -> Duration {
        let draws = Draws::of_call(self.seed, recording.0);
        self.restore.sample_with(|| draws.draw(Purpose::Restore))
    }

    /// The date before which its jobs' queries find everything.
    #[must_use]
    pub fn watermark(&self, now: Timestamp) -> Timestamp {
        self.org.lock().watermark(now)
    }

    /// What it was made of.
    #[must_use]
    pub const fn config(&self) -> &TenantConfig {
        &self.config
    }

    /// The fields that its manifests must hold.
    #[must_use]
    pub const fn required(&self) -> &RequiredFields {
        &self.required
    }

    /// Calls that each of its tokens may make.
    #[must_use]
    pub const fn rate_limit(&self) -> Option<RateLimit> {
        self.rate_limit
    }

    /// Counts a call of whoever needs no token, being in the same process, against a limit of its
    /// own.
    ///
    /// # Errors
    /// [`Throttled`] when the limit is reached.
    pub fn admit(&self, now: Timestamp) -> Result<(), Throttled> {
        self.org.lock().limiter().admit(now)
    }

    /// Why its token may not read recordings.
    #[must_use]
    pub const fn refuses_reading(&self) -> Option<Refusal> {
        self.refuses_reading
    }

    /// Why it may not create jobs with its filters.
    #[must_use]
    pub fn refuses_jobs(&self) -> Option<Refusal> {
        self.org.lock().refuses_jobs()
    }

    /// What the tenant sees of a recording.
    pub fn read<T>(
        &self,
        service: &Service,
        recording: RecordingIndex,
        read: impl FnOnce(&Timeline) -> T,
    ) -> Option<T> {
        use racegate_model::org::Recordings;
        service.timelines(self.config.arm).read(recording, read)
    }

    /// What the tenant sees of a recording on `path` at `now`.
    #[must_use]
    pub fn view(
        &self,
        service: &Service,
        now: Timestamp,
        recording: RecordingIndex,
        path: ReadPath,
    ) -> Option<racegate_model::timeline::View> {
        self.read(service, recording, |timeline| {
            (timeline.ended_at <= now).then(|| timeline.view(now, path))
        })
        .flatten()
    }

    /// POST: a job.
    ///
    /// # Errors
    /// See [`Org::create_job`].
    pub fn create_job(
        &self,
        service: &Service,
        now: Timestamp,
        recordings: Vec<RecordingIndex>,
    ) -> Result<JobOrdinal, JobError> {
        let job = self.counted().create_job(now, recordings);
        service.ring();
        job
    }

    /// POST: a job that asks for something else than the tenant's own request.
    ///
    /// # Errors
    /// See [`Org::create_job`].
    pub fn create_job_asking(
        &self,
        service: &Service,
        now: Timestamp,
        recordings: Vec<RecordingIndex>,
        request: ExportRequest,
    ) -> Result<JobOrdinal, JobError> {
        let mut org = self.counted();
        let job = org.create_job_asking(now, recordings, request);
        drop(org);
        service.ring();
        job
    }

    /// Why a job that asks for `request` is refused.
    #[must_use]
    pub fn refuses_job_asking(&self, request: ExportRequest) -> Option<Refusal> {
        self.org.lock().refuses_job_asking(request)
    }

    /// What its jobs ask for that do not say.
    #[must_use]
    pub const fn request(&self) -> ExportRequest {
        self.request
    }

    /// Forgets a job that nobody can ask for any more.
    pub fn forget_job(&self, job: JobOrdinal) {
        self.org.lock().forget(job);
        self.writes_nothing.lock().remove(&job);
        self.writes.lock().remove(&job);
        self.doomed.lock().remove(&job);
    }

    /// A job will fail as a whole, as a fault: it writes nothing.
    pub fn doom_job(&self, job: JobOrdinal) {
        self.doomed.lock().insert(job);
    }

    /// Whether a job is over, and failed as a whole.
    #[must_use]
    pub fn job_failed(&self, job: JobOrdinal) -> bool {
        self.doomed.lock().contains(&job) && self.job_state(job) == Ok(JobState::Fulfilled)
    }

    /// POST: a job that changes when recordings go, and exports nothing.
    ///
    /// # Errors
    /// See [`Org::create_job`].
    pub fn create_retention_job(
        &self,
        service: &Service,
        now: Timestamp,
        recordings: Vec<RecordingIndex>,
    ) -> Result<JobOrdinal, JobError> {
        let mut org = self.counted();
        let job = org.create_job(now, recordings)?;
        self.writes_nothing.lock().insert(job);
        drop(org);
        service.ring();
        Ok(job)
    }

    /// GET: a job's state. It is not fulfilled before everything is in storage.
    ///
    /// # Errors
    /// See [`Org::job_state`].
    pub fn job_state(&self, job: JobOrdinal) -> Result<JobState, JobError> {
        let state = self.org.lock().job_state(job)?;
        let writing = state == JobState::Fulfilled && self.is_writing(job);
        Ok(if writing { JobState::Processing } else { state })
    }

    /// Its organization, which knows how many of its jobs are still being written.
    fn counted(&self) -> MutexGuard<'_, Org> {
        let mut org = self.org.lock();
        let writes = self.writes.lock();
        org.set_writing(writes.values().filter(|it| it.are_under_way()).count());
        drop(writes);
        org
    }

    fn is_writing(&self, job: JobOrdinal) -> bool {
        let writes = self.writes.lock();
        writes
            .get(&job)
            .is_some_and(|writes| writes.are_under_way())
    }

    /// Recordings of a fulfilled job that storage did not take.
    #[must_use]
    pub fn unwritten(&self, job: JobOrdinal) -> BTreeSet<RecordingIndex> {
        let writes = self.writes.lock();
        writes
            .get(&job)
            .map(|writes| writes.refused())
            .unwrap_or_default()
    }

    /// What a fulfilled job has written; none before.
    pub fn read_export<T>(&self, job: JobOrdinal, read: impl FnOnce(&Export) -> T) -> Option<T> {
        if self.doomed.lock().contains(&job) || self.is_writing(job) {
            return None;
        }
        self.org.lock().export(job).map(read)
    }

    /// PUT: a job begins.
    ///
    /// # Errors
    /// See [`Org::start_job`].
    pub fn start_job(
        &self,
        service: &Service,
        now: Timestamp,
        job: JobOrdinal,
    ) -> Result<(), JobError> {
        let timelines = service.timelines(self.config.arm);
        let started = self.counted().start_job(now, job, timelines);
        service.ring();
        started
    }

    /// DELETE: a job is cancelled.
    ///
    /// # Errors
    /// See [`Org::cancel_job`].
    pub fn cancel_job(&self, job: JobOrdinal) -> Result<(), JobError> {
        self.org.lock().cancel_job(job)
    }

    /// Names of the fields in `missing`, for an error body.
    #[must_use]
    pub fn field_names(missing: FieldSet) -> Vec<&'static str> {
        missing
            .iter()
            .map(racegate_model::field::Field::name)
            .collect()
    }

    pub(super) fn poll_timeout(&self) -> Option<Timestamp> {
        self.org.lock().poll_timeout()
    }

    /// Jobs that are due write their export before anybody can see them fulfilled.
    pub(super) fn handle_timeout(&self, now: Timestamp, service: &Service) {
        let mut org = self.org.lock();
        let timelines = service.timelines(self.config.arm);
        while let Some(job) = org.handle_timeout(now, timelines) {
            if self.writes_nothing.lock().remove(&job) || self.doomed.lock().contains(&job) {
                continue;
            }
            if let Some(export) = org.export(job) {
                let writes = Arc::<JobWrites>::default();
                exports::write(service, &self.config, export, &writes);
                self.writes.lock().insert(job, writes);
                service.inner.exports.send_modify(|count| *count += 1);
            }
        }
    }
}
