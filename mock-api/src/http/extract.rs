//! Extractors whose refusals are the API's own.

use std::marker::PhantomData;
use std::time::Duration as StdDuration;

use axum::body::{Body, Bytes};
use axum::extract::{FromRequest, FromRequestParts, Path, Request};
use axum::http::header::{CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, HeaderMap};
use axum::http::request::Parts;
use http_body_util::BodyExt;
use serde::de::DeserializeOwned;
use serde_json::Value;
use serde_json::value::RawValue;
use utoipa::ToSchema;

use super::error::ApiError;
use super::mistakes::Mistakes;
use super::shape;
use super::state::ApiState;

/// The largest body that is read.
pub(super) const BODY_MAX: usize = 1 << 20;
/// A larger body is read to here before it is refused, so that the refusal reaches a client that
/// is still sending.
const DISCARD_MAX: usize = 16 << 20;

/// The parts of the path that vary.
pub(super) struct PathOf<T>(pub(super) T);

impl<T: DeserializeOwned + Send> FromRequestParts<ApiState> for PathOf<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &ApiState) -> Result<Self, ApiError> {
        let path = Path::from_request_parts(parts, state).await;
        path.map(|Path(path)| Self(path))
            .map_err(|_| ApiError::NotFound)
    }
}

/// A JSON body. Whether it fits is asked once it is known that the caller may ask at all.
pub(super) struct JsonBody<T> {
    pub(super) raw: Box<RawValue>,
    kind: PhantomData<fn() -> T>,
}

impl<T: DeserializeOwned + ToSchema> JsonBody<T> {
    /// What it says, or all that is wrong with it.
    pub(super) fn value(&self) -> Result<T, ApiError> {
        fitting(self.raw.get().as_bytes(), shape::check::<T>)
    }
}

impl<T> FromRequest<ApiState> for JsonBody<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &ApiState) -> Result<Self, ApiError> {
        let raw = read_json(request, state).await?;
        let kind = PhantomData;
        Ok(Self { raw, kind })
    }
}

/// A JSON body that is an array.
pub(super) struct JsonList<T>(pub(super) Vec<T>);

impl<T: DeserializeOwned + ToSchema> FromRequest<ApiState> for JsonList<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &ApiState) -> Result<Self, ApiError> {
        let raw = read_json(request, state).await?;
        fitting(raw.get().as_bytes(), shape::check_list::<T>).map(Self)
    }
}

async fn read_json(request: Request, state: &ApiState) -> Result<Box<RawValue>, ApiError> {
    if !is_of_type(request.headers(), "application/json") {
        return Err(ApiError::UnsupportedMediaType);
    }
    let bytes = read_body(request, state.config().limits.body_timeout).await?;
    serde_json::from_slice(&bytes).map_err(|_| ApiError::malformed())
}

/// A body of that shape.
pub(super) fn fitting<T: DeserializeOwned>(
    json: &[u8],
    check: fn(&Value) -> Mistakes,
) -> Result<T, ApiError> {
    let unfit =
        |why: serde_json::Error| ApiError::bad_request(format!("The body does not fit: {why}."));
    // Numbers too large for a value are beyond every schema, too.
    let shape: Value = serde_json::from_slice(json).map_err(unfit)?;
    let mistakes = check(&shape);
    if !mistakes.is_empty() {
        return Err(ApiError::Mistaken(mistakes));
    }
    serde_json::from_slice(json).map_err(unfit)
}

/// A body that says nothing: none at all, or `null`, which is what the Python SDK makes of none.
pub(super) struct NoBody;

impl FromRequest<ApiState> for NoBody {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &ApiState) -> Result<Self, ApiError> {
        let is_json = is_of_type(request.headers(), "application/json");
        let bytes = read_body(request, state.config().limits.body_timeout).await?;
        match bytes.trim_ascii() {
            b"" => Ok(Self),
            _ if !is_json => Err(ApiError::UnsupportedMediaType),
            b"null" | b"{}" => Ok(Self),
            _ => Err(ApiError::bad_request("The request takes no body.")),
        }
    }
}

/// A form body.
pub(super) struct FormBody<T>(pub(super) T);

impl<T: DeserializeOwned> FromRequest<ApiState> for FormBody<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &ApiState) -> Result<Self, ApiError> {
        if !is_of_type(request.headers(), "application/x-www-form-urlencoded") {
            return Err(ApiError::UnsupportedMediaType);
        }
        let bytes = read_body(request, state.config().limits.body_timeout).await?;
        serde_urlencoded::from_bytes(&bytes)
            .map(Self)
            .map_err(|_| ApiError::malformed())
    }
}

/// Whether the body is, or may be, of that type: some clients do not say. Text is UTF-8 here.
fn is_of_type(headers: &HeaderMap, wanted: &str) -> bool {
    let Some(said) = headers.get(CONTENT_TYPE) else {
        return true;
    };
    said.to_str().is_ok_and(|said| {
        let mut parts = said.split(';').map(str::trim);
        let essence = parts.next().unwrap_or_default();
        let charset = parts.find_map(|part| {
            let (name, charset) = part.split_once('=')?;
            name.eq_ignore_ascii_case("charset").then_some(charset)
        });
        let charset = charset.map(|charset| charset.trim_matches('"'));
        let readable = |charset: &str| {
            ["utf-8", "us-ascii"]
                .iter()
                .any(|known| charset.eq_ignore_ascii_case(known))
        };
        essence.eq_ignore_ascii_case(wanted) && charset.is_none_or(readable)
    })
}

/// Whether the body came as it is. Nothing here unpacks what is compressed.
fn is_plain(headers: &HeaderMap) -> bool {
    let mut said = headers.get_all(CONTENT_ENCODING).iter();
    said.all(|coding| coding.as_bytes().eq_ignore_ascii_case(b"identity"))
}

pub(super) async fn read_body(request: Request, within: StdDuration) -> Result<Bytes, ApiError> {
    if !is_plain(request.headers()) {
        return Err(ApiError::UnsupportedMediaType);
    }
    let said = request.headers().get(CONTENT_LENGTH);
    let length = said.and_then(|said| said.to_str().ok()?.parse::<usize>().ok());
    if length.is_some_and(|length| length > DISCARD_MAX) {
        return Err(ApiError::TooLarge);
    }
    let body = collect(request.into_body(), length.unwrap_or(0));
    tokio::time::timeout(within, body)
        .await
        .unwrap_or(Err(ApiError::RequestTimeout))
}

async fn collect(mut body: Body, expected: usize) -> Result<Bytes, ApiError> {
    let mut seen = 0_usize;
    let mut kept = Vec::with_capacity(expected.min(BODY_MAX));
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame.map_err(|_| ApiError::malformed())?.into_data() else {
            continue;
        };
        seen = seen.saturating_add(data.len());
        if seen > DISCARD_MAX {
            return Err(ApiError::TooLarge);
        }
        if seen <= BODY_MAX {
            kept.extend_from_slice(&data);
        }
    }
    if seen > BODY_MAX {
        Err(ApiError::TooLarge)
    } else {
        Ok(kept.into())
    }
}
