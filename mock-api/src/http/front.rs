//! What a request meets before the router and its answer after it: injected faults, and the
//! journal. Without a control plane it is the router alone.

use std::convert::Infallible;
use std::future::{Ready, ready};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration as StdDuration;

use axum::Router;
use axum::body::{Body, HttpBody as _};
use axum::http::header::{
    CONTENT_LENGTH, CONTENT_TYPE, HOST, HeaderMap, RETRY_AFTER, TRANSFER_ENCODING,
};
use axum::http::{HeaderValue, Method, Request, Response, StatusCode, Uri, Version};
use axum::response::IntoResponse as _;
use bytes::Bytes;
use futures_util::{StreamExt as _, stream};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use tower_service::Service as _;

use super::admin::{
    Control, FaultBody, FaultKind, Moment, Record, RetryAfter, is_admin, target_of, wall_millis,
};
use super::cors::Opening;
use super::direct;
use super::error::ApiError;
use super::gateway::{CORRELATION, Caller, Entry, bearer};
use super::jobs::Doomed;
use super::link::Link;
use super::origin::Peer;
use super::state::ApiState;
use super::wire::ErrorBody;

/// How long a hang lasts when nothing is said.
const HANG_DEFAULT: StdDuration = StdDuration::from_secs(60);
/// The pace of a slow body when nothing is said.
const CHUNK_DEFAULT: usize = 16;
const EVERY_DEFAULT: StdDuration = StdDuration::from_millis(100);
/// Time for the first part of a truncated body to be sent.
const FLUSH: StdDuration = StdDuration::from_millis(20);
const JSON: HeaderValue = HeaderValue::from_static("application/json");

/// The connection ends without an answer.
#[derive(Debug, thiserror::Error)]
#[error("the connection was cut by a fault rule")]
pub(super) struct Cut;

/// The service of one connection.
#[derive(Clone)]
pub(super) struct Front {
    router: Router,
    state: Option<ApiState>,
    link: Arc<Link>,
}

type Answer = Result<Response<Body>, Cut>;

/// What becomes of a request.
pub(super) enum Passing {
    /// It has been answered.
    Done(Ready<Answer>),
    /// It is on its way.
    UnderWay(Pin<Box<dyn Future<Output = Answer> + Send>>),
}

impl Future for Passing {
    type Output = Answer;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Answer> {
        match self.get_mut() {
            Self::Done(answer) => Pin::new(answer).poll(cx),
            Self::UnderWay(passing) => passing.as_mut().poll(cx),
        }
    }
}

impl Front {
    /// `state` is that of an API, whose gateway is passed here rather than in the router: a layer
    /// around every route would cost as much as the route.
    pub(super) const fn new(router: Router, state: Option<ApiState>, link: Arc<Link>) -> Self {
        Self {
            router,
            state,
            link,
        }
    }
}

impl hyper::service::Service<Request<Incoming>> for Front {
    type Response = Response<Body>;
    type Error = Cut;
    type Future = Passing;

    fn call(&self, request: Request<Incoming>) -> Self::Future {
        self.link.request_begins();
        let web = self.state.as_ref().map(|state| &state.config().web);
        let Some(opening) = web.and_then(|web| Opening::of(web, &request)) else {
            return self.pass(request);
        };
        if let Some((response, state)) = opening.preflight(&request).zip(self.state.as_ref()) {
            self.done(state, &request, (response.status(), None));
            return Passing::Done(ready(Ok(response)));
        }
        let passing = self.pass(request);
        Passing::UnderWay(Box::pin(async move {
            let mut response = passing.await?;
            opening.write(&mut response);
            Ok(response)
        }))
    }
}

