//! Exports on an S3 of somebody else's, such as MinIO: what a job writes is put there too, one
//! object after the other, so that a manifest still comes last.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use object_store::aws::AmazonS3;
use object_store::path::Path;
use object_store::{Attribute, Attributes, ObjectStore, PutOptions};
use tokio::sync::{Notify, mpsc};

use super::access::AccessKey;
use super::client::{self, ReaderError, ReaderLimits};

/// Objects on their way at most; a job that would write more fails.
const QUEUE: usize = 65_536;

/// A bucket of somebody else's.
#[derive(Clone, PartialEq, Eq)]
pub struct ExternalBucket {
    /// `http://host:port`.
    pub endpoint: String,
    /// The bucket, and the keys to it.
    pub key: AccessKey,
}

impl fmt::Debug for ExternalBucket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ExternalBucket")
            .field("endpoint", &self.endpoint)
            .field("bucket", &self.key.bucket)
            .finish_non_exhaustive()
    }
}

/// The way there.
#[derive(Debug)]
pub(super) struct Mirror {
    sender: mpsc::Sender<Put>,
    under_way: Arc<UnderWay>,
}

/// Objects on their way.
#[derive(Debug, Default)]
struct UnderWay {
    count: AtomicUsize,
    idle: Notify,
}

#[derive(Debug)]
struct Put {
    key: String,
    body: Bytes,
    content_type: String,
}

impl Mirror {
    /// Needs a tokio runtime.
    ///
    /// # Errors
    /// [`ReaderError`]
    pub(super) fn start(bucket: &ExternalBucket) -> Result<Self, ReaderError> {
        let store = client::open(&bucket.endpoint, &bucket.key, ReaderLimits::default())?;
        let (sender, puts) = mpsc::channel(QUEUE);
        let under_way = Arc::<UnderWay>::default();
        drop(tokio::spawn(send(store, puts, Arc::clone(&under_way))));
        Ok(Self { sender, under_way })
    }

    /// Takes an object to be put there; false if too many are on their way.
    pub(super) fn put(&self, key: &str, body: Bytes, content_type: &str) -> bool {
        let put = Put {
            key: key.to_owned(),
            body,
            content_type: content_type.to_owned(),
        };
        self.under_way.count.fetch_add(1, Ordering::AcqRel);
        let taken = self.sender.try_send(put).is_ok();
        if !taken {
            self.under_way.done();
        }
        taken
    }

    /// Waits until nothing is on its way.
    pub(super) async fn idle(&self) {
        loop {
            let idle = self.under_way.idle.notified();
            if self.under_way.count.load(Ordering::Acquire) == 0 {
                return;
            }
            idle.await;
        }
    }
}

impl UnderWay {
    fn done(&self) {
        if self.count.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.idle.notify_waiters();
        }
    }
}

async fn send(store: AmazonS3, mut puts: mpsc::Receiver<Put>, under_way: Arc<UnderWay>) {
    while let Some(put) = puts.recv().await {
        let Put {
            key,
            body,
            content_type,
        } = put;
        let attributes = Attributes::from_iter([(Attribute::ContentType, content_type)]);
        let options = PutOptions::from(attributes);
        let sent = match Path::parse(&key) {
            Ok(path) => store.put_opts(&path, body.into(), options).await.map(drop),
            Err(error) => Err(error.into()),
        };
        if let Err(error) = sent {
            tracing::error!(%error, key, "an object could not be written to the external S3");
        }
        under_way.done();
    }
}
