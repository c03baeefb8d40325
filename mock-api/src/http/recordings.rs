//! Recordings of a conversation, as the real API shows them, and the forum threads' own path.

use std::collections::BTreeMap;

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Json, Response};
use axum::routing::get;
use racegate_model::field::{Field, Kind};
use racegate_model::ids::{ConversationId, RecordingId, RecordingIndex};
use racegate_model::scenario::ReadPath;
use racegate_model::time::{Duration, Timestamp};
use racegate_model::timeline::View;
use serde::Deserialize;

use super::error::ApiError;
use super::extract::{PathOf, QueryOf};
use super::gateway::Caller;
use super::paging::invalid;
use super::state::ApiState;
use super::wire::fields::{Fields, Shown};
use super::wire::recording::{ForumExtras, ForumRecording, MediaUri, Recording, RecordingMetadata};
use super::wire::{ApiDate, truth_of_timeline};
use crate::storage::layout::media_key;
use crate::storage::sidecar::Truth;

/// The longest wait of a long poll.
const WAIT_MAX: Duration = Duration::from_secs(60);
/// How often a long poll looks at a recording whose media's instant is not decided yet.
const UNDECIDED_POLL: Duration = Duration::from_millis(50);

pub(super) fn routes() -> Router<ApiState> {
    Router::new()
        .route("/api/v2/conversations/{conversation}/recordings", get(list))
        .route(
            "/api/v2/conversations/{conversation}/recordings/{recording}",
            get(one),
        )
        .route(
            "/api/v2/conversations/{conversation}/recordingmetadata",
            get(metadata_list),
        )
        .route(
            "/api/v2/conversations/{conversation}/recordingmetadata/{recording}",
            get(metadata_one),
        )
        .route("/api/v2/recordings/recording/{id}", get(forum_one))
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct RecordingParams {
    max_wait_ms: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct ForumParams {
    source: Option<String>,
}

async fn list(
    State(state): State<ApiState>,
    caller: Caller,
    PathOf(conversation): PathOf<String>,
    QueryOf(params): QueryOf<RecordingParams>,
) -> Result<Response, ApiError> {
    readable(&state, caller)?;
    let index = conversation_index(&state, &conversation)?;
    let wait = max_wait(&params)?;
    known(&state, caller, index)?;
    Ok(match available(&state, caller, index, wait).await {
        Some(seen) => Json([recording_of(&state, caller, &seen)]).into_response(),
        None => StatusCode::ACCEPTED.into_response(),
    })
}

async fn one(
    State(state): State<ApiState>,
    caller: Caller,
    PathOf((conversation, recording)): PathOf<(String, String)>,
    QueryOf(params): QueryOf<RecordingParams>,
) -> Result<Response, ApiError> {
    readable(&state, caller)?;
    let index = recording_index(&state, &conversation, &recording)?;
    let wait = max_wait(&params)?;
    look(&state, caller, caller.now, index, ReadPath::Primary).ok_or(ApiError::NotFound)?;
    Ok(match available(&state, caller, index, wait).await {
        Some(seen) => Json(recording_of(&state, caller, &seen)).into_response(),
        None => StatusCode::ACCEPTED.into_response(),
    })
}

async fn metadata_list(
    State(state): State<ApiState>,
    caller: Caller,
    PathOf(conversation): PathOf<String>,
) -> Result<Response, ApiError> {
    readable(&state, caller)?;
    let index = conversation_index(&state, &conversation)?;
    known(&state, caller, index)?;
    let seen = look(&state, caller, caller.now, index, ReadPath::Primary);
    let all: Vec<_> = seen
        .iter()
        .map(|seen| metadata_of(&state, caller, seen))
        .collect();
    Ok(Json(all).into_response())
}

async fn metadata_one(
    State(state): State<ApiState>,
    caller: Caller,
    PathOf((conversation, recording)): PathOf<(String, String)>,
) -> Result<Response, ApiError> {
    readable(&state, caller)?;
    let index = recording_index(&state, &conversation, &recording)?;
    let seen = look(&state, caller, caller.now, index, ReadPath::Primary);
    let seen = seen.ok_or(ApiError::NotFound)?;
    Ok(Json(metadata_of(&state, caller, &seen)).into_response())
}

/// Takes a recording's id or its conversation's.
async fn forum_one(
    State(state): State<ApiState>,
    caller: Caller,
    PathOf(id): PathOf<String>,
    QueryOf(params): QueryOf<ForumParams>,
) -> Result<Response, ApiError> {
    readable(&state, caller)?;
    if !state.speaks_forum() {
        return Err(ApiError::NotFound);
    }
    let path = match params.source.as_deref() {
        None | Some("primary") => ReadPath::Primary,
        Some("index") => ReadPath::Index,
        other => return Err(invalid("source", other, "primary, index")),
    };
    let seed = state.service().seed();
    let index = RecordingId::parse(&id)
        .and_then(|id| id.index(seed))
        .or_else(|| ConversationId::parse(&id)?.index(seed))
        .ok_or(ApiError::NotFound)?;
    let seen = look(&state, caller, caller.now, index, path).ok_or(ApiError::NotFound)?;
    Ok(Json(forum_of(&state, &seen)).into_response())
}

/// Whether the token may read recordings at all.
fn readable(state: &ApiState, caller: Caller) -> Result<(), ApiError> {
    match state.tenant(caller).refuses_reading() {
        None => Ok(()),
        Some(_) => Err(ApiError::MissingPermissions("recording:recording:view")),
    }
}

/// What a tenant sees of a recording.
struct Seen {
    index: RecordingIndex,
    truth: Truth,
    view: View,
    length: Duration,
}

impl Seen {
    const fn file_state(&self) -> &'static str {
        if self.view.present.contains(Field::Media) {
            "AVAILABLE"
        } else {
            "UPLOADING"
        }
    }

    const fn subtype(&self) -> &'static str {
        match self.truth.kind {
            Kind::Webrtc => "Station",
            Kind::Sip => "Trunk",
        }
    }
}