impl Front {
    /// Answers a request, or sends it on its way.
    fn pass(&self, request: Request<Incoming>) -> Passing {
        let answer = self.hostless(&request).or_else(|| self.direct(&request));
        if let Some(response) = answer {
            return Passing::Done(ready(Ok(response)));
        }
        let mut request = request.map(Body::new);
        request.extensions_mut().insert(Peer(self.link.peer));
        let way = Way {
            router: self.router.clone(),
            state: self.state.clone(),
        };
        let control = self.state.as_ref().and_then(ApiState::control);
        let (Some(state), Some(control)) = (&self.state, control) else {
            return plain(way, request, Arc::clone(&self.link));
        };
        if is_admin(request.uri().path()) {
            return plain(way, request, Arc::clone(&self.link));
        }
        let passage = Passage {
            state: state.clone(),
            control: control.clone(),
            link: Arc::clone(&self.link),
            method: request.method().clone(),
            uri: request.uri().clone(),
        };
        Passing::UnderWay(Box::pin(passage.pass(way, request)))
    }

    /// The refusal of a request of HTTP/1.1 that does not name its one host (RFC 9112 §3.2).
    fn hostless(&self, request: &Request<Incoming>) -> Option<Response<Body>> {
        let mut hosts = request.headers().get_all(HOST).iter();
        let named = hosts.next().is_some() && hosts.next().is_none();
        if named || request.version() != Version::HTTP_11 {
            return None;
        }
        let state = self.state.as_ref()?;
        let mut response = ApiError::malformed().into_response();
        Entry::unjudged(state).finish(&mut response);
        self.done(state, request, (response.status(), None));
        Some(response)
    }

    /// The answer to a read that needs no router, if that is what it is and no fault could meet it.
    fn direct(&self, request: &Request<Incoming>) -> Option<Response<Body>> {
        let state = self.state.as_ref()?;
        let control = state.control();
        if control.is_some_and(|control| !control.faults().is_empty()) {
            return None;
        }
        let (response, caller) = direct::answer(state, (Peer(self.link.peer), request))?;
        self.done(state, request, (response.status(), caller));
        Some(response)
    }

    /// A request was answered without the router.
    fn done(
        &self,
        state: &ApiState,
        request: &Request<Incoming>,
        (status, caller): (StatusCode, Option<Caller>),
    ) {
        self.link.request_ends(status);
        let Some(control) = state.control() else {
            return;
        };
        control.journal().record(Record {
            at: caller.map_or_else(|| state.now(), |caller| caller.now),
            wall_millis: wall_millis(),
            tenant: caller.map(|caller| caller.tenant),
            method: request.method().clone(),
            target: target_of(request.uri()),
            status: status.as_u16(),
            fault: None,
            storage: None,
        });
    }
}

/// Neither faults nor journal.
fn plain(way: Way, request: Request<Body>, link: Arc<Link>) -> Passing {
    Passing::UnderWay(Box::pin(async move {
        let (response, _) = way.go(request).await;
        link.request_ends(response.status());
        Ok(response)
    }))
}

/// The way to a handler and back.
struct Way {
    router: Router,
    state: Option<ApiState>,
}

impl Way {
    /// The answer, and who asked, if the gateway knows.
    async fn go(mut self, mut request: Request<Body>) -> (Response<Body>, Option<Caller>) {
        let mut entry = match &self.state {
            None => None,
            Some(state) => {
                let (mut entry, judged) = Entry::of(state, &mut request);
                if let Err(error) = judged {
                    let mut response = error.into_response();
                    entry.finish(&mut response);
                    return (response, entry.caller);
                }
                Some(entry)
            }
        };
        let answer: Result<_, Infallible> = self.router.call(request).await;
        let Ok(mut response) = answer;
        if let Some(entry) = &mut entry {
            entry.finish(&mut response);
        }
        (response, entry.and_then(|entry| entry.caller))
    }
}

/// A request on its way through.
struct Passage {
    state: ApiState,
    control: Control,
    link: Arc<Link>,
    method: Method,
    uri: Uri,
}

