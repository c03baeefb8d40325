//! What only a live run has to say: its generator, its faults, and how it agrees with the simulation.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::outcome::OutcomeKind;

/// How the generator kept its schedule.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct GeneratorSummary {
    /// Sessions that were to be real.
    pub sessions: u64,
    /// Most sessions at once.
    pub sessions_peak: u64,
    /// RTP packets sent.
    pub packets_sent: u64,
    /// RTP packets received and stored.
    pub packets_received: u64,
    /// RTP packets lost on the way.
    pub packets_lost: u64,
    /// Recordings whose digest differs from what was sent.
    pub digest_mismatches: u64,
    /// 0.99 quantile of packets' lateness, in seconds.
    pub send_lateness_p99_s: f64,
    /// 0.99 quantile of API calls' lateness against the gates' schedule, in seconds.
    pub call_lateness_p99_s: f64,
    /// Arrivals that could not be started within a second of their time.
    pub dropped: u64,
    /// Datagrams that the kernel dropped because a receive buffer of the run was full.
    pub socket_drops: u64,
    /// Recordings in storage.
    pub recordings_stored: u64,
    /// Bytes of audio in storage.
    pub bytes_stored: u64,
    /// Recordings whose digest differs from what was sent, and no fault of the scenario says why.
    #[serde(default)]
    pub digest_mismatches_unexpected: u64,
    /// Packets that were sent later than the scenario's limit after their time.
    #[serde(default)]
    pub packets_late: u64,
    /// Median of packets' lateness, in seconds.
    #[serde(default)]
    pub send_lateness_p50_s: f64,
    /// 0.999 quantile of the same.
    #[serde(default)]
    pub send_lateness_p999_s: f64,
    /// How long the process was stopped (SIGSTOP, Ctrl-Z, a debugger), in seconds.
    #[serde(default)]
    pub stopped_s: f64,
    /// Datagrams that the kernel refused to send.
    #[serde(default)]
    pub sends_refused: u64,
    /// Handshake datagrams that the ingest dropped because too many waited.
    #[serde(default)]
    pub handshakes_dropped: u64,
    /// Datagrams at the ingest that belonged to no session.
    #[serde(default)]
    pub stray_datagrams: u64,
    /// Turns of a millisecond that the media thread left out because it was late.
    #[serde(default)]
    pub ticks_skipped: u64,
    /// Calls that failed for want of file descriptors.
    #[serde(default)]
    pub files_short: u64,
    /// Recordings that were closed before their call ended, because storage could not keep up.
    #[serde(default)]
    pub recordings_cut: u64,
    /// Persistent sessions whose softphone came back while their old connection still looked alive.
    #[serde(default)]
    pub lines_taken_over: u64,
    /// Persistent sessions of signalling only that ended because too many waited for their softphones to come back.
    #[serde(default)]
    pub lines_dropped: u64,
    /// WebRTC sessions that came up; persistent ones carry many calls each.
    #[serde(default)]
    pub connections: u64,
    /// Threads that carried the media.
    #[serde(default)]
    pub media_shards: u64,
    /// Who used the processors.
    #[serde(default)]
    pub cpu: CpuSummary,
    /// One per fault of the scenario: what was predicted and what was seen.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub faults: Vec<FaultSummary>,
}

/// Who used the processors while a live run lasted; zero where the system does not tell.
#[derive(Clone, Copy, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct CpuSummary {
    /// Cores of the machine.
    pub cores: u64,
    /// How long the run lasted, in seconds.
    pub elapsed_s: f64,
    /// Processor time of the softphones' media, in seconds.
    pub softphones_s: f64,
    /// Processor time of the ingest's media, in seconds.
    pub ingest_s: f64,
    /// Processor time of the whole process, in seconds: the rest is API, storage and exporters.
    pub process_s: f64,
    /// Share of the machine's processor time that was used, by whomever.
    pub machine_busy: f64,
}

/// One of the scenario's faults, over the sessions that it struck.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct FaultSummary {
    /// Its name.
    pub name: String,
    /// What it acts on.
    pub group: String,
    /// Sessions that it struck.
    pub sessions: u64,
    /// What was to become of them: outcome → count.
    pub predicted: BTreeMap<String, u64>,
    /// What became of them: outcome → count.
    pub seen: BTreeMap<String, u64>,
    /// Sessions of which both are the same.
    pub agreed: u64,
    /// Sessions to which it did something: a fault of which nobody saw anything may not have struck.
    #[serde(default)]
    pub acted: u64,
}

/// How a live run and the simulation of the same file agree.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct ConformanceSummary {
    /// (gate, recording) pairs compared.
    pub pairs: u64,
    /// Pairs with the same outcome.
    pub agreed: u64,
    /// Pairs that differ, and whose margin is smaller than the measured lateness.
    pub explained: u64,
    /// Pairs that differ because the recording was in another job, or its job began at another time.
    #[serde(default)]
    pub moved: u64,
    /// The others.
    pub unexplained: u64,
    /// By gate: (pairs, agreed).
    pub gates: BTreeMap<String, (u64, u64)>,
    /// What is not explained, and then the largest margins, worst first; at most 20.
    pub disagreements: Vec<Disagreement>,
}

/// A pair on which the engines differ.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Disagreement {
    /// The gate.
    pub gate: String,
    /// The recording.
    pub recording: u64,
    /// Outcome in the simulation.
    pub sim: OutcomeKind,
    /// Outcome in the live run.
    pub live: OutcomeKind,
    /// What explains it.
    #[serde(default)]
    pub why: Explanation,
    /// How near the decision was, in seconds.
    pub margin_s: f64,
    /// Measured lateness of the live run for this pair, in seconds.
    pub lateness_s: f64,
}

/// Why two engines differ on a pair.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Explanation {
    /// Nothing explains it: one of the engines is wrong.
    #[default]
    None,
    /// The recording was in another job, or its job began at another time and drew otherwise.
    AnotherJob,
    /// The decision was nearer than the live run was late.
    Lateness,
}

impl Explanation {
    /// The words of a report.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::None => "nothing",
            Self::AnotherJob => "another job",
            Self::Lateness => "lateness",
        }
    }
}
