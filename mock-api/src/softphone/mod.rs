//! Doors for callers that nobody here wrote: a page with a softphone, and WHIP.
//!
//! A caller that comes this way is a guest: the platform makes a conversation for it once audio can
//! flow, and its recording is one like any other.

mod guests;
mod problem;
#[cfg(test)]
mod tests;
mod whip;

pub(crate) use guests::Guests;

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::{StatusCode, header};
use axum::middleware::from_fn_with_state;
use axum::response::{Html, IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use parking_lot::Mutex;
use racegate_model::ids::{ConversationId, RecordingId};
use serde_json::json;

use crate::http::{WebAccess, own_pages_only};
use crate::ingest::IngestShards;
use crate::service::Service;
use problem::Problem;
use whip::WhipSessions;

/// The page; it loads nothing else.
const PAGE: &str = include_str!("page.html");
/// What the page may do: itself, its own server, and nobody else.
const PAGE_POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; \
    script-src 'unsafe-inline'; connect-src 'self'; media-src 'self' blob:; img-src data:; \
    base-uri 'none'; form-action 'none'";

/// What the doors share.
struct Doors {
    service: Service,
    ingest: IngestShards,
    guests: Guests,
    web: WebAccess,
    whip: Mutex<WhipSessions>,
}

/// The page, its calls and recordings, and the WHIP endpoint.
pub(crate) fn routes(
    service: &Service,
    ingest: &IngestShards,
    guests: Guests,
    web: &WebAccess,
) -> Router {
    let doors = Doors {
        service: service.clone(),
        ingest: ingest.clone(),
        guests,
        web: web.clone(),
        whip: Mutex::default(),
    };
    // Of each method that there is: what there is none of is refused as such.
    let own = from_fn_with_state(web.clone(), own_pages_only);
    Router::new()
        .route("/softphone", get(page).route_layer(own.clone()))
        .route("/softphone/calls", post(call).route_layer(own.clone()))
        .route(
            "/softphone/recordings/{conversation}",
            get(recording).route_layer(own),
        )
        .merge(whip::routes(web))
        .with_state(Arc::new(doors))
}

async fn page() -> Response {
    ([(header::CONTENT_SECURITY_POLICY, PAGE_POLICY)], Html(PAGE)).into_response()
}

/// Promises a conversation to the page's next call.
async fn call(State(doors): State<Arc<Doors>>) -> Result<Response, Problem> {
    let index = doors.guests.promise()?;
    let seed = doors.service.seed();
    let conversation = ConversationId::of(seed, index).to_string();
    let body = json!({
        "conversationId": conversation,
        "recordingId": RecordingId::of(seed, index).to_string(),
        "audio": format!("/softphone/recordings/{conversation}"),
    });
    Ok((StatusCode::CREATED, Json(body)).into_response())
}

/// A guest's recording, as it was stored.
async fn recording(
    State(doors): State<Arc<Doors>>,
    Path(conversation): Path<String>,
) -> Result<Response, Problem> {
    let call = doors.service.calls().by_conversation(&conversation);
    let call = call.filter(Guests::is_guest);
    let media = match call {
        Some(call) => doors.service.store().read_media(call.index).await,
        None => None,
    };
    let media = media.ok_or(Problem::new(
        StatusCode::NOT_FOUND,
        "there is no recording of that call yet",
    ))?;
    let kind = [(header::CONTENT_TYPE, "audio/ogg")];
    Ok((kind, Body::new(media)).into_response())
}