/// The recording, from its session's end on.
fn look(
    state: &ApiState,
    caller: Caller,
    now: Timestamp,
    index: RecordingIndex,
    path: ReadPath,
) -> Option<Seen> {
    let service = state.service();
    let seen = state.tenant(caller).read(service, index, |timeline| {
        (timeline.ended_at <= now).then(|| Seen {
            index,
            truth: truth_of_timeline(service.seed(), state.config().epoch, timeline),
            view: timeline.view(now, path),
            length: timeline.ended_at.since(timeline.started_at),
        })
    });
    seen.flatten()
}

/// Refuses conversations that have not begun.
fn known(state: &ApiState, caller: Caller, index: RecordingIndex) -> Result<(), ApiError> {
    if look(state, caller, caller.now, index, ReadPath::Primary).is_some() {
        return Ok(());
    }
    let call = state.service().calls().get(index);
    match call {
        Some(call) if call.arrival <= caller.now => Ok(()),
        _ => Err(ApiError::NotFound),
    }
}

/// The recording once its media is there, waiting for that at most until `wait` has passed.
async fn available(
    state: &ApiState,
    caller: Caller,
    index: RecordingIndex,
    wait: Duration,
) -> Option<Seen> {
    let deadline = caller.now + wait;
    let mut now = caller.now;
    loop {
        if let Some(seen) = look(state, caller, now, index, ReadPath::Primary)
            && seen.view.present.contains(Field::Media)
        {
            return Some(seen);
        }
        if now >= deadline {
            return None;
        }
        let media_at = state
            .tenant(caller)
            .read(state.service(), index, |seen| seen.media_at);
        let decided = media_at.filter(|at| !at.is_never());
        let next = decided
            .unwrap_or(now + UNDECIDED_POLL)
            .max(now + Duration::from_millis(1));
        state.clock().sleep_until(next.min(deadline)).await;
        now = state.now();
    }
}

fn max_wait(params: &RecordingParams) -> Result<Duration, ApiError> {
    let Some(text) = params.max_wait_ms.as_deref() else {
        return Ok(Duration::ZERO);
    };
    let millis: Option<u64> = text.parse().ok().filter(|millis| *millis > 0);
    let millis = millis.ok_or_else(|| invalid("maxWaitMs", Some(text), "whole numbers above 0"))?;
    Ok(Duration::from_millis(
        millis.min(WAIT_MAX.as_nanos() / 1_000_000),
    ))
}

fn conversation_index(state: &ApiState, id: &str) -> Result<RecordingIndex, ApiError> {
    let index = ConversationId::parse(id).and_then(|id| id.index(state.service().seed()));
    index.ok_or(ApiError::NotFound)
}

