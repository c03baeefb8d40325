//! A history, in whatever order it was written, fed to an accumulator.

use std::collections::BTreeMap;

use super::{Accumulator, Context, Facts};
use crate::history::{Entry, Settled};
use crate::ids::ArmIndex;
use crate::scenario::Scenario;
use crate::timeline::Timeline;

/// Pairs each settled recording with its timeline, whichever comes first.
///
/// It remembers four numbers per recording and arm, so it is for histories that were kept
/// whole (up to `limits.history` recordings per arm), not for streams.
#[derive(Clone, Debug)]
pub struct Replay {
    accumulator: Accumulator,
    /// By (platform, recording).
    facts: BTreeMap<(usize, u64), Facts>,
    /// What settled before its timeline was seen.
    waiting: BTreeMap<(usize, u64), Vec<Settled>>,
}

impl Replay {
    /// Nothing read yet.
    ///
    /// # Panics
    ///
    /// If a tenant of `context` is not in the scenario.
    #[must_use]
    pub fn new(scenario: &Scenario, context: Context) -> Self {
        Self {
            accumulator: Accumulator::new(scenario, context),
            facts: BTreeMap::new(),
            waiting: BTreeMap::new(),
        }
    }

    /// Reads one entry.
    pub fn add(&mut self, entry: &Entry) {
        match entry {
            Entry::Timeline { arm, timeline } => self.timeline(*arm, timeline),
            Entry::Settled(settled) => self.settled(settled),
            Entry::Job(job) => self.accumulator.job(job),
            Entry::NotEstablished { recording, stage } => {
                self.accumulator.not_established(*recording, stage);
            }
            Entry::End(end) => self.accumulator.end(end),
        }
    }

    /// All has been read. Without an end entry the run counts as interrupted, and what settled in
    /// its last moment, before the timeline was written, is left out.
    #[must_use]
    pub fn finish(mut self) -> Accumulator {
        for settled in self.waiting.values().flatten() {
            self.accumulator.orphan(settled);
        }
        self.accumulator
    }

    fn timeline(&mut self, arm: ArmIndex, timeline: &Timeline) {
        self.accumulator.decided(arm, timeline);
        let Some(slot) = self.accumulator.slot_of(arm, timeline.tenant) else {
            return;
        };
        let spec = &self.accumulator.scenario.arms[arm.0 as usize];
        let facts = Facts::of(timeline, spec);
        let key = (slot, timeline.recording.0);
        self.facts.entry(key).or_insert(facts);
        for settled in self.waiting.remove(&key).unwrap_or_default() {
            self.accumulator.settled_with(&settled, &facts);
        }
    }

    fn settled(&mut self, settled: &Settled) {
        if self.accumulator.arm_of(settled).is_none() {
            return;
        }
        let slot = self.accumulator.tenants[settled.tenant.0 as usize].arm_slot;
        let key = (slot, settled.recording.0);
        match self.facts.get(&key) {
            Some(facts) => self.accumulator.settled_with(settled, facts),
            None => self.waiting.entry(key).or_default().push(settled.clone()),
        }
    }
}
