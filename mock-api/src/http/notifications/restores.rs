//! Recordings on their way back from the archive, of which somebody is to be told.

use std::collections::BTreeSet;

use parking_lot::Mutex;
use racegate_model::ids::{RecordingIndex, TenantIndex};
use racegate_model::time::Timestamp;
use tokio::sync::Notify;

/// Recordings on their way, at most; further ones come back untold.
const RESTORES_MAX: usize = 1 << 16;

/// A tenant's recording, and when it is back.
pub(in crate::http) type Restore = (Timestamp, RecordingIndex, TenantIndex);

/// What comes back, in order of time.
#[derive(Debug, Default)]
pub(in crate::http) struct Restores {
    awaited: Mutex<BTreeSet<Restore>>,
    earlier: Notify,
}

impl Restores {
    pub(in crate::http) fn expect(&self, restore: Restore) {
        let mut awaited = self.awaited.lock();
        if awaited.len() < RESTORES_MAX {
            awaited.insert(restore);
        }
        drop(awaited);
        self.earlier.notify_one();
    }

    /// Something was added: what is next may be another.
    pub(super) async fn changed(&self) {
        self.earlier.notified().await;
    }

    pub(super) fn next_at(&self) -> Option<Timestamp> {
        self.awaited.lock().first().map(|(at, ..)| *at)
    }

    /// Takes what is due until `now`.
    pub(super) fn take_due(&self, now: Timestamp) -> Vec<Restore> {
        let mut awaited = self.awaited.lock();
        let mut due = Vec::new();
        while let Some(first) = awaited.first().copied().filter(|(at, ..)| *at <= now) {
            awaited.remove(&first);
            due.push(first);
        }
        due
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_due_is_taken_once_and_no_more_is_held_than_there_is_room_for() {
        let restores = Restores::default();
        let at = Timestamp::from_nanos;
        let of = |nth: usize| (at(nth as u64), RecordingIndex(nth as u64), TenantIndex(0));
        for nth in 0..RESTORES_MAX + 1 {
            restores.expect(of(nth));
        }
        assert_eq!(restores.next_at(), Some(at(0)));
        assert_eq!(restores.take_due(at(1)), [of(0), of(1)]);
        assert_eq!(restores.take_due(at(1)), []);
        let rest = restores.take_due(Timestamp::NEVER);
        assert_eq!(rest.last(), Some(&of(RESTORES_MAX - 1)));
        assert_eq!(restores.next_at(), None);
    }
}
