//! Finding conversations: the query that sees them at once, and the jobs that read the data lake.

use std::sync::atomic::{AtomicBool, Ordering};

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Json, Response};
use racegate_model::ids::{ConversationId, RecordingIndex, SessionId};
use racegate_model::time::{Duration, Timestamp};
use racegate_model::workload::Call;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::error::{ApiError, Entity};
use super::extract::{JsonBody, PathOf};
use super::gateway::Caller;
use super::notifications::{participant_id, peer_session};
use super::paging::{PageSize, Paging, cursor_of};
use super::params::{Params, invalid};
use super::permissions::ANALYTICS;
use super::seen::queue_id;
use super::selection::{Sight, Within, select};
use super::state::ApiState;
use super::wire::ApiDate;
use super::wire::analytics::{
    AnalyticsConversation, AnalyticsParticipant, AnalyticsSegment, AnalyticsSession,
    DataAvailability, DetailsPage, DetailsResults, DetailsState, DetailsStatus, DetailsSubmitted,
};
use super::wire::fields::Shown;
use super::wire::job::{AsyncDetailsQuery, DetailsQuery, QueryOrder, QueryOrderBy, QueryParts};

/// Conversations on a page.
const PAGE_MAX: u32 = 100;
const PAGE_DEFAULT: u32 = 25;
/// Results of a job are kept so long.
const RESULTS_LIFE: Duration = Duration::from_secs(86_400);

pub(super) fn routes() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new()
        .routes(routes!(query))
        .routes(routes!(submit))
        .routes(routes!(availability))
        .routes(routes!(status, cancel))
        .routes(routes!(results))
}

/// An analytics job.
#[derive(Debug)]
pub(super) struct DetailsJob {
    submitted_at: Timestamp,
    completed_at: Timestamp,
    /// What had ended before this was in the lake.
    watermark: Timestamp,
    found: Vec<RecordingIndex>,
    cancelled: AtomicBool,
}

impl DetailsJob {
    fn state(&self, now: Timestamp) -> DetailsState {
        if self.cancelled.load(Ordering::Acquire) {
            DetailsState::Cancelled
        } else if now < self.completed_at {
            DetailsState::Queued
        } else if now < self.completed_at + RESULTS_LIFE {
            DetailsState::Fulfilled
        } else {
            DetailsState::Expired
        }
    }
}

/// Conversations that took place in an interval. They are seen as they happen.
#[utoipa::path(
    post,
    path = "/api/v2/analytics/conversations/details/query",
    tag = "analytics",
    request_body = DetailsQuery,
    responses((status = 200, body = DetailsPage))
)]
async fn query(
    State(state): State<ApiState>,
    caller: Caller,
    body: JsonBody<DetailsQuery>,
) -> Result<Response, ApiError> {
    state.need_any(caller, ANALYTICS)?;
    let query = body.value()?;
    let size = within(
        "pageSize",
        query.paging.and_then(|p| p.page_size),
        PAGE_DEFAULT,
    )?;
    let page = within("pageNumber", query.paging.and_then(|p| p.page_number), 1)?;
    let mut calls = find(&state, caller, (&query.interval, &query.parts))?;
    calls.retain(|call| call.arrival <= caller.now);
    let total_hits = calls.len();
    let first = (page as usize - 1).saturating_mul(size as usize);
    let conversations = calls
        .iter()
        .skip(first)
        .take(size as usize)
        .map(|call| shown(&state, caller, call))
        .collect();
    Ok(Json(DetailsPage {
        conversations,
        total_hits,
    })
    .into_response())
}

fn within(field: &'static str, said: Option<u32>, default: u32) -> Result<u32, ApiError> {
    let number = said.unwrap_or(default);
    let most = if field == "pageSize" {
        PAGE_MAX
    } else {
        u32::MAX
    };
    if (1..=most).contains(&number) {
        Ok(number)
    } else {
        let allowed = if most == PAGE_MAX {
            "1 to 100"
        } else {
            "1 and up"
        };
        Err(invalid(field, Some(&number.to_string()), allowed))
    }
}

