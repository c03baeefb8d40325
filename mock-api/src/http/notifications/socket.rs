//! A channel's WebSocket.

use std::time::Duration as StdDuration;

use axum::Extension;
use axum::extract::State;
use axum::extract::ws::rejection::WebSocketUpgradeRejection;
use axum::extract::ws::{CloseFrame, Message, WebSocket, WebSocketUpgrade, close_code};
use axum::http::HeaderMap;
use axum::response::Response;
use tokio::time::{Instant, interval_at, timeout};

use super::hub::Feed;
use super::pump::frame;
use super::topics::Topic;
use crate::http::error::{ApiError, Entity};
use crate::http::extract::PathOf;
use crate::http::origin::Peer;
use crate::http::state::ApiState;
use crate::http::wire::notification::{ClientMessage, PlainMessage};
use crate::websocket::bounded;
use racegate_model::draws::Seed;
use racegate_model::ids::RecordingIndex;

/// What a client may send in a message: pings are short.
const MESSAGE_MAX: usize = 16 << 10;

/// The WebSocket of a channel. Its id is the key to it.
pub(super) async fn connect(
    State(state): State<ApiState>,
    PathOf(id): PathOf<String>,
    peer: Option<Extension<Peer>>,
    headers: HeaderMap,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> Result<Response, ApiError> {
    let expiry = state.hub().expiry(&id);
    expiry
        .filter(|at| *at > state.now())
        .ok_or_else(|| Entity::Channel.none(id.as_str()))?;
    let upgrade = upgrade.map_err(|_| ApiError::UpgradeRequired)?;
    let met = state
        .config()
        .web
        .check(peer.map(|Extension(peer)| peer), &headers);
    met.map_err(|foreign| ApiError::NotAuthorized(foreign.reason()))?;
    let limits = state.config().channels;
    let upgrade = bounded(upgrade, MESSAGE_MAX);
    Ok(upgrade.on_upgrade(async move |mut socket| {
        let Some(feed) = state.hub().connect(&id, state.now()) else {
            return;
        };
        let number = feed.number;
        let reason = serve(&state, &id, &mut socket, feed).await;
        state.hub().disconnected(&id, number, state.now());
        if let Some(reason) = reason {
            let closing = close(&state, &mut socket, reason);
            drop(timeout(limits.patience, closing).await);
        }
    }))
}

async fn close(state: &ApiState, socket: &mut WebSocket, reason: &'static str) {
    let body = PlainMessage { message: reason };
    let notice = frame("v2.system.socket_closing", &body, state.next_correlation());
    drop(socket.send(Message::Text(notice.into())).await);
    let close = CloseFrame {
        code: close_code::NORMAL,
        reason: reason.into(),
    };
    drop(socket.send(Message::Close(Some(close))).await);
}

/// Serves a connection until it ends; returns what the client should be told of why.
async fn serve(
    state: &ApiState,
    id: &str,
    socket: &mut WebSocket,
    mut feed: Feed,
) -> Option<&'static str> {
    let limits = state.config().channels;
    let mut heartbeat = interval_at(Instant::now() + limits.heartbeat, limits.heartbeat);
    loop {
        let Some(expires_at) = state.hub().expiry(id) else {
            return Some("The channel is gone.");
        };
        if expires_at <= state.now() {
            return Some("The channel has expired.");
        }
        let clock = state.clock();
        let text = tokio::select! {
            message = feed.messages.recv() => match message {
                Some(message) => message,
                None => return Some("The channel has another connection or is gone."),
            },
            said = socket.recv() => match said {
                None | Some(Err(_) | Ok(Message::Close(_))) => return None,
                Some(Ok(Message::Text(text))) => match answer(&text) {
                    Some(answer) => metadata(state, answer),
                    None => continue,
                },
                Some(Ok(Message::Binary(_) | Message::Ping(_) | Message::Pong(_))) => continue,
            },
            _ = heartbeat.tick() => metadata(state, "WebSocket Heartbeat"),
            () = clock.sleep_until(expires_at) => continue,
        };
        if !send(socket, text, limits.patience).await {
            return None;
        }
    }
}

/// Whether the client took it in time.
async fn send(socket: &mut WebSocket, text: String, patience: StdDuration) -> bool {
    let sent = timeout(patience, socket.send(Message::Text(text.into()))).await;
    matches!(sent, Ok(Ok(())))
}

fn metadata(state: &ApiState, message: &'static str) -> String {
    let topic = Topic::Heartbeat.name("", RecordingIndex(0), Seed(0));
    frame(&topic, &PlainMessage { message }, state.next_correlation())
}

/// What a client's message is answered with.
fn answer(text: &str) -> Option<&'static str> {
    let said: ClientMessage = serde_json::from_str(text).ok()?;
    (said.message == "ping").then_some("pong")
}
