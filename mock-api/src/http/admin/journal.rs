//! The journal: every request, in a ring. What it costs a request is a lock and a copy of its path;
//! which recordings were concerned, and what of them was visible, is worked out when somebody asks,
//! since a timeline answers for any instant of its past.

use std::time::{SystemTime, UNIX_EPOCH};

use axum::http::{Method, Uri};
use parking_lot::Mutex;
use racegate_model::ids::{RecordingIndex, TenantIndex};
use racegate_model::time::Timestamp;
use tokio::sync::watch;

/// Requests that a journal remembers unless told otherwise.
pub(crate) const JOURNAL_DEFAULT: u32 = 65_536;
/// Bytes of a path that are remembered.
const TARGET_MAX: usize = 1024;
/// Bytes that a slot keeps allocated for the next path.
const SLOT_KEPT: usize = 256;

/// A ring of requests.
#[derive(Debug)]
pub(crate) struct Journal {
    ring: Mutex<Ring>,
    /// Requests so far, for those who wait for the next one.
    answered: watch::Sender<u64>,
}

#[derive(Debug)]
struct Ring {
    slots: Vec<Entry>,
    capacity: u32,
    /// Requests so far; the next one's number.
    next: u64,
    /// The first one that a query may still find.
    first: u64,
}

/// A request that was answered, or lost.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    /// Its number: requests are counted in the order in which their answers were ready.
    pub(crate) sequence: u64,
    /// The run's time at which it was judged.
    pub(crate) at: Timestamp,
    /// Milliseconds after 1970 at which its answer was ready.
    pub(crate) wall_millis: i64,
    /// Who asked, if the token was good.
    pub(crate) tenant: Option<TenantIndex>,
    pub(crate) method: Method,
    /// Path and query.
    pub(crate) target: String,
    /// The answer's; 0 if there was none.
    pub(crate) status: u16,
    /// The rule that interfered.
    pub(crate) fault: Option<u64>,
    /// Of a write of ours that an external S3 refused.
    pub(crate) storage: Option<Box<StorageNote>>,
}

/// What an external S3 refused, and how.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct StorageNote {
    pub(crate) key: String,
    /// What it said, or what went wrong.
    pub(crate) words: String,
    pub(crate) recording: Option<RecordingIndex>,
}

/// What is put into the journal.
#[derive(Clone, Debug)]
pub(crate) struct Record<'a> {
    pub(crate) at: Timestamp,
    pub(crate) wall_millis: i64,
    pub(crate) tenant: Option<TenantIndex>,
    pub(crate) method: Method,
    /// Path and query.
    pub(crate) target: &'a str,
    pub(crate) status: u16,
    pub(crate) fault: Option<u64>,
    pub(crate) storage: Option<StorageNote>,
}

impl Journal {
    pub(crate) fn new(capacity: u32) -> Self {
        Self {
            ring: Mutex::new(Ring {
                slots: Vec::new(),
                capacity,
                next: 0,
                first: 0,
            }),
            answered: watch::Sender::new(0),
        }
    }

    /// Changes whenever a request was answered.
    pub(crate) fn answered(&self) -> watch::Receiver<u64> {
        self.answered.subscribe()
    }

    pub(crate) fn record(&self, record: Record<'_>) {
        let sequence = self.write(record);
        if self.answered.receiver_count() > 0 {
            self.answered.send_replace(sequence + 1);
        }
    }

    /// Writes a request down; returns its number.
    fn write(&self, record: Record<'_>) -> u64 {
        let mut ring = self.ring.lock();
        let sequence = ring.next;
        ring.next += 1;
        if ring.capacity == 0 {
            return sequence;
        }
        let capacity = u64::from(ring.capacity);
        let at = usize::try_from(sequence % capacity).unwrap_or(0);
        let mut target = match ring.slots.get_mut(at) {
            Some(slot) => std::mem::take(&mut slot.target),
            None => String::new(),
        };
        write_target(&mut target, record.target);
        let entry = Entry {
            sequence,
            at: record.at,
            wall_millis: record.wall_millis,
            tenant: record.tenant,
            method: record.method,
            target,
            status: record.status,
            fault: record.fault,
            storage: record.storage.map(Box::new),
        };
        match ring.slots.get_mut(at) {
            Some(slot) => *slot = entry,
            None => ring.slots.push(entry),
        }
        sequence
    }

