//! Bulk jobs: `/api/v2/recording/jobs`.

mod desk;
mod request;

pub(super) use desk::JobDesk;

use std::sync::Arc;

use axum::extract::{Extension, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Json, Response};
use racegate_model::field::FieldSet;
use racegate_model::ids::{ConversationId, JobOrdinal, RecordingId, RecordingIndex};
use racegate_model::org::{JobError, JobState, SLOT_RETRY};
use racegate_model::scenario::ExportRequest;
use racegate_model::selection::Refusal;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::error::{ApiError, Entity, Missing};
use super::extract::{JsonBody, PathOf};
use super::gateway::Caller;
use super::ids::job_id;
use super::keeping::{PendingExport, Protection};
use super::paging::{PageSize, Paging};
use super::params::{Params, invalid};
use super::permissions::EXECUTE;
use super::seen::look_now;
use super::selection::{Sight, Within, select};
use super::state::ApiState;
use super::wire::ApiDate;
use super::wire::job::{FailedRecording, JobUpdate, JobsQuery, RecordingJob, state_name};
use super::wire::paging::Listing;
use super::wire::words;
use desk::{Action, ActionAt, Exports, JobEntry};
use request::{action_of, asked_of};

const BASE: &str = "/api/v2/recording/jobs";
const ADD: &str = "recording:job:add";
const FAILED: &str = "FAILED";
const DAY_MINUTES: i64 = 24 * 60;

/// In a request that starts a job: the job is to fail as a whole.
#[derive(Clone, Copy, Debug)]
pub(super) struct Doomed;

pub(super) fn routes() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new()
        .routes(routes!(list, create))
        .routes(routes!(one, start, cancel))
        .routes(routes!(failed_recordings))
}

/// A job. Its query runs at once; a PUT starts what it is to do.
#[utoipa::path(
    post,
    path = "/api/v2/recording/jobs",
    tag = "jobs",
    request_body = JobsQuery,
    responses((status = 202, body = RecordingJob<'_>))
)]
async fn create(
    State(state): State<ApiState>,
    caller: Caller,
    body: JsonBody<JobsQuery>,
) -> Result<Response, ApiError> {
    state.need_all(caller, &[ADD])?;
    let query = body.value()?;
    if query.include_recordings_with_sensitive_data == Some(true) {
        state.need_all(caller, &["recording:recording:viewSensitiveData"])?;
    }
    let action = action_of(&query)?;
    let tenant = state.tenant(caller);
    let asked = asked_of(&query, tenant.request()).filter(|_| state.speaks_forum());
    let refused = match asked {
        Some(request) => tenant.refuses_job_asking(request),
        None => tenant.refuses_jobs(),
    };
    match refused {
        None => {}
        Some(Refusal::Forbidden) => return Err(ApiError::MissingPermissions(ADD.into())),
        Some(Refusal::UnknownFilter) => {
            return Err(ApiError::bad_request(
                "The export's filter names no known media type.",
            ));
        }
    }
    let selected = selected(&state, caller, &query)?;
    let ordinal = begin(&state, caller, (action, asked), selected.clone())?;
    let (entry, forgotten) = state.desk(caller).jobs.add(JobEntry {
        id: job_id(state.tenant(caller).config(), ordinal),
        ordinal,
        created_at: caller.now,
        selected,
        query: body.raw,
        client: caller.client,
        action,
    });
    for job in forgotten {
        state.tenant(caller).forget_job(job);
    }
    shown(&state, caller, StatusCode::ACCEPTED, &entry)
}

