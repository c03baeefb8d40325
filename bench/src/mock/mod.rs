//! `racegate-bench mock`: one `GET` of a recording, from our mock, a bare axum handler, wiremock and
//! Mockoon, side by side.
//!
//! Every server is a process of its own, fed the same request by the same client over the same
//! number of connections, in short rounds that take turns, so that whatever else the machine does
//! falls on all of them alike. Ratios are medians over rounds.

mod load;
mod mockoon;
mod peer;
mod process;
mod report;

use std::time::Duration;

use clap::Args;
use load::{Load, Target};
use peer::{Peer, Served};
use report::{Numbers, Report};

use super::media::machine::Sample;
use racegate::output::{Output, OutputArgs, note, print};
use racegate_model::analysis::Exit;

/// Arguments of `racegate-bench mock`.
#[derive(Debug, Args)]
pub(crate) struct MockArgs {
    #[command(flatten)]
    output: OutputArgs,
    /// Fetch Mockoon with npx if it is not installed
    #[arg(long)]
    mockoon: bool,
    /// Rounds of each comparison
    #[arg(long, value_name = "N", default_value_t = 15, value_parser = clap::value_parser!(u32).range(1..=1000))]
    rounds: u32,
    /// Length of a round in milliseconds
    #[arg(long, value_name = "MS", default_value_t = 400, value_parser = clap::value_parser!(u64).range(50..=60_000))]
    round: u64,
    /// Requests after which memory is looked at
    #[arg(long, value_name = "N", default_value_t = 1_000_000)]
    requests: u64,
    /// Serve as one side of the comparison until stdin ends
    #[arg(long, hide = true, value_enum)]
    peer: Option<Peer>,
    /// Recordings that the served side holds
    #[arg(long, hide = true, default_value_t = 0)]
    held: u64,
}

/// Connections of the closed loop.
const CONNECTIONS: usize = 32;
/// Recordings held while servers are compared.
const HELD: u64 = 1_000;
/// Recordings held while reads are compared.
const HELD_FEW: u64 = 1_000;
const HELD_MANY: u64 = 1_000_000;
/// Length of a round at half load. Short, because here the machine itself stands still for 2 to 8 ms
/// about twice a second, both cores at once (`perf sched timehist`; a bare axum handler and a
/// client of the realtime class see the same): of half a second that is the hundredth request.
const HALF_LOAD_ROUND: Duration = Duration::from_millis(100);
/// Rounds at half load before the other's turn: as long as processor time needs to be counted.
const HALF_LOAD_TURN: usize = 5;
/// Turns at half load that are tried for each one that counts, at most.
const HALF_LOAD_TRIES: usize = 3;
/// Share of the processors that others may take before a tail says nothing.
const OTHERS_MAX: f64 = 0.05;
/// Ids that are asked for in turn.
const IDS: u64 = 4_096;

impl MockArgs {
    /// Measures and prints the figures, or serves as one side of the comparison.
    pub(crate) fn run(self) -> Result<Exit, Exit> {
        if let Some(peer) = self.peer {
            peer::serve(peer, self.held)?;
            return Ok(Exit::Done);
        }
        let report = measure(&self)?;
        print(&match self.output.output() {
            Output::Json => report.json(),
            Output::Table => report.table(),
        })?;
        Ok(Exit::Done)
    }

    const fn round(&self) -> Duration {
        Duration::from_millis(self.round)
    }
}

fn measure(args: &MockArgs) -> Result<Report, Exit> {
    if cfg!(debug_assertions) {
        note("warning: this is a build without optimisation; its numbers say nothing");
    }
    let load = Load::new(CONNECTIONS)?;
    let ours = Served::start(Peer::Ours, HELD, "")?;
    let target = ours.recordings(&load, HELD.min(IDS))?;
    let body = load.body(&target)?;
    let mut numbers = Numbers::default();
    numbers.body_bytes = body.len();
    compare(args, &load, (&ours, &target), &body, &mut numbers)?;
    half_load(args, (&ours, &target), &body, &mut numbers)?;
    let sent = ours.journal(&load)?.requests;
    note(&format!(
        "memory: {} more requests",
        args.requests.saturating_sub(sent)
    ));
    load.many(&target, args.requests.saturating_sub(sent))?;
    numbers.rss_mb_after = process::rss_mb(ours.pid());
    let journal = ours.journal(&load)?;
    numbers.requests = journal.requests;
    numbers.journal_mb = journal.bytes as f64 / 1e6;
    drop(ours);
    reads(args, &load, &mut numbers)?;
    Ok(Report { numbers })
}

