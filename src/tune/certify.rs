//! What may be claimed of a schedule, from recordings that the search did not see.

use racegate_model::stats::{proportion_upper, trials_to_bound};
use racegate_model::survival::Observations;

/// How sure a claim is.
pub const LEVEL: f64 = 0.95;

/// What recordings that the search did not see say of the last check.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Certificate {
    /// Recordings that the last check does not find, or may not.
    pub missed: u64,
    /// Recordings looked at.
    pub recordings: u64,
    /// Upper bound of the share missed at 95 % (Clopper and Pearson); 1 without recordings.
    pub upper: f64,
}

impl Certificate {
    /// Counts the recordings that a last check at `last` seconds would miss. Where only
    /// bounds are known, a recording counts as missed if it may be later.
    #[must_use]
    pub fn of(held_out: &Observations, last: f64) -> Self {
        let late = held_out.iter().filter(|one| one.high > last);
        let missed = late.map(|one| one.count).sum();
        let recordings = held_out.total();
        Self {
            missed,
            recordings,
            upper: proportion_upper(missed, recordings, LEVEL).unwrap_or(1.0),
        }
    }

    /// Whether the share missed is certified to be below `bound`.
    #[must_use]
    pub fn holds(&self, bound: f64) -> bool {
        self.upper <= bound
    }
}

/// Recordings without a miss that certify `bound`.
#[must_use]
pub fn needed(bound: f64) -> Option<u64> {
    trials_to_bound(0, bound, LEVEL)
}

#[cfg(test)]
mod tests {
    use super::*;
    use racegate_model::survival::Observation;

    #[test]
    fn a_recording_that_may_be_late_counts_as_missed() {
        let held_out: Observations = [
            Observation::exact(3.0),
            Observation::between(4.0, 6.0),
            Observation::beyond(2.0),
        ]
        .into_iter()
        .collect();
        assert_eq!(Certificate::of(&held_out, 5.0).missed, 2);
        assert_eq!(Certificate::of(&held_out, 6.0).missed, 1);
    }

    #[test]
    fn a_thousandth_takes_2995_recordings() {
        assert_eq!(needed(1e-3), Some(2_995));
        let clean = |count| Certificate {
            missed: 0,
            recordings: count,
            upper: proportion_upper(0, count, LEVEL).unwrap_or(1.0),
        };
        assert!(clean(2_995).holds(1e-3) && !clean(2_994).holds(1e-3));
    }
}
