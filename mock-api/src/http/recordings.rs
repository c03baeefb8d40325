//! Recordings of a conversation, as the real API shows them, and the forum threads' own path.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use racegate_model::field::Field;
use racegate_model::ids::{ConversationId, RecordingIndex};
use racegate_model::scenario::ReadPath;
use racegate_model::time::Duration;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::answer::{Json, WrittenJson};
use super::error::{ApiError, Entity};
use super::extract::{JsonBody, PathOf};
use super::gateway::Caller;
use super::keeping::{PendingExport, Restored};
use super::notifications;
use super::origin::Origin;
use super::paging::NUMBER_MAX;
use super::params::{Params, invalid};
use super::permissions::RETAIN;
use super::seen::{
    Seen, conversation_index, find, forum_of, index_of_either, look, look_now, metadata_of,
    readable, recording_index, recording_named, recording_of, there,
};
use super::state::ApiState;
use super::wire::recording::{
    FileState, ForumRecording, Recording, RecordingMetadata, RecordingUpdate,
};
use super::wire::{ApiDate, words};

/// The longest wait of a long poll.
const WAIT_MAX: Duration = Duration::from_secs(60);
/// How often a long poll looks at a recording whose media's instant is not decided yet.
const UNDECIDED_POLL: Duration = Duration::from_millis(50);
/// How long a recording stays restored when no date is said: ten days, assumed.
const RESTORED_MINUTES: i64 = 10 * 24 * 60;
const FORMATS: &[&str] = &[
    "WAV",
    "WEBM",
    "WAV_ULAW",
    "OGG_VORBIS",
    "OGG_OPUS",
    "MP3",
    "NONE",
];

pub(super) fn routes() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new()
        .routes(routes!(list))
        .routes(routes!(one, update))
        .routes(routes!(metadata_list))
        .routes(routes!(metadata_one))
        .routes(routes!(forum_one))
}

/// The recordings of a conversation. 202 and no body while its media is not there.
#[utoipa::path(
    get,
    path = "/api/v2/conversations/{conversationId}/recordings",
    tag = "recordings",
    params(
        ("conversationId" = String, Path),
        ("maxWaitMs" = Option<u32>, Query, minimum = 1, maximum = 2_147_483_647,
            description = "How long to wait for the recording to be ready"),
        ("formatId" = Option<words::MediaFormat>, Query,
            description = "Checked; audio is Ogg Opus always"),
        ("mediaFormats" = Option<Vec<words::MediaFormat>>, Query, style = Form, explode = false,
            description = "Formats, joined by commas or one parameter each"),
        ("locale" = Option<String>, Query, max_length = 35),
        ("includePauseAnnotationsForScreenRecordings" = Option<bool>, Query),
    ),
    responses(
        (status = 200, body = Vec<Recording>),
        (status = 202, description = "Not ready yet"),
    )
)]
async fn list(
    State(state): State<ApiState>,
    caller: Caller,
    origin: Origin,
    PathOf(conversation): PathOf<String>,
    params: Params,
) -> Result<Response, ApiError> {
    readable(&state, caller)?;
    params.flag("includePauseAnnotationsForScreenRecordings")?;
    check_formats(&params)?;
    let wait = max_wait(&params)?;
    let index = conversation_index(&state, &conversation)?;
    let first = known(&state, caller, index)?;
    Ok(
        match available(&state, caller, (index, first), wait).await {
            Some(seen) => {
                WrittenJson([recording_of(&state, caller, &origin, &seen)]).into_response()
            }
            None => StatusCode::ACCEPTED.into_response(),
        },
    )
}

