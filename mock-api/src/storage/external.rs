//! An S3 of somebody else's in place of our own, such as MinIO: audio, sidecars and manifests are
//! put there and nowhere else, some at once. What is put under one key goes in order, a manifest
//! comes last of its job, and no tenant waits for another's slow bucket.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use axum::http::Method;
use bytes::Bytes;
use futures_util::FutureExt;
use object_store::ObjectStoreExt as _;
use object_store::path::Path;
use object_store::signer::{SignedUrlOptions, Signer as _};
use parking_lot::Mutex;
use racegate_model::ids::RecordingIndex;
use tokio::runtime::Handle;
use tokio::sync::Notify;
use tokio::time::timeout;

use super::access::AccessKey;
use super::client::{self, ReaderError, ReaderLimits};
use super::flow::MediaFlow;
use super::object;
use super::pieces::Pieces;
use super::refusal::{self, Refused, Said};
use super::turns::{Access, Bounds, Claim, Lane, Thing, Ticket, Turns};
use super::uploads::{Step, Uploads};
use super::usage::Reservation;
use super::writes::Write;
use crate::targets::{TargetError, Targets};

/// What may be on its way. Half of what is held can be one tenant's; a job that would write more
/// fails. Chosen, not measured: connections for eight tenants that make full use of theirs.
const BOUNDS: Bounds = Bounds {
    held: 131_072,
    begun: 32,
    begun_by_lane: 4,
};
/// The longest that one step may take: what comes after it waits.
const STEP_MAX: Duration = Duration::from_secs(30);
/// The longest that S3 lets a signed address live.
const SIGNED_MAX: Duration = Duration::from_secs(7 * 86_400);

/// A bucket of somebody else's.
#[derive(Clone, PartialEq, Eq)]
pub struct ExternalBucket {
    /// `http://host:port`.
    pub(crate) endpoint: String,
    /// The bucket, and the keys to it.
    pub(crate) key: AccessKey,
}

/// Why an address is none of a bucket.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum BucketError {
    /// It may not be connected to.
    #[error(transparent)]
    Target(#[from] TargetError),
    /// Behind the host there is not one bucket.
    #[error("{url}: write http://HOST:PORT/BUCKET")]
    NoBucket {
        /// The address.
        url: String,
    },
}

impl ExternalBucket {
    /// The bucket at `http://host:port/bucket`, whose keys are `id` and `secret`.
    ///
    /// # Errors
    /// [`BucketError`]
    pub fn at(
        url: &str,
        (id, secret): (String, String),
        targets: &Targets,
    ) -> Result<Self, BucketError> {
        let uri = targets.admit(url)?;
        let bucket = uri.path().trim_matches('/').to_owned();
        let host = uri.authority().map(|authority| authority.as_str());
        let whole = uri.query().is_none() && !bucket.is_empty() && !bucket.contains('/');
        let Some(host) = host.filter(|_| whole) else {
            let url = url.to_owned();
            return Err(BucketError::NoBucket { url });
        };
        Ok(Self {
            endpoint: format!("http://{host}"),
            key: AccessKey { id, secret, bucket },
        })
    }

    /// `http://host:port`.
    #[must_use]
    pub fn endpoint(&self) -> &str {
        &self.endpoint
    }

    /// The bucket's name.
    #[must_use]
    pub fn bucket(&self) -> &str {
        &self.key.bucket
    }
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
    shared: Arc<Shared>,
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

/// What the steps under way share.
struct Shared {
    uploads: Uploads,
    bucket: String,
    turns: Mutex<Turns<Order>>,
    /// Something is done.
    changed: Notify,
    runtime: Handle,
    refused: OnceLock<OnRefusal>,
}

/// Who is told of refusals.
pub(super) type OnRefusal = Box<dyn Fn(Refused) + Send + Sync>;

/// A step, and the job that it is a part of.
struct Order {
    step: Step,
    lane: Lane,
    of: Option<Write>,
}

impl External {
    /// Needs a tokio runtime.
    ///
    /// # Errors
    /// [`ReaderError`]
    pub(super) fn open(bucket: &ExternalBucket) -> Result<Self, ReaderError> {
        let store = client::open(&bucket.endpoint, &bucket.key, ReaderLimits::default())?;
        let shared = Shared {
            uploads: Uploads::new(store),
            bucket: bucket.key.bucket.clone(),
            turns: Mutex::new(Turns::new(BOUNDS)),
            changed: Notify::new(),
            runtime: Handle::current(),
            refused: OnceLock::new(),
        };
        Ok(Self {
            shared: Arc::new(shared),
            audio: Mutex::default(),
            flows: AtomicU64::new(0),
        })
    }

    /// Tells `told` of every write that is refused from now on; the first one to ask is told.
    pub(super) fn on_refusal(&self, told: OnRefusal) {
        drop(self.shared.refused.set(told));
    }

