//! The mock with its media thread, for foreign softphones to call:
//! `cargo run -p mock-api --example softphone [dense|str0m]`. Prints its URLs as shell assignments and
//! runs until its standard input is closed; then prints what the ingest has counted.

use std::io::{Read as _, Write as _};

use mock_api::clock::RunClock;
use mock_api::server::{MockServer, ServerConfig};
use mock_api::service::ServiceConfig;
use mock_api::storage::layout::RunEpoch;
use racegate_model::scenario::WebrtcStack;
use racegate_scenario::{Source, parse};
use racegate_udp::Shard;

/// A platform without lags; nobody calls but guests.
const SCENARIO: &str = "name = 'guests'\n[workload]\nexecutor = 'constant-vus'\nvus = 1\n\
    duration = '1s'\ncall_duration = '1s'\n[[gate]]\nname = 'none'\nstrategy = 'none'\n";

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let scenario = parse(&Source::new("guests.toml", SCENARIO), &[])?;
    let config = ServiceConfig {
        seed: scenario.seed,
        epoch: RunEpoch::now(),
        workload: scenario.workload,
        arms: scenario.arms,
        tenants: Vec::new(),
    };
    let clock = RunClock::start();
    let stack = match std::env::args().nth(1).as_deref() {
        None | Some("dense") => WebrtcStack::Dense,
        Some("str0m") => WebrtcStack::Str0m,
        Some(other) => return Err(format!("there is no stack {other}").into()),
    };
    let config = ServerConfig {
        stack,
        ..ServerConfig::loopback(config)
    };
    let (mut server, _news) = MockServer::start(config, clock).await?;
    let stations = server.take_stations();
    let shard = Shard::spawn("media-0", stations)?;
    let mut stdout = std::io::stdout();
    writeln!(stdout, "export SOFTPHONE_URL={}", server.softphone_url())?;
    writeln!(stdout, "export WHIP_URL={}", server.whip_url())?;
    writeln!(stdout, "export READY=1")?;
    stdout.flush()?;
    let closed = tokio::task::spawn_blocking(|| std::io::stdin().read_to_end(&mut Vec::new()));
    closed.await??;
    let counters = server.ingest().counters();
    shard.stop()?;
    server.stop().await;
    writeln!(stdout, "{counters:?}")?;
    Ok(())
}