/// A recording. 202 and no body while its media is not there.
#[utoipa::path(
    get,
    path = "/api/v2/conversations/{conversationId}/recordings/{recordingId}",
    tag = "recordings",
    params(
        ("conversationId" = String, Path),
        ("recordingId" = String, Path),
        ("maxWaitMs" = Option<u32>, Query, minimum = 1, maximum = 2_147_483_647),
        ("formatId" = Option<words::MediaFormat>, Query),
        ("emailFormatId" = Option<words::EmailFormat>, Query),
        ("chatFormatId" = Option<words::ArchiveFormat>, Query),
        ("messageFormatId" = Option<words::ArchiveFormat>, Query),
        ("mediaFormats" = Option<Vec<words::MediaFormat>>, Query, style = Form,
            explode = false),
        ("download" = Option<bool>, Query,
            description = "The address is of a file to be saved"),
        ("fileName" = Option<String>, Query,
            description = "Name to be saved under; the recording's id if there is none"),
        ("locale" = Option<String>, Query, max_length = 35),
    ),
    responses(
        (status = 200, body = Recording),
        (status = 202, description = "Not ready yet"),
    )
)]
async fn one(
    State(state): State<ApiState>,
    caller: Caller,
    origin: Origin,
    PathOf((conversation, recording)): PathOf<(String, String)>,
    params: Params,
) -> Result<Response, ApiError> {
    readable(&state, caller)?;
    check_formats(&params)?;
    let download = params.flag("download")?;
    let file_name = params.text("fileName")?;
    let wait = max_wait(&params)?;
    let index = recording_index(&state, &conversation, &recording)?;
    let first = there(&state, caller, index)?;
    let Some(seen) = available(&state, caller, (index, Some(first)), wait).await else {
        return Ok(StatusCode::ACCEPTED.into_response());
    };
    let own_name;
    let name = match (download, file_name) {
        (Some(true), None | Some("")) => {
            own_name = format!("{}.ogg", seen.truth.recording);
            Some(own_name.as_str())
        }
        (Some(true), said) => said,
        (Some(false) | None, _) => None,
    };
    let shown = recording_named(&state, caller, &origin, (&seen, name));
    Ok(WrittenJson(shown).into_response())
}

/// The recording that [`one`] answers to a request without parameters; none while its media is not
/// there.
pub(super) fn one_plainly(
    state: &ApiState,
    caller: Caller,
    origin: &Origin,
    ids: (&str, &str),
) -> Result<Option<Vec<u8>>, ApiError> {
    readable(state, caller)?;
    let seen = find(state, caller, ids)?;
    let there = seen.view.present.contains(Field::Media);
    Ok(there.then(|| WrittenJson(recording_of(state, caller, origin, &seen)).into_bytes()))
}

/// Changes when a recording goes to the archive and when it is deleted.
#[utoipa::path(
    put,
    path = "/api/v2/conversations/{conversationId}/recordings/{recordingId}",
    tag = "recordings",
    params(
        ("conversationId" = String, Path),
        ("recordingId" = String, Path),
        ("clearExport" = Option<bool>, Query, description = "Gives up a pending export"),
    ),
    request_body = RecordingUpdate,
    responses((status = 200, body = Recording))
)]
async fn update(
    State(state): State<ApiState>,
    caller: Caller,
    origin: Origin,
    PathOf((conversation, recording)): PathOf<(String, String)>,
    params: Params,
    body: JsonBody<RecordingUpdate>,
) -> Result<Response, ApiError> {
    readable(&state, caller)?;
    let clear = params.flag("clearExport")?;
    let update = body.value()?;
    let seen = find(&state, caller, (&conversation, &recording))?;
    match seen.file_state() {
        FileState::Deleted => return Err(Entity::Recording.none(recording)),
        FileState::Archived => {
            state.need_any(caller, &["recording:recording:restore"])?;
        }
        FileState::Available
        | FileState::Restored
        | FileState::Restoring
        | FileState::Uploading
        | FileState::Error => state.need_any(caller, RETAIN)?,
    }
    let epoch = state.config().epoch;
    let restore = state.tenant(caller).restore_time(seen.index);
    let ready = ApiDate::of(epoch, caller.now + restore);
    let archived = seen.file_state() == FileState::Archived;
    let restored = match seen.file_state() {
        FileState::Archived => Some(Restored { at: ready }),
        FileState::Restoring => seen.kept.restored,
        // Without a date on which it goes back it is like one that never went.
        FileState::Available
        | FileState::Deleted
        | FileState::Restored
        | FileState::Uploading
        | FileState::Error => seen.kept.restored.filter(|_| update.archive_date.is_some()),
    };
    let archive_at = update.archive_date.or_else(|| {
        let life = || ready.plus_minutes(RESTORED_MINUTES);
        let until = update.restore_expiration_time;
        restored.map(|_| until.filter(|at| *at > ready).unwrap_or_else(life))
    });
    let later = archive_at.is_none_or(|date| date > seen.seen_at);
    state.desk(caller).keeping.change(seen.index, |kept| {
        kept.restored = restored.filter(|_| later);
        kept.archive_at = archive_at;
        kept.delete_at = update.delete_date;
        if clear == Some(true) {
            kept.export = PendingExport::Cleared;
        }
    });
    let seen = there(&state, caller, seen.index)?;
    if archived && seen.kept.restored.is_some() {
        notifications::restoring(&state, caller, (seen.index, ready.instant(epoch)));
    }
    Ok(Json(recording_of(&state, caller, &origin, &seen)).into_response())
}

