//! An S3 of somebody else's in place of our own, such as MinIO: audio, sidecars and manifests are
//! put there and nowhere else, one after the other, so that a manifest still comes last.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use axum::http::Method;
use bytes::Bytes;
use futures_util::FutureExt;
use object_store::aws::AmazonS3;
use object_store::path::Path;
use object_store::signer::{SignedUrlOptions, Signer as _};
use object_store::{
    Attribute, Attributes, MultipartUpload, ObjectStore, ObjectStoreExt as _, PutMultipartOptions,
    PutOptions, PutPayload,
};
use parking_lot::Mutex;
use racegate_model::ids::RecordingIndex;
use tokio::sync::{Notify, mpsc};
use tokio::time::timeout;

use super::access::AccessKey;
use super::client::{self, ReaderError, ReaderLimits};
use super::flow::MediaFlow;
use super::object;
use super::pieces::Pieces;
use super::usage::Reservation;
use super::writes::Write;

/// Objects on their way at most; a job that would write more fails.
const QUEUE: usize = 65_536;
/// The longest that one step may take: what comes after it waits.
const STEP_MAX: Duration = Duration::from_secs(30);
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
    sender: mpsc::Sender<Order>,
    under_way: Arc<UnderWay>,
    /// Lengths of the recordings whose audio was put there.
    audio: Mutex<BTreeMap<RecordingIndex, u64>>,
    /// Recordings that were begun before they ended.
    flows: AtomicU64,
}

/// A recording on its way there, part by part.
#[derive(Debug)]
pub(super) struct Flow {
    number: u64,
    /// Bytes in the parts.
    pub(super) bytes: u64,
}

/// Steps that have not been taken.
#[derive(Debug, Default)]
struct UnderWay {
    count: AtomicUsize,
    idle: Notify,
}

/// A step, and the job that it is a part of.
struct Order {
    step: Step,
    of: Option<Write>,
}

enum Step {
    Put {
        key: String,
        body: Pieces,
        content_type: String,
    },
    /// Put together when its turn comes: it tells what became of what went before.
    PutLast {
        key: String,
        body: Box<dyn FnOnce() -> Bytes + Send>,
    },
    /// Charged until it is there.
    Part {
        flow: u64,
        body: Pieces,
        _charge: Reservation,
    },
    Finish {
        flow: u64,
        rest: Pieces,
        to: String,
        _charge: Reservation,
    },
    GiveUp {
        flow: u64,
    },
    Copy {
        from: String,
        to: String,
    },
    Delete {
        key: String,
    },
}

