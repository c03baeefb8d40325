//! The control plane, `/__admin/…`: what a test does to the platform and asks of it. Loopback peers
//! only, and never a web page of another origin.

mod clock;
mod damage;
mod faults;
mod guard;
mod journal;
mod recordings;
mod refusals;
mod requests;
mod rules;
mod wire;

pub(super) use faults::Faults;
pub(super) use journal::{Journal, Record, target_of, wall_millis};
pub(super) use wire::{FaultBody, FaultKind, Moment, RetryAfter, Span};

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::http::{Method, StatusCode};
use axum::response::{IntoResponse, Json, Response};
use racegate_model::ids::TenantIndex;
use tokio::sync::watch;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::error::ApiError;
use super::link::Links;
use super::state::ApiState;
use crate::service::{On, Service};
use crate::traffic::Traffic;
use guard::{Body, Controls};
use wire::{ClientShown, ClientsBody, Dropped, Expired, IndexBody, Whose};

/// Requests that the journal remembers unless told otherwise.
pub const JOURNAL_DEFAULT: u32 = journal::JOURNAL_DEFAULT;

/// What the control plane controls. Cheap to clone.
#[derive(Clone)]
pub struct Control {
    inner: Arc<Inner>,
}

struct Inner {
    traffic: Traffic,
    journal: Journal,
    faults: Faults,
    links: Links,
}

impl Control {
    /// A control plane over `traffic` with a journal of so many requests.
    #[must_use]
    pub fn new(service: &Service, traffic: Traffic, journal: u32) -> Self {
        let inner = Inner {
            traffic,
            journal: Journal::new(journal),
            faults: Faults::new(service.seed()),
            links: Links::default(),
        };
        Self {
            inner: Arc::new(inner),
        }
    }

    /// How often a delivery to `url` of a tenant's subscriber is to be made.
    #[must_use]
    pub fn deliveries(&self, url: &str, tenant: TenantIndex) -> u32 {
        let uri: Option<axum::http::Uri> = url.parse().ok();
        let path = uri.as_ref().map_or(url, |uri| uri.path());
        self.inner.faults.deliveries(path, tenant)
    }

    /// Changes whenever a request was answered.
    #[must_use]
    pub fn answered(&self) -> watch::Receiver<u64> {
        self.inner.journal.answered()
    }

    /// How often each target that names one of `ids` was read with success, by a GET; calls for
    /// export jobs are none.
    #[must_use]
    pub fn reads_of(&self, ids: &[String]) -> BTreeMap<String, u64> {
        let named = |target: &str| {
            let path = target.split('?').next().unwrap_or_default();
            let mut parts = path.split('/');
            parts.any(|part| ids.iter().any(|id| id.eq_ignore_ascii_case(part)))
        };
        let (found, _) = self.inner.journal.find(|entry| {
            entry.method == Method::GET
                && (200..300).contains(&entry.status)
                && !entry.target.starts_with("/api/v2/recording/jobs")
                && named(&entry.target)
        });
        let mut reads = BTreeMap::new();
        for entry in found {
            *reads.entry(entry.target).or_default() += 1;
        }
        reads
    }

    pub(super) fn traffic(&self) -> &Traffic {
        &self.inner.traffic
    }

    pub(super) fn journal(&self) -> &Journal {
        &self.inner.journal
    }

    pub(super) fn faults(&self) -> &Faults {
        &self.inner.faults
    }

    pub(super) fn links(&self) -> &Links {
        &self.inner.links
    }
}

impl std::fmt::Debug for Control {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Control")
            .field("requests", &self.inner.journal.total())
            .finish_non_exhaustive()
    }
}

/// Whether a path is the control plane's.
pub(super) fn is_admin(path: &str) -> bool {
    path.strip_prefix("/__admin")
        .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

pub(super) fn routes() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new()
        .routes(routes!(index))
        .routes(routes!(clients))
        .routes(routes!(reset))
        .routes(routes!(expire_tokens))
        .routes(routes!(drop_websockets))
        .merge(clock::routes())
        .merge(recordings::routes())
        .merge(damage::routes())
        .merge(requests::routes())
        .merge(rules::routes())
}

