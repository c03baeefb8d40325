//! The WHIP endpoint (RFC 9725): a client offers by `POST`, trickles by `PATCH` and hangs up by
//! `DELETE`.
//!
//! The server is ICE-lite: it learns a client's addresses from its checks, so trickled candidates
//! are taken and not needed, and ICE cannot be restarted. Pages of any origin may publish here.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, Path, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, Uri, header};
use axum::middleware::{from_fn_with_state, map_response};
use axum::response::{IntoResponse, Response};
use axum::routing::{delete, post};
use axum::{Extension, Router};
use headers::{ETag, Header as _, IfMatch};
use racegate_model::ids::ConversationId;
use tokio::sync::mpsc;
use tokio::time::timeout;

use super::Doors;
use super::problem::Problem;
use crate::http::{Origin, Peer, WebAccess, any_page};
use crate::ingest::{End, EndReason, Ingest, IngestError};

/// Sessions at once, at most.
const SESSIONS_MAX: usize = 1024;
/// The longest description; real ones have a few thousand bytes.
const BODY_MAX: usize = 64 * 1024;
/// How long the media thread may take to answer; it takes milliseconds if it runs at all.
const ANSWER_WITHIN: Duration = Duration::from_secs(5);

const SDP: &str = "application/sdp";
const FRAGMENT: &str = "application/trickle-ice-sdpfrag";
const ACCEPT_POST: HeaderName = HeaderName::from_static("accept-post");
const ACCEPT_PATCH: HeaderName = HeaderName::from_static("accept-patch");
/// Headers of requests that a page may send, and of answers that it may read.
const SENT: &str = "Authorization, Content-Type, If-Match";
const EXPOSED: &str =
    "Accept-Patch, Accept-Post, Conversation-Id, ETag, Link, Location, Retry-After";
/// Not of the RFC: the conversation that the platform made for the session.
const CONVERSATION: HeaderName = HeaderName::from_static("conversation-id");

/// WHIP sessions by id.
pub(super) type WhipSessions = BTreeMap<String, WhipSession>;

/// A session: its entity tag, what its client's ICE is called, and where it is.
#[derive(Clone)]
pub(super) struct WhipSession {
    tag: ETag,
    credentials: IceCredentials,
    ingest: Ingest,
}

pub(super) fn routes(web: &WebAccess) -> Router<Arc<Doors>> {
    let named = from_fn_with_state(web.clone(), any_page);
    let endpoint = post(offer).options(endpoint_options);
    let session = delete(hang_up).patch(trickle).options(session_options);
    Router::new()
        .route("/whip", endpoint.route_layer(named.clone()))
        .route("/whip/{session}", session.route_layer(named))
        .layer(DefaultBodyLimit::max(BODY_MAX))
        .layer(map_response(share))
}

/// Lets pages of any origin read an answer (RFC 9725, section 4.2; the Fetch standard).
async fn share(mut response: Response) -> Response {
    let headers = response.headers_mut();
    let any = HeaderValue::from_static("*");
    headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, any);
    let exposed = HeaderValue::from_static(EXPOSED);
    headers.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, exposed);
    response
}

async fn endpoint_options() -> Response {
    options("POST, OPTIONS", (ACCEPT_POST, SDP))
}

async fn session_options() -> Response {
    options("PATCH, DELETE, OPTIONS", (ACCEPT_PATCH, FRAGMENT))
}

/// What may be done, told clients and the preflights of browsers.
fn options(methods: &'static str, accepted: (HeaderName, &'static str)) -> Response {
    let allow = [
        (header::ALLOW, methods),
        accepted,
        (header::ACCESS_CONTROL_ALLOW_METHODS, methods),
        (header::ACCESS_CONTROL_ALLOW_HEADERS, SENT),
        (header::ACCESS_CONTROL_MAX_AGE, "600"),
    ];
    (StatusCode::NO_CONTENT, allow).into_response()
}

