//! What a run of a scenario takes, before it is run.

use racegate_model::scenario::{Fidelity, Scenario};
use racegate_model::time::Timestamp;
use racegate_model::workload::Calls;

/// What a run of a scenario takes.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    /// Calls, warm-up included.
    pub calls: u64,
    /// Of them with a real session in a live run.
    pub real_sessions: u64,
    /// Most calls at once.
    pub peak_calls: u64,
    /// Most real sessions at once.
    pub peak_sessions: u64,
    /// When the last session ends.
    pub last_end: Timestamp,
    /// File descriptors of a live run: a WebSocket has two ends in one process.
    pub file_descriptors: u64,
    /// Bytes of audio held in memory by a live run.
    pub audio_bytes: u64,
    /// Bytes that the run's folder takes.
    pub folder_bytes: u64,
}

/// Per tenant: connections under way and pooled, of which both ends are ours.
const FILES_PER_TENANT: u64 = 2 * 128;
/// Listeners, log files, the runtime's own.
const FILES_FIXED: u64 = 64;
/// An Opus frame and its share of the Ogg page, 50 of them a second.
const AUDIO_BYTES_PER_SECOND: u64 = 50 * 90;
/// A settled pair and its share of a timeline in the compressed history, the table of recordings.
const FOLDER_BYTES_PER_PAIR: u64 = 160;
/// Reports and pictures.
const FOLDER_BYTES_FIXED: u64 = 2_000_000;

impl Plan {
    /// The plan of `scenario`, from its actual calls.
    #[must_use]
    pub fn of(scenario: &Scenario) -> Self {
        let mut changes = Vec::new();
        let mut plan = Self {
            calls: 0,
            real_sessions: 0,
            peak_calls: 0,
            peak_sessions: 0,
            last_end: Timestamp::ZERO,
            file_descriptors: 0,
            audio_bytes: 0,
            folder_bytes: 0,
        };
        let mut audio_ms = 0;
        for call in Calls::new(&scenario.workload, scenario.seed) {
            let real = scenario.workload.fidelity_of(scenario.seed, &call) > Fidelity::Model;
            plan.calls += 1;
            plan.real_sessions += u64::from(real);
            plan.last_end = plan.last_end.max(call.ended_at());
            audio_ms += call.duration.as_nanos() / 1_000_000;
            changes.push((call.arrival, 1_i64, real));
            changes.push((call.ended_at(), -1, real));
        }
        (plan.peak_calls, plan.peak_sessions) = peaks(changes);
        let tenants: usize = scenario.arms.iter().map(|arm| arm.gates.len()).sum();
        let live_tenants = scenario.arms.first().map_or(0, |arm| arm.gates.len()) as u64;
        plan.file_descriptors =
            2 * plan.peak_sessions + live_tenants * FILES_PER_TENANT + FILES_FIXED;
        plan.audio_bytes = audio_ms * AUDIO_BYTES_PER_SECOND / 1000;
        let written = plan.calls.min(scenario.limits.history);
        plan.folder_bytes = written * tenants as u64 * FOLDER_BYTES_PER_PAIR + FOLDER_BYTES_FIXED;
        plan
    }
}

/// Most calls and most real sessions at once.
fn peaks(mut changes: Vec<(Timestamp, i64, bool)>) -> (u64, u64) {
    changes.sort_unstable();
    let (mut calls, mut sessions, mut peak_calls, mut peak_sessions) = (0_i64, 0_i64, 0, 0);
    for (_, change, real) in changes {
        calls += change;
        sessions += if real { change } else { 0 };
        peak_calls = peak_calls.max(calls);
        peak_sessions = peak_sessions.max(sessions);
    }
    (peak_calls.unsigned_abs(), peak_sessions.unsigned_abs())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_that_ends_as_another_begins_is_not_beside_it() {
        let at = |secs: u64| Timestamp::from_nanos(secs * 1_000_000_000);
        let changes = vec![
            (at(0), 1, true),
            (at(5), -1, true),
            (at(5), 1, false),
            (at(6), -1, false),
        ];
        assert_eq!(peaks(changes), (1, 1));
    }
}
