//! What a tenant itself has said of recordings: when they go, whether they may, and notes on them.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};

use parking_lot::RwLock;
use racegate_model::ids::RecordingIndex;

use super::wire::ApiDate;
use super::wire::annotation::Annotation;
use super::wire::recording::FileState;

/// What was said of one recording.
#[derive(Clone, Debug, Default)]
pub(super) struct Kept {
    pub(super) archive_at: Option<ApiDate>,
    pub(super) delete_at: Option<ApiDate>,
    /// Taken back from the archive until its new archive date; there is one then.
    pub(super) restored: Option<Restored>,
    /// Said by hand; without it the legal hold decides.
    pub(super) protection: Option<Protection>,
    pub(super) export: PendingExport,
    pub(super) orphan: OrphanFate,
    pub(super) file: FileSoundness,
    pub(super) annotations: Vec<Annotation>,
}

/// A recording was taken back from the archive.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Restored {
    /// When its audio can be played again.
    pub(super) at: ApiDate,
}

/// Deletion protection, said by hand.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Protection {
    Applied,
    Revoked,
}

/// Whether the date of a recording's export still stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) enum PendingExport {
    #[default]
    Standing,
    Cleared,
}

/// What was done with a recording while it had no metadata.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) enum OrphanFate {
    /// Nothing.
    #[default]
    Open,
    /// It was made a regular recording.
    Adopted,
    /// It was deleted.
    Deleted,
}

/// Whether the platform can make anything of a recording's file.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) enum FileSoundness {
    #[default]
    Sound,
    Damaged,
}

impl Kept {
    /// The state of a file that is stored, at the date `now`.
    pub(super) fn file_state(&self, now: ApiDate, protection: Protection) -> FileState {
        let deleted = self.delete_at.is_some_and(|at| at <= now);
        if self.orphan == OrphanFate::Deleted || deleted && protection == Protection::Revoked {
            FileState::Deleted
        } else if self.file == FileSoundness::Damaged {
            FileState::Error
        } else if self.archive_at.is_some_and(|at| at <= now) {
            FileState::Archived
        } else if let Some(restored) = self.restored {
            if restored.at <= now {
                FileState::Restored
            } else {
                FileState::Restoring
            }
        } else {
            FileState::Available
        }
    }
}

/// What a tenant has said of its recordings. One of which nothing was said costs nothing.
#[derive(Debug, Default)]
pub(super) struct Keeping {
    known: RwLock<BTreeMap<RecordingIndex, Kept>>,
    count: AtomicUsize,
}

impl Keeping {
    pub(super) fn of(&self, recording: RecordingIndex) -> Kept {
        if self.count.load(Ordering::Acquire) == 0 {
            return Kept::default();
        }
        let known = self.known.read();
        known.get(&recording).cloned().unwrap_or_default()
    }

    /// Nothing was ever said.
    pub(super) fn clear(&self) {
        let mut known = self.known.write();
        known.clear();
        self.count.store(0, Ordering::Release);
    }

    /// Changes what is said of a recording.
    pub(super) fn change<T>(
        &self,
        recording: RecordingIndex,
        change: impl FnOnce(&mut Kept) -> T,
    ) -> T {
        let mut known = self.known.write();
        let changed = change(known.entry(recording).or_default());
        self.count.store(known.len(), Ordering::Release);
        changed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn date(text: &str) -> Option<ApiDate> {
        ApiDate::parse(text)
    }

    #[test]
    fn a_protected_recording_outlives_its_date() {
        let kept = Kept {
            delete_at: date("2026-03-07"),
            ..Kept::default()
        };
        let (before, after) = (date("2026-03-06").unwrap(), date("2026-03-07").unwrap());
        assert_eq!(
            kept.file_state(before, Protection::Revoked),
            FileState::Available
        );
        assert_eq!(
            kept.file_state(after, Protection::Revoked),
            FileState::Deleted
        );
        assert_eq!(
            kept.file_state(after, Protection::Applied),
            FileState::Available
        );
    }

    #[test]
    fn a_damaged_recording_is_an_error_until_it_is_deleted() {
        let kept = Kept {
            archive_at: date("2026-03-06"),
            delete_at: date("2026-03-08"),
            file: FileSoundness::Damaged,
            ..Kept::default()
        };
        for (now, state) in [
            ("2026-03-05", FileState::Error),
            ("2026-03-07", FileState::Error),
            ("2026-03-08", FileState::Deleted),
        ] {
            let now = date(now).unwrap();
            assert_eq!(kept.file_state(now, Protection::Revoked), state);
        }
    }

    #[test]
    fn a_recording_is_restoring_then_restored_then_back_in_the_archive() {
        let kept = Kept {
            archive_at: date("2026-03-08"),
            restored: date("2026-03-07").map(|at| Restored { at }),
            ..Kept::default()
        };
        for (now, state) in [
            ("2026-03-06T23:59:59.999Z", FileState::Restoring),
            ("2026-03-07", FileState::Restored),
            ("2026-03-07T23:59:59.999Z", FileState::Restored),
            ("2026-03-08", FileState::Archived),
        ] {
            let now = date(now).unwrap();
            assert_eq!(kept.file_state(now, Protection::Revoked), state);
        }
    }
}
