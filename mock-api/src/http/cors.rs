//! Cross-origin requests (the Fetch standard's CORS protocol). The API is closed to pages of other
//! origins unless it was told theirs; the control plane always is. `/whip` speaks for itself.

use axum::body::Body;
use axum::http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, ACCESS_CONTROL_REQUEST_HEADERS,
    ACCESS_CONTROL_REQUEST_METHOD, HeaderMap, HeaderName, ORIGIN, VARY,
};
use axum::http::{HeaderValue, Method, Request, Response, StatusCode};

use super::admin::is_admin;
use super::browsers::WebAccess;

/// Seconds for which a browser may remember a preflight's answer.
const REMEMBERED: HeaderValue = HeaderValue::from_static("600");
const METHODS: HeaderValue = HeaderValue::from_static("GET, HEAD, POST, PUT, PATCH, DELETE");
/// Every header: no request here is made with a browser's own credentials.
const EXPOSED: HeaderValue = HeaderValue::from_static("*");

/// A request of a page that is let in.
#[derive(Clone, Debug)]
pub(super) struct Opening {
    origin: HeaderValue,
}

impl Opening {
    /// The page of that request, if it is let in there.
    pub(super) fn of<B>(web: &WebAccess, request: &Request<B>) -> Option<Self> {
        let path = request.uri().path();
        if web.cors.is_empty() || is_admin(path) || path == "/whip" || path.starts_with("/whip/") {
            return None;
        }
        let origin = request.headers().get(ORIGIN)?;
        let known = origin.to_str().is_ok_and(|origin| web.opens_to(origin));
        known.then(|| Self {
            origin: origin.clone(),
        })
    }

    /// The answer, if the browser only asks whether the page may send a request.
    pub(super) fn preflight<B>(&self, request: &Request<B>) -> Option<Response<Body>> {
        let headers = request.headers();
        let asked = headers.contains_key(ACCESS_CONTROL_REQUEST_METHOD);
        if request.method() != Method::OPTIONS || !asked {
            return None;
        }
        let mut response = Response::new(Body::empty());
        *response.status_mut() = StatusCode::NO_CONTENT;
        let allowed = response.headers_mut();
        allowed.insert(ACCESS_CONTROL_ALLOW_METHODS, METHODS);
        allowed.insert(ACCESS_CONTROL_MAX_AGE, REMEMBERED);
        if let Some(names) = requested(headers) {
            allowed.insert(ACCESS_CONTROL_ALLOW_HEADERS, names);
        }
        self.write(&mut response);
        Some(response)
    }

    /// Lets the page read an answer.
    pub(super) fn write(&self, response: &mut Response<Body>) {
        let headers = response.headers_mut();
        headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, self.origin.clone());
        headers.insert(ACCESS_CONTROL_EXPOSE_HEADERS, EXPOSED);
        headers.append(VARY, HeaderValue::from_static("Origin"));
    }
}

/// The headers that a page means to send, as far as they are names.
fn requested(headers: &HeaderMap) -> Option<HeaderValue> {
    let asked = headers.get(ACCESS_CONTROL_REQUEST_HEADERS)?.to_str().ok()?;
    let names = asked.split(',').filter_map(|name| name.trim().parse().ok());
    let names: Vec<String> = names.map(|name: HeaderName| name.to_string()).collect();
    HeaderValue::try_from(names.join(", ")).ok()
}
