//! The lagging Recording API inside somebody else's `wiremock` tests.
//!
//! [`LaggingApi`] answers whatever a mounted mock lets through with the very router that the HTTP
//! server runs: tokens, rate limits, jobs, and metadata that comes after its media. Time is the
//! test's: the clock stands still until [`LaggingApi::advance`], or runs as in
//! [`LaggingApi::in_real_time`].
//!
//! ```
//! use std::time::Duration;
//!
//! use mock_api::wiremock::LaggingApi;
//! use wiremock::{Mock, MockServer, matchers::any};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! // Everything of a recording is there five seconds after its call, but for the index.
//! let api = LaggingApi::new(&["platform.metadata.lag=5s", "platform.index.lag=2s"])?;
//! let server = MockServer::start().await;
//! Mock::given(any()).respond_with(api.clone()).mount(&server).await;
//!
//! let call = api.end_call();
//! let early = api.visible(call);
//! api.advance(Duration::from_secs(10));
//! let late = api.visible(call);
//! assert!(early.is_empty() && !late.is_empty());
//! // …and the code under test talks to `server.uri()` with `api.client_id()` and its secret.
//! # Ok(())
//! # }
//! ```
//!
//! wiremock answers one request at a time, so a long poll (`maxWaitMs`) does not wait: it gets the
//! answer of the instant. WebSockets are beyond it.

use std::sync::Arc;
use std::time::Duration as StdDuration;

use ::wiremock::{Request, Respond, ResponseTemplate};
use axum::Router;
use axum::body::Body;
use axum::http::header::{CONTENT_LENGTH, HOST};
use axum::http::{HeaderMap, HeaderValue, StatusCode, Uri};
use futures_util::FutureExt;
use http_body_util::BodyExt;
use racegate_model::field::{Field, FieldSet, Kind};
use racegate_model::ids::{ArmIndex, ConversationId, RecordingId, RecordingIndex, TenantIndex};
use racegate_model::scenario::{ReadPath, Scenario};
use racegate_model::time::{Duration, Timestamp};
use racegate_model::timeline::Hold;
use racegate_model::workload::Call;
use racegate_scenario::{Diagnostics, Override};
use tower_service::Service as _;

use crate::clock::{Pace, RunClock};
use crate::gentle;
use crate::http::{self, ApiConfig, ApiState};
use crate::service::{On, Service, ServiceConfig, TenantConfig};
use crate::storage::Store;
use crate::storage::layout::RunEpoch;
use crate::traffic::Traffic;

/// The lagging API as a responder. Cheap to clone; clones are the same platform.
#[derive(Clone)]
pub struct LaggingApi {
    inner: Arc<Inner>,
}

struct Inner {
    service: Service,
    traffic: Traffic,
    clock: RunClock,
    router: Router,
}

/// A call that has ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct EndedCall {
    /// Id of its conversation.
    pub conversation: ConversationId,
    /// Id of its recording.
    pub recording: RecordingId,
    index: RecordingIndex,
}

impl LaggingApi {
    /// The platform of the built-in scenario with these changes (`KEY=VALUE`, as `--set` takes
    /// them), on a clock that stands still, and without calls but those of [`Self::end_call`].
    ///
    /// # Errors
    /// What is wrong with the changes.
    pub fn new(changes: &[&str]) -> Result<Self, Diagnostics> {
        let changes: Vec<Override> = changes.iter().copied().map(Override::set).collect();
        let scenario = gentle::scenario(&changes)?;
        Ok(Self::of_scenario(&scenario, Pace::MANUAL))
    }

    /// Likewise, on a clock that runs.
    ///
    /// # Errors
    /// What is wrong with the changes.
    pub fn in_real_time(changes: &[&str]) -> Result<Self, Diagnostics> {
        let changes: Vec<Override> = changes.iter().copied().map(Override::set).collect();
        let scenario = gentle::scenario(&changes)?;
        Ok(Self::of_scenario(&scenario, Pace::REAL))
    }

    /// The platform of any scenario.
    #[must_use]
    pub fn of_scenario(scenario: &Scenario, pace: Pace) -> Self {
        let tenant = TenantConfig::derived(scenario.seed, TenantIndex(0), ArmIndex(0), "wiremock");
        let epoch = RunEpoch::now();
        let config = ServiceConfig::apart(scenario, vec![tenant], epoch);
        // What the platform makes known goes nowhere: there is no sender of webhooks here.
        let (service, _) = Service::new(config, Store::default());
        let clock = RunClock::dialled(Timestamp::ZERO, pace);
        let traffic = Traffic::new(service.clone(), None);
        let state = ApiState::new(service.clone(), clock, ApiConfig::new(epoch));
        let inner = Inner {
            service,
            traffic,
            clock,
            router: http::router(state),
        };
        Self {
            inner: Arc::new(inner),
        }
    }