/// Metadata of a conversation's recordings, whether their media is there or not.
#[utoipa::path(
    get,
    path = "/api/v2/conversations/{conversationId}/recordingmetadata",
    tag = "recordings",
    params(("conversationId" = String, Path)),
    responses((status = 200, body = Vec<RecordingMetadata>))
)]
async fn metadata_list(
    State(state): State<ApiState>,
    caller: Caller,
    PathOf(conversation): PathOf<String>,
) -> Result<Response, ApiError> {
    readable(&state, caller)?;
    let index = conversation_index(&state, &conversation)?;
    let seen = known(&state, caller, index)?;
    let all: Vec<_> = seen
        .iter()
        .map(|seen| metadata_of(&state, caller, seen))
        .collect();
    Ok(Json(all).into_response())
}

/// Metadata of a recording.
#[utoipa::path(
    get,
    path = "/api/v2/conversations/{conversationId}/recordingmetadata/{recordingId}",
    tag = "recordings",
    params(("conversationId" = String, Path), ("recordingId" = String, Path)),
    responses((status = 200, body = RecordingMetadata))
)]
async fn metadata_one(
    State(state): State<ApiState>,
    caller: Caller,
    PathOf((conversation, recording)): PathOf<(String, String)>,
) -> Result<Response, ApiError> {
    readable(&state, caller)?;
    let seen = find(&state, caller, (&conversation, &recording))?;
    Ok(Json(metadata_of(&state, caller, &seen)).into_response())
}

/// Forum dialect: a recording by its own id or its conversation's.
#[utoipa::path(
    get,
    path = "/api/v2/recordings/recording/{id}",
    tag = "forum dialect",
    params(
        ("id" = String, Path),
        ("source" = Option<words::ForumSource>, Query),
    ),
    responses((status = 200, body = ForumRecording))
)]
async fn forum_one(
    State(state): State<ApiState>,
    caller: Caller,
    PathOf(id): PathOf<String>,
    params: Params,
) -> Result<Response, ApiError> {
    readable(&state, caller)?;
    if !state.speaks_forum() {
        return Err(ApiError::NotFound);
    }
    let path = match params.word("source", &["primary", "index"])? {
        Some("index") => ReadPath::Index,
        _ => ReadPath::Primary,
    };
    let seen = index_of_either(&state, &id)
        .and_then(|index| look(&state, caller, caller.now, index, path))
        .ok_or_else(|| Entity::Recording.none(id))?;
    Ok(Json(forum_of(&seen)).into_response())
}

/// The recording, if the conversation is over. Refuses conversations that have not begun.
fn known(
    state: &ApiState,
    caller: Caller,
    index: RecordingIndex,
) -> Result<Option<Seen>, ApiError> {
    let seen = look_now(state, caller, index);
    if seen.is_some() {
        return Ok(seen);
    }
    let call = state.calls(caller).get(index);
    match call {
        Some(call) if call.arrival <= caller.now => Ok(None),
        _ => {
            let id = ConversationId::of(state.service().seed(), index);
            Err(Entity::Conversation.none(id.to_string()))
        }
    }
}

/// The recording once its media is there, waiting for that at most until `wait` has passed. `first`
/// is what a first look has seen.
async fn available(
    state: &ApiState,
    caller: Caller,
    (index, first): (RecordingIndex, Option<Seen>),
    wait: Duration,
) -> Option<Seen> {
    let deadline = caller.now + wait;
    let (mut now, mut last) = (caller.now, first);
    loop {
        if let Some(seen) = last
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
        last = look(state, caller, now, index, ReadPath::Primary);
    }
}

fn max_wait(params: &Params) -> Result<Duration, ApiError> {
    let millis = params.number("maxWaitMs", 1..=NUMBER_MAX)?;
    let longest = WAIT_MAX.as_nanos() / 1_000_000;
    Ok(Duration::from_millis(millis.unwrap_or(0).min(longest)))
}

/// Nothing is transcoded here, but what nobody could be transcoded to is refused.
fn check_formats(params: &Params) -> Result<(), ApiError> {
    params.word("formatId", FORMATS)?;
    params.words("mediaFormats", FORMATS)?;
    params.word("emailFormatId", &["EML", "NONE"])?;
    for name in ["chatFormatId", "messageFormatId"] {
        params.word(name, &["ZIP", "NONE"])?;
    }
    match params.text("locale")? {
        Some(locale) if locale.chars().count() > 35 => {
            Err(invalid("locale", Some(locale), "up to 35 characters"))
        }
        _ => Ok(()),
    }
}
