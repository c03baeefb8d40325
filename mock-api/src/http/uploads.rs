//! Upload reports: which recordings' files have arrived, and which wait for their conversation. The
//! one place where the real API names that state.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Json, Response};
use racegate_model::ids::{ConversationId, RecordingId, RecordingIndex, TenantIndex};
use racegate_model::time::Timestamp;
use racegate_model::timeline::Timeline;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::downloads::{Purpose, signed};
use super::error::{ApiError, Entity};
use super::extract::{JsonBody, PathOf};
use super::gateway::Caller;
use super::origin::Origin;
use super::state::ApiState;
use super::wire::ApiDate;
use super::wire::upload::{Report, ReportRequest, ReportState, UploadStatus};

const BASE: &str = "/api/v2/recording/uploads/reports";
/// Lines of a report.
const LINES_MAX: usize = 100_000;
const SCAN: usize = 1024;

/// A report that was asked for.
#[derive(Debug)]
pub(super) struct UploadReport {
    /// What it reports is how things were then.
    made_at: Timestamp,
    done_at: Timestamp,
    since: ApiDate,
    status: Option<UploadStatus>,
}

pub(super) fn routes() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new()
        .routes(routes!(create))
        .routes(routes!(one))
}

/// A report on recordings since a date, of one status or of all.
#[utoipa::path(
    post,
    path = "/api/v2/recording/uploads/reports",
    tag = "uploads",
    request_body = ReportRequest,
    responses((status = 202, body = Report))
)]
async fn create(
    State(state): State<ApiState>,
    caller: Caller,
    origin: Origin,
    body: JsonBody<ReportRequest>,
) -> Result<Response, ApiError> {
    state.need_any(caller, &["recording:uploadReport:add"])?;
    let asked = body.value()?;
    let id = state.next_correlation();
    let report = UploadReport {
        made_at: caller.now,
        done_at: caller.now + state.config().delays.query,
        since: asked.date_since,
        status: asked.upload_status,
    };
    let answer = shown(&state, caller, &origin, &id.to_string(), &report);
    state
        .desk(caller)
        .reports
        .put(id, report, size_of::<UploadReport>());
    Ok((StatusCode::ACCEPTED, Json(answer)).into_response())
}

/// A report, and where its lines are once it is done.
#[utoipa::path(
    get,
    path = "/api/v2/recording/uploads/reports/{reportId}",
    tag = "uploads",
    params(("reportId" = String, Path)),
    responses((status = 200, body = Report))
)]
async fn one(
    State(state): State<ApiState>,
    caller: Caller,
    origin: Origin,
    PathOf(id): PathOf<String>,
) -> Result<Response, ApiError> {
    state.need_any(caller, &["recording:uploadReport:view"])?;
    let report = state.desk(caller).reports.find(&id, Entity::UploadReport)?;
    Ok(Json(shown(&state, caller, &origin, &id, &report)).into_response())
}

fn shown(
    state: &ApiState,
    caller: Caller,
    origin: &Origin,
    id: &str,
    report: &UploadReport,
) -> Report {
    let done = report.done_at <= caller.now;
    let url = || signed(state, caller, origin, &format!("{id}.csv"), Purpose::Batch);
    Report {
        id: id.to_owned(),
        state: if done {
            ReportState::Completed
        } else {
            ReportState::InProgress
        },
        signed_url: done.then(url),
        self_uri: format!("{BASE}/{id}"),
    }
}

/// The lines of a report.
pub(super) fn lines(state: &ApiState, tenant: TenantIndex, id: &str) -> Option<String> {
    let report = state
        .desk_of(tenant)
        .reports
        .find(id, Entity::UploadReport)
        .ok()?;
    let service = state.service();
    let tenant = service.tenant(tenant)?;
    let calls = service.calls().seen_on(tenant.config().arm);
    let since = report.since.instant(state.config().epoch);
    let mut text = "recordingId,conversationId,endTime,uploadStatus\n".to_owned();
    let mut count = 0;
    let mut from = RecordingIndex(0);
    while count < LINES_MAX {
        let page = calls.ended_from(from, SCAN);
        let Some(last) = page.last() else { break };
        from = RecordingIndex(last.0 + 1);
        for index in page {
            let found = tenant.read(service, index, |timeline| {
                let within = (since..=report.made_at).contains(&timeline.ended_at);
                let status = status_of(timeline, report.made_at);
                let wanted = report.status.is_none_or(|wanted| wanted == status);
                (within && wanted).then_some((timeline.ended_at, status))
            });
            let Some((ended_at, status)) = found.flatten() else {
                continue;
            };
            let seed = service.seed();
            let (recording, conversation) = (
                RecordingId::of(seed, index),
                ConversationId::of(seed, index),
            );
            let ended = ApiDate::of(state.config().epoch, ended_at);
            text.push_str(&format!("{recording},{conversation},{ended},{status:?}\n"));
            count += 1;
        }
    }
    Some(text)
}

fn status_of(timeline: &Timeline, at: Timestamp) -> UploadStatus {
    if timeline.media_at.is_never() {
        UploadStatus::Failure
    } else if at < timeline.media_at {
        UploadStatus::Pending
    } else if at < timeline.submitted_at {
        UploadStatus::WaitForConversation
    } else {
        UploadStatus::Success
    }
}
