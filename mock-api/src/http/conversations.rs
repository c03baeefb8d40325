//! Conversations as they go on: what a recorder looks at while it records.

use axum::extract::State;
use axum::response::{IntoResponse, Json, Response};
use racegate_model::field::Kind;
use racegate_model::ids::{ConversationId, RecordingId, SessionId};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::error::{ApiError, Entity};
use super::extract::PathOf;
use super::gateway::Caller;
use super::notifications::{participant_id, peer_session};
use super::seen::{conversation_index, queue_id};
use super::state::ApiState;
use super::wire::conversation::{Call, Conversation, Participant};
use super::wire::fields::Shown;
use super::wire::{ApiDate, client_ip};

const VIEW: &[&str] = &["conversation:communication:view"];

pub(super) fn routes() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new()
        .routes(routes!(one))
        .routes(routes!(call))
}

/// The two sides of a call.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Side {
    Customer,
    Agent,
}

/// How a conversation's recording is spelled; the two paths do not agree.
#[derive(Clone, Copy)]
struct Words {
    path: &'static str,
    recorded: &'static str,
    over: &'static str,
}

/// A conversation.
#[utoipa::path(
    get,
    path = "/api/v2/conversations/{conversationId}",
    tag = "conversations",
    params(("conversationId" = String, Path)),
    responses((status = 200, body = Conversation))
)]
async fn one(
    State(state): State<ApiState>,
    caller: Caller,
    PathOf(id): PathOf<String>,
) -> Result<Response, ApiError> {
    let words = Words {
        path: "/api/v2/conversations",
        recorded: "ACTIVE",
        over: "NONE",
    };
    shown(&state, caller, &id, words)
}

/// A conversation that is a call, as every one is here.
#[utoipa::path(
    get,
    path = "/api/v2/conversations/calls/{conversationId}",
    tag = "conversations",
    params(("conversationId" = String, Path)),
    responses((status = 200, body = Conversation))
)]
async fn call(
    State(state): State<ApiState>,
    caller: Caller,
    PathOf(id): PathOf<String>,
) -> Result<Response, ApiError> {
    let words = Words {
        path: "/api/v2/conversations/calls",
        recorded: "active",
        over: "none",
    };
    shown(&state, caller, &id, words)
}

fn shown(state: &ApiState, caller: Caller, id: &str, words: Words) -> Result<Response, ApiError> {
    state.need_any(caller, VIEW)?;
    let service = state.service();
    let index = conversation_index(state, id)?;
    let call = state.calls(caller).get(index);
    let call = call
        .filter(|call| call.arrival <= caller.now)
        .ok_or_else(|| Entity::Conversation.none(id))?;
    let seed = service.seed();
    let date = |at| ApiDate::of(state.config().epoch, at);
    let ended_at = state
        .tenant(caller)
        .read(service, index, |seen| seen.ended_at);
    let ended_at = ended_at.filter(|at| *at <= caller.now);
    let client = state.client(caller);
    let (agents, customers) = (
        SessionId::of(seed, index).to_string(),
        peer_session(seed, index),
    );
    let leg = |side: Side| {
        let agent = side == Side::Agent;
        let (purpose, own, other) = match side {
            Side::Customer => ("customer", &customers, &agents),
            Side::Agent => ("agent", &agents, &customers),
        };
        Participant {
            id: participant_id(seed, index, purpose).to_string(),
            purpose,
            name: agent.then(|| client.id.clone()),
            user_id: agent.then(|| client.user.id.clone()),
            user_uri: agent.then(|| client.user.self_uri.clone()),
            queue_id: agent.then(|| queue_id(state, caller)),
            start_time: date(call.arrival),
            end_time: ended_at.map(date),
            calls: [Call {
                id: own.clone(),
                peer_id: other.clone(),
                state: if ended_at.is_some() {
                    "terminated"
                } else {
                    "connected"
                },
                direction: "inbound",
                provider: "Edge",
                recording: ended_at.is_none(),
                recording_state: if ended_at.is_some() { "none" } else { "active" },
                recording_id: Shown(RecordingId::of(seed, index)),
                client_ip_address: (call.kind == Kind::Webrtc && agent)
                    .then(|| client_ip(seed, index)),
                connected_time: date(call.arrival),
                disconnected_time: ended_at.map(date),
            }],
        }
    };
    let conversation = ConversationId::of(seed, index);
    Ok(Json(Conversation {
        id: Shown(conversation),
        start_time: date(call.arrival),
        end_time: ended_at.map(date),
        participants: vec![leg(Side::Customer), leg(Side::Agent)],
        recording_state: if ended_at.is_some() {
            words.over
        } else {
            words.recorded
        },
        secure_pause: false,
        self_uri: format!("{}/{conversation}", words.path),
    })
    .into_response())
}
