//! `/__admin/clock`: what time it is, and how fast it passes.

use axum::response::{IntoResponse, Json, Response};
use racegate_model::time::Timestamp;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::guard::{Body, Controls};
use super::wire::{Advance, ClockBody, ClockUpdate, Span};
use crate::clock::{Dial, Pace};
use crate::http::error::ApiError;
use crate::http::state::ApiState;
use crate::http::wire::ApiDate;

pub(super) fn routes() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new()
        .routes(routes!(read, update))
        .routes(routes!(advance))
        .routes(routes!(pause))
        .routes(routes!(resume))
}

/// What time it is, and how fast it passes.
#[utoipa::path(
    get,
    path = "/__admin/clock",
    tag = "admin",
    responses((status = 200, body = ClockBody)),
    security()
)]
async fn read(controls: Controls) -> Response {
    shown(&controls)
}

fn shown(controls: &Controls) -> Response {
    let state = &controls.state;
    let now = state.now();
    let pace = state.clock().dial().map_or(Pace::REAL, Dial::pace);
    Json(ClockBody {
        now: Span::until(now),
        date: ApiDate::of(state.config().epoch, now).to_string(),
        pace: pace.to_string(),
    })
    .into_response()
}

/// Sets the clock, which only goes forward, or its pace.
#[utoipa::path(
    put,
    path = "/__admin/clock",
    tag = "admin",
    request_body = Option<ClockUpdate>,
    responses((status = 200, body = ClockBody)),
    security()
)]
async fn update(controls: Controls, Body(update): Body<ClockUpdate>) -> Result<Response, ApiError> {
    let pace = update.pace.map(|pace| pace.parse::<Pace>());
    let pace = pace
        .transpose()
        .map_err(|error| ApiError::bad_request(error.to_string()))?;
    let date = update.date.map(|date| {
        ApiDate::parse(&date)
            .map(|date| date.instant(controls.state.config().epoch))
            .ok_or_else(|| ApiError::bad_request(format!("`{date}` is no ISO 8601 date.")))
    });
    let at = match (update.now, date.transpose()?) {
        (Some(_), Some(_)) => {
            return Err(ApiError::bad_request("Say `now` or `date`, not both."));
        }
        (Some(now), None) => Some(Timestamp::ZERO + now.0),
        (None, date) => date,
    };
    if let Some(at) = at {
        go(&controls, at).await?;
    }
    if let Some(pace) = pace {
        dial(&controls)?.set_pace(pace);
    }
    Ok(shown(&controls))
}

/// Lets time pass, with everything that happens in it.
#[utoipa::path(
    post,
    path = "/__admin/clock/advance",
    tag = "admin",
    request_body = Advance,
    responses((status = 200, body = ClockBody)),
    security()
)]
async fn advance(controls: Controls, Body(advance): Body<Advance>) -> Result<Response, ApiError> {
    let at = controls.state.now() + advance.by.0;
    go(&controls, at).await?;
    Ok(shown(&controls))
}

/// The clock stands still.
#[utoipa::path(
    post,
    path = "/__admin/clock/pause",
    tag = "admin",
    responses((status = 200, body = ClockBody)),
    security()
)]
async fn pause(controls: Controls) -> Result<Response, ApiError> {
    dial(&controls)?.set_pace(Pace::MANUAL);
    Ok(shown(&controls))
}

/// The clock goes as time does.
#[utoipa::path(
    post,
    path = "/__admin/clock/resume",
    tag = "admin",
    responses((status = 200, body = ClockBody)),
    security()
)]
async fn resume(controls: Controls) -> Result<Response, ApiError> {
    dial(&controls)?.set_pace(Pace::REAL);
    Ok(shown(&controls))
}

fn dial(controls: &Controls) -> Result<&'static Dial, ApiError> {
    let dial = controls.state.clock().dial();
    dial.ok_or_else(|| ApiError::bad_request("This server's clock cannot be set."))
}

/// Lets time pass until `at`; a day of calls takes a while, so other requests go on meanwhile.
async fn go(controls: &Controls, at: Timestamp) -> Result<(), ApiError> {
    dial(controls)?;
    let (traffic, clock) = (controls.control.traffic().clone(), controls.state.clock());
    let gone = tokio::task::spawn_blocking(move || traffic.advance(clock, at)).await;
    match gone {
        Ok(advanced) => advanced.map_err(|error| ApiError::bad_request(error.to_string())),
        // A panic, which has been reported; or the server is shutting down.
        Err(_) => Err(ApiError::bad_request("The clock could not be set.")),
    }
}
