//! One measurement: so many sessions on so many shards, set up, kept for a while, counted.

use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};
use std::sync::Arc;
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use racegate_udp::{BatchSocket, Class, Placement, Shard, ShardMeter, ShardReport, Station};

use super::BenchError;
use super::callers::{Audio, Callers, Engine};
use super::lobby::{Lobby, Tally};
use super::machine::{Sample, memory_bytes};
use super::recorders::Recorders;

/// How often the measuring thread looks.
const LOOK: Duration = Duration::from_millis(5);

/// From the last set-up until the measurement: handshakes are forgotten after two seconds, and caches settle.
const SETTLE: Duration = Duration::from_millis(2500);

/// What is on its way after the last packet was sent has arrived by then, or is lost.
const DRAIN_MAX: Duration = Duration::from_secs(5);

/// Set-up that takes longer than this has failed.
const SETUP_MAX: Duration = Duration::from_secs(30);

/// What carries the datagrams.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Carrier {
    /// UDP over loopback.
    Sockets,
    /// A ring in memory.
    Ring,
}

/// What to measure.
#[derive(Debug, Clone)]
pub(super) struct Load {
    pub(super) engine: Engine,
    pub(super) audio: Audio,
    pub(super) carrier: Carrier,
    /// Sessions in all.
    pub(super) sessions: usize,
    /// Further sessions that are kept alive beside them without audio.
    pub(super) beside: usize,
    /// Shards, each on a core of its own.
    pub(super) shards: usize,
    /// How long to measure once all are set up.
    pub(super) steady: Duration,
    pub(super) class: Class,
}

/// What was measured.
#[derive(Debug, Clone)]
pub(super) struct Rung {
    pub(super) sessions: usize,
    pub(super) beside: usize,
    /// Sessions that were there at the end.
    pub(super) standing: usize,
    /// Sessions set up per second, from the first offer's answer to the last session's first packet.
    pub(super) setups_per_s: f64,
    /// Processor time of a set-up, both ends.
    pub(super) setup_us: f64,
    /// Packets sent and not received, since the first; and sent in all.
    pub(super) lost: u64,
    pub(super) sent: u64,
    /// Datagrams that the kernel refused to send.
    pub(super) refused: u64,
    /// How late packets were sent, in the steady time.
    pub(super) lateness_us: Histogram<u64>,
    /// Processor time per packet in the steady time, callers and recorders.
    pub(super) caller_us: f64,
    pub(super) recorder_us: f64,
    /// Processor time of all shards per second and shard.
    pub(super) core_share: f64,
    /// Heap per session in the steady state, both ends; resident memory where the allocator does not tell.
    pub(super) bytes_per_session: f64,
    /// Datagrams that the kernel dropped for want of buffer; `None` where it does not tell.
    pub(super) buffer_errors: Option<u64>,
    /// Why shards do not run where or how they should, if they do not.
    pub(super) unplaced: Option<String>,
    /// What others took of the processors in the steady time, as a share of all of them.
    pub(super) others: f64,
}

impl Rung {
    /// Lost packets as a share of those sent.
    pub(super) fn loss(&self) -> f64 {
        ratio(self.lost, self.sent)
    }

    pub(super) fn send_p99_ms(&self) -> f64 {
        let micros = self.lateness_us.value_at_quantile(0.99);
        Duration::from_micros(micros).as_secs_f64() * 1e3
    }

    /// Processor time per packet, both ends.
    pub(super) fn packet_us(&self) -> f64 {
        self.caller_us + self.recorder_us
    }
}

#[expect(clippy::cast_precision_loss, reason = "counts stay far below 2⁵³")]
pub(super) fn ratio(part: u64, whole: u64) -> f64 {
    if whole == 0 {
        0.0
    } else {
        part as f64 / whole as f64
    }
}

struct Running {
    shards: Vec<Shard>,
    meters: Vec<ShardMeter>,
    lobbies: Vec<Arc<Lobby>>,
}