fn selected(
    state: &ApiState,
    caller: Caller,
    query: &JobsQuery,
) -> Result<Vec<RecordingIndex>, ApiError> {
    let Some(conversations) = &query.conversation_query else {
        // Of conversations that are older than five years there are none here.
        let aged = query.aged_conversation_interval.as_deref();
        let aged = aged.ok_or_else(|| ApiError::missing("conversationQuery"))?;
        let interval = super::wire::ApiInterval::parse(aged);
        return match interval.filter(|interval| interval.is_within_months(6)) {
            Some(_) => Ok(Vec::new()),
            None => Err(invalid(
                "agedConversationInterval",
                Some(aged),
                "intervals of at most 6 months",
            )),
        };
    };
    if query.aged_conversation_interval.is_some() {
        return Err(ApiError::bad_request(
            "agedConversationInterval and conversationQuery exclude each other.",
        ));
    }
    let sight = Sight {
        state,
        caller,
        within: Within::Started,
    };
    let query = (conversations.interval.as_deref(), &conversations.parts);
    let calls = select(sight, query).map_err(|error| error.under("conversationQuery"))?;
    Ok(calls.into_iter().map(|call| call.index).collect())
}

fn begin(
    state: &ApiState,
    caller: Caller,
    (action, asked): (Action, Option<ExportRequest>),
    selected: Vec<RecordingIndex>,
) -> Result<JobOrdinal, ApiError> {
    let (tenant, service) = (state.tenant(caller), state.service());
    let begun = match action {
        Action::Export => match asked {
            Some(request) => tenant.create_job_asking(service, caller.now, selected, request),
            None => tenant.create_job(service, caller.now, selected),
        },
        Action::Archive(_) | Action::Delete(..) => {
            tenant.create_retention_job(service, caller.now, selected)
        }
    };
    begun.map_err(|error| refusal(state, caller, error))
}

/// The organization's jobs, the oldest first.
#[utoipa::path(
    get,
    path = "/api/v2/recording/jobs",
    tag = "jobs",
    params(
        ("pageSize" = Option<u32>, Query, minimum = 1, maximum = 100),
        ("pageNumber" = Option<u32>, Query, minimum = 1, maximum = 2_147_483_647),
        ("includeTotal" = Option<bool>, Query, description = "false: by cursor"),
        ("cursor" = Option<String>, Query, pattern = "^(c[0-9]{1,15})?$"),
        ("sortBy" = Option<words::JobSort>, Query),
        ("state" = Option<words::JobState>, Query),
        ("showOnlyMyJobs" = Option<bool>, Query),
        ("jobType" = Option<words::JobAction>, Query),
    ),
    responses((status = 200, body = Listing<RecordingJob<'_>>))
)]
async fn list(
    State(state): State<ApiState>,
    caller: Caller,
    params: Params,
) -> Result<Response, ApiError> {
    state.need_any(caller, &["recording:job:view"])?;
    let paging = Paging::of(&params, PageSize::USUAL)?;
    let kinds = &["ARCHIVE", "DELETE", "EXPORT"];
    let kind = params.word("jobType", kinds)?;
    let mine = params.flag("showOnlyMyJobs")? == Some(true);
    let wanted = params.word("state", &STATES)?;
    let sort = params.word("sortBy", &["userId", "dateCreated"])?;
    let mut jobs = state.desk(caller).jobs.all();
    jobs.retain(|job| {
        let current = name_of_state(&state, caller, job.ordinal).ok();
        kind.is_none_or(|kind| kind == job.action.name())
            && (!mine || job.client == caller.client)
            && wanted.is_none_or(|name| current == Some(name))
    });
    if sort == Some("userId") {
        jobs.sort_by_key(|job| user_of(&state, job).id);
    }
    let base = params.address_of(BASE);
    let listing = paging.listing(&base, &jobs, |job| job_of(&state, caller, job).ok());
    Ok(Json(listing).into_response())
}

const STATES: [&str; 6] = [
    "FULFILLED",
    "PENDING",
    "READY",
    "PROCESSING",
    "CANCELLED",
    "FAILED",
];

/// A job.
#[utoipa::path(
    get,
    path = "/api/v2/recording/jobs/{jobId}",
    tag = "jobs",
    params(("jobId" = String, Path)),
    responses((status = 200, body = RecordingJob<'_>))
)]
async fn one(
    State(state): State<ApiState>,
    caller: Caller,
    PathOf(id): PathOf<String>,
) -> Result<Response, ApiError> {
    state.need_any(caller, &["recording:job:view"])?;
    let entry = find(&state, caller, &id)?;
    shown(&state, caller, StatusCode::OK, &entry)
}

