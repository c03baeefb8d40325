//! Softphones without media: each holds a WebSocket of its own to a server in another process, because a process has only so many file
//! descriptors and each connection takes one at either end.

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use racegate_media::DenseStack;

use super::BenchError;
use racegate::live::softphone::{
    CallEnd, CallOutcome, Dial, DialMedia, SoftphoneSettings, Softphones,
};

/// Calls begun per ten milliseconds: a thousand a second.
const BATCH: usize = 10;
const BATCH_EVERY: Duration = Duration::from_millis(10);
/// How long the last ones may take to come up.
const SETTLE: Duration = Duration::from_secs(5);
/// How long the server may take to start.
const START_MAX: Duration = Duration::from_secs(20);
/// File descriptors beside the sockets.
const OTHER_FILES: u64 = 256;

/// What was measured.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Signalled {
    /// Sessions that stood, each on its own socket, until all hung up together.
    pub(super) sockets: usize,
    /// From the beginning of a call until its session was up, the 99th of a hundred.
    pub(super) setup_p99_ms: f64,
}

/// So many sockets to a server of our own that runs as another process; the error says why it could not be measured.
pub(super) fn measure(sockets: usize, steady: Duration) -> Result<Signalled, String> {
    let needed = sockets as u64 + OTHER_FILES;
    let allowed = rlimit::increase_nofile_limit(needed).map_err(|error| error.to_string())?;
    if allowed < needed {
        return Err(format!(
            "a process may open {allowed} files and {needed} are needed: raise `ulimit -n`"
        ));
    }
    let folder = std::env::temp_dir().join(format!("racegate-bench-{}", std::process::id()));
    std::fs::create_dir_all(&folder).map_err(|error| error.to_string())?;
    let port_file = folder.join("ports.json");
    let served = Served::start(&port_file);
    let measured = served.and_then(|served| {
        let url = served.signalling_url(&port_file)?;
        hold(&url, sockets, steady).map_err(|error| error.to_string())
    });
    // The folder holds nothing but the file.
    drop(std::fs::remove_dir_all(&folder));
    measured
}

/// A server in a process of its own, until it is dropped.
struct Served(Child);

impl Served {
    fn start(port_file: &Path) -> Result<Self, String> {
        let program = std::env::current_exe().map_err(|error| error.to_string())?;
        let child = Command::new(program)
            .args([
                "serve",
                "--quiet",
                "--port",
                "0",
                "--no-media",
                "--past",
                "0s",
            ])
            .arg("--port-file")
            .arg(port_file)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .spawn();
        child
            .map(Self)
            .map_err(|error| format!("the server cannot be started: {error}"))
    }

    /// Waits until it listens.
    fn signalling_url(&self, port_file: &Path) -> Result<String, String> {
        let began = Instant::now();
        while began.elapsed() < START_MAX {
            let text = std::fs::read_to_string(port_file).unwrap_or_default();
            let ports: Option<serde_json::Value> = serde_json::from_str(&text).ok();
            if let Some(url) = ports
                .as_ref()
                .and_then(|ports| ports["signalling"].as_str())
            {
                return Ok(url.to_owned());
            }
            std::thread::sleep(BATCH_EVERY);
        }
        Err(format!("server {} did not start in time", self.0.id()))
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        // One that has ended already needs neither.
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

/// Holds so many sockets to that server for `steady`.
pub(super) fn hold(url: &str, sockets: usize, steady: Duration) -> Result<Signalled, BenchError> {
    let stack = Arc::new(DenseStack::new()?);
    // No media comes of it, so nobody has to run the endpoint.
    let (phones, _endpoint) = Softphones::detached(&SoftphoneSettings::new(url), 0, stack);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(BenchError::Runtime)?;
    let ends = runtime.block_on(dial(&phones, sockets, steady));
    Ok(tell(&ends))
}

async fn dial(
    phones: &Softphones,
    sockets: usize,
    steady: Duration,
) -> Vec<(Instant, CallOutcome)> {
    let began = Instant::now();
    let batches = u32::try_from(sockets.div_ceil(BATCH)).unwrap_or(u32::MAX);
    let hang_up_at = began + BATCH_EVERY * batches + SETTLE + steady;
    let mut ticks = tokio::time::interval(BATCH_EVERY);
    let mut calls = Vec::with_capacity(sockets);
    for nth in 0..sockets {
        if nth % BATCH == 0 {
            ticks.tick().await;
        }
        let dial = Dial {
            media: DialMedia::Signalling,
            ..Dial::new(format!("socket-{nth}"), hang_up_at, 0)
        };
        calls.push((Instant::now(), phones.dial(dial)));
    }
    let mut ends = Vec::with_capacity(sockets);
    for (at, call) in calls {
        if let Ok(outcome) = call.await {
            ends.push((at, outcome));
        }
    }
    ends
}

fn tell(ends: &[(Instant, CallOutcome)]) -> Signalled {
    let stood = ends
        .iter()
        .filter(|(_, outcome)| outcome.end == CallEnd::HungUp);
    let mut setups: Vec<Duration> = stood
        .filter_map(|(at, outcome)| Some(outcome.established_at?.saturating_duration_since(*at)))
        .collect();
    setups.sort();
    let p99 = setups.get(setups.len().saturating_sub(1) * 99 / 100);
    Signalled {
        sockets: setups.len(),
        setup_p99_ms: p99.map_or(0.0, |late| late.as_secs_f64() * 1e3),
    }
}

#[cfg(test)]
mod tests {
    use mock_api::clock::RunClock;
    use mock_api::server::{MockServer, ServerConfig};
    use mock_api::service::ServiceConfig;
    use mock_api::storage::layout::RunEpoch;
    use racegate_scenario::{Source, parse};

    use super::*;

    const SCENARIO: &str = "name = 'sockets'\n[workload]\nexecutor = 'constant-vus'\nvus = 1\n\
        duration = '1s'\ncall_duration = '1s'\n[[gate]]\nname = 'none'\nstrategy = 'none'\n";

    #[test]
    fn every_socket_stands_until_all_hang_up_and_none_does_without_a_server() {
        let scenario = parse(&Source::new("sockets.toml", SCENARIO), &[]).unwrap();
        let config = ServiceConfig {
            seed: scenario.seed,
            epoch: RunEpoch::now(),
            workload: scenario.workload,
            arms: scenario.arms,
            tenants: Vec::new(),
        };
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let start = MockServer::start(ServerConfig::loopback(config), RunClock::start());
        let (server, _news) = runtime.block_on(start).unwrap();
        let held = hold(&server.signalling_url(), 25, Duration::ZERO).unwrap();
        assert_eq!(held.sockets, 25);
        assert!(held.setup_p99_ms > 0.0 && held.setup_p99_ms < 5_000.0);
        assert_eq!(server.ingest().counters().established, 25);
        runtime.block_on(server.stop());
        let refused = hold("ws://127.0.0.1:1/signalling", 3, Duration::ZERO).unwrap();
        assert_eq!(refused.sockets, 0);
    }
}
