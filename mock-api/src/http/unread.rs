//! Refusals of heads that nobody could read: bytes that are no HTTP, a line or headers that are too
//! long. hyper answers them itself, below every service, with a status and nothing else. Here that
//! answer is told on its way out and gets the body and the correlation id that all refusals have.

use std::fmt::Write as _;

use axum::http::StatusCode;

use super::error::ApiError;
use super::state::ApiState;

/// The longest head that hyper answers with by itself.
const HEAD_MAX: usize = 256;

/// The answer to send instead of `bytes`, if they are one of hyper's own.
pub(super) fn instead_of(bytes: &[u8], state: &ApiState) -> Option<Vec<u8>> {
    let (status, date) = own_refusal(bytes)?;
    let error = match status {
        StatusCode::URI_TOO_LONG => ApiError::UriTooLong,
        StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE => ApiError::HeadTooLarge,
        StatusCode::BAD_REQUEST => ApiError::malformed(),
        _ => return None,
    };
    let correlation = state.next_correlation().to_string();
    // Strings and numbers only: there is nothing in it that JSON could not say.
    let body = serde_json::to_string(&error.body(correlation.clone())).unwrap_or_default();
    let mut answer = format!("HTTP/1.1 {status}\r\n");
    let headers = [
        ("content-type", "application/json"),
        ("inin-correlation-id", &correlation),
        ("connection", "close"),
        ("content-length", &body.len().to_string()),
        ("date", date),
    ];
    for (name, value) in headers {
        // Writing to a string does not fail.
        write!(answer, "{name}: {value}\r\n").unwrap_or(());
    }
    answer.push_str("\r\n");
    answer.push_str(&body);
    Some(answer.into_bytes())
}

/// The status and the date of a bodiless refusal that no handler made: theirs have a correlation
/// id, and here no header is known but the three that hyper writes.
fn own_refusal(bytes: &[u8]) -> Option<(StatusCode, &str)> {
    if bytes.len() > HEAD_MAX || !bytes.starts_with(b"HTTP/1.1 4") {
        return None;
    }
    let head = std::str::from_utf8(bytes).ok()?.strip_suffix("\r\n\r\n")?;
    let mut lines = head.split("\r\n");
    let status = lines.next()?.split(' ').nth(1)?.parse().ok()?;
    let (mut date, mut empty, mut last) = ("", false, false);
    for line in lines {
        match line.split_once(": ")? {
            ("date", said) => date = said,
            ("content-length", "0") => empty = true,
            ("connection", "close") => last = true,
            _ => return None,
        }
    }
    (empty && last).then_some((status, date))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_answer_that_no_handler_made_is_told_apart() {
        let own = "HTTP/1.1 431 Request Header Fields Too Large\r\nconnection: close\r\n\
                   content-length: 0\r\ndate: Thu, 26 Nov 2026 04:15:34 GMT\r\n\r\n";
        let (status, date) = own_refusal(own.as_bytes()).unwrap();
        assert_eq!(status.as_u16(), 431);
        assert_eq!(date, "Thu, 26 Nov 2026 04:15:34 GMT");
        for other in [
            own.replace("431", "202"),
            own.replace("content-length: 0", "content-length: 2"),
            own.replace("date", "inin-correlation-id: x\r\ndate"),
            own.replace("connection: close\r\n", ""),
            own.trim_end().to_owned(),
            format!("{own}x"),
            format!("{own}{own}"),
            String::new(),
        ] {
            assert_eq!(own_refusal(other.as_bytes()), None, "{other}");
        }
    }
}
