//! `racegate-bench media`: how many real WebRTC calls fit this machine, both ends on it.
//!
//! On every core one thread runs callers and the server that they call to completion, a thousand times a second; signalling is the real
//! session descriptions, handed over in memory. Beside the media ladder: set-ups, the raw UDP limit for the same packets, str0m in the
//! same loop, sessions through a ring in place of sockets (`wire`), and sessions kept alive without audio (`transport`).

mod callers;
mod ladder;
mod limit;
mod lobby;
pub(crate) mod machine;
mod peer;
mod recorders;
mod report;
mod rung;
mod signalling;
mod voice;

use std::time::{Duration, Instant};

use clap::{Args, ValueEnum};
use racegate_media::{DenseStack, RtcStack};
use racegate_udp::Class;

use callers::{Audio, Engine};
use ladder::{Climbed, OTHERS_MAX, climb};
use report::{Numbers, Step, rounded};
use rung::{Carrier, Load, Rung, measure};
use voice::FRAME_BYTES;

use racegate::output::{Output, OutputArgs, note, print};
use racegate_model::analysis::Exit;

/// Why a bench did not come to a result.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BenchError {
    /// A socket could not be made.
    #[error(transparent)]
    Bind(#[from] racegate_udp::BindError),
    /// A shard did not start or failed.
    #[error(transparent)]
    Shard(#[from] racegate_udp::ShardError),
    /// The stack could not be made.
    #[error(transparent)]
    Stack(#[from] racegate_media::PeerError),
    /// A runtime could not be started.
    #[error("cannot start the threads for signalling ({0})")]
    Runtime(#[source] std::io::Error),
    /// Not all sessions came up.
    #[error("only {heard} of {sessions} sessions were set up in time")]
    Setup {
        /// Sessions wanted.
        sessions: usize,
        /// Sessions heard.
        heard: usize,
    },
    /// Others kept the machine too busy.
    #[error(
        "the machine was too busy to tell: others took {others:.0} % of it; stop them, or report what there is with --busy report"
    )]
    Busy {
        /// Percent of all processors.
        others: f64,
    },
}

/// What happens when others keep the machine busy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Busy {
    /// Nothing is reported.
    Refuse,
    /// What was measured is reported, with how busy it was.
    Report,
}

/// Arguments of `racegate-bench media`.
#[derive(Debug, Args)]
pub(crate) struct MediaArgs {
    #[command(flatten)]
    output: OutputArgs,
    /// How long the highest number of sessions must hold, in seconds
    #[arg(long, value_name = "S", default_value_t = 60, value_parser = clap::value_parser!(u64).range(1..=3600))]
    seconds: u64,
    /// Measure this many sessions in place of climbing the ladder
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=200_000))]
    sessions: Option<u32>,
    /// How long all of it may take, in seconds
    #[arg(long, value_name = "S", default_value_t = 360, value_parser = clap::value_parser!(u64).range(10..=7200))]
    budget: u64,
    /// When others keep the machine busy
    #[arg(long, value_enum, default_value = "refuse")]
    busy: Busy,
    /// Scheduling class of the media threads; real time needs privilege and keeps others waiting
    #[arg(long, value_enum, default_value = "realtime")]
    class: ClassArg,
    /// Measure aiortc beside with this Python, which has it [default: python3; installed for it if missing]
    #[arg(long, value_name = "PYTHON")]
    aiortc: Option<String>,
}

/// Scheduling class of the media threads.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum ClassArg {
    Fair,
    Realtime,
}

impl ClassArg {
    const fn class(self) -> Class {
        match self {
            Self::Fair => Class::Fair,
            Self::Realtime => Class::Realtime,
        }
    }
}

/// Sessions of the set-up measurement: two seconds' worth.
const SETUP_SESSIONS: usize = 4_000;

/// Sessions of the str0m measurement: well below what it can carry, so that it is not late.
const STR0M_SESSIONS: usize = 1_000;

/// Where the ladders without a kernel or without audio begin: at what they must do.
const WIRE_SESSIONS: usize = 15_000;
const TRANSPORT_SESSIONS: usize = 20_000;

/// Sessions with audio beside ten thousand without.
const MIXED_SESSIONS: usize = 2_000;
const MIXED_BESIDE: usize = 10_000;

/// Signalling sessions, each on a socket of its own.
const SIGNALLING_SOCKETS: usize = 8_000;

/// How long the lesser measurements last once they are set up.
const BRIEF: Duration = Duration::from_secs(4);

impl MediaArgs {
    /// Measures and prints the figures.
    pub(crate) fn run(self) -> Result<Exit, Exit> {
        let numbers = measure_all(&self).map_err(Exit::internal)?;
        print(&match self.output.output() {
            Output::Json => numbers.json(),
            Output::Table => numbers.table(),
        })?;
        Ok(Exit::Done)
    }

