//! The role of an exporter that is not ours: it runs beside the gates, and is judged by what it did.

use mock_api::clock::RunClock;
use mock_api::server::MockServer;
use mock_api::service::TenantConfig;
use racegate_model::history::Settled;

use super::error::LiveError;

/// An exporter that no gate of the scenario drives.
pub trait Guest {
    /// The gate in whose place it stands, whose tenant it logs in as; none if there is no guest.
    fn gate(&self) -> Option<&str>;

    /// Begins once the servers are up and before the first call.
    fn begin(
        &mut self,
        server: &MockServer,
        tenant: &TenantConfig,
        clock: RunClock,
    ) -> Result<(), LiveError>;

    /// Looks at what it has done; called several times a second.
    fn look(&mut self, server: &MockServer);

    /// Whether nothing more is to be expected of it once all calls are over.
    fn is_done(&self) -> bool;

    /// Ends it, and says what became of each recording that has ended.
    fn settle(&mut self, server: &MockServer) -> impl Future<Output = Vec<Settled>>;
}

/// No guest: all exporters are gates of the scenario.
#[derive(Clone, Copy, Debug)]
pub struct NoGuest;

impl Guest for NoGuest {
    fn gate(&self) -> Option<&str> {
        None
    }

    fn begin(&mut self, _: &MockServer, _: &TenantConfig, _: RunClock) -> Result<(), LiveError> {
        Ok(())
    }

    fn look(&mut self, _: &MockServer) {}

    fn is_done(&self) -> bool {
        true
    }

    async fn settle(&mut self, _: &MockServer) -> Vec<Settled> {
        Vec::new()
    }
}
