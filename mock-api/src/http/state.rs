//! What the handlers share.

use std::collections::BTreeMap;
use std::sync::Arc;

use aws_lc_rs::{constant_time, hmac};
use racegate_model::draws::mix64;
use racegate_model::ids::TenantIndex;
use racegate_model::time::{Duration, Timestamp};

use super::admin::Control;
use super::config::ApiConfig;
use super::gateway::Caller;
use super::ids::{CorrelationIds, Uuid, tenant_key};
use super::jobs::JobDesk;
use super::tokens::{Token, TokenStore};
use super::triggers::TriggerDesk;
use super::wire::job::Reference;
use crate::clock::RunClock;
use crate::service::{Service, Tenant};
use crate::storage::sidecar::Dialect;

/// How long a token is good for.
pub(super) const TOKEN_LIFE: Duration = Duration::from_secs(86_399);

/// The API's state. Cheap to clone.
#[derive(Clone)]
pub struct ApiState {
    inner: Arc<Inner>,
}

struct Inner {
    service: Service,
    clock: RunClock,
    config: ApiConfig,
    tokens: TokenStore,
    correlation: CorrelationIds,
    desks: Vec<Desk>,
    clients: BTreeMap<String, TenantIndex>,
    control: Option<Control>,
}

/// What the API itself knows of a tenant.
pub(super) struct Desk {
    pub(super) key: hmac::Key,
    pub(super) user: Reference,
    pub(super) jobs: JobDesk,
    pub(super) triggers: TriggerDesk,
}

impl ApiState {
    /// The API in front of `service`.
    #[must_use]
    pub fn new(service: Service, clock: RunClock, config: ApiConfig) -> Self {
        Self::controlled(service, clock, config, None)
    }

    /// The API in front of `service`, with a control plane.
    #[must_use]
    pub fn controlled(
        service: Service,
        clock: RunClock,
        config: ApiConfig,
        control: Option<Control>,
    ) -> Self {
        let desks = service.tenants().iter().map(Desk::new).collect();
        let clients = service.tenants().iter().map(|tenant| {
            let config = tenant.config();
            (config.credentials.client_id.clone(), config.index)
        });
        let key = mix64(
            config
                .epoch
                .wall_time(Timestamp::ZERO)
                .unix_millis()
                .unsigned_abs(),
        );
        let inner = Inner {
            tokens: TokenStore::default(),
            correlation: CorrelationIds::new(key ^ service.seed().0),
            clients: clients.collect(),
            control,
            desks,
            service,
            clock,
            config,
        };
        Self {
            inner: Arc::new(inner),
        }
    }

    /// The platform.
    #[must_use]
    pub fn service(&self) -> &Service {
        &self.inner.service
    }

    /// How the API behaves.
    #[must_use]
    pub fn config(&self) -> &ApiConfig {
        &self.inner.config
    }

    pub(super) fn control(&self) -> Option<&Control> {
        self.inner.control.as_ref()
    }

    /// The tenant of a client id.
    pub(super) fn tenant_of(&self, client: &str) -> Option<TenantIndex> {
        self.inner.clients.get(client).copied()
    }

    /// A tenant's jobs as the API knows them.
    pub(super) fn jobs_of(&self, tenant: TenantIndex) -> &JobDesk {
        &self.inner.desks[tenant.0 as usize].jobs
    }

    /// A token is good no more.
    pub(super) fn expire_token(&self, token: &str) {
        self.inner.tokens.expire(token);
    }

    /// No token of a tenant, or of anybody, is good any more; returns how many were.
    pub(super) fn expire_tokens(&self, tenant: Option<TenantIndex>) -> usize {
        self.inner.tokens.expire_all(tenant)
    }

    pub(super) fn clock(&self) -> RunClock {
        self.inner.clock
    }

    pub(super) fn now(&self) -> Timestamp {
        self.inner.clock.now()
    }

    pub(super) fn speaks_forum(&self) -> bool {
        self.inner.config.dialect == Dialect::Forum
    }

    pub(super) fn next_correlation(&self) -> Uuid {
        self.inner.correlation.next()
    }

    pub(super) fn tenant(&self, caller: Caller) -> &Tenant {
        &self.inner.service.tenants()[caller.tenant.0 as usize]
    }

    pub(super) fn desk(&self, caller: Caller) -> &Desk {
        &self.inner.desks[caller.tenant.0 as usize]
    }

    /// Whose token that is.
    pub(super) fn token_holder(&self, token: &str, now: Timestamp) -> Option<TenantIndex> {
        self.inner.tokens.tenant(token, now)
    }

    /// A token for whoever knows a client's secret.
    pub(super) fn log_in(&self, client_id: &str, client_secret: &str) -> Option<Token> {
        let tenant = *self.inner.clients.get(client_id)?;
        let known = &self
            .inner
            .service
            .tenant(tenant)?
            .config()
            .credentials
            .client_secret;
        constant_time::verify_slices_are_equal(known.as_bytes(), client_secret.as_bytes()).ok()?;
        Some(self.inner.tokens.grant(tenant, self.now(), TOKEN_LIFE))
    }
}

impl std::fmt::Debug for ApiState {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ApiState")
            .field("config", &self.inner.config)
            .finish_non_exhaustive()
    }
}

impl Desk {
    fn new(tenant: &Tenant) -> Self {
        let key = tenant_key(tenant.config());
        let user = Uuid::keyed(&key, "user").to_string();
        let self_uri = format!("/api/v2/users/{user}");
        Self {
            user: Reference { id: user, self_uri },
            key,
            jobs: JobDesk::default(),
            triggers: TriggerDesk::default(),
        }
    }
}
