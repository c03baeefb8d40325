//! A tenant's jobs as the API knows them: their ids, their queries, and what they selected.

use std::collections::BTreeMap;
use std::sync::Arc;

use parking_lot::RwLock;
use racegate_model::ids::{JobOrdinal, RecordingIndex};
use racegate_model::time::Timestamp;
use serde_json::value::RawValue;

use crate::http::clients::ClientIndex;
use crate::http::ids::Uuid;
use crate::http::wire::ApiDate;

/// Jobs that are remembered; the oldest is forgotten first.
const JOBS_MAX: usize = 65_536;
/// Bytes of queries that are remembered, likewise.
const QUERY_BYTES_MAX: usize = 64 << 20;

/// A job that was created.
#[derive(Debug)]
pub(in crate::http) struct JobEntry {
    pub(super) id: Uuid,
    pub(super) ordinal: JobOrdinal,
    pub(super) created_at: Timestamp,
    pub(super) selected: Vec<RecordingIndex>,
    pub(super) query: Box<RawValue>,
    pub(super) client: ClientIndex,
    pub(super) action: Action,
}

/// What a job does with the recordings that it selects.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(in crate::http) enum Action {
    Export,
    /// They go to the archive then.
    Archive(ActionAt),
    /// They are deleted then.
    Delete(ActionAt, Exports),
}

/// When that happens.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(in crate::http) enum ActionAt {
    Date(ApiDate),
    /// So many days after a recording was made.
    Age(u32),
}

/// What becomes of exports that are pending.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(in crate::http) enum Exports {
    Kept,
    Cleared,
}

impl Action {
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Export => "EXPORT",
            Self::Archive(_) => "ARCHIVE",
            Self::Delete(..) => "DELETE",
        }
    }
}

/// The jobs of a tenant.
#[derive(Debug, Default)]
pub(in crate::http) struct JobDesk {
    known: RwLock<Known>,
}

#[derive(Debug, Default)]
struct Known {
    jobs: BTreeMap<JobOrdinal, Arc<JobEntry>>,
    by_id: BTreeMap<Uuid, JobOrdinal>,
    /// The last job that was started for a recording, and when.
    exports: BTreeMap<RecordingIndex, (JobOrdinal, Timestamp)>,
    query_bytes: usize,
}

impl JobDesk {
    /// Adds a job; also returns those that are forgotten for it.
    pub(super) fn add(&self, entry: JobEntry) -> (Arc<JobEntry>, Vec<JobOrdinal>) {
        let mut forgotten = Vec::new();
        let entry = Arc::new(entry);
        let mut known = self.known.write();
        known.query_bytes += entry.query.get().len();
        known.by_id.insert(entry.id, entry.ordinal);
        known.jobs.insert(entry.ordinal, Arc::clone(&entry));
        while known.jobs.len() > JOBS_MAX
            || (known.query_bytes > QUERY_BYTES_MAX && known.jobs.len() > 1)
        {
            forgotten.extend(known.forget_oldest());
        }
        (entry, forgotten)
    }

    pub(super) fn find(&self, id: &str) -> Option<Arc<JobEntry>> {
        let id = Uuid::parse(id)?;
        let known = self.known.read();
        known.jobs.get(known.by_id.get(&id)?).cloned()
    }

    /// All of them, in the order in which they were created.
    pub(super) fn all(&self) -> Vec<Arc<JobEntry>> {
        self.known.read().jobs.values().cloned().collect()
    }

    /// Forgets all jobs and returns them.
    pub(in crate::http) fn clear(&self) -> Vec<JobOrdinal> {
        let known = std::mem::take(&mut *self.known.write());
        known.jobs.into_keys().collect()
    }

    pub(super) fn started(&self, now: Timestamp, entry: &JobEntry) {
        if entry.action != Action::Export {
            return;
        }
        let mut known = self.known.write();
        for recording in &entry.selected {
            known.exports.insert(*recording, (entry.ordinal, now));
        }
    }

    /// The recordings of the job of that id.
    pub(in crate::http) fn recordings_of(&self, id: &str) -> Option<Vec<RecordingIndex>> {
        Some(self.find(id)?.selected.clone())
    }

    /// The recordings of the job that was made at that instant.
    pub(in crate::http) fn recordings_of_job_made_at(
        &self,
        at: Timestamp,
    ) -> Option<Vec<RecordingIndex>> {
        let known = self.known.read();
        let made = known.jobs.values().rev().find(|job| job.created_at == at);
        Some(made?.selected.clone())
    }

    /// The last job that was started for a recording, and when.
    pub(in crate::http) fn export_of(
        &self,
        recording: RecordingIndex,
    ) -> Option<(JobOrdinal, Timestamp)> {
        self.known.read().exports.get(&recording).copied()
    }
}

impl Known {
    fn forget_oldest(&mut self) -> Option<JobOrdinal> {
        let (ordinal, entry) = self.jobs.pop_first()?;
        self.by_id.remove(&entry.id);
        self.query_bytes -= entry.query.get().len();
        for recording in &entry.selected {
            if self
                .exports
                .get(recording)
                .is_some_and(|(job, _)| *job == ordinal)
            {
                self.exports.remove(recording);
            }
        }
        Some(ordinal)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_remembered_is_bounded() {
        let desk = JobDesk::default();
        let query = format!("\"{}\"", "x".repeat(1 << 20));
        let entry = |ordinal: u64| JobEntry {
            id: Uuid::of(u128::from(ordinal) << 64),
            ordinal: JobOrdinal(ordinal),
            created_at: Timestamp::ZERO,
            selected: vec![RecordingIndex(ordinal)],
            query: RawValue::from_string(query.clone()).unwrap(),
            client: ClientIndex::default(),
            action: Action::Export,
        };
        let (first, _) = desk.add(entry(0));
        desk.started(Timestamp::ZERO, &first);
        assert!(desk.find(&first.id.to_string()).is_some());
        let forgotten: Vec<JobOrdinal> = (1..80)
            .flat_map(|ordinal| desk.add(entry(ordinal)).1)
            .collect();
        assert_eq!(forgotten.first(), Some(&JobOrdinal(0)));
        assert!(desk.find(&first.id.to_string()).is_none());
        assert_eq!(desk.export_of(RecordingIndex(0)), None);
        assert!(desk.all().len() < 64);
    }
}
