//! The calls that the platform knows of: what is true of a recording, whatever its metadata says.

use std::collections::{BTreeMap, BTreeSet};

use parking_lot::RwLock;
use racegate_model::draws::Seed;
use racegate_model::ids::{ArmIndex, ConversationId, RecordingId, RecordingIndex};
use racegate_model::time::Timestamp;
use racegate_model::workload::Call;

use super::On;

/// Calls by index.
#[derive(Debug)]
pub struct CallRegistry {
    seed: Seed,
    calls: RwLock<Known>,
}

#[derive(Debug, Default)]
struct Known {
    calls: BTreeMap<RecordingIndex, (Call, On)>,
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

    /// A call has begun, or is about to, on every platform.
    pub fn begin(&self, call: Call) {
        self.begin_on(call, On::Every);
    }

    /// A call has begun, or is about to, on the platforms of `on`; the others never hear of it.
    pub fn begin_on(&self, call: Call, on: On) {
        self.calls.write().calls.insert(call.index, (call, on));
    }

    /// The calls that the platform of `arm` knows of.
    #[must_use]
    pub const fn seen_on(&self, arm: ArmIndex) -> CallsOn<'_> {
        CallsOn {
            registry: self,
            arm,
        }
    }

    /// The call of that index.
    #[must_use]
    pub fn get(&self, recording: RecordingIndex) -> Option<Call> {
        let known = self.calls.read();
        known.calls.get(&recording).map(|(call, _)| *call)
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
        last.filter_map(|index| known.calls.get(index).map(|(call, _)| *call))
            .collect()
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

    /// The session of `call` has ended on the platforms of `on`; false if it already had.
    pub(crate) fn end(&self, call: &Call, on: On) -> bool {
        let mut known = self.calls.write();
        known.calls.entry(call.index).or_insert((*call, on));
        known.ended.insert(call.index)
    }

    /// Forgets the calls from `from` on that `meant` holds for, and returns them.
    pub(crate) fn forget(
        &self,
        from: RecordingIndex,
        meant: impl Fn(On) -> bool,
    ) -> Vec<RecordingIndex> {
        let mut known = self.calls.write();
        let asked = known.calls.range(from..);
        let forgotten: Vec<RecordingIndex> = asked
            .filter(|(_, (_, on))| meant(*on))
            .map(|(index, _)| *index)
            .collect();
        for index in &forgotten {
            known.calls.remove(index);
            known.ended.remove(index);
        }
        forgotten
    }
}

/// The calls of one platform.
#[derive(Clone, Copy, Debug)]
pub struct CallsOn<'a> {
    registry: &'a CallRegistry,
    arm: ArmIndex,
}

impl CallsOn<'_> {
    /// The call of that index.
    #[must_use]
    pub fn get(self, recording: RecordingIndex) -> Option<Call> {
        let known = self.registry.calls.read();
        let (call, on) = known.calls.get(&recording)?;
        on.includes(self.arm).then_some(*call)
    }

    /// The call of a conversation.
    #[must_use]
    pub fn by_conversation(self, id: &str) -> Option<Call> {
        self.get(ConversationId::parse(id)?.index(self.registry.seed)?)
    }

    /// The calls that began, or begin, from `from` on and before `until`, in order of arrival index.
    #[must_use]
    pub fn begun_between(self, from: Timestamp, until: Timestamp) -> Vec<Call> {
        let known = self.registry.calls.read();
        let here = known.calls.values().filter(|(_, on)| on.includes(self.arm));
        here.map(|(call, _)| *call)
            .filter(|call| (from..until).contains(&call.arrival))
            .collect()
    }

    /// The first `limit` calls from `from` on that have ended.
    #[must_use]
    pub fn ended_from(self, from: RecordingIndex, limit: usize) -> Vec<RecordingIndex> {
        let known = self.registry.calls.read();
        let here = |index: &&RecordingIndex| {
            let call = known.calls.get(index);
            call.is_some_and(|(_, on)| on.includes(self.arm))
        };
        let ended = known.ended.range(from..).filter(here);
        ended.take(limit).copied().collect()
    }
}
