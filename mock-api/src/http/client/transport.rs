//! How the client's requests travel: pooled connections, a token that renews itself, one patience.

use std::sync::Arc;
use std::time::Duration as StdDuration;

use arc_swap::ArcSwapOption;
use axum::body::Bytes;
use axum::http::header::{AUTHORIZATION, CONTENT_TYPE, DATE, RETRY_AFTER};
use axum::http::{HeaderMap, HeaderValue, Method, Request, StatusCode};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http_body_util::{BodyExt, Full, Limited};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use racegate_model::exporter::Reply;
use racegate_model::time::Duration;

use crate::http::gateway::RETRY_AFTER_MS;
use crate::http::tokens::Token;
use crate::http::wire::ErrorBody;
use crate::http::wire::oauth::TokenRead;
use crate::service::Credentials;

/// An idle connection is closed after so long, before a server does it.
const POOL_IDLE: StdDuration = StdDuration::from_secs(20);
const CONNECT_TIMEOUT: StdDuration = StdDuration::from_secs(5);
/// What a server may answer.
const ANSWER_MAX: usize = 16 << 20;
/// Wait after a 429 that does not say how long.
const DEFAULT_RETRY: Duration = Duration::from_secs(1);

/// A client whose connections are kept.
pub(in crate::http) fn pooled_client(idle: usize) -> Client<HttpConnector, Full<Bytes>> {
    let mut connector = HttpConnector::new();
    connector.set_nodelay(true);
    connector.set_connect_timeout(Some(CONNECT_TIMEOUT));
    Client::builder(TokioExecutor::new())
        .pool_timer(TokioTimer::new())
        .pool_idle_timeout(POOL_IDLE)
        .pool_max_idle_per_host(idle)
        .build(connector)
}

/// What a server answered.
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
}

impl Answer {
    /// The answer as a reply: its body if it is a success.
    pub(super) fn reply(self) -> Reply<Bytes> {
        match self.status.as_u16() {
            200..=299 => Reply::Done(self.body),
            400 => Reply::BadRequest,
            404 => Reply::NotFound,
            429 => Reply::Throttled(retry_after(&self.headers)),
            408 | 500..=599 => Reply::Unavailable,
            // What is refused for its own sake is refused again.
            _ => Reply::Forbidden,
        }
    }

    /// The answer to a call about a job. How a job too many is refused nobody documents; under
    /// whatever status, it names the limit of recordings and may be tried again.
    pub(super) fn job_reply(self) -> Reply<Bytes> {
        let too_many = self.status.is_client_error()
            && serde_json::from_slice::<ErrorBody>(&self.body)
                .is_ok_and(|body| body.limit.is_some_and(|it| it.namespace == "recording"));
        if too_many {
            Reply::Throttled(retry_after(&self.headers))
        } else {
            self.reply()
        }
    }
}

fn retry_after(headers: &HeaderMap) -> Duration {
    let number = |name| headers.get(name)?.to_str().ok()?.trim().parse::<u64>().ok();
    let millis = number(RETRY_AFTER_MS);
    let millis = millis.or_else(|| number(RETRY_AFTER)?.checked_mul(1000));
    let millis = millis.or_else(|| millis_until(headers));
    // A day is as good as for ever, and does not overflow. No wait at all would ask for ever at one
    // instant of the exporter's clock.
    millis.map_or(DEFAULT_RETRY, |millis| {
        Duration::from_millis(millis.clamp(1, 86_400_000))
    })
}

/// Milliseconds until the date that `Retry-After` names, by the server's own clock where its answer
/// tells the time.
fn millis_until(headers: &HeaderMap) -> Option<u64> {
    let date = |name| {
        let text = headers.get(name)?.to_str().ok()?;
        let zoned = jiff::fmt::rfc2822::parse(text.trim()).ok()?;
        Some(zoned.timestamp().as_millisecond())
    };
    let until = date(RETRY_AFTER)?;
    let now = date(DATE).unwrap_or_else(|| jiff::Timestamp::now().as_millisecond());
    Some(u64::try_from(until.saturating_sub(now)).unwrap_or(0))
}

pub(super) struct Transport {
    client: Client<HttpConnector, Full<Bytes>>,
    base: String,
    credentials: Credentials,
    bearer: ArcSwapOption<HeaderValue>,
    timeout: StdDuration,
}

impl Transport {
    pub(super) fn new(base: String, credentials: Credentials, timeout: StdDuration) -> Self {
        Self {
            client: pooled_client(usize::MAX),
            base,
            credentials,
            bearer: ArcSwapOption::empty(),
            timeout,
        }
    }

