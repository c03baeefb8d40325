//! Metadata held back by hand, as revisions of timelines.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};

use parking_lot::Mutex;
use racegate_model::field::{Field, FieldSet};
use racegate_model::ids::{ArmIndex, RecordingIndex};
use racegate_model::time::Timestamp;
use racegate_model::timeline::{FieldClock, Revision, Timeline};

/// Recordings that may be held back at once; further ones are refused.
pub(super) const WITHHELD_MAX: usize = 100_000;

type Key = (ArmIndex, RecordingIndex);

#[derive(Debug, Default)]
pub(super) struct Withheld {
    any: AtomicBool,
    spells: Mutex<BTreeMap<Key, Vec<Spell>>>,
}

/// Fields that did not come while it lasted.
#[derive(Clone, Copy, Debug)]
struct Spell {
    fields: FieldSet,
    from: Timestamp,
    /// Never while it lasts.
    until: Timestamp,
}

impl Withheld {
    /// Holds back what is not visible at `now`; false if too many recordings are.
    pub(super) fn hold(&self, key: Key, fields: FieldSet, now: Timestamp) -> bool {
        let mut spells = self.spells.lock();
        if spells.len() >= WITHHELD_MAX && !spells.contains_key(&key) {
            return false;
        }
        spells.entry(key).or_default().push(Spell {
            fields,
            from: now,
            until: Timestamp::NEVER,
        });
        self.any.store(true, Ordering::Release);
        true
    }

    /// Ends all spells of a recording at `now`; false if there were none.
    pub(super) fn release(&self, key: Key, now: Timestamp) -> bool {
        let mut spells = self.spells.lock();
        let mut released = false;
        for spell in spells.get_mut(&key).into_iter().flatten() {
            if spell.until.is_never() {
                spell.until = now;
                released = true;
            }
        }
        released
    }

    /// What of a recording is held back.
    pub(super) fn held_of(&self, key: Key) -> FieldSet {
        if !self.any.load(Ordering::Acquire) {
            return FieldSet::EMPTY;
        }
        let spells = self.spells.lock();
        let lasting = spells.get(&key).into_iter().flatten();
        let lasting = lasting.filter(|spell| spell.until.is_never());
        lasting.flat_map(|spell| spell.fields.iter()).collect()
    }

    /// Nothing of a recording was ever held back.
    pub(super) fn forget(&self, key: Key) {
        self.spells.lock().remove(&key);
    }

    /// The recordings that are held back on an arm.
    pub(super) fn held(&self, arm: ArmIndex) -> Vec<RecordingIndex> {
        let spells = self.spells.lock();
        let held = spells
            .iter()
            .filter(|((on, _), spells)| *on == arm && spells.iter().any(|s| s.until.is_never()));
        held.map(|((_, recording), _)| *recording).collect()
    }

    /// Writes what is known of the recording's spells into its timeline.
    pub(super) fn revise(&self, arm: ArmIndex, timeline: &mut Timeline) {
        if !self.any.load(Ordering::Acquire) {
            return;
        }
        let spells = self.spells.lock();
        let Some(spells) = spells.get(&(arm, timeline.recording)) else {
            return;
        };
        timeline.revisions.clear();
        for spell in spells {
            for field in spell.fields.iter().filter(|field| *field != Field::Media) {
                revise(timeline, field, *spell);
            }
        }
    }
}

fn revise(timeline: &mut Timeline, field: Field, spell: Spell) {
    let natural = timeline
        .fields
        .get(field as usize)
        .copied()
        .unwrap_or(FieldClock::NEVER);
    let before = timeline.clock(spell.from, field);
    let held = |at: Timestamp| {
        if at <= spell.from {
            at
        } else {
            Timestamp::NEVER
        }
    };
    timeline.revisions.push(Revision {
        decided_at: spell.from,
        field,
        clock: FieldClock {
            null_at: held(before.null_at),
            value_at: held(before.value_at),
            index_at: held(before.index_at),
        },
    });
    if spell.until.is_never() {
        return;
    }
    let late = |before: Timestamp, natural: Timestamp| {
        if before <= spell.from {
            before
        } else {
            natural.max(spell.until)
        }
    };
    timeline.revisions.push(Revision {
        decided_at: spell.until,
        field,
        clock: FieldClock {
            null_at: late(before.null_at, natural.null_at),
            value_at: late(before.value_at, natural.value_at),
            index_at: late(before.index_at, natural.index_at),
        },
    });
}