impl Passage {
    async fn pass(self, way: Way, request: Request<Body>) -> Answer {
        let (caller, met) = if self.control.faults().is_empty() {
            (None, None)
        } else {
            let caller = self.caller(request.headers());
            let tenant = caller.map(|caller| caller.tenant);
            let met = self.control.faults().meet(&self.method, &self.uri, tenant);
            (caller, met)
        };
        let Some((rule, fault)) = met else {
            let (response, caller) = way.go(request).await;
            self.note(response.status(), caller, None);
            return Ok(response);
        };
        let answer = self.injured(&fault, way, request).await;
        match &answer {
            Ok(response) => self.note(response.status(), caller, Some(rule)),
            Err(Cut) => self.record(0, caller, Some(rule)),
        }
        answer
    }

    /// Who asks, before a fault can have changed that.
    fn caller(&self, headers: &HeaderMap) -> Option<Caller> {
        let now = self.state.now();
        let holder = bearer(headers).and_then(|token| self.state.token_holder(token, now));
        holder.map(|(caller, _)| caller)
    }

    async fn injured(&self, fault: &FaultBody, way: Way, mut request: Request<Body>) -> Answer {
        let lasting = fault.lasting.map(super::admin::Span::std);
        match fault.kind {
            FaultKind::TooManyRequests => Ok(self.refusal(StatusCode::TOO_MANY_REQUESTS, fault)),
            FaultKind::ServiceUnavailable => {
                Ok(self.refusal(StatusCode::SERVICE_UNAVAILABLE, fault))
            }
            FaultKind::Reset | FaultKind::Hang => {
                let default = if fault.kind == FaultKind::Reset {
                    Moment::After
                } else {
                    Moment::Before
                };
                if fault.moment.unwrap_or(default) == Moment::After {
                    drop(way.go(request).await.0);
                }
                if fault.kind == FaultKind::Hang {
                    tokio::time::sleep(lasting.unwrap_or(HANG_DEFAULT)).await;
                }
                self.link.cut();
                Err(Cut)
            }
            FaultKind::Delay => {
                tokio::time::sleep(lasting.unwrap_or(EVERY_DEFAULT)).await;
                Ok(way.go(request).await.0)
            }
            FaultKind::TokenExpiry => {
                if let Some(token) = bearer(request.headers()) {
                    self.state.expire_token(token);
                }
                Ok(way.go(request).await.0)
            }
            FaultKind::SlowBody => Ok(slow(way.go(request).await.0, fault).await),
            FaultKind::TruncatedBody => Ok(truncated(way.go(request).await.0, fault).await),
            FaultKind::WebsocketDrop => {
                let response = way.go(request).await.0;
                if response.status() == StatusCode::SWITCHING_PROTOCOLS {
                    let link = Arc::clone(&self.link);
                    drop(tokio::spawn(async move {
                        tokio::time::sleep(lasting.unwrap_or_default()).await;
                        link.cut();
                    }));
                }
                Ok(response)
            }
            FaultKind::JobFailure => {
                request.extensions_mut().insert(Doomed);
                Ok(way.go(request).await.0)
            }
            FaultKind::DuplicateDelivery => Ok(way.go(request).await.0),
        }
    }

