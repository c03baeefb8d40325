//! `/__admin/recordings`: what there is, what is added by hand, and what is held back.

use std::collections::BTreeMap;

use axum::http::StatusCode;
use axum::response::{IntoResponse, Json, Response};
use racegate_model::field::{Field, FieldSet, Kind};
use racegate_model::ids::{ConversationId, RecordingId, RecordingIndex, TenantIndex};
use racegate_model::scenario::ReadPath;
use racegate_model::time::{Duration, Timestamp};
use racegate_model::timeline::{
    FieldClock, Hold, RecordingState, STAGES_MAX, StageTimes, Timeline, View,
};
use racegate_model::workload::Call;
use serde::Deserialize;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::guard::{Body, Controls, Query, count};
use super::wire::{
    HoldBody, NewRecording, RecordingShown, RecordingsBody, Span, Visible, VisibleAt,
};
use crate::http::error::{ApiError, Entity};
use crate::http::extract::PathOf;
use crate::http::seen::index_of_either;
use crate::http::state::ApiState;
use crate::http::wire::ApiDate;
use crate::service::HoldError;

/// Length of a call when nothing is said.
const DURATION_DEFAULT: Duration = Duration::from_secs(5);
/// A call of an hour makes 18 MB of audio.
const DURATION_MAX: Duration = Duration::from_secs(3600);
/// Recordings that one answer shows.
const LIMIT_DEFAULT: usize = 100;
const LIMIT_MAX: usize = 10_000;

pub(super) fn routes() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new()
        .routes(routes!(list, add))
        .routes(routes!(one))
        .routes(routes!(hold))
        .routes(routes!(release))
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
struct Window {
    #[serde(deserialize_with = "count")]
    limit: Option<usize>,
}

/// Recordings; the calls that ended last come first.
#[utoipa::path(
    get,
    path = "/__admin/recordings",
    tag = "admin",
    params(("limit" = Option<u64>, Query, maximum = 2_147_483_647, description = "Shown at most")),
    responses((status = 200, body = RecordingsBody)),
    security()
)]
async fn list(controls: Controls, Query(window): Query<Window>) -> Response {
    let limit = window.limit.unwrap_or(LIMIT_DEFAULT).min(LIMIT_MAX);
    let calls = controls.state.service().calls();
    let shown: Vec<_> = calls
        .last_ended(limit)
        .iter()
        .map(|call| shown(&controls.state, call))
        .collect();
    Json(RecordingsBody {
        recordings: shown,
        count: calls.ended_count(),
    })
    .into_response()
}

/// A recording as it is now, by its own id or its conversation's.
#[utoipa::path(
    get,
    path = "/__admin/recordings/{id}",
    tag = "admin",
    params(("id" = String, Path)),
    responses((status = 200, body = RecordingShown)),
    security()
)]
async fn one(controls: Controls, PathOf(id): PathOf<String>) -> Result<Response, ApiError> {
    let call = call_of(&controls.state, &id)?;
    Ok(Json(shown(&controls.state, &call)).into_response())
}

/// Adds a recording.
#[utoipa::path(
    post,
    path = "/__admin/recordings",
    tag = "admin",
    request_body = Option<NewRecording>,
    responses((status = 201, body = RecordingShown)),
    security()
)]
async fn add(controls: Controls, Body(new): Body<NewRecording>) -> Result<Response, ApiError> {
    let state = &controls.state;
    let kind = match new.kind.as_deref() {
        None | Some("webrtc") => Kind::Webrtc,
        Some("sip") => Kind::Sip,
        Some(other) => {
            return Err(ApiError::bad_request(format!(
                "`kind` is `webrtc` or `sip`, not `{other}`."
            )));
        }
    };
    let length = new.duration.map_or(DURATION_DEFAULT, |span| span.0);
    if length > DURATION_MAX {
        return Err(ApiError::bad_request("A call lasts at most an hour."));
    }
    if let Some(visible) = &new.visible {
        for name in visible.fields.keys() {
            field_named(name)?;
        }
    }
    let tenant = controls.tenant(new.client.as_deref())?;
    let now = state.now();
    let ends_at = now + new.ends_in.map_or(Duration::ZERO, |span| span.0);
    let arrival = ends_at - length;
    let call = |index: RecordingIndex| Call {
        index,
        arrival,
        duration: ends_at.since(arrival),
        kind,
        hold: if new.legal_hold == Some(true) {
            Hold::Held
        } else {
            Hold::Free
        },
    };
    let told = |call: &Call| {
        let visible = new.visible.as_ref()?;
        Some(told(call, visible))
    };
    let call = controls
        .control
        .traffic()
        .place(now, controls.on(tenant), call, told)
        .map_err(|_| ApiError::TooMany("recordings"))?;
    Ok((StatusCode::CREATED, Json(shown(state, &call))).into_response())
}

