//! Audio and reports behind signed addresses, as the real API hands them out: whoever has the address may read
//! it until it expires, and needs no token.

use aws_lc_rs::hmac;
use axum::extract::{FromRequestParts, State};
use axum::http::header::{CONTENT_DISPOSITION, CONTENT_TYPE, HOST, HeaderValue};
use axum::http::request::Parts;
use axum::response::{IntoResponse, Response};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use racegate_model::ids::{RecordingId, RecordingIndex, TenantIndex};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::error::ApiError;
use super::extract::PathOf;
use super::gateway::Caller;
use super::params::Params;
use super::state::ApiState;
use super::uploads;
use super::wire::ApiDate;

const MINUTE_MILLIS: i64 = 60_000;
const AUDIO: HeaderValue = HeaderValue::from_static("audio/ogg");
const TABLE: HeaderValue = HeaderValue::from_static("text/csv");
/// What audio is here, whatever format was asked for: nothing is transcoded.
pub(super) const CONTENT: &str = "audio/ogg";

pub(super) fn routes() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new().routes(routes!(download))
}

/// Where the client reached this API.
#[derive(Clone, Debug)]
pub(super) struct Origin(String);

impl Origin {
    /// `http://host:port`.
    pub(super) fn http(&self) -> &str {
        &self.0
    }

    /// The same for WebSockets.
    pub(super) fn websocket(&self) -> String {
        match self.0.strip_prefix("http") {
            Some(rest) => format!("ws{rest}"),
            None => self.0.clone(),
        }
    }
}

impl FromRequestParts<ApiState> for Origin {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &ApiState) -> Result<Self, ApiError> {
        if let Some(url) = &state.config().public_url {
            return Ok(Self(url.trim_end_matches('/').to_owned()));
        }
        let host = parts.headers.get(HOST).and_then(|host| host.to_str().ok());
        let host = host.or_else(|| parts.uri.authority().map(|authority| authority.as_str()));
        let good = host.filter(|host| {
            host.parse::<axum::http::uri::Authority>()
                .is_ok_and(|parsed| !parsed.as_str().contains('@'))
        });
        Ok(Self(format!("http://{}", good.unwrap_or("localhost"))))
    }
}

/// Minutes that an address is good for.
#[derive(Clone, Copy, Debug)]
pub(super) enum Purpose {
    Playback,
    Batch,
}

/// The signed address of a recording's audio, for playing it.
pub(super) fn media_url(
    state: &ApiState,
    caller: Caller,
    origin: &Origin,
    index: RecordingIndex,
) -> String {
    signed_url(state, caller, origin, index, Purpose::Playback)
}

/// The signed address of a recording's audio.
pub(super) fn signed_url(
    state: &ApiState,
    caller: Caller,
    origin: &Origin,
    index: RecordingIndex,
    purpose: Purpose,
) -> String {
    let recording = RecordingId::of(state.service().seed(), index);
    signed(state, caller, origin, &format!("{recording}.ogg"), purpose)
}

/// The signed address of a file.
pub(super) fn signed(
    state: &ApiState,
    caller: Caller,
    origin: &Origin,
    file: &str,
    purpose: Purpose,
) -> String {
    let settings = state.desk(caller).settings.get();
    let minutes = match purpose {
        Purpose::Playback => settings.recording_playback_url_ttl,
        Purpose::Batch => settings.recording_batch_download_url_ttl,
    };
    let now = ApiDate::of(state.config().epoch, caller.now)
        .0
        .unix_millis();
    let expires = now + i64::from(minutes) * MINUTE_MILLIS;
    let organization = &state.tenant(caller).config().organization;
    let signature = sign(&state.desk(caller).key, file, expires);
    format!(
        "{}/downloads/{organization}/{file}?expires={expires}&signature={signature}",
        origin.http()
    )
}

fn signed_text(file: &str, expires: i64) -> String {
    format!("download {file} until {expires}")
}

fn sign(key: &hmac::Key, file: &str, expires: i64) -> String {
    let tag = hmac::sign(key, signed_text(file, expires).as_bytes());
    URL_SAFE_NO_PAD.encode(tag.as_ref())
}

/// The audio or report behind a signed address. Needs no token.
#[utoipa::path(
    get,
    path = "/downloads/{organization}/{file}",
    tag = "downloads",
    params(
        ("organization" = String, Path),
        ("file" = String, Path),
        ("expires" = Option<i64>, Query, description = "Milliseconds since 1970"),
        ("signature" = Option<String>, Query),
        ("fileName" = Option<String>, Query, description = "Name to be saved under"),
    ),
    responses(
        (status = 200, description = "The file",
            content(([u8] = "audio/ogg"), (String = "text/csv"))),
        (status = 403, description = "The address is not signed, or has expired",
            body = super::wire::ErrorBody),
    ),
    security()
)]
async fn download(
    State(state): State<ApiState>,
    PathOf((organization, file)): PathOf<(String, String)>,
    params: Params,
) -> Result<Response, ApiError> {
    let (tenant, key) = state
        .organization(&organization)
        .ok_or(ApiError::NotAuthorized("The address is not signed."))?;
    let expires: Option<i64> = params.text("expires")?.and_then(|text| text.parse().ok());
    let signature = params
        .text("signature")?
        .map(|text| URL_SAFE_NO_PAD.decode(text));
    let (Some(expires), Some(Ok(signature))) = (expires, signature) else {
        return Err(ApiError::NotAuthorized("The address is not signed."));
    };
    hmac::verify(key, signed_text(&file, expires).as_bytes(), &signature)
        .map_err(|_| ApiError::NotAuthorized("The address is not signed."))?;
    let now = state.now();
    let date = ApiDate::of(state.config().epoch, now);
    if date.0.unix_millis() >= expires {
        return Err(ApiError::NotAuthorized("The address has expired."));
    }
    let mut response = match file.split_once('.') {
        Some((recording, "ogg")) => {
            let audio = audio_of(&state, tenant, recording).ok_or(ApiError::NotFound)?;
            ([(CONTENT_TYPE, AUDIO)], audio).into_response()
        }
        Some((report, "csv")) => {
            let lines = uploads::lines(&state, tenant, report).ok_or(ApiError::NotFound)?;
            ([(CONTENT_TYPE, TABLE)], lines).into_response()
        }
        _ => return Err(ApiError::NotFound),
    };
    let name = params.text("fileName")?.map(plain_name);
    if let Some(name) = name
        && let Ok(value) = HeaderValue::try_from(format!("attachment; filename=\"{name}\""))
    {
        response.headers_mut().insert(CONTENT_DISPOSITION, value);
    }
    Ok(response)
}

/// What a header may carry of a name.
fn plain_name(name: &str) -> String {
    let plain = |c: &char| c.is_ascii_graphic() && !matches!(c, '"' | '\\' | '/') || *c == ' ';
    name.chars().filter(plain).take(200).collect()
}

fn audio_of(state: &ApiState, tenant: TenantIndex, recording: &str) -> Option<bytes::Bytes> {
    let service = state.service();
    let index = RecordingId::parse(recording)?.index(service.seed())?;
    let now = state.now();
    let there = service.tenant(tenant)?.read(service, index, |timeline| {
        timeline.ended_at <= now && timeline.media_at <= now
    })?;
    let media = service.store().media(index).filter(|_| there)?;
    Some(media.body().clone())
}
