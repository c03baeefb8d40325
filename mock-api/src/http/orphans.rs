//! Orphan recordings: media whose conversation's metadata is not there, which is this race under
//! the platform's own name.

use axum::body::Body;
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Json, Response};
use racegate_model::ids::{RecordingId, RecordingIndex};
use racegate_model::time::Timestamp;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::downloads::CONTENT;
use super::error::{ApiError, Entity};
use super::extract::{JsonBody, PathOf};
use super::gateway::Caller;
use super::keeping::OrphanFate;
use super::origin::Origin;
use super::paging::{PageSize, Paging};
use super::params::Params;
use super::seen::{Seen, look_now, recording_of, there};
use super::state::ApiState;
use super::wire::ApiDate;
use super::wire::fields::Shown;
use super::wire::orphan::{OrphanRecording, OrphanStatus, OrphanUpdate};
use super::wire::paging::Listing;
use super::wire::recording::Recording;

const BASE: &str = "/api/v2/orphanrecordings";
/// Orphans that a listing knows of, as at the real API.
const ORPHANS_MAX: usize = 500;
/// Recordings that are looked through before others get a turn.
const SCAN: usize = 1024;
const VIEW: &[&str] = &["recording:orphan:view"];

pub(super) fn routes() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new()
        .routes(routes!(list))
        .routes(routes!(one, adopt, remove))
        .routes(routes!(media))
}

/// Recordings whose media is there and whose metadata is not; 500 at most.
#[utoipa::path(
    get,
    path = "/api/v2/orphanrecordings",
    tag = "orphans",
    params(
        ("pageSize" = Option<u32>, Query, minimum = 1, maximum = 100),
        ("pageNumber" = Option<u32>, Query, minimum = 1, maximum = 2_147_483_647),
        ("sortBy" = Option<String>, Query),
        ("expand" = Option<String>, Query),
        ("nextPage" = Option<String>, Query),
        ("previousPage" = Option<String>, Query),
        ("hasConversation" = Option<bool>, Query),
        ("media" = Option<super::wire::words::OrphanMedia>, Query),
    ),
    responses((status = 200, body = Listing<OrphanRecording>))
)]
async fn list(
    State(state): State<ApiState>,
    caller: Caller,
    origin: Origin,
    params: Params,
) -> Result<Response, ApiError> {
    state.need_any(caller, VIEW)?;
    let paging = Paging::of(&params, PageSize::USUAL)?;
    params.flag("hasConversation")?;
    let kinds = &["Call", "Chat", "Email", "Screen"];
    let media = params.word("media", kinds)?;
    let mut orphans = Vec::new();
    let mut from = RecordingIndex(0);
    while orphans.len() < ORPHANS_MAX && matches!(media, None | Some("Call")) {
        let page = state.calls(caller).ended_from(from, SCAN);
        let Some(last) = page.last() else { break };
        from = RecordingIndex(last.0 + 1);
        let seen = page
            .into_iter()
            .filter_map(|index| look_now(&state, caller, index));
        orphans.extend(seen.filter(Seen::is_orphan));
        tokio::task::yield_now().await;
    }
    orphans.truncate(ORPHANS_MAX);
    let expand = params.all("expand").contains(&"recording");
    let listing = paging.listing(&params.address_of(BASE), &orphans, |seen| {
        let recording = expand.then(|| recording_of(&state, caller, &origin, seen));
        Some(shown(&state, caller, seen, recording))
    });
    Ok(Json(listing).into_response())
}

/// An orphan.
#[utoipa::path(
    get,
    path = "/api/v2/orphanrecordings/{orphanId}",
    tag = "orphans",
    params(("orphanId" = String, Path)),
    responses((status = 200, body = OrphanRecording))
)]
async fn one(
    State(state): State<ApiState>,
    caller: Caller,
    origin: Origin,
    PathOf(id): PathOf<String>,
) -> Result<Response, ApiError> {
    state.need_any(caller, VIEW)?;
    let seen = find(&state, caller, &id)?;
    let recording = recording_of(&state, caller, &origin, &seen);
    Ok(Json(shown(&state, caller, &seen, Some(recording))).into_response())
}

