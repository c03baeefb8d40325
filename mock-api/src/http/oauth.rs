//! `POST /oauth/token`: client credentials, in a Basic header or in the form.

use axum::extract::State;
use axum::http::HeaderMap;
use axum::http::header::AUTHORIZATION;
use axum::response::{IntoResponse, Json, Response};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use racegate_model::time::Duration;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::error::ApiError;
use super::extract::FormBody;
use super::permissions::Scopes;
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
    // Scopes mean nothing to the real API here; they do in the forum threads.
    let scopes = match form.scope.as_deref().map(str::trim) {
        Some(asked) if state.speaks_forum() && !asked.is_empty() => Scopes::parse(asked),
        _ => Scopes::EVERY,
    };
    let token = state
        .log_in(&id, &secret, scopes)
        .ok_or(ApiError::InvalidClient)?;
    let grant = TokenGrant {
        access_token: token.expose(),
        token_type: "bearer",
        expires_in: seconds(state.config().token_life),
    };
    Ok(Json(grant).into_response())
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
