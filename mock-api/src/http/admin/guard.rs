//! Who may control the mock, and how bodies are read there.

use std::net::{IpAddr, SocketAddr};

use axum::extract::{FromRequest, FromRequestParts, Request};
use axum::http::header::{HOST, ORIGIN};
use axum::http::request::Parts;
use axum::http::{HeaderMap, Uri};
use serde::de::DeserializeOwned;
use utoipa::ToSchema;

use super::Control;
use crate::http::error::ApiError;
use crate::http::extract::{fitting, read_body};
use crate::http::shape;
use crate::http::state::ApiState;

/// Who is at the other end of the connection.
#[derive(Clone, Copy, Debug)]
pub(in crate::http) struct Peer(pub(in crate::http) SocketAddr);

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
        if !peer.is_some_and(|Peer(peer)| peer.ip().to_canonical().is_loopback()) {
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

/// A page elsewhere whose name resolves to this machine gives itself away by the host, one that
/// merely posts here by its origin.
fn is_local(headers: &HeaderMap) -> bool {
    let host = headers.get(HOST).and_then(|host| host.to_str().ok());
    let origin = headers.get(ORIGIN);
    host.is_some_and(|host| is_loopback_authority(&format!("http://{host}")))
        && origin.is_none_or(|origin| origin.to_str().is_ok_and(is_loopback_authority))
}

fn is_loopback_authority(url: &str) -> bool {
    let Ok(uri) = url.parse::<Uri>() else {
        return false;
    };
    let Some(host) = uri.host() else {
        return false;
    };
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    host.eq_ignore_ascii_case("localhost")
        || bare.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_this_machine_is_local() {
        let table = [
            ("127.0.0.1:80", None, true),
            ("localhost", Some("http://localhost:3000"), true),
            ("[::1]:80", None, true),
            ("racegate.example:80", None, false),
            ("127.0.0.1.example", None, false),
            ("127.0.0.1:80", Some("https://racegate.example"), false),
            ("127.0.0.1:80", Some("null"), false),
        ];
        for (host, origin, expected) in table {
            let mut headers = HeaderMap::new();
            headers.insert(HOST, host.parse().unwrap());
            if let Some(origin) = origin {
                headers.insert(ORIGIN, origin.parse().unwrap());
            }
            assert_eq!(is_local(&headers), expected, "{host} {origin:?}");
        }
        assert!(!is_local(&HeaderMap::new()));
    }
}
