//! Why the API refuses: one enum, one body. The body's `contextId` is filled in on the way out.

use std::borrow::Cow;

use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use racegate_model::field::{Field, FieldSet};
use racegate_model::ids::{ConversationId, RecordingId};
use racegate_model::time::Duration;
use thiserror::Error;

use super::mistakes::Mistakes;
use super::wire::{ErrorBody, ErrorDetail, ErrorLimit, MissingFields};
use crate::storage::sidecar::Dialect;

/// A refusal.
#[derive(Clone, PartialEq, Eq, Debug, Error)]
pub(super) enum ApiError {
    #[error("No authentication bearer token specified in authorization header.")]
    AuthenticationRequired,
    #[error("Invalid login credentials.")]
    BadCredentials,
    /// At the login only.
    #[error("Invalid client credentials.")]
    InvalidClient,
    #[error("Only the grant type client_credentials is supported.")]
    UnsupportedGrant,
    #[error(
        "Unable to perform the requested action. You are missing the following permission(s): {0}"
    )]
    MissingPermissions(Cow<'static, str>),
    #[error("{0}")]
    NotAuthorized(&'static str),
    /// Of the control plane: the journal does not hold what was expected.
    #[error("{0}")]
    NotVerified(String),
    #[error("The requested resource was not found.")]
    NotFound,
    /// Likewise, of a resource that has a name.
    #[error("The requested resource was not found.")]
    NoSuch { entity: Entity, id: String },
    #[error("The method is not allowed for the requested resource.")]
    MethodNotAllowed,
    #[error("{0}")]
    BadRequest(Cow<'static, str>),
    /// Parameters, or fields of the body.
    #[error("{0}")]
    Mistaken(Mistakes),
    #[error("The export is strict and required fields are missing.")]
    MissingRequiredFields(Missing),
    #[error("The request did not arrive in time.")]
    RequestTimeout,
    #[error("The request entity is too large.")]
    TooLarge,
    #[error("The address of the request is too long.")]
    UriTooLong,
    #[error("The headers of the request are too large.")]
    HeadTooLarge,
    #[error("The media type of the request is not supported.")]
    UnsupportedMediaType,
    #[error("Rate limit exceeded the maximum. Retry the request in [{}] seconds", whole_seconds(*.0))]
    RateLimited(Duration),
    #[error(
        "The maximum number of concurrent jobs are pending or processing. Wait for one to finish."
    )]
    TooManyJobs {
        status: StatusCode,
        retry_after: Duration,
        slots: Option<u32>,
    },
    #[error("The maximum number of {0} has been reached.")]
    TooMany(&'static str),
    #[error("The maximum number of {what} has been reached.")]
    LimitReached {
        what: &'static str,
        namespace: &'static str,
        key: &'static str,
        value: u64,
    },
    /// Refused beside the API, by somebody who says nothing more.
    #[error("{said}")]
    Bare { status: StatusCode, said: String },
    /// At the login only.
    #[error("A value for [grant_type] is required.")]
    MissingGrant,
    #[error("There is no such part of the file.")]
    NoSuchRange,
    #[error("The file is another one than the request's conditions say.")]
    PreconditionFailed,
    #[error("The resource has another version by now.")]
    VersionConflict,
    #[error("The requested resource is for WebSockets.")]
    UpgradeRequired,
}

/// Characters of an unknown id that a refusal repeats.
const ID_MAX: usize = 100;

/// What there is none of under an id.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Entity {
    Conversation,
    Recording,
    Orphan,
    Annotation,
    Job,
    Batch,
    UploadReport,
    AnalyticsJob,
    Channel,
    Topic,
    Trigger,
    User,
    Station,
    Queue,
    Namespace,
    File,
    Fault,
}

impl Entity {
    const fn name(self) -> &'static str {
        match self {
            Self::Conversation => "conversation",
            Self::Recording => "recording",
            Self::Orphan => "orphanRecording",
            Self::Annotation => "annotation",
            Self::Job => "recordingJob",
            Self::Batch => "batchDownloadJob",
            Self::UploadReport => "recordingUploadReport",
            Self::AnalyticsJob => "analyticsJob",
            Self::Channel => "channel",
            Self::Topic => "availableTopic",
            Self::Trigger => "trigger",
            Self::User => "user",
            Self::Station => "station",
            Self::Queue => "queue",
            Self::Namespace => "namespace",
            Self::File => "file",
            Self::Fault => "fault",
        }
    }

    /// There is none of that id.
    pub(super) fn none(self, id: impl Into<String>) -> ApiError {
        ApiError::NoSuch {
            entity: self,
            id: id.into(),
        }
    }
}

