//! A shard: one thread that runs its endpoints to completion, once a millisecond.
//!
//! Callers and the server they talk to belong on one shard: loopback between cores tops out at half the packets per second. A tick of
//! 1 ms batches well; 5 ms gains little more and makes every packet late.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;

use crate::batch::{BATCH, Datagram, RecvBatch, SendBatch, SendCount};
use crate::cpu::{Placement, place, thread_cpu_time};
use crate::socket::BatchSocket;

/// How often a shard runs its endpoints.
pub const TICK: Duration = Duration::from_millis(1);

/// Batches received per endpoint and tick; what is left waits in the kernel's buffer, so that timers of others are not starved.
const BATCHES_PER_TICK: usize = 16;

/// Lateness beyond a minute is recorded as a minute.
const LATENESS_MAX_US: u64 = 60_000_000;

/// Lets the thread that calls it stand still, as a process does that the system does not run. An endpoint that is to show what such a
/// stall does calls it; nothing else may.
pub fn stall(lasts: Duration) {
    std::thread::sleep(lasts);
}

/// A machine on one socket. The shard owns the socket and the clock, so an endpoint can be tested with neither.
///
/// In each tick: every datagram that has arrived, then control messages, then timers. `out` is sent afterwards.
pub trait Endpoint: Send {
    /// What to call it in errors.
    fn name(&self) -> &str;

    /// Takes one datagram.
    fn handle_datagram(&mut self, now: Instant, datagram: &Datagram<'_>, out: &mut SendBatch);

    /// Takes the datagrams of one receive, in order. An endpoint of very many sessions may look ahead here.
    fn handle_batch(&mut self, now: Instant, batch: &RecvBatch, out: &mut SendBatch) {
        for datagram in batch.iter() {
            self.handle_datagram(now, &datagram, out);
        }
    }

    /// Learns that a tick has taken as many datagrams as it may and left some: what was sent before
    /// the tick may still lie in the socket. It is called before [`Endpoint::handle_control`].
    fn handle_backlog(&mut self) {}

    /// Drains its control channel.
    fn handle_control(&mut self, now: Instant, out: &mut SendBatch);

    /// Does what has become due.
    fn handle_timeout(&mut self, now: Instant, out: &mut SendBatch);

    /// Ends everything: the shard stops after this call.
    fn handle_stop(&mut self, now: Instant, out: &mut SendBatch);

    /// Learns that a flush is done, and what became of its datagrams: what was due before has been sent by `now`.
    fn handle_sent(&mut self, _now: Instant, _count: SendCount) {}
}

/// An endpoint and the socket that it speaks through.
pub struct Station {
    /// The socket; only the shard's thread touches it.
    pub socket: BatchSocket,
    /// The machine.
    pub endpoint: Box<dyn Endpoint>,
}

impl std::fmt::Debug for Station {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Station")
            .field("socket", &self.socket)
            .field("endpoint", &self.endpoint.name())
            .finish()
    }
}

/// Why a shard did not start or did not end well.
#[derive(Debug, thiserror::Error)]
pub enum ShardError {
    /// The system gave no thread.
    #[error("cannot start the thread of shard {shard}")]
    Spawn {
        /// The shard's name.
        shard: String,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// An endpoint panicked; its sessions are lost.
    #[error("endpoint {endpoint} of shard {shard} panicked: {message}")]
    Panicked {
        /// The shard's name.
        shard: String,
        /// The endpoint that was running.
        endpoint: String,
        /// The panic's message.
        message: String,
    },
    /// A socket failed.
    #[error("the socket of endpoint {endpoint} of shard {shard} failed")]
    Socket {
        /// The shard's name.
        shard: String,
        /// The endpoint whose socket it was.
        endpoint: String,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
}

/// What one station of a shard used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StationReport {
    /// The endpoint's name.
    pub endpoint: String,
    /// Processor time of its turns, its share of the kernel's work included; zero where the system does not tell.
    pub cpu: Duration,
    /// Datagrams it received.
    pub received: u64,
    /// Datagrams it sent.
    pub sends: SendCount,
    /// Datagrams that found the socket's receive buffer full, once the shard has stopped. None where
    /// the system does not tell.
    pub dropped: Option<u64>,
}

/// What a shard did, as far as it has got.
#[derive(Debug, Clone)]
pub struct ShardReport {
    /// Ticks run.
    pub ticks: u64,
    /// Ticks left out because an earlier one took longer than a millisecond.
    pub ticks_skipped: u64,
    /// Datagrams received.
    pub received: u64,
    /// Datagrams sent and refused.
    pub sends: SendCount,
    /// Datagrams longer than the receive buffers.
    pub truncated: u64,
    /// When each tick began, less when it was due, in microseconds.
    pub lateness_us: Histogram<u64>,
    /// Time in which the thread worked rather than slept.
    pub busy: Duration,
    /// Why the thread does not run where or how it should, if it does not.
    pub unplaced: Option<String>,
    /// What each end used, in the order of the stations.
    pub stations: Vec<StationReport>,
}

impl ShardReport {
    fn new(stations: &[Station]) -> Self {
        let station = |station: &Station| StationReport {
            endpoint: station.endpoint.name().to_owned(),
            cpu: Duration::ZERO,
            received: 0,
            sends: SendCount::default(),
            dropped: None,
        };
        Self {
            unplaced: None,
            stations: stations.iter().map(station).collect(),
            ticks: 0,
            ticks_skipped: 0,
            received: 0,
            sends: SendCount::default(),
            truncated: 0,
            lateness_us: Histogram::new_with_bounds(1, LATENESS_MAX_US, 3)
                .expect("the bounds are a valid range"),
            busy: Duration::ZERO,
        }
    }
}

#[derive(Debug)]
struct Shared {
    stop: AtomicBool,
    /// Which station is running, for the panic message.
    current: AtomicUsize,
    report: Mutex<ShardReport>,
}

impl Shared {
    fn report(&self) -> MutexGuard<'_, ShardReport> {
        // The report stays meaningful when an endpoint panicked: it is only ever counted up.
        self.report.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Reads a running shard's counters from anywhere.
#[derive(Debug, Clone)]
pub struct ShardMeter(Arc<Shared>);

impl ShardMeter {
    /// The counters as of the last tick.
    #[must_use]
    pub fn report(&self) -> ShardReport {
        self.0.report().clone()
    }
}

/// A running shard. Dropping it asks the thread to stop and does not wait; [`Shard::stop`] waits and tells how it went.
#[derive(Debug)]
pub struct Shard {
    name: String,
    endpoints: Vec<String>,
    shared: Arc<Shared>,
    thread: Option<JoinHandle<Result<(), ShardError>>>,
}

impl Shard {
    /// Starts a thread called `name` that runs `stations` until told to stop.
    ///
    /// # Errors
    /// When the system gives no thread.
    pub fn spawn(name: &str, stations: Vec<Station>) -> Result<Self, ShardError> {
        Self::spawn_at(name, Placement::default(), stations)
    }

