//! Notification channels: `/api/v2/notifications`, and the WebSockets that they are read from.
//! Messages are delivered at most once and never kept.

mod hub;
mod pump;
mod restores;
mod socket;
mod topics;

pub(super) use hub::Hub;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Json, Response};
use axum::routing::get;
use racegate_model::draws::{Draws, Purpose, Seed, mix64};
use racegate_model::ids::RecordingIndex;
use racegate_model::time::Timestamp;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::error::{ApiError, Entity};
use super::extract::{JsonList, NoBody, PathOf};
use super::gateway::Caller;
use super::ids::Uuid;
use super::origin::Origin;
use super::params::{Params, invalid};
use super::state::ApiState;
use super::wire::ApiDate;
use super::wire::account::Entities;
use super::wire::notification::{AvailableTopic, Channel, ChannelTopic, TopicRequest, TopicState};
use hub::{ChannelView, SubscribeError, Subscribing};
use topics::{TEMPLATES, Template, Topic, TopicError};

/// What the real API's list of topics can show more of.
const EXPANDED: &[&str] = &[
    "description",
    "requiresPermissions",
    "schema",
    "transports",
    "publicApiTemplateUriPaths",
];
/// Length of a topic's name.
const TOPIC_MAX: usize = 200;

pub(super) fn routes() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new()
        .routes(routes!(list, create))
        .routes(routes!(check))
        .routes(routes!(subscriptions, subscribe, replace, unsubscribe))
        .routes(routes!(available))
        .routes(routes!(available_one))
        // Of a WebSocket an OpenAPI document could say nothing true.
        .route("/channels/{channelId}", get(socket::connect))
}

/// A participant's id: it has no other source.
pub(super) fn participant_id(seed: Seed, recording: RecordingIndex, purpose: &str) -> Uuid {
    let word = Draws::of_stream(seed, purpose, recording.0).draw(Purpose::Identity);
    Uuid::of((u128::from(word) << 64) | u128::from(mix64(word)))
}

/// The session of a call's customer; the agent's is the recording's.
pub(super) fn peer_session(seed: Seed, recording: RecordingIndex) -> String {
    participant_id(seed, recording, "customer session").to_string()
}

/// Tells the user of a tenant, at that instant, that a recording is back from the archive.
pub(super) fn restoring(
    state: &ApiState,
    caller: Caller,
    (recording, at): (RecordingIndex, Timestamp),
) {
    let restores = state.hub().restores();
    restores.expect((at, recording, caller.tenant));
}

/// A channel. It lives a day from its last subscription; a client's twenty-first pushes another
/// one out.
#[utoipa::path(
    post,
    path = "/api/v2/notifications/channels",
    tag = "notifications",
    params(("connectionType" = Option<super::wire::words::ConnectionType>, Query)),
    responses((status = 200, body = Channel))
)]
async fn create(
    State(state): State<ApiState>,
    caller: Caller,
    origin: Origin,
    params: Params,
    _: NoBody,
) -> Result<Response, ApiError> {
    params.word("connectionType", &["streaming"])?;
    let id = state.secret_id();
    if state.hub().must_be_fed() {
        let notices = state.service().watch();
        let restores = state.hub().restores().clone();
        drop(tokio::spawn(pump::feed(
            state.downgrade(),
            notices,
            restores,
        )));
    }
    let owner = (caller.tenant, caller.client);
    let channel = state.hub().create(id, owner, caller.now);
    Ok(Json(shown(&state, &origin, channel)).into_response())
}

fn shown(state: &ApiState, origin: &Origin, channel: ChannelView) -> Channel {
    let id = channel.id.to_string();
    Channel {
        connect_uri: format!("{}/channels/{id}", origin.websocket()),
        id,
        expires: ApiDate::of(state.config().epoch, channel.expires_at),
    }
}

/// The client's channels.
#[utoipa::path(
    get,
    path = "/api/v2/notifications/channels",
    tag = "notifications",
    params(("includechannels" = Option<super::wire::words::ChannelScope>, Query)),
    responses((status = 200, body = Entities<Channel>))
)]
async fn list(
    State(state): State<ApiState>,
    caller: Caller,
    origin: Origin,
    params: Params,
) -> Result<Response, ApiError> {
    params.word("includechannels", &["token", "oauthclient"])?;
    let channels = state.hub().of(caller.client, caller.now).into_iter();
    let entities = channels
        .map(|channel| shown(&state, &origin, channel))
        .collect();
    Ok(Json(Entities { entities }).into_response())
}

