//! What becomes of recordings: deletion protection, which is the real API's legal hold, and the
//! query for retention dates, which is its cheapest proof of exports.

use axum::extract::State;
use axum::response::{IntoResponse, Json, Response};
use racegate_model::ids::RecordingIndex;
use racegate_model::time::Duration;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::error::ApiError;
use super::extract::JsonBody;
use super::gateway::Caller;
use super::keeping::Protection;
use super::paging::{PageSize, Paging, cursor_of};
use super::params::Params;
use super::permissions::VIEW;
use super::seen::{conversation_index, look_now, readable, retention_dates};
use super::state::ApiState;
use super::wire::ApiDate;
use super::wire::fields::Shown;
use super::wire::job::Reference;
use super::wire::paging::{Listing, Page};
use super::wire::protection::{FailedProtection, ProtectionQuery, ProtectionResult};
use super::wire::recording::RecordingRetention;

/// Conversations in a query about protection.
const CONVERSATIONS_MAX: usize = 100;
const DAY_SECONDS: u64 = 86_400;
/// A hundred years.
const DAYS_MAX: u64 = 36_500;
const RETENTION: &str = "/api/v2/recordings/retention/query";

pub(super) fn routes() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new()
        .routes(routes!(protected, protect))
        .routes(routes!(retention))
}

/// Which of these conversations have protected recordings.
#[utoipa::path(
    post,
    path = "/api/v2/recordings/deletionprotection",
    tag = "retention",
    request_body = ProtectionQuery,
    responses((status = 200, body = Vec<Reference>))
)]
async fn protected(
    State(state): State<ApiState>,
    caller: Caller,
    body: JsonBody<ProtectionQuery>,
) -> Result<Response, ApiError> {
    let query = body.value()?;
    check(&query)?;
    let ids = query.conversation_ids.into_iter();
    let protected: Vec<Reference> = ids
        .filter(|id| {
            let seen = conversation_index(&state, id)
                .ok()
                .and_then(|index| look_now(&state, caller, index));
            seen.is_some_and(|seen| seen.protection() == Protection::Applied)
        })
        .map(conversation_of)
        .collect();
    Ok(Json(protected).into_response())
}

/// Protects the recordings of conversations from deletion, or no more.
#[utoipa::path(
    put,
    path = "/api/v2/recordings/deletionprotection",
    tag = "retention",
    params(("protect" = Option<bool>, Query, description = "Apply (the default) or revoke")),
    request_body = ProtectionQuery,
    responses((status = 200, body = ProtectionResult))
)]
async fn protect(
    State(state): State<ApiState>,
    caller: Caller,
    params: Params,
    body: JsonBody<ProtectionQuery>,
) -> Result<Response, ApiError> {
    let (protection, permission) = match params.flag("protect")? {
        None | Some(true) => (Protection::Applied, "recording:deletionProtection:apply"),
        Some(false) => (Protection::Revoked, "recording:deletionProtection:revoke"),
    };
    state.need_any(caller, &[permission])?;
    let query = body.value()?;
    check(&query)?;
    let mut failed_updates = Vec::new();
    for id in query.conversation_ids {
        let index = conversation_index(&state, &id).ok();
        match index.filter(|index| look_now(&state, caller, *index).is_some()) {
            Some(index) => state
                .desk(caller)
                .keeping
                .change(index, |kept| kept.protection = Some(protection)),
            None => failed_updates.push(FailedProtection {
                conversation: conversation_of(id),
                error_message: "The conversation has no recordings.",
                error_code: "not.found",
            }),
        }
    }
    Ok(Json(ProtectionResult { failed_updates }).into_response())
}

fn check(query: &ProtectionQuery) -> Result<(), ApiError> {
    if query.conversation_ids.len() > CONVERSATIONS_MAX {
        return Err(ApiError::TooMany("conversations in a request (100)"));
    }
    Ok(())
}

fn conversation_of(id: String) -> Reference {
    let self_uri = format!("/api/v2/conversations/{id}");
    Reference { id, self_uri }
}

/// What is to become of recordings that have been kept for more than so many days.
#[utoipa::path(
    get,
    path = "/api/v2/recordings/retention/query",
    tag = "retention",
    params(
        ("retentionThresholdDays" = u64, Query, maximum = 36_500),
        ("cursor" = Option<String>, Query, pattern = "^(c[0-9]{1,15})?$"),
        ("pageSize" = Option<u32>, Query, minimum = 1, maximum = 500),
    ),
    responses((status = 200, body = Listing<RecordingRetention>))
)]
async fn retention(
    State(state): State<ApiState>,
    caller: Caller,
    params: Params,
) -> Result<Response, ApiError> {
    readable(&state, caller)?;
    state.need_any(caller, &VIEW[..1])?;
    let days = params.number("retentionThresholdDays", 0..=DAYS_MAX)?;
    let days = days.ok_or_else(|| ApiError::missing("retentionThresholdDays"))?;
    let paging = Paging::by_cursor(&params, PageSize::RETENTION)?;
    let age = Duration::from_secs(days * DAY_SECONDS);
    let mut entities = Vec::new();
    let mut from = RecordingIndex(paging.offset() as u64);
    let calls = state.calls(caller);
    let next = loop {
        let page = calls.ended_from(from, paging.size());
        let Some(last) = page.last() else { break None };
        let next = RecordingIndex(last.0 + 1);
        for index in page {
            if entities.len() == paging.size() {
                break;
            }
            from = RecordingIndex(index.0 + 1);
            entities.extend(record(&state, caller, index, age));
        }
        if entities.len() == paging.size() {
            let more = !calls.ended_from(from, 1).is_empty();
            break more.then_some(from);
        }
        from = next;
    };
    let cursor = next
        .and_then(|next| usize::try_from(next.0).ok())
        .map(cursor_of);
    let base = format!(
        "{RETENTION}?retentionThresholdDays={days}&pageSize={}",
        paging.size()
    );
    Ok(Json(Listing {
        entities,
        page: Page::default(),
        next_uri: cursor
            .as_ref()
            .map(|cursor| format!("{base}&cursor={cursor}")),
        cursor,
        self_uri: base,
        previous_uri: None,
    })
    .into_response())
}

fn record(
    state: &ApiState,
    caller: Caller,
    index: RecordingIndex,
    age: Duration,
) -> Option<RecordingRetention> {
    let seen = look_now(state, caller, index)?;
    let epoch = state.config().epoch;
    let created = ApiDate(seen.truth.end_time);
    if created.instant(epoch) + age >= caller.now {
        return None;
    }
    let dates = retention_dates(state, caller, &seen);
    Some(RecordingRetention {
        conversation_id: Shown(seen.truth.conversation),
        recording_id: Shown(seen.truth.recording),
        archive_date: dates.archive_date,
        archive_medium: dates.archive_medium,
        delete_date: dates.delete_date,
        export_date: dates.export_date,
        exported_date: dates.exported_date,
        creation_time: created,
    })
}