    /// The same with a say in where and how the thread runs. What the system refuses of it is left out and reported: a shard that
    /// shares its core is late rather than wrong, and its lateness is measured.
    ///
    /// # Errors
    /// When the system gives no thread.
    pub fn spawn_at(
        name: &str,
        placement: Placement,
        stations: Vec<Station>,
    ) -> Result<Self, ShardError> {
        let endpoints: Vec<_> = stations
            .iter()
            .map(|station| station.endpoint.name().to_owned())
            .collect();
        let shared = Arc::new(Shared {
            stop: AtomicBool::new(false),
            current: AtomicUsize::new(0),
            report: Mutex::new(ShardReport::new(&stations)),
        });
        let (running, shard) = (Arc::clone(&shared), name.to_owned());
        let thread = std::thread::Builder::new()
            .name(name.to_owned())
            .spawn(move || {
                if let Err(refused) = place(placement) {
                    running.report().unplaced = Some(refused.to_string());
                }
                run(&shard, stations, &running)
            })
            .map_err(|source| ShardError::Spawn {
                shard: name.to_owned(),
                source,
            })?;
        Ok(Self {
            name: name.to_owned(),
            endpoints,
            shared,
            thread: Some(thread),
        })
    }

    /// A reader of its counters that outlives it.
    #[must_use]
    pub fn meter(&self) -> ShardMeter {
        ShardMeter(Arc::clone(&self.shared))
    }

    /// Whether the thread has ended; before [`Shard::stop`] that means that it failed.
    #[must_use]
    pub fn is_finished(&self) -> bool {
        self.thread.as_ref().is_none_or(JoinHandle::is_finished)
    }

    /// Ends all endpoints, waits for the thread and says how it went.
    ///
    /// # Errors
    /// When an endpoint panicked or a socket failed, however long ago.
    pub fn stop(mut self) -> Result<ShardReport, ShardError> {
        self.shared.stop.store(true, Ordering::Release);
        let Some(thread) = self.thread.take() else {
            return Ok(self.shared.report().clone());
        };
        match thread.join() {
            Ok(Ok(())) => Ok(self.shared.report().clone()),
            Ok(Err(error)) => Err(error),
            Err(payload) => {
                let current = self.shared.current.load(Ordering::Acquire);
                Err(ShardError::Panicked {
                    shard: std::mem::take(&mut self.name),
                    endpoint: self.endpoints.get(current).cloned().unwrap_or_default(),
                    message: message_of(payload.as_ref()),
                })
            }
        }
    }
}

impl Drop for Shard {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::Release);
    }
}

fn message_of(payload: &(dyn Any + Send)) -> String {
    let text = payload
        .downcast_ref::<&str>()
        .map(|text| (*text).to_owned());
    text.or_else(|| payload.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "no message".to_owned())
}

