//! `/__admin/requests`: the journal, and counts to be held against it.

use std::collections::BTreeSet;

use axum::http::StatusCode;
use axum::response::{IntoResponse, Json, Response};
use racegate_model::ids::{RecordingIndex, TenantIndex};
use serde::Deserialize;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::faults::Matcher;
use super::guard::{Body, Controls, Query, count};
use super::journal::Entry;
use super::recordings::visible;
use super::wire::{
    MatchBody, RefusedShown, RequestShown, RequestsBody, Span, Verified, Verify, Whose,
};
use crate::http::error::ApiError;
use crate::http::seen::index_of_either;
use crate::http::state::ApiState;
use crate::http::wire::ApiDate;
use crate::storage::layout::WallTime;

/// Requests that one answer shows unless told otherwise, and at most.
const LIMIT_DEFAULT: usize = 100;
const LIMIT_MAX: usize = 10_000;
/// Recordings that one request shows.
const RECORDINGS_SHOWN: usize = 100;

pub(super) fn routes() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new()
        .routes(routes!(list, clear))
        .routes(routes!(verify))
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
struct Filter {
    method: Option<String>,
    path: Option<String>,
    client: Option<String>,
    status: Option<u16>,
    recording: Option<String>,
    #[serde(deserialize_with = "count")]
    after: Option<u64>,
    #[serde(deserialize_with = "count")]
    limit: Option<usize>,
}

/// The journal: requests, the oldest first, with what was visible then. Writes of ours that an
/// external S3 refused are among them.
#[utoipa::path(
    get,
    path = "/__admin/requests",
    tag = "admin",
    params(
        ("method" = Option<String>, Query, description = "GET, POST, …"),
        ("path" = Option<String>, Query, description = "`*` stands for any text"),
        ("client" = Option<String>, Query, description = "A client id"),
        ("status" = Option<u16>, Query, maximum = 65_535, description = "The answer's"),
        ("recording" = Option<String>, Query, description = "Id of a recording or conversation"),
        ("after" = Option<u64>, Query, maximum = 2_147_483_647,
            description = "Numbers above this one"),
        ("limit" = Option<u64>, Query, maximum = 2_147_483_647, description = "Shown at most"),
    ),
    responses((status = 200, body = RequestsBody)),
    security()
)]
async fn list(controls: Controls, Query(filter): Query<Filter>) -> Result<Response, ApiError> {
    let limit = filter.limit.unwrap_or(LIMIT_DEFAULT).min(LIMIT_MAX);
    let matching = MatchBody {
        method: filter.method,
        path: filter.path,
        client: filter.client,
    };
    let wanted = Wanted {
        matcher: Matcher::new(&matching, |client| controls.state.tenant_of(client))?,
        status: filter.status,
        recording: recording(&controls, filter.recording.as_deref())?,
        after: filter.after,
    };
    let (found, forgotten) = find(&controls, &wanted);
    let shown = found
        .iter()
        .skip(found.len().saturating_sub(limit))
        .map(|entry| shown(&controls.state, entry));
    Ok(Json(RequestsBody {
        requests: shown.collect(),
        count: found.len(),
        forgotten,
        total: controls.control.journal().total(),
        bytes: controls.control.journal().bytes(),
    })
    .into_response())
}

/// Forgets requests.
#[utoipa::path(
    delete,
    path = "/__admin/requests",
    tag = "admin",
    params(("client" = Option<String>, Query, description = "A client id")),
    responses((status = 204, description = "It is done")),
    security()
)]
async fn clear(controls: Controls, Query(whose): Query<Whose>) -> Result<Response, ApiError> {
    let tenant = controls.tenant(whose.client.as_deref())?;
    controls.control.journal().clear(tenant);
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// 200 if as many requests match as were expected, else 417, so that `curl --fail` fails.
#[utoipa::path(
    post,
    path = "/__admin/requests/verify",
    tag = "admin",
    request_body = Option<Verify>,
    responses((status = 200, body = Verified), (status = 417, description = "There are more or fewer", body = crate::http::wire::ErrorBody)),
    security()
)]
async fn verify(controls: Controls, Body(verify): Body<Verify>) -> Result<Response, ApiError> {
    let wanted = Wanted {
        matcher: Matcher::new(&verify.matching, |client| controls.state.tenant_of(client))?,
        status: verify.status,
        recording: recording(&controls, verify.recording.as_deref())?,
        after: None,
    };
    let (found, forgotten) = find(&controls, &wanted);
    let count = found.len();
    let mut broken = Vec::new();
    if verify.exactly.is_some_and(|exactly| count != exactly) {
        broken.push(format!("exactly {}", verify.exactly.unwrap_or(0)));
    }
    if verify.at_least.is_some_and(|least| count < least) {
        broken.push(format!("at least {}", verify.at_least.unwrap_or(0)));
    }
    if verify.at_most.is_some_and(|most| count > most) {
        broken.push(format!("at most {}", verify.at_most.unwrap_or(0)));
    }
    if broken.is_empty() {
        return Ok(Json(Verified { count, forgotten }).into_response());
    }
    let mut message = format!(
        "Expected {} matching requests, found {count}.",
        broken.join(" and ")
    );
    if forgotten > 0 {
        message.push_str(&format!(
            " The journal forgot {forgotten} requests for want of room."
        ));
    }
    Err(ApiError::NotVerified(message))
}

