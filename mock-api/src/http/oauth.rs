//! `POST /oauth/token`: client credentials, in a Basic header or in the form.

use std::collections::BTreeSet;

use axum::extract::State;
use axum::http::HeaderMap;
use axum::http::header::{AUTHORIZATION, CACHE_CONTROL, PRAGMA};
use axum::response::{IntoResponse, Json, Response};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use racegate_model::time::Duration;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::error::ApiError;
use super::extract::FormBody;
use super::state::ApiState;
use super::wire::oauth::{TokenForm, TokenGrant};

pub(super) fn routes() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new().routes(routes!(token))
}

/// Logs a client in. Its credentials may be in a Basic header or in the form.
#[utoipa::path(
    post,
    path = "/oauth/token",
    tag = "login",
    request_body(content = TokenForm, content_type = "application/x-www-form-urlencoded"),
    responses((status = 200, body = TokenGrant<'_>)),
    security((), ("client" = []))
)]
async fn token(
    State(state): State<ApiState>,
    headers: HeaderMap,
    FormBody(form): FormBody<TokenForm>,
) -> Result<Response, ApiError> {
    if form.grant_type.is_empty() {
        return Err(ApiError::MissingGrant);
    }
    if form.grant_type != "client_credentials" {
        return Err(ApiError::UnsupportedGrant);
    }
    let (id, secret) = match headers.get(AUTHORIZATION) {
        Some(header) => basic(header.as_bytes()).ok_or(ApiError::InvalidClient)?,
        None => form
            .client_id
            .zip(form.client_secret)
            .ok_or(ApiError::InvalidClient)?,
    };
    let token = state.log_in(&id, &secret).ok_or(ApiError::InvalidClient)?;
    let grant = TokenGrant {
        access_token: token.expose(),
        token_type: "bearer",
        expires_in: seconds(state.config().token_life),
        scope: form.scope.as_deref().and_then(granted),
    };
    let private = [(CACHE_CONTROL, "no-store"), (PRAGMA, "no-cache")];
    Ok((private, Json(grant)).into_response())
}

/// Everything that a token is good for here, in the real API's words.
const SCOPES: &str = "analytics conversations notifications organization processautomation \
                      recordings routing users";

/// What was granted instead of the scope that was asked for, if that is another one (RFC 6749 §5.1).
/// The grant of a client's own credentials goes by its roles: a scope neither adds nor takes away.
fn granted(asked: &str) -> Option<&'static str> {
    let words = |text: &'static str| text.split(' ').collect::<BTreeSet<_>>();
    let asked: BTreeSet<&str> = asked.split_ascii_whitespace().collect();
    (!asked.is_empty() && asked != words(SCOPES)).then_some(SCOPES)
}

fn basic(header: &[u8]) -> Option<(String, String)> {
    let text = std::str::from_utf8(header).ok()?;
    let (scheme, encoded) = text.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let decoded = String::from_utf8(STANDARD.decode(encoded.trim()).ok()?).ok()?;
    let (id, secret) = decoded.split_once(':')?;
    Some((id.to_owned(), secret.to_owned()))
}

const fn seconds(duration: Duration) -> u64 {
    duration.as_nanos() / 1_000_000_000
}
