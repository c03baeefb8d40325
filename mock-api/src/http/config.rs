//! What the API can be told to do differently.

use std::time::Duration as StdDuration;

use axum::http::StatusCode;

use crate::storage::layout::RunEpoch;
use crate::storage::sidecar::Dialect;

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
    pub webhook_targets: WebhookTargets,
    /// Where `mediaUris` point: an object's key in storage is appended. Without it they are null.
    pub media_base: Option<String>,
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
            webhook_targets: WebhookTargets::Loopback,
            media_base: None,
            limits: ServerLimits::default(),
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

/// Where webhooks may point.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum WebhookTargets {
    /// This machine only.
    Loopback,
    /// Anywhere.
    Anywhere,
}

/// Bounds of the server.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ServerLimits {
    /// Connections at once; further ones wait in the kernel's backlog.
    pub connections: usize,
    /// A connection that brings no whole request head for so long is closed, an idle one too.
    pub header_timeout: StdDuration,
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
            body_timeout: StdDuration::from_secs(30),
            shutdown_grace: StdDuration::from_secs(5),
        }
    }
}