    /// Logs in.
    pub(super) async fn log_in(&self) -> Reply<Token> {
        let Credentials {
            client_id,
            client_secret,
        } = &self.credentials;
        let basic = STANDARD.encode(format!("{client_id}:{client_secret}"));
        let form = Bytes::from_static(b"grant_type=client_credentials");
        let request = Request::builder()
            .method(Method::POST)
            .uri(format!("{}/oauth/token", self.base))
            .header(AUTHORIZATION, format!("Basic {basic}"))
            .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
            .body(Full::new(form));
        let Ok(request) = request else {
            return Reply::Forbidden;
        };
        let Some(answer) = self.exchange(request).await else {
            return Reply::Unavailable;
        };
        let reply = answer.reply();
        let read = match &reply {
            Reply::Done(body) => serde_json::from_slice::<TokenRead>(body),
            Reply::NotFound
            | Reply::Throttled(_)
            | Reply::BadRequest
            | Reply::Forbidden
            | Reply::Unavailable => {
                return reply.map(|_| Token::new(String::new()));
            }
        };
        let Ok(read) = read else {
            return Reply::Unavailable;
        };
        let Ok(mut bearer) = HeaderValue::try_from(format!("Bearer {}", read.access_token)) else {
            return Reply::Unavailable;
        };
        bearer.set_sensitive(true);
        self.bearer.store(Some(Arc::new(bearer)));
        Reply::Done(Token::new(read.access_token))
    }

    /// Calls the API; logs in when there is no token, and once more when the token is refused.
    pub(super) async fn call(
        &self,
        method: Method,
        path: &str,
        body: Option<Vec<u8>>,
    ) -> Reply<Answer> {
        let body = body.map(Bytes::from);
        if self.bearer.load().is_none() {
            let logged_in = self.log_in().await;
            if !matches!(logged_in, Reply::Done(_)) {
                return logged_in.map(|_| Answer::empty());
            }
        }
        let used = self.bearer.load_full();
        let first = self
            .send(&method, path, body.clone(), used.as_deref())
            .await;
        let refused = matches!(&first, Some(answer) if answer.status == StatusCode::UNAUTHORIZED);
        if !refused {
            return first.map_or(Reply::Unavailable, Reply::Done);
        }
        let current = self.bearer.load_full();
        if current == used {
            let logged_in = self.log_in().await;
            if !matches!(logged_in, Reply::Done(_)) {
                return logged_in.map(|_| Answer::empty());
            }
        }
        let renewed = self.bearer.load_full();
        let second = self.send(&method, path, body, renewed.as_deref()).await;
        second.map_or(Reply::Unavailable, Reply::Done)
    }

    async fn send(
        &self,
        method: &Method,
        path: &str,
        body: Option<Bytes>,
        bearer: Option<&HeaderValue>,
    ) -> Option<Answer> {
        let mut uri = String::with_capacity(self.base.len() + path.len());
        uri.push_str(&self.base);
        uri.push_str(path);
        let mut request = Request::builder().method(method.clone()).uri(uri);
        if let Some(bearer) = bearer {
            request = request.header(AUTHORIZATION, bearer.clone());
        }
        if body.is_some() {
            request = request.header(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        }
        let request = request.body(Full::new(body.unwrap_or_default())).ok()?;
        self.exchange(request).await
    }

    async fn exchange(&self, request: Request<Full<Bytes>>) -> Option<Answer> {
        let exchange = async {
            let (head, body) = self.client.request(request).await.ok()?.into_parts();
            let body = Limited::new(body, ANSWER_MAX)
                .collect()
                .await
                .ok()?
                .to_bytes();
            Some(Answer {
                status: head.status,
                headers: head.headers,
                body,
            })
        };
        tokio::time::timeout(self.timeout, exchange)
            .await
            .ok()
            .flatten()
    }
}

impl Answer {
    /// A placeholder for a reply that is no answer.
    fn empty() -> Self {
        Self {
            status: StatusCode::NO_CONTENT,
            headers: HeaderMap::new(),
            body: Bytes::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_precise_wait_is_preferred() {
        let mut headers = HeaderMap::new();
        assert_eq!(retry_after(&headers), DEFAULT_RETRY);
        headers.insert(RETRY_AFTER, HeaderValue::from_static("2"));
        assert_eq!(retry_after(&headers), Duration::from_secs(2));
        headers.insert(RETRY_AFTER_MS, HeaderValue::from_static("1500"));
        assert_eq!(retry_after(&headers), Duration::from_millis(1500));
        headers.insert(
            RETRY_AFTER_MS,
            HeaderValue::from_static("18446744073709551615"),
        );
        assert_eq!(retry_after(&headers), Duration::from_secs(86_400));
    }

    #[test]
    fn a_date_is_a_wait_by_the_servers_own_clock() {
        let mut headers = HeaderMap::new();
        let date = HeaderValue::from_static("Sun, 06 Nov 1994 08:49:37 GMT");
        headers.insert(RETRY_AFTER, date);
        // Without the server's clock it has passed long ago.
        assert_eq!(retry_after(&headers), Duration::from_millis(1));
        let now = HeaderValue::from_static("Sun, 06 Nov 1994 08:48:30 GMT");
        headers.insert(DATE, now);
        assert_eq!(retry_after(&headers), Duration::from_secs(67));
        headers.insert(RETRY_AFTER, HeaderValue::from_static("soon"));
        assert_eq!(retry_after(&headers), DEFAULT_RETRY);
    }
}
