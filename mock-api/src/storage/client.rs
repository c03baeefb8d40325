//! The exporter's side of storage: reads manifests and sidecars back over the S3 protocol.
//!
//! Signing and retries are `object_store`'s; connections are hyper's, kept alive and pooled by
//! us. reqwest, which it would take by itself, costs more per request and would send even
//! loopback requests through a proxy that the environment names.

use std::time::Duration;

use bytes::Bytes;
use futures_util::{StreamExt, TryStreamExt, stream};
use http_body_util::BodyExt;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector as TcpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use object_store::aws::{AmazonS3, AmazonS3Builder};
use object_store::client::{
    HttpClient, HttpConnector, HttpError, HttpErrorKind, HttpRequest, HttpRequestBody,
    HttpResponse, HttpResponseBody, HttpService,
};
use object_store::path::Path;
use object_store::{BackoffConfig, ClientOptions, ObjectStore, ObjectStoreExt, RetryConfig};
use racegate_model::ids::RecordingId;

use super::access::AccessKey;
use super::layout;
use super::manifest::{JobManifest, MANIFEST_MAX, ManifestError};
use super::refusal;
use super::sidecar::{self, ParsedSidecar, SIDECAR_MAX, SidecarError, Truth};

/// How a reader treats its server.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ReaderLimits {
    /// Sidecars read at once.
    pub concurrency: usize,
    /// Longest that one object may take, retries included.
    pub timeout: Duration,
    /// Further tries after a 5xx or a broken connection.
    pub retries: usize,
}

impl Default for ReaderLimits {
    fn default() -> Self {
        Self {
            concurrency: 16,
            timeout: Duration::from_secs(30),
            retries: 2,
        }
    }
}

/// A reader cannot be made of these settings.
#[derive(Debug, thiserror::Error)]
pub enum ReaderError {
    /// TLS is not built in.
    #[error("the S3 endpoint {url:?} is not an http:// URL")]
    NotHttp {
        /// The endpoint.
        url: String,
    },
    /// The client refuses them.
    #[error("the S3 client cannot be set up")]
    Settings(#[from] object_store::Error),
}

/// Why an object could not be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// There is no such object.
    #[error("{key} is not there")]
    NotFound {
        /// Its key.
        key: String,
    },
    /// The access key may not read it, or its secret is wrong.
    #[error("{key} may not be read")]
    Forbidden {
        /// Its key.
        key: String,
    },
    /// It is longer than anything of its sort.
    #[error("{key} has {size} bytes, more than {max}")]
    TooLong {
        /// Its key.
        key: String,
        /// Its length.
        size: u64,
        /// The bound.
        max: usize,
    },
    /// It did not arrive in time.
    #[error("{key} did not arrive in time")]
    TimedOut {
        /// Its key.
        key: String,
    },
    /// No answer, or one that makes no sense.
    #[error("{key} cannot be read now")]
    Unavailable {
        /// Its key.
        key: String,
        /// Why.
        source: object_store::Error,
    },
    /// It is not a manifest.
    #[error("{key} is not a manifest")]
    Manifest {
        /// Its key.
        key: String,
        /// Why.
        source: ManifestError,
    },
    /// It is not the recording's sidecar.
    #[error("{key} is not the recording's sidecar")]
    Sidecar {
        /// Its key.
        key: String,
        /// Why.
        source: SidecarError,
    },
    /// Nothing is known of the recording that the manifest names.
    #[error("recording {recording} is not known")]
    UnknownRecording {
        /// The recording.
        recording: RecordingId,
    },
}

/// What became of reading one sidecar.
#[derive(Debug)]
pub struct SidecarRead {
    /// The recording, as the manifest names it.
    pub recording: RecordingId,
    /// Its sidecar.
    pub sidecar: Result<ParsedSidecar, ReadError>,
}

/// A client of the bucket of `key` at `url`.
pub(super) fn open(
    url: &str,
    key: &AccessKey,
    limits: ReaderLimits,
) -> Result<AmazonS3, ReaderError> {
    if !url.starts_with("http://") {
        return Err(ReaderError::NotHttp {
            url: url.to_owned(),
        });
    }
    let retry = RetryConfig {
        backoff: BackoffConfig::default(),
        max_retries: limits.retries,
        retry_timeout: limits.timeout,
    };
    let store = AmazonS3Builder::new()
        .with_endpoint(url)
        .with_bucket_name(&key.bucket)
        .with_region("us-east-1")
        .with_access_key_id(&key.id)
        .with_secret_access_key(&key.secret)
        .with_virtual_hosted_style_request(false)
        .with_allow_http(true)
        .with_retry(retry)
        .with_http_connector(Connector)
        .build()?;
    Ok(store)
}

/// Reads the exports of one organization. Cheap to clone; clones share connections.
#[derive(Clone, Debug)]
pub struct ExportReader {
    store: AmazonS3,
    limits: ReaderLimits,
}

impl ExportReader {
    /// A reader of the bucket of `key` at `url`.
    ///
    /// # Errors
    /// [`ReaderError`].
    pub fn new(url: &str, key: &AccessKey, limits: ReaderLimits) -> Result<Self, ReaderError> {
        let store = open(url, key, limits)?;
        Ok(Self { store, limits })
    }

