//! How an exporter's commands reach the platform: over HTTP and the S3 protocol, or by calls in the
//! same process where no socket may be involved.

use std::collections::BTreeMap;
use std::sync::Arc;

use mock_api::http::job_id;
use mock_api::http::wire::truth_of_timeline;
use mock_api::service::{Service, Tenant};
use mock_api::storage::layout::manifest_key;
use mock_api::storage::manifest::{JobManifest, ManifestEntry};
use mock_api::storage::sidecar::{self, Truth};
use parking_lot::Mutex;
use racegate_model::exporter::{Command, ExportRead, Input, LocalJob, Reply};
use racegate_model::gate::{Found, Read};
use racegate_model::ids::{ArmIndex, JobOrdinal, RecordingId, TenantIndex};
use racegate_model::org::{JobError, SLOT_RETRY};
use racegate_model::selection::Refusal;
use racegate_model::time::Timestamp;

/// Carries out commands.
pub trait Transport: Send + Sync + 'static {
    /// Carries out `command`, which was due at `at`, and returns the reply.
    fn call(&self, at: Timestamp, command: Command) -> impl Future<Output = Input> + Send;
}

/// The platform in the same process. Time is what the caller says, so replies depend on nothing
/// else; exports are read from storage, byte by byte, as over the network.
#[derive(Clone)]
pub struct InProcess {
    service: Service,
    tenant: TenantIndex,
    jobs: Arc<Mutex<BTreeMap<LocalJob, JobOrdinal>>>,
}

impl InProcess {
    /// The transport of `tenant`.
    #[must_use]
    pub fn new(service: Service, tenant: TenantIndex) -> Self {
        Self {
            service,
            tenant,
            jobs: Arc::default(),
        }
    }

    /// Carries out `command` at `at`, at once.
    #[must_use]
    pub fn answer(&self, at: Timestamp, command: Command) -> Input {
        let tenant = &self.service.tenants()[self.tenant.0 as usize];
        match command {
            Command::Read(read) => {
                let reply = throttle(tenant, at, || self.read(tenant, at, read));
                Input::Answered(read, reply)
            }
            Command::CreateJob { job, recordings } => {
                let reply = throttle(tenant, at, || match tenant.refuses_jobs() {
                    None => reply(tenant.create_job(&self.service, at, recordings)),
                    Some(Refusal::Forbidden) => Reply::Forbidden,
                    Some(Refusal::UnknownFilter) => Reply::BadRequest,
                });
                if let Reply::Done(ordinal) = &reply {
                    self.jobs.lock().insert(job, *ordinal);
                }
                Input::JobCreated(job, reply.map(|_| ()))
            }
            Command::PollJob(job) => {
                let ordinal = self.ordinal(job);
                let reply = throttle(tenant, at, || reply(tenant.job_state(ordinal)));
                Input::JobPolled(job, reply)
            }
            Command::StartJob(job) => {
                let ordinal = self.ordinal(job);
                let reply = throttle(tenant, at, || {
                    match tenant.start_job(&self.service, at, ordinal) {
                        Err(JobError::MissingFields(missing)) => Reply::Done(missing),
                        other => reply(other).map(|()| Vec::new()),
                    }
                });
                Input::JobStarted(job, reply)
            }
            Command::ReadExport(job) => Input::Exported(job, self.read_export(tenant, job)),
        }
    }

    fn read(&self, tenant: &Tenant, at: Timestamp, read: Read) -> Reply<Found> {
        if tenant.refuses_reading().is_some() {
            return Reply::Forbidden;
        }
        match read {
            Read::Check { recording, path } => {
                let view = tenant.view(&self.service, at, recording, path);
                view.map_or(Reply::NotFound, |view| Reply::Done(Found::View(view)))
            }
            Read::Watermark { .. } => Reply::Done(Found::Watermark(tenant.watermark(at))),
        }
    }

    fn ordinal(&self, job: LocalJob) -> JobOrdinal {
        self.jobs
            .lock()
            .get(&job)
            .copied()
            .unwrap_or(JobOrdinal(u64::MAX))
    }

    fn read_export(&self, tenant: &Tenant, job: LocalJob) -> ExportRead {
        let store = self.service.store();
        let organization = &tenant.config().organization;
        let get = |key: &str| store.get(organization, key).map(|object| object.body());
        let id = job_id(tenant.config(), self.ordinal(job)).to_string();
        let manifest = get(&manifest_key(organization, &id));
        let manifest = manifest.and_then(|bytes| JobManifest::parse(&bytes).ok());
        let Some(manifest) = manifest else {
            return ExportRead::default();
        };
        let seed = self.service.seed();
        let sidecar = |entry: &ManifestEntry| {
            let truth = truth(&self.service, tenant.config().arm, entry.recording)?;
            let parsed = sidecar::parse(&get(&entry.sidecar_key)?, &truth).ok()?;
            Some((entry.recording.index(seed)?, parsed.view))
        };
        ExportRead {
            snapshot_at: manifest.snapshot_at,
            media_read_at: manifest.media_read_at,
            sidecars: manifest.recordings.iter().filter_map(sidecar).collect(),
            failed: manifest
                .failed
                .iter()
                .filter_map(|entry| entry.recording.index(seed))
                .collect(),
        }
    }
}

/// What is true of a recording: its session's own end, not the planned one.
pub(super) fn truth(service: &Service, arm: ArmIndex, recording: RecordingId) -> Option<Truth> {
    let index = recording.index(service.seed())?;
    let timeline = service.timelines(arm).get(index)?;
    Some(truth_of_timeline(
        service.seed(),
        service.epoch(),
        &timeline,
    ))
}

impl Transport for InProcess {
    async fn call(&self, at: Timestamp, command: Command) -> Input {
        self.answer(at, command)
    }
}

fn throttle<T>(tenant: &Tenant, at: Timestamp, call: impl FnOnce() -> Reply<T>) -> Reply<T> {
    match tenant.admit(at) {
        Ok(()) => call(),
        Err(throttled) => Reply::Throttled(throttled.retry_after),
    }
}

fn reply<T>(result: Result<T, JobError>) -> Reply<T> {
    match result {
        Ok(done) => Reply::Done(done),
        Err(JobError::TooManyJobs) => Reply::Throttled(SLOT_RETRY),
        Err(JobError::NotFound | JobError::WrongState(_) | JobError::MissingFields(_)) => {
            Reply::NotFound
        }
    }
}
