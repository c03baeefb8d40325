//! Annotations of a recording.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Json, Response};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::error::{ApiError, Entity};
use super::extract::{JsonBody, PathOf};
use super::gateway::Caller;
use super::params::invalid;
use super::seen::{find, readable};
use super::state::ApiState;
use super::wire::annotation::{Annotation, AnnotationBody};

/// Annotations of a recording.
const ANNOTATIONS_MAX: usize = 1000;
/// Length of their texts; the real API says so of the description.
const TEXT_MAX: usize = 500;

pub(super) fn routes() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new()
        .routes(routes!(list, create))
        .routes(routes!(one, replace, remove))
}

/// The annotations of a recording.
#[utoipa::path(
    get,
    path = "/api/v2/conversations/{conversationId}/recordings/{recordingId}/annotations",
    tag = "annotations",
    params(("conversationId" = String, Path), ("recordingId" = String, Path)),
    responses((status = 200, body = Vec<Annotation>))
)]
async fn list(
    State(state): State<ApiState>,
    caller: Caller,
    PathOf((conversation, recording)): PathOf<(String, String)>,
) -> Result<Response, ApiError> {
    readable(&state, caller)?;
    state.need_any(caller, &["recording:annotation:view"])?;
    let seen = find(&state, caller, (&conversation, &recording))?;
    Ok(Json(seen.kept.annotations).into_response())
}

/// Adds an annotation.
#[utoipa::path(
    post,
    path = "/api/v2/conversations/{conversationId}/recordings/{recordingId}/annotations",
    tag = "annotations",
    params(("conversationId" = String, Path), ("recordingId" = String, Path)),
    request_body = AnnotationBody,
    responses((status = 200, body = Annotation))
)]
async fn create(
    State(state): State<ApiState>,
    caller: Caller,
    PathOf((conversation, recording)): PathOf<(String, String)>,
    body: JsonBody<AnnotationBody>,
) -> Result<Response, ApiError> {
    readable(&state, caller)?;
    state.need_any(caller, &["recording:annotation:add"])?;
    let said = body.value()?;
    check(&said)?;
    let seen = find(&state, caller, (&conversation, &recording))?;
    let id = state.next_correlation().to_string();
    let self_uri =
        format!("/api/v2/conversations/{conversation}/recordings/{recording}/annotations/{id}");
    let annotation = Annotation {
        id,
        said,
        user: state.client(caller).user.clone(),
        self_uri,
    };
    let added = annotation.clone();
    state.desk(caller).keeping.change(seen.index, |kept| {
        if kept.annotations.len() >= ANNOTATIONS_MAX {
            return Err(ApiError::TooMany("annotations"));
        }
        kept.annotations.push(added);
        Ok(())
    })?;
    Ok(Json(annotation).into_response())
}

/// An annotation.
#[utoipa::path(
    get,
    path = "/api/v2/conversations/{conversationId}/recordings/{recordingId}/annotations/{annotationId}",
    tag = "annotations",
    params(
        ("conversationId" = String, Path),
        ("recordingId" = String, Path),
        ("annotationId" = String, Path),
    ),
    responses((status = 200, body = Annotation))
)]
async fn one(
    State(state): State<ApiState>,
    caller: Caller,
    PathOf((conversation, recording, id)): PathOf<(String, String, String)>,
) -> Result<Response, ApiError> {
    readable(&state, caller)?;
    state.need_any(caller, &["recording:annotation:view"])?;
    let seen = find(&state, caller, (&conversation, &recording))?;
    let mut annotations = seen.kept.annotations.into_iter();
    let found = annotations.find(|annotation| annotation.id == id);
    Ok(Json(found.ok_or_else(|| Entity::Annotation.none(id))?).into_response())
}

/// Replaces what an annotation says.
#[utoipa::path(
    put,
    path = "/api/v2/conversations/{conversationId}/recordings/{recordingId}/annotations/{annotationId}",
    tag = "annotations",
    params(
        ("conversationId" = String, Path),
        ("recordingId" = String, Path),
        ("annotationId" = String, Path),
    ),
    request_body = AnnotationBody,
    responses((status = 200, body = Annotation))
)]
async fn replace(
    State(state): State<ApiState>,
    caller: Caller,
    PathOf((conversation, recording, id)): PathOf<(String, String, String)>,
    body: JsonBody<AnnotationBody>,
) -> Result<Response, ApiError> {
    readable(&state, caller)?;
    state.need_any(caller, &["recording:annotation:edit"])?;
    let said = body.value()?;
    check(&said)?;
    let seen = find(&state, caller, (&conversation, &recording))?;
    let replaced = state.desk(caller).keeping.change(seen.index, |kept| {
        let mut annotations = kept.annotations.iter_mut();
        let annotation = annotations.find(|annotation| annotation.id == id)?;
        annotation.said = said;
        Some(annotation.clone())
    });
    Ok(Json(replaced.ok_or_else(|| Entity::Annotation.none(id))?).into_response())
}

/// Removes an annotation.
#[utoipa::path(
    delete,
    path = "/api/v2/conversations/{conversationId}/recordings/{recordingId}/annotations/{annotationId}",
    tag = "annotations",
    params(
        ("conversationId" = String, Path),
        ("recordingId" = String, Path),
        ("annotationId" = String, Path),
    ),
    responses((status = 204, description = "It is gone"))
)]
async fn remove(
    State(state): State<ApiState>,
    caller: Caller,
    PathOf((conversation, recording, id)): PathOf<(String, String, String)>,
) -> Result<Response, ApiError> {
    readable(&state, caller)?;
    state.need_any(caller, &["recording:annotation:delete"])?;
    let seen = find(&state, caller, (&conversation, &recording))?;
    let removed = state.desk(caller).keeping.change(seen.index, |kept| {
        let before = kept.annotations.len();
        kept.annotations.retain(|annotation| annotation.id != id);
        before - kept.annotations.len()
    });
    if removed == 0 {
        return Err(Entity::Annotation.none(id));
    }
    Ok(StatusCode::NO_CONTENT.into_response())
}

fn check(said: &AnnotationBody) -> Result<(), ApiError> {
    for (field, text) in [
        ("name", &said.name),
        ("type", &said.kind),
        ("description", &said.description),
    ] {
        if let Some(text) = text
            .as_deref()
            .filter(|text| text.chars().count() > TEXT_MAX)
        {
            return Err(invalid(field, Some(text), "up to 500 characters"));
        }
    }
    Ok(())
}
