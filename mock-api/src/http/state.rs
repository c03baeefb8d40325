//! What the handlers share.

use std::sync::{Arc, Weak};

use aws_lc_rs::hmac;
use racegate_model::draws::mix64;
use racegate_model::ids::TenantIndex;
use racegate_model::time::Timestamp;

use super::account::SettingsDesk;
use super::admin::Control;
use super::analytics::DetailsJob;
use super::batches::Batch;
use super::clients::{Client, Clients};
use super::config::ApiConfig;
use super::downloads::Signer;
use super::error::ApiError;
use super::gateway::Caller;
use super::ids::{CorrelationIds, Uuid, tenant_key};
use super::jobs::JobDesk;
use super::keeping::Keeping;
use super::notifications::Hub;
use super::pending::Shelf;
use super::tokens::{Grant, Session, Token, TokenStore};
use super::triggers::TriggerDesk;
use super::uploads::UploadReport;
use crate::clock::RunClock;
use crate::service::{CallsOn, Service, Tenant};
use crate::storage::sidecar::Dialect;

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
    clients: Clients,
    hub: Hub,
    control: Option<Control>,
}

/// The API's state, as long as it is there.
#[derive(Clone)]
pub(super) struct WeakState(Weak<Inner>);

impl WeakState {
    pub(super) fn upgrade(&self) -> Option<ApiState> {
        self.0.upgrade().map(|inner| ApiState { inner })
    }
}

/// What the API itself knows of a tenant.
pub(super) struct Desk {
    pub(super) key: hmac::Key,
    pub(super) signer: Signer,
    pub(super) jobs: JobDesk,
    pub(super) triggers: TriggerDesk,
    pub(super) keeping: Keeping,
    pub(super) batches: Shelf<Batch>,
    pub(super) reports: Shelf<UploadReport>,
    pub(super) details: Shelf<DetailsJob>,
    pub(super) settings: SettingsDesk,
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
        service.speak(config.dialect);
        let desks = service.tenants().iter().map(Desk::new).collect();
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
            clients: Clients::new(&service, &config),
            hub: Hub::new(config.channels),
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
        self.inner.clients.tenant_of(client)
    }

    /// The calls that the caller's platform knows of.
    pub(super) fn calls(&self, caller: Caller) -> CallsOn<'_> {
        let arm = self.tenant(caller).config().arm;
        self.inner.service.calls().seen_on(arm)
    }

    /// A tenant's jobs as the API knows them.
    pub(super) fn jobs_of(&self, tenant: TenantIndex) -> &JobDesk {
        &self.inner.desks[tenant.0 as usize].jobs
    }

    /// A token is good no more.
    pub(super) fn expire_token(&self, token: &str) {
        self.inner.tokens.revoke(token);
    }

    /// No token of a tenant, or of anybody, is good any more; returns how many were.
    pub(super) fn expire_tokens(&self, tenant: Option<TenantIndex>) -> usize {
        let clients = &self.inner.clients;
        self.inner
            .tokens
            .revoke_all(|client| tenant.is_none_or(|tenant| clients.get(client).tenant == tenant))
    }

    /// What a tenant, or anybody, has made through the API is gone. Tokens stay good, and have not
    /// been used.
    pub(super) fn clear(&self, tenant: Option<TenantIndex>) {
        let inner = &self.inner;
        let meant = |of: TenantIndex| tenant.is_none_or(|tenant| tenant == of);
        for (of, desk) in inner.service.tenants().iter().zip(&inner.desks) {
            if !meant(of.config().index) {
                continue;
            }
            for job in desk.jobs.clear() {
                of.forget_job(job);
            }
            desk.triggers.clear(&inner.service);
            desk.keeping.clear();
            desk.batches.clear();
            desk.reports.clear();
            desk.details.clear();
            desk.settings.clear();
        }
        inner.hub.clear(tenant);
        let clients = &inner.clients;
        inner
            .tokens
            .renew_limits(|client| meant(clients.get(client).tenant));
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

    pub(super) fn downgrade(&self) -> WeakState {
        WeakState(Arc::downgrade(&self.inner))
    }

    /// The notification channels.
    pub(super) fn hub(&self) -> &Hub {
        &self.inner.hub
    }

    /// Cuts the connections of all notification channels, which live on. Returns their number.
    pub fn cut_channels(&self) -> usize {
        self.inner.hub.cut_all()
    }

    /// An id that nobody can guess.
    pub(super) fn secret_id(&self) -> Uuid {
        let mut bits = [0_u8; 16];
        aws_lc_rs::rand::fill(&mut bits).expect("the system has a source of randomness");
        Uuid::of(u128::from_be_bytes(bits))
    }

    /// The tenant with that organization, and the key that it signs with.
    pub(super) fn organization(&self, id: &str) -> Option<(TenantIndex, &hmac::Key)> {
        let tenants = self.inner.service.tenants().iter();
        let (tenant, desk) = tenants
            .zip(&self.inner.desks)
            .find(|(tenant, _)| tenant.config().organization == id)?;
        Some((tenant.config().index, &desk.key))
    }

    /// Who holds a token, and what that allows.
    pub(super) fn token_holder(
        &self,
        token: &str,
        now: Timestamp,
    ) -> Option<(Caller, Arc<Session>)> {
        let session = self.inner.tokens.holder(token, now)?;
        let caller = Caller {
            tenant: self.inner.clients.get(session.grant.client).tenant,
            client: session.grant.client,
            now,
        };
        Some((caller, session))
    }

    /// What the API knows of a tenant.
    pub(super) fn desk_of(&self, tenant: TenantIndex) -> &Desk {
        &self.inner.desks[tenant.0 as usize]
    }

    /// A token for whoever knows a client's secret.
    pub(super) fn log_in(&self, id: &str, secret: &str) -> Option<Token> {
        let client = self.inner.clients.log_in(id, secret)?;
        let tenant = self.inner.clients.get(client).tenant;
        Some(self.inner.tokens.grant(Grant {
            client,
            limit: self.inner.service.tenant(tenant)?.rate_limit(),
            expires_at: self.now() + self.inner.config.token_life,
        }))
    }

    pub(super) fn clients(&self) -> &Clients {
        &self.inner.clients
    }

    pub(super) fn client(&self, caller: Caller) -> &Client {
        self.inner.clients.get(caller.client)
    }

    /// Refuses a caller that holds none of these permissions.
    pub(super) fn need_any(&self, caller: Caller, names: &[&'static str]) -> Result<(), ApiError> {
        self.client(caller).permissions.any(names)
    }

    /// Refuses a caller that lacks one of these permissions.
    pub(super) fn need_all(&self, caller: Caller, names: &[&'static str]) -> Result<(), ApiError> {
        self.client(caller).permissions.all(names)
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
        let secret = tenant.config().credentials.client_secret.as_bytes();
        Self {
            key: tenant_key(tenant.config()),
            signer: Signer::new(secret),
            jobs: JobDesk::default(),
            triggers: TriggerDesk::default(),
            keeping: Keeping::default(),
            batches: Shelf::default(),
            reports: Shelf::default(),
            details: Shelf::default(),
            settings: SettingsDesk::default(),
        }
    }
}
