//! The calls that the platform knows of: what is true of a recording, whatever its metadata says.

use std::collections::{BTreeMap, BTreeSet};

use parking_lot::RwLock;
use racegate_model::draws::Seed;
use racegate_model::ids::{ConversationId, RecordingId, RecordingIndex};
use racegate_model::time::Timestamp;
use racegate_model::workload::Call;

/// Calls by index.
#[derive(Debug)]
pub struct CallRegistry {
    seed: Seed,
    calls: RwLock<Known>,
}

#[derive(Debug, Default)]
struct Known {
    calls: BTreeMap<RecordingIndex, Call>,
    ended: BTreeSet<RecordingIndex>,
}

impl CallRegistry {
    /// A registry of calls whose ids derive from `seed`.
    pub(crate) fn new(seed: Seed) -> Self {
        Self {
            seed,
            calls: RwLock::default(),
        }
    }

    /// A call has begun, or is about to.
    pub fn begin(&self, call: Call) {
        self.calls.write().calls.insert(call.index, call);
    }

    /// The call of that index.
    #[must_use]
    pub fn get(&self, recording: RecordingIndex) -> Option<Call> {
        self.calls.read().calls.get(&recording).copied()
    }

    /// The call of a conversation.
    #[must_use]
    pub fn by_conversation(&self, id: &str) -> Option<Call> {
        self.get(ConversationId::parse(id)?.index(self.seed)?)
    }

    /// The call of a recording.
    #[must_use]
    pub fn by_recording(&self, id: &str) -> Option<Call> {
        self.get(RecordingId::parse(id)?.index(self.seed)?)
    }

    /// The calls that began, or begin, from `from` on and before `until`, in order of arrival index.
    #[must_use]
    pub fn begun_between(&self, from: Timestamp, until: Timestamp) -> Vec<Call> {
        let known = self.calls.read();
        let within = |call: &&Call| (from..until).contains(&call.arrival);
        known.calls.values().filter(within).copied().collect()
    }

    /// The calls that have ended.
    #[must_use]
    pub fn ended(&self) -> Vec<RecordingIndex> {
        self.calls.read().ended.iter().copied().collect()
    }

    /// The calls that ended last: the highest indices first, `limit` at most.
    #[must_use]
    pub fn last_ended(&self, limit: usize) -> Vec<Call> {
        let known = self.calls.read();
        let last = known.ended.iter().rev().take(limit);
        last.filter_map(|index| known.calls.get(index).copied())
            .collect()
    }

    /// The first `limit` calls from `from` on that have ended.
    #[must_use]
    pub fn ended_from(&self, from: RecordingIndex, limit: usize) -> Vec<RecordingIndex> {
        let known = self.calls.read();
        known.ended.range(from..).take(limit).copied().collect()
    }

    /// Whether that call has ended.
    #[must_use]
    pub fn has_ended(&self, recording: RecordingIndex) -> bool {
        self.calls.read().ended.contains(&recording)
    }

    /// Number of calls that have ended.
    #[must_use]
    pub fn ended_count(&self) -> usize {
        self.calls.read().ended.len()
    }

    /// The session of `call` has ended; false if it already had.
    pub(crate) fn end(&self, call: &Call) -> bool {
        let mut known = self.calls.write();
        known.calls.entry(call.index).or_insert(*call);
        known.ended.insert(call.index)
    }
}