/// Holds back metadata that is not visible yet, and news of it.
#[utoipa::path(
    post,
    path = "/__admin/recordings/{id}/hold",
    tag = "admin",
    params(("id" = String, Path)),
    request_body = Option<HoldBody>,
    responses((status = 200, body = RecordingShown)),
    security()
)]
async fn hold(
    controls: Controls,
    PathOf(id): PathOf<String>,
    Body(hold): Body<HoldBody>,
) -> Result<Response, ApiError> {
    let call = call_of(&controls.state, &id)?;
    let named: Result<Vec<Field>, ApiError> =
        hold.fields.iter().map(|name| field_named(name)).collect();
    let named: FieldSet = named?.into_iter().collect();
    let fields = if named.is_empty() {
        FieldSet::METADATA
    } else {
        named
    };
    let on = controls.on(controls.tenant(hold.client.as_deref())?);
    let state = &controls.state;
    let held = state
        .service()
        .hold_back(state.now(), call.index, fields, on);
    held.map_err(refusal)?;
    Ok(Json(shown(state, &call)).into_response())
}

/// What was held back comes now.
#[utoipa::path(
    post,
    path = "/__admin/recordings/{id}/release",
    tag = "admin",
    params(("id" = String, Path)),
    request_body = Option<HoldBody>,
    responses((status = 200, body = RecordingShown)),
    security()
)]
async fn release(
    controls: Controls,
    PathOf(id): PathOf<String>,
    Body(hold): Body<HoldBody>,
) -> Result<Response, ApiError> {
    let call = call_of(&controls.state, &id)?;
    let on = controls.on(controls.tenant(hold.client.as_deref())?);
    let state = &controls.state;
    let released = state.service().release(state.now(), call.index, on);
    released.map_err(refusal)?;
    Ok(Json(shown(state, &call)).into_response())
}

fn refusal(error: HoldError) -> ApiError {
    match error {
        HoldError::Unknown => ApiError::bad_request(
            "The recording's session has not ended yet; there is nothing to hold back.",
        ),
        HoldError::NotHeld => ApiError::bad_request("The recording is not held back."),
        HoldError::TooMany => ApiError::TooMany("recordings held back"),
    }
}

fn field_named(name: &str) -> Result<Field, ApiError> {
    let field = Field::from_name(name).filter(|field| *field != Field::Media);
    field.ok_or_else(|| {
        let names = Field::METADATA.map(Field::name).join(", ");
        ApiError::bad_request(format!("`{name}` is no metadata field; there are {names}."))
    })
}