    /// Reads what a job wrote.
    ///
    /// # Errors
    /// [`ReadError`].
    pub async fn read_manifest(
        &self,
        organization: &str,
        job: &str,
    ) -> Result<JobManifest, ReadError> {
        let key = layout::manifest_key(organization, job);
        let bytes = self.read(&key, MANIFEST_MAX).await?;
        JobManifest::parse(&bytes).map_err(|source| ReadError::Manifest { key, source })
    }

    /// Reads the sidecars that a manifest names, some at once, in the manifest's order. `truth`
    /// says what is true of a recording.
    pub async fn read_sidecars(
        &self,
        manifest: &JobManifest,
        truth: impl Fn(RecordingId) -> Option<Truth>,
    ) -> Vec<SidecarRead> {
        let wanted: Vec<_> = manifest
            .recordings
            .iter()
            .map(|entry| {
                (
                    entry.recording,
                    truth(entry.recording),
                    entry.sidecar_key.clone(),
                )
            })
            .collect();
        let read = |(recording, truth, key): (RecordingId, Option<Truth>, String)| {
            let reader = self.clone();
            async move {
                let sidecar = match truth {
                    Some(truth) => reader.read_sidecar(&key, &truth).await,
                    None => Err(ReadError::UnknownRecording { recording }),
                };
                SidecarRead { recording, sidecar }
            }
        };
        let concurrency = self.limits.concurrency.max(1);
        stream::iter(wanted)
            .map(read)
            .buffered(concurrency)
            .collect()
            .await
    }

    /// Reads one sidecar.
    ///
    /// # Errors
    /// [`ReadError`].
    pub async fn read_sidecar(&self, key: &str, truth: &Truth) -> Result<ParsedSidecar, ReadError> {
        let bytes = self.read(key, SIDECAR_MAX).await?;
        sidecar::parse(&bytes, truth).map_err(|source| ReadError::Sidecar {
            key: key.to_owned(),
            source,
        })
    }

    /// Reads an object of at most `max` bytes.
    ///
    /// # Errors
    /// [`ReadError`].
    pub async fn read(&self, key: &str, max: usize) -> Result<Bytes, ReadError> {
        let late = |_| ReadError::TimedOut {
            key: key.to_owned(),
        };
        let read = self.read_untimed(key, max);
        tokio::time::timeout(self.limits.timeout, read)
            .await
            .map_err(late)?
    }

    async fn read_untimed(&self, key: &str, max: usize) -> Result<Bytes, ReadError> {
        let failed = |error| failure(key, error);
        let path = Path::parse(key).map_err(|error| failed(error.into()))?;
        let found = self.store.get(&path).await.map_err(failed)?;
        let size = found.meta.size;
        if size > max as u64 {
            return Err(ReadError::TooLong {
                key: key.to_owned(),
                size,
                max,
            });
        }
        found.bytes().await.map_err(failed)
    }

    /// The first `max` keys under the folder `prefix`, in order.
    ///
    /// # Errors
    /// [`ReadError`].
    pub async fn list(&self, prefix: &str, max: usize) -> Result<Vec<String>, ReadError> {
        let failed = |error| failure(prefix, error);
        let path = Path::parse(prefix).map_err(|error| failed(error.into()))?;
        let keys = self.store.list(Some(&path)).take(max);
        let keys = keys
            .map_ok(|meta| String::from(meta.location))
            .try_collect();
        let late = |_| ReadError::TimedOut {
            key: prefix.to_owned(),
        };
        let keys = tokio::time::timeout(self.limits.timeout, keys)
            .await
            .map_err(late)?;
        keys.map_err(failed)
    }
}

fn failure(key: &str, error: object_store::Error) -> ReadError {
    use object_store::Error::{NotFound, PermissionDenied, Unauthenticated};
    let key = key.to_owned();
    if matches!(error, NotFound { .. }) {
        ReadError::NotFound { key }
    } else if matches!(error, PermissionDenied { .. } | Unauthenticated { .. }) {
        ReadError::Forbidden { key }
    } else {
        ReadError::Unavailable { key, source: error }
    }
}

/// Makes `object_store` use hyper's pooled client.
#[derive(Debug)]
struct Connector;

impl HttpConnector for Connector {
    fn connect(&self, _: &ClientOptions) -> object_store::Result<HttpClient> {
        let mut tcp = TcpConnector::new();
        tcp.set_nodelay(true);
        tcp.set_connect_timeout(Some(Duration::from_secs(5)));
        let client = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(Duration::from_secs(30))
            .build(tcp);
        Ok(HttpClient::new(Pooled(client)))
    }
}

#[derive(Debug)]
struct Pooled(Client<TcpConnector, HttpRequestBody>);

#[async_trait::async_trait]
impl HttpService for Pooled {
    async fn call(&self, request: HttpRequest) -> Result<HttpResponse, HttpError> {
        let response = self.0.request(request).await.map_err(|error| {
            let kind = if error.is_connect() {
                HttpErrorKind::Connect
            } else {
                HttpErrorKind::Request
            };
            HttpError::new(kind, error)
        })?;
        let broken = |error| HttpError::new(HttpErrorKind::Interrupted, error);
        let response = response.map(|body| HttpResponseBody::new(body.map_err(broken)));
        refusal::hear(response).await
    }
}
