//! JSON as it goes over the wire: real names in camelCase, the forum dialect's in snake_case.
//! Absent and null are different things. Handlers and the client share these types.

pub(in crate::http) mod account;
pub(in crate::http) mod analytics;
pub(in crate::http) mod annotation;
pub(in crate::http) mod batch;
pub(in crate::http) mod conversation;
mod dates;
mod error;
pub(in crate::http) mod fields;
pub(in crate::http) mod job;
mod maybe;
pub(in crate::http) mod notification;
pub(in crate::http) mod oauth;
pub(in crate::http) mod orphan;
pub(in crate::http) mod paging;
pub(in crate::http) mod predicate;
pub(in crate::http) mod protection;
pub(in crate::http) mod recording;
pub(in crate::http) mod trigger;
pub(in crate::http) mod upload;
mod whole;
pub(in crate::http) mod words;
mod written;

pub use crate::service::truth::{client_ip, truth_of_call, truth_of_timeline};
pub use dates::{ApiDate, ApiInterval};
pub use error::{ErrorBody, ErrorDetail, ErrorLimit, MissingFields};
pub use fields::RecordingBody;
pub use maybe::Maybe;
pub(in crate::http) use written::Written;

/// The answer of `/healthz`.
#[derive(utoipa::ToSchema)]
#[expect(dead_code, reason = "it documents an answer that is written by hand")]
pub(in crate::http) struct Health {
    status: &'static str,
}
