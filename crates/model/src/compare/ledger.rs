//! What each recording of a history cost and came to, for comparing recording by recording.

use std::collections::BTreeMap;

use super::{Outcomes, Sample};
use crate::history::{Entry, Settled};
use crate::time::{Duration, Timestamp};

/// Blocks of neighbouring recordings that a run is cut into.
const BLOCKS: usize = 20;

/// Reads a history of recordings that nothing couples.
#[derive(Clone, Debug)]
pub struct Ledger {
    /// Labels of each tenant, `{gate=forum}`, and the position of its arm.
    tenants: Vec<(String, u32)>,
    /// Before it, recordings are of the warm-up.
    counted_from: Timestamp,
    /// Start and end of each session, by arm and recording.
    sessions: BTreeMap<(u32, u64), (Timestamp, Timestamp)>,
    settled: Vec<BTreeMap<u64, Row>>,
}

/// What is kept of a settled recording.
#[derive(Clone, Copy, Debug)]
struct Row {
    outcome: crate::outcome::OutcomeKind,
    snapshot_at: Option<Timestamp>,
    calls: u32,
}

/// Sums and delays of one block.
#[derive(Clone, Debug, Default)]
struct Block {
    settled: u64,
    calls: u64,
    delays: Vec<Duration>,
}

impl Ledger {
    /// Nothing read yet. `tenants` are labels, as `{gate=forum}`, and the position of the arm.
    #[must_use]
    pub const fn new(tenants: Vec<(String, u32)>, counted_from: Timestamp) -> Self {
        Self {
            tenants,
            counted_from,
            sessions: BTreeMap::new(),
            settled: Vec::new(),
        }
    }

    /// Reads one entry.
    pub fn add(&mut self, entry: &Entry) {
        match entry {
            Entry::Timeline { arm, timeline } => {
                let times = (timeline.started_at, timeline.ended_at);
                self.sessions.insert((arm.0, timeline.recording.0), times);
            }
            Entry::Settled(settled) => self.settle(settled),
            Entry::Job(_) | Entry::NotEstablished { .. } | Entry::End(_) => {}
        }
    }

    fn settle(&mut self, settled: &Settled) {
        let tenant = settled.tenant.0 as usize;
        if self.settled.len() <= tenant {
            self.settled.resize(tenant + 1, BTreeMap::new());
        }
        let row = Row {
            outcome: settled.outcome,
            snapshot_at: settled.snapshot_at,
            calls: settled.gate_calls,
        };
        self.settled[tenant].insert(settled.recording.0, row);
    }

    /// Puts what was read into `sample`.
    pub fn finish(self, sample: &mut Sample) {
        let last = self.sessions.keys().map(|(_, recording)| *recording).max();
        let Some(length) = last
            .and_then(|last| usize::try_from(last).ok())
            .map(|last| last + 1)
        else {
            return;
        };
        for ((labels, arm), rows) in self.tenants.iter().zip(&self.settled) {
            let mut outcomes = Outcomes::default();
            let mut blocks = vec![Block::default(); BLOCKS];
            for (recording, row) in rows {
                let Some((started, ended)) = self.sessions.get(&(*arm, *recording)) else {
                    continue;
                };
                let index = usize::try_from(*recording).unwrap_or(usize::MAX);
                if *started < self.counted_from || index >= length {
                    continue;
                }
                outcomes.set(index, row.outcome);
                let block = &mut blocks[index * BLOCKS / length];
                block.settled += 1;
                block.calls += u64::from(row.calls);
                block
                    .delays
                    .extend(row.snapshot_at.map(|at| at.since(*ended)));
            }
            sample.outcomes.insert(labels.clone(), outcomes.to_text());
            let mut put = |name: &str, value: fn(&mut Block) -> Option<f64>| {
                let values = blocks.iter_mut().map(value).collect();
                sample.blocks.insert(format!("{name}{labels}"), values);
            };
            put("calls_per_recording", Block::calls_per_recording);
            put("added_delay_mean", Block::delay_mean);
            put("added_delay_p95", |block| block.delay_quantile(19, 20));
        }
    }
}

impl Block {
    fn calls_per_recording(&mut self) -> Option<f64> {
        (self.settled > 0).then(|| self.calls as f64 / self.settled as f64)
    }

    fn delay_mean(&mut self) -> Option<f64> {
        let sum: f64 = self.delays.iter().map(|delay| delay.as_secs_f64()).sum();
        (!self.delays.is_empty()).then(|| sum / self.delays.len() as f64)
    }

    /// The quantile `part` of `whole`: the least delay that so many are at most.
    fn delay_quantile(&mut self, part: usize, whole: usize) -> Option<f64> {
        self.delays.sort_unstable();
        let rank = (self.delays.len() * part).div_ceil(whole);
        self.delays
            .get(rank.saturating_sub(1))
            .map(|delay| delay.as_secs_f64())
    }
}