/// Runs one measurement.
pub(super) fn measure(load: &Load) -> Result<Rung, BenchError> {
    let memory_before = memory_bytes();
    let running = start(load)?;
    let all = load.sessions + load.beside;
    if let Err(error) = await_setup(&running, all) {
        stop(running)?;
        return Err(error);
    }
    let setup_cpu: Duration = running.cpu().into_iter().sum();
    std::thread::sleep(SETTLE);
    for lobby in &running.lobbies {
        lobby.restart_lateness();
    }
    let (cpu, sample, sent, at) = (
        running.cpu(),
        Sample::take(),
        running.sent(),
        Instant::now(),
    );
    std::thread::sleep(load.steady);
    let (cpu_after, sample_after) = (running.cpu(), Sample::take());
    let (packets, passed) = (running.sent() - sent, at.elapsed());
    let tallies: Vec<_> = running.lobbies.iter().map(|lobby| lobby.tally()).collect();
    let unplaced = running
        .meters
        .iter()
        .find_map(|meter| meter.report().unplaced);
    running.drain();
    // Only now: to ask takes the allocator's locks for as long as it has holes to count, and the shards wait meanwhile.
    let memory = memory_bytes().saturating_sub(memory_before);
    let lobbies = running.lobbies.clone();
    let dropped = stop(running)?;
    let end: Vec<_> = lobbies.iter().map(|lobby| lobby.tally()).collect();
    let ours = cpu_after
        .iter()
        .zip(&cpu)
        .map(|(after, before)| *after - *before);
    let ours: Vec<Duration> = ours.collect();
    Ok(Rung {
        sessions: load.sessions,
        beside: load.beside,
        standing: end
            .iter()
            .map(|tally| tally.heard - tally.departed.min(tally.heard))
            .sum(),
        setups_per_s: setup_rate(&end),
        setup_us: micros_per(setup_cpu, all as u64),
        lost: end
            .iter()
            .map(|tally| tally.sent.saturating_sub(tally.received))
            .sum(),
        sent: end.iter().map(|tally| tally.sent).sum(),
        refused: end.iter().map(|tally| tally.refused).sum(),
        lateness_us: merged(&tallies),
        caller_us: micros_per(ours.iter().step_by(2).sum(), packets),
        recorder_us: micros_per(ours.iter().skip(1).step_by(2).sum(), packets),
        core_share: ours.iter().sum::<Duration>().as_secs_f64()
            / passed.as_secs_f64()
            / load.shards.max(1) as f64,
        bytes_per_session: ratio(memory, all as u64),
        buffer_errors: dropped,
        unplaced,
        others: sample.others(&sample_after, ours.iter().sum()),
    })
}

/// Waits until every session has been heard.
fn await_setup(running: &Running, sessions: usize) -> Result<(), BenchError> {
    let began = Instant::now();
    while running.heard() < sessions {
        if began.elapsed() > SETUP_MAX || running.shards.iter().any(Shard::is_finished) {
            let heard = running.heard();
            return Err(BenchError::Setup { sessions, heard });
        }
        std::thread::sleep(LOOK);
    }
    Ok(())
}

fn micros_per(time: Duration, count: u64) -> f64 {
    let micros = u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
    ratio(micros, count) / 1e3
}

fn setup_rate(tallies: &[Tally]) -> f64 {
    let first = tallies.iter().filter_map(|tally| tally.first).min();
    let last = tallies.iter().filter_map(|tally| tally.last).max();
    let heard: usize = tallies.iter().map(|tally| tally.heard).sum();
    first.zip(last).map_or(0.0, |(first, last)| {
        heard as f64
            / last
                .saturating_duration_since(first)
                .as_secs_f64()
                .max(1e-9)
    })
}

fn merged(tallies: &[Tally]) -> Histogram<u64> {
    let mut all = Tally::default().lateness_us;
    for tally in tallies {
        let added = all.add(&tally.lateness_us);
        debug_assert!(added.is_ok(), "all have the same bounds");
    }
    all
}

impl Running {
    fn heard(&self) -> usize {
        self.lobbies
            .iter()
            .map(|lobby| lobby.lock().tally.heard)
            .sum()
    }

    fn sent(&self) -> u64 {
        self.lobbies
            .iter()
            .map(|lobby| lobby.lock().tally.sent)
            .sum()
    }

    /// Has the callers fall silent and waits until nothing more arrives, for a few seconds at most.
    fn drain(&self) {
        for lobby in &self.lobbies {
            lobby.hush();
        }
        let began = Instant::now();
        while began.elapsed() < DRAIN_MAX {
            std::thread::sleep(LOOK);
            let tallies: Vec<_> = self.lobbies.iter().map(|lobby| lobby.tally()).collect();
            if tallies.iter().all(|tally| tally.received >= tally.sent) {
                return;
            }
        }
    }

    /// Processor time of all ends: callers and recorders, shard after shard.
    fn cpu(&self) -> Vec<Duration> {
        let reports: Vec<ShardReport> = self.meters.iter().map(ShardMeter::report).collect();
        reports
            .iter()
            .flat_map(|report| report.stations.iter().map(|station| station.cpu))
            .collect()
    }
}

/// Starts the shards: callers and the server that they call on the same core, because a packet that changes cores costs twice.
fn start(load: &Load) -> Result<Running, BenchError> {
    let mut running = Running {
        shards: Vec::new(),
        meters: Vec::new(),
        lobbies: Vec::new(),
    };
    for core in 0..load.shards {
        let share = load.sessions / load.shards + usize::from(core < load.sessions % load.shards);
        let (lobby, mut stations) = pair(load, load.audio, share, 64 + core)?;
        running.lobbies.push(lobby);
        let beside = load.beside / load.shards + usize::from(core < load.beside % load.shards);
        if beside > 0 {
            let (lobby, others) = pair(load, Audio::Silent, beside, 128 + core)?;
            running.lobbies.push(lobby);
            stations.extend(others);
        }
        let placement = Placement {
            core: Some(core),
            class: load.class,
        };
        let shard = Shard::spawn_at(&format!("bench-{core}"), placement, stations)?;
        running.meters.push(shard.meter());
        running.shards.push(shard);
    }
    Ok(running)
}

