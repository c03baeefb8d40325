//! Triggers: `/api/v2/processautomation/triggers`. The real ones start workflows; ours may also
//! have a webhook as target, which is what the forum threads believe in.

use std::collections::BTreeMap;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Json, Response};
use parking_lot::Mutex;
use racegate_model::scenario::WebhookEvent;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::error::{ApiError, Entity};
use super::extract::{JsonBody, PathOf};
use super::gateway::Caller;
use super::ids::Uuid;
use super::paging::{PageSize, Paging};
use super::params::{Params, invalid};
use super::state::ApiState;
use super::wire::paging::Listing;
use super::wire::trigger::{TargetKind, Trigger, TriggerRequest, TriggerTarget};
use crate::service::{Service, Subscription};

const BASE: &str = "/api/v2/processautomation/triggers";
/// The topic of a session's end; the real API has it.
pub(super) const TOPIC_ENDED: &str = "v2.detail.events.conversation.{id}.customer.end";
/// The topic of complete metadata; only the forum threads have it.
pub(super) const TOPIC_READY: &str = "conversation:recordings:metadata:ready";
const TOPICS: &str = "v2.detail.events.conversation.{id}.customer.end, \
                      conversation:recordings:metadata:ready";
/// Triggers of a tenant.
const TRIGGERS_MAX: usize = 100;
/// Length of a webhook's address, of a name and of a description.
const TEXT_MAX: usize = 2048;

pub(super) fn routes() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new()
        .routes(routes!(list, create))
        .routes(routes!(one, replace, remove))
}

/// The triggers of a tenant.
#[derive(Debug, Default)]
pub(super) struct TriggerDesk {
    known: Mutex<Known>,
}

#[derive(Debug, Default)]
struct Known {
    made: u64,
    triggers: BTreeMap<u64, Entry>,
}

#[derive(Clone, Debug)]
struct Entry {
    id: Uuid,
    trigger: Trigger,
    subscription: Option<Subscription>,
}

impl TriggerDesk {
    /// Removes all of them; ids are not given out again.
    pub(super) fn clear(&self, service: &Service) {
        let mut known = self.known.lock();
        let removed = std::mem::take(&mut known.triggers);
        for subscription in removed.into_values().filter_map(|entry| entry.subscription) {
            service.unsubscribe(&subscription);
        }
    }
}

impl Known {
    fn find(&self, id: &str) -> Option<(u64, &Entry)> {
        let id = Uuid::parse(id)?;
        self.triggers
            .iter()
            .find(|(_, entry)| entry.id == id)
            .map(|(at, entry)| (*at, entry))
    }

    /// Ends the subscription of an entry that is gone, unless another one needs it.
    fn release(&self, state: &ApiState, gone: Option<Entry>) {
        let Some(subscription) = gone.and_then(|entry| entry.subscription) else {
            return;
        };
        let mut others = self.triggers.values();
        if !others.any(|other| other.subscription.as_ref() == Some(&subscription)) {
            state.service().unsubscribe(&subscription);
        }
    }
}

/// The topic of an event.
pub(super) const fn topic(event: WebhookEvent) -> &'static str {
    match event {
        WebhookEvent::SessionEnded => TOPIC_ENDED,
        WebhookEvent::MetadataReady => TOPIC_READY,
    }
}

/// A trigger. The real API's start workflows; here a webhook may be the target.
#[utoipa::path(
    post,
    path = "/api/v2/processautomation/triggers",
    tag = "triggers",
    request_body = TriggerRequest,
    responses((status = 201, body = Trigger))
)]
async fn create(
    State(state): State<ApiState>,
    caller: Caller,
    body: JsonBody<TriggerRequest>,
) -> Result<Response, ApiError> {
    state.need_any(caller, &["processautomation:trigger:add"])?;
    let request = body.value()?;
    let plan = plan_of(&state, caller, &request)?;
    let trigger = add(&state, caller, request, plan)?;
    Ok((StatusCode::CREATED, Json(trigger)).into_response())
}