/// A timeline whose instants are told.
fn told(call: &Call, visible: &VisibleAt) -> Timeline {
    let ended_at = call.ended_at();
    let after = |said: Option<Option<Span>>, unsaid: Timestamp| match said {
        None => unsaid,
        Some(None) => Timestamp::NEVER,
        Some(Some(span)) => ended_at + span.0,
    };
    let metadata_at = after(visible.metadata, ended_at);
    let index_lag = visible.index_lag.map_or(Duration::ZERO, |span| span.0);
    let null_at = if visible.absent_as_null == Some(true) {
        ended_at
    } else {
        Timestamp::NEVER
    };
    let fields = Field::METADATA.map(|field| {
        let said = visible.fields.get(field.name()).copied();
        let foreign = call.kind == Kind::Sip
            && matches!(field, Field::WebrtcSessionId | Field::ClientIp)
            && said.is_none();
        if foreign {
            return FieldClock::NEVER;
        }
        let value_at = after(said, metadata_at);
        FieldClock {
            null_at,
            value_at,
            index_at: value_at + index_lag,
        }
    });
    let last = fields.iter().map(|clock| clock.value_at);
    let last = last.filter(|at| !at.is_never()).max().unwrap_or(ended_at);
    Timeline {
        recording: call.index,
        tenant: None,
        kind: call.kind,
        region: racegate_model::timeline::Region::First,
        hold: call.hold,
        started_at: call.arrival,
        ended_at,
        media_at: after(visible.media, ended_at),
        state_at: after(visible.state, last),
        submitted_at: ended_at,
        written_at: last,
        fields,
        stages: [StageTimes::NONE; STAGES_MAX],
        false_fields: FieldSet::EMPTY,
        null_fields: FieldSet::EMPTY,
        lost_cause: None,
        hold_cause: None,
        index_cause: None,
        later: None,
        revisions: Vec::new(),
    }
}

pub(super) fn call_of(state: &ApiState, id: &str) -> Result<Call, ApiError> {
    index_of_either(state, id)
        .and_then(|index| state.service().calls().get(index))
        .ok_or_else(|| Entity::Recording.none(id))
}

pub(super) fn shown(state: &ApiState, call: &Call) -> RecordingShown {
    let (seed, epoch) = (state.service().seed(), state.config().epoch);
    let now = state.now();
    let clients = state.service().tenants().iter().filter_map(|tenant| {
        let config = tenant.config();
        let visible = visible(state, config.index, call.index, now)?;
        Some((config.credentials.client_id.clone(), visible))
    });
    RecordingShown {
        conversation_id: ConversationId::of(seed, call.index).to_string(),
        recording_id: RecordingId::of(seed, call.index).to_string(),
        kind: call.kind.name(),
        legal_hold: call.hold == Hold::Held,
        started: ApiDate::of(epoch, call.arrival).to_string(),
        ends: ApiDate::of(epoch, call.ended_at()).to_string(),
        clients: clients.collect::<BTreeMap<_, _>>(),
    }
}

/// What a tenant could see of a recording at an instant; none if its platform does not have it.
pub(super) fn visible(
    state: &ApiState,
    tenant: TenantIndex,
    recording: RecordingIndex,
    at: Timestamp,
) -> Option<Visible> {
    let service = state.service();
    let tenant = service.tenant(tenant)?;
    let timeline = service.timelines(tenant.config().arm).get(recording)?;
    let ended = timeline.ended_at <= at;
    let nothing = View {
        present: FieldSet::EMPTY,
        null: FieldSet::EMPTY,
        wrong: FieldSet::EMPTY,
        state: RecordingState::Processing,
    };
    let view = |path| {
        if ended {
            timeline.view(at, path)
        } else {
            nothing
        }
    };
    let (primary, index) = (view(ReadPath::Primary), view(ReadPath::Index));
    let names = |fields: FieldSet| -> Vec<&'static str> {
        let metadata = fields.iter().filter(|field| *field != Field::Media);
        metadata.map(Field::name).collect()
    };
    let media = primary.present.contains(Field::Media);
    let required = tenant.required();
    let needed = required.of(timeline.taken_for());
    let missing = needed
        .difference(required.there(&index))
        .without(Field::Media);
    Some(Visible {
        conversation_id: ConversationId::of(service.seed(), recording).to_string(),
        recording_id: RecordingId::of(service.seed(), recording).to_string(),
        ended,
        media,
        state: match primary.state {
            RecordingState::Processing => "PROCESSING",
            RecordingState::Completed => "COMPLETED",
        },
        present: names(primary.present),
        null: names(primary.null),
        indexed: names(index.present),
        complete: ended && media && missing.is_empty(),
    })
}
