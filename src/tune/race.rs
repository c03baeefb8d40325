//! Candidates in the event simulator, on the same calls, where gates share something: a rate
//! limit, job slots, or the platform itself. The worse half drops out after each round.

use racegate_model::analysis::{Accumulator, Tenant};
use racegate_model::draws::Seed;
use racegate_model::gate::{
    Backoff, ExponentialBackoff, Jitter, Looked, Polling, Readiness, Strategy,
};
use racegate_model::scenario::{ExportRequest, GateSpec, GateStart, ReadPath, Scenario, Slots};
use racegate_model::schedule::{FamilyFit, Price};
use racegate_model::sim;
use racegate_model::summary::GateSummary;
use racegate_model::time::{Duration, Fixed};

use super::lags::Lags;
use super::search::{Found, as_written};
use crate::load::context;

/// Rounds; each has twice the repetitions of the one before.
const ROUNDS: u32 = 4;
/// Candidates of the first round.
const CANDIDATES: usize = 16;

/// What a candidate came to in the simulator.
#[derive(Clone, Debug)]
pub struct Raced {
    /// The candidate.
    pub fit: FamilyFit,
    /// Its numbers, by the simulator.
    pub summary: GateSummary,
    /// Repetitions that it ran in.
    pub repetitions: u32,
}

/// Whether gates of the first arm cannot be judged by lags alone.
#[must_use]
pub fn is_coupled(scenario: &Scenario) -> bool {
    let arm = &scenario.arms[0];
    arm.is_coupled()
        || arm.platform.api.rate_limit.is_some()
        || arm.platform.export.slots != Slots::Unlimited
}

/// The gate of a fit, as a scenario has it.
#[must_use]
pub fn gate(name: &str, fit: &FamilyFit, reads: ReadPath, request: ExportRequest) -> GateSpec {
    let duration = Duration::from_secs_f64;
    let ready = match reads {
        ReadPath::Primary => Readiness::required_fields(),
        ReadPath::Index => Readiness {
            index_visible: Looked::Needed,
            ..Readiness::default()
        },
    };
    GateSpec {
        name: name.to_owned(),
        strategy: Strategy::ExponentialBackoff(ExponentialBackoff {
            backoff: Backoff {
                base: duration(fit.family.gap),
                multiplier: Fixed::new(fit.family.multiplier).unwrap_or(Fixed::ONE),
                cap: duration(fit.family.cap),
                jitter: Jitter::None,
            },
            polling: Polling {
                max_attempts: Some(fit.attempts),
                deadline: None,
                ready,
                ..Polling::after(duration(fit.family.first))
            },
        }),
        start: GateStart::SessionEnd,
        repair: None,
        request,
    }
}

/// The first arm of `scenario` with `gates`, at seeds from `first` on.
pub(super) fn alone(
    scenario: &Scenario,
    gates: Vec<GateSpec>,
    first: u64,
    repetitions: u32,
) -> impl Iterator<Item = Scenario> {
    let mut alone = scenario.clone();
    alone.arms.truncate(1);
    alone.arms[0].gates = gates;
    alone.expect.clear();
    (0..repetitions).map(move |repetition| Scenario {
        seed: Seed(first.wrapping_add(u64::from(repetition))),
        ..alone.clone()
    })
}

/// Runs `gates` on the first arm, with seeds from `first` on.
#[must_use]
pub fn simulate(
    scenario: &Scenario,
    gates: Vec<GateSpec>,
    first: u64,
    repetitions: u32,
) -> Vec<GateSummary> {
    let mut all: Option<Accumulator> = None;
    for alone in alone(scenario, gates, first, repetitions) {
        let mut one = Accumulator::new(&alone, context(&alone, Tenant::all(&alone)));
        sim::run(&alone, &mut one);
        all = Some(match all {
            None => one,
            Some(all) => all.merge(one),
        });
    }
    all.map_or_else(Vec::new, |all| all.summary().gates)
}

/// Races members of the front, the chosen one among them; the best comes first.
#[must_use]
pub fn race(scenario: &Scenario, lags: &Lags, found: &Found) -> Vec<Raced> {
    let (chosen, front, reads, bound) = (found.chosen, &found.front, lags.reads, found.bound);
    let request = scenario.arms[0].gates[0].request;
    let every = front.len().div_ceil(CANDIDATES - 1).max(1);
    let mut fits = vec![chosen];
    let members = front.iter().step_by(every);
    // What is raced is what would be written down.
    fits.extend(members.map(|fit| as_written(lags, fit, bound)));
    let mut raced = Vec::new();
    let (mut seed, mut repetitions) = (scenario.seed.0, 1);
    for _ in 0..ROUNDS {
        let gates = fits
            .iter()
            .zip(0_u32..)
            .map(|(fit, k)| gate(&format!("c{k}"), fit, reads, request));
        let summaries = simulate(scenario, gates.collect(), seed, repetitions);
        raced = fits
            .iter()
            .zip(summaries)
            .map(|(fit, summary)| Raced {
                fit: *fit,
                summary,
                repetitions,
            })
            .collect();
        raced.sort_by(|a, b| {
            worth(a, chosen.price, bound).total_cmp(&worth(b, chosen.price, bound))
        });
        raced.truncate(raced.len().div_ceil(2).max(3));
        fits = raced.iter().map(|one| one.fit).collect();
        seed = seed.wrapping_add(u64::from(repetitions));
        repetitions *= 2;
    }
    raced
}

/// Delay plus calls at their price; a candidate that fails too many comes after all that do not.
fn worth(raced: &Raced, price: Price, bound: f64) -> f64 {
    let summary = &raced.summary;
    let failed = summary.total.abandoned_rate.estimate + summary.total.incomplete_rate.estimate;
    let over = if failed > bound { 1e6 * failed } else { 0.0 };
    over + summary.regret.mean_s + price.seconds() * summary.calls_per_recording
}