    fn refusal(&self, status: StatusCode, fault: &FaultBody) -> Response<Body> {
        let retry_after = fault.retry_after.as_ref().map(|said| match said {
            RetryAfter::Seconds(seconds) => seconds.to_string(),
            RetryAfter::Text(text) => text.clone(),
        });
        let correlation = self.state.next_correlation();
        let (code, message) = match (status, &retry_after) {
            (StatusCode::TOO_MANY_REQUESTS, Some(wait)) => (
                "too.many.requests.retry.after",
                format!("Rate limit exceeded the maximum. Retry the request in [{wait}] seconds"),
            ),
            (StatusCode::TOO_MANY_REQUESTS, None) => (
                "too.many.requests",
                "Rate limit exceeded the maximum.".to_owned(),
            ),
            _ => (
                "service.unavailable",
                "Service Unavailable - The server is currently unavailable.".to_owned(),
            ),
        };
        let body = ErrorBody {
            message: message.into(),
            code: code.into(),
            status: status.as_u16(),
            context_id: correlation.to_string(),
            ..ErrorBody::default()
        };
        // Strings and numbers only: there is nothing in it that JSON could not say.
        let mut response = Response::new(Body::from(serde_json::to_vec(&body).unwrap_or_default()));
        *response.status_mut() = status;
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, JSON);
        headers.insert(CORRELATION, correlation.header());
        let retry_after = retry_after.and_then(|text| HeaderValue::try_from(text).ok());
        if let Some(wait) = retry_after {
            headers.insert(RETRY_AFTER, wait);
        }
        response
    }

    /// The request was answered.
    fn note(&self, status: StatusCode, caller: Option<Caller>, fault: Option<u64>) {
        self.link.request_ends(status);
        if status == StatusCode::SWITCHING_PROTOCOLS {
            let channel = self.uri.path().strip_prefix("/channels/");
            let tenant = channel.and_then(|id| self.state.hub().owner(id));
            self.control.links().add_websocket(&self.link, tenant);
        }
        self.record(status.as_u16(), caller, fault);
    }

    fn record(&self, status: u16, caller: Option<Caller>, fault: Option<u64>) {
        self.control.journal().record(Record {
            at: caller.map_or_else(|| self.state.now(), |caller| caller.now),
            wall_millis: wall_millis(),
            tenant: caller.map(|caller| caller.tenant),
            method: self.method.clone(),
            target: target_of(&self.uri),
            status,
            fault,
            storage: None,
        });
    }
}

/// How long a body is. What does not say so is short, and waited for.
async fn measured(response: Response<Body>) -> (axum::http::response::Parts, Body, u64) {
    let (mut parts, body) = response.into_parts();
    let (body, length) = match body.size_hint().exact() {
        Some(length) => (body, length),
        None => {
            let whole = body.collect().await;
            let whole = whole.map(http_body_util::Collected::to_bytes);
            let whole = whole.unwrap_or_default();
            let length = whole.len() as u64;
            (Body::from(whole), length)
        }
    };
    parts.headers.remove(TRANSFER_ENCODING);
    parts.headers.insert(CONTENT_LENGTH, length.into());
    (parts, body, length)
}

async fn slow(response: Response<Body>, fault: &FaultBody) -> Response<Body> {
    let chunk = fault.chunk.map_or(CHUNK_DEFAULT, |chunk| {
        usize::try_from(chunk).unwrap_or(CHUNK_DEFAULT)
    });
    let every = fault.every.map_or(EVERY_DEFAULT, super::admin::Span::std);
    let (parts, body, _) = measured(response).await;
    let begun = (body.into_data_stream(), Bytes::new());
    let pieces = stream::unfold(begun, move |(mut body, mut rest)| async move {
        while rest.is_empty() {
            match body.next().await? {
                Ok(more) => rest = more,
                Err(error) => return Some((Err(error), (body, rest))),
            }
        }
        tokio::time::sleep(every).await;
        let piece = rest.split_to(chunk.min(rest.len()));
        Some((Ok(piece), (body, rest)))
    });
    Response::from_parts(parts, Body::from_stream(pieces))
}

/// Half of the body, or what is said, and then the connection ends.
async fn truncated(response: Response<Body>, fault: &FaultBody) -> Response<Body> {
    let (parts, body, length) = measured(response).await;
    let keep = fault.keep.map_or(length / 2, u64::from).min(length);
    let begun = Some((body.into_data_stream(), keep));
    let pieces = stream::unfold(begun, |left| async move {
        let (mut body, keep) = left?;
        if keep > 0
            && let Some(Ok(mut piece)) = body.next().await
        {
            piece.truncate(usize::try_from(keep).unwrap_or(usize::MAX));
            let keep = keep - piece.len() as u64;
            return Some((Ok(piece), Some((body, keep))));
        }
        // The server sends what it has when it must wait for more.
        tokio::time::sleep(FLUSH).await;
        Some((Err(Cut), None))
    });
    Response::from_parts(parts, Body::from_stream(pieces))
}
