//! A client of the API, cheap enough for a load generator. It speaks to any server of that
//! dialect, not only to ours, and answers in the exporter's own terms.

mod transport;

pub(super) use transport::pooled_client;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration as StdDuration;

use axum::body::Bytes;
use axum::http::{Method, StatusCode, Uri};
use racegate_model::draws::Seed;
use racegate_model::exporter::Reply;
use racegate_model::field::{Field, FieldSet};
use racegate_model::ids::{ConversationId, RecordingId, RecordingIndex};
use racegate_model::org::JobState;
use racegate_model::scenario::{ReadPath, WebhookEvent};
use racegate_model::time::Timestamp;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::tokens::Token;
use super::triggers::topic;
use super::wire::job::{
    ExportConversations, ExportFilter, ExportPredicate, ExportQuery, JobRead, state_named,
};
use super::wire::trigger::{NewTrigger, TargetKind, TriggerRead, TriggerTarget};
use super::wire::{ApiDate, ErrorBody, RecordingBody};
use crate::service::Credentials;
use crate::storage::layout::RunEpoch;
use transport::Transport;

/// As long as the JavaScript SDK waits.
const TIMEOUT: StdDuration = StdDuration::from_secs(16);
/// The integration that our exports name; a server needs one.
const INTEGRATION: &str = "a3b7c1de-0000-4000-8000-52616365c0de";
const JOBS: &str = "/api/v2/recording/jobs";
const AVAILABILITY: &str = "/api/v2/analytics/conversations/details/jobs/availability";
const TRIGGERS: &str = "/api/v2/processautomation/triggers";
const MINUTES_PER_DAY: i64 = 24 * 60;

/// What a client needs to know.
#[derive(Clone, Debug)]
pub struct ClientConfig {
    /// Where the API is: `http://host:port`, perhaps with a path that all others begin with.
    pub base: String,
    /// What it logs in with.
    pub credentials: Credentials,
    /// The seed that public ids derive from.
    pub seed: Seed,
    /// The date of the run's start: a job asks for conversations from a day before it on.
    pub epoch: RunEpoch,
    /// The export integration that jobs name.
    pub integration: String,
    /// How long a call may take.
    pub timeout: StdDuration,
}

impl ClientConfig {
    /// A client of the API at `base`, with the defaults of everything else.
    #[must_use]
    pub fn new(
        base: impl Into<String>,
        credentials: Credentials,
        seed: Seed,
        epoch: RunEpoch,
    ) -> Self {
        Self {
            base: base.into(),
            credentials,
            seed,
            epoch,
            integration: INTEGRATION.to_owned(),
            timeout: TIMEOUT,
        }
    }
}

/// Why a client could not connect.
#[derive(Clone, PartialEq, Eq, Debug, Error)]
pub enum ConnectError {
    /// The base is not an `http` URL.
    #[error("not an http URL: {0}")]
    BadUrl(String),
    /// The server does not know the credentials.
    #[error("the server refused the credentials")]
    Refused,
    /// Nobody answered, or not in a way that made sense.
    #[error("the server did not answer")]
    Unreachable,
}

/// What [`AVAILABILITY`] answers.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Availability {
    data_availability_date: String,
}

/// A job's id, as the server gave it.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct JobId(Box<str>);

/// A trigger's id, as the server gave it.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct TriggerId(Box<str>);

impl fmt::Display for JobId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A client of one tenant. Cheap to clone; clones share connections and token.
#[derive(Clone)]
pub struct ApiClient {
    inner: Arc<Inner>,
}

struct Inner {
    transport: Transport,
    seed: Seed,
    integration: String,
    /// The interval that jobs ask for.
    interval: String,
    epoch: RunEpoch,
}

