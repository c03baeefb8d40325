//! Audio and reports behind signed addresses, as the real API hands them out: whoever has the address may read
//! it until it expires, and needs no token.

use std::fmt::Write as _;
use std::time::Duration;

use aws_lc_rs::hmac as checked;
use axum::extract::State;
use axum::http::header::{CONTENT_DISPOSITION, CONTENT_TYPE, HeaderMap, HeaderValue};
use axum::response::{IntoResponse, Response};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use racegate_model::ids::{RecordingId, TenantIndex};
use sha2::Sha256;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::error::{ApiError, Entity};
use super::extract::PathOf;
use super::files;
use super::gateway::Caller;
use super::origin::Origin;
use super::params::Params;
use super::seen::{Seen, push_id};
use super::state::ApiState;
use super::uploads;
use super::wire::ApiDate;
use crate::storage::Object;

const MINUTE_MILLIS: i64 = 60_000;
/// An address takes about 200 bytes.
const URL_CAPACITY: usize = 256;
/// A recording's file is an id and `.ogg`.
const FILE_CAPACITY: usize = 40;
/// Stands between a file and its date where they are signed; nothing else that the key signs has one.
/// The whole is short enough for one block of the hash.
const BETWEEN: &str = "\n";
const TABLE: HeaderValue = HeaderValue::from_static("text/csv");
/// What audio is here, whatever format was asked for: nothing is transcoded.
pub(super) const CONTENT: &str = "audio/ogg";

pub(super) fn routes() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new().routes(routes!(download))
}

/// Minutes that an address is good for.
#[derive(Clone, Copy, Debug)]
pub(super) enum Purpose {
    Playback,
    Batch,
}

/// The signed address of a recording's audio, to be saved as `name` if there is one. Audio that is
/// in somebody else's bucket has an address there.
pub(super) fn media_url(
    state: &ApiState,
    caller: Caller,
    origin: &Origin,
    (recording, name): (&Seen, Option<&str>),
    purpose: Purpose,
) -> String {
    let store = state.service().store();
    if store.is_elsewhere() {
        let life = Duration::from_secs(u64::from(minutes(state, caller, purpose)) * 60);
        let name = name.map(plain_name);
        let url = store.media_url(recording.index, life, name.as_deref());
        return url.unwrap_or_default();
    }
    let mut file = String::with_capacity(FILE_CAPACITY);
    push_id(&mut file, recording.truth.recording.text());
    file.push_str(".ogg");
    let mut url = signed(state, caller, origin, &file, purpose);
    if let Some(name) = name {
        url.push('&');
        // Two strings are a form.
        url.push_str(&serde_urlencoded::to_string([("fileName", name)]).unwrap_or_default());
    }
    url
}

fn minutes(state: &ApiState, caller: Caller, purpose: Purpose) -> u32 {
    let settings = state.desk(caller).settings.get();
    match purpose {
        Purpose::Playback => settings.recording_playback_url_ttl,
        Purpose::Batch => settings.recording_batch_download_url_ttl,
    }
}

/// The signed address of a file.
pub(super) fn signed(
    state: &ApiState,
    caller: Caller,
    origin: &Origin,
    file: &str,
    purpose: Purpose,
) -> String {
    let minutes = minutes(state, caller, purpose);
    let now = ApiDate::of(state.config().epoch, caller.now)
        .0
        .unix_millis();
    let expires = now + i64::from(minutes) * MINUTE_MILLIS;
    let organization = &state.tenant(caller).config().organization;
    let mut url = String::with_capacity(URL_CAPACITY);
    url.push_str(origin.http());
    url.push_str("/downloads/");
    url.push_str(organization);
    url.push('/');
    url.push_str(file);
    url.push_str("?expires=");
    let from = url.len();
    // Writing to a string does not fail.
    let _ = write!(url, "{expires}");
    let signature = state.desk(caller).signer.sign(file, &url[from..]);
    url.push_str("&signature=");
    URL_SAFE_NO_PAD.encode_string(signature, &mut url);
    url
}

/// Signs addresses with a tenant's key. Every read of a recording signs one, so this is an HMAC
/// whose keyed state is a plain copy.
pub(super) struct Signer(Hmac<Sha256>);

impl Signer {
    pub(super) fn new(secret: &[u8]) -> Self {
        Self(Hmac::new_from_slice(secret).expect("an HMAC takes keys of any length"))
    }

    fn sign(&self, file: &str, expires: &str) -> [u8; 32] {
        let mut mac = self.0.clone();
        mac.update(file.as_bytes());
        mac.update(BETWEEN.as_bytes());
        mac.update(expires.as_bytes());
        mac.finalize().into_bytes().into()
    }
}

fn signed_text(file: &str, expires: i64) -> String {
    format!("{file}{BETWEEN}{expires}")
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
        (status = 206, description = "The part of it that `Range` asks for",
            content(([u8] = "audio/ogg"))),
        (status = 304, description = "The client has it already"),
        (status = 412, description = "It is another file than `If-Match` or `If-Unmodified-Since` says",
            body = super::wire::ErrorBody),
        (status = 416, description = "There is no such part", body = super::wire::ErrorBody),
        (status = 403, description = "The address is not signed, or has expired",
            body = super::wire::ErrorBody),
    ),
    security()
)]
async fn download(
    State(state): State<ApiState>,
    PathOf((organization, file)): PathOf<(String, String)>,
    headers: HeaderMap,
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
    checked::verify(key, signed_text(&file, expires).as_bytes(), &signature)
        .map_err(|_| ApiError::NotAuthorized("The address is not signed."))?;
    let now = state.now();
    let date = ApiDate::of(state.config().epoch, now);
    if date.0.unix_millis() >= expires {
        return Err(ApiError::NotAuthorized("The address has expired."));
    }
    let mut response = match file.split_once('.') {
        Some((recording, "ogg")) => {
            let audio = audio_of(&state, tenant, recording)
                .ok_or_else(|| Entity::File.none(file.as_str()))?;
            files::answer(&headers, &audio)
        }
        Some((report, "csv")) => {
            let lines = uploads::lines(&state, tenant, report)
                .ok_or_else(|| Entity::File.none(file.as_str()))?;
            ([(CONTENT_TYPE, TABLE)], lines).into_response()
        }
        _ => return Err(Entity::File.none(file)),
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

fn audio_of(state: &ApiState, tenant: TenantIndex, recording: &str) -> Option<Object> {
    let service = state.service();
    let index = RecordingId::parse(recording)?.index(service.seed())?;
    let now = state.now();
    let there = service.tenant(tenant)?.read(service, index, |timeline| {
        timeline.ended_at <= now && timeline.media_at <= now
    })?;
    service.store().media(index).filter(|_| there)
}