/// Whether a channel is there.
#[utoipa::path(
    head,
    path = "/api/v2/notifications/channels/{channelId}",
    tag = "notifications",
    params(("channelId" = String, Path)),
    responses((status = 200, description = "It is"))
)]
async fn check(
    State(state): State<ApiState>,
    caller: Caller,
    PathOf(id): PathOf<String>,
) -> Result<Response, ApiError> {
    let topics = state.hub().topics(caller.client, &id, caller.now);
    topics.ok_or_else(|| Entity::Channel.none(id))?;
    Ok(StatusCode::OK.into_response())
}

/// What a channel listens to.
#[utoipa::path(
    get,
    path = "/api/v2/notifications/channels/{channelId}/subscriptions",
    tag = "notifications",
    params(("channelId" = String, Path)),
    responses((status = 200, body = Entities<ChannelTopic>))
)]
async fn subscriptions(
    State(state): State<ApiState>,
    caller: Caller,
    PathOf(id): PathOf<String>,
) -> Result<Response, ApiError> {
    let topics = state.hub().topics(caller.client, &id, caller.now);
    let topics = topics.ok_or_else(|| Entity::Channel.none(id))?.into_iter();
    let entities = topics.map(permitted).collect();
    Ok(Json(Entities { entities }).into_response())
}

/// A channel listens to these too.
#[utoipa::path(
    post,
    path = "/api/v2/notifications/channels/{channelId}/subscriptions",
    tag = "notifications",
    params(
        ("channelId" = String, Path),
        ("ignoreErrors" = Option<bool>, Query, description = "Takes what can be taken"),
    ),
    request_body = Vec<TopicRequest>,
    responses((status = 200, body = Entities<ChannelTopic>))
)]
async fn subscribe(
    State(state): State<ApiState>,
    caller: Caller,
    PathOf(id): PathOf<String>,
    params: Params,
    JsonList(topics): JsonList<TopicRequest>,
) -> Result<Response, ApiError> {
    change(&state, caller, &id, &params, (topics, Subscribing::Adding))
}

/// A channel listens to these instead.
#[utoipa::path(
    put,
    path = "/api/v2/notifications/channels/{channelId}/subscriptions",
    tag = "notifications",
    params(
        ("channelId" = String, Path),
        ("ignoreErrors" = Option<bool>, Query, description = "Takes what can be taken"),
    ),
    request_body = Vec<TopicRequest>,
    responses((status = 200, body = Entities<ChannelTopic>))
)]
async fn replace(
    State(state): State<ApiState>,
    caller: Caller,
    PathOf(id): PathOf<String>,
    params: Params,
    JsonList(topics): JsonList<TopicRequest>,
) -> Result<Response, ApiError> {
    change(
        &state,
        caller,
        &id,
        &params,
        (topics, Subscribing::Replacing),
    )
}

