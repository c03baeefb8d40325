//! Batch downloads: addresses of many recordings' audio, found one after the other.

use axum::extract::State;
use axum::response::{IntoResponse, Json, Response};
use racegate_model::ids::{RecordingId, RecordingIndex};
use racegate_model::scenario::ReadPath;
use racegate_model::time::Timestamp;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::clients::ClientIndex;
use super::downloads::{CONTENT, Purpose, media_url};
use super::error::{ApiError, Entity};
use super::extract::{JsonBody, PathOf};
use super::gateway::Caller;
use super::origin::Origin;
use super::params::invalid;
use super::seen::{conversation_index, look, look_now, readable, recording_index};
use super::state::ApiState;
use super::wire::batch::{
    BatchProgress, BatchRequest, BatchResult, BatchStatus, BatchSubmission, BatchSubmitted,
};
use super::wire::recording::FileState;

/// Items of a batch.
const ITEMS_MAX: usize = 100;
const BASE: &str = "/api/v2/recording/batchrequests";
/// Length of an id that is remembered.
const ID_MAX: usize = 100;

/// A batch that was asked for.
#[derive(Debug)]
pub(super) struct Batch {
    client: ClientIndex,
    discovered_at: Timestamp,
    asked: Vec<BatchRequest>,
}

pub(super) fn routes() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new()
        .routes(routes!(create))
        .routes(routes!(one))
}

/// Asks for the audio of up to 100 recordings, or of all of a conversation.
#[utoipa::path(
    post,
    path = "/api/v2/recording/batchrequests",
    tag = "batch downloads",
    request_body = BatchSubmission,
    responses((status = 200, body = BatchSubmitted))
)]
async fn create(
    State(state): State<ApiState>,
    caller: Caller,
    body: JsonBody<BatchSubmission>,
) -> Result<Response, ApiError> {
    readable(&state, caller)?;
    let asked = body.value()?.batch_download_request_list;
    if asked.is_empty() || asked.len() > ITEMS_MAX {
        let said = asked.len().to_string();
        return Err(invalid(
            "batchDownloadRequestList",
            Some(&said),
            "1 to 100 items",
        ));
    }
    for item in &asked {
        let ids = [Some(&item.conversation_id), item.recording_id.as_ref()];
        if let Some(id) = ids.into_iter().flatten().find(|id| id.len() > ID_MAX) {
            return Err(invalid("conversationId", Some(id), "ids"));
        }
    }
    let id = state.next_correlation();
    let weight = asked.len() * 2 * ID_MAX;
    let batch = Batch {
        client: caller.client,
        discovered_at: caller.now + state.config().delays.batch_discovery,
        asked,
    };
    state.desk(caller).batches.put(id, batch, weight);
    Ok(Json(BatchSubmitted {
        id: id.to_string(),
        self_uri: format!("{BASE}/{id}"),
    })
    .into_response())
}

/// How far a batch is, and what it has found. Only who asked for it may know.
#[utoipa::path(
    get,
    path = "/api/v2/recording/batchrequests/{jobId}",
    tag = "batch downloads",
    params(("jobId" = String, Path)),
    responses((status = 200, body = BatchStatus))
)]
async fn one(
    State(state): State<ApiState>,
    caller: Caller,
    origin: Origin,
    PathOf(id): PathOf<String>,
) -> Result<Response, ApiError> {
    let batch = state.desk(caller).batches.find(&id, Entity::Batch)?;
    if batch.client != caller.client {
        return Err(ApiError::NotAuthorized(
            "Only the user that submitted the job may retrieve its results.",
        ));
    }
    let items: Vec<Item<'_>> = if caller.now < batch.discovered_at {
        Vec::new()
    } else {
        let asked = batch.asked.iter();
        asked
            .filter_map(|asked| item(&state, caller, &batch, asked))
            .collect()
    };
    let expected = items.len();
    let results: Vec<BatchResult> = items
        .into_iter()
        .filter_map(|item| item.result(&state, caller, &origin))
        .collect();
    let error_count = results
        .iter()
        .filter(|result| result.error_msg.is_some())
        .count();
    let done = caller.now >= batch.discovered_at && results.len() == expected;
    Ok(Json(BatchStatus {
        self_uri: format!("{BASE}/{id}"),
        job_id: id.clone(),
        id,
        expected_result_count: expected,
        result_count: results.len(),
        error_count,
        status: if done {
            BatchProgress::Completed
        } else {
            BatchProgress::InProgress
        },
        results,
    })
    .into_response())
}

/// One thing that was discovered.
struct Item<'a> {
    asked: &'a BatchRequest,
    found: Found,
}

enum Found {
    Recording(RecordingIndex),
    Nothing,
}

/// What a batch makes of something that was asked for. A conversation that had no recording yet
/// when it was looked at adds nothing.
fn item<'a>(
    state: &ApiState,
    caller: Caller,
    batch: &Batch,
    asked: &'a BatchRequest,
) -> Option<Item<'a>> {
    let index = match &asked.recording_id {
        Some(recording) => recording_index(state, &asked.conversation_id, recording),
        None => conversation_index(state, &asked.conversation_id),
    };
    let known = index
        .ok()
        .filter(|index| state.calls(caller).get(*index).is_some());
    let Some(index) = known else {
        let found = Found::Nothing;
        return Some(Item { asked, found });
    };
    let existed = look(state, caller, batch.discovered_at, index, ReadPath::Primary).is_some();
    existed.then_some(Item {
        asked,
        found: Found::Recording(index),
    })
}

impl Item<'_> {
    /// What is known of it by now.
    fn result(self, state: &ApiState, caller: Caller, origin: &Origin) -> Option<BatchResult> {
        let mut result = BatchResult {
            conversation_id: self.asked.conversation_id.clone(),
            recording_id: self.asked.recording_id.clone(),
            result_url: None,
            content_type: None,
            error_msg: None,
        };
        let Found::Recording(index) = self.found else {
            result.error_msg = Some("The recording was not found.");
            return Some(result);
        };
        let recording = RecordingId::of(state.service().seed(), index);
        result.recording_id = Some(recording.to_string());
        let seen = look_now(state, caller, index)?;
        match seen.file_state() {
            FileState::Uploading | FileState::Restoring => return None,
            FileState::Available | FileState::Restored => {
                result.content_type = Some(CONTENT);
                let url = media_url(state, caller, origin, (&seen, None), Purpose::Batch);
                result.result_url = Some(url);
            }
            FileState::Archived => result.error_msg = Some("The recording is archived."),
            FileState::Deleted => result.error_msg = Some("The recording was deleted."),
            FileState::Error => result.error_msg = Some("The recording is damaged."),
        }
        Some(result)
    }
}