/// The conversations of a query, in its order.
fn find(
    state: &ApiState,
    caller: Caller,
    (interval, parts): (&str, &QueryParts),
) -> Result<Vec<Call>, ApiError> {
    let sight = Sight {
        state,
        caller,
        within: Within::Active,
    };
    let mut calls = select(sight, (Some(interval), parts))?;
    match parts.order_by {
        Some(QueryOrderBy::ConversationEnd | QueryOrderBy::SegmentEnd) => {
            // Those that go on end last.
            let ended_at = |call: &Call| sight.lasted(call).map_or(Timestamp::NEVER, |(_, at)| at);
            calls.sort_by_key(|call| (ended_at(call), call.index));
        }
        None | Some(QueryOrderBy::ConversationStart | QueryOrderBy::SegmentStart) => {
            calls.sort_by_key(|call| (call.arrival, call.index));
        }
    }
    if parts.order == Some(QueryOrder::Desc) {
        calls.reverse();
    }
    Ok(calls)
}

/// A job that reads the data lake, which lags behind.
#[utoipa::path(
    post,
    path = "/api/v2/analytics/conversations/details/jobs",
    tag = "analytics",
    request_body = AsyncDetailsQuery,
    responses((status = 202, body = DetailsSubmitted))
)]
async fn submit(
    State(state): State<ApiState>,
    caller: Caller,
    body: JsonBody<AsyncDetailsQuery>,
) -> Result<Response, ApiError> {
    state.need_any(caller, ANALYTICS)?;
    let query = body.value()?;
    let watermark = state.tenant(caller).watermark(caller.now);
    let calls = find(&state, caller, (&query.interval, &query.parts))?;
    let in_lake = |call: &Call| {
        let ended = state
            .tenant(caller)
            .read(state.service(), call.index, |seen| seen.ended_at);
        ended.is_some_and(|ended_at| ended_at <= watermark)
    };
    let limit = query.parts.limit.map_or(usize::MAX, |limit| limit as usize);
    let found: Vec<RecordingIndex> = calls
        .iter()
        .filter(|call| in_lake(call))
        .take(limit)
        .map(|call| call.index)
        .collect();
    let id = state.next_correlation();
    let weight = found.len() * size_of::<RecordingIndex>();
    let job = DetailsJob {
        submitted_at: caller.now,
        completed_at: caller.now + state.config().delays.query,
        watermark,
        found,
        cancelled: AtomicBool::new(false),
    };
    state.desk(caller).details.put(id, job, weight);
    let submitted = DetailsSubmitted {
        job_id: id.to_string(),
    };
    Ok((StatusCode::ACCEPTED, Json(submitted)).into_response())
}

/// The watermark: what ended before it is in the data lake for sure.
#[utoipa::path(
    get,
    path = "/api/v2/analytics/conversations/details/jobs/availability",
    tag = "analytics",
    responses((status = 200, body = DataAvailability))
)]
async fn availability(State(state): State<ApiState>, caller: Caller) -> Result<Response, ApiError> {
    state.need_any(caller, ANALYTICS)?;
    let watermark = state.tenant(caller).watermark(caller.now);
    Ok(Json(DataAvailability {
        data_availability_date: ApiDate::of(state.config().epoch, watermark),
    })
    .into_response())
}

/// How far a job is.
#[utoipa::path(
    get,
    path = "/api/v2/analytics/conversations/details/jobs/{jobId}",
    tag = "analytics",
    params(("jobId" = String, Path)),
    responses((status = 200, body = DetailsStatus))
)]
async fn status(
    State(state): State<ApiState>,
    caller: Caller,
    PathOf(id): PathOf<String>,
) -> Result<Response, ApiError> {
    state.need_any(caller, ANALYTICS)?;
    let job = state.desk(caller).details.find(&id, Entity::AnalyticsJob)?;
    let date = |at| ApiDate::of(state.config().epoch, at);
    let job_state = job.state(caller.now);
    let done = matches!(job_state, DetailsState::Fulfilled | DetailsState::Expired);
    Ok(Json(DetailsStatus {
        state: job_state,
        submission_date: date(job.submitted_at),
        expiration_date: date(job.completed_at + RESULTS_LIFE),
        completion_date: done.then(|| date(job.completed_at)),
    })
    .into_response())
}

