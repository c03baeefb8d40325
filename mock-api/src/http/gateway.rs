//! What every request passes: correlation, authentication, the rate limit, and error bodies.

use std::sync::{Arc, LazyLock};

use axum::body::Body;
use axum::extract::{FromRequestParts, State};
use axum::http::header::{
    AUTHORIZATION, CONTENT_LENGTH, CONTENT_TYPE, HeaderMap, HeaderName, RETRY_AFTER,
};
use axum::http::request::Parts;
use axum::http::{HeaderValue, Request, Uri};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use futures_util::FutureExt as _;
use racegate_model::ids::TenantIndex;
use racegate_model::org::RateUsage;
use racegate_model::time::Timestamp;

use super::clients::ClientIndex;
use super::error::{ApiError, Unwritten, whole_seconds};
use super::ids::Uuid;
use super::state::ApiState;
use super::tokens::Session;

pub(super) const CORRELATION: HeaderName = HeaderName::from_static("inin-correlation-id");
const RATE_COUNT: HeaderName = HeaderName::from_static("inin-ratelimit-count");
const RATE_ALLOWED: HeaderName = HeaderName::from_static("inin-ratelimit-allowed");
const RATE_RESET: HeaderName = HeaderName::from_static("inin-ratelimit-reset");
/// Our extension: `Retry-After` has whole seconds only.
pub(super) const RETRY_AFTER_MS: HeaderName = HeaderName::from_static("x-racegate-retry-after-ms");
const JSON: HeaderValue = HeaderValue::from_static("application/json");

const WINDOW_SECONDS: u64 = 60;
/// Bytes of a bare refusal that are repeated.
const WORDS_MAX: usize = 1024;

/// Who calls. A handler that takes one can only be reached with a token.
#[derive(Clone, Copy, Debug)]
pub(super) struct Caller {
    pub(super) tenant: TenantIndex,
    pub(super) client: ClientIndex,
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

/// The headers of an answer that shows something, their values yet to be said: to copy a map takes
/// less than to hash its names again.
static SHOWN: LazyLock<HeaderMap> = LazyLock::new(|| {
    let names = [
        CONTENT_TYPE,
        RATE_COUNT,
        RATE_ALLOWED,
        RATE_RESET,
        CORRELATION,
    ];
    let nothing = HeaderValue::from_static("");
    names
        .map(|name| (name, nothing.clone()))
        .into_iter()
        .collect()
});

/// What the gateway has found of a request.
pub(super) struct Entry {
    correlation: Uuid,
    pub(super) caller: Option<Caller>,
    /// How much of the token's limit is used, and the limit.
    usage: Option<(Option<RateUsage>, HeaderValue)>,
}

impl Entry {
    /// A request that is refused before it is judged.
    pub(super) fn unjudged(state: &ApiState) -> Self {
        Self {
            correlation: state.next_correlation(),
            caller: None,
            usage: None,
        }
    }

    /// Judges a request before the router does: who calls, and whether within the limit. A handler
    /// finds the caller in the request.
    pub(super) fn of<B>(
        state: &ApiState,
        request: &mut Request<B>,
    ) -> (Self, Result<(), ApiError>) {
        let (entry, judged) = Self::judge(state, request.uri(), request.headers());
        if judged.is_ok()
            && let Some(caller) = entry.caller
        {
            request.extensions_mut().insert(caller);
        }
        (entry, judged)
    }

    /// The same of a request that no handler gets to see.
    pub(super) fn judge(
        state: &ApiState,
        uri: &Uri,
        headers: &HeaderMap,
    ) -> (Self, Result<(), ApiError>) {
        let mut entry = Self::unjudged(state);
        if !uri.path().starts_with("/api/") {
            return (entry, Ok(()));
        }
        let (caller, session) = match authenticate(state, headers) {
            Ok(found) => found,
            Err(error) => return (entry, Err(error)),
        };
        entry.caller = Some(caller);
        let (admitted, usage) = session.admit(caller.now);
        entry.usage = Some((usage, session.allowed.clone()));
        if let Err(throttled) = admitted {
            return (entry, Err(ApiError::RateLimited(throttled.retry_after)));
        }
        (entry, Ok(()))
    }

