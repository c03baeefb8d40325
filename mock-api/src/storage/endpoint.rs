//! The S3 endpoint: a listener in this process that serves the store over S3's protocol.
//!
//! Signatures, routing and XML are s3s's; bounds on connections, headers, bodies and time are
//! ours. s3s reports every refused request to `tracing` as an error; a subscriber may want to
//! leave its target out.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use s3s::config::{S3Config, StaticConfigProvider};
use s3s::service::{S3Service, S3ServiceBuilder};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};
use tokio::task::JoinHandle;

use super::access::{AccessKey, Keyring};
use super::body::BodyLimits;
use super::front::{Front, XML_MAX};
use super::multipart::Uploads;
use super::operations::Operations;
use super::store::{Store, TooManyBuckets};

/// Bytes of a request's head at most.
const HEAD_MAX: usize = 64 << 10;

/// Bounds of an endpoint.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct EndpointLimits {
    /// Connections at once; further ones wait to be accepted.
    pub connections: u32,
    /// Bytes of one body (an object put whole, or a part).
    pub body: u64,
    /// Longest silence within a request, and between requests of a connection.
    pub stall: Duration,
    /// How long a shutdown waits for requests under way.
    pub drain: Duration,
}

impl Default for EndpointLimits {
    fn default() -> Self {
        Self {
            connections: 1024,
            body: 256 << 20,
            stall: Duration::from_secs(60),
            drain: Duration::from_secs(5),
        }
    }
}

/// Why an endpoint could not start.
#[derive(Debug, thiserror::Error)]
pub enum EndpointError {
    /// The address cannot be bound.
    #[error("cannot listen on {address} for S3 ({source}); choose another port, or 0 for any")]
    Bind {
        /// The address.
        address: SocketAddr,
        /// What the system says.
        source: io::Error,
    },
    /// There are more access keys than buckets allowed.
    #[error(transparent)]
    Buckets(#[from] TooManyBuckets),
}

/// A running S3 endpoint. Dropping it ends it at once; [`S3Endpoint::shutdown`] is kinder.
#[derive(Debug)]
pub struct S3Endpoint {
    address: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    task: JoinHandle<()>,
}

impl S3Endpoint {
    /// Binds `address` (port 0: any free one) and serves `store` to the holders of `keys`, whose
    /// buckets are made if need be. Runs on the current tokio runtime.
    ///
    /// # Errors
    /// [`EndpointError`].
    pub async fn start(
        address: SocketAddr,
        store: Store,
        keys: &[AccessKey],
        limits: EndpointLimits,
    ) -> Result<Self, EndpointError> {
        for key in keys {
            store.create_bucket(&key.bucket)?;
        }
        let bind = |source| EndpointError::Bind { address, source };
        let listener = TcpListener::bind(address).await.map_err(bind)?;
        let address = listener.local_addr().map_err(bind)?;
        let service = service(store, keys, limits);
        let (stop, stopped) = oneshot::channel();
        let task = tokio::spawn(serve(listener, service, limits, stopped));
        Ok(Self {
            address,
            stop: Some(stop),
            task,
        })
    }

    /// The address it listens on.
    #[must_use]
    pub const fn local_addr(&self) -> SocketAddr {
        self.address
    }

    /// Its URL; buckets are path segments of it.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Accepts nothing more, waits for requests under way, and ends.
    pub async fn shutdown(mut self) {
        if let Some(stop) = self.stop.take() {
            // The task is gone if nobody receives this.
            stop.send(()).ok();
        }
        if let Err(error) = (&mut self.task).await {
            tracing::warn!(%error, "the S3 endpoint did not end well");
        }
    }
}

impl Drop for S3Endpoint {
    fn drop(&mut self) {
        self.task.abort();
    }
}

fn service(store: Store, keys: &[AccessKey], limits: EndpointLimits) -> S3Service {
    let keyring = Keyring::new(keys, &store);
    let operations = Operations {
        store,
        keyring: keyring.clone(),
        uploads: Uploads::default(),
        limits: BodyLimits {
            size: limits.body,
            stall: limits.stall,
        },
    };
    let mut config = S3Config::default();
    config.xml_max_body_size = XML_MAX;
    config.post_object_max_file_size = limits.body;
    config.form_max_fields_size = XML_MAX;
    let mut builder = S3ServiceBuilder::new(operations);
    builder.set_auth(keyring.clone());
    builder.set_access(keyring);
    builder.set_config(Arc::new(StaticConfigProvider::new(Arc::new(config))));
    builder.build()
}

/// Accepts until it is told to stop. Connections live in a set of this task's, so that they end
/// with it.
async fn serve(
    listener: TcpListener,
    service: S3Service,
    limits: EndpointLimits,
    mut stopped: oneshot::Receiver<()>,
) {
    let places = Arc::new(Semaphore::new(limits.connections as usize));
    let graceful = GracefulShutdown::new();
    let mut connections = tokio::task::JoinSet::new();
    loop {
        tokio::select! {
            biased;
            _ = &mut stopped => break,
            Some(_) = connections.join_next() => {}
            (stream, place) = accept(&listener, &places) => {
                let io = TokioIo::new(stream);
                let connection = http1::Builder::new()
                    .timer(TokioTimer::new())
                    .header_read_timeout(limits.stall)
                    .max_buf_size(HEAD_MAX)
                    .serve_connection(io, Front(service.clone()));
                let connection = graceful.watch(connection);
                connections.spawn(async move {
                    if let Err(error) = connection.await {
                        tracing::debug!(%error, "an S3 connection broke off");
                    }
                    drop(place);
                });
            }
        }
    }
    drop(listener);
    if tokio::time::timeout(limits.drain, graceful.shutdown())
        .await
        .is_err()
    {
        tracing::warn!(
            left = connections.len(),
            "S3 requests did not end in time and were cut"
        );
    }
}

/// The next connection, once there is a place for it.
async fn accept(
    listener: &TcpListener,
    places: &Arc<Semaphore>,
) -> (TcpStream, OwnedSemaphorePermit) {
    let place = Arc::clone(places)
        .acquire_owned()
        .await
        .expect("the semaphore is never closed");
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                // Without it an answer in two writes waits some 40 ms for a delayed ACK; where it
                // is refused answers are merely slow.
                stream.set_nodelay(true).ok();
                return (stream, place);
            }
            Err(error) => {
                tracing::warn!(%error, "cannot accept an S3 connection");
                // Out of descriptors, most likely: some will be free soon.
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
    }
}
