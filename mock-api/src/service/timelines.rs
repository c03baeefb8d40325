//! Timelines by recording, read without a lock.

use std::fmt;
use std::sync::{Arc, OnceLock};

use arc_swap::ArcSwapOption;
use racegate_model::ids::RecordingIndex;
use racegate_model::org::Recordings;
use racegate_model::timeline::Timeline;

/// Recordings per chunk, and chunks at most: 64 million recordings. A chunk is allocated when its
/// first recording comes.
const CHUNK: usize = 4096;
const CHUNKS: usize = 16_384;

type Chunk = Box<[ArcSwapOption<Timeline>]>;

/// The timelines of one arm.
pub struct Timelines {
    chunks: Box<[OnceLock<Chunk>]>,
}

impl Default for Timelines {
    fn default() -> Self {
        Self {
            chunks: (0..CHUNKS).map(|_| OnceLock::new()).collect(),
        }
    }
}

impl Timelines {
    /// The timeline of `recording`.
    #[must_use]
    pub fn get(&self, recording: RecordingIndex) -> Option<Arc<Timeline>> {
        let (chunk, at) = position(recording)?;
        self.chunks.get(chunk)?.get()?.get(at)?.load_full()
    }

    /// There is no such recording any more.
    pub(crate) fn forget(&self, recording: RecordingIndex) {
        let slot = position(recording).and_then(|(chunk, at)| {
            let chunk = self.chunks.get(chunk)?.get()?;
            chunk.get(at)
        });
        if let Some(slot) = slot {
            slot.store(None);
        }
    }

    /// Sets the timeline of its recording. Recordings beyond the bound are not kept.
    pub(crate) fn set(&self, timeline: Arc<Timeline>) {
        let Some((chunk, at)) = position(timeline.recording) else {
            return;
        };
        let Some(chunk) = self.chunks.get(chunk) else {
            return;
        };
        let chunk = chunk.get_or_init(|| (0..CHUNK).map(|_| ArcSwapOption::empty()).collect());
        if let Some(slot) = chunk.get(at) {
            slot.store(Some(timeline));
        }
    }
}

impl Recordings for Timelines {
    fn read<T>(&self, recording: RecordingIndex, read: impl FnOnce(&Timeline) -> T) -> Option<T> {
        let (chunk, at) = position(recording)?;
        let slot = self.chunks.get(chunk)?.get()?.get(at)?.load();
        slot.as_deref().map(read)
    }
}

impl fmt::Debug for Timelines {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let chunks = self
            .chunks
            .iter()
            .filter(|chunk| chunk.get().is_some())
            .count();
        f.debug_struct("Timelines")
            .field("chunks", &chunks)
            .finish()
    }
}

fn position(recording: RecordingIndex) -> Option<(usize, usize)> {
    let index = usize::try_from(recording.0).ok()?;
    Some((index / CHUNK, index % CHUNK))
}
