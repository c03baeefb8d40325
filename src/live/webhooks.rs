//! The receiver of webhooks: a small HTTP server, as a team would run one beside its exporter.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::routing::post;
use mock_api::clock::RunClock;
use mock_api::service::{Delivery, Service};
use parking_lot::Mutex;
use racegate_model::exporter::Input;
use racegate_model::ids::{RecordingIndex, TenantIndex};
use racegate_model::scenario::WebhookEvent;
use racegate_model::time::{Duration, Timestamp};
use serde::Deserialize;
use tokio::net::TcpListener;
use tokio::sync::mpsc;

use super::tenant::Message;

/// When webhooks under way were due: they arrive later than that, and so much later is what follows.
#[derive(Clone, Debug, Default)]
pub(super) struct Dues(Arc<Mutex<BTreeMap<(TenantIndex, RecordingIndex), Timestamp>>>);

impl Dues {
    /// A webhook is sent on its way. Of copies the first counts.
    pub(super) fn note(&self, delivery: &Delivery) {
        let key = (delivery.subscription.tenant, delivery.recording);
        self.0.lock().entry(key).or_insert(delivery.at);
    }

    fn take(&self, tenant: TenantIndex, recording: RecordingIndex) -> Option<Timestamp> {
        self.0.lock().remove(&(tenant, recording))
    }
}

/// Where messages of each tenant go; shared by all handlers.
#[derive(Clone)]
struct Receiver {
    inboxes: Vec<mpsc::UnboundedSender<Message>>,
    dues: Dues,
    service: Service,
    clock: RunClock,
}

/// The part of a webhook's body that the exporter needs.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Body {
    conversation_id: String,
}

/// The receiver's address; it runs until the runtime ends.
pub(super) async fn receive(
    inboxes: Vec<mpsc::UnboundedSender<Message>>,
    service: Service,
    clock: RunClock,
    dues: Dues,
) -> std::io::Result<SocketAddr> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    let routes = Router::new()
        .route("/{tenant}/{event}", post(received))
        .with_state(Receiver {
            inboxes,
            dues,
            service,
            clock,
        });
    tokio::spawn(async move {
        if let Err(error) = axum::serve(listener, routes).await {
            tracing::error!(%error, "the webhook receiver stopped");
        }
    });
    Ok(address)
}

/// The URL at which `tenant` receives `event`.
pub(super) fn url(address: SocketAddr, tenant: TenantIndex, event: WebhookEvent) -> String {
    format!("http://{address}/{}/{}", tenant.0, name(event))
}

const fn name(event: WebhookEvent) -> &'static str {
    match event {
        WebhookEvent::SessionEnded => "session-ended",
        WebhookEvent::MetadataReady => "metadata-ready",
    }
}

async fn received(
    State(receiver): State<Receiver>,
    Path((tenant, event)): Path<(u32, String)>,
    axum::Json(body): axum::Json<Body>,
) -> StatusCode {
    let at = receiver.clock.now();
    let event = match event.as_str() {
        "session-ended" => WebhookEvent::SessionEnded,
        "metadata-ready" => WebhookEvent::MetadataReady,
        _ => return StatusCode::NOT_FOUND,
    };
    let call = receiver
        .service
        .calls()
        .by_conversation(&body.conversation_id);
    let inbox = usize::try_from(tenant).map(|tenant| receiver.inboxes.get(tenant));
    let (Some(call), Ok(Some(inbox))) = (call, inbox) else {
        return StatusCode::NOT_FOUND;
    };
    let input = Input::Notified(call.index, call.kind, event);
    // A tenant that has stopped listens no more; the sender is not to try again.
    let due = receiver.dues.take(TenantIndex(tenant), call.index);
    let lateness = due.map_or(Duration::ZERO, |due| at.since(due));
    drop(inbox.send(Message {
        at,
        input,
        lateness,
    }));
    StatusCode::NO_CONTENT
}