/// A channel listens to nothing.
#[utoipa::path(
    delete,
    path = "/api/v2/notifications/channels/{channelId}/subscriptions",
    tag = "notifications",
    params(("channelId" = String, Path)),
    responses((status = 204, description = "It does"))
)]
async fn unsubscribe(
    State(state): State<ApiState>,
    caller: Caller,
    PathOf(id): PathOf<String>,
) -> Result<Response, ApiError> {
    let how = (Subscribing::Replacing, caller.now);
    let cleared = state.hub().subscribe(caller.client, &id, Vec::new(), how);
    cleared.map_err(|error| refusal(&state, &id, error))?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

fn change(
    state: &ApiState,
    caller: Caller,
    id: &str,
    params: &Params,
    (asked, how): (Vec<TopicRequest>, Subscribing),
) -> Result<Response, ApiError> {
    let ignoring = params.flag("ignoreErrors")? == Some(true);
    if asked.len() > state.config().channels.topics {
        return Err(refusal(state, id, SubscribeError::TooMany));
    }
    let mut granted = Vec::new();
    let mut entities = Vec::new();
    for topic in asked {
        match judge(state, caller, &topic.id) {
            Ok(kind) => {
                granted.push((topic.id.clone(), kind));
                entities.push(permitted(topic.id));
            }
            Err(error) if ignoring => entities.push(rejected(topic.id, &error)),
            Err(error) => return Err(error),
        }
    }
    let how = (how, caller.now);
    state
        .hub()
        .subscribe(caller.client, id, granted, how)
        .map_err(|error| refusal(state, id, error))?;
    Ok(Json(Entities { entities }).into_response())
}

/// The topic of that name, if the caller may listen to it.
fn judge(state: &ApiState, caller: Caller, text: &str) -> Result<Topic, ApiError> {
    if text.len() > TOPIC_MAX {
        return Err(invalid("id", Some(text), "topics of up to 200 characters"));
    }
    let me = &state.client(caller).user.id;
    let (topic, template) =
        topics::parse(text, me, state.service().seed()).map_err(|error| match error {
            TopicError::Unknown => invalid("id", Some(text), "topics that are available"),
            TopicError::NotYours => ApiError::NotAuthorized("The topic is another user's."),
        })?;
    if topic == Topic::MetadataReady && !state.speaks_forum() {
        return Err(invalid("id", Some(text), "topics that are available"));
    }
    state.need_any(caller, template.permissions)?;
    Ok(topic)
}

fn refusal(state: &ApiState, channel: &str, error: SubscribeError) -> ApiError {
    match error {
        SubscribeError::NoChannel => Entity::Channel.none(channel),
        SubscribeError::TooMany => ApiError::LimitReached {
            what: "topics of a channel",
            namespace: "notifications",
            key: "topics.per.channel.max",
            value: state.config().channels.topics as u64,
        },
    }
}

fn permitted(id: String) -> ChannelTopic {
    ChannelTopic {
        self_uri: format!("/api/v2/notifications/availabletopics/{id}"),
        id,
        state: TopicState::Permitted,
        rejection_reason: None,
        missing_permissions: Vec::new(),
    }
}

fn rejected(id: String, error: &ApiError) -> ChannelTopic {
    let missing_permissions = if let ApiError::MissingPermissions(names) = error {
        names.split(", ").map(str::to_owned).collect()
    } else {
        Vec::new()
    };
    ChannelTopic {
        state: TopicState::Rejected,
        rejection_reason: Some(error.to_string()),
        missing_permissions,
        ..permitted(id)
    }
}

/// What can be listened to.
#[utoipa::path(
    get,
    path = "/api/v2/notifications/availabletopics",
    tag = "notifications",
    params(
        ("expand" = Option<Vec<super::wire::words::TopicExpand>>, Query, style = Form,
            explode = false, description = "Everything is shown anyway"),
        ("includePreview" = Option<bool>, Query),
    ),
    responses((status = 200, body = Entities<AvailableTopic>))
)]
async fn available(
    State(state): State<ApiState>,
    _: Caller,
    params: Params,
) -> Result<Response, ApiError> {
    params.flag("includePreview")?;
    params.words("expand", EXPANDED)?;
    let shown = TEMPLATES
        .iter()
        .filter(|template| state.speaks_forum() || !template.text.contains(':'));
    let entities = shown.map(described).collect();
    Ok(Json(Entities { entities }).into_response())
}

/// What can be listened to under that name, an id or `{id}` in it.
#[utoipa::path(
    get,
    path = "/api/v2/notifications/availabletopics/{topicId}",
    tag = "notifications",
    params(("topicId" = String, Path)),
    responses((status = 200, body = AvailableTopic))
)]
async fn available_one(
    State(state): State<ApiState>,
    caller: Caller,
    PathOf(id): PathOf<String>,
) -> Result<Response, ApiError> {
    let template = if let Some(template) = TEMPLATES.iter().find(|known| known.text == id) {
        template
    } else {
        let me = &state.client(caller).user.id;
        let parsed = topics::parse(&id, me, state.service().seed());
        parsed.map_err(|_| Entity::Topic.none(id))?.1
    };
    Ok(Json(described(template)).into_response())
}

fn described(template: &Template) -> AvailableTopic {
    AvailableTopic {
        id: template.text,
        description: template.about,
        requires_permissions: template.permissions,
        requires_current_user: template.text.starts_with("v2.users."),
        visibility: "Public",
        transports: ["Websocket"],
        topic_parameters: template.text.matches("{id}").map(|_| "id").collect(),
    }
}