/// Ours beside the peers, in turn.
fn compare(
    args: &MockArgs,
    load: &Load,
    (ours, target): (&Served, &Target),
    body: &str,
    numbers: &mut Numbers,
) -> Result<(), Exit> {
    let axum = Served::start(Peer::Axum, 0, body)?;
    let wiremock = Served::start(Peer::Wiremock, 0, body)?;
    let mockoon = mockoon::start(args, body)?;
    let mut contestants = vec![
        ("ours", target.clone(), Some(ours.pid())),
        ("axum", axum.same(target), Some(axum.pid())),
        ("wiremock", wiremock.same(target), Some(wiremock.pid())),
    ];
    match &mockoon {
        Ok(mockoon) => contestants.push(("mockoon", mockoon.same(target), None)),
        Err(why) => {
            note(&format!("mockoon: skipped: {why}"));
            numbers.mockoon_skipped = Some(why.clone());
        }
    }
    for (name, target, _) in &contestants {
        note(&format!("warm-up: {name}"));
        load.round(target, args.round())?;
    }
    for round in 0..args.rounds {
        // Another one begins each time.
        contestants.rotate_left(1);
        for (name, target, pid) in &contestants {
            let before = pid.and_then(process::cpu);
            let done = load.round(target, args.round())?;
            let after = pid.and_then(process::cpu);
            let cpu = before.zip(after).map(|(before, after)| after - before);
            numbers.add(name, done, cpu);
        }
        if round == 0 {
            note(&format!("rounds: {} of {:?} each", args.rounds, args.round));
        }
    }
    Ok(())
}

/// Latency from the intended start, at half of what a server could do: ours, and axum's, so that what
/// the machine and the client add to a tail can be told. They take turns.
fn half_load(
    args: &MockArgs,
    (ours, target): (&Served, &Target),
    body: &str,
    numbers: &mut Numbers,
) -> Result<(), Exit> {
    note(&format!(
        "half load: {:.0} requests a second",
        numbers.per_second("ours") / 2.0
    ));
    let axum = Served::start(Peer::Axum, 0, body)?;
    let contestants = [
        ("ours", target.clone(), ours.pid()),
        ("axum", axum.same(target), axum.pid()),
    ];
    let turns = args.rounds.clamp(1, 9) as usize;
    numbers.quiet_min = (turns / 2 + 1) * HALF_LOAD_TURN;
    for _ in 0..turns * HALF_LOAD_TRIES {
        for (name, target, pid) in &contestants {
            half_load_turn((name, target, *pid), numbers)?;
        }
        if contestants
            .iter()
            .all(|(name, _, _)| numbers.quiet(name) >= turns * HALF_LOAD_TURN)
        {
            break;
        }
    }
    Ok(())
}

/// Some rounds, which count if others left the machine alone: a tail that they made says nothing of
/// the server.
fn half_load_turn(
    (name, target, pid): (&'static str, &Target, u32),
    numbers: &mut Numbers,
) -> Result<(), Exit> {
    let rate = numbers.per_second(name) / 2.0;
    let used = || {
        let both = [pid, std::process::id()].map(process::cpu);
        both.into_iter().flatten().sum::<Duration>()
    };
    let (before, used_before) = (Sample::take(), used());
    let rounds = (0..HALF_LOAD_TURN).map(|_| load::paced(target, rate, HALF_LOAD_ROUND));
    let rounds = rounds.collect::<Result<Vec<_>, _>>()?;
    let taken = used().saturating_sub(used_before);
    let others = before.others(&Sample::take(), taken);
    numbers.others = numbers.others.max(others);
    if others <= OTHERS_MAX {
        for latencies in &rounds {
            numbers.add_tail(name, latencies);
        }
    }
    Ok(())
}

/// Reads where few and where many recordings are held, in turn.
fn reads(args: &MockArgs, load: &Load, numbers: &mut Numbers) -> Result<(), Exit> {
    note("reads: few and many recordings held");
    let few = Served::start(Peer::Ours, HELD_FEW, "")?;
    let many = Served::start(Peer::Ours, HELD_MANY, "")?;
    let targets = [
        few.recordings(load, HELD_FEW.min(IDS))?,
        many.recordings(load, IDS)?,
    ];
    for target in &targets {
        load.round(target, args.round())?;
    }
    for _ in 0..args.rounds {
        for (name, target) in ["few", "many"].into_iter().zip(&targets) {
            let done = load.round(target, args.round())?;
            numbers.add(name, done, None);
        }
    }
    Ok(())
}
