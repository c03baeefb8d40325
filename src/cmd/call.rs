//! `racegate call`: places calls at a WHIP endpoint, ours or a foreign one, and says what became of
//! them.

use std::net::{IpAddr, SocketAddr, ToSocketAddrs as _};
use std::time::{Duration, Instant};

use clap::{Args, ValueEnum};
use hyper::Uri;
use mock_api::server::stack_of;
use racegate_model::analysis::Exit;
use racegate_model::scenario::WebrtcStack;
use racegate_udp::Shard;
use serde::Serialize;

use crate::live::softphone::{CallEnd, CallOutcome, Dial, SoftphoneSettings, Softphones};
use crate::output::{Output, OutputArgs, print};

/// Arguments of `racegate call`.
#[derive(Debug, Args)]
pub(super) struct CallArgs {
    /// The endpoint, e.g. http://127.0.0.1:8080/whip
    url: String,
    /// Calls, all at once
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=1_000))]
    calls: u32,
    /// How long each lasts, in seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 5, value_parser = clap::value_parser!(u64).range(1..=3_600))]
    duration: u64,
    /// WebRTC stack of the callers
    #[arg(long, value_enum, default_value_t = StackArg::Str0m)]
    stack: StackArg,
    #[command(flatten)]
    output: OutputArgs,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum StackArg {
    /// Made for many calls: one audio stream, and answers that are as plain
    Dense,
    /// Takes every kind of answer
    Str0m,
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

impl CallArgs {
    /// Places the calls and says what became of them.
    pub(super) fn run(self) -> Result<Exit, Exit> {
        let summary = place_all(&self)?;
        show(&summary, self.output.output())?;
        if summary.hung_up == self.calls {
            return Ok(Exit::Done);
        }
        Ok(Exit::Failed(format!(
            "{} of {} calls did not last until they were hung up",
            self.calls - summary.hung_up,
            self.calls
        )))
    }
}

impl StackArg {
    const fn stack(self) -> WebrtcStack {
        match self {
            Self::Dense => WebrtcStack::Dense,
            Self::Str0m => WebrtcStack::Str0m,
        }
    }
}

fn place_all(args: &CallArgs) -> Result<CallSummary, Exit> {
    ensure_loopback(&args.url)?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(Exit::internal)?;
    let stack = stack_of(args.stack.stack()).map_err(Exit::internal)?;
    let settings = SoftphoneSettings::new("");
    let (phones, station) = Softphones::bind(&settings, stack).map_err(Exit::internal)?;
    let shard = Shard::spawn("media-0", vec![station]).map_err(Exit::internal)?;
    let outcomes = runtime.block_on(place(&phones, args));
    shard.stop().map_err(Exit::internal)?;
    let mut summary = CallSummary {
        calls: args.calls,
        send_p99_ms: phones.report().send_lateness_p99().as_secs_f64() * 1000.0,
        ..CallSummary::default()
    };
    for outcome in outcomes {
        summary.add(&outcome);
    }
    Ok(summary)
}

async fn place(phones: &Softphones, args: &CallArgs) -> Vec<CallOutcome> {
    let hang_up_at = Instant::now() + Duration::from_secs(args.duration);
    let dial = |nth: u32| {
        let clip = usize::try_from(nth).unwrap_or(0);
        Dial::new(format!("call-{nth}"), hang_up_at, clip)
    };
    let calls: Vec<_> = (0..args.calls)
        .map(|nth| phones.dial_whip(&args.url, dial(nth)))
        .collect();
    let mut outcomes = Vec::new();
    for call in calls {
        outcomes.extend(call.await);
    }
    outcomes
}

/// Load goes to this machine only.
fn ensure_loopback(url: &str) -> Result<(), Exit> {
    let bad = |reason: String| Exit::Usage(format!("{url}: {reason}"));
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

fn show(summary: &CallSummary, output: Output) -> Result<(), Exit> {
    if output == Output::Json {
        print(&serde_json::to_string_pretty(summary).map_err(Exit::internal)?);
        return Ok(());
    }
    let CallSummary {
        calls,
        established,
        hung_up,
        packets_sent,
        send_p99_ms,
        problems,
    } = summary;
    print(&format!(
        "{calls} calls, {established} established, {hung_up} hung up as planned\n\
         {packets_sent} packets sent, p99 {send_p99_ms:.1} ms late"
    ));
    problems.iter().for_each(|problem| print(problem));
    Ok(())
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