impl Step {
    /// The recording that it is a part of, if more of it follows.
    const fn flow(&self) -> Option<u64> {
        if let Self::Part { flow, .. } = self {
            Some(*flow)
        } else {
            None
        }
    }
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
        let taker = Taker {
            store: store.clone(),
            open: BTreeMap::new(),
        };
        drop(tokio::spawn(take(taker, steps, Arc::clone(&under_way))));
        Ok(Self {
            store,
            sender,
            under_way,
            audio: Mutex::default(),
            flows: AtomicU64::new(0),
        })
    }

    /// Takes an object to be put there; false if too much is on its way.
    pub(super) fn put(&self, key: &str, body: &Pieces, content_type: &str) -> bool {
        self.take(Step::Put {
            key: key.to_owned(),
            body: body.clone(),
            content_type: content_type.to_owned(),
        })
    }

    /// The same of a recording's audio.
    pub(super) fn put_audio(&self, recording: RecordingIndex, audio: &Pieces, kind: &str) -> bool {
        let step = Step::Put {
            key: audio_key(recording),
            body: audio.clone(),
            content_type: kind.to_owned(),
        };
        self.take_audio(recording, audio.len(), step)
    }

    fn take_audio(&self, recording: RecordingIndex, length: u64, step: Step) -> bool {
        let taken = self.take(step);
        if taken {
            self.audio.lock().insert(recording, length);
        }
        taken
    }

    /// Begins a recording whose number nobody knows yet.
    pub(super) fn begin(&self) -> Flow {
        Flow {
            number: self.flows.fetch_add(1, Ordering::Relaxed),
            bytes: 0,
        }
    }

    /// Takes the next part of a recording: as long as S3 wants them to be.
    pub(super) fn part(&self, flow: &mut Flow, body: Pieces, charge: Reservation) -> bool {
        flow.bytes += body.len();
        self.take(Step::Part {
            flow: flow.number,
            body,
            _charge: charge,
        })
    }

    /// Takes the rest of a recording, and who it is; its length is that of the whole.
    pub(super) fn finish(
        &self,
        flow: &Flow,
        recording: RecordingIndex,
        (rest, length): (Pieces, u64),
        charge: Reservation,
    ) -> bool {
        let step = Step::Finish {
            flow: flow.number,
            rest,
            to: audio_key(recording),
            _charge: charge,
        };
        self.take_audio(recording, length, step)
    }

    /// Forgets a recording that was begun.
    pub(super) fn give_up(&self, flow: &Flow) {
        if !self.take(Step::GiveUp { flow: flow.number }) {
            tracing::error!("a part of a recording stays in the external S3");
        }
    }

    /// The length of a recording's audio, if there is any.
    pub(super) fn audio_length(&self, recording: RecordingIndex) -> Option<u64> {
        self.audio.lock().get(&recording).copied()
    }

    /// A recording's audio shall be under `key` too.
    pub(super) fn copy_audio(&self, recording: RecordingIndex, key: &str, of: Write) -> bool {
        let step = Step::Copy {
            from: audio_key(recording),
            to: key.to_owned(),
        };
        self.order(step, Some(of))
    }

    /// Takes a document of a job.
    pub(super) fn put_of(&self, key: &str, body: Bytes, of: Write) -> bool {
        let step = Step::Put {
            key: key.to_owned(),
            body: body.into(),
            content_type: object::Attributes::JSON.content_type.into_owned(),
        };
        self.order(step, Some(of))
    }

    /// Takes the last document of a job.
    pub(super) fn put_last(
        &self,
        key: &str,
        body: impl FnOnce() -> Bytes + Send + 'static,
        of: Write,
    ) -> bool {
        let (key, body) = (key.to_owned(), Box::new(body));
        self.order(Step::PutLast { key, body }, Some(of))
    }

    pub(super) fn delete_audio(&self, recording: RecordingIndex) {
        if self.audio.lock().remove(&recording).is_some() {
            let key = audio_key(recording);
            if !self.take(Step::Delete { key }) {
                tracing::error!("a recording's audio stays in the external S3");
            }
        }
    }

    pub(super) async fn read_audio(&self, recording: RecordingIndex) -> Option<MediaFlow> {
        self.audio_length(recording)?;
        self.idle().await;
        let found = self.store.get(&Path::from(audio_key(recording))).await;
        found
            .map(MediaFlow::elsewhere)
            .inspect_err(|error| tracing::error!(%error, "audio cannot be read"))
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
        self.order(step, None)
    }

    fn order(&self, step: Step, of: Option<Write>) -> bool {
        self.under_way.count.fetch_add(1, Ordering::AcqRel);
        let taken = self.sender.try_send(Order { step, of }).is_ok();
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

/// Where a recording grows whose number is not known yet.
fn flow_key(flow: u64) -> Path {
    Path::from(format!("recordings/growing/{flow}.ogg"))
}

/// Takes the steps.
struct Taker {
    store: AmazonS3,
    /// Recordings that grow; none in place of one of which a part was refused.
    open: BTreeMap<u64, Option<Box<dyn MultipartUpload>>>,
}

async fn take(mut taker: Taker, mut orders: mpsc::Receiver<Order>, under_way: Arc<UnderWay>) {
    while let Some(Order { step, of }) = orders.recv().await {
        let flow = step.flow();
        if of.as_ref().is_some_and(Write::is_hopeless) {
            of.iter().for_each(Write::refuse);
        } else {
            match timeout(STEP_MAX, taker.taken(step)).await {
                Ok(Ok(())) => {}
                Ok(Err(error)) => {
                    tracing::error!(%error, "the external S3 refuses");
                    of.iter().for_each(Write::refuse);
                }
                Err(_) => {
                    tracing::error!("the external S3 does not answer");
                    of.iter().for_each(Write::give_up);
                    // Of a recording of which a part may be missing nothing more is sent.
                    taker.open.extend(flow.map(|flow| (flow, None)));
                }
            }
        }
        drop(of);
        under_way.done();
    }
}

impl Taker {
    async fn taken(&mut self, step: Step) -> Result<(), object_store::Error> {
        let store = &self.store;
        match step {
            Step::Put {
                key,
                body,
                content_type,
            } => {
                let body = body.into_iter().collect();
                put(store, &key, body, content_type).await
            }
            Step::PutLast { key, body } => {
                let kind = object::Attributes::JSON.content_type.into_owned();
                put(store, &key, body().into(), kind).await
            }
            Step::Part {
                flow,
                body,
                _charge,
            } => self.grow(flow, body).await,
            Step::Finish {
                flow,
                rest,
                to,
                _charge,
            } => self.finish(flow, rest, &Path::parse(&to)?).await,
            Step::GiveUp { flow } => match self.open.remove(&flow).flatten() {
                Some(mut upload) => upload.abort().await,
                None => Ok(()),
            },
            Step::Copy { from, to } => store.copy(&Path::parse(&from)?, &Path::parse(&to)?).await,
            Step::Delete { key } => store.delete(&Path::parse(&key)?).await,
        }
    }

    async fn grow(&mut self, flow: u64, body: Pieces) -> Result<(), object_store::Error> {
        if !self.open.contains_key(&flow) {
            let kind = object::Attributes::AUDIO.content_type.into_owned();
            let options = PutMultipartOptions::from(of_type(kind));
            let begun = self
                .store
                .put_multipart_opts(&flow_key(flow), options)
                .await;
            // If it is refused, so is all that follows.
            self.open.insert(flow, None);
            self.open.insert(flow, Some(begun?));
        }
        let Some(upload) = self.open.get_mut(&flow).and_then(Option::as_mut) else {
            return Ok(());
        };
        let sent = upload.put_part(body.into_iter().collect()).await;
        if sent.is_err() {
            let refused = self.open.insert(flow, None).flatten();
            if let Some(mut refused) = refused {
                refused.abort().await?;
            }
        }
        sent
    }

    async fn finish(
        &mut self,
        flow: u64,
        rest: Pieces,
        to: &Path,
    ) -> Result<(), object_store::Error> {
        if rest.len() > 0 {
            self.grow(flow, rest).await?;
        }
        // What was refused was reported when it was.
        let Some(mut upload) = self.open.remove(&flow).flatten() else {
            return Ok(());
        };
        upload.complete().await?;
        let from = flow_key(flow);
        self.store.copy(&from, to).await?;
        self.store.delete(&from).await
    }
}

async fn put(
    store: &AmazonS3,
    key: &str,
    body: PutPayload,
    content_type: String,
) -> Result<(), object_store::Error> {
    let options = PutOptions::from(of_type(content_type));
    let path = Path::parse(key)?;
    store.put_opts(&path, body, options).await.map(drop)
}

fn of_type(content_type: String) -> Attributes {
    Attributes::from_iter([(Attribute::ContentType, content_type)])
}

#[cfg(test)]
mod tests {
    use racegate_model::ids::RecordingIndex;
    use tokio::time::Instant;

    use super::*;
    use crate::storage::writes::JobWrites;

    /// A bucket whose server takes connections and never answers.
    async fn dead() -> (tokio::net::TcpListener, External) {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        let key = AccessKey {
            id: "id".to_owned(),
            secret: "secret".to_owned(),
            bucket: "bucket".to_owned(),
        };
        let external = External::open(&ExternalBucket { endpoint, key }).unwrap();
        (listener, external)
    }

    #[tokio::test(start_paused = true)]
    async fn a_job_is_over_though_the_other_bucket_never_answers() {
        let (_listener, external) = dead().await;
        let writes = Arc::<JobWrites>::default();
        let began = Instant::now();
        for recording in (0..20).map(RecordingIndex) {
            let write = Write::new(&writes, Some(recording));
            assert!(external.put_of("a.json", Bytes::from("{}"), write));
        }
        let told = Arc::new(Mutex::new(0));
        let (known, tell) = (Arc::clone(&writes), Arc::clone(&told));
        let manifest = move || {
            *tell.lock() = known.refused().len();
            Bytes::new()
        };
        assert!(external.put_last("m.json", manifest, Write::new(&writes, None)));
        assert!(writes.are_under_way());
        external.idle().await;
        assert!(!writes.are_under_way());
        assert_eq!((writes.refused().len(), *told.lock()), (20, 20));
        assert!(began.elapsed() < 3 * STEP_MAX, "{:?}", began.elapsed());
    }
}
