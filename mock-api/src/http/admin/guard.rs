//! Who may control the mock, and how bodies are read there.

use axum::extract::{FromRequest, FromRequestParts, Request};
use axum::http::request::Parts;
use serde::Deserialize;
use serde::de::{DeserializeOwned, Deserializer, Error as _};
use utoipa::ToSchema;

use super::Control;
use crate::http::browsers::is_local;
use crate::http::error::ApiError;
use crate::http::extract::{fitting, read_body};
use crate::http::origin::Peer;
use crate::http::paging::NUMBER_MAX;
use crate::http::shape;
use crate::http::state::ApiState;

/// Shows that the caller may control the mock.
pub(super) struct Controls {
    pub(super) state: ApiState,
    pub(super) control: Control,
}

impl FromRequestParts<ApiState> for Controls {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &ApiState) -> Result<Self, ApiError> {
        let control = state.control().ok_or(ApiError::NotFound)?;
        let peer = parts.extensions.get::<Peer>();
        if !peer.is_some_and(|peer| peer.is_local()) {
            return Err(ApiError::NotAuthorized(
                "The control plane answers callers on its own machine only.",
            ));
        }
        if !is_local(&parts.headers) {
            return Err(ApiError::NotAuthorized(
                "The control plane answers to a loopback address or `localhost` as its host, and \
                 to no web page of another origin.",
            ));
        }
        Ok(Self {
            state: state.clone(),
            control: control.clone(),
        })
    }
}

/// The query parameters; one that nobody knows is refused.
pub(super) struct Query<T>(pub(super) T);

impl<T: DeserializeOwned> FromRequestParts<ApiState> for Query<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &ApiState) -> Result<Self, ApiError> {
        serde_urlencoded::from_str(parts.uri.query().unwrap_or_default())
            .map(Self)
            .map_err(|error| ApiError::bad_request(format!("The query does not fit: {error}.")))
    }
}

/// A number among query parameters, as far as the API's whole numbers go.
pub(super) fn count<'de, D, T>(deserializer: D) -> Result<Option<T>, D::Error>
where
    D: Deserializer<'de>,
    T: TryFrom<u64>,
{
    let Some(number) = Option::<u64>::deserialize(deserializer)? else {
        return Ok(None);
    };
    let short = Some(number).filter(|number| *number <= NUMBER_MAX);
    let number = short.and_then(|number| T::try_from(number).ok());
    number
        .map(Some)
        .ok_or_else(|| D::Error::custom(format_args!("a number above {NUMBER_MAX}")))
}

/// A JSON body, whatever the client calls it; none means an empty object.
pub(super) struct Body<T>(pub(super) T);

impl<T: DeserializeOwned + ToSchema> FromRequest<ApiState> for Body<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &ApiState) -> Result<Self, ApiError> {
        let bytes = read_body(request, state.config().limits.body_timeout).await?;
        let text: &[u8] = if bytes.is_empty() { b"{}" } else { &bytes };
        fitting(text, shape::check::<T>).map(Self)
    }
}
