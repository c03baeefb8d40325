//! What a run of a scenario takes, before it is run: reckoned from rates, so that it takes no time
//! however much that is.

use mock_api::room::{self, NoRoom, Room, whole};
use racegate_model::analysis::Exit;
use racegate_model::scenario::{Engine, Scenario};
use racegate_model::time::Timestamp;
use racegate_model::workload::Estimate;

/// What a run of a scenario takes, as expected over seeds.
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
    /// Bytes of memory that a live run takes, audio above all.
    pub live_bytes: u64,
    /// Bytes of memory that a simulated run takes at least.
    pub sim_bytes: u64,
    /// Bytes that the run's folder takes.
    pub folder_bytes: u64,
}

/// Calls of a simulated run: at a million recordings a second they take three hours.
const SIM_CALLS_MAX: u64 = 10_000_000_000;
/// Calls of a live run: places that the mock has for planned calls.
const LIVE_CALLS_MAX: u64 = mock_api::traffic::PLANNED_MAX;
/// Per tenant: connections under way and pooled, of which both ends are ours.
const FILES_PER_TENANT: u64 = 2 * 128;
/// Listeners, log files, the runtime's own.
const FILES_FIXED: u64 = 64;
/// A simulated call under way: its entry in the order of ends, its timeline.
const SIM_BYTES_PER_CALL: f64 = 150.0;
/// A timeline of the written history, held while the table of recordings is made.
const BYTES_PER_TIMELINE: f64 = 120.0;
/// Address space that a simulated run reserves beside what it uses: a run of 2,000 recordings had
/// 70 MB resident and 220 MB reserved.
const SIM_RESERVED: f64 = 150e6;
/// The same of a live run: stacks and heaps of its threads, buffers of its shards.
const LIVE_RESERVED: f64 = 1e9;
/// Code, tables of distributions, histograms.
const BYTES_FIXED: f64 = 60e6;
/// A settled pair and its share of a timeline in the compressed history, the table of recordings.
const FOLDER_BYTES_PER_PAIR: f64 = 160.0;
/// Reports and pictures.
const FOLDER_BYTES_FIXED: f64 = 2e6;

impl Plan {
    /// The plan of `scenario`.
    #[must_use]
    pub fn of(scenario: &Scenario) -> Self {
        let estimate = Estimate::of(&scenario.workload);
        let tenants: usize = scenario.arms.iter().map(|arm| arm.gates.len()).sum();
        let live_tenants = scenario.arms.first().map_or(0, |arm| arm.gates.len()) as u64;
        let written = estimate.calls.min(scenario.limits.history as f64);
        let timelines = written * scenario.arms.len() as f64 * BYTES_PER_TIMELINE;
        let peak_sessions = whole(estimate.peak_real_calls.ceil());
        Self {
            calls: whole(estimate.calls.round()),
            real_sessions: whole(estimate.real_calls.round()),
            peak_calls: whole(estimate.peak_calls.ceil()),
            peak_sessions,
            last_end: rounded(estimate.last_end),
            file_descriptors: 2 * peak_sessions + live_tenants * FILES_PER_TENANT + FILES_FIXED,
            live_bytes: whole(room::of_recordings(&estimate) + timelines + BYTES_FIXED),
            sim_bytes: whole(estimate.peak_calls * SIM_BYTES_PER_CALL + timelines + BYTES_FIXED),
            folder_bytes: whole(
                written * tenants as f64 * FOLDER_BYTES_PER_PAIR + FOLDER_BYTES_FIXED,
            ),
        }
    }

    /// Refuses what is too large to be run by `engine` on this machine.
    ///
    /// # Errors
    /// With the numbers and a way out.
    pub fn ensure_fits(&self, engine: Engine) -> Result<(), Exit> {
        let (most, needed) = match engine {
            Engine::Sim => (SIM_CALLS_MAX, self.sim_bytes),
            Engine::Live => (LIVE_CALLS_MAX, self.live_bytes),
        };
        if self.calls > most {
            return Err(Exit::Scenario(format!(
                "the run is too large: about {} calls ({} at once), and an engine `{}` takes at \
                 most {most}; lower the rates or the duration",
                self.calls,
                self.peak_calls,
                engine.name()
            )));
        }
        let way_out = match engine {
            Engine::Sim => "lower the rates, shorten the calls, or lower limits.history_limit",
            Engine::Live => {
                "lower the rates, shorten the calls or the run, or run it with --engine sim"
            }
        };
        let reserved = match engine {
            Engine::Sim => SIM_RESERVED,
            Engine::Live => LIVE_RESERVED,
        };
        let told = |error: NoRoom| Exit::internal(format!("memory: {error}"));
        Room::ensure_address_space(needed as f64 + reserved, "the run").map_err(told)?;
        Room::ensure(needed as f64, "the run", way_out).map_err(told)
    }
}

/// To a tenth of a second: an estimate is no closer.
fn rounded(at: Timestamp) -> Timestamp {
    const TENTH: u64 = 100_000_000;
    Timestamp::from_nanos(at.as_nanos().div_ceil(TENTH).saturating_mul(TENTH))
}

#[cfg(test)]
mod tests {
    use racegate_scenario::{Source, parse};

    use super::*;

    fn plan(rate: &str, duration: &str, call: &str) -> Plan {
        let text = format!(
            "name = \"a\"\n[workload]\nexecutor = \"constant-arrival-rate\"\nrate = \"{rate}\"\n\
             duration = \"{duration}\"\ncall_duration = \"{call}\"\nmedia = {{ sip = 1 }}\n\
             [[gate]]\nname = \"g\"\nstrategy = \"none\"\n"
        );
        Plan::of(&parse(&Source::new("a.toml", text), &[]).unwrap())
    }

    #[test]
    fn what_is_too_large_is_refused_with_the_numbers_and_a_way_out() {
        let huge = plan("1000000/s", "30d", "1s");
        for engine in [Engine::Sim, Engine::Live] {
            let error = huge.ensure_fits(engine).unwrap_err();
            assert_eq!(error.code(), 104);
            let reason = error.reason();
            assert!(reason.contains("about 2592000000000 calls"), "{reason}");
            assert!(
                reason.contains("lower the rates or the duration"),
                "{reason}"
            );
        }
        // A thousand calls of a month each leave 12 TB of audio, and next to nothing simulated.
        let long = plan("10/s", "100s", "30d");
        assert_eq!(long.ensure_fits(Engine::Sim), Ok(()));
        if Room::left().is_some() {
            let error = long.ensure_fits(Engine::Live).unwrap_err();
            assert!(
                error
                    .reason()
                    .contains("memory: the run needs about 11.6 TB"),
                "{error}"
            );
        }
    }

    #[test]
    fn an_ordinary_run_fits() {
        let plan = plan("100/s", "60s", "5s");
        assert_eq!(
            (plan.calls, plan.real_sessions, plan.peak_sessions),
            (6000, 0, 0)
        );
        assert!((500..=650).contains(&plan.peak_calls), "{plan:?}");
        assert_eq!(plan.ensure_fits(Engine::Sim), Ok(()));
        assert_eq!(plan.ensure_fits(Engine::Live), Ok(()));
    }
}
