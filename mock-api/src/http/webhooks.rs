//! Webhooks: notifications on their way out. Each is signed, tried a few times, and counted; a
//! receiver that hangs holds up its own tenant only.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration as StdDuration;

use aws_lc_rs::hmac;
use axum::body::Bytes;
use axum::http::header::{CONTENT_TYPE, HeaderValue};
use axum::http::{HeaderName, Method, Request, Uri};
use http_body_util::{BodyExt, Full, Limited};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use racegate_model::ids::{ConversationId, RecordingId};
use racegate_model::scenario::WebhookEvent;
use thiserror::Error;
use tokio::sync::{Notify, Semaphore, mpsc};

use super::client::pooled_client;
use super::ids::{Uuid, tenant_key};
use super::triggers::{TOPIC_ENDED, topic};
use super::wire::fields::Shown;
use super::wire::trigger::WebhookMessage;
use crate::service::{Delivery, Service};
use crate::storage::layout::RunEpoch;

const SIGNATURE: HeaderName = HeaderName::from_static("x-signature");
/// What a receiver may answer; more is cut off.
const ANSWER_MAX: usize = 64 << 10;

/// Bounds of delivery.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct WebhookSettings {
    /// Tries in all.
    pub attempts: u32,
    /// Wait before the second try; doubled for each further one.
    pub backoff: StdDuration,
    /// How long a receiver may take.
    pub timeout: StdDuration,
    /// Deliveries under way at once, per tenant.
    pub concurrency: usize,
    /// Deliveries that are not done yet, of all tenants; further ones are dropped.
    pub queue: usize,
}

impl Default for WebhookSettings {
    fn default() -> Self {
        Self {
            attempts: 3,
            backoff: StdDuration::from_millis(250),
            timeout: StdDuration::from_secs(3),
            concurrency: 64,
            queue: 65_536,
        }
    }
}

/// Why a delivery was not taken.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Error)]
pub enum DeliverError {
    /// The subscriber is in the same process.
    #[error("the subscription has no address")]
    NoTarget,
    /// Too many deliveries are not done yet.
    #[error("the queue of webhooks is full")]
    QueueFull,
}

/// What became of the deliveries so far.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct WebhookCounts {
    /// Answered with 2xx.
    pub delivered: u64,
    /// Given up after the last try.
    pub failed: u64,
    /// Tries beyond the first.
    pub retries: u64,
    /// Dropped because the queue was full.
    pub dropped: u64,
}

/// The sender of webhooks. Cheap to clone; needs a tokio runtime.
#[derive(Clone)]
pub struct Webhooks {
    inner: Arc<Inner>,
}

struct Inner {
    service: Service,
    epoch: RunEpoch,
    settings: WebhookSettings,
    lanes: Vec<Lane>,
    client: Client<HttpConnector, Full<Bytes>>,
    under_way: AtomicUsize,
    idle: Notify,
    delivered: AtomicU64,
    failed: AtomicU64,
    retries: AtomicU64,
    dropped: AtomicU64,
}

struct Lane {
    key: hmac::Key,
    permits: Semaphore,
}

struct Message {
    lane: usize,
    uri: Uri,
    signature: HeaderValue,
    body: Bytes,
}

impl Webhooks {
    /// A sender for the tenants of `service`.
    #[must_use]
    pub fn new(service: Service, epoch: RunEpoch, settings: WebhookSettings) -> Self {
        let lanes = service.tenants().iter().map(|tenant| Lane {
            key: tenant_key(tenant.config()),
            permits: Semaphore::new(settings.concurrency),
        });
        let inner = Inner {
            lanes: lanes.collect(),
            client: pooled_client(settings.concurrency),
            service,
            epoch,
            settings,
            under_way: AtomicUsize::new(0),
            idle: Notify::new(),
            delivered: AtomicU64::new(0),
            failed: AtomicU64::new(0),
            retries: AtomicU64::new(0),
            dropped: AtomicU64::new(0),
        };
        Self {
            inner: Arc::new(inner),
        }
    }

    /// Sends what comes out of `deliveries` until it is closed and everything is done.
    pub async fn run(self, mut deliveries: mpsc::Receiver<Delivery>) {
        while let Some(delivery) = deliveries.recv().await {
            if let Err(error) = self.deliver(&delivery) {
                tracing::debug!(%error, "a webhook was not sent");
            }
        }
        self.idle().await;
    }

    /// Takes a delivery to be sent at once; does not wait.
    ///
    /// # Errors
    /// [`DeliverError`] when there is nowhere to send it or too much is under way.
    pub fn deliver(&self, delivery: &Delivery) -> Result<(), DeliverError> {
        let inner = &self.inner;
        let message = inner.message(delivery).ok_or(DeliverError::NoTarget)?;
        if inner.under_way.fetch_add(1, Ordering::AcqRel) >= inner.settings.queue {
            inner.done();
            inner.dropped.fetch_add(1, Ordering::Relaxed);
            return Err(DeliverError::QueueFull);
        }
        let inner = Arc::clone(inner);
        drop(tokio::spawn(async move {
            inner.send(message).await;
            inner.done();
        }));
        Ok(())
    }

