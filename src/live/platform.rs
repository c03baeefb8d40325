//! The role of the platform: the mock's servers on loopback, and what they make known.

use std::io::Write as _;
use std::num::NonZeroUsize;
use std::path::Path;

use mock_api::clock::RunClock;
use mock_api::ingest::IngestShards;
use mock_api::server::{ControlConfig, MockServer, ServerConfig};
use mock_api::service::{Delivery, News, Service, ServiceConfig, TenantConfig};
use mock_api::storage::layout::RunEpoch;
use racegate_model::draws::Seed;
use racegate_model::ids::{ArmIndex, RecordingId, TenantIndex};
use racegate_model::scenario::{Arm, Scenario};
use tokio::sync::mpsc;

use super::error::LiveError;

/// The mock, and the stream of what happens on it.
pub(super) struct Platform {
    pub(super) server: MockServer,
    pub(super) news: mpsc::UnboundedReceiver<News>,
}

impl Platform {
    /// Starts the servers for the tenants of `arms`, with a control plane whose journal remembers
    /// so many requests, or none.
    pub(super) async fn start(
        scenario: &Scenario,
        arms: &[Arm],
        shards: NonZeroUsize,
        clock: RunClock,
        journal: Option<u32>,
    ) -> Result<Self, LiveError> {
        let control = journal.map(|journal| ControlConfig {
            workload: None,
            journal,
        });
        let config = ServerConfig {
            control,
            ..server_config(scenario, arms, shards)
        };
        let (server, news) = MockServer::start(config, clock).await?;
        Ok(Self { server, news })
    }

    /// The model that the servers answer from.
    pub(super) const fn service(&self) -> &Service {
        self.server.service()
    }

    /// The tenant of the first arm whose gate has that name.
    pub(super) fn tenant(&self, gate: &str) -> Option<TenantConfig> {
        let mut tenants = self.service().tenants().iter();
        tenants
            .find(|tenant| tenant.config().gate == gate)
            .map(|tenant| tenant.config().clone())
    }

    /// All ends of media: of the sockets, and of the ring where there is one.
    pub(super) fn ingests(&self) -> impl Iterator<Item = &IngestShards> {
        self.server.ring().into_iter().chain([self.server.ingest()])
    }

    /// Sends a webhook on its way.
    pub(super) fn deliver(&self, delivery: &Delivery) {
        if let Err(error) = self.server.webhooks().deliver(delivery) {
            tracing::warn!(%error, "a webhook was not sent");
        }
    }

    /// Writes every recording as it was received, under its id.
    pub(super) fn keep_audio(&self, seed: Seed, folder: &Path) -> Result<(), LiveError> {
        let failed = |source| LiveError::Audio {
            folder: folder.to_owned(),
            source,
        };
        std::fs::create_dir_all(folder).map_err(failed)?;
        for recording in self.service().calls().ended() {
            let Some(media) = self.service().store().media(recording) else {
                continue;
            };
            let id = RecordingId::of(seed, recording);
            let file = std::fs::File::create(folder.join(format!("{id}.opus")));
            let mut file = file.map_err(failed)?;
            for piece in media.pieces() {
                file.write_all(piece).map_err(failed)?;
            }
        }
        Ok(())
    }
}

fn server_config(scenario: &Scenario, arms: &[Arm], shards: NonZeroUsize) -> ServerConfig {
    let service = ServiceConfig {
        seed: scenario.seed,
        epoch: RunEpoch::now(),
        workload: scenario.workload.clone(),
        arms: arms.to_vec(),
        tenants: tenants(scenario.seed, arms),
    };
    ServerConfig {
        shards,
        stack: scenario.workload.live.ingest_stack,
        ..ServerConfig::loopback(service)
    }
}

/// A tenant per gate of each arm, in the order of [`TenantIndex`].
fn tenants(seed: Seed, arms: &[Arm]) -> Vec<TenantConfig> {
    let gates = (0..)
        .zip(arms)
        .flat_map(|(arm, each)| each.gates.iter().map(move |gate| (ArmIndex(arm), gate)));
    (0..)
        .zip(gates)
        .map(|(tenant, (arm, gate))| {
            TenantConfig::derived(seed, TenantIndex(tenant), arm, &gate.name)
        })
        .collect()
}
