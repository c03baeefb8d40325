//! The recordings of one arm that somebody still asks for: their timelines, and what was settled of
//! them before all was decided. Memory follows the recordings in flight.

use std::hash::{BuildHasherDefault, Hasher};

use hashbrown::HashMap;

use crate::draws::mix64;
use crate::history::Settled;
use crate::ids::RecordingIndex;
use crate::org::Recordings;
use crate::timeline::Timeline;

/// Recordings by slot. A slot is free again when its recording is decided and settled by all.
#[derive(Debug)]
pub(super) struct Slots {
    tenants: usize,
    entries: Vec<Entry>,
    free: Vec<u32>,
    /// Where a recording is, for those who know its number only; none where nobody asks.
    by_recording: Option<HashMap<RecordingIndex, u32, BuildHasherDefault<Mix>>>,
}

/// How those who ask for a recording name it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Names {
    /// By its number.
    Numbers,
    /// Only by its slot.
    Slots,
}

#[derive(Debug)]
struct Entry {
    timeline: Timeline,
    progress: Progress,
    settled: usize,
    /// Settled before all was decided.
    waiting: Vec<Settled>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Progress {
    Undecided,
    Decided,
}

impl Slots {
    /// None yet; each recording is settled by so many `tenants`.
    pub(super) fn new(tenants: usize, names: Names) -> Self {
        Self {
            tenants,
            entries: Vec::new(),
            free: Vec::new(),
            by_recording: (names == Names::Numbers).then(HashMap::default),
        }
    }

    /// Where the recording is.
    pub(super) fn slot_of(&self, recording: RecordingIndex) -> Option<u32> {
        self.by_recording.as_ref()?.get(&recording).copied()
    }

    /// The recording in `slot`, as far as it is decided.
    #[inline]
    pub(super) fn timeline(&self, slot: u32) -> &Timeline {
        &self.entries[slot as usize].timeline
    }

    /// A recording is new, or more of it is decided. Returns its slot and whether it is new.
    pub(super) fn put(&mut self, timeline: Timeline) -> (u32, bool) {
        if let Some(slot) = self.slot_of(timeline.recording) {
            self.entries[slot as usize].timeline = timeline;
            return (slot, false);
        }
        let recording = timeline.recording;
        let entry = Entry {
            timeline,
            progress: Progress::Undecided,
            settled: 0,
            waiting: Vec::new(),
        };
        let slot = if let Some(slot) = self.free.pop() {
            self.entries[slot as usize] = entry;
            slot
        } else {
            self.entries.push(entry);
            u32::try_from(self.entries.len() - 1).expect("fewer than 2^32 recordings in flight")
        };
        if let Some(names) = &mut self.by_recording {
            names.insert(recording, slot);
        }
        (slot, true)
    }

    /// Everything of the recording is decided. Returns what was settled before.
    pub(super) fn decide(&mut self, slot: u32) -> Vec<Settled> {
        let entry = &mut self.entries[slot as usize];
        entry.progress = Progress::Decided;
        std::mem::take(&mut entry.waiting)
    }

    /// A tenant has settled the recording. Gives it back if all of the recording is decided.
    pub(super) fn settle(&mut self, slot: u32, settled: Settled) -> Option<Settled> {
        let entry = &mut self.entries[slot as usize];
        entry.settled += 1;
        if entry.progress == Progress::Decided {
            return Some(settled);
        }
        entry.waiting.push(settled);
        None
    }

    /// Frees the slot if nobody will ask for its recording again.
    pub(super) fn release(&mut self, slot: u32) {
        let entry = &self.entries[slot as usize];
        if entry.progress == Progress::Decided && entry.settled >= self.tenants {
            if let Some(names) = &mut self.by_recording {
                names.remove(&entry.timeline.recording);
            }
            self.free.push(slot);
        }
    }
}

impl Recordings for Slots {
    fn read<T>(&self, recording: RecordingIndex, read: impl FnOnce(&Timeline) -> T) -> Option<T> {
        let slot = self.slot_of(recording)?;
        Some(read(self.timeline(slot)))
    }
}

/// Hashes one number, the same way everywhere.
#[derive(Clone, Copy, Default, Debug)]
pub(super) struct Mix(u64);

impl Hasher for Mix {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        self.0 = crate::draws::hash_bytes(bytes);
    }

    #[inline]
    fn write_u64(&mut self, number: u64) {
        self.0 = mix64(number);
    }
}
