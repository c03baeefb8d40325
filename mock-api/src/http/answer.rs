//! JSON answers of about a recording's size, written into a buffer that need not grow.

use axum::body::Body;
use axum::http::header::{CONTENT_TYPE, HeaderValue};
use axum::response::{IntoResponse, Response};
use serde::Serialize;

use super::error::ApiError;

/// A recording takes about a kilobyte; a list of them makes the buffer grow.
const CAPACITY: usize = 2 << 10;
const JSON: HeaderValue = HeaderValue::from_static("application/json");

/// A body as JSON.
pub(super) struct Json<T>(pub(super) T);

impl<T: Serialize> IntoResponse for Json<T> {
    fn into_response(self) -> Response {
        let mut bytes = Vec::with_capacity(CAPACITY);
        if let Err(error) = serde_json::to_writer(&mut bytes, &self.0) {
            return ApiError::bad_request(error.to_string()).into_response();
        }
        let mut response = Response::new(Body::from(bytes));
        response.headers_mut().insert(CONTENT_TYPE, JSON);
        response
    }
}
