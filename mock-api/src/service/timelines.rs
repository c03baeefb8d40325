//! Timelines by recording, read without a lock.

use std::fmt;
use std::sync::{Arc, OnceLock};

use arc_swap::ArcSwapOption;
use racegate_model::ids::RecordingIndex;
use racegate_model::org::Recordings;
use racegate_model::timeline::Timeline;

/// Recordings per chunk, chunks per shelf, and shelves: 64 million recordings. Shelf and chunk are
/// allocated when their first recording comes: a server may have hundreds of arms.
const CHUNK: usize = 1024;
const SHELF: usize = 256;
const SHELVES: usize = 256;

type Chunk = Box<[ArcSwapOption<Timeline>]>;
type Shelf = Box<[OnceLock<Chunk>]>;

/// The timelines of one arm.
pub struct Timelines {
    shelves: Box<[OnceLock<Shelf>]>,
}

impl Default for Timelines {
    fn default() -> Self {
        Self {
            shelves: (0..SHELVES).map(|_| OnceLock::new()).collect(),
        }
    }
}

impl Timelines {
    /// The timeline of `recording`.
    #[must_use]
    pub fn get(&self, recording: RecordingIndex) -> Option<Arc<Timeline>> {
        self.slot(recording)?.load_full()
    }

    fn slot(&self, recording: RecordingIndex) -> Option<&ArcSwapOption<Timeline>> {
        let (shelf, chunk, at) = position(recording)?;
        self.shelves.get(shelf)?.get()?.get(chunk)?.get()?.get(at)
    }

    /// There is no such recording any more.
    pub(crate) fn forget(&self, recording: RecordingIndex) {
        if let Some(slot) = self.slot(recording) {
            slot.store(None);
        }
    }

    /// Sets the timeline of its recording. Recordings beyond the bound are not kept.
    pub(crate) fn set(&self, timeline: Arc<Timeline>) {
        let Some((shelf, chunk, at)) = position(timeline.recording) else {
            return;
        };
        let Some(shelf) = self.shelves.get(shelf) else {
            return;
        };
        let shelf = shelf.get_or_init(|| (0..SHELF).map(|_| OnceLock::new()).collect());
        let Some(chunk) = shelf.get(chunk) else {
            return;
        };
        let chunk = chunk.get_or_init(|| (0..CHUNK).map(|_| ArcSwapOption::empty()).collect());
        if let Some(slot) = chunk.get(at) {
            slot.store(Some(timeline));
        }
    }
}

impl Recordings for Timelines {
    type Recording = Timeline;

    fn read<T>(&self, recording: RecordingIndex, read: impl FnOnce(&Timeline) -> T) -> Option<T> {
        self.slot(recording)?.load().as_deref().map(read)
    }
}

impl fmt::Debug for Timelines {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shelves = self.shelves.iter().filter_map(OnceLock::get);
        let chunks = shelves
            .flatten()
            .filter(|chunk| chunk.get().is_some())
            .count();
        f.debug_struct("Timelines")
            .field("chunks", &chunks)
            .finish()
    }
}

/// Shelf, chunk on it, and place in that.
fn position(recording: RecordingIndex) -> Option<(usize, usize, usize)> {
    let index = usize::try_from(recording.0).ok()?;
    let chunk = index / CHUNK;
    Some((chunk / SHELF, chunk % SHELF, index % CHUNK))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_index_within_the_bound_has_a_place_of_its_own() {
        let last = (CHUNK * SHELF * SHELVES - 1) as u64;
        let indices = [0, 1, 1023, 1024, (CHUNK * SHELF) as u64, last];
        let places: Vec<_> = indices
            .into_iter()
            .filter_map(|index| position(RecordingIndex(index)))
            .collect();
        let expected = [
            (0, 0, 0),
            (0, 0, 1),
            (0, 0, 1023),
            (0, 1, 0),
            (1, 0, 0),
            (SHELVES - 1, SHELF - 1, CHUNK - 1),
        ];
        assert_eq!(places, expected);
        let timelines = Timelines::default();
        assert!(timelines.slot(RecordingIndex(last + 1)).is_none());
        timelines.forget(RecordingIndex(u64::MAX));
    }
}