    /// Forgets all requests, or one tenant's.
    pub(crate) fn clear(&self, tenant: Option<TenantIndex>) {
        let mut ring = self.ring.lock();
        if tenant.is_none() {
            ring.first = ring.next;
            return;
        }
        for slot in &mut ring.slots {
            if slot.tenant == tenant {
                slot.sequence = u64::MAX;
            }
        }
    }

    /// The remembered requests that `wanted` holds for, the oldest first, and how many were
    /// forgotten for want of room since the journal was last cleared.
    pub(crate) fn find(&self, mut wanted: impl FnMut(&Entry) -> bool) -> (Vec<Entry>, u64) {
        let ring = self.ring.lock();
        let held = ring.slots.len() as u64;
        let oldest = ring.next.saturating_sub(held);
        let forgotten = oldest.saturating_sub(ring.first);
        let split = usize::try_from(oldest % held.max(1)).unwrap_or(0);
        let (late, early) = ring.slots.split_at(split.min(ring.slots.len()));
        let known = |entry: &&Entry| {
            entry.sequence >= ring.first && entry.sequence < ring.next && wanted(entry)
        };
        let found = early.iter().chain(late).filter(known).cloned().collect();
        (found, forgotten)
    }

    /// What it takes in memory.
    pub(crate) fn bytes(&self) -> usize {
        let ring = self.ring.lock();
        let of_slot = |slot: &Entry| {
            let storage = slot.storage.as_ref();
            let note = storage
                .map(|it| size_of::<StorageNote>() + it.key.capacity() + it.words.capacity());
            slot.target.capacity() + note.unwrap_or(0)
        };
        let texts: usize = ring.slots.iter().map(of_slot).sum();
        texts + ring.slots.capacity() * size_of::<Entry>()
    }

    /// Requests so far.
    pub(crate) fn total(&self) -> u64 {
        self.ring.lock().next
    }
}

/// Path and query of a request.
pub(crate) fn target_of(uri: &Uri) -> &str {
    uri.path_and_query()
        .map_or(uri.path(), |target| target.as_str())
}

pub(crate) fn wall_millis() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| {
        i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
    })
}

fn write_target(target: &mut String, text: &str) {
    target.clear();
    target.shrink_to(SLOT_KEPT);
    let end = text.floor_char_boundary(TARGET_MAX);
    target.push_str(&text[..end]);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(journal: &Journal, path: &str, tenant: u32) {
        journal.record(Record {
            at: Timestamp::ZERO,
            wall_millis: 0,
            tenant: Some(TenantIndex(tenant)),
            method: Method::GET,
            target: path,
            status: 200,
            fault: None,
            storage: None,
        });
    }

    fn targets(journal: &Journal) -> Vec<String> {
        let (found, _) = journal.find(|_| true);
        found.into_iter().map(|entry| entry.target).collect()
    }

    #[test]
    fn the_oldest_request_makes_room_and_is_counted() {
        let journal = Journal::new(3);
        for path in ["/0", "/1", "/2", "/3", "/4?x=y"] {
            record(&journal, path, 0);
        }
        assert_eq!(targets(&journal), ["/2", "/3", "/4?x=y"]);
        assert_eq!(journal.find(|_| true).1, 2);
        assert_eq!(journal.total(), 5);
    }

    #[test]
    fn clearing_one_tenants_requests_leaves_the_others() {
        let journal = Journal::new(8);
        for tenant in [0, 1, 0, 1] {
            record(&journal, &format!("/{tenant}"), tenant);
        }
        journal.clear(Some(TenantIndex(0)));
        assert_eq!(targets(&journal), ["/1", "/1"]);
        journal.clear(None);
        assert_eq!(targets(&journal), Vec::<String>::new());
        record(&journal, "/2", 2);
        assert_eq!(targets(&journal), ["/2"]);
        assert_eq!(journal.find(|_| true).1, 0);
    }

    #[test]
    fn a_journal_of_no_length_only_counts() {
        let journal = Journal::new(0);
        record(&journal, "/0", 0);
        assert_eq!(targets(&journal), Vec::<String>::new());
        assert_eq!(journal.total(), 1);
    }

    #[test]
    fn a_long_path_is_cut_between_characters() {
        let journal = Journal::new(1);
        record(&journal, &format!("/{}", "x".repeat(5_000)), 0);
        assert_eq!(targets(&journal)[0].len(), TARGET_MAX);
    }
}