    /// Takes an organization's object to be put there; false if too much is on its way.
    pub(super) fn put(&self, tenant: &str, key: &str, body: &Pieces, content_type: &str) -> bool {
        let step = Step::Put {
            key: key.to_owned(),
            body: body.clone(),
            content_type: content_type.to_owned(),
        };
        let claims = vec![alone(key.to_owned())];
        self.order(Lane::Tenant(tenant.to_owned()), claims, step, None)
    }

    /// The same of a recording's audio.
    pub(super) fn put_audio(&self, recording: RecordingIndex, audio: &Pieces, kind: &str) -> bool {
        let key = audio_key(recording);
        let claims = vec![alone(key.clone())];
        let step = Step::Put {
            key,
            body: audio.clone(),
            content_type: kind.to_owned(),
        };
        let taken = self.order(Lane::Audio(recording), claims, step, None);
        if taken {
            self.note_audio(recording, audio.len());
        }
        taken
    }

    /// There is audio of a recording.
    fn note_audio(&self, recording: RecordingIndex, length: u64) {
        self.audio.lock().insert(recording, length);
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
        let step = Step::Part {
            flow: flow.number,
            body,
            _charge: charge,
        };
        self.order(Lane::Growing(flow.number), vec![grows(flow)], step, None)
    }

    /// Takes the rest of a recording, and who it is; its length is that of the whole.
    pub(super) fn finish(
        &self,
        flow: &Flow,
        recording: RecordingIndex,
        (rest, length): (Pieces, u64),
        charge: Reservation,
    ) -> bool {
        let to = audio_key(recording);
        let claims = vec![grows(flow), alone(to.clone())];
        let step = Step::Finish {
            flow: flow.number,
            rest,
            to,
            _charge: charge,
        };
        let taken = self.order(Lane::Growing(flow.number), claims, step, None);
        if taken {
            self.note_audio(recording, length);
        }
        taken
    }

    /// Forgets a recording that was begun.
    pub(super) fn give_up(&self, flow: &Flow) {
        let (lane, claims) = (Lane::Growing(flow.number), vec![grows(flow)]);
        if !self.order(lane, claims, Step::GiveUp { flow: flow.number }, None) {
            tracing::error!("a part of a recording stays in the external S3");
        }
    }

    /// The length of a recording's audio, if there is any.
    pub(super) fn audio_length(&self, recording: RecordingIndex) -> Option<u64> {
        self.audio.lock().get(&recording).copied()
    }

    /// A recording's audio shall be under `key` too, as a part of a tenant's job.
    pub(super) fn copy_audio(
        &self,
        recording: RecordingIndex,
        (tenant, key): (&str, &str),
        of: Write,
    ) -> bool {
        let step = Step::Copy {
            from: audio_key(recording),
            to: key.to_owned(),
        };
        let mut claims = claims_of(key, &of);
        claims.push((Thing::Key(audio_key(recording)), Access::Shared));
        self.order(Lane::Tenant(tenant.to_owned()), claims, step, Some(of))
    }

    /// Takes a document of a job.
    pub(super) fn put_of(&self, (tenant, key): (&str, &str), body: Bytes, of: Write) -> bool {
        let step = Step::Put {
            key: key.to_owned(),
            body: body.into(),
            content_type: object::Attributes::JSON.content_type.into_owned(),
        };
        let claims = claims_of(key, &of);
        self.order(Lane::Tenant(tenant.to_owned()), claims, step, Some(of))
    }

    /// Takes the last document of a job.
    pub(super) fn put_last(
        &self,
        (tenant, key): (&str, &str),
        body: impl FnOnce() -> Bytes + Send + 'static,
        of: Write,
    ) -> bool {
        let claims = claims_of(key, &of);
        let step = Step::PutLast {
            key: key.to_owned(),
            body: Box::new(body),
        };
        self.order(Lane::Tenant(tenant.to_owned()), claims, step, Some(of))
    }

    pub(super) fn delete_audio(&self, recording: RecordingIndex) {
        if self.audio.lock().remove(&recording).is_some() {
            let key = audio_key(recording);
            let claims = vec![alone(key.clone())];
            if !self.order(Lane::Audio(recording), claims, Step::Delete { key }, None) {
                tracing::error!("a recording's audio stays in the external S3");
            }
        }
    }

    pub(super) async fn read_audio(&self, recording: RecordingIndex) -> Option<MediaFlow> {
        self.audio_length(recording)?;
        let key = audio_key(recording);
        let (path, thing) = (Path::from(key.as_str()), Thing::Key(key));
        self.until(|turns| !turns.touches(&thing)).await;
        let found = self.shared.uploads.store.get(&path).await;
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
        let store = &self.shared.uploads.store;
        let signed = store.signed_url_opts(Method::GET, &path, life, &options);
        // The keys are at hand: there is nothing to wait for.
        signed
            .now_or_never()?
            .map(|url| url.to_string())
            .inspect_err(|error| tracing::error!(%error, "an address cannot be signed"))
            .ok()
    }

    fn order(&self, lane: Lane, claims: Vec<Claim>, step: Step, of: Option<Write>) -> bool {
        let order = Order {
            step,
            lane: lane.clone(),
            of,
        };
        // What has no room is dropped when the turns are free again.
        let pushed = self.shared.turns.lock().push(lane, claims, order);
        let taken = pushed.is_ok();
        self.shared.begin();
        taken
    }

