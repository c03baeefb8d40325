//! `POST /oauth/token`: client credentials, in a Basic header or in the form.

use axum::extract::State;
use axum::http::HeaderMap;
use axum::http::header::AUTHORIZATION;
use axum::response::{IntoResponse, Json, Response};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use racegate_model::time::Duration;

use super::error::ApiError;
use super::extract::FormBody;
use super::state::{ApiState, TOKEN_LIFE};
use super::wire::oauth::{TokenForm, TokenGrant};

pub(super) async fn token(
    State(state): State<ApiState>,
    headers: HeaderMap,
    FormBody(form): FormBody<TokenForm>,
) -> Result<Response, ApiError> {
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
        expires_in: seconds(TOKEN_LIFE),
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