    /// The finished response to a caller who is shown that JSON.
    pub(super) fn shown(&mut self, json: Vec<u8>) -> Response {
        let mut response = Response::new(Body::from(json));
        match self.usage.take() {
            Some((usage, allowed)) => {
                let [count, reset] = usage_values(usage);
                let values = [JSON, count, allowed, reset, self.correlation.header()];
                let mut headers = SHOWN.clone();
                for (place, value) in headers.values_mut().zip(values) {
                    *place = value;
                }
                *response.headers_mut() = headers;
            }
            None => {
                response.headers_mut().insert(CONTENT_TYPE, JSON);
                self.finish(&mut response);
            }
        }
        response
    }

    /// Finishes the response.
    pub(super) fn finish(&mut self, response: &mut Response) {
        if let Some((usage, allowed)) = self.usage.take() {
            write_usage(usage, allowed, response.headers_mut());
        }
        if let Some(Unwritten(error)) = response.extensions_mut().remove() {
            write_error(response, &error, self.correlation);
        } else if is_bare(response) {
            let (status, said) = (response.status(), words_of(response));
            let error = ApiError::Bare { status, said };
            write_error(response, &error, self.correlation);
        }
        response
            .headers_mut()
            .insert(CORRELATION, self.correlation.header());
    }
}

/// Lets a request through, or not, and finishes its response.
pub(super) async fn pass(
    State(state): State<ApiState>,
    mut request: Request<Body>,
    next: Next,
) -> Response {
    let (mut entry, judged) = Entry::of(&state, &mut request);
    let mut response = match judged {
        Ok(()) => next.run(request).await,
        Err(error) => error.into_response(),
    };
    entry.finish(&mut response);
    response
}

fn authenticate(state: &ApiState, headers: &HeaderMap) -> Result<(Caller, Arc<Session>), ApiError> {
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

fn write_usage(usage: Option<RateUsage>, allowed: HeaderValue, headers: &mut HeaderMap) {
    let [count, reset] = usage_values(usage);
    headers.insert(RATE_COUNT, count);
    headers.insert(RATE_ALLOWED, allowed);
    headers.insert(RATE_RESET, reset);
}

/// How much is used, and when that is over.
fn usage_values(usage: Option<RateUsage>) -> [HeaderValue; 2] {
    let (used, reset) = match usage {
        Some(usage) => (usage.used, whole_seconds(usage.reset)),
        None => (0, WINDOW_SECONDS),
    };
    [used.into(), seconds(reset)]
}

/// Every answer says how many seconds are left, and they are few.
fn seconds(seconds: u64) -> HeaderValue {
    static FEW: LazyLock<Vec<HeaderValue>> =
        LazyLock::new(|| (0..=WINDOW_SECONDS).map(HeaderValue::from).collect());
    let few = usize::try_from(seconds).ok().and_then(|at| FEW.get(at));
    few.cloned().unwrap_or_else(|| seconds.into())
}

/// Whether a refusal has no body that a program could read: some are made by the router, or by
/// libraries that stand beside it.
fn is_bare(response: &Response) -> bool {
    let status = response.status();
    if !status.is_client_error() && !status.is_server_error() {
        return false;
    }
    let kind = response.headers().get(CONTENT_TYPE);
    let kind = kind.and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    kind.is_empty() || kind.starts_with("text/plain")
}

/// What a bare refusal says for people, or its status does.
fn words_of(response: &mut Response) -> String {
    let body = std::mem::take(response.body_mut());
    // Such bodies are made in memory: there is nothing to wait for.
    let bytes = axum::body::to_bytes(body, WORDS_MAX).now_or_never();
    let text = bytes.and_then(|bytes| String::from_utf8(bytes.ok()?.to_vec()).ok());
    match text.as_deref().map(str::trim) {
        Some(text) if !text.is_empty() => text.to_owned(),
        _ => {
            let reason = response.status().canonical_reason();
            format!("{}.", reason.unwrap_or("The request was refused"))
        }
    }
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
    // The router has counted the body that was not there.
    response.headers_mut().remove(CONTENT_LENGTH);
    response.headers_mut().insert(CONTENT_TYPE, JSON);
    *response.body_mut() = Body::from(json);
}