/// So many callers from a network of their own, and the server that they call.
fn pair(
    load: &Load,
    audio: Audio,
    share: usize,
    network: usize,
) -> Result<(Arc<Lobby>, Vec<Station>), BenchError> {
    let network = u8::try_from(network).unwrap_or(u8::MAX);
    let first = Ipv4Addr::new(127, network, 0, 1);
    let (callers, server) = match load.carrier {
        Carrier::Sockets => (
            BatchSocket::bind_callers()?,
            BatchSocket::bind(SocketAddrV4::new(Ipv4Addr::LOCALHOST, 0))?,
        ),
        Carrier::Ring => BatchSocket::pair(
            SocketAddrV4::new(Ipv4Addr::LOCALHOST, 1),
            SocketAddrV4::new(Ipv4Addr::LOCALHOST, 2),
        ),
    };
    let lobby = Lobby::new();
    let (caller_port, local) = (callers.local_addr().port(), server.local_addr());
    let engine = || load.engine.clone();
    let caller_end = Callers::new(
        engine(),
        audio,
        Arc::clone(&lobby),
        share,
        first,
        caller_port,
    );
    let local = SocketAddr::V4(local);
    let recorder_end = Recorders::new(engine(), audio, Arc::clone(&lobby), share, local);
    let stations = vec![
        Station {
            socket: callers,
            endpoint: Box::new(caller_end),
        },
        Station {
            socket: server,
            endpoint: Box::new(recorder_end),
        },
    ];
    Ok((lobby, stations))
}

/// Stops all shards. Returns how many datagrams found a receive buffer full, if the system tells.
fn stop(running: Running) -> Result<Option<u64>, BenchError> {
    let mut dropped = Some(0);
    for shard in running.shards {
        for station in shard.stop()?.stations {
            dropped = dropped.zip(station.dropped).map(|(all, more)| all + more);
        }
    }
    Ok(dropped)
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// A rung that held: a minute at 50 packets a second, half a millisecond late.
    pub(crate) fn rung(sessions: usize) -> Rung {
        let sent = sessions as u64 * 3_000;
        let mut lateness_us = Tally::default().lateness_us;
        lateness_us.record_n(500, sent).unwrap();
        Rung {
            sessions,
            beside: 0,
            standing: sessions,
            setups_per_s: 2_000.0,
            setup_us: 500.0,
            lost: 0,
            sent,
            refused: 0,
            lateness_us,
            caller_us: 3.25,
            recorder_us: 1.75,
            core_share: 0.5,
            bytes_per_session: 20_000.0,
            buffer_errors: Some(0),
            unplaced: None,
            others: 0.01,
        }
    }

    #[test]
    fn sessions_of_both_stacks_speak_over_sockets_and_a_ring_beside_silent_ones_and_arrive() {
        let dense = Engine::Dense(racegate_media::DenseStack::new().unwrap());
        let str0m = Engine::Str0m(racegate_media::RtcStack::new().unwrap());
        for (name, engine, carrier) in [
            ("dense", dense.clone(), Carrier::Sockets),
            ("dense, ring", dense, Carrier::Ring),
            ("str0m", str0m, Carrier::Sockets),
        ] {
            let measured = measure(&Load {
                engine,
                audio: Audio::Spoken,
                carrier,
                sessions: 6,
                beside: 4,
                shards: 2,
                steady: Duration::from_millis(200),
                class: Class::Fair,
            })
            .unwrap();
            assert_eq!(measured.standing, 10, "{name}");
            assert_eq!(measured.lost, 0, "{name}: the first packets count as well");
            assert!(measured.sent >= 6 * 10, "{name}");
            assert!(measured.caller_us > 0.0 && measured.recorder_us > 0.0);
            assert!(measured.bytes_per_session > 1_000.0);
        }
    }

    #[test]
    fn a_session_that_speaks_once_is_a_set_up_and_a_silent_one_stands() {
        for (audio, packets) in [(Audio::Once, 4), (Audio::Silent, 0)] {
            let measured = measure(&Load {
                engine: Engine::Dense(racegate_media::DenseStack::new().unwrap()),
                audio,
                carrier: Carrier::Ring,
                sessions: 4,
                beside: 0,
                shards: 1,
                steady: Duration::from_millis(50),
                class: Class::Fair,
            })
            .unwrap();
            assert_eq!((measured.standing, measured.sent), (4, packets));
            assert!(measured.setups_per_s > 0.0);
        }
    }

    #[test]
    fn rates_of_nothing_are_nothing() {
        assert!(ratio(1, 0).abs() < f64::EPSILON);
        assert!((rung(100).packet_us() - 5.0).abs() < 1e-9);
        assert!((rung(100).send_p99_ms() - 0.5).abs() < 0.01);
    }
}
