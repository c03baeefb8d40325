//! Audio and reports behind signed addresses, as the real API hands them out: whoever has the address may read
//! it until it expires, and needs no token.

use std::fmt::Write as _;
use std::ops::Range;
use std::time::Duration;

use aws_lc_rs::hmac as checked;
use axum::body::Body;
use axum::extract::{FromRequestParts, State};
use axum::http::header::{
    ACCEPT_RANGES, CONTENT_DISPOSITION, CONTENT_RANGE, CONTENT_TYPE, HOST, HeaderMap, HeaderValue,
    RANGE,
};
use axum::http::request::Parts;
use axum::http::{StatusCode, Uri};
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
use super::gateway::Caller;
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
        Ok(Self::of(state, &parts.uri, &parts.headers))
    }
}

impl Origin {
    /// Where a request with that address and those headers came to.
    pub(super) fn of(state: &ApiState, uri: &Uri, headers: &HeaderMap) -> Self {
        if let Some(url) = &state.config().public_url {
            return Self(url.trim_end_matches('/').to_owned());
        }
        let host = headers.get(HOST).and_then(|host| host.to_str().ok());
        let host = host.or_else(|| uri.authority().map(|authority| authority.as_str()));
        let good = host.filter(|host| {
            is_plain(host)
                || host
                    .parse::<axum::http::uri::Authority>()
                    .is_ok_and(|parsed| !parsed.as_str().contains('@'))
        });
        let good = good.unwrap_or("localhost");
        let mut origin = String::with_capacity("http://".len() + good.len());
        origin.push_str("http://");
        origin.push_str(good);
        Self(origin)
    }
}

/// A name or IPv4 address, with or without a port: what hosts usually are, told without a parser.
fn is_plain(host: &str) -> bool {
    let (name, port) = host.split_once(':').unwrap_or((host, "80"));
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    let named = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-');
    !name.is_empty() && name.bytes().all(named) && (1..=5).contains(&port.len()) && digits(port)
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
            part(&headers, &audio)
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

/// The audio, or the part of it that `Range` asks for, piece by piece. More than one part, and what
/// is no range of bytes, is passed over (RFC 9110 §14.2).
fn part(headers: &HeaderMap, audio: &Object) -> Response {
    let asked = headers.get(RANGE).and_then(|range| range.to_str().ok());
    let length = audio.size();
    let range = asked.and_then(|asked| range_of(asked, length));
    let flow = |range| ([(CONTENT_TYPE, AUDIO)], Body::new(audio.flow(range)));
    let mut response = match &range {
        None => flow(0..length).into_response(),
        Some(range) if range.is_empty() => ApiError::NoSuchRange.into_response(),
        Some(range) => (StatusCode::PARTIAL_CONTENT, flow(range.clone())).into_response(),
    };
    let headers = response.headers_mut();
    headers.insert(ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    let said = match range {
        None => return response,
        Some(range) if range.is_empty() => format!("bytes */{length}"),
        Some(range) => format!("bytes {}-{}/{length}", range.start, range.end - 1),
    };
    if let Ok(said) = HeaderValue::try_from(said) {
        headers.insert(CONTENT_RANGE, said);
    }
    response
}

/// The bytes that a `Range` of one part means; an empty range if there are none.
fn range_of(asked: &str, length: u64) -> Option<Range<u64>> {
    let (first, last) = asked.strip_prefix("bytes=")?.split_once('-')?;
    let number = |text: &str| {
        let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        digits.then(|| text.parse().unwrap_or(u64::MAX))
    };
    let range = match (first, last) {
        ("", last) => length.saturating_sub(number(last)?)..length,
        (first, "") => number(first)?..length,
        (first, last) => {
            let (first, last) = (number(first)?, number(last)?);
            if last < first {
                return None;
            }
            first..last.saturating_add(1).min(length)
        }
    };
    Some(if range.start < range.end { range } else { 0..0 })
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_means_the_bytes_that_it_names() {
        let table = [
            ("bytes=0-3", Some(0..4)),
            ("bytes=2-", Some(2..10)),
            ("bytes=-3", Some(7..10)),
            ("bytes=-99", Some(0..10)),
            ("bytes=8-99", Some(8..10)),
            ("bytes=0-18446744073709551616", Some(0..10)),
            ("bytes=10-", Some(0..0)),
            ("bytes=-0", Some(0..0)),
            ("bytes=3-2", None),
            ("bytes=0-1,4-5", None),
            ("bytes=+1-2", None),
            ("bytes=-", None),
            ("lines=0-3", None),
        ];
        for (asked, expected) in table {
            assert_eq!(range_of(asked, 10), expected, "{asked}");
        }
    }

    #[test]
    fn a_plain_host_is_told_from_one_that_needs_a_parser() {
        for host in ["127.0.0.1:80", "localhost", "a-b.example:65535"] {
            assert!(is_plain(host), "{host}");
            assert!(host.parse::<axum::http::uri::Authority>().is_ok());
        }
        for host in [
            "", ":80", "a:", "a:b", "a@b", "[::1]:80", "a b", "a:123456", "a\"b",
        ] {
            assert!(!is_plain(host), "{host}");
        }
    }
}
