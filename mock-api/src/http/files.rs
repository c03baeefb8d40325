//! Audio as a file: whole or in part, and only as far as a client has it not (RFC 9110 §13 and §14).

use std::ops::Range;

use axum::body::Body;
use axum::http::StatusCode;
use axum::http::header::{
    ACCEPT_RANGES, CONTENT_RANGE, CONTENT_TYPE, HeaderMap, HeaderValue, IF_RANGE, RANGE,
};
use axum::response::{IntoResponse, Response};
use headers::{
    ETag, Header, HeaderMapExt as _, IfMatch, IfModifiedSince, IfNoneMatch, IfUnmodifiedSince,
    LastModified,
};

use super::error::ApiError;
use crate::storage::Object;

const AUDIO: HeaderValue = HeaderValue::from_static("audio/ogg");

/// The audio, the part of it that is asked for, or why it is not sent.
pub(super) fn answer(headers: &HeaderMap, audio: &Object) -> Response {
    let modified = LastModified::from(audio.last_modified());
    // An etag here is hexadecimal digits and hyphens.
    let Ok(etag) = format!("\"{}\"", audio.etag()).parse::<ETag>() else {
        return part(headers.get(RANGE), audio);
    };
    let mut response = match judge(headers, &etag, audio) {
        Judged::Other => ApiError::PreconditionFailed.into_response(),
        Judged::Known => StatusCode::NOT_MODIFIED.into_response(),
        Judged::Wanted => {
            let asked = headers.get(RANGE);
            part(
                asked.filter(|_| is_of_this(headers, &etag, &modified)),
                audio,
            )
        }
    };
    let headers = response.headers_mut();
    headers.typed_insert(etag);
    headers.typed_insert(modified);
    response
}

/// What becomes of a conditional request.
enum Judged {
    /// The client means another file.
    Other,
    /// It has this one.
    Known,
    Wanted,
}

/// An entity tag counts more than a date (RFC 9110 §13.2.2).
fn judge(headers: &HeaderMap, etag: &ETag, audio: &Object) -> Judged {
    let at = audio.last_modified();
    let meant = match headers.typed_get::<IfMatch>() {
        Some(condition) => condition.precondition_passes(etag),
        None => headers
            .typed_get::<IfUnmodifiedSince>()
            .is_none_or(|since| since.precondition_passes(at)),
    };
    let wanted = match headers.typed_get::<IfNoneMatch>() {
        Some(condition) => condition.precondition_passes(etag),
        None => headers
            .typed_get::<IfModifiedSince>()
            .is_none_or(|since| since.is_modified(at)),
    };
    match (meant, wanted) {
        (false, _) => Judged::Other,
        (true, false) => Judged::Known,
        (true, true) => Judged::Wanted,
    }
}

/// Whether `If-Range`, where there is one, names this file: by its entity tag to the letter, or by
/// its very date (RFC 9110 §13.1.5).
fn is_of_this(headers: &HeaderMap, etag: &ETag, modified: &LastModified) -> bool {
    fn written(header: &impl Header) -> Option<HeaderValue> {
        let mut values = Vec::with_capacity(1);
        header.encode(&mut values);
        values.pop()
    }
    let said = headers.get(IF_RANGE);
    said.is_none() || said == written(etag).as_ref() || said == written(modified).as_ref()
}

/// The audio, or the part of it that `Range` asks for, piece by piece. More than one part, and what
/// is no range of bytes, is passed over (RFC 9110 §14.2).
fn part(asked: Option<&HeaderValue>, audio: &Object) -> Response {
    let asked = asked.and_then(|range| range.to_str().ok());
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
}
