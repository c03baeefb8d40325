//! `/__admin/recordings/{id}/damage` and `…/repair`: files of which the platform can make nothing.

use axum::response::{IntoResponse, Json, Response};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::guard::{Body, Controls};
use super::recordings::{call_of, shown};
use super::wire::{RecordingShown, Whose};
use crate::http::error::ApiError;
use crate::http::extract::PathOf;
use crate::http::keeping::FileSoundness;
use crate::http::state::ApiState;

pub(super) fn routes() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new()
        .routes(routes!(damage))
        .routes(routes!(repair))
}

/// The recording's file is damaged: `fileState` is `ERROR` once it is stored, and nothing plays.
#[utoipa::path(
    post,
    path = "/__admin/recordings/{id}/damage",
    tag = "admin",
    params(("id" = String, Path)),
    request_body = Option<Whose>,
    responses((status = 200, body = RecordingShown)),
    security()
)]
async fn damage(
    controls: Controls,
    PathOf(id): PathOf<String>,
    Body(whose): Body<Whose>,
) -> Result<Response, ApiError> {
    say(&controls, &id, &whose, FileSoundness::Damaged)
}

/// The recording's file is as good as it ever was.
#[utoipa::path(
    post,
    path = "/__admin/recordings/{id}/repair",
    tag = "admin",
    params(("id" = String, Path)),
    request_body = Option<Whose>,
    responses((status = 200, body = RecordingShown)),
    security()
)]
async fn repair(
    controls: Controls,
    PathOf(id): PathOf<String>,
    Body(whose): Body<Whose>,
) -> Result<Response, ApiError> {
    say(&controls, &id, &whose, FileSoundness::Sound)
}

fn say(
    controls: &Controls,
    id: &str,
    whose: &Whose,
    soundness: FileSoundness,
) -> Result<Response, ApiError> {
    let state = &controls.state;
    let call = call_of(state, id)?;
    let meant = controls.tenant(whose.client.as_deref())?;
    let tenants = state.service().tenants().iter();
    let tenants = tenants.map(|tenant| tenant.config().index);
    for tenant in tenants.filter(|tenant| meant.is_none_or(|meant| meant == *tenant)) {
        let keeping = &state.desk_of(tenant).keeping;
        keeping.change(call.index, |kept| kept.file = soundness);
    }
    Ok(Json(shown(state, &call)).into_response())
}