async fn offer(
    State(doors): State<Arc<Doors>>,
    peer: Option<Extension<Peer>>,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, Problem> {
    let offer = text_of(&headers, &body, SDP)?;
    if doors.whip.lock().len() >= SESSIONS_MAX {
        return Err(busy("there are too many sessions"));
    }
    let index = doors.guests.promise()?;
    let conversation = ConversationId::of(doors.service.seed(), index).to_string();
    let ingest = doors.ingest.any().clone();
    let session = ingest.next_session_id(&conversation);
    let (sender, notices) = mpsc::channel(1);
    let accepted = ingest.accept(&conversation, &session, offer, sender);
    let answer = match timeout(ANSWER_WITHIN, accepted).await {
        Ok(Ok(answer)) => answer,
        Ok(Err(IngestError::Peer(error))) => {
            return Err(Problem::new(StatusCode::BAD_REQUEST, error.to_string()));
        }
        Ok(Err(error)) => return Err(busy(&error.to_string())),
        Err(_) => return Err(busy("the media thread does not answer")),
    };
    let tag = format!("\"{session}\"");
    let held = WhipSession {
        tag: tag.parse().map_err(|_| busy("the session has no name"))?,
        credentials: IceCredentials::of(offer),
        ingest: ingest.clone(),
    };
    doors.whip.lock().insert(session.clone(), held);
    tokio::spawn(forget(Arc::clone(&doors), session.clone(), notices));
    let peer = peer.map(|Extension(peer)| peer);
    let origin = Origin::of(doors.web.public_url.as_ref(), peer, &uri, &headers);
    let location = format!("{}/whip/{session}", origin.http());
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static(SDP)),
        (header::LOCATION, value(&location)?),
        (header::ETAG, value(&tag)?),
        (ACCEPT_PATCH, HeaderValue::from_static(FRAGMENT)),
        (CONVERSATION, value(&conversation)?),
    ];
    Ok((StatusCode::CREATED, headers, answer).into_response())
}

