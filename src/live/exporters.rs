//! The role of the exporters: a gate per tenant, driven over the network, and what each has to say.

use mock_api::clock::RunClock;
use mock_api::server::MockServer;
use mock_api::service::{Delivery, Subscription};
use racegate_model::draws::Seed;
use racegate_model::exporter::{Exporter, Input};
use racegate_model::scenario::{Arm, GateSpec};
use racegate_model::time::Duration;
use racegate_model::timeline::Timeline;
use tokio::sync::mpsc;

use super::error::LiveError;
use super::network::HttpTransport;
use super::tenant::{Message, Record, TenantDriver};
use super::webhooks::{self, Dues};

/// The exporters of a run, each in a task of its own.
pub(super) struct Exporters {
    inboxes: Vec<mpsc::UnboundedSender<Message>>,
    dues: Dues,
    clock: RunClock,
    /// What they have to say.
    pub(super) records: mpsc::UnboundedReceiver<Record>,
}

impl Exporters {
    /// Logs all of them in at `server` but for the guest's, and listens to the webhooks that they
    /// want.
    pub(super) async fn start(
        arms: &[Arm],
        server: &MockServer,
        seed: Seed,
        clock: RunClock,
        guest: Option<&str>,
    ) -> Result<Self, LiveError> {
        let tenants = server.service().tenants();
        let (sender, records) = mpsc::unbounded_channel();
        let (inboxes, receivers): (Vec<_>, Vec<_>) =
            tenants.iter().map(|_| mpsc::unbounded_channel()).unzip();
        let exporters = Self {
            inboxes,
            dues: Dues::default(),
            clock,
            records,
        };
        exporters.subscribe(arms, server).await?;
        for (tenant, inbox) in tenants.iter().map(|tenant| tenant.config()).zip(receivers) {
            let arm = &arms[tenant.arm.0 as usize];
            let driven = guest != Some(tenant.gate.as_str());
            let Some(gate) = gate_of(arm, &tenant.gate).filter(|_| driven) else {
                continue;
            };
            let export = &arm.platform.export;
            let exporter = Exporter::new(tenant.index, gate, export, arm.required, seed);
            let transport = HttpTransport::connect(server, tenant).await?;
            let driver = TenantDriver::new(exporter, transport, clock, sender.clone());
            tokio::spawn(driver.run(inbox));
        }
        Ok(exporters)
    }

    /// Subscribes every gate that waits for a webhook to its event.
    async fn subscribe(&self, arms: &[Arm], server: &MockServer) -> Result<(), LiveError> {
        let service = server.service();
        let address = webhooks::receive(
            self.inboxes.clone(),
            service.clone(),
            self.clock,
            self.dues.clone(),
        )
        .await
        .map_err(|source| LiveError::Socket {
            what: "the webhook receiver",
            source,
        })?;
        for tenant in service.tenants().iter().map(|tenant| tenant.config()) {
            let gate = gate_of(&arms[tenant.arm.0 as usize], &tenant.gate);
            if let Some(event) = gate.and_then(|gate| gate.strategy.listens()) {
                service.subscribe(Subscription {
                    tenant: tenant.index,
                    arm: tenant.arm,
                    event,
                    url: Some(webhooks::url(address, tenant.index, event)),
                });
            }
        }
        Ok(())
    }

    /// Tells the tenants of one arm that a session has ended, and later that its media is there.
    pub(super) fn session_ended(
        &self,
        tenants: std::ops::Range<usize>,
        timeline: &Timeline,
        lateness: Duration,
    ) {
        for inbox in &self.inboxes[tenants] {
            let ended = Input::Ended(timeline.recording, timeline.taken_for());
            let stored = Input::MediaStored(timeline.recording);
            drop(inbox.send(Message {
                at: timeline.ended_at,
                input: ended,
                lateness,
            }));
            let (inbox, clock, at) = (inbox.clone(), self.clock, timeline.media_at);
            tokio::spawn(async move {
                clock.sleep_until(at).await;
                drop(inbox.send(Message {
                    at,
                    input: stored,
                    lateness,
                }));
            });
        }
    }

    /// Notes when a webhook was due, so that its own lateness is known when it comes.
    pub(super) fn expect(&self, delivery: &Delivery) {
        self.dues.note(delivery);
    }
}

fn gate_of<'a>(arm: &'a Arm, name: &str) -> Option<&'a GateSpec> {
    arm.gates.iter().find(|gate| gate.name == name)
}