/// What a strict export misses.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Missing {
    pub(super) recordings: Vec<(ConversationId, RecordingId, FieldSet)>,
    /// In the forum threads' dialect their own list rides along.
    pub(super) dialect: Dialect,
}

/// The error that a response stands for, until the gateway writes its body.
#[derive(Clone)]
pub(super) struct Unwritten(pub(super) Box<ApiError>);

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let mut response = self.status().into_response();
        response.extensions_mut().insert(Unwritten(Box::new(self)));
        response
    }
}

/// Seconds rounded up, as `Retry-After` has it.
pub(super) const fn whole_seconds(wait: Duration) -> u64 {
    wait.as_nanos().div_ceil(1_000_000_000)
}

impl ApiError {
    pub(super) fn bad_request(message: impl Into<Cow<'static, str>>) -> Self {
        Self::BadRequest(message.into())
    }

    pub(super) fn malformed() -> Self {
        Self::bad_request(
            "The request could not be understood by the server due to malformed syntax.",
        )
    }

    pub(super) const fn status(&self) -> StatusCode {
        match self {
            Self::AuthenticationRequired | Self::BadCredentials | Self::InvalidClient => {
                StatusCode::UNAUTHORIZED
            }
            Self::MissingPermissions(_) | Self::NotAuthorized(_) => StatusCode::FORBIDDEN,
            Self::NotVerified(_) => StatusCode::EXPECTATION_FAILED,
            Self::NotFound | Self::NoSuch { .. } => StatusCode::NOT_FOUND,
            Self::MethodNotAllowed => StatusCode::METHOD_NOT_ALLOWED,
            Self::UnsupportedGrant
            | Self::MissingGrant
            | Self::BadRequest(_)
            | Self::Mistaken(_)
            | Self::MissingRequiredFields(_)
            | Self::TooMany(_)
            | Self::LimitReached { .. } => StatusCode::BAD_REQUEST,
            Self::NoSuchRange => StatusCode::RANGE_NOT_SATISFIABLE,
            Self::PreconditionFailed => StatusCode::PRECONDITION_FAILED,
            Self::VersionConflict => StatusCode::CONFLICT,
            Self::UpgradeRequired => StatusCode::UPGRADE_REQUIRED,
            Self::RequestTimeout => StatusCode::REQUEST_TIMEOUT,
            Self::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::UriTooLong => StatusCode::URI_TOO_LONG,
            Self::HeadTooLarge => StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
            Self::UnsupportedMediaType => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::RateLimited(_) => StatusCode::TOO_MANY_REQUESTS,
            Self::TooManyJobs { status, .. } | Self::Bare { status, .. } => *status,
        }
    }

    /// Only that parameter or field is missing.
    pub(super) fn missing(field: &'static str) -> Self {
        let mut mistakes = Mistakes::default();
        mistakes.missing(field);
        Self::Mistaken(mistakes)
    }

    /// The same, of fields of what is under `parent`.
    pub(super) fn under(self, parent: &str) -> Self {
        if let Self::Mistaken(mistakes) = self {
            Self::Mistaken(mistakes.under(parent))
        } else {
            self
        }
    }

    /// What a client is told to wait for.
    pub(super) fn retry_after(&self) -> Option<Duration> {
        if let Self::RateLimited(wait)
        | Self::TooManyJobs {
            retry_after: wait, ..
        } = self
        {
            return (self.status() == StatusCode::TOO_MANY_REQUESTS).then_some(*wait);
        }
        None
    }