async fn trickle(
    State(doors): State<Arc<Doors>>,
    Path(session): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, Problem> {
    let held = doors.whip.lock().get(&session).cloned();
    let held = held.ok_or_else(no_session)?;
    let fragment = text_of(&headers, &body, FRAGMENT)?;
    check_fragment(fragment)?;
    if !headers.contains_key(header::IF_MATCH) {
        return Err(Problem::new(
            StatusCode::PRECONDITION_REQUIRED,
            "If-Match must name the session's entity tag",
        ));
    }
    check_match(&headers, &held.tag)?;
    if IceCredentials::of(fragment).differ_from(&held.credentials) {
        return Err(Problem::new(
            StatusCode::UNPROCESSABLE_ENTITY,
            "ICE cannot be restarted here",
        ));
    }
    Ok(StatusCode::NO_CONTENT.into_response())
}

async fn hang_up(
    State(doors): State<Arc<Doors>>,
    Path(session): Path<String>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let held = {
        let mut sessions = doors.whip.lock();
        let held = sessions.get(&session).ok_or_else(no_session)?;
        check_match(&headers, &held.tag)?;
        sessions.remove(&session).ok_or_else(no_session)?
    };
    let end = End {
        reason: EndReason::HungUp,
        at: Instant::now(),
        digest: None,
    };
    let ended = held.ingest.end(&session, end).await;
    ended.map_err(|error| busy(&error.to_string()))?;
    Ok(StatusCode::OK.into_response())
}

/// Refuses unless `If-Match`, where there is one, is of that session (RFC 9110, section 13.1.1). The
/// star in quotes is how RFC 9725 writes the one that matches anything.
fn check_match(headers: &HeaderMap, tag: &ETag) -> Result<(), Problem> {
    let mut given = headers.get_all(header::IF_MATCH).iter().peekable();
    let any = given.peek().is_some_and(|given| *given == "\"*\"");
    if given.peek().is_none() || any {
        return Ok(());
    }
    let condition = IfMatch::decode(&mut given);
    if condition.is_ok_and(|condition| condition.precondition_passes(tag)) {
        return Ok(());
    }
    Err(Problem::new(
        StatusCode::PRECONDITION_FAILED,
        "that is not the session's entity tag",
    ))
}

/// What a client's side of ICE is called: of each part of a description, or of the whole.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
struct IceCredentials {
    names: BTreeSet<String>,
    passwords: BTreeSet<String>,
}

impl IceCredentials {
    /// Those of a description, or a fragment of one.
    fn of(text: &str) -> Self {
        let all = |prefix: &str| {
            let values = text.lines().filter_map(|line| line.strip_prefix(prefix));
            values.map(|value| value.trim().to_owned()).collect()
        };
        Self {
            names: all("a=ice-ufrag:"),
            passwords: all("a=ice-pwd:"),
        }
    }

    /// Whether one of these is not among the session's: ICE is to begin again (RFC 8838).
    fn differ_from(&self, session: &Self) -> bool {
        !self.names.is_subset(&session.names) || !self.passwords.is_subset(&session.passwords)
    }
}

/// Forgets a session when the server's side of it is over.
async fn forget(
    doors: Arc<Doors>,
    session: String,
    mut notices: mpsc::Receiver<crate::ingest::Notice>,
) {
    // A closed channel means the same.
    drop(notices.recv().await);
    doors.whip.lock().remove(&session);
}

/// The body as text, if it is of that kind.
fn text_of<'a>(headers: &HeaderMap, body: &'a [u8], kind: &str) -> Result<&'a str, Problem> {
    let given = headers.get(header::CONTENT_TYPE);
    let given = given.and_then(|value| value.to_str().ok()).unwrap_or("");
    let essence = given.split(';').next().unwrap_or("").trim();
    if !essence.eq_ignore_ascii_case(kind) {
        return Err(Problem::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            format!("the body must be {kind}"),
        ));
    }
    std::str::from_utf8(body)
        .map_err(|_| Problem::new(StatusCode::BAD_REQUEST, "the body is not UTF-8"))
}

/// What is trickled is not needed, and yet it must be what it says it is (RFC 8840).
fn check_fragment(text: &str) -> Result<(), Problem> {
    let bad = |text: String| {
        let text = format!("the fragment {text}");
        Err(Problem::new(StatusCode::BAD_REQUEST, text))
    };
    if text.trim().is_empty() {
        return bad("is empty".to_owned());
    }
    let lines = (1..).zip(text.lines().map(str::trim_end));
    for (number, line) in lines.filter(|(_, line)| !line.is_empty()) {
        let [kind, b'=', ..] = line.as_bytes() else {
            return bad(format!("has a line {number} that is not type=value"));
        };
        let candidate = line.strip_prefix("a=candidate:");
        if !kind.is_ascii_lowercase() || candidate.is_some_and(|value| !is_candidate(value)) {
            return bad(format!("has no usable line {number}"));
        }
    }
    Ok(())
}

/// `foundation component transport priority address port typ kind …` (RFC 8839, section 5.1).
fn is_candidate(value: &str) -> bool {
    let words: Vec<_> = value.split_ascii_whitespace().collect();
    let [_, component, _, priority, _, port, "typ", _, ..] = words[..] else {
        return false;
    };
    component.parse::<u16>().is_ok()
        && priority.parse::<u32>().is_ok()
        && port.parse::<u16>().is_ok()
}

fn no_session() -> Problem {
    Problem::new(StatusCode::NOT_FOUND, "there is no such session")
}

fn busy(detail: &str) -> Problem {
    Problem::new(StatusCode::SERVICE_UNAVAILABLE, detail)
}

fn value(text: &str) -> Result<HeaderValue, Problem> {
    HeaderValue::from_str(text).map_err(|_| busy("an address of this server cannot be written"))
}