/// What a request asks for, if it makes sense.
struct Plan {
    event: WebhookEvent,
    target: TriggerTarget,
    subscription: Option<Subscription>,
}

fn plan_of(state: &ApiState, caller: Caller, request: &TriggerRequest) -> Result<Plan, ApiError> {
    let event = match request.topic_name.as_deref() {
        Some(TOPIC_ENDED) => WebhookEvent::SessionEnded,
        Some(TOPIC_READY) if state.speaks_forum() => WebhookEvent::MetadataReady,
        other => return Err(invalid("topicName", other, TOPICS)),
    };
    let texts = [&request.name, &request.description];
    if texts
        .into_iter()
        .flatten()
        .any(|text| text.len() > TEXT_MAX)
    {
        return Err(ApiError::bad_request("A name or description is too long."));
    }
    let target = request.target.clone();
    let target = target.ok_or_else(|| ApiError::missing("target"))?;
    let url = webhook_url(state, &target)?;
    let enabled = request.enabled.unwrap_or(true);
    let arm = state.tenant(caller).config().arm;
    let subscription = url.filter(|_| enabled).map(|url| Subscription {
        tenant: caller.tenant,
        arm,
        event,
        url: Some(url),
    });
    Ok(Plan {
        event,
        target,
        subscription,
    })
}

fn add(
    state: &ApiState,
    caller: Caller,
    request: TriggerRequest,
    plan: Plan,
) -> Result<Trigger, ApiError> {
    let desk = state.desk(caller);
    let mut known = desk.triggers.known.lock();
    if known.triggers.len() >= TRIGGERS_MAX {
        return Err(ApiError::TooMany("triggers"));
    }
    let at = known.made;
    known.made += 1;
    let id = Uuid::keyed(&desk.key, &format!("trigger {} {at}", caller.tenant.0));
    let entry = entry_of(id, request, plan, 1);
    let trigger = entry.trigger.clone();
    if let Some(subscription) = &entry.subscription {
        state.service().subscribe(subscription.clone());
    }
    known.triggers.insert(at, entry);
    Ok(trigger)
}

fn entry_of(id: Uuid, request: TriggerRequest, plan: Plan, version: u32) -> Entry {
    let trigger = Trigger {
        id: id.to_string(),
        name: request.name.unwrap_or_default(),
        description: request.description,
        topic_name: topic(plan.event).to_owned(),
        target: plan.target,
        match_criteria: request.match_criteria.unwrap_or_default(),
        enabled: request.enabled.unwrap_or(true),
        event_ttl_seconds: request.event_ttl_seconds,
        delay_by_seconds: request.delay_by_seconds,
        version,
        self_uri: format!("{BASE}/{id}"),
    };
    Entry {
        id,
        trigger,
        subscription: plan.subscription,
    }
}

/// Replaces a trigger, whose version must be the one that the client has seen.
#[utoipa::path(
    put,
    path = "/api/v2/processautomation/triggers/{triggerId}",
    tag = "triggers",
    params(("triggerId" = String, Path)),
    request_body = TriggerRequest,
    responses(
        (status = 200, body = Trigger),
        (status = 409, description = "It has another version by now",
            body = super::wire::ErrorBody),
    )
)]
async fn replace(
    State(state): State<ApiState>,
    caller: Caller,
    PathOf(id): PathOf<String>,
    body: JsonBody<TriggerRequest>,
) -> Result<Response, ApiError> {
    state.need_any(caller, &["processautomation:trigger:edit"])?;
    let request = body.value()?;
    let plan = plan_of(&state, caller, &request)?;
    let mut known = state.desk(caller).triggers.known.lock();
    let (at, found) = known
        .find(&id)
        .ok_or_else(|| Entity::Trigger.none(id.as_str()))?;
    let (id, version) = (found.id, found.trigger.version);
    if request.version.is_some_and(|said| said != version) {
        return Err(ApiError::VersionConflict);
    }
    let entry = entry_of(id, request, plan, version + 1);
    let trigger = entry.trigger.clone();
    let new = entry.subscription.clone();
    let old = known.triggers.insert(at, entry);
    known.release(&state, old);
    if let Some(subscription) = new {
        state.service().subscribe(subscription);
    }
    drop(known);
    Ok(Json(trigger).into_response())
}

