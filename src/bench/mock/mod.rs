//! `racegate bench mock`: one `GET` of a recording, from our mock, a bare axum handler, wiremock and
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

pub use peer::Peer;

use std::process::ExitCode;
use std::time::Duration;

use load::{Load, Target};
use peer::Served;
use report::{Numbers, Report};

use super::media::machine::Sample;
use crate::run::{self, Failure, Output, note};

/// What `racegate bench mock` was asked for.
#[derive(Clone, Debug)]
pub struct Options {
    /// What goes to stdout.
    pub output: Output,
    /// Whether Mockoon is fetched if it is not there.
    pub mockoon: Mockoon,
    /// Rounds of each comparison.
    pub rounds: u32,
    /// Length of a round.
    pub round: Duration,
    /// Requests after which memory is looked at.
    pub requests: u64,
}

/// Whether Mockoon is fetched if it is not there.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Mockoon {
    /// Only if it is installed.
    Installed,
    /// With npx, if it is not.
    Fetched,
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

/// Runs the bench.
#[must_use]
pub fn bench(options: &Options) -> ExitCode {
    match measure(options) {
        Ok(report) => {
            match options.output {
                Output::Json => run::print(&report.json()),
                Output::Table => run::print(&report.table()),
            }
            ExitCode::SUCCESS
        }
        Err(failure) => run::fail(&failure),
    }
}

/// Serves as a peer of the bench until stdin ends.
#[must_use]
pub fn serve_peer(peer: Peer, held: u64) -> ExitCode {
    match peer::serve(peer, held) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => run::fail(&failure),
    }
}

fn measure(options: &Options) -> Result<Report, Failure> {
    if cfg!(debug_assertions) {
        note("warning: this is a build without optimisation; its numbers say nothing");
    }
    let load = Load::new(CONNECTIONS)?;
    let ours = Served::start(Peer::Ours, HELD, "")?;
    let target = ours.recordings(&load, HELD.min(IDS))?;
    let body = load.body(&target)?;
    let mut numbers = Numbers::default();
    numbers.body_bytes = body.len();
    compare(options, &load, (&ours, &target), &body, &mut numbers)?;
    half_load(options, (&ours, &target), &body, &mut numbers)?;
    let sent = ours.journal(&load)?.requests;
    note(&format!(
        "memory: {} more requests",
        options.requests.saturating_sub(sent)
    ));
    load.many(&target, options.requests.saturating_sub(sent))?;
    numbers.rss_mb_after = process::rss_mb(ours.pid());
    let journal = ours.journal(&load)?;
    numbers.requests = journal.requests;
    numbers.journal_mb = journal.bytes as f64 / 1e6;
    drop(ours);
    reads(options, &load, &mut numbers)?;
    Ok(Report { numbers })
}

/// Ours beside the peers, in turn.
fn compare(
    options: &Options,
    load: &Load,
    (ours, target): (&Served, &Target),
    body: &str,
    numbers: &mut Numbers,
) -> Result<(), Failure> {
    let axum = Served::start(Peer::Axum, 0, body)?;
    let wiremock = Served::start(Peer::Wiremock, 0, body)?;
    let mockoon = mockoon::start(options.mockoon, body)?;
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
        load.round(target, options.round)?;
    }
    for round in 0..options.rounds {
        // Another one begins each time.
        contestants.rotate_left(1);
        for (name, target, pid) in &contestants {
            let before = pid.and_then(process::cpu);
            let done = load.round(target, options.round)?;
            let after = pid.and_then(process::cpu);
            let cpu = before.zip(after).map(|(before, after)| after - before);
            numbers.add(name, done, cpu);
        }
        if round == 0 {
            note(&format!(
                "rounds: {} of {:?} each",
                options.rounds, options.round
            ));
        }
    }
    Ok(())
}

/// Latency from the intended start, at half of what a server could do: ours, and axum's, so that what
/// the machine and the client add to a tail can be told. They take turns.
fn half_load(
    options: &Options,
    (ours, target): (&Served, &Target),
    body: &str,
    numbers: &mut Numbers,
) -> Result<(), Failure> {
    note(&format!(
        "half load: {:.0} requests a second",
        numbers.per_second("ours") / 2.0
    ));
    let axum = Served::start(Peer::Axum, 0, body)?;
    let contestants = [
        ("ours", target.clone(), ours.pid()),
        ("axum", axum.same(target), axum.pid()),
    ];
    let turns = options.rounds.clamp(1, 9) as usize;
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
) -> Result<(), Failure> {
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
fn reads(options: &Options, load: &Load, numbers: &mut Numbers) -> Result<(), Failure> {
    note("reads: few and many recordings held");
    let few = Served::start(Peer::Ours, HELD_FEW, "")?;
    let many = Served::start(Peer::Ours, HELD_MANY, "")?;
    let targets = [
        few.recordings(load, HELD_FEW.min(IDS))?,
        many.recordings(load, IDS)?,
    ];
    for target in &targets {
        load.round(target, options.round)?;
    }
    for _ in 0..options.rounds {
        for (name, target) in ["few", "many"].into_iter().zip(&targets) {
            let done = load.round(target, options.round)?;
            numbers.add(name, done, None);
        }
    }
    Ok(())
}