/// Cancels a job.
#[utoipa::path(
    delete,
    path = "/api/v2/analytics/conversations/details/jobs/{jobId}",
    tag = "analytics",
    params(("jobId" = String, Path)),
    responses((status = 204, description = "It is cancelled"))
)]
async fn cancel(
    State(state): State<ApiState>,
    caller: Caller,
    PathOf(id): PathOf<String>,
) -> Result<Response, ApiError> {
    state.need_any(caller, ANALYTICS)?;
    let job = state.desk(caller).details.find(&id, Entity::AnalyticsJob)?;
    job.cancelled.store(true, Ordering::Release);
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// What a job has found.
#[utoipa::path(
    get,
    path = "/api/v2/analytics/conversations/details/jobs/{jobId}/results",
    tag = "analytics",
    params(
        ("jobId" = String, Path),
        ("cursor" = Option<String>, Query, pattern = "^(c[0-9]{1,15})?$"),
        ("pageSize" = Option<u32>, Query, minimum = 1, maximum = 1000),
    ),
    responses((status = 200, body = DetailsResults))
)]
async fn results(
    State(state): State<ApiState>,
    caller: Caller,
    PathOf(id): PathOf<String>,
    params: Params,
) -> Result<Response, ApiError> {
    state.need_any(caller, ANALYTICS)?;
    let paging = Paging::by_cursor(&params, PageSize::RESULTS)?;
    let job = state.desk(caller).details.find(&id, Entity::AnalyticsJob)?;
    if job.state(caller.now) != DetailsState::Fulfilled {
        return Err(ApiError::bad_request("The job has no results."));
    }
    let part = paging.part(&job.found, |index| {
        let call = state.calls(caller).get(*index)?;
        Some(shown(&state, caller, &call))
    });
    Ok(Json(DetailsResults {
        conversations: part.entities,
        cursor: part.next.map(cursor_of),
        data_availability_date: ApiDate::of(state.config().epoch, job.watermark),
    })
    .into_response())
}

fn shown(state: &ApiState, caller: Caller, call: &Call) -> AnalyticsConversation {
    let seed = state.service().seed();
    let date = |at| ApiDate::of(state.config().epoch, at);
    let times = state
        .tenant(caller)
        .read(state.service(), call.index, |timeline| {
            (
                timeline.started_at,
                Some(timeline.ended_at).filter(|at| *at <= caller.now),
            )
        });
    let (started_at, ended_at) = times.unwrap_or((call.arrival, None));
    let client = state.client(caller);
    let agents = SessionId::of(seed, call.index).to_string();
    let customers = peer_session(seed, call.index);
    let participant = |purpose, (session_id, peer_id): (&str, &str), disconnect_type| {
        let agent = session_id == agents;
        AnalyticsParticipant {
            participant_id: participant_id(seed, call.index, purpose).to_string(),
            purpose,
            participant_name: agent.then(|| client.id.clone()),
            user_id: agent.then(|| client.user.id.clone()),
            sessions: [AnalyticsSession {
                session_id: session_id.to_owned(),
                peer_id: peer_id.to_owned(),
                media_type: "voice",
                direction: "inbound",
                provider: "Edge",
                recording: true,
                segments: [AnalyticsSegment {
                    segment_start: date(started_at),
                    segment_end: ended_at.map(date),
                    segment_type: "interact",
                    conference: false,
                    queue_id: agent.then(|| queue_id(state, caller)),
                    disconnect_type: ended_at.and(Some(disconnect_type)),
                }],
            }],
        }
    };
    AnalyticsConversation {
        conversation_id: Shown(ConversationId::of(seed, call.index)),
        conversation_start: date(started_at),
        conversation_end: ended_at.map(date),
        originating_direction: "inbound",
        participants: [
            participant("customer", (&customers, &agents), "client"),
            participant("agent", (&agents, &customers), "peer"),
        ],
    }
}
