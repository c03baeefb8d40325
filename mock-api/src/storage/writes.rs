//! What a job puts into storage, and what of it did not get there.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use parking_lot::Mutex;
use racegate_model::ids::RecordingIndex;

/// The objects of one job. Those that go to somebody else's bucket are under way for a while, and
/// may be refused there.
#[derive(Debug, Default)]
pub struct JobWrites {
    under_way: AtomicUsize,
    refused: Mutex<BTreeSet<RecordingIndex>>,
    unanswered: AtomicBool,
}

impl JobWrites {
    /// Whether some of them are under way.
    #[must_use]
    pub fn are_under_way(&self) -> bool {
        self.under_way.load(Ordering::Acquire) > 0
    }

    /// An object of `recording` was not taken.
    pub fn refuse(&self, recording: RecordingIndex) {
        self.refused.lock().insert(recording);
    }

    /// Recordings of which an object was not taken.
    #[must_use]
    pub fn refused(&self) -> BTreeSet<RecordingIndex> {
        self.refused.lock().clone()
    }
}

/// One object of a job, under way until this is dropped.
#[derive(Debug)]
pub struct Write {
    of: Arc<JobWrites>,
    /// None for what is about all of them.
    recording: Option<RecordingIndex>,
}

impl Write {
    /// An object of `recording`, or about all recordings of the job.
    #[must_use]
    pub fn new(of: &Arc<JobWrites>, recording: Option<RecordingIndex>) -> Self {
        of.under_way.fetch_add(1, Ordering::AcqRel);
        Self {
            of: Arc::clone(of),
            recording,
        }
    }

    /// What tells its job from others while it is under way.
    pub(super) fn job(&self) -> usize {
        Arc::as_ptr(&self.of).addr()
    }

    /// The recording that it is of, if it is not about all of them.
    pub(super) const fn recording(&self) -> Option<RecordingIndex> {
        self.recording
    }

    /// Whether one of the same job was not answered: then nobody waits for its other recordings.
    pub(super) fn is_hopeless(&self) -> bool {
        self.recording.is_some() && self.of.unanswered.load(Ordering::Acquire)
    }

    /// It was not answered.
    pub(super) fn give_up(&self) {
        self.of.unanswered.store(true, Ordering::Release);
        self.refuse();
    }

    /// It was not taken.
    pub(super) fn refuse(&self) {
        if let Some(recording) = self.recording {
            self.of.refuse(recording);
        }
    }
}

impl Drop for Write {
    fn drop(&mut self) {
        self.of.under_way.fetch_sub(1, Ordering::AcqRel);
    }
}