/// Starts a job that is READY. Only who created it may.
#[utoipa::path(
    put,
    path = "/api/v2/recording/jobs/{jobId}",
    tag = "jobs",
    params(("jobId" = String, Path)),
    request_body = JobUpdate,
    responses((status = 200, body = RecordingJob<'_>))
)]
async fn start(
    State(state): State<ApiState>,
    caller: Caller,
    PathOf(id): PathOf<String>,
    doom: Option<Extension<Doomed>>,
    body: JsonBody<JobUpdate>,
) -> Result<Response, ApiError> {
    state.need_all(caller, EXECUTE)?;
    let JobUpdate { .. } = body.value()?;
    let entry = find(&state, caller, &id)?;
    if entry.client != caller.client {
        return Err(ApiError::NotAuthorized(
            "Only the user that created the job may execute it.",
        ));
    }
    match state
        .tenant(caller)
        .start_job(state.service(), caller.now, entry.ordinal)
    {
        Ok(()) => {
            if doom.is_some() {
                state.tenant(caller).doom_job(entry.ordinal);
            }
            state.desk(caller).jobs.started(caller.now, &entry);
            set_dates(&state, caller, &entry);
        }
        // A client that lost the first answer asks again: the answer is the same.
        Err(JobError::WrongState(JobState::Processing | JobState::Fulfilled)) => {}
        Err(error) => return Err(refusal(&state, caller, error)),
    }
    shown(&state, caller, StatusCode::OK, &entry)
}

/// Sets the dates that a job is to set. It fails for recordings that are protected from deletion.
fn set_dates(state: &ApiState, caller: Caller, entry: &JobEntry) {
    for recording in &entry.selected {
        let Some(seen) = look_now(state, caller, *recording) else {
            continue;
        };
        if fails(entry.action, seen.protection()) {
            continue;
        }
        let date = |at| match at {
            ActionAt::Date(date) => date,
            ActionAt::Age(days) => {
                ApiDate(seen.truth.end_time).plus_minutes(i64::from(days) * DAY_MINUTES)
            }
        };
        state
            .desk(caller)
            .keeping
            .change(*recording, |kept| match entry.action {
                Action::Export => {}
                Action::Archive(at) => {
                    kept.archive_at = Some(date(at));
                    kept.restored = None;
                }
                Action::Delete(at, exports) => {
                    kept.delete_at = Some(date(at));
                    if exports == Exports::Cleared {
                        kept.export = PendingExport::Cleared;
                    }
                }
            });
    }
}

const fn fails(action: Action, protection: Protection) -> bool {
    matches!(
        (action, protection),
        (Action::Delete(..), Protection::Applied)
    )
}

/// Cancels a job that is not over.
#[utoipa::path(
    delete,
    path = "/api/v2/recording/jobs/{jobId}",
    tag = "jobs",
    params(("jobId" = String, Path)),
    responses((status = 204, description = "It is cancelled"))
)]
async fn cancel(
    State(state): State<ApiState>,
    caller: Caller,
    PathOf(id): PathOf<String>,
) -> Result<Response, ApiError> {
    state.need_any(caller, &["recording:job:delete"])?;
    let entry = find(&state, caller, &id)?;
    let cancelled = state.tenant(caller).cancel_job(entry.ordinal);
    cancelled.map_err(|error| refusal(&state, caller, error))?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// The recordings for which a job failed.
#[utoipa::path(
    get,
    path = "/api/v2/recording/jobs/{jobId}/failedrecordings",
    tag = "jobs",
    params(
        ("jobId" = String, Path),
        ("pageSize" = Option<u32>, Query, minimum = 1, maximum = 100),
        ("pageNumber" = Option<u32>, Query, minimum = 1, maximum = 2_147_483_647),
        ("includeTotal" = Option<bool>, Query, description = "false: by cursor"),
        ("cursor" = Option<String>, Query, pattern = "^(c[0-9]{1,15})?$"),
    ),
    responses((status = 200, body = Listing<FailedRecording>))
)]
async fn failed_recordings(
    State(state): State<ApiState>,
    caller: Caller,
    PathOf(id): PathOf<String>,
    params: Params,
) -> Result<Response, ApiError> {
    state.need_any(caller, &["recording:job:view"])?;
    let paging = Paging::of(&params, PageSize::USUAL)?;
    let entry = find(&state, caller, &id)?;
    let failed = failed(&state, caller, &entry);
    let base = params.address_of(&format!("{BASE}/{}/failedrecordings", entry.id));
    let listing = paging.listing(&base, &failed, |recording| {
        let (conversation, recording) = public_ids(&state, *recording);
        Some(FailedRecording::of(conversation, recording))
    });
    Ok(Json(listing).into_response())
}

