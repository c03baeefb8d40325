//! `racegate call`: places calls at a WHIP endpoint, ours or a foreign one, and says what became of
//! them.

use std::time::{Duration, Instant};

use clap::{Args, ValueEnum};
use mock_api::server::stack_of;
use mock_api::targets::Targets;
use racegate_model::analysis::Exit;
use racegate_model::scenario::WebrtcStack;
use racegate_scenario::printable;
use racegate_udp::Shard;
use serde::Serialize;

use crate::live::softphone::{CallEnd, CallOutcome, Dial, SoftphoneSettings, Softphones};
use crate::output::{Output, OutputArgs, print, print_json};

/// Arguments of `racegate call`.
#[derive(Debug, Args)]
pub(super) struct CallArgs {
    /// The endpoint, e.g. http://127.0.0.1:8080/whip
    url: String,
    /// Calls, all at once
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=1_000))]
    calls: u32,
    /// How long each lasts: 2s, 1m30s, or a number of seconds
    #[arg(long, value_name = "DURATION", default_value = "5s", value_parser = call_duration)]
    duration: Duration,
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

/// The length of a call: a duration, or a bare number of seconds.
fn call_duration(text: &str) -> Result<Duration, String> {
    let bare = text.bytes().all(|byte| byte.is_ascii_digit()) && !text.is_empty();
    let written = if bare {
        format!("{text}s")
    } else {
        text.to_owned()
    };
    let duration = racegate_scenario::parse_duration(&written)?;
    let duration = Duration::from_nanos(duration.as_nanos());
    let bounds = Duration::from_millis(100)..=Duration::from_secs(3_600);
    if bounds.contains(&duration) {
        Ok(duration)
    } else {
        Err("a call lasts from 100ms to 1h".to_owned())
    }
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
    let hang_up_at = Instant::now() + args.duration;
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
    let admitted = Targets::loopback().admit(url);
    admitted.map(drop).map_err(|refused| {
        let way_out = "; a WHIP endpoint is given as http://127.0.0.1:PORT/PATH";
        Exit::Usage(format!("{refused}{way_out}"))
    })
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
        return print_json(summary);
    }
    let CallSummary {
        calls,
        established,
        hung_up,
        packets_sent,
        send_p99_ms,
        problems,
    } = summary;
    let mut text = format!(
        "{calls} calls, {established} established, {hung_up} hung up as planned\n\
         {packets_sent} packets sent, p99 {send_p99_ms:.1} ms late"
    );
    for problem in problems {
        text.push_str(&format!("\n{problem}"));
    }
    print(&printable(&text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_lasts_as_long_as_people_write_it() {
        for (text, millis) in [
            ("2s", 2_000),
            ("2", 2_000),
            ("1m 30s", 90_000),
            ("500ms", 500),
        ] {
            assert_eq!(
                call_duration(text),
                Ok(Duration::from_millis(millis)),
                "{text}"
            );
        }
        for (text, reason) in [
            ("0", "from 100ms to 1h"),
            ("2h", "from 100ms to 1h"),
            ("", "is empty"),
            ("soon", "no duration"),
        ] {
            let error = call_duration(text).unwrap_err();
            assert!(error.contains(reason), "{text}: {error}");
        }
    }

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
            "http://user@127.0.0.1/whip",
            "https://127.0.0.1/whip",
            "127.0.0.1/whip",
            "",
            "?",
        ] {
            assert!(ensure_loopback(url).is_err(), "{url}");
        }
    }
}