/// What the control plane has.
#[utoipa::path(
    get,
    path = "/__admin",
    tag = "admin",
    responses((status = 200, body = IndexBody)),
    security()
)]
async fn index(_: Controls) -> Response {
    Json(IndexBody {
        name: "racegate mock",
        version: env!("CARGO_PKG_VERSION"),
        clock: "/__admin/clock",
        clients: "/__admin/clients",
        recordings: "/__admin/recordings",
        requests: "/__admin/requests",
        faults: "/__admin/faults",
    })
    .into_response()
}

/// The clients that may log in; each is an organization of its own.
#[utoipa::path(
    get,
    path = "/__admin/clients",
    tag = "admin",
    responses((status = 200, body = ClientsBody)),
    security()
)]
async fn clients(controls: Controls) -> Response {
    let clients = controls.state.service().tenants().iter().map(|tenant| {
        let config = tenant.config();
        ClientShown {
            client_id: config.credentials.client_id.clone(),
            organization: config.organization.clone(),
            bucket: config.organization.clone(),
        }
    });
    Json(ClientsBody {
        clients: clients.collect(),
    })
    .into_response()
}

/// Of one client, or of all of them: the journal, faults, holds, recordings that were added, and
/// what was made through the API (jobs, triggers, channels, batches, reports, what was said of
/// recordings, settings, rate windows). What stays: the clock, the calls that the scenario makes,
/// tokens, and objects in buckets.
#[utoipa::path(
    post,
    path = "/__admin/reset",
    tag = "admin",
    request_body = Option<Whose>,
    responses((status = 204, description = "It is done")),
    security()
)]
async fn reset(controls: Controls, Body(whose): Body<Whose>) -> Result<Response, ApiError> {
    let Controls { state, control } = &controls;
    let tenant = controls.tenant(whose.client.as_deref())?;
    control.journal().clear(tenant);
    control
        .faults()
        .remove(|rule| tenant.is_none_or(|tenant| Faults::is_of(rule, tenant)));
    let now = state.now();
    let on = controls.on(tenant);
    state.service().release_all(now, on);
    state.clear(tenant);
    control.traffic().forget_asked(on);
    control.traffic().handle_timeout(now);
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// No token is good any more.
#[utoipa::path(
    post,
    path = "/__admin/tokens/expire",
    tag = "admin",
    request_body = Option<Whose>,
    responses((status = 200, body = Expired)),
    security()
)]
async fn expire_tokens(controls: Controls, Body(whose): Body<Whose>) -> Result<Response, ApiError> {
    let tenant = controls.tenant(whose.client.as_deref())?;
    let expired = controls.state.expire_tokens(tenant);
    Ok(Json(Expired { expired }).into_response())
}

/// Cuts WebSockets with a reset.
#[utoipa::path(
    post,
    path = "/__admin/websockets/drop",
    tag = "admin",
    request_body = Option<Whose>,
    responses((status = 200, body = Dropped)),
    security()
)]
async fn drop_websockets(
    controls: Controls,
    Body(whose): Body<Whose>,
) -> Result<Response, ApiError> {
    let tenant = controls.tenant(whose.client.as_deref())?;
    let dropped = controls.control.links().cut_websockets(tenant);
    Ok(Json(Dropped { dropped }).into_response())
}

impl Controls {
    /// The tenant of a client id, where one is named.
    fn tenant(&self, client: Option<&str>) -> Result<Option<TenantIndex>, ApiError> {
        let Some(client) = client else {
            return Ok(None);
        };
        let tenant = self.state.tenant_of(client);
        let unknown = || ApiError::bad_request(format!("There is no client `{client}`."));
        tenant.map(Some).ok_or_else(unknown)
    }

    /// The platforms that a tenant's recordings are on, or all.
    fn on(&self, tenant: Option<TenantIndex>) -> On {
        let tenant = tenant.and_then(|tenant| self.state.service().tenant(tenant));
        tenant.map_or(On::Every, |tenant| On::One(tenant.config().arm))
    }
}
