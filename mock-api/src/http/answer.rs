//! JSON answers of about a recording's size, written into a buffer that need not grow.

use axum::body::Body;
use axum::http::header::{CONTENT_TYPE, HeaderMap, HeaderValue};
use axum::response::{IntoResponse, Response};
use serde::Serialize;

use super::error::ApiError;
use super::wire::Written;

/// A recording takes about a kilobyte; a list of them makes the buffer grow.
const CAPACITY: usize = 2 << 10;
/// Headers of an answer, the gateway's and the server's among them.
const HEADERS: usize = 8;
const JSON: HeaderValue = HeaderValue::from_static("application/json");

/// A body as JSON.
pub(super) struct Json<T>(pub(super) T);

impl<T: Serialize> IntoResponse for Json<T> {
    fn into_response(self) -> Response {
        let mut bytes = Vec::with_capacity(CAPACITY);
        match serde_json::to_writer(&mut bytes, &self.0) {
            Ok(()) => answer(bytes),
            Err(error) => ApiError::bad_request(error.to_string()).into_response(),
        }
    }
}

/// A body that writes itself.
pub(super) struct WrittenJson<T>(pub(super) T);

impl<T: Written> IntoResponse for WrittenJson<T> {
    fn into_response(self) -> Response {
        answer(self.into_bytes())
    }
}

impl<T: Written> WrittenJson<T> {
    pub(super) fn into_bytes(self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(CAPACITY);
        self.0.write(&mut bytes);
        bytes
    }
}

fn answer(bytes: Vec<u8>) -> Response {
    let mut response = Response::new(Body::from(bytes));
    let mut headers = HeaderMap::with_capacity(HEADERS);
    headers.insert(CONTENT_TYPE, JSON);
    *response.headers_mut() = headers;
    response
}
