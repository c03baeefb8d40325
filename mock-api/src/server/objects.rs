//! Where a mock's objects are: behind an S3 endpoint of its own, or in somebody else's bucket.

use std::net::SocketAddr;

use crate::storage::{AccessKey, EndpointError, EndpointLimits, ExternalBucket, S3Endpoint, Store};

/// Where objects are.
pub(super) enum Objects {
    Here(S3Endpoint),
    Elsewhere(ExternalBucket),
}

impl Objects {
    /// Starts the endpoint, unless there is a bucket instead.
    pub(super) async fn start(
        external: Option<ExternalBucket>,
        address: SocketAddr,
        (store, keys): (Store, &[AccessKey]),
    ) -> Result<Self, EndpointError> {
        let Some(bucket) = external else {
            let limits = EndpointLimits::default();
            let endpoint = S3Endpoint::start(address, store, keys, limits).await?;
            return Ok(Self::Here(endpoint));
        };
        Ok(Self::Elsewhere(bucket))
    }
}
