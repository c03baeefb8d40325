//! Ids that the API makes up itself: beside the platform's, those of messages and correlation.

use std::sync::atomic::{AtomicU64, Ordering};

use axum::http::HeaderValue;
use racegate_model::draws::mix64;

pub(super) use crate::service::ids::tenant_key;
pub use crate::service::ids::{Uuid, job_id};

/// Correlation ids: unique in a process, and cheap.
#[derive(Debug)]
pub(super) struct CorrelationIds {
    key: u64,
    next: AtomicU64,
}

impl CorrelationIds {
    pub(super) const fn new(key: u64) -> Self {
        Self {
            key,
            next: AtomicU64::new(0),
        }
    }

    pub(super) fn next(&self) -> Uuid {
        let count = self.next.fetch_add(1, Ordering::Relaxed);
        let high = mix64(self.key ^ count);
        Uuid::of((u128::from(high) << 64) | u128::from(mix64(high)))
    }
}

impl Uuid {
    /// The id as a header's value.
    pub(super) fn header(self) -> HeaderValue {
        HeaderValue::from_bytes(&self.text())
            .unwrap_or_else(|_| HeaderValue::from_static("unknown"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn correlation_ids_differ() {
        let ids = CorrelationIds::new(7);
        assert_ne!(ids.next(), ids.next());
    }
}