    /// What became of the deliveries so far.
    #[must_use]
    pub fn counts(&self) -> WebhookCounts {
        let read = |count: &AtomicU64| count.load(Ordering::Relaxed);
        WebhookCounts {
            delivered: read(&self.inner.delivered),
            failed: read(&self.inner.failed),
            retries: read(&self.inner.retries),
            dropped: read(&self.inner.dropped),
        }
    }

    /// Waits until nothing is under way.
    pub async fn idle(&self) {
        loop {
            let notified = self.inner.idle.notified();
            if self.inner.under_way.load(Ordering::Acquire) == 0 {
                return;
            }
            notified.await;
        }
    }
}

impl std::fmt::Debug for Webhooks {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Webhooks")
            .field("counts", &self.counts())
            .finish_non_exhaustive()
    }
}

impl Inner {
    fn message(&self, delivery: &Delivery) -> Option<Message> {
        let subscription = &delivery.subscription;
        let uri: Uri = subscription.url.as_deref()?.parse().ok()?;
        let lane = subscription.tenant.0 as usize;
        let key = &self.lanes.get(lane)?.key;
        let seed = self.service.seed();
        let conversation = ConversationId::of(seed, delivery.recording);
        let happened_at = match subscription.event {
            WebhookEvent::SessionEnded => self
                .service
                .tenant(subscription.tenant)?
                .read(&self.service, delivery.recording, |timeline| {
                    timeline.ended_at
                })
                .unwrap_or(delivery.at),
            WebhookEvent::MetadataReady => delivery.at,
        };
        let topic_name = match subscription.event {
            WebhookEvent::SessionEnded => TOPIC_ENDED
                .replace("{id}", &conversation.to_string())
                .into(),
            WebhookEvent::MetadataReady => std::borrow::Cow::Borrowed(topic(subscription.event)),
        };
        let name = format!("{} {}", topic(subscription.event), delivery.recording.0);
        let message = WebhookMessage {
            id: Uuid::keyed(key, &name).to_string(),
            topic_name: &topic_name,
            event_time: self.epoch.wall_time(happened_at).unix_millis(),
            conversation_id: Shown(conversation),
            recording_id: Shown(RecordingId::of(seed, delivery.recording)),
            media_type: "VOICE",
        };
        let body = Bytes::from(serde_json::to_vec(&message).ok()?);
        let signature = HeaderValue::try_from(sign(key, &body)).ok()?;
        Some(Message {
            lane,
            uri,
            signature,
            body,
        })
    }

    async fn send(&self, message: Message) {
        let mut wait = self.settings.backoff;
        for attempt in 0..self.settings.attempts {
            if attempt > 0 {
                self.retries.fetch_add(1, Ordering::Relaxed);
                tokio::time::sleep(wait).await;
                wait *= 2;
            }
            // Never closed; a try without a permit would be no worse than none.
            let permit = self.lanes[message.lane].permits.acquire().await;
            let taken = self.attempt(&message).await;
            drop(permit);
            if taken {
                self.delivered.fetch_add(1, Ordering::Relaxed);
                return;
            }
        }
        self.failed.fetch_add(1, Ordering::Relaxed);
    }

    /// Whether the receiver took it.
    async fn attempt(&self, message: &Message) -> bool {
        let request = Request::builder()
            .method(Method::POST)
            .uri(message.uri.clone())
            .header(CONTENT_TYPE, "application/json")
            .header(SIGNATURE, message.signature.clone())
            .body(Full::new(message.body.clone()));
        let Ok(request) = request else { return false };
        let answer = async {
            let answer = self.client.request(request).await.ok()?;
            let taken = answer.status().is_success();
            // Read to its end, the connection can be used again.
            drop(Limited::new(answer.into_body(), ANSWER_MAX).collect().await);
            Some(taken)
        };
        tokio::time::timeout(self.settings.timeout, answer)
            .await
            .ok()
            .flatten()
            == Some(true)
    }

    fn done(&self) {
        if self.under_way.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.idle.notify_waiters();
        }
    }
}

/// The signature of a body, as the header has it.
fn sign(key: &hmac::Key, body: &[u8]) -> String {
    let tag = hmac::sign(key, body);
    let digits = tag.as_ref().iter().flat_map(|byte| [byte >> 4, byte & 0xF]);
    let digits = digits.filter_map(|digit| char::from_digit(u32::from(digit), 16));
    "sha256=".chars().chain(digits).collect()
}

/// Whether `signature` is that of `body` under a tenant's secret: what a receiver checks.
#[must_use]
pub fn verify_signature(client_secret: &str, body: &[u8], signature: &str) -> bool {
    let key = hmac::Key::new(hmac::HMAC_SHA256, client_secret.as_bytes());
    let expected = sign(&key, body);
    aws_lc_rs::constant_time::verify_slices_are_equal(expected.as_bytes(), signature.as_bytes())
        .is_ok()
}
