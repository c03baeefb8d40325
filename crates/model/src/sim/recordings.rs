//! The recordings of one arm that a tenant still asks for: their timelines, and what was settled of
//! them before all was decided. Memory follows the recordings in flight.

use crate::field::Kind;
use crate::history::Settled;
use crate::ids::RecordingIndex;
use crate::org::Recordings;
use crate::platform::{Alike, Whole};
use crate::scenario::ReadPath;
use crate::table::Table;
use crate::time::Timestamp;
use crate::timeline::{Decided, Need, Timeline, View};

/// Recordings by slot. A slot is free again when its recording is decided and settled by all.
#[derive(Debug)]
pub(super) struct Slots {
    tenants: u32,
    entries: Vec<Entry>,
    free: Vec<u32>,
    /// Settled before all was decided.
    waiting: Table<RecordingIndex, Vec<Settled>>,
    /// Where a recording is.
    by_recording: Table<RecordingIndex, u32>,
}

/// A recording, as far as it is decided.
#[derive(Clone, Debug)]
pub(super) enum Kept {
    /// Of which some may be decided later.
    Timeline(Box<Timeline>),
    /// Of which all was decided at its session's end.
    Whole(Whole<Alike>),
}

/// Two cache lines, if all was decided at once.
#[derive(Debug)]
#[repr(align(64))]
struct Entry {
    kept: Kept,
    progress: Progress,
    settled: u32,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Progress {
    Undecided,
    Decided,
}

impl Slots {
    /// None yet; each recording is settled by so many `tenants`.
    pub(super) fn new(tenants: usize) -> Self {
        Self {
            tenants: u32::try_from(tenants).unwrap_or(u32::MAX),
            entries: Vec::new(),
            free: Vec::new(),
            waiting: Table::default(),
            by_recording: Table::default(),
        }
    }

    /// Where the recording is.
    pub(super) fn slot_of(&self, recording: RecordingIndex) -> Option<u32> {
        self.by_recording.get(recording).copied()
    }

    /// The recording in `slot`, as far as it is decided.
    #[inline]
    pub(super) fn kept(&self, slot: u32) -> &Kept {
        &self.entries[slot as usize].kept
    }

    /// A recording is new, or more of it is decided. Returns its slot and whether it is new.
    pub(super) fn put(&mut self, kept: Kept) -> (u32, bool) {
        let recording = kept.recording();
        if let Some(slot) = self.slot_of(recording) {
            self.entries[slot as usize].kept = kept;
            return (slot, false);
        }
        let entry = Entry {
            kept,
            progress: Progress::Undecided,
            settled: 0,
        };
        (self.place(recording, entry), true)
    }

    /// A recording is new, and all of it is decided. Returns its slot.
    ///
    /// Inlined, so that it is put together where it stays: a copy of what was just written in
    /// pieces waits for them.
    #[inline(always)]
    pub(super) fn put_whole(&mut self, whole: Whole<Alike>) -> u32 {
        let recording = whole.recording();
        let entry = Entry {
            kept: Kept::Whole(whole),
            progress: Progress::Decided,
            settled: 0,
        };
        self.place(recording, entry)
    }

    #[inline(always)]
    fn place(&mut self, recording: RecordingIndex, entry: Entry) -> u32 {
        let slot = if let Some(slot) = self.free.pop() {
            self.entries[slot as usize] = entry;
            slot
        } else {
            self.append(entry)
        };
        self.by_recording.insert(recording, slot);
        slot
    }

    #[cold]
    fn append(&mut self, entry: Entry) -> u32 {
        self.entries.push(entry);
        u32::try_from(self.entries.len() - 1).expect("fewer than 2^32 recordings in flight")
    }

    /// Everything of the recording is decided. Returns what was settled before.
    pub(super) fn decide(&mut self, slot: u32) -> Vec<Settled> {
        self.entries[slot as usize].progress = Progress::Decided;
        let recording = self.entries[slot as usize].kept.recording();
        self.waiting.remove(recording).unwrap_or_default()
    }

    /// A tenant has settled the recording. Gives it back if all of the recording is decided.
    pub(super) fn settle(&mut self, slot: u32, settled: Settled) -> Option<Settled> {
        let entry = &mut self.entries[slot as usize];
        entry.settled += 1;
        if entry.progress == Progress::Decided {
            return Some(settled);
        }
        match self.waiting.get_mut(settled.recording) {
            Some(waiting) => waiting.push(settled),
            None => self.waiting.insert(settled.recording, vec![settled]),
        }
        None
    }

    /// Frees the slot if nobody will ask for its recording again.
    pub(super) fn release(&mut self, slot: u32) {
        let entry = &self.entries[slot as usize];
        if entry.progress == Progress::Decided && entry.settled >= self.tenants {
            self.by_recording.remove(entry.kept.recording());
            self.free.push(slot);
        }
    }
}

impl Recordings for Slots {
    type Recording = Kept;

    fn read<T>(&self, recording: RecordingIndex, read: impl FnOnce(&Kept) -> T) -> Option<T> {
        let slot = self.slot_of(recording)?;
        Some(read(self.kept(slot)))
    }
}

impl Decided for Kept {
    #[inline]
    fn recording(&self) -> RecordingIndex {
        match self {
            Self::Timeline(timeline) => timeline.recording,
            Self::Whole(whole) => whole.recording(),
        }
    }

    #[inline]
    fn taken_for(&self) -> Kind {
        match self {
            Self::Timeline(timeline) => Timeline::taken_for(timeline),
            Self::Whole(whole) => whole.taken_for(),
        }
    }

    #[inline]
    fn ended_at(&self) -> Timestamp {
        match self {
            Self::Timeline(timeline) => timeline.ended_at,
            Self::Whole(whole) => whole.ended_at(),
        }
    }

    #[inline]
    fn media_at(&self) -> Timestamp {
        match self {
            Self::Timeline(timeline) => timeline.media_at,
            Self::Whole(whole) => whole.media_at(),
        }
    }

    #[inline]
    fn is_true(&self) -> bool {
        match self {
            Self::Timeline(timeline) => timeline.is_true(),
            Self::Whole(whole) => whole.is_true(),
        }
    }

    #[inline]
    fn first_seen(&self, path: ReadPath, need: &Need) -> Timestamp {
        match self {
            Self::Timeline(timeline) => timeline.first_seen(path, need),
            Self::Whole(whole) => whole.first_seen(path, need),
        }
    }

    #[inline]
    fn view(&self, now: Timestamp, path: ReadPath) -> View {
        match self {
            Self::Timeline(timeline) => timeline.view(now, path),
            Self::Whole(whole) => whole.view(now, path),
        }
    }

    fn timeline(&self) -> Timeline {
        match self {
            Self::Timeline(timeline) => (**timeline).clone(),
            Self::Whole(whole) => whole.timeline(),
        }
    }

    fn look<T>(&self, look: impl FnOnce(&Timeline) -> T) -> T {
        match self {
            Self::Timeline(timeline) => look(timeline),
            Self::Whole(whole) => look(&whole.timeline()),
        }
    }
}