    const fn steady(&self) -> Duration {
        Duration::from_secs(self.seconds)
    }

    fn sessions(&self) -> Option<usize> {
        self.sessions
            .map(|sessions| usize::try_from(sessions).unwrap_or(usize::MAX))
    }
}

fn measure_all(args: &MediaArgs) -> Result<Numbers, BenchError> {
    let began = Instant::now();
    let dense = Engine::Dense(DenseStack::new()?);
    let load = Load {
        engine: dense,
        audio: Audio::Spoken,
        carrier: Carrier::Sockets,
        sessions: STR0M_SESSIONS,
        beside: 0,
        shards: machine::cores(),
        steady: BRIEF,
        class: args.class.class(),
    };
    note("raw UDP");
    let limit = limit::udp_us(args.class.class())?;
    let mut numbers = empty(&load, args, limit);
    if let Some(sessions) = args.sessions() {
        let load = Load {
            sessions,
            steady: args.steady(),
            ..load
        };
        note(&format!("{sessions} sessions"));
        let rung = measure(&load)?;
        let verdict = ladder::judge(&rung);
        numbers.rungs.push(Step::of("media", &rung, verdict));
        let held = verdict == ladder::Verdict::Held;
        fill(&mut numbers, &rung, if held { sessions } else { 0 });
        return settle(numbers, args);
    }
    aside(&load, &mut numbers)?;
    beside_aiortc(args, &mut numbers);
    // The lesser ladders need about so long.
    let left =
        Duration::from_secs(args.budget).saturating_sub(began.elapsed() + Duration::from_secs(70));
    let load = Load {
        steady: args.steady(),
        ..load
    };
    let start = estimate(&numbers, load.shards);
    note(&format!("media, from {start} sessions"));
    let climbed = climb(&load, start, left)?;
    numbers.rungs.extend(Step::all("media", &climbed));
    match climbed
        .best
        .as_ref()
        .or(climbed.rungs.last().map(|(rung, _)| rung))
    {
        Some(rung) => fill(
            &mut numbers,
            rung,
            climbed.best.as_ref().map_or(0, |best| best.sessions),
        ),
        None => numbers.sessions = 0,
    }
    others_without_sockets(&load, &mut numbers)?;
    mixed(&load, &mut numbers)?;
    note("signalling");
    match signalling::measure(SIGNALLING_SOCKETS, BRIEF) {
        Ok(held) => {
            numbers.signalling_sockets = Some(held.sockets);
            numbers.signalling_setup_p99_ms = Some(rounded(held.setup_p99_ms));
        }
        Err(reason) => {
            note(&format!("signalling is NOT measured: {reason}"));
            numbers.signalling_skipped = Some(reason);
        }
    }
    settle(numbers, args)
}

/// aiortc at both ends, if it can be had.
fn beside_aiortc(args: &MediaArgs, numbers: &mut Numbers) {
    note("aiortc");
    let peer = match &args.aiortc {
        Some(python) => peer::aiortc(python),
        None => peer::installed_aiortc(),
    };
    match peer {
        Ok(peer) => {
            numbers.aiortc_us_per_packet = Some(rounded(peer.us_per_packet));
            numbers.aiortc_setups_per_s = Some(rounded(peer.setups_per_s));
        }
        Err(reason) => {
            note(&format!("aiortc is NOT measured: {reason}"));
            numbers.aiortc_skipped = Some(reason);
        }
    }
}

/// Thousands of sessions with audio beside thousands without, in the same loop.
fn mixed(load: &Load, numbers: &mut Numbers) -> Result<(), BenchError> {
    note("media beside transport");
    let rung = measure(&Load {
        sessions: MIXED_SESSIONS,
        beside: MIXED_BESIDE,
        steady: BRIEF,
        ..load.clone()
    })?;
    let verdict = ladder::judge(&rung);
    numbers.rungs.push(Step::of("mixed", &rung, verdict));
    if verdict == ladder::Verdict::Held {
        numbers.mixed_media_sessions = Some(rung.sessions);
        numbers.mixed_transport_sessions = Some(rung.beside);
    }
    Ok(())
}

/// Set-ups, and str0m in the same loop.
fn aside(load: &Load, numbers: &mut Numbers) -> Result<(), BenchError> {
    note("set-ups");
    let setups = measure(&Load {
        audio: Audio::Once,
        sessions: SETUP_SESSIONS,
        steady: Duration::from_millis(100),
        ..load.clone()
    })?;
    numbers.setups_per_s = Some(setups.setups_per_s.round());
    numbers.setup_us = Some(setups.setup_us.round());
    note("str0m");
    let str0m = measure(&Load {
        engine: Engine::Str0m(RtcStack::new()?),
        ..load.clone()
    })?;
    numbers.str0m_us_per_packet = Some(rounded(str0m.packet_us()));
    numbers
        .rungs
        .push(Step::of("str0m", &str0m, ladder::judge(&str0m)));
    Ok(())
}