    /// Waits until nothing is on its way.
    pub(super) async fn idle(&self) {
        self.until(Turns::is_empty).await;
    }

    async fn until(&self, holds: impl Fn(&Turns<Order>) -> bool) {
        loop {
            let changed = self.shared.changed.notified();
            if holds(&self.shared.turns.lock()) {
                return;
            }
            changed.await;
        }
    }
}

impl Shared {
    /// Begins all whose turn it is.
    fn begin(self: &Arc<Self>) {
        loop {
            let begun = self.turns.lock().begin();
            let Some((ticket, order)) = begun else {
                return;
            };
            let turn = Turn {
                shared: Arc::clone(self),
                ticket,
            };
            let shared = Arc::clone(self);
            // Where the runtime has ended the turn is over at once, and so on to the last one.
            drop(self.runtime.spawn(async move {
                turn.take(order).await;
                shared.begin();
            }));
        }
    }

    fn refuse(&self, order: &Untaken, said: Option<Said>, words: String) {
        let (status, words) = match said {
            Some((status, words)) => (Some(status), words),
            None => (None, refusal::cut(words)),
        };
        let Untaken {
            method,
            key,
            lane,
            recording,
        } = order;
        tracing::error!(key, status, words, "the external S3 refuses");
        if let Some(told) = self.refused.get() {
            let organization = match lane {
                Lane::Tenant(tenant) => Some(tenant.clone()),
                Lane::Audio(_) | Lane::Growing(_) => None,
            };
            told(Refused {
                organization,
                method,
                bucket: self.bucket.clone(),
                key: key.clone(),
                recording: *recording,
                status,
                words,
            });
        }
    }
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared")
            .field("bucket", &self.bucket)
            .finish_non_exhaustive()
    }
}

/// What is known of a step if it is not taken.
struct Untaken {
    method: &'static str,
    key: String,
    lane: Lane,
    recording: Option<RecordingIndex>,
}

/// An order under way, whose turn is over when this is dropped.
struct Turn {
    shared: Arc<Shared>,
    ticket: Ticket,
}

impl Turn {
    async fn take(self, order: Order) {
        let Order { step, lane, of } = order;
        if of.as_ref().is_some_and(Write::is_hopeless) {
            of.iter().for_each(Write::refuse);
            return;
        }
        let (method, key) = step.target();
        let recording = match &lane {
            Lane::Audio(recording) => Some(*recording),
            Lane::Growing(_) | Lane::Tenant(_) => of.as_ref().and_then(Write::recording),
        };
        let untaken = Untaken {
            method,
            key,
            lane,
            recording,
        };
        let step = timeout(STEP_MAX, self.shared.uploads.take(step));
        match refusal::listening(step).await {
            (Ok(Ok(())), _) => {}
            (Ok(Err(error)), said) => {
                of.iter().for_each(Write::refuse);
                self.shared.refuse(&untaken, said, error.to_string());
            }
            (Err(_), _) => {
                of.iter().for_each(Write::give_up);
                let words = format!("no answer in {} s", STEP_MAX.as_secs());
                self.shared.refuse(&untaken, None, words);
            }
        }
        // Its job is told before anybody who waits for the turn.
        drop(of);
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.shared.turns.lock().done(self.ticket);
        self.shared.changed.notify_waiters();
    }
}

/// Where a recording's audio is before a job exports it.
fn audio_key(recording: RecordingIndex) -> String {
    format!("recordings/{}.ogg", recording.0)
}

const fn alone(key: String) -> Claim {
    (Thing::Key(key), Access::Alone)
}

const fn grows(flow: &Flow) -> Claim {
    (Thing::Flow(flow.number), Access::Alone)
}

/// What a write of a job claims: what is about all recordings comes after all that went before, and
/// a recording's objects come one after the other.
fn claims_of(key: &str, of: &Write) -> Vec<Claim> {
    let job = of.job();
    let key = alone(key.to_owned());
    match of.recording() {
        Some(recording) => vec![
            key,
            (Thing::Job(job), Access::Shared),
            (Thing::Recording(job, recording), Access::Alone),
        ],
        None => vec![key, (Thing::Job(job), Access::Alone)],
    }
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
            assert!(external.put_of(("org", "a.json"), Bytes::from("{}"), write));
        }
        let told = Arc::new(Mutex::new(0));
        let (known, tell) = (Arc::clone(&writes), Arc::clone(&told));
        let manifest = move || {
            *tell.lock() = known.refused().len();
            Bytes::new()
        };
        assert!(external.put_last(("org", "m.json"), manifest, Write::new(&writes, None)));
        assert!(writes.are_under_way());
        external.idle().await;
        assert!(!writes.are_under_way());
        assert_eq!((writes.refused().len(), *told.lock()), (20, 20));
        assert!(began.elapsed() < 3 * STEP_MAX, "{:?}", began.elapsed());
    }
}
