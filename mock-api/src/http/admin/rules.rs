//! `/__admin/faults`: rules that injure answers.

use axum::http::StatusCode;
use axum::response::{IntoResponse, Json, Response};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::faults::{Matcher, Rule};
use super::guard::{Body, Controls};
use super::wire::{FaultBody, FaultKind, RuleBody, RuleShown, RulesBody};
use crate::http::error::{ApiError, Entity};
use crate::http::extract::PathOf;
use crate::http::state::ApiState;

/// Longest hang, delay or pause: a day would only hold a connection's place.
const LASTING_MAX_SECS: u64 = 600;
/// Copies of a delivery at most.
const COPIES_MAX: u32 = 100;

pub(super) fn routes() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new()
        .routes(routes!(list, add, remove_all))
        .routes(routes!(one, remove))
}

/// A rule: which requests meet which fault.
#[utoipa::path(
    post,
    path = "/__admin/faults",
    tag = "admin",
    request_body = RuleBody,
    responses((status = 201, body = RuleShown)),
    security()
)]
async fn add(controls: Controls, Body(body): Body<RuleBody>) -> Result<Response, ApiError> {
    check(&body)?;
    let matcher = Matcher::new(&body.matching, |client| controls.state.tenant_of(client))?;
    let rule = controls.control.faults().add(body, matcher)?;
    Ok((StatusCode::CREATED, Json(shown(&rule))).into_response())
}

/// The rules in force.
#[utoipa::path(
    get,
    path = "/__admin/faults",
    tag = "admin",
    responses((status = 200, body = RulesBody)),
    security()
)]
async fn list(controls: Controls) -> Response {
    let rules = controls.control.faults().all();
    let rules: Vec<_> = rules.iter().map(|rule| shown(rule)).collect();
    Json(RulesBody { faults: rules }).into_response()
}

/// A rule, and how often it struck.
#[utoipa::path(
    get,
    path = "/__admin/faults/{id}",
    tag = "admin",
    params(("id" = String, Path)),
    responses((status = 200, body = RuleShown)),
    security()
)]
async fn one(controls: Controls, PathOf(id): PathOf<String>) -> Result<Response, ApiError> {
    let rules = controls.control.faults().all();
    let rule = rules.iter().find(|rule| rule.id.to_string() == id);
    let rule = rule.ok_or_else(|| Entity::Fault.none(id))?;
    Ok(Json(shown(rule)).into_response())
}

/// Ends a rule.
#[utoipa::path(
    delete,
    path = "/__admin/faults/{id}",
    tag = "admin",
    params(("id" = String, Path)),
    responses((status = 204, description = "It is done")),
    security()
)]
async fn remove(controls: Controls, PathOf(id): PathOf<String>) -> Result<Response, ApiError> {
    let removed = controls
        .control
        .faults()
        .remove(|rule| rule.id.to_string() == id);
    if removed == 0 {
        return Err(Entity::Fault.none(id));
    }
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// Ends all rules.
#[utoipa::path(
    delete,
    path = "/__admin/faults",
    tag = "admin",
    responses((status = 204, description = "It is done")),
    security()
)]
async fn remove_all(controls: Controls) -> Response {
    controls.control.faults().remove(|_| true);
    StatusCode::NO_CONTENT.into_response()
}

fn shown(rule: &Rule) -> RuleShown {
    let (matched, fired) = rule.counts();
    RuleShown {
        id: rule.id,
        matching: rule.body.matching.clone(),
        when: rule.body.when.clone(),
        fault: rule.body.fault.clone(),
        matched,
        fired,
    }
}

fn check(body: &RuleBody) -> Result<(), ApiError> {
    let when = &body.when;
    if let Some(probability) = when.probability
        && !(0.0..=1.0).contains(&probability)
    {
        return Err(ApiError::bad_request(
            "`when.probability` goes from 0 to 1.",
        ));
    }
    if when.nth == Some(0) || when.count == Some(0) {
        return Err(ApiError::bad_request(
            "`when.nth` and `when.count` go from 1.",
        ));
    }
    let fault = &body.fault;
    let kind = fault.kind;
    if kind == FaultKind::SlowBody && fault.chunk == Some(0) {
        return Err(ApiError::bad_request("`fault.chunk` goes from 1."));
    }
    if fault
        .copies
        .is_some_and(|copies| !(1..=COPIES_MAX).contains(&copies))
    {
        return Err(ApiError::bad_request(format!(
            "`fault.copies` goes from 1 to {COPIES_MAX}."
        )));
    }
    for span in [fault.lasting, fault.every].into_iter().flatten() {
        if span.std().as_secs() > LASTING_MAX_SECS {
            return Err(ApiError::bad_request(format!(
                "A fault lasts at most {LASTING_MAX_SECS} s."
            )));
        }
    }
    let stray = strays(fault).find(|(_, said, kinds)| *said && !kinds.contains(&kind));
    match stray {
        None => Ok(()),
        Some((name, ..)) => Err(ApiError::bad_request(format!(
            "`fault.{name}` says nothing to a fault of this type."
        ))),
    }
}

/// Every parameter: its name, whether it is given, and the faults that it belongs to.
fn strays(fault: &FaultBody) -> impl Iterator<Item = (&'static str, bool, &'static [FaultKind])> {
    use FaultKind as K;
    let table: [(_, _, &[K]); 7] = [
        (
            "retryAfter",
            fault.retry_after.is_some(),
            &[K::TooManyRequests, K::ServiceUnavailable],
        ),
        ("moment", fault.moment.is_some(), &[K::Reset, K::Hang]),
        (
            "lasting",
            fault.lasting.is_some(),
            &[K::Hang, K::Delay, K::WebsocketDrop],
        ),
        ("chunk", fault.chunk.is_some(), &[K::SlowBody]),
        ("every", fault.every.is_some(), &[K::SlowBody]),
        ("keep", fault.keep.is_some(), &[K::TruncatedBody]),
        ("copies", fault.copies.is_some(), &[K::DuplicateDelivery]),
    ];
    table.into_iter()
}
