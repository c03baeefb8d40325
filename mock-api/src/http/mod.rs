//! The Recording API over HTTP: the real v2 paths, names and refusals, and the forum threads'
//! dialect beside them.
//!
//! Start with [`ApiState`] (a `Service` with a clock and a configuration), [`serve`], and
//! [`ApiClient`], which speaks the same wire types from the other side. Every request passes the
//! gateway: correlation id, token, rate limit; handlers only translate.

mod account;
mod admin;
mod analytics;
mod annotations;
mod answer;
mod batches;
mod browsers;
mod client;
mod clients;
mod config;
#[cfg(test)]
pub(crate) mod conformance;
mod conversations;
mod cors;
mod direct;
mod directory;
mod downloads;
mod error;
mod extract;
mod files;
mod front;
mod gateway;
mod ids;
mod jobs;
mod keeping;
mod link;
mod mistakes;
mod notifications;
mod oauth;
mod openapi;
mod origin;
mod orphans;
mod paging;
mod params;
mod patience;
mod pending;
mod permissions;
mod predicates;
mod recordings;
mod retention;
mod seen;
mod selection;
mod server;
mod shape;
mod state;
mod tokens;
mod triggers;
mod unread;
mod uploads;
mod webhooks;
pub mod wire;

pub use admin::{Control, JOURNAL_DEFAULT};
pub use browsers::{CorsOrigin, NotOrigin, WebAccess};
pub use client::{ApiClient, ClientConfig, ConnectError, JobId, TriggerId};
pub use clients::FurtherClient;
pub use config::{ApiConfig, ApiDelays, ChannelLimits, JobRefusal, ServerLimits};
pub use ids::{Uuid, job_id};
pub use origin::{NotPublic, PublicUrl};
pub use permissions::Permissions;
pub use server::{Server, serve, serve_beside, serve_router};
pub use state::ApiState;
pub use tokens::Token;
pub use webhooks::{DeliverError, WebhookCounts, WebhookSettings, Webhooks, verify_signature};

pub(crate) use browsers::{OwnPage, any_page, own_pages_only};
pub(crate) use origin::{Origin, Peer};

use std::sync::LazyLock;

use axum::Router;
use axum::body::Bytes;
use axum::http::header::CONTENT_TYPE;
use axum::middleware::from_fn_with_state;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use utoipa::openapi::OpenApi;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use error::ApiError;

/// The API as a router, to be served alone or beside others.
pub fn router(state: ApiState) -> Router {
    ungated(state.clone()).layer(from_fn_with_state(state, gateway::pass))
}

/// The same for whoever passes the gateway by himself.
fn ungated(state: ApiState) -> Router {
    let (router, _) = documented().split_for_parts();
    router
        .route("/openapi.json", get(document))
        .fallback(not_found)
        .method_not_allowed_fallback(method_not_allowed)
        .with_state(state)
}

/// The document of the whole API, OpenAPI 3.1, as `/openapi.json` has it.
#[must_use]
pub fn openapi() -> OpenApi {
    openapi::finish(documented().into_openapi())
}

/// Everything that the document covers.
fn documented() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new()
        .routes(routes!(health))
        .merge(admin::routes())
        .merge(oauth::routes())
        .merge(account::routes())
        .merge(analytics::routes())
        .merge(annotations::routes())
        .merge(batches::routes())
        .merge(conversations::routes())
        .merge(directory::routes())
        .merge(downloads::routes())
        .merge(jobs::routes())
        .merge(notifications::routes())
        .merge(orphans::routes())
        .merge(recordings::routes())
        .merge(retention::routes())
        .merge(triggers::routes())
        .merge(uploads::routes())
}

async fn document() -> Response {
    static JSON: LazyLock<Bytes> = LazyLock::new(|| {
        let json = openapi().to_json();
        json.expect("a document of strings and numbers is JSON")
            .into()
    });
    json(JSON.clone())
}

/// Whether the server is there.
#[utoipa::path(
    get,
    path = "/healthz",
    tag = "server",
    responses((status = 200, description = "It is", body = wire::Health)),
    security()
)]
async fn health() -> Response {
    json(r#"{"status":"ok"}"#)
}

fn json(body: impl IntoResponse) -> Response {
    ([(CONTENT_TYPE, "application/json")], body).into_response()
}

async fn not_found() -> ApiError {
    ApiError::NotFound
}

async fn method_not_allowed() -> ApiError {
    ApiError::MethodNotAllowed
}