/// Recordings for which the job failed: by chance, since they are protected, or since storage did
/// not take them.
fn failed(state: &ApiState, caller: Caller, entry: &JobEntry) -> Vec<RecordingIndex> {
    let unwritten = state.tenant(caller).unwritten(entry.ordinal);
    let written = state.tenant(caller).read_export(entry.ordinal, |export| {
        let kept = export.sidecars.iter().map(|sidecar| sidecar.recording);
        let kept = kept.filter(|recording| {
            let protected = || {
                look_now(state, caller, *recording)
                    .is_some_and(|seen| fails(entry.action, seen.protection()))
            };
            unwritten.contains(recording)
                || matches!(entry.action, Action::Delete(..)) && protected()
        });
        export.failed.iter().copied().chain(kept).collect()
    });
    written.unwrap_or_default()
}

fn user_of(state: &ApiState, entry: &JobEntry) -> super::wire::job::Reference {
    state.clients().get(entry.client).user.clone()
}

fn find(state: &ApiState, caller: Caller, id: &str) -> Result<Arc<JobEntry>, ApiError> {
    let found = state.desk(caller).jobs.find(id);
    found.ok_or_else(|| Entity::Job.none(id))
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
    let job_state = name_of_state(state, caller, entry.ordinal)?;
    let written = tenant.read_export(entry.ordinal, |export| {
        export.sidecars.len() + export.failed.len()
    });
    let failed = failed(state, caller, entry).len();
    let processed = written.unwrap_or_default().saturating_sub(failed);
    let total = entry.selected.len();
    let skipped = if written.is_some() {
        total - processed - failed
    } else {
        0
    };
    let self_uri = format!("{BASE}/{}", entry.id);
    Ok(RecordingJob {
        id: entry.id.to_string(),
        state: job_state,
        user: &state.clients().get(entry.client).user,
        recording_jobs_query: &entry.query,
        date_created: ApiDate::of(state.config().epoch, entry.created_at),
        total_conversations: total,
        total_recordings: total,
        total_skipped_recordings: skipped,
        total_failed_recordings: failed,
        total_processed_recordings: processed,
        percent_progress: if written.is_some() { 100 } else { 0 },
        error_message: (job_state == FAILED).then_some("The job failed. Nothing was written."),
        failed_recordings: format!("{self_uri}/failedrecordings"),
        self_uri,
    })
}

/// What a client is told of a job's state. A job as a whole fails by a fault only; what fails
/// otherwise, fails for single recordings.
fn name_of_state(
    state: &ApiState,
    caller: Caller,
    job: JobOrdinal,
) -> Result<&'static str, ApiError> {
    let tenant = state.tenant(caller);
    if tenant.job_failed(job) {
        return Ok(FAILED);
    }
    let current = tenant.job_state(job).map_err(|_| ApiError::NotFound)?;
    Ok(state_name(current))
}

fn public_ids(state: &ApiState, recording: RecordingIndex) -> (ConversationId, RecordingId) {
    let seed = state.service().seed();
    (
        ConversationId::of(seed, recording),
        RecordingId::of(seed, recording),
    )
}

fn refusal(state: &ApiState, caller: Caller, error: JobError) -> ApiError {
    match error {
        JobError::TooManyJobs => ApiError::TooManyJobs {
            status: state.config().job_refusal.status(),
            retry_after: SLOT_RETRY,
            slots: state.tenant(caller).job_slots(),
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