fn recording_index(
    state: &ApiState,
    conversation: &str,
    recording: &str,
) -> Result<RecordingIndex, ApiError> {
    let index = conversation_index(state, conversation)?;
    let recording = RecordingId::parse(recording).and_then(|id| id.index(state.service().seed()));
    if recording == Some(index) {
        Ok(index)
    } else {
        Err(ApiError::NotFound)
    }
}

fn recording_of(state: &ApiState, caller: Caller, seen: &Seen) -> Recording {
    let (conversation, recording, self_uri) = identity(state, seen.index, "recordings");
    let fields = Fields::of(&seen.view, &seen.truth);
    let (export_date, exported_date) = export_dates(state, caller, seen.index);
    let media_uri = state.config().media_base.as_ref().map(|base| {
        let organization = &state.tenant(caller).config().organization;
        let key = media_key(organization, seen.truth.start_time, conversation, recording);
        let media_uri = format!("{}/{key}", base.trim_end_matches('/'));
        BTreeMap::from([("0", MediaUri { media_uri })])
    });
    Recording {
        id: Shown(recording),
        conversation_id: Shown(conversation),
        start_time: fields.start_time(),
        end_time: fields.end_time(),
        media: "audio",
        media_subtype: seen.subtype(),
        annotations: [],
        file_state: seen.file_state(),
        media_uris: media_uri,
        output_duration_ms: seen.length.as_nanos() / 1_000_000,
        export_date,
        exported_date,
        session_id: fields.session_id(),
        users: [],
        recording_file_role: "CUSTOMER_EXPERIENCE",
        creation_time: ApiDate(seen.truth.end_time),
        forum: extras(state, seen, fields),
        self_uri,
    }
}

fn metadata_of(state: &ApiState, caller: Caller, seen: &Seen) -> RecordingMetadata {
    let (conversation, recording, self_uri) = identity(state, seen.index, "recordingmetadata");
    let fields = Fields::of(&seen.view, &seen.truth);
    let (export_date, exported_date) = export_dates(state, caller, seen.index);
    RecordingMetadata {
        id: Shown(recording),
        conversation_id: Shown(conversation),
        start_time: None,
        end_time: None,
        media: "audio",
        media_subtype: seen.subtype(),
        annotations: seen.view.present.contains(Field::Media).then_some([]),
        file_state: seen.file_state(),
        export_date,
        exported_date,
        session_id: fields.session_id(),
        region: "us-east-1",
        forum: extras(state, seen, fields),
        self_uri,
    }
}

/// What rides along in the forum dialect.
fn extras(state: &ApiState, seen: &Seen, fields: Fields) -> Option<ForumExtras> {
    state.speaks_forum().then_some(ForumExtras {
        state: seen.view.state,
        fields,
    })
}

fn forum_of(state: &ApiState, seen: &Seen) -> ForumRecording {
    let (conversation, recording, self_uri) = identity(state, seen.index, "recordings");
    let metadata = Fields::of(&seen.view, &seen.truth);
    ForumRecording {
        id: Shown(recording),
        conversation_id: Shown(conversation),
        state: seen.view.state,
        file_state: seen.file_state(),
        legal_hold_flag: metadata.legal_hold_flag(),
        media_type: metadata.media_type(),
        metadata,
        self_uri,
    }
}

fn identity(
    state: &ApiState,
    index: RecordingIndex,
    kind: &str,
) -> (ConversationId, RecordingId, String) {
    let seed = state.service().seed();
    let (conversation, recording) = (
        ConversationId::of(seed, index),
        RecordingId::of(seed, index),
    );
    let self_uri = format!("/api/v2/conversations/{conversation}/{kind}/{recording}");
    (conversation, recording, self_uri)
}

/// When the recording is to be exported, and when it was: the real API's proof of an export.
fn export_dates(
    state: &ApiState,
    caller: Caller,
    index: RecordingIndex,
) -> (Option<ApiDate>, Option<ApiDate>) {
    let Some((job, started_at)) = state.desk(caller).jobs.export_of(index) else {
        return (None, None);
    };
    let epoch = state.config().epoch;
    let exported = state.tenant(caller).read_export(job, |export| {
        let written = export
            .sidecars
            .iter()
            .any(|sidecar| sidecar.recording == index);
        written.then(|| ApiDate::of(epoch, export.snapshot_at))
    });
    (Some(ApiDate::of(epoch, started_at)), exported.flatten())
}
