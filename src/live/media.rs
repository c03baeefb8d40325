//! The media side of a live run: shards of softphones and the ingest that they call, over sockets and through memory.

use std::net::{Ipv4Addr, SocketAddrV4};
use std::num::NonZeroUsize;
use std::sync::Arc;

use hdrhistogram::Histogram;
use mock_api::ingest::IngestCounters;
use mock_api::server::{MockServer, stack_of};
use racegate_model::scenario::{Fidelity, Scenario};
use racegate_model::summary::GeneratorSummary;
use racegate_model::time::Duration;
use racegate_udp::{BatchSocket, Shard, ShardError, ShardMeter, Station};

use super::error::LiveError;
use super::softphone::{SoftphoneReport, SoftphoneSettings, Softphones};

/// The port that softphones seem to have whose datagrams go through memory.
const RING_PORT: u16 = 5004;

/// The softphones of each kind of session, by shard.
#[derive(Clone, Debug, Default)]
pub(super) struct Phones {
    /// On sockets.
    socket: Vec<Softphones>,
    /// Through memory.
    ring: Vec<Softphones>,
}

impl Phones {
    /// The softphones for that call at that fidelity; none for those without network. Calls go round the shards.
    pub(super) fn of(&self, fidelity: Fidelity, call: u64) -> Option<&Softphones> {
        let phones = match fidelity {
            Fidelity::Model => return None,
            Fidelity::Wire => &self.ring,
            Fidelity::Signalling | Fidelity::Transport | Fidelity::Media => &self.socket,
        };
        let shard = call.checked_rem(phones.len() as u64)?;
        phones.get(usize::try_from(shard).ok()?)
    }

    /// What each of them has counted.
    pub(super) fn reports(&self) -> impl Iterator<Item = SoftphoneReport> {
        let all = self.socket.iter().chain(&self.ring);
        all.map(Softphones::report)
    }
}

/// All cores but one, so that gates are not kept waiting.
pub(super) fn shards() -> NonZeroUsize {
    let cores = std::thread::available_parallelism().map_or(1, NonZeroUsize::get);
    NonZeroUsize::new(cores - 1).unwrap_or(NonZeroUsize::MIN)
}

/// Starts the media threads with what the scenario's fidelities need: each has its softphones and the ingest that they call, so that no
/// packet changes cores.
pub(super) fn start(
    scenario: &Scenario,
    server: &mut MockServer,
) -> Result<(Phones, Vec<Shard>), LiveError> {
    let mix = &scenario.workload.fidelity.webrtc;
    let failed = |error: &dyn std::fmt::Display| LiveError::Media(error.to_string());
    let stack = stack_of(scenario.workload.live.softphone_stack).map_err(|error| failed(&error))?;
    let stations = server.take_stations().into_iter();
    let mut shards: Vec<Vec<Station>> = stations.map(|station| vec![station]).collect();
    let mut phones = Phones::default();
    let on_sockets = [Fidelity::Signalling, Fidelity::Transport, Fidelity::Media];
    if on_sockets.into_iter().any(|fidelity| mix.has(fidelity)) {
        for (at, stations) in shards.iter_mut().enumerate() {
            let settings = settings(&server.signalling_url(), at);
            let (socket, station) =
                Softphones::bind(&settings, Arc::clone(&stack)).map_err(|error| failed(&error))?;
            stations.push(station);
            phones.socket.push(socket);
        }
    }
    if mix.has(Fidelity::Wire) {
        let (ingests, address) = server.open_ring();
        for ((at, stations), ingest) in shards.iter_mut().enumerate().zip(ingests) {
            let settings = settings(&server.ring_url(), at);
            let (ring, callers) = Softphones::detached(&settings, RING_PORT, Arc::clone(&stack));
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
            phones.ring.push(ring);
        }
    }
    let spawn = |(at, stations)| Shard::spawn(&format!("media-{at}"), stations);
    let shards: Result<_, ShardError> = shards.into_iter().enumerate().map(spawn).collect();
    Ok((phones, shards?))
}

