//! An S3 of somebody else's in place of our own, such as MinIO: audio, sidecars and manifests are
//! put there and nowhere else, one after the other, so that a manifest still comes last.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::http::Method;
use bytes::Bytes;
use futures_util::FutureExt;
use object_store::aws::AmazonS3;
use object_store::path::Path;
use object_store::signer::{SignedUrlOptions, Signer as _};
use object_store::{Attribute, Attributes, ObjectStore, ObjectStoreExt as _, PutOptions};
use parking_lot::Mutex;
use racegate_model::ids::RecordingIndex;
use tokio::sync::{Notify, mpsc};

use super::access::AccessKey;
use super::client::{self, ReaderError, ReaderLimits};

/// Objects on their way at most; a job that would write more fails.
const QUEUE: usize = 65_536;
/// The longest that S3 lets a signed address live.
const SIGNED_MAX: Duration = Duration::from_secs(7 * 86_400);

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
pub(super) struct External {
    store: AmazonS3,
    sender: mpsc::Sender<Step>,
    under_way: Arc<UnderWay>,
    /// Lengths of the recordings whose audio was put there.
    audio: Mutex<BTreeMap<RecordingIndex, u64>>,
}

/// Steps that have not been taken.
#[derive(Debug, Default)]
struct UnderWay {
    count: AtomicUsize,
    idle: Notify,
}

#[derive(Debug)]
enum Step {
    Put {
        key: String,
        body: Bytes,
        content_type: String,
    },
    Copy {
        from: String,
        to: String,
    },
    Delete {
        key: String,
    },
}

impl External {
    /// Needs a tokio runtime.
    ///
    /// # Errors
    /// [`ReaderError`]
    pub(super) fn open(bucket: &ExternalBucket) -> Result<Self, ReaderError> {
        let store = client::open(&bucket.endpoint, &bucket.key, ReaderLimits::default())?;
        let (sender, steps) = mpsc::channel(QUEUE);
        let under_way = Arc::<UnderWay>::default();
        drop(tokio::spawn(take(
            store.clone(),
            steps,
            Arc::clone(&under_way),
        )));
        Ok(Self {
            store,
            sender,
            under_way,
            audio: Mutex::default(),
        })
    }

    /// Takes an object to be put there; false if too much is on its way.
    pub(super) fn put(&self, key: &str, body: Bytes, content_type: &str) -> bool {
        self.take(Step::Put {
            key: key.to_owned(),
            body,
            content_type: content_type.to_owned(),
        })
    }

    /// The same of a recording's audio.
    pub(super) fn put_audio(&self, recording: RecordingIndex, audio: Bytes, kind: &str) -> bool {
        let length = audio.len() as u64;
        let taken = self.put(&audio_key(recording), audio, kind);
        if taken {
            self.audio.lock().insert(recording, length);
        }
        taken
    }

    /// The length of a recording's audio, if there is any.
    pub(super) fn audio_length(&self, recording: RecordingIndex) -> Option<u64> {
        self.audio.lock().get(&recording).copied()
    }

    /// A recording's audio shall be under `key` too.
    pub(super) fn copy_audio(&self, recording: RecordingIndex, key: &str) -> bool {
        self.take(Step::Copy {
            from: audio_key(recording),
            to: key.to_owned(),
        })
    }

    pub(super) fn delete_audio(&self, recording: RecordingIndex) {
        if self.audio.lock().remove(&recording).is_some() {
            let key = audio_key(recording);
            if !self.take(Step::Delete { key }) {
                tracing::error!("a recording's audio stays in the external S3");
            }
        }
    }

    pub(super) async fn read_audio(&self, recording: RecordingIndex) -> Option<Bytes> {
        self.audio_length(recording)?;
        self.idle().await;
        let found = self.store.get(&Path::from(audio_key(recording))).await;
        let read = match found {
            Ok(found) => found.bytes().await,
            Err(error) => Err(error),
        };
        read.inspect_err(|error| tracing::error!(%error, "audio cannot be read"))
            .ok()
    }

    /// A signed address of a recording's audio, for whoever has no keys; saved as `name` if there
    /// is one.
    pub(super) fn audio_url(
        &self,
        recording: RecordingIndex,
        life: Duration,
        name: Option<&str>,
    ) -> Option<String> {
        self.audio_length(recording)?;
        let name = name.map(|name| {
            let disposition = format!("attachment; filename=\"{name}\"");
            ("response-content-disposition", disposition)
        });
        let options = SignedUrlOptions::new().with_query(name);
        let path = Path::from(audio_key(recording));
        let life = life.min(SIGNED_MAX);
        let signed = self
            .store
            .signed_url_opts(Method::GET, &path, life, &options);
        // The keys are at hand: there is nothing to wait for.
        signed
            .now_or_never()?
            .map(|url| url.to_string())
            .inspect_err(|error| tracing::error!(%error, "an address cannot be signed"))
            .ok()
    }

    fn take(&self, step: Step) -> bool {
        self.under_way.count.fetch_add(1, Ordering::AcqRel);
        let taken = self.sender.try_send(step).is_ok();
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

/// Where a recording's audio is before a job exports it.
fn audio_key(recording: RecordingIndex) -> String {
    format!("recordings/{}.ogg", recording.0)
}

async fn take(store: AmazonS3, mut steps: mpsc::Receiver<Step>, under_way: Arc<UnderWay>) {
    while let Some(step) = steps.recv().await {
        if let Err(error) = taken(&store, step).await {
            tracing::error!(%error, "the external S3 refuses");
        }
        under_way.done();
    }
}

async fn taken(store: &AmazonS3, step: Step) -> Result<(), object_store::Error> {
    match step {
        Step::Put {
            key,
            body,
            content_type,
        } => {
            let attributes = Attributes::from_iter([(Attribute::ContentType, content_type)]);
            let options = PutOptions::from(attributes);
            let path = Path::parse(&key)?;
            store.put_opts(&path, body.into(), options).await.map(drop)
        }
        Step::Copy { from, to } => store.copy(&Path::parse(&from)?, &Path::parse(&to)?).await,
        Step::Delete { key } => store.delete(&Path::parse(&key)?).await,
    }
}
