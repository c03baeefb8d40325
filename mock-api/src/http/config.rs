//! What the API can be told to do differently.

use std::collections::BTreeMap;
use std::time::Duration as StdDuration;

use axum::http::StatusCode;
use racegate_model::time::Duration;

use super::browsers::WebAccess;
use super::clients::FurtherClient;
use super::permissions::Permissions;

use crate::storage::layout::RunEpoch;
use crate::storage::sidecar::Dialect;
use crate::targets::Targets;

/// How the API behaves.
#[derive(Clone, Debug)]
pub struct ApiConfig {
    /// The date of the run's start.
    pub epoch: RunEpoch,
    /// Whether the forum threads' dialect is spoken too.
    pub dialect: Dialect,
    /// How a job too many is refused.
    pub job_refusal: JobRefusal,
    /// Where webhooks may point.
    pub webhook_targets: Targets,
    /// What browsers are told, and let do.
    pub web: WebAccess,
    /// How long a token is good for.
    pub token_life: Duration,
    /// What clients may do, by client id; one that is not named may do everything.
    pub permissions: BTreeMap<String, Permissions>,
    /// Clients beside the tenants' own.
    pub further_clients: Vec<FurtherClient>,
    /// How long the API itself takes for what it does in the background.
    pub delays: ApiDelays,
    /// Bounds of notification channels.
    pub channels: ChannelLimits,
    /// Bounds of the server.
    pub limits: ServerLimits,
}

impl ApiConfig {
    /// Both dialects, and the defaults of everything else.
    #[must_use]
    pub fn new(epoch: RunEpoch) -> Self {
        Self {
            epoch,
            dialect: Dialect::Forum,
            job_refusal: JobRefusal::TooManyRequests,
            webhook_targets: Targets::loopback(),
            web: WebAccess::default(),
            token_life: Duration::from_secs(86_399),
            permissions: BTreeMap::new(),
            further_clients: Vec::new(),
            delays: ApiDelays::default(),
            channels: ChannelLimits::default(),
            limits: ServerLimits::default(),
        }
    }
}

/// How long the API itself takes for what it does in the background. The real times are not
/// published; these are assumed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ApiDelays {
    /// A batch request is posted → its recordings are discovered. Until then it expects none, and a
    /// client that compares counts takes it for done.
    pub batch_discovery: Duration,
    /// An analytics job or an upload report is posted → it is done.
    pub query: Duration,
}

impl Default for ApiDelays {
    fn default() -> Self {
        Self {
            batch_discovery: Duration::from_millis(500),
            query: Duration::from_millis(500),
        }
    }
}

/// Bounds of notification channels.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ChannelLimits {
    /// Channels of a client; a further one pushes out the one that was used longest ago.
    pub per_client: usize,
    /// Topics of a channel.
    pub topics: usize,
    /// How long a channel lives after its last subscription.
    pub life: Duration,
    /// Messages on their way to a connection; further ones are lost.
    pub queue: usize,
    /// Time between two heartbeats.
    pub heartbeat: StdDuration,
    /// How long a connection may take to accept a message before it is cut.
    pub patience: StdDuration,
}

impl Default for ChannelLimits {
    fn default() -> Self {
        Self {
            per_client: 20,
            topics: 1000,
            life: Duration::from_secs(86_400),
            queue: 256,
            heartbeat: StdDuration::from_secs(30),
            patience: StdDuration::from_secs(10),
        }
    }
}

/// How a job too many is refused. The real API's answer is not documented; a forum thread says 429.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum JobRefusal {
    /// 429 with `Retry-After`.
    TooManyRequests,
    /// 400.
    BadRequest,
    /// 409.
    Conflict,
}

impl JobRefusal {
    pub(super) const fn status(self) -> StatusCode {
        match self {
            Self::TooManyRequests => StatusCode::TOO_MANY_REQUESTS,
            Self::BadRequest => StatusCode::BAD_REQUEST,
            Self::Conflict => StatusCode::CONFLICT,
        }
    }
}

/// Bounds of the server.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ServerLimits {
    /// Connections at once; further ones wait in the kernel's backlog.
    pub connections: usize,
    /// A request's head must be whole so long after it began, or the connection is closed.
    pub header_timeout: StdDuration,
    /// A connection on which nothing comes for so long is closed.
    pub idle_timeout: StdDuration,
    /// Bytes of a request's head, 8192 at least; a hundred headers are the most.
    pub head_bytes: usize,
    /// A body must have arrived after so long.
    pub body_timeout: StdDuration,
    /// What is being answered when the server shuts down gets so long.
    pub shutdown_grace: StdDuration,
}

impl Default for ServerLimits {
    fn default() -> Self {
        Self {
            connections: 16_384,
            header_timeout: StdDuration::from_secs(30),
            idle_timeout: StdDuration::from_secs(600),
            head_bytes: 64 << 10,
            body_timeout: StdDuration::from_secs(30),
            shutdown_grace: StdDuration::from_secs(5),
        }
    }
}
