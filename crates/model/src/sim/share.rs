//! Which recordings of a run are simulated where.
//!
//! Where recordings meet in nothing but the platform's queues, each core takes the platform through
//! all of them, which is cheap, and gates and accounts through its share. Arms whose tenants meet are
//! run whole, on one core each.

use crate::ids::{RecordingIndex, TenantIndex};

/// Neighbouring recordings that stay together: accounts forget what they have seen in full.
const STRETCH: u64 = 4_096;

/// A part of a run's recordings.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Share {
    nth: u64,
    of: u64,
    /// Recordings from the first on that are all in the first share.
    together: u64,
}

impl Share {
    /// All recordings.
    pub const ALL: Self = Self {
        nth: 0,
        of: 1,
        together: 0,
    };

    /// `count` shares; the first one has all recordings before number `together`.
    pub fn split(count: u64, together: u64) -> impl Iterator<Item = Self> {
        let of = count.max(1);
        (0..of).map(move |nth| Self { nth, of, together })
    }

    /// Whether the recording is in it.
    #[inline]
    pub(super) const fn owns(self, recording: RecordingIndex) -> bool {
        if recording.0 < self.together {
            return self.nth == 0;
        }
        self.of == 1 || (recording.0 / STRETCH) % self.of == self.nth
    }

    /// Whether it is the first one.
    pub(super) const fn is_first(self) -> bool {
        self.nth == 0
    }

    /// Whether the arm whose first tenant is `first` is run here, if it is run whole: it has all
    /// recordings, so also those that are all in the first share.
    pub(super) fn has(self, first: TenantIndex) -> bool {
        if self.together > 0 {
            return self.nth == 0;
        }
        u64::from(first.0) % self.of == self.nth
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_recording_is_in_one_share() {
        for count in [1, 2, 7] {
            let shares: Vec<Share> = Share::split(count, 5_000).collect();
            assert_eq!(shares.len() as u64, count);
            for recording in (0..100_000).step_by(97).map(RecordingIndex) {
                let owners = shares.iter().filter(|share| share.owns(recording));
                assert_eq!(owners.count(), 1, "{recording:?} of {count}");
            }
            assert!((0..5_000).all(|index| shares[0].owns(RecordingIndex(index))));
        }
    }
}
