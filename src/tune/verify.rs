//! The winner on seeds that nothing has seen, beside what was promised of it.

use racegate_model::analysis::{Accumulator, Exit, Tenant};
use racegate_model::history::{EndReason, JobRecord, Settled};
use racegate_model::ids::ArmIndex;
use racegate_model::recorder::Sink;
use racegate_model::scenario::{ReadPath, RequiredFields, Scenario};
use racegate_model::sim;
use racegate_model::stats::proportion_upper;
use racegate_model::time::Timestamp;
use racegate_model::timeline::Timeline;

use super::lags::Lags;
use super::search::Found;
use super::{certify, race};
use crate::load::context;

/// Seeds of a verification begin so far from the scenario's.
const FRESH: u64 = 1_000_000;
/// Repetitions of a verification.
const REPETITIONS: u32 = 20;

/// How soon the gate found recordings ready.
#[derive(Clone, Copy, PartialEq, Debug, Default)]
struct Looks {
    found: u64,
    delay_ns: u128,
}

/// Counts a run, and how soon after its fields were there each recording was found ready. What an
/// export job takes after that is not the schedule's.
struct Watched {
    accumulator: Accumulator,
    required: RequiredFields,
    reads: ReadPath,
    looks: Looks,
}

impl Sink for Watched {
    fn timeline(&mut self, arm: ArmIndex, timeline: &Timeline) {
        self.accumulator.timeline(arm, timeline);
    }

    fn settled(&mut self, settled: &Settled, timeline: &Timeline) {
        self.accumulator.settled(settled, timeline);
        let required = self.required.of(timeline.kind);
        let ready = timeline.fields_at(self.reads, required).ever();
        if let (Some(ready), Some(found)) = (ready, settled.approved_at) {
            self.looks.found += 1;
            self.looks.delay_ns += u128::from(found.since(ready).as_nanos());
        }
    }

    fn job(&mut self, job: &JobRecord) {
        self.accumulator.job(job);
    }

    fn end(&mut self, at: Timestamp, reason: EndReason, ended: &[u64]) {
        Sink::end(&mut self.accumulator, at, reason, ended);
    }
}

/// Simulates the winner on fresh seeds, and says whether the promise held.
#[must_use]
pub fn verify(scenario: &Scenario, lags: &Lags, found: &Found) -> Exit {
    let request = scenario.arms[0].gates[0].request;
    let gate = race::gate("tuned", &found.chosen, lags.reads, request);
    let first = scenario.seed.0.wrapping_add(FRESH);
    let mut looks = Looks::default();
    let mut all: Option<Accumulator> = None;
    for alone in race::alone(scenario, vec![gate], first, REPETITIONS) {
        let mut watched = Watched {
            accumulator: Accumulator::new(&alone, context(&alone, Tenant::all(&alone))),
            required: alone.arms[0].required,
            reads: lags.reads,
            looks,
        };
        sim::run(&alone, &mut watched);
        looks = watched.looks;
        all = Some(match all {
            None => watched.accumulator,
            Some(all) => all.merge(watched.accumulator),
        });
    }
    let summary = all.map(|all| all.summary());
    let Some(summary) = summary.as_ref().and_then(|summary| summary.gates.first()) else {
        return Exit::Internal("nothing was simulated".to_owned());
    };
    let outcomes = &summary.total.outcomes;
    let failed = outcomes.abandoned + outcomes.incomplete;
    let settled = summary.total.recordings - outcomes.in_flight;
    let upper = proportion_upper(failed, settled, certify::LEVEL).unwrap_or(1.0);
    let words = format!(
        "verified on {settled} recordings of {REPETITIONS} fresh seeds: {:.2} calls (promised \
         {:.2}), found ready {:.2} s after its fields were there (promised {:.2}), {failed} \
         abandoned or incomplete, at most {:.3} % at 95 % (promised {:.3} %)",
        summary.calls_per_recording,
        found.chosen.cost.calls,
        looks.delay_ns as f64 / looks.found.max(1) as f64 / 1e9,
        found.chosen.cost.delay_when_found(),
        100.0 * upper,
        100.0 * found.bound,
    );
    if upper <= found.bound {
        Exit::Met(words)
    } else if failed as f64 / settled.max(1) as f64 > found.bound {
        Exit::Failed(words)
    } else {
        Exit::Inconclusive(words)
    }
}
