//! Writes that somebody else's S3 refuses are in the journal too: whoever wonders where an export
//! is asks there first.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::http::Method;

use super::Control;
use super::journal::{Record, StorageNote, wall_millis};
use crate::clock::RunClock;
use crate::service::Service;

impl Control {
    /// From now on the journal has what the storage of `service` refuses.
    pub(crate) fn note_refusals(&self, service: &Service, clock: RunClock) {
        let tenants = service.tenants().iter().zip(0..);
        let tenants: BTreeMap<_, _> = tenants
            .map(|(tenant, number)| (tenant.config().organization.clone(), number))
            .collect();
        // The store outlives nobody: it must not keep what keeps it.
        let inner = Arc::downgrade(&self.inner);
        service.store().on_refusal(move |refused| {
            let Some(inner) = inner.upgrade() else {
                return;
            };
            let tenant = refused.organization.as_ref();
            let tenant = tenant.and_then(|organization| tenants.get(organization));
            inner.journal.record(Record {
                at: clock.now(),
                wall_millis: wall_millis(),
                tenant: tenant.map(|number| racegate_model::ids::TenantIndex(*number)),
                method: Method::from_bytes(refused.method.as_bytes()).unwrap_or_default(),
                target: &format!("/{}/{}", refused.bucket, refused.key),
                status: refused.status.unwrap_or(0),
                fault: None,
                storage: Some(StorageNote {
                    key: refused.key,
                    words: refused.words,
                    recording: refused.recording,
                }),
            });
        });
    }
}