fn run(shard: &str, mut stations: Vec<Station>, shared: &Shared) -> Result<(), ShardError> {
    let mut recv = RecvBatch::new();
    let mut out = SendBatch::new();
    let mut traffic = vec![Traffic::default(); stations.len()];
    let mut due = Instant::now();
    while !shared.stop.load(Ordering::Acquire) {
        let began = Instant::now();
        let mut cpu = thread_cpu_time().unwrap_or_default();
        for (at, station) in stations.iter_mut().enumerate() {
            shared.current.store(at, Ordering::Release);
            let traffic = &mut traffic[at];
            *traffic = Traffic::default();
            turn(station, &mut recv, &mut out, traffic).map_err(|source| ShardError::Socket {
                shard: shard.to_owned(),
                endpoint: station.endpoint.name().to_owned(),
                source,
            })?;
            let now = thread_cpu_time().unwrap_or_default();
            traffic.cpu = now - std::mem::replace(&mut cpu, now);
        }
        let ended = Instant::now();
        let lateness = began.saturating_duration_since(due);
        due += TICK;
        let behind = ended.saturating_duration_since(due);
        let skipped = u32::try_from(behind.as_micros() / TICK.as_micros()).unwrap_or(u32::MAX);
        due += TICK * skipped;
        let tick = Tick {
            lateness,
            busy: ended - began,
            skipped,
            truncated: recv.truncated(),
        };
        count(shared, &traffic, &tick);
        if let Some(rest) = due.checked_duration_since(ended) {
            std::thread::sleep(rest);
        }
    }
    stop(&mut stations, &mut out, shared);
    Ok(())
}

/// What one station did in one tick.
#[derive(Debug, Clone, Default)]
struct Traffic {
    received: u64,
    sends: SendCount,
    cpu: Duration,
}

/// What a tick was like.
struct Tick {
    lateness: Duration,
    busy: Duration,
    skipped: u32,
    truncated: u64,
}

/// One tick of one station.
fn turn(
    station: &mut Station,
    recv: &mut RecvBatch,
    out: &mut SendBatch,
    traffic: &mut Traffic,
) -> std::io::Result<()> {
    let Station { socket, endpoint } = station;
    tick_of(socket, endpoint.as_mut(), (recv, out), traffic)
}

fn tick_of(
    socket: &mut BatchSocket,
    endpoint: &mut dyn Endpoint,
    (recv, out): (&mut RecvBatch, &mut SendBatch),
    traffic: &mut Traffic,
) -> std::io::Result<()> {
    let mut backlog = true;
    for _ in 0..BATCHES_PER_TICK {
        let taken = socket.recv(recv)?;
        let now = Instant::now();
        endpoint.handle_batch(now, recv, out);
        traffic.received += recv.len() as u64;
        if out.len() >= BATCH {
            flush(socket, endpoint, out, traffic);
        }
        if taken < BATCH {
            backlog = false;
            break;
        }
    }
    if backlog {
        endpoint.handle_backlog();
    }
    endpoint.handle_control(Instant::now(), out);
    endpoint.handle_timeout(Instant::now(), out);
    flush(socket, endpoint, out, traffic);
    Ok(())
}

fn flush(
    socket: &mut BatchSocket,
    endpoint: &mut dyn Endpoint,
    out: &mut SendBatch,
    traffic: &mut Traffic,
) {
    let count = socket.send(out);
    traffic.sends.add(count);
    endpoint.handle_sent(Instant::now(), count);
}

fn count(shared: &Shared, traffic: &[Traffic], tick: &Tick) {
    let mut report = shared.report();
    report.ticks += 1;
    report.ticks_skipped += u64::from(tick.skipped);
    for (at, traffic) in traffic.iter().enumerate() {
        report.received += traffic.received;
        report.sends.add(traffic.sends);
        let station = &mut report.stations[at];
        station.cpu += traffic.cpu;
        station.received += traffic.received;
        station.sends.add(traffic.sends);
    }
    report.truncated = tick.truncated;
    report.busy += tick.busy;
    let lateness = u64::try_from(tick.lateness.as_micros()).unwrap_or(u64::MAX);
    report
        .lateness_us
        .saturating_record(lateness.clamp(1, LATENESS_MAX_US));
}

/// Lets every endpoint end its sessions; one that panics here must not keep the others from theirs, and is reported afterwards.
fn stop(stations: &mut [Station], out: &mut SendBatch, shared: &Shared) {
    let mut panicked = None;
    for (at, Station { socket, endpoint }) in stations.iter_mut().enumerate() {
        let ended = catch_unwind(AssertUnwindSafe(|| {
            endpoint.handle_control(Instant::now(), out);
            endpoint.handle_stop(Instant::now(), out);
        }));
        shared.report().stations[at].dropped = socket.dropped();
        match ended {
            Ok(()) => shared.report().sends.add(socket.send(out)),
            Err(payload) => panicked = Some((at, payload)),
        }
        out.clear();
    }
    if let Some((at, payload)) = panicked {
        shared.current.store(at, Ordering::Release);
        std::panic::resume_unwind(payload);
    }
}

#[cfg(test)]
mod tests;
