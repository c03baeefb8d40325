//! Bulk jobs: `/api/v2/recording/jobs`.

mod desk;
mod selection;

pub(super) use desk::JobDesk;

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Json, Response};
use axum::routing::get;
use racegate_model::field::FieldSet;
use racegate_model::ids::{ConversationId, RecordingId, RecordingIndex};
use racegate_model::org::{JobError, JobState, SLOT_RETRY};
use racegate_model::selection::Refusal;

use super::error::{ApiError, Missing};
use super::extract::{JsonBody, PathOf, QueryOf};
use super::gateway::Caller;
use super::ids::job_id;
use super::paging::{Paging, invalid};
use super::state::ApiState;
use super::wire::ApiDate;
use super::wire::job::{
    FailedRecording, JobUpdate, JobsQuery, RecordingJob, state_name, state_named,
};
use super::wire::paging::PagingParams;
use desk::JobEntry;

const BASE: &str = "/api/v2/recording/jobs";

pub(super) fn routes() -> Router<ApiState> {
    Router::new()
        .route("/api/v2/recording/jobs", get(list).post(create))
        .route(
            "/api/v2/recording/jobs/{job}",
            get(one).put(start).delete(cancel),
        )
        .route(
            "/api/v2/recording/jobs/{job}/failedrecordings",
            get(failed_recordings),
        )
}

async fn create(
    State(state): State<ApiState>,
    caller: Caller,
    JsonBody { value: query, raw }: JsonBody<JobsQuery>,
) -> Result<Response, ApiError> {
    match query.action.as_deref() {
        Some("EXPORT") => {}
        Some("ARCHIVE" | "DELETE") => {
            return Err(ApiError::bad_request(
                "This server runs jobs with action EXPORT only.",
            ));
        }
        other => return Err(invalid("action", other, "ARCHIVE, DELETE, EXPORT")),
    }
    if query.integration_id.is_none_or(|id| id.trim().is_empty()) {
        return Err(invalid(
            "integrationId",
            None,
            "the id of an integration, for EXPORT",
        ));
    }
    let Some(conversations) = query.conversation_query else {
        return Err(ApiError::bad_request(
            "The query needs a conversationQuery.",
        ));
    };
    let service = state.service();
    match state.tenant(caller).refuses_jobs() {
        None => {}
        Some(Refusal::Forbidden) => {
            return Err(ApiError::MissingPermissions("recording:job:add"));
        }
        Some(Refusal::UnknownFilter) => {
            return Err(ApiError::bad_request(
                "The export's filter names no known media type.",
            ));
        }
    }
    let selected = selection::select(service, state.config().epoch, &conversations)?;
    let tenant = state.tenant(caller);
    let ordinal = tenant
        .create_job(service, caller.now, selected.clone())
        .map_err(|error| refusal(&state, error))?;
    let entry = state.desk(caller).jobs.add(JobEntry {
        id: job_id(tenant.config(), ordinal),
        ordinal,
        created_at: caller.now,
        selected,
        query: raw,
    });
    shown(&state, caller, StatusCode::ACCEPTED, &entry)
}

async fn list(
    State(state): State<ApiState>,
    caller: Caller,
    QueryOf(params): QueryOf<PagingParams>,
) -> Result<Response, ApiError> {
    let paging = Paging::parse(&params)?;
    if !matches!(
        params.job_type.as_deref(),
        None | Some("EXPORT" | "ARCHIVE" | "DELETE")
    ) {
        return Err(invalid(
            "jobType",
            params.job_type.as_deref(),
            "ARCHIVE, DELETE, EXPORT",
        ));
    }
    let wanted = match params.state.as_deref() {
        None => None,
        Some(name) => Some(state_named(name).ok_or_else(|| invalid("state", Some(name), STATES))?),
    };
    let mut jobs = state.desk(caller).jobs.all();
    jobs.retain(|job| {
        let current = state.tenant(caller).job_state(job.ordinal).ok();
        matches!(params.job_type.as_deref(), None | Some("EXPORT"))
            && (wanted.is_none() || wanted == current)
    });
    let listing = paging.listing(BASE, &jobs, |job| job_of(&state, caller, job).ok());
    Ok(Json(listing).into_response())
}

const STATES: &str = "FULFILLED, PENDING, READY, PROCESSING, CANCELLED, FAILED";

async fn one(
    State(state): State<ApiState>,
    caller: Caller,
    PathOf(id): PathOf<String>,
) -> Result<Response, ApiError> {
    let entry = find(&state, caller, &id)?;
    shown(&state, caller, StatusCode::OK, &entry)
}