    /// What to log in with at `/oauth/token`.
    #[must_use]
    pub fn client_id(&self) -> &str {
        &self.tenant().credentials.client_id
    }

    /// Its secret.
    #[must_use]
    pub fn client_secret(&self) -> &str {
        &self.tenant().credentials.client_secret
    }

    fn tenant(&self) -> &TenantConfig {
        self.inner.service.tenants()[0].config()
    }

    /// A WebRTC call of five seconds ends now; its recording follows as the scenario says.
    pub fn end_call(&self) -> EndedCall {
        self.end(Kind::Webrtc, Hold::Free)
    }

    /// A call of five seconds ends now.
    ///
    /// # Panics
    /// After 33 million calls.
    pub fn end(&self, kind: Kind, hold: Hold) -> EndedCall {
        let inner = &self.inner;
        let (now, seed) = (inner.clock.now(), inner.service.seed());
        let arrival = now - Duration::from_secs(5);
        let call = |index: RecordingIndex| Call {
            index,
            arrival,
            duration: now.since(arrival),
            kind,
            hold,
        };
        let call = inner.traffic.place(now, On::Every, call, |_| None);
        let index = call.expect("nobody ends that many calls in a test").index;
        EndedCall {
            conversation: ConversationId::of(seed, index),
            recording: RecordingId::of(seed, index),
            index,
        }
    }

    /// Lets time pass, with everything that happens in it.
    pub fn advance(&self, by: StdDuration) {
        let by = Duration::from_nanos(u64::try_from(by.as_nanos()).unwrap_or(u64::MAX));
        let inner = &self.inner;
        // A clock goes forward by any length.
        let at = inner.clock.now() + by;
        inner.traffic.advance(inner.clock, at).ok();
    }

    /// The fields of a call's recording that a `GET` would show now.
    #[must_use]
    pub fn visible(&self, call: EndedCall) -> FieldSet {
        let inner = &self.inner;
        let now = inner.clock.now();
        inner.traffic.handle_timeout(now);
        let tenant = &inner.service.tenants()[0];
        let view = tenant.view(&inner.service, now, call.index, ReadPath::Primary);
        view.map_or(FieldSet::EMPTY, |view| view.present.without(Field::Media))
    }

    fn answer(&self, request: &Request) -> Option<ResponseTemplate> {
        let mut router = self.inner.router.clone();
        let answer = router.call(translated(request, Waits::AsAsked)?);
        // Only a long poll does not answer at once.
        let answer = match answer.now_or_never() {
            Some(answer) => answer,
            None => router
                .call(translated(request, Waits::Never)?)
                .now_or_never()?,
        };
        let Ok(answer) = answer;
        let (parts, body) = answer.into_parts();
        let body = body.collect().now_or_never()?.ok()?.to_bytes();
        Some(template(parts.status, &parts.headers, &body))
    }
}

impl std::fmt::Debug for LaggingApi {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LaggingApi")
            .field("client_id", &self.client_id())
            .finish_non_exhaustive()
    }
}

impl Respond for LaggingApi {
    fn respond(&self, request: &Request) -> ResponseTemplate {
        self.inner.traffic.handle_timeout(self.inner.clock.now());
        // Every path and method is one that the router knows how to refuse.
        self.answer(request)
            .unwrap_or_else(|| ResponseTemplate::new(StatusCode::NOT_IMPLEMENTED))
    }
}

/// Whether a long poll waits.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Waits {
    AsAsked,
    Never,
}

/// The request as the router takes it.
fn translated(request: &Request, waits: Waits) -> Option<axum::http::Request<Body>> {
    let mut target = request.url.path().to_owned();
    let query = request.url.query().unwrap_or_default();
    let kept = query
        .split('&')
        .filter(|part| waits == Waits::AsAsked || !part.starts_with("maxWaitMs="));
    let kept = kept.collect::<Vec<_>>().join("&");
    if !kept.is_empty() {
        target = format!("{target}?{kept}");
    }
    let mut translated = axum::http::Request::new(Body::from(request.body.clone()));
    *translated.method_mut() = request.method.clone();
    *translated.uri_mut() = target.parse::<Uri>().ok()?;
    *translated.headers_mut() = request.headers.clone();
    let headers = translated.headers_mut();
    if !headers.contains_key(HOST) {
        headers.insert(HOST, HeaderValue::from_static("localhost"));
    }
    Some(translated)
}

fn template(status: StatusCode, headers: &HeaderMap, body: &[u8]) -> ResponseTemplate {
    let mime = headers.get(axum::http::header::CONTENT_TYPE);
    let mime = mime.and_then(|mime| mime.to_str().ok()).unwrap_or_default();
    let mut template = ResponseTemplate::new(status);
    if !body.is_empty() {
        template = template.set_body_raw(body, mime);
    }
    for (name, value) in headers {
        if name != CONTENT_LENGTH {
            template = template.insert_header(name, value);
        }
    }
    template
}