/// The organization's triggers.
#[utoipa::path(
    get,
    path = "/api/v2/processautomation/triggers",
    tag = "triggers",
    params(
        ("pageSize" = Option<u32>, Query, minimum = 1, maximum = 100),
        ("pageNumber" = Option<u32>, Query, minimum = 1, maximum = 2_147_483_647),
        ("includeTotal" = Option<bool>, Query, description = "false: by cursor"),
        ("cursor" = Option<String>, Query, pattern = "^(c[0-9]{1,15})?$"),
    ),
    responses((status = 200, body = Listing<Trigger>))
)]
async fn list(
    State(state): State<ApiState>,
    caller: Caller,
    params: Params,
) -> Result<Response, ApiError> {
    state.need_any(caller, &["processautomation:trigger:view"])?;
    let paging = Paging::of(&params, PageSize::USUAL)?;
    let known = state.desk(caller).triggers.known.lock();
    let all: Vec<&Entry> = known.triggers.values().collect();
    let listing = paging.listing(&params.address_of(BASE), &all, |entry| {
        Some(entry.trigger.clone())
    });
    drop(known);
    Ok(Json(listing).into_response())
}

/// A trigger.
#[utoipa::path(
    get,
    path = "/api/v2/processautomation/triggers/{triggerId}",
    tag = "triggers",
    params(("triggerId" = String, Path)),
    responses((status = 200, body = Trigger))
)]
async fn one(
    State(state): State<ApiState>,
    caller: Caller,
    PathOf(id): PathOf<String>,
) -> Result<Response, ApiError> {
    state.need_any(caller, &["processautomation:trigger:view"])?;
    let known = state.desk(caller).triggers.known.lock();
    let trigger = known.find(&id).map(|(_, entry)| entry.trigger.clone());
    drop(known);
    Ok(Json(trigger.ok_or_else(|| Entity::Trigger.none(id))?).into_response())
}

/// Removes a trigger.
#[utoipa::path(
    delete,
    path = "/api/v2/processautomation/triggers/{triggerId}",
    tag = "triggers",
    params(("triggerId" = String, Path)),
    responses((status = 204, description = "It is gone"))
)]
async fn remove(
    State(state): State<ApiState>,
    caller: Caller,
    PathOf(id): PathOf<String>,
) -> Result<Response, ApiError> {
    state.need_any(caller, &["processautomation:trigger:delete"])?;
    let mut known = state.desk(caller).triggers.known.lock();
    let at = known
        .find(&id)
        .map(|(at, _)| at)
        .ok_or_else(|| Entity::Trigger.none(id))?;
    let removed = known.triggers.remove(&at);
    known.release(&state, removed);
    drop(known);
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// The webhook's address; none for a workflow, which nothing here runs.
fn webhook_url(state: &ApiState, target: &TriggerTarget) -> Result<Option<String>, ApiError> {
    if target.kind == TargetKind::Workflow {
        return Ok(None);
    }
    let url = target.url.as_deref();
    if url.is_none() {
        return Err(ApiError::missing("target.url"));
    }
    let short = url.filter(|url| url.len() <= TEXT_MAX);
    let admitted = short.map(|url| (url, state.config().webhook_targets.admit(url)));
    match admitted {
        Some((url, Ok(_))) => Ok(Some(url.to_owned())),
        Some((_, Err(refused))) => Err(invalid(
            "target.url",
            Some(refused.shown()),
            "http addresses of this machine, and of hosts that were allowed",
        )),
        None => Err(invalid("target.url", None, "short http addresses")),
    }
}
