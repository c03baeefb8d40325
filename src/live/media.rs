//! The media side of a live run: softphones and ingest on one thread, over sockets and through memory.

use std::net::{Ipv4Addr, SocketAddrV4};
use std::sync::Arc;

use mock_api::ingest::IngestCounters;
use mock_api::server::MockServer;
use racegate_media::DenseStack;
use racegate_model::scenario::{Fidelity, Scenario};
use racegate_udp::{BatchSocket, Shard, Station};

use super::softphone::{SoftphoneReport, SoftphoneSettings, Softphones};
use super::world::LiveError;

/// The port that softphones seem to have whose datagrams go through memory.
const RING_PORT: u16 = 5004;

/// The softphones of each kind of session.
#[derive(Clone, Debug, Default)]
pub(super) struct Phones {
    /// On sockets.
    socket: Option<Softphones>,
    /// Through memory.
    ring: Option<Softphones>,
}

impl Phones {
    /// The softphones for sessions of that fidelity; none for those without network.
    pub(super) fn of(&self, fidelity: Fidelity) -> Option<&Softphones> {
        match fidelity {
            Fidelity::Model => None,
            Fidelity::Wire => self.ring.as_ref(),
            Fidelity::Signalling | Fidelity::Transport | Fidelity::Media => self.socket.as_ref(),
        }
    }

    /// What each of them has counted.
    pub(super) fn reports(&self) -> impl Iterator<Item = SoftphoneReport> {
        let all = self.socket.iter().chain(&self.ring);
        all.map(Softphones::report)
    }
}

/// Starts the media thread with what the scenario's fidelities need.
pub(super) fn start(
    scenario: &Scenario,
    server: &mut MockServer,
) -> Result<(Phones, Shard), LiveError> {
    let mix = &scenario.workload.fidelity.webrtc;
    let failed = |error: &dyn std::fmt::Display| LiveError::Media(error.to_string());
    let stack = || {
        let stack = DenseStack::new().map_err(|error| failed(&error))?;
        Ok::<_, LiveError>(Arc::new(stack))
    };
    let mut stations: Vec<Station> = server.take_station().into_iter().collect();
    let mut phones = Phones::default();
    let on_sockets = [Fidelity::Signalling, Fidelity::Transport, Fidelity::Media];
    if on_sockets.into_iter().any(|fidelity| mix.has(fidelity)) {
        let settings = SoftphoneSettings::new(server.signalling_url());
        let (socket, station) =
            Softphones::bind(&settings, stack()?).map_err(|error| failed(&error))?;
        stations.push(station);
        phones.socket = Some(socket);
    }
    if mix.has(Fidelity::Wire)
        && let Some((ingest, address)) = server.open_ring()?
    {
        let settings = SoftphoneSettings::new(server.ring_url());
        let (ring, callers) = Softphones::detached(&settings, RING_PORT, stack()?);
        let callers_at = SocketAddrV4::new(Ipv4Addr::LOCALHOST, RING_PORT);
        let (client, service) = BatchSocket::pair(callers_at, address);
        stations.push(Station {
            socket: service,
            endpoint: Box::new(ingest),
        });
        stations.push(Station {
            socket: client,
            endpoint: Box::new(callers),
        });
        phones.ring = Some(ring);
    }
    Ok((phones, Shard::spawn("media-0", stations)?))
}

/// Packets that all ingests have received.
pub(super) fn received(counters: impl Iterator<Item = IngestCounters>) -> u64 {
    counters.map(|counted| counted.packets_received).sum()
}
