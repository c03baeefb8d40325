//! Where the chance of an organization's jobs comes from: draws, or values that were written down.

use std::collections::BTreeMap;

use crate::draws::Draws;
use crate::export::{ExportRules, JobTimes};
use crate::ids::RecordingIndex;

/// What chance makes of one recording's export: a job's times are those of its first recording.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct JobChance {
    /// The times of a job that the recording comes first in.
    pub times: JobTimes,
    /// Whether the job fails for the recording.
    pub fails: bool,
}

/// Chances of exports by recording, in the order of its exports.
pub type JobChances = BTreeMap<RecordingIndex, Vec<JobChance>>;

/// Where an organization's chance comes from.
#[derive(Clone, Debug)]
pub(crate) enum Chance {
    /// From draws.
    Drawn,
    /// From draws, which are noted.
    Noted(JobChances),
    /// From values, and how many exports of each recording there have been.
    Given(JobChances, BTreeMap<RecordingIndex, usize>),
}

impl Chance {
    /// From these values.
    pub(crate) const fn given(chances: JobChances) -> Self {
        Self::Given(chances, BTreeMap::new())
    }

    /// What chance makes of a job, and for which of its recordings it fails.
    pub(crate) fn meet(
        &mut self,
        rules: &ExportRules,
        draws: Draws,
        recordings: &[RecordingIndex],
    ) -> (JobTimes, Vec<RecordingIndex>) {
        let drawn = |recording: &RecordingIndex| JobChance {
            times: rules.times(draws),
            fails: rules.fails_by_chance(draws, *recording),
        };
        let met: Vec<JobChance> = match self {
            Self::Drawn => {
                let failing = recordings.iter().copied();
                let failing = failing.filter(|it| rules.fails_by_chance(draws, *it));
                return (rules.times(draws), failing.collect());
            }
            Self::Noted(noted) => {
                let note = |recording: &RecordingIndex| {
                    let chance = drawn(recording);
                    noted.entry(*recording).or_default().push(chance);
                    chance
                };
                recordings.iter().map(note).collect()
            }
            Self::Given(given, exports) => {
                let next = |recording: &RecordingIndex| {
                    let nth = exports.entry(*recording).or_default();
                    let all = given.get(recording).map_or(&[][..], Vec::as_slice);
                    let chance = all.get(*nth).or(all.last()).copied();
                    *nth += 1;
                    chance.unwrap_or_default()
                };
                recordings.iter().map(next).collect()
            }
        };
        let times = met.first().map(|chance| chance.times).unwrap_or_default();
        let failing = recordings.iter().zip(&met);
        let failing = failing.filter(|(_, chance)| chance.fails);
        (times, failing.map(|(recording, _)| *recording).collect())
    }
}
