//! What every request passes: correlation, authentication, the rate limit, and error bodies.

use axum::body::Body;
use axum::extract::{FromRequestParts, Request, State};
use axum::http::HeaderValue;
use axum::http::header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderName, RETRY_AFTER};
use axum::http::request::Parts;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use racegate_model::ids::TenantIndex;
use racegate_model::time::Timestamp;

use super::clients::ClientIndex;
use super::error::{ApiError, Unwritten, whole_seconds};
use super::ids::Uuid;
use super::permissions::Scopes;
use super::state::ApiState;

pub(super) const CORRELATION: HeaderName = HeaderName::from_static("inin-correlation-id");
const RATE_COUNT: HeaderName = HeaderName::from_static("inin-ratelimit-count");
const RATE_ALLOWED: HeaderName = HeaderName::from_static("inin-ratelimit-allowed");
const RATE_RESET: HeaderName = HeaderName::from_static("inin-ratelimit-reset");
/// Our extension: `Retry-After` has whole seconds only.
pub(super) const RETRY_AFTER_MS: HeaderName = HeaderName::from_static("x-racegate-retry-after-ms");
const JSON: HeaderValue = HeaderValue::from_static("application/json");

/// What a token without a limit is told that it may do.
const UNLIMITED: u64 = 2_147_483_647;
const WINDOW_SECONDS: u64 = 60;

/// Who calls. A handler that takes one can only be reached with a token.
#[derive(Clone, Copy, Debug)]
pub(super) struct Caller {
    pub(super) tenant: TenantIndex,
    pub(super) client: ClientIndex,
    pub(super) scopes: Scopes,
    pub(super) now: Timestamp,
}

impl FromRequestParts<ApiState> for Caller {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &ApiState) -> Result<Self, ApiError> {
        parts
            .extensions
            .get()
            .copied()
            .ok_or(ApiError::AuthenticationRequired)
    }
}

/// Lets a request through, or not, and finishes its response.
pub(super) async fn pass(
    State(state): State<ApiState>,
    mut request: Request,
    next: Next,
) -> Response {
    let correlation = state.next_correlation();
    let guarded = request.uri().path().starts_with("/api/");
    let (caller, mut response) = if guarded {
        match authenticate(&state, request.headers()) {
            Ok(caller) => {
                let response = match state.tenant(caller).admit(caller.now) {
                    Ok(()) => {
                        request.extensions_mut().insert(caller);
                        next.run(request).await
                    }
                    Err(throttled) => ApiError::RateLimited(throttled.retry_after).into_response(),
                };
                (Some(caller), response)
            }
            Err(error) => (None, error.into_response()),
        }
    } else {
        (None, next.run(request).await)
    };
    if let Some(caller) = caller {
        write_usage(&state, caller, response.headers_mut());
        response.extensions_mut().insert(caller);
    }
    if let Some(Unwritten(error)) = response.extensions_mut().remove() {
        write_error(&mut response, &error, correlation);
    }
    response
        .headers_mut()
        .insert(CORRELATION, correlation.header());
    response
}

fn authenticate(state: &ApiState, headers: &HeaderMap) -> Result<Caller, ApiError> {
    let token = bearer(headers).ok_or(ApiError::AuthenticationRequired)?;
    let now = state.now();
    state
        .token_holder(token, now)
        .ok_or(ApiError::BadCredentials)
}

/// The token that a request brings.
pub(super) fn bearer(headers: &HeaderMap) -> Option<&str> {
    let text = headers.get(AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = text.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

fn write_usage(state: &ApiState, caller: Caller, headers: &mut HeaderMap) {
    let (used, allowed, reset) = match state.tenant(caller).usage(caller.now) {
        Some(usage) => (usage.used, usage.allowed, whole_seconds(usage.reset)),
        None => (0, UNLIMITED, WINDOW_SECONDS),
    };
    headers.insert(RATE_COUNT, used.into());
    headers.insert(RATE_ALLOWED, allowed.into());
    headers.insert(RATE_RESET, reset.into());
}

fn write_error(response: &mut Response, error: &ApiError, correlation: Uuid) {
    if let Some(wait) = error.retry_after() {
        let headers = response.headers_mut();
        headers.insert(RETRY_AFTER, whole_seconds(wait).into());
        headers.insert(RETRY_AFTER_MS, wait.as_nanos().div_ceil(1_000_000).into());
    }
    let body = error.body(correlation.to_string());
    // Strings and numbers only: there is nothing in it that JSON could not say.
    let json = serde_json::to_vec(&body).unwrap_or_default();
    response.headers_mut().insert(CONTENT_TYPE, JSON);
    *response.body_mut() = Body::from(json);
}