/// Sessions through a ring, and sessions without audio: what they must do, and a step more.
fn others_without_sockets(load: &Load, numbers: &mut Numbers) -> Result<(), BenchError> {
    let brief = Load {
        steady: BRIEF,
        ..load.clone()
    };
    let wire = Load {
        carrier: Carrier::Ring,
        ..brief.clone()
    };
    note("wire");
    let climbed = brief_climb(&wire, WIRE_SESSIONS)?;
    numbers.rungs.extend(Step::all("wire", &climbed));
    numbers.wire_sessions = Some(climbed.best.as_ref().map_or(0, |best| best.sessions));
    numbers.wire_us_per_packet = climbed.best.as_ref().map(|best| rounded(best.packet_us()));
    let transport = Load {
        audio: Audio::Silent,
        ..brief
    };
    note("transport");
    let climbed = brief_climb(&transport, TRANSPORT_SESSIONS)?;
    numbers.rungs.extend(Step::all("transport", &climbed));
    numbers.transport_sessions = Some(climbed.best.as_ref().map_or(0, |best| best.sessions));
    numbers.transport_core_share = climbed.best.as_ref().map(|best| rounded(best.core_share));
    Ok(())
}

/// One rung where a ladder must reach, and if it falls the same at two thirds.
fn brief_climb(load: &Load, sessions: usize) -> Result<Climbed, BenchError> {
    let first = climb(load, sessions, Duration::ZERO)?;
    if first.best.is_some() {
        return Ok(first);
    }
    let mut second = climb(load, sessions * 2 / 3, Duration::ZERO)?;
    second.rungs.splice(0..0, first.rungs);
    Ok(second)
}

/// Where the ladder begins: four fifths of what half the time of a packet of str0m's would allow, or less.
fn estimate(numbers: &Numbers, shards: usize) -> usize {
    let packet = numbers
        .str0m_us_per_packet
        .map_or(2.0 * numbers.udp_limit_us, |us| us / 3.0);
    let packet = packet.max(numbers.udp_limit_us * 1.3);
    let per_core = 1e6 * 0.7 / (packet * 50.0);
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a positive number of sessions, far below 2³²"
    )]
    let per_core = per_core as usize;
    (per_core * shards).clamp(500, 6_000)
}

fn empty(load: &Load, args: &MediaArgs, limit: f64) -> Numbers {
    Numbers {
        bench: "media",
        optimised: !cfg!(debug_assertions),
        sessions: 0,
        seconds: args.steady().as_secs_f64(),
        payload_bytes: FRAME_BYTES,
        loss: None,
        send_p99_ms: None,
        us_per_packet: None,
        caller_us_per_packet: None,
        recorder_us_per_packet: None,
        core_share: None,
        setups_per_s: None,
        setup_us: None,
        bytes_per_session: None,
        udp_limit_us: rounded(limit),
        str0m_us_per_packet: None,
        aiortc_us_per_packet: None,
        aiortc_setups_per_s: None,
        aiortc_skipped: None,
        wire_sessions: None,
        wire_us_per_packet: None,
        transport_sessions: None,
        transport_core_share: None,
        mixed_media_sessions: None,
        mixed_transport_sessions: None,
        signalling_sockets: None,
        signalling_setup_p99_ms: None,
        signalling_skipped: None,
        cores: load.shards,
        class: match args.class.class() {
            Class::Fair => "fair",
            Class::Realtime => "realtime",
        },
        others: 0.0,
        receive_buffer_errors: None,
        unplaced: None,
        rungs: Vec::new(),
    }
}

fn fill(numbers: &mut Numbers, rung: &Rung, sessions: usize) {
    numbers.sessions = sessions;
    numbers.loss = Some(rung.loss());
    numbers.send_p99_ms = Some(rounded(rung.send_p99_ms()));
    numbers.us_per_packet = Some(rounded(rung.packet_us()));
    numbers.caller_us_per_packet = Some(rounded(rung.caller_us));
    numbers.recorder_us_per_packet = Some(rounded(rung.recorder_us));
    numbers.core_share = Some(rounded(rung.core_share));
    numbers.bytes_per_session = Some(rung.bytes_per_session.round());
    numbers.receive_buffer_errors = rung.buffer_errors;
    numbers.others = rounded(rung.others);
    numbers.unplaced.clone_from(&rung.unplaced);
    if numbers.setups_per_s.is_none() {
        numbers.setups_per_s = Some(rung.setups_per_s.round());
    }
}

/// A machine that others kept busy gives no result, unless it was asked for.
fn settle(numbers: Numbers, args: &MediaArgs) -> Result<Numbers, BenchError> {
    if numbers.others > OTHERS_MAX && args.busy == Busy::Refuse {
        let others = numbers.others * 100.0;
        return Err(BenchError::Busy { others });
    }
    Ok(numbers)
}