impl ApiClient {
    /// Logs in.
    ///
    /// # Errors
    /// See [`ConnectError`].
    pub async fn connect(config: ClientConfig) -> Result<Self, ConnectError> {
        let base = config.base.trim_end_matches('/').to_owned();
        let is_http = base
            .parse::<Uri>()
            .is_ok_and(|uri| uri.scheme_str() == Some("http") && uri.authority().is_some());
        if !is_http {
            return Err(ConnectError::BadUrl(config.base));
        }
        let start = ApiDate::of(config.epoch, Timestamp::ZERO);
        let (from, until) = (
            start.plus_minutes(-MINUTES_PER_DAY),
            start.plus_minutes(7 * MINUTES_PER_DAY),
        );
        let inner = Inner {
            transport: Transport::new(base, config.credentials, config.timeout),
            seed: config.seed,
            integration: config.integration,
            interval: format!("{from}/{until}"),
            epoch: config.epoch,
        };
        let client = Self {
            inner: Arc::new(inner),
        };
        match client.token().await {
            Reply::Done(_) => Ok(client),
            Reply::Forbidden | Reply::BadRequest => Err(ConnectError::Refused),
            Reply::NotFound | Reply::Throttled(_) | Reply::Unavailable => {
                Err(ConnectError::Unreachable)
            }
        }
    }

    /// A fresh token, which later calls use.
    pub async fn token(&self) -> Reply<Token> {
        self.inner.transport.log_in().await
    }

    /// GET the recording in the forum dialect.
    pub async fn recording(&self, id: RecordingId, path: ReadPath) -> Reply<RecordingBody> {
        let source = match path {
            ReadPath::Primary => "",
            ReadPath::Index => "?source=index",
        };
        self.get(&format!("/api/v2/recordings/recording/{id}{source}"))
            .await
    }

    /// GET the recording's metadata as the real API has it: with the forum's fields if the server
    /// adds them.
    pub async fn recording_metadata(
        &self,
        conversation: ConversationId,
        recording: RecordingId,
    ) -> Reply<RecordingBody> {
        let base = "/api/v2/conversations";
        self.get(&format!(
            "{base}/{conversation}/recordingmetadata/{recording}"
        ))
        .await
    }

    /// POST a job that exports these conversations; `now` is the action's date.
    pub async fn create_job(
        &self,
        now: Timestamp,
        conversations: impl IntoIterator<Item = ConversationId>,
    ) -> Reply<JobId> {
        let predicates = conversations
            .into_iter()
            .map(ExportPredicate::conversation)
            .collect();
        let query = ExportQuery {
            action: "EXPORT",
            action_date: ApiDate::of(self.inner.epoch, now),
            integration_id: &self.inner.integration,
            include_screen_recordings: false,
            conversation_query: ExportConversations {
                interval: self.inner.interval.clone(),
                conversation_filters: [ExportFilter {
                    join: "or",
                    predicates,
                }],
            },
        };
        let answer = self.post_answer(JOBS, &query).await;
        let job: Reply<JobRead> = parsed(flat(answer.map(transport::Answer::job_reply)));
        and_then(job, |job| checked_id(job.id).map(JobId))
    }

    /// GET the date before which a job's query finds everything.
    pub async fn watermark(&self) -> Reply<Timestamp> {
        let told: Reply<Availability> = self.get(AVAILABILITY).await;
        and_then(told, |told| {
            let date = ApiDate::parse(&told.data_availability_date)?;
            Some(date.instant(self.inner.epoch))
        })
    }

    /// GET the job's state.
    pub async fn job(&self, job: &JobId) -> Reply<JobState> {
        let job: Reply<JobRead> = self.get(&format!("{JOBS}/{job}")).await;
        and_then(job, |job| state_named(&job.state))
    }

    /// PUT the job: it begins. From a strict export: what is missing instead.
    pub async fn start_job(&self, job: &JobId) -> Reply<Vec<(RecordingIndex, FieldSet)>> {
        let body = br#"{"state":"PROCESSING"}"#.to_vec();
        let path = format!("{JOBS}/{job}");
        match self
            .inner
            .transport
            .call(Method::PUT, &path, Some(body))
            .await
        {
            Reply::Done(answer) if answer.status == StatusCode::BAD_REQUEST => {
                let missing = self.missing(&answer.body);
                if missing.is_empty() {
                    answer.job_reply().map(|_| Vec::new())
                } else {
                    Reply::Done(missing)
                }
            }
            Reply::Done(answer) => answer.job_reply().map(|_| Vec::new()),
            Reply::NotFound => Reply::NotFound,
            Reply::Throttled(wait) => Reply::Throttled(wait),
            Reply::BadRequest => Reply::BadRequest,
            Reply::Forbidden => Reply::Forbidden,
            Reply::Unavailable => Reply::Unavailable,
        }
    }

