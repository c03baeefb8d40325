//! `racegate call`: places calls at a WHIP endpoint, ours or a foreign one, and says what became of
//! them.

use std::net::{IpAddr, SocketAddr, ToSocketAddrs as _};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use hyper::Uri;
use mock_api::server::stack_of;
use racegate_model::scenario::WebrtcStack;
use racegate_udp::Shard;
use serde::Serialize;

use crate::live::softphone::{CallEnd, CallOutcome, Dial, SoftphoneSettings, Softphones};
use crate::run::{self, Failure, Output};

/// Exit code when a call did not come up.
const FAILED: u8 = 99;

/// What `racegate call` was asked for.
#[derive(Clone, Debug)]
pub struct CallOptions {
    /// The WHIP endpoint; its host must be this machine.
    pub url: String,
    /// Calls, all at once.
    pub calls: u32,
    /// How long each lasts.
    pub duration: Duration,
    /// The WebRTC stack of the callers.
    pub stack: WebrtcStack,
    /// What goes to stdout.
    pub output: Output,
}

/// What became of the calls.
#[derive(Debug, Default, Serialize)]
struct CallSummary {
    calls: u32,
    established: u32,
    hung_up: u32,
    packets_sent: u64,
    send_p99_ms: f64,
    /// Why calls did not come up or were cut off; each reason once.
    problems: Vec<String>,
}

/// Places the calls.
#[must_use]
pub fn call(options: &CallOptions) -> ExitCode {
    match try_call(options) {
        Ok(summary) => {
            let whole = summary.hung_up == options.calls;
            show(&summary, options.output);
            ExitCode::from(if whole { 0 } else { FAILED })
        }
        Err(failure) => run::fail(&failure),
    }
}

fn try_call(options: &CallOptions) -> Result<CallSummary, Failure> {
    ensure_loopback(&options.url)?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(Failure::internal)?;
    let stack = stack_of(options.stack).map_err(Failure::internal)?;
    let settings = SoftphoneSettings::new("");
    let (phones, station) = Softphones::bind(&settings, stack).map_err(Failure::internal)?;
    let shard = Shard::spawn("media-0", vec![station]).map_err(Failure::internal)?;
    let outcomes = runtime.block_on(place(&phones, options));
    shard.stop().map_err(Failure::internal)?;
    let mut summary = CallSummary {
        calls: options.calls,
        send_p99_ms: phones.report().send_lateness_p99().as_secs_f64() * 1000.0,
        ..CallSummary::default()
    };
    for outcome in outcomes {
        summary.add(&outcome);
    }
    Ok(summary)
}

async fn place(phones: &Softphones, options: &CallOptions) -> Vec<CallOutcome> {
    let hang_up_at = Instant::now() + options.duration;
    let dial = |nth: u32| {
        let clip = usize::try_from(nth).unwrap_or(0);
        Dial::new(format!("call-{nth}"), hang_up_at, clip)
    };
    let calls: Vec<_> = (0..options.calls)
        .map(|nth| phones.dial_whip(&options.url, dial(nth)))
        .collect();
    let mut outcomes = Vec::new();
    for call in calls {
        outcomes.extend(call.await);
    }
    outcomes
}

/// Load goes to this machine only.
fn ensure_loopback(url: &str) -> Result<(), Failure> {
    let bad = |reason: String| Failure::usage(format!("{url}: {reason}"));
    let uri: Uri = url.parse().map_err(|error| bad(format!("{error}")))?;
    if uri.scheme_str() != Some("http") {
        return Err(bad(
            "a WHIP endpoint is given as http://127.0.0.1:PORT/PATH".into(),
        ));
    }
    let host = uri.host().unwrap_or_default().trim_matches(['[', ']']);
    let port = uri.port_u16().unwrap_or(80);
    let addresses = match host.parse::<IpAddr>() {
        Ok(ip) => vec![SocketAddr::new(ip, port)],
        Err(_) => (host, port)
            .to_socket_addrs()
            .map_err(|error| bad(error.to_string()))?
            .collect(),
    };
    if addresses.iter().all(|address| address.ip().is_loopback()) {
        return Ok(());
    }
    Err(bad("only this machine's own loopback is called".to_owned()))
}

impl CallSummary {
    fn add(&mut self, outcome: &CallOutcome) {
        self.established += u32::from(outcome.established_at.is_some());
        self.packets_sent += outcome.packets_sent;
        let problem = match &outcome.end {
            CallEnd::HungUp => {
                self.hung_up += 1;
                return;
            }
            CallEnd::CutOff { departure } => format!("cut off: {departure:?}"),
            CallEnd::NotEstablished { stage, cause } => {
                format!("not established at {}: {cause}", stage.as_str())
            }
        };
        if !self.problems.contains(&problem) {
            self.problems.push(problem);
        }
    }
}

fn show(summary: &CallSummary, output: Output) {
    if output == Output::Json {
        // Numbers and strings serialize.
        run::print(&serde_json::to_string_pretty(summary).unwrap_or_default());
        return;
    }
    let CallSummary {
        calls,
        established,
        hung_up,
        packets_sent,
        send_p99_ms,
        problems,
    } = summary;
    run::print(&format!(
        "{calls} calls, {established} established, {hung_up} hung up as planned\n\
         {packets_sent} packets sent, p99 {send_p99_ms:.1} ms late"
    ));
    problems.iter().for_each(|problem| run::print(problem));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_loopback_is_called() {
        for url in [
            "http://127.0.0.1:1/whip",
            "http://[::1]/whip",
            "http://localhost:8080/x",
        ] {
            assert!(ensure_loopback(url).is_ok(), "{url}");
        }
        for url in [
            "http://192.0.2.1/whip",
            "https://127.0.0.1/whip",
            "127.0.0.1/whip",
            "",
            "?",
        ] {
            assert!(ensure_loopback(url).is_err(), "{url}");
        }
    }
}