    fn code(&self) -> &'static str {
        match self {
            Self::AuthenticationRequired => "authentication.required",
            Self::BadCredentials | Self::InvalidClient => "bad.credentials",
            Self::MissingPermissions(_) => "missing.permissions",
            Self::NotAuthorized(_) => "not.authorized",
            Self::NotVerified(_) => "not.verified",
            Self::NotFound | Self::NoSuch { .. } => "not.found",
            Self::MethodNotAllowed => "method.not.allowed",
            Self::UnsupportedGrant
            | Self::MissingGrant
            | Self::BadRequest(_)
            | Self::MissingRequiredFields(_) => "bad.request",
            Self::Mistaken(mistakes) => mistakes.code(),
            Self::RequestTimeout => "request.timeout",
            Self::TooLarge => "request.entity.too.large",
            Self::UriTooLong => "request.uri.too.long",
            Self::HeadTooLarge => "request.header.fields.too.large",
            Self::UnsupportedMediaType => "unsupported.media.type",
            Self::RateLimited(_) => "too.many.requests.retry.after",
            Self::TooManyJobs { .. } => match self.retry_after() {
                Some(_) => "too.many.requests.retry.after",
                None => "bad.request",
            },
            Self::TooMany(_) | Self::LimitReached { .. } => "limit.exceeded",
            Self::Bare { status, .. } => bare_code(*status),
            Self::NoSuchRange => "range.not.satisfiable",
            Self::PreconditionFailed => "precondition.failed",
            Self::VersionConflict => "version.conflict",
            Self::UpgradeRequired => "upgrade.required",
        }
    }

    /// The login's own word (RFC 6749 §5.2).
    const fn oauth_error(&self) -> Option<&'static str> {
        if matches!(self, Self::InvalidClient) {
            Some("invalid_client")
        } else if matches!(self, Self::UnsupportedGrant) {
            Some("unsupported_grant_type")
        } else if matches!(self, Self::MissingGrant) {
            Some("invalid_request")
        } else {
            None
        }
    }

    /// The body, to the request with that correlation id.
    pub(super) fn body(&self, context_id: String) -> ErrorBody {
        let mut body = ErrorBody {
            message: self.to_string().into(),
            code: self.code().into(),
            status: self.status().as_u16(),
            context_id,
            ..ErrorBody::default()
        };
        body.error = self.oauth_error().map(Cow::Borrowed);
        if let Self::Mistaken(mistakes) = self {
            body.details = mistakes.details();
        }
        if matches!(self, Self::MissingGrant) {
            let mut mistakes = Mistakes::default();
            mistakes.missing("grant_type");
            body.details = mistakes.details();
        }
        if let Self::NoSuch { entity, id } = self {
            body.entity_name = entity.name().into();
            body.entity_id = id.chars().take(ID_MAX).collect();
        }
        if let Self::MissingPermissions(names) = self {
            body.message_with_params = Some(
                "Unable to perform the requested action. You are missing the following \
                 permission(s): {permissions}"
                    .into(),
            );
            body.message_params
                .insert("permissions".into(), names.to_string());
        }
        if let Self::MissingRequiredFields(missing) = self {
            body.details = missing.details();
            body.missing_required_fields =
                (missing.dialect == Dialect::Forum).then(|| missing.list());
        }
        if let Self::LimitReached {
            namespace,
            key,
            value,
            ..
        } = *self
        {
            body.limit = Some(ErrorLimit {
                key: key.into(),
                namespace: namespace.into(),
                value: Some(value),
            });
        }
        if let Self::TooManyJobs { slots, .. } = self {
            body.limit = Some(ErrorLimit {
                key: "bulk.jobs.concurrent.max".into(),
                namespace: "recording".into(),
                value: slots.map(u64::from),
            });
        }
        body
    }
}

/// The code of a status of which nothing more is known.
const fn bare_code(status: StatusCode) -> &'static str {
    match status {
        StatusCode::UNAUTHORIZED => "authentication.required",
        StatusCode::FORBIDDEN => "not.authorized",
        StatusCode::NOT_FOUND => "not.found",
        StatusCode::METHOD_NOT_ALLOWED => "method.not.allowed",
        StatusCode::REQUEST_TIMEOUT => "request.timeout",
        StatusCode::PAYLOAD_TOO_LARGE => "request.entity.too.large",
        StatusCode::UNSUPPORTED_MEDIA_TYPE => "unsupported.media.type",
        StatusCode::UPGRADE_REQUIRED => "upgrade.required",
        StatusCode::SERVICE_UNAVAILABLE => "service.unavailable",
        status if status.as_u16() >= 500 => "internal.server.error",
        _ => "bad.request",
    }
}

impl Missing {
    fn details(&self) -> Vec<ErrorDetail> {
        let details = self.recordings.iter().flat_map(|(_, recording, fields)| {
            fields.iter().map(|field| ErrorDetail {
                error_code: "missing_required_fields".into(),
                field_name: field.name().into(),
                entity_id: recording.to_string(),
                entity_name: "recording".into(),
            })
        });
        details.collect()
    }

    fn list(&self) -> Vec<MissingFields> {
        let lists = self
            .recordings
            .iter()
            .map(|(conversation, recording, fields)| MissingFields {
                recording_id: recording.to_string(),
                conversation_id: conversation.to_string(),
                fields: fields.iter().map(Field::name).map(Cow::Borrowed).collect(),
            });
        lists.collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retry_after_is_rounded_up() {
        assert_eq!(whole_seconds(Duration::from_millis(41_001)), 42);
        assert_eq!(whole_seconds(Duration::from_secs(42)), 42);
    }

    #[test]
    fn the_rate_limits_message_is_the_apis() {
        let error = ApiError::RateLimited(Duration::from_millis(41_500));
        let body = error.body("c".into());
        assert_eq!(
            body.message,
            "Rate limit exceeded the maximum. Retry the request in [42] seconds"
        );
        assert_eq!(body.code, "too.many.requests.retry.after");
    }
}
