//! An exporter's commands over the network: the API over HTTP, exports over the S3 protocol.

use std::collections::BTreeMap;
use std::sync::Arc;

use mock_api::http::{ApiClient, ClientConfig, JobId};
use mock_api::server::MockServer;
use mock_api::service::{Service, TenantConfig};
use mock_api::storage::AccessKey;
use mock_api::storage::client::{ExportReader, ReadError, ReaderLimits};
use parking_lot::Mutex;
use racegate_model::exporter::{Command, ExportRead, Input, LocalJob, Reply};
use racegate_model::gate::{Found, Read};
use racegate_model::ids::{ConversationId, RecordingId, RecordingIndex};
use racegate_model::scenario::ReadPath;
use racegate_model::time::Timestamp;
use racegate_model::timeline::View;

use super::error::LiveError;
use super::transport::{Transport, truth};

/// One tenant's connections.
pub(crate) struct HttpTransport {
    service: Service,
    tenant: TenantConfig,
    client: ApiClient,
    reader: ExportReader,
    jobs: Mutex<BTreeMap<LocalJob, Arc<JobId>>>,
}

impl HttpTransport {
    /// Logs in as `tenant`.
    ///
    /// # Errors
    /// [`LiveError::Login`].
    pub(crate) async fn connect(
        server: &MockServer,
        tenant: &TenantConfig,
    ) -> Result<Self, LiveError> {
        let service = server.service().clone();
        let login = |reason: String| LiveError::Login {
            gate: tenant.gate.clone(),
            reason,
        };
        let credentials = tenant.credentials.clone();
        let config = ClientConfig::new(
            server.api_url(),
            credentials,
            service.seed(),
            service.epoch(),
        );
        let client = ApiClient::connect(config)
            .await
            .map_err(|error| login(error.to_string()))?;
        let key = AccessKey {
            id: tenant.credentials.client_id.clone(),
            secret: tenant.credentials.client_secret.clone(),
            bucket: tenant.organization.clone(),
        };
        let reader = ExportReader::new(&server.s3_url(), &key, ReaderLimits::default())
            .map_err(|error| login(error.to_string()))?;
        Ok(Self {
            service,
            tenant: tenant.clone(),
            client,
            reader,
            jobs: Mutex::default(),
        })
    }

    async fn read(&self, read: Read) -> Reply<Found> {
        match read {
            Read::Check { recording, path } => self.check(recording, path).await.map(Found::View),
            Read::Watermark { .. } => self.client.watermark().await.map(Found::Watermark),
        }
    }

    async fn check(&self, recording: RecordingIndex, path: ReadPath) -> Reply<View> {
        let id = RecordingId::of(self.service.seed(), recording);
        let body = self.client.recording(id, path).await;
        // What the platform does not know of yet it answers with 404, so there is a truth.
        let Some(truth) = truth(&self.service, self.tenant.arm, id) else {
            return Reply::NotFound;
        };
        body.map(|body| body.view(&truth))
    }

    async fn create(&self, at: Timestamp, job: LocalJob, wanted: &[RecordingIndex]) -> Reply<()> {
        let seed = self.service.seed();
        let conversations = wanted
            .iter()
            .map(|recording| ConversationId::of(seed, *recording));
        let created = self.client.create_job(at, conversations).await;
        created.map(|id| drop(self.jobs.lock().insert(job, Arc::new(id))))
    }

    fn job(&self, job: LocalJob) -> Option<Arc<JobId>> {
        self.jobs.lock().get(&job).cloned()
    }

    async fn read_export(&self, job: LocalJob) -> ExportRead {
        let Some(id) = self.job(job) else {
            return ExportRead::default();
        };
        self.jobs.lock().remove(&job);
        let seed = self.service.seed();
        let organization = &self.tenant.organization;
        let manifest = match self
            .reader
            .read_manifest(organization, &id.to_string())
            .await
        {
            Ok(manifest) => manifest,
            Err(error) => {
                unread(&error);
                return ExportRead::default();
            }
        };
        let known = |id| truth(&self.service, self.tenant.arm, id);
        let mut read = ExportRead {
            snapshot_at: manifest.snapshot_at,
            media_read_at: manifest.media_read_at,
            ..ExportRead::default()
        };
        for sidecar in self.reader.read_sidecars(&manifest, known).await {
            match (sidecar.sidecar, sidecar.recording.index(seed)) {
                (Ok(parsed), Some(recording)) => read.sidecars.push((recording, parsed.view)),
                (Ok(_), None) => {}
                (Err(error), _) => unread(&error),
            }
        }
        read.failed = manifest
            .failed
            .iter()
            .filter_map(|entry| entry.recording.index(seed))
            .collect();
        read
    }
}

impl Transport for HttpTransport {
    async fn call(&self, at: Timestamp, command: Command) -> Input {
        match command {
            Command::Read(read) => Input::Answered(read, self.read(read).await),
            Command::CreateJob { job, recordings } => {
                Input::JobCreated(job, self.create(at, job, &recordings).await)
            }
            Command::PollJob(job) => {
                let reply = match self.job(job) {
                    Some(id) => self.client.job(&id).await,
                    None => Reply::NotFound,
                };
                Input::JobPolled(job, reply)
            }
            Command::StartJob(job) => {
                let reply = match self.job(job) {
                    Some(id) => self.client.start_job(&id).await,
                    None => Reply::NotFound,
                };
                Input::JobStarted(job, reply)
            }
            Command::ReadExport(job) => Input::Exported(job, self.read_export(job).await),
        }
    }
}

/// What cannot be read counts as not exported; the log says why.
fn unread(error: &ReadError) {
    tracing::warn!(%error, "an export could not be read");
}