    /// DELETE the job: it is cancelled.
    pub async fn cancel_job(&self, job: &JobId) -> Reply<()> {
        self.delete(&format!("{JOBS}/{job}")).await
    }

    /// Has `url` told of an event.
    pub async fn subscribe_webhook(&self, event: WebhookEvent, url: &str) -> Reply<TriggerId> {
        let trigger = NewTrigger {
            name: "racegate",
            topic_name: topic(event),
            enabled: true,
            target: TriggerTarget {
                kind: TargetKind::Webhook,
                id: None,
                url: Some(url.to_owned()),
            },
        };
        let made: Reply<TriggerRead> = self.post(TRIGGERS, &trigger).await;
        and_then(made, |made| checked_id(made.id).map(TriggerId))
    }

    /// Has it told no more.
    pub async fn unsubscribe_webhook(&self, trigger: &TriggerId) -> Reply<()> {
        self.delete(&format!("{TRIGGERS}/{}", trigger.0)).await
    }

    async fn get<T: DeserializeOwned>(&self, path: &str) -> Reply<T> {
        let answer = self.inner.transport.call(Method::GET, path, None).await;
        parsed(flat(answer.map(transport::Answer::reply)))
    }

    async fn post<T: DeserializeOwned>(&self, path: &str, body: &impl Serialize) -> Reply<T> {
        let answer = self.post_answer(path, body).await;
        parsed(flat(answer.map(transport::Answer::reply)))
    }

    async fn post_answer(&self, path: &str, body: &impl Serialize) -> Reply<transport::Answer> {
        let Ok(body) = serde_json::to_vec(body) else {
            return Reply::Forbidden;
        };
        let transport = &self.inner.transport;
        transport.call(Method::POST, path, Some(body)).await
    }

    async fn delete(&self, path: &str) -> Reply<()> {
        let answer = self.inner.transport.call(Method::DELETE, path, None).await;
        flat(answer.map(transport::Answer::reply)).map(|_| ())
    }

    /// What an error body says is missing; recordings and fields that mean nothing here are left
    /// out.
    fn missing(&self, body: &[u8]) -> Vec<(RecordingIndex, FieldSet)> {
        let Ok(body) = serde_json::from_slice::<ErrorBody>(body) else {
            return Vec::new();
        };
        let mut missing: BTreeMap<RecordingIndex, FieldSet> = BTreeMap::new();
        let index = |id: &str| RecordingId::parse(id)?.index(self.inner.seed);
        for detail in &body.details {
            let field = Field::from_name(&detail.field_name);
            if let (Some(recording), Some(field)) = (index(&detail.entity_id), field) {
                missing.entry(recording).or_default().insert(field);
            }
        }
        missing.into_iter().collect()
    }
}

impl fmt::Debug for ApiClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ApiClient").finish_non_exhaustive()
    }
}

fn flat<T>(reply: Reply<Reply<T>>) -> Reply<T> {
    match reply {
        Reply::Done(reply) => reply,
        Reply::NotFound => Reply::NotFound,
        Reply::Throttled(wait) => Reply::Throttled(wait),
        Reply::BadRequest => Reply::BadRequest,
        Reply::Forbidden => Reply::Forbidden,
        Reply::Unavailable => Reply::Unavailable,
    }
}

/// What was done, changed; an answer that makes no sense is none.
fn and_then<T, U>(reply: Reply<T>, change: impl FnOnce(T) -> Option<U>) -> Reply<U> {
    flat(reply.map(|done| change(done).map_or(Reply::Unavailable, Reply::Done)))
}

fn parsed<T: DeserializeOwned>(reply: Reply<Bytes>) -> Reply<T> {
    and_then(reply, |body| serde_json::from_slice(&body).ok())
}

/// An id that is safe to put into a path.
fn checked_id(id: String) -> Option<Box<str>> {
    let safe = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    ((1..=128).contains(&id.len()) && id.bytes().all(safe)).then(|| id.into_boxed_str())
}
