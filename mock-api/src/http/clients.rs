//! Who may log in: each tenant's own client, and further ones of the same organization.

use std::collections::BTreeMap;

use aws_lc_rs::{constant_time, hmac};
use racegate_model::ids::TenantIndex;

use super::config::ApiConfig;
use super::ids::{Uuid, tenant_key};
use super::permissions::Permissions;
use super::wire::job::Reference;
use crate::service::{Credentials, Service};

/// A further client of a tenant's organization.
#[derive(Clone, Debug)]
pub struct FurtherClient {
    /// The organization.
    pub tenant: TenantIndex,
    /// What it logs in with.
    pub credentials: Credentials,
}

/// Position of a client among those that may log in.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default)]
pub(super) struct ClientIndex(u32);

/// A client. It acts as a user of its own.
#[derive(Debug)]
pub(super) struct Client {
    pub(super) tenant: TenantIndex,
    pub(super) id: String,
    secret: String,
    pub(super) permissions: Permissions,
    pub(super) user: Reference,
}

/// All of them.
#[derive(Debug, Default)]
pub(super) struct Clients {
    all: Vec<Client>,
    by_id: BTreeMap<String, ClientIndex>,
}

impl Clients {
    pub(super) fn new(service: &Service, config: &ApiConfig) -> Self {
        let mut clients = Self::default();
        for tenant in service.tenants() {
            let own = tenant.config();
            let key = tenant_key(own);
            clients.add(own.index, &own.credentials, &key, config);
        }
        for further in &config.further_clients {
            let secret = further.credentials.client_secret.as_bytes();
            let key = hmac::Key::new(hmac::HMAC_SHA256, secret);
            if service.tenant(further.tenant).is_some() {
                clients.add(further.tenant, &further.credentials, &key, config);
            }
        }
        clients
    }

    fn add(
        &mut self,
        tenant: TenantIndex,
        credentials: &Credentials,
        key: &hmac::Key,
        config: &ApiConfig,
    ) {
        let Ok(index) = u32::try_from(self.all.len()) else {
            return;
        };
        let id = credentials.client_id.clone();
        let permissions = config.permissions.get(&id).cloned().unwrap_or_default();
        let user = Uuid::keyed(key, "user").to_string();
        let self_uri = format!("/api/v2/users/{user}");
        self.by_id.insert(id.clone(), ClientIndex(index));
        self.all.push(Client {
            tenant,
            id,
            secret: credentials.client_secret.clone(),
            permissions,
            user: Reference { id: user, self_uri },
        });
    }

    /// The client that knows its secret.
    pub(super) fn log_in(&self, id: &str, secret: &str) -> Option<ClientIndex> {
        let index = *self.by_id.get(id)?;
        let known = self.get(index).secret.as_bytes();
        constant_time::verify_slices_are_equal(known, secret.as_bytes()).ok()?;
        Some(index)
    }

    /// The tenant of a client id.
    pub(super) fn tenant_of(&self, id: &str) -> Option<TenantIndex> {
        Some(self.get(*self.by_id.get(id)?).tenant)
    }

    /// Those of an organization.
    pub(super) fn of(&self, tenant: TenantIndex) -> impl Iterator<Item = &Client> {
        self.all
            .iter()
            .filter(move |client| client.tenant == tenant)
    }

    pub(super) fn get(&self, index: ClientIndex) -> &Client {
        &self.all[index.0 as usize]
    }
}
