//! From when a recording's values are there to when each read path shows them, and `state`.

use super::decision::Alike;
use super::lags::Lags;
use crate::field::Kind;
use crate::time::{Duration, Timestamp};
use crate::timeline::FieldClock;

/// The instants `phase + k × interval`, at which the search index is refreshed or holds are swept.
#[derive(Clone, Copy, Debug)]
pub(super) struct Grid {
    interval: Duration,
    phase: Duration,
}

impl Grid {
    pub(super) const fn new(interval: Duration, phase: Duration) -> Self {
        Self { interval, phase }
    }

    /// The first one that is not before `at`; `at` itself when the interval is zero.
    #[inline(always)]
    pub(super) fn next(self, at: Timestamp) -> Timestamp {
        let (interval, phase) = (self.interval.as_nanos(), self.phase.as_nanos());
        if interval == 0 || at.is_never() {
            return at;
        }
        let since_phase = at.as_nanos().saturating_sub(phase);
        let steps = since_phase.div_ceil(interval);
        Timestamp::from_nanos(steps.saturating_mul(interval).saturating_add(phase))
    }

    /// The clock of fields whose values are there at `value_at` and which the index can read from
    /// `indexable_at` on, as that is known at `now`.
    #[inline(always)]
    pub(super) fn clock(
        self,
        now: Timestamp,
        value_at: Timestamp,
        indexable_at: Timestamp,
        lags: &Lags,
    ) -> FieldClock {
        if value_at.is_never() {
            return FieldClock::NEVER;
        }
        FieldClock {
            null_at: (value_at - lags.null).max(now).min(value_at),
            value_at,
            index_at: self.next(indexable_at + lags.index),
        }
    }
}

/// What `state` COMPLETED waits for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum StateAfter {
    Fields,
    Session,
}

impl StateAfter {
    /// When `state` is COMPLETED, as far as that is known at `now`, for a session that ended and
    /// was written at these instants; the `last` of its values comes then, if any comes.
    #[inline(always)]
    pub(super) fn at(
        self,
        now: Timestamp,
        (ended_at, written_at): (Timestamp, Timestamp),
        last: Timestamp,
        lag: Duration,
    ) -> Timestamp {
        match self {
            Self::Session => ended_at + lag,
            Self::Fields if written_at.is_never() => Timestamp::NEVER,
            // Where the last field never comes, the platform knows that now at the earliest.
            Self::Fields if last.is_never() => written_at.max(now) + lag,
            Self::Fields => last.max(now) + lag,
        }
    }
}

/// How one clock shows all groups of a recording.
#[derive(Clone, Copy, Debug)]
pub(super) struct Showing {
    /// Of all groups, after what is common to them.
    pub(super) lag: Duration,
    pub(super) refreshes: Grid,
    pub(super) state: StateAfter,
}

impl Showing {
    /// What is shown when of a recording that the pipeline has written at `written_at`.
    #[inline(always)]
    pub(super) fn of(
        self,
        taken_for: Kind,
        ended_at: Timestamp,
        written_at: Timestamp,
        lags: &Lags,
    ) -> Alike {
        let there_at = written_at + lags.common + self.lag;
        let clock = self.refreshes.clock(ended_at, there_at, there_at, lags);
        let (value_at, ends) = (clock.value_at, (ended_at, written_at));
        Alike {
            clock,
            taken_for,
            state_at: self.state.at(ended_at, ends, value_at, lags.state),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refresh_shows_what_was_ready_at_that_very_instant() {
        let (second, phase) = (Duration::from_secs(1), Duration::from_millis(300));
        let refreshes = Grid::new(second, phase);
        for (at, expected) in [(0, 300), (300, 300), (301, 1300), (1300, 1300)] {
            let at = Timestamp::ZERO + Duration::from_millis(at);
            let expected = Timestamp::ZERO + Duration::from_millis(expected);
            assert_eq!(refreshes.next(at), expected);
        }
        assert_eq!(refreshes.next(Timestamp::NEVER), Timestamp::NEVER);
    }
}