/// Makes an orphan a regular recording.
#[utoipa::path(
    put,
    path = "/api/v2/orphanrecordings/{orphanId}",
    tag = "orphans",
    params(("orphanId" = String, Path)),
    request_body = OrphanUpdate,
    responses((status = 200, body = Recording))
)]
async fn adopt(
    State(state): State<ApiState>,
    caller: Caller,
    origin: Origin,
    PathOf(id): PathOf<String>,
    body: JsonBody<OrphanUpdate>,
) -> Result<Response, ApiError> {
    state.need_any(caller, &["recording:orphan:edit"])?;
    let update = body.value()?;
    let seen = find(&state, caller, &id)?;
    let own = seen.truth.conversation.to_string();
    if update.conversation_id.is_some_and(|said| said != own) {
        return Err(ApiError::bad_request(
            "The recording is another conversation's.",
        ));
    }
    if update.export_date.is_some() && update.integration_id.is_none() {
        return Err(ApiError::missing("integrationId"));
    }
    state.desk(caller).keeping.change(seen.index, |kept| {
        kept.orphan = OrphanFate::Adopted;
        kept.archive_at = update.archive_date;
        kept.restored = None;
        kept.delete_at = update.delete_date;
    });
    let seen = there(&state, caller, seen.index)?;
    Ok(Json(recording_of(&state, caller, &origin, &seen)).into_response())
}

/// Deletes an orphan.
#[utoipa::path(
    delete,
    path = "/api/v2/orphanrecordings/{orphanId}",
    tag = "orphans",
    params(("orphanId" = String, Path)),
    responses((status = 200, body = OrphanRecording))
)]
async fn remove(
    State(state): State<ApiState>,
    caller: Caller,
    PathOf(id): PathOf<String>,
) -> Result<Response, ApiError> {
    state.need_any(caller, &["recording:orphan:delete"])?;
    let seen = find(&state, caller, &id)?;
    let deleted = |kept: &mut super::keeping::Kept| kept.orphan = OrphanFate::Deleted;
    state.desk(caller).keeping.change(seen.index, deleted);
    Ok(Json(shown(&state, caller, &seen, None)).into_response())
}

/// An orphan's audio.
#[utoipa::path(
    get,
    path = "/api/v2/orphanrecordings/{orphanId}/media",
    tag = "orphans",
    params(("orphanId" = String, Path)),
    responses(
        (status = 200, body = Vec<u8>, content_type = "audio/ogg"),
        (status = 202, description = "It is being transcoded"),
    )
)]
async fn media(
    State(state): State<ApiState>,
    caller: Caller,
    PathOf(id): PathOf<String>,
) -> Result<Response, ApiError> {
    state.need_any(caller, VIEW)?;
    let seen = find(&state, caller, &id)?;
    let Some(media) = state.service().store().read_media(seen.index).await else {
        return Ok(StatusCode::ACCEPTED.into_response());
    };
    Ok(([(CONTENT_TYPE, CONTENT)], Body::new(media)).into_response())
}

fn find(state: &ApiState, caller: Caller, id: &str) -> Result<Seen, ApiError> {
    let index = RecordingId::parse(id).and_then(|id| id.index(state.service().seed()));
    let seen = index.and_then(|index| look_now(state, caller, index));
    seen.filter(Seen::is_orphan)
        .ok_or_else(|| Entity::Orphan.none(id))
}

fn shown(
    state: &ApiState,
    caller: Caller,
    seen: &Seen,
    recording: Option<Recording>,
) -> OrphanRecording {
    let id = seen.truth.recording;
    let size = state
        .service()
        .store()
        .media_length(seen.index)
        .unwrap_or(0);
    let waits: Timestamp = seen.submitted_at;
    OrphanRecording {
        id: Shown(id),
        name: format!("Recording of {}", seen.truth.conversation),
        created_time: ApiDate(seen.truth.end_time),
        provider_type: "EDGE",
        media_size_bytes: size,
        media_type: "CALL",
        media_subtype: seen.subtype(),
        file_state: seen.file_state(),
        recording,
        orphan_status: if caller.now < waits {
            OrphanStatus::ConversationNotComplete
        } else {
            OrphanStatus::ConversationNotEvaluated
        },
        region: "us-east-1",
        self_uri: format!("{BASE}/{id}"),
    }
}
