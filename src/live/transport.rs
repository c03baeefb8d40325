//! How an exporter's commands reach the platform: over HTTP and the S3 protocol, or by calls in the
//! same process where no socket may be involved.

use std::collections::BTreeMap;
use std::sync::Arc;

use mock_api::service::{Service, Tenant};
use mock_api::storage::sidecar::{self, Truth};
use parking_lot::Mutex;
use racegate_model::exporter::{Command, ExportRead, Input, LocalJob, Reply};
use racegate_model::ids::{JobOrdinal, TenantIndex};
use racegate_model::org::{JobError, SLOT_RETRY};
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
        Self { service, tenant, jobs: Arc::default() }
    }

    /// Carries out `command` at `at`, at once.
    #[must_use]
    pub fn answer(&self, at: Timestamp, command: Command) -> Input {
        let tenant = &self.service.tenants()[self.tenant.0 as usize];
        match command {
            Command::Check { recording, path } => {
                let reply = throttle(tenant, at, || {
                    let view = tenant.view(&self.service, at, recording, path);
                    view.map_or(Reply::NotFound, Reply::Done)
                });
                Input::Checked(recording, reply)
            }
            Command::CreateJob { job, recordings } => {
                let reply = throttle(tenant, at, || {
                    reply(tenant.create_job(&self.service, at, recordings))
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

    fn ordinal(&self, job: LocalJob) -> JobOrdinal {
        self.jobs.lock().get(&job).copied().unwrap_or(JobOrdinal(u64::MAX))
    }

    fn read_export(&self, tenant: &Tenant, job: LocalJob) -> ExportRead {
        let store = self.service.store();
        let organization = &tenant.config().organization;
        let ordinal = self.ordinal(job);
        let get = |key: &str| store.get(organization, key).ok().map(|object| object.bytes);
        let id = mock_api::service::job_id(self.service.seed(), tenant.config().index, ordinal);
        let manifest = get(&sidecar::manifest_key(&id))
            .and_then(|bytes| sidecar::parse_manifest(&bytes).ok());
        let Some(manifest) = manifest else { return ExportRead::default() };
        read_manifest(&self.service, &manifest, get)
    }
}

/// What a manifest and its sidecars say, read with `get`.
fn read_manifest(
    service: &Service,
    manifest: &sidecar::Manifest,
    get: impl Fn(&str) -> Option<bytes::Bytes>,
) -> ExportRead {
    let mut read = ExportRead { snapshot_at: manifest.snapshot_at, ..ExportRead::default() };
    for entry in &manifest.recordings {
        let Some(call) = service.calls().by_recording(&entry.recording_id) else { continue };
        let Some(bytes) = get(&entry.sidecar_key) else { continue };
        let truth = Truth::of(service.seed(), &call);
        if let Ok(parsed) = sidecar::parse(&bytes, &truth) {
            read.sidecars.push((call.index, parsed.view));
        }
    }
    let failed = manifest.failed.iter().filter_map(|id| service.calls().by_recording(id));
    read.failed = failed.map(|call| call.index).collect();
    read
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