struct Wanted {
    matcher: Matcher,
    status: Option<u16>,
    recording: Option<RecordingIndex>,
    after: Option<u64>,
}

fn find(controls: &Controls, wanted: &Wanted) -> (Vec<Entry>, u64) {
    let (mut found, forgotten) = controls.control.journal().find(|entry| {
        let path = entry.target.split('?').next().unwrap_or_default();
        wanted.matcher.matches(&entry.method, path, entry.tenant)
            && wanted.status.is_none_or(|status| status == entry.status)
            && wanted.after.is_none_or(|after| entry.sequence > after)
    });
    if let Some(recording) = wanted.recording {
        found.retain(|entry| concerned(&controls.state, entry).contains(&recording));
    }
    (found, forgotten)
}

fn recording(controls: &Controls, id: Option<&str>) -> Result<Option<RecordingIndex>, ApiError> {
    let Some(id) = id else {
        return Ok(None);
    };
    let index = index_of_either(&controls.state, id);
    let unknown = || ApiError::bad_request(format!("`{id}` is no recording's id here."));
    index.map(Some).ok_or_else(unknown)
}

/// The recordings that a request was about: those in its path, and those of the job in its path
/// or of the job that it made.
fn concerned(state: &ApiState, entry: &Entry) -> Vec<RecordingIndex> {
    if let Some(storage) = &entry.storage {
        return storage.recording.into_iter().collect();
    }
    let path = entry.target.split('?').next().unwrap_or_default();
    let named: BTreeSet<_> = path
        .split('/')
        .filter_map(|part| index_of_either(state, part))
        .collect();
    if !named.is_empty() {
        return named.into_iter().collect();
    }
    let Some(tenant) = entry.tenant else {
        return Vec::new();
    };
    if !path.starts_with("/api/v2/recording/jobs") {
        return Vec::new();
    }
    let jobs = state.jobs_of(tenant);
    let of_job = path.split('/').find_map(|part| jobs.recordings_of(part));
    let created = || {
        let made_one = entry.method == axum::http::Method::POST && entry.status == 202;
        made_one.then(|| jobs.recordings_of_job_made_at(entry.at))?
    };
    of_job.or_else(created).unwrap_or_default()
}

fn shown(state: &ApiState, entry: &Entry) -> RequestShown {
    let concerned = concerned(state, entry);
    let tenant = entry.tenant.unwrap_or(TenantIndex(0));
    let recordings = concerned
        .iter()
        .take(RECORDINGS_SHOWN)
        .filter_map(|recording| visible(state, tenant, *recording, entry.at));
    let client = entry.tenant.and_then(|tenant| {
        let config = state.service().tenant(tenant)?.config();
        Some(config.credentials.client_id.clone())
    });
    RequestShown {
        sequence: entry.sequence,
        at: Span::until(entry.at),
        date: ApiDate::of(state.config().epoch, entry.at).to_string(),
        wall_time: ApiDate(WallTime::from_unix_millis(entry.wall_millis)).to_string(),
        client,
        method: entry.method.to_string(),
        target: entry.target.clone(),
        status: (entry.status != 0).then_some(entry.status),
        fault: entry.fault,
        storage: entry.storage.as_ref().map(|refused| RefusedShown {
            key: refused.key.clone(),
            words: refused.words.clone(),
        }),
        recordings: recordings.collect(),
        more_recordings: concerned.len().saturating_sub(RECORDINGS_SHOWN),
    }
}
