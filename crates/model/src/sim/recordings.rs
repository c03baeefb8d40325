//! The recordings of one arm that a tenant still asks for: their timelines, and what was settled of
//! them before all was decided. Memory follows the recordings in flight.

use std::hash::{BuildHasherDefault, Hasher};

use hashbrown::HashMap;

use crate::draws::mix64;
use crate::field::Kind;
use crate::history::Settled;
use crate::ids::RecordingIndex;
use crate::org::Recordings;
use crate::platform::{Alike, Whole};
use crate::scenario::ReadPath;
use crate::time::Timestamp;
use crate::timeline::{Decided, Need, Timeline};

/// Recordings by slot. A slot is free again when its recording is decided and settled by all.
#[derive(Debug)]
pub(super) struct Slots {
    tenants: u32,
    entries: Vec<Entry>,
    free: Vec<u32>,
    /// Settled before all was decided, by slot.
    waiting: HashMap<u32, Vec<Settled>, BuildHasherDefault<Mix>>,
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
    pub(super) fn new(tenants: usize, names: Names) -> Self {
        Self {
            tenants: u32::try_from(tenants).unwrap_or(u32::MAX),
            entries: Vec::new(),
            free: Vec::new(),
            waiting: HashMap::default(),
            by_recording: (names == Names::Numbers).then(HashMap::default),
        }
    }

    /// Where the recording is.
    pub(super) fn slot_of(&self, recording: RecordingIndex) -> Option<u32> {
        self.by_recording.as_ref()?.get(&recording).copied()
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
        if let Some(names) = &mut self.by_recording {
            names.insert(recording, slot);
        }
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
        self.waiting.remove(&slot).unwrap_or_default()
    }

    /// Whether everything of the recording is decided.
    #[inline]
    pub(super) fn is_decided(&self, slot: u32) -> bool {
        self.entries[slot as usize].progress == Progress::Decided
    }

    /// Something of each cache line of the recording in `slot`.
    #[inline]
    pub(super) fn fetched(&self, slot: u32) -> u64 {
        let entry = &self.entries[slot as usize];
        entry.kept.ended_at().as_nanos() ^ u64::from(entry.settled)
    }

    /// A tenant has settled the recording.
    #[inline]
    pub(super) fn count_settled(&mut self, slot: u32) {
        self.entries[slot as usize].settled += 1;
    }

    /// A tenant has settled the recording. Gives it back if all of the recording is decided.
    pub(super) fn settle(&mut self, slot: u32, settled: Settled) -> Option<Settled> {
        let entry = &mut self.entries[slot as usize];
        entry.settled += 1;
        if entry.progress == Progress::Decided {
            return Some(settled);
        }
        self.waiting.entry(slot).or_default().push(settled);
        None
    }

    /// Frees the slot if nobody will ask for its recording again.
    pub(super) fn release(&mut self, slot: u32) {
        let entry = &self.entries[slot as usize];
        if entry.progress == Progress::Decided && entry.settled >= self.tenants {
            if let Some(names) = &mut self.by_recording {
                names.remove(&entry.kept.recording());
            }
            self.free.push(slot);
        }
    }
}

impl Recordings for Slots {
    fn read<T>(&self, recording: RecordingIndex, read: impl FnOnce(&Timeline) -> T) -> Option<T> {
        let slot = self.slot_of(recording)?;
        Some(self.kept(slot).look(read))
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
    fn write_u32(&mut self, number: u32) {
        self.0 = mix64(u64::from(number));
    }

    #[inline]
    fn write_u64(&mut self, number: u64) {
        self.0 = mix64(number);
    }
}
