//! JSON as it goes over the wire: real names in camelCase, the forum dialect's in snake_case.
//! Absent and null are different things. Handlers and the client share these types.

mod dates;
mod error;
pub(in crate::http) mod fields;
pub(in crate::http) mod job;
mod maybe;
pub(in crate::http) mod oauth;
pub(in crate::http) mod paging;
pub(in crate::http) mod recording;
pub(in crate::http) mod trigger;
mod truth;

pub use dates::ApiDate;
pub use error::{ErrorBody, ErrorDetail, ErrorLimit, MissingFields};
pub use fields::RecordingBody;
pub use maybe::Maybe;
pub use truth::{client_ip, truth_of_call, truth_of_timeline};