async fn start(
    State(state): State<ApiState>,
    caller: Caller,
    PathOf(id): PathOf<String>,
    JsonBody { value: update, .. }: JsonBody<JobUpdate>,
) -> Result<Response, ApiError> {
    let entry = find(&state, caller, &id)?;
    if update.state.as_deref() != Some("PROCESSING") {
        return Err(invalid("state", update.state.as_deref(), "PROCESSING"));
    }
    match state
        .tenant(caller)
        .start_job(state.service(), caller.now, entry.ordinal)
    {
        Ok(()) => state.desk(caller).jobs.started(caller.now, &entry),
        // A client that lost the first answer asks again: the answer is the same.
        Err(JobError::WrongState(JobState::Processing | JobState::Fulfilled)) => {}
        Err(error) => return Err(refusal(&state, error)),
    }
    shown(&state, caller, StatusCode::OK, &entry)
}

async fn cancel(
    State(state): State<ApiState>,
    caller: Caller,
    PathOf(id): PathOf<String>,
) -> Result<Response, ApiError> {
    let entry = find(&state, caller, &id)?;
    let cancelled = state.tenant(caller).cancel_job(entry.ordinal);
    cancelled.map_err(|error| refusal(&state, error))?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

async fn failed_recordings(
    State(state): State<ApiState>,
    caller: Caller,
    PathOf(id): PathOf<String>,
    QueryOf(params): QueryOf<PagingParams>,
) -> Result<Response, ApiError> {
    let entry = find(&state, caller, &id)?;
    let paging = Paging::parse(&params)?;
    let tenant = state.tenant(caller);
    let failed = tenant.read_export(entry.ordinal, |export| export.failed.clone());
    let base = format!("{BASE}/{}/failedrecordings", entry.id);
    let listing = paging.listing(&base, &failed.unwrap_or_default(), |recording| {
        let (conversation, recording) = public_ids(&state, *recording);
        Some(FailedRecording::of(conversation, recording))
    });
    Ok(Json(listing).into_response())
}

fn find(state: &ApiState, caller: Caller, id: &str) -> Result<Arc<JobEntry>, ApiError> {
    state.desk(caller).jobs.find(id).ok_or(ApiError::NotFound)
}

fn shown(
    state: &ApiState,
    caller: Caller,
    status: StatusCode,
    entry: &JobEntry,
) -> Result<Response, ApiError> {
    Ok((status, Json(job_of(state, caller, entry)?)).into_response())
}

fn job_of<'a>(
    state: &'a ApiState,
    caller: Caller,
    entry: &'a JobEntry,
) -> Result<RecordingJob<'a>, ApiError> {
    let tenant = state.tenant(caller);
    let job_state = tenant
        .job_state(entry.ordinal)
        .map_err(|_| ApiError::NotFound)?;
    let written = tenant.read_export(entry.ordinal, |export| {
        (export.sidecars.len(), export.failed.len())
    });
    let (processed, failed) = written.unwrap_or_default();
    let total = entry.selected.len();
    let skipped = if written.is_some() {
        total - processed - failed
    } else {
        0
    };
    let self_uri = format!("{BASE}/{}", entry.id);
    Ok(RecordingJob {
        id: entry.id.to_string(),
        state: state_name(job_state),
        user: &state.desk(caller).user,
        recording_jobs_query: &entry.query,
        date_created: ApiDate::of(state.config().epoch, entry.created_at),
        total_conversations: total,
        total_recordings: total,
        total_skipped_recordings: skipped,
        total_failed_recordings: failed,
        total_processed_recordings: processed,
        percent_progress: if written.is_some() { 100 } else { 0 },
        error_message: None,
        failed_recordings: format!("{self_uri}/failedrecordings"),
        self_uri,
    })
}

fn public_ids(state: &ApiState, recording: RecordingIndex) -> (ConversationId, RecordingId) {
    let seed = state.service().seed();
    (
        ConversationId::of(seed, recording),
        RecordingId::of(seed, recording),
    )
}

fn refusal(state: &ApiState, error: JobError) -> ApiError {
    match error {
        JobError::TooManyJobs => ApiError::TooManyJobs {
            status: state.config().job_refusal.status(),
            retry_after: SLOT_RETRY,
        },
        JobError::NotFound => ApiError::NotFound,
        JobError::WrongState(current) => ApiError::bad_request(format!(
            "The job is {}, in which this is not possible.",
            state_name(current)
        )),
        JobError::MissingFields(missing) => missing_fields(state, &missing),
    }
}

fn missing_fields(state: &ApiState, missing: &[(RecordingIndex, FieldSet)]) -> ApiError {
    let recordings = missing.iter().map(|(recording, fields)| {
        let (conversation, recording) = public_ids(state, *recording);
        (conversation, recording, *fields)
    });
    ApiError::MissingRequiredFields(Missing {
        recordings: recordings.collect(),
        dialect: state.config().dialect,
    })
}