/// Stops all of them, and gives the first error.
pub(super) fn stop(shards: Vec<Shard>) -> Result<(), ShardError> {
    let ends: Vec<_> = shards.into_iter().map(Shard::stop).collect();
    ends.into_iter().try_for_each(|end| end.map(drop))
}

/// Softphones that call one shard of the server.
fn settings(url: &str, shard: usize) -> SoftphoneSettings {
    SoftphoneSettings::new(format!("{url}?shard={shard}"))
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

/// Datagrams that found the receive buffer of one of the run's own sockets full.
pub(super) fn socket_drops(shards: &[ShardMeter]) -> u64 {
    let stations = shards.iter().flat_map(|shard| shard.report().stations);
    stations.filter_map(|station| station.dropped).sum()
}

/// What the ingests have counted.
pub(super) fn count_received(
    summary: &mut GeneratorSummary,
    counters: impl Iterator<Item = IngestCounters>,
) {
    for counted in counters {
        summary.packets_received += counted.packets_received;
        summary.handshakes_dropped += counted.handshakes_dropped;
        summary.recordings_cut += counted.recordings_cut;
        summary.connections += counted.connected;
        summary.lines_taken_over += counted.taken_over;
        summary.lines_dropped += counted.parked_dropped;
        summary.stray_datagrams += counted.stray_datagrams;
    }
}

#[cfg(test)]
mod tests {
    use mock_api::clock::RunClock;
    use mock_api::ingest::IngestShards;
    use mock_api::server::ServerConfig;
    use mock_api::service::ServiceConfig;
    use mock_api::storage::layout::RunEpoch;
    use racegate_scenario::{Source, parse};

    use super::*;
    use crate::live::softphone::{CallEnd, Dial};

    const SCENARIO: &str = "name = 'shards'\n[workload]\nexecutor = 'constant-vus'\nvus = 1\n\
        duration = '1s'\ncall_duration = '1s'\nfidelity = { webrtc = { media = 0.5, wire = 0.5 } }\n\
        [[gate]]\nname = 'none'\nstrategy = 'none'\n";

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn every_session_stays_on_its_shard_and_the_totals_add_up() {
        let scenario = parse(&Source::new("shards.toml", SCENARIO), &[]).unwrap();
        let config = ServiceConfig {
            seed: scenario.seed,
            epoch: RunEpoch::now(),
            workload: scenario.workload.clone(),
            arms: scenario.arms.clone(),
            tenants: Vec::new(),
        };
        let config = ServerConfig {
            shards: NonZeroUsize::new(3).unwrap(),
            ..ServerConfig::loopback(config)
        };
        let started = MockServer::start(config, RunClock::start()).await;
        let (mut server, _news) = started.unwrap();
        let (phones, shards) = start(&scenario, &mut server).unwrap();
        assert_eq!((shards.len(), phones.reports().count()), (3, 6));
        let hang_up_at = std::time::Instant::now() + std::time::Duration::from_secs(1);
        let mut calls = Vec::new();
        // One call on the first shard, two on the second, three on the third, of both kinds.
        for fidelity in [Fidelity::Media, Fidelity::Wire] {
            for shard in [0_u64, 1, 1, 2, 2, 2] {
                let dial = Dial::new(format!("{fidelity:?}-{}", calls.len()), hang_up_at, 0);
                calls.push(phones.of(fidelity, 3 + shard).unwrap().dial(dial));
            }
        }
        for call in calls {
            assert_eq!(call.await.unwrap().end, CallEnd::HungUp);
        }
        stop(shards).unwrap();
        let kinds = [
            (&phones.socket, server.ingest()),
            (&phones.ring, server.ring().unwrap()),
        ];
        for (phones, ingests) in kinds {
            for (at, phones) in phones.iter().enumerate() {
                let (said, heard) = (phones.report(), ingests.get(at).unwrap().counters());
                assert_eq!(
                    (said.established, heard.ended),
                    (at as u64 + 1, at as u64 + 1)
                );
                assert_eq!(said.packets_sent, heard.packets_received);
                assert!(said.packets_sent > 10);
            }
            let all: u64 = phones.iter().map(|each| each.report().packets_sent).sum();
            assert_eq!(IngestShards::counters(ingests).packets_received, all);
        }
        server.stop().await;
    }
}
