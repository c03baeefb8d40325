//! The Recording API over HTTP: the real v2 paths, names and refusals, and the forum threads'
//! dialect beside them.
//!
//! Start with [`ApiState`] (a `Service` with a clock and a configuration), [`serve`], and
//! [`ApiClient`], which speaks the same wire types from the other side. Every request passes the
//! gateway: correlation id, token, rate limit; handlers only translate.

mod admin;
mod client;
mod config;
#[cfg(test)]
mod conformance;
mod error;
mod extract;
mod front;
mod gateway;
mod ids;
mod jobs;
mod link;
mod oauth;
mod paging;
mod recordings;
mod server;
mod state;
mod tokens;
mod triggers;
mod webhooks;
pub mod wire;

pub use admin::{Control, JOURNAL_DEFAULT};
pub use client::{ApiClient, ClientConfig, ConnectError, JobId, TriggerId};
pub use config::{ApiConfig, JobRefusal, ServerLimits, WebhookTargets};
pub use ids::{Uuid, job_id};
pub use server::{Server, serve, serve_beside, serve_router};
pub use state::ApiState;
pub use tokens::Token;
pub use webhooks::{DeliverError, WebhookCounts, WebhookSettings, Webhooks, verify_signature};

use axum::Router;
use axum::http::StatusCode;
use axum::middleware::from_fn_with_state;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};

use error::ApiError;

/// The API as a router, to be served alone or beside others.
pub fn router(state: ApiState) -> Router {
    Router::new()
        .route("/healthz", get(health))
        .route("/oauth/token", post(oauth::token))
        .merge(jobs::routes())
        .merge(recordings::routes())
        .merge(triggers::routes())
        .merge(admin::routes())
        .fallback(not_found)
        .method_not_allowed_fallback(method_not_allowed)
        .layer(from_fn_with_state(state.clone(), gateway::pass))
        .with_state(state)
}

async fn health() -> Response {
    (
        StatusCode::OK,
        [("content-type", "application/json")],
        r#"{"status":"ok"}"#,
    )
        .into_response()
}

async fn not_found() -> ApiError {
    ApiError::NotFound
}

async fn method_not_allowed() -> ApiError {
    ApiError::MethodNotAllowed
}
