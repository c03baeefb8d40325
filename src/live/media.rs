//! The media side of a live run: softphones and ingest on one thread, over sockets and through memory.

use std::net::{Ipv4Addr, SocketAddrV4};
use std::sync::Arc;

use hdrhistogram::Histogram;
use mock_api::ingest::IngestCounters;
use mock_api::server::MockServer;
use racegate_media::DenseStack;
use racegate_model::scenario::{Fidelity, Scenario};
use racegate_model::summary::GeneratorSummary;
use racegate_model::time::Duration;
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

/// What the softphones say of themselves: the histograms of both kinds are one.
pub(super) fn count_sent(
    summary: &mut GeneratorSummary,
    reports: impl Iterator<Item = SoftphoneReport>,
    limit: Duration,
) {
    let mut lateness: Option<Histogram<u64>> = None;
    for report in reports {
        summary.packets_sent += report.packets_sent;
        summary.sends_refused += report.sends_refused;
        summary.files_short += report.files_short;
        // The counter is the machine's, so each has seen the same.
        let drops = report.receive_buffer_errors.unwrap_or(0);
        summary.socket_drops = summary.socket_drops.max(drops);
        match &mut lateness {
            None => lateness = Some(report.send_lateness_us),
            // Both have the same bounds.
            Some(all) => drop(all.add(&report.send_lateness_us)),
        }
    }
    let Some(lateness) = lateness.filter(|all| !all.is_empty()) else {
        return;
    };
    let seconds = |quantile| lateness.value_at_quantile(quantile) as f64 / 1e6;
    summary.send_lateness_p50_s = seconds(0.5);
    summary.send_lateness_p99_s = seconds(0.99);
    summary.send_lateness_p999_s = seconds(0.999);
    let limit_us = limit.as_nanos() / 1000;
    let on_time = lateness.count_between(0, limit_us);
    summary.packets_late = lateness.len().saturating_sub(on_time);
}

/// What the ingests have counted.
pub(super) fn count_received(
    summary: &mut GeneratorSummary,
    counters: impl Iterator<Item = IngestCounters>,
) {
    for counted in counters {
        summary.packets_received += counted.packets_received;
        summary.handshakes_dropped += counted.handshakes_dropped;
        summary.stray_datagrams += counted.stray_datagrams;
    }
}
