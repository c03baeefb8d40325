//! Which session meets which fault: a pure function of the plan.

use std::collections::{BTreeMap, BTreeSet};

use super::{Effect, Ending, Fault, Prediction, SessionOutcome, Strike, predict};
use crate::draws::{Draws, Purpose, Seed};
use crate::field::Kind;
use crate::ids::RecordingIndex;
use crate::scenario::{FaultShare, FaultSpec, Fidelity, Workload};
use crate::time::{Duration, Timestamp};
use crate::workload::{Call, Calls, Phase, phases};

/// A session that meets a fault.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Struck {
    /// Which of the scenario's faults, in its order.
    pub spec: usize,
    /// The fault.
    pub fault: Fault,
    /// When it strikes; the call's beginning if it is one of the set-up.
    pub at: Timestamp,
    /// How long it lasts, where that means something.
    pub lasts: Duration,
    /// What becomes of the session.
    pub prediction: Prediction,
}

/// Finds each call's fault. A call meets one at most: the first of the scenario's that strikes it.
#[derive(Clone, Debug)]
pub struct FaultPlan {
    seed: Seed,
    workload: Workload,
    phases: Vec<Phase>,
    /// The calls that are struck by count, with their fault.
    counted: BTreeMap<RecordingIndex, usize>,
}

impl FaultPlan {
    /// The plan of a run.
    #[must_use]
    pub fn new(workload: &Workload, seed: Seed) -> Self {
        let mut plan = Self {
            seed,
            workload: workload.clone(),
            phases: phases(workload),
            counted: BTreeMap::new(),
        };
        for spec in 0..workload.faults.len() {
            if let FaultShare::Count(count) = workload.faults[spec].share {
                plan.choose(spec, count);
            }
        }
        plan
    }

    /// Picks `count` of the eligible calls that are not struck otherwise: those with the smallest
    /// draws, which is a fair sample and depends on nothing but the plan.
    fn choose(&mut self, spec: usize, count: u32) {
        let mut chosen: BTreeSet<(u64, RecordingIndex)> = BTreeSet::new();
        let most = usize::try_from(count).unwrap_or(usize::MAX);
        for call in Calls::new(&self.workload, self.seed) {
            let free = !self.counted.contains_key(&call.index) && self.by_chance(&call).is_none();
            if !free || !self.is_eligible(spec, &call) {
                continue;
            }
            chosen.insert((self.draw(spec, &call), call.index));
            if chosen.len() > most {
                chosen.pop_last();
            }
        }
        let picked = chosen.into_iter().map(|(_, call)| (call, spec));
        self.counted.extend(picked);
    }

    /// The fault that `call` meets, if any.
    #[must_use]
    pub fn of(&self, call: &Call) -> Option<Struck> {
        if self.workload.faults.is_empty() {
            return None;
        }
        let by_count = self.counted.get(&call.index).copied();
        let spec = self.by_chance(call).or(by_count)?;
        let FaultSpec {
            fault, at, lasts, ..
        } = self.workload.faults[spec];
        let kind = fault.kind();
        let at = match kind.strike {
            Strike::SetUp => call.arrival,
            Strike::At | Strike::Over => call.arrival + at.of(call.duration),
        };
        Some(Struck {
            spec,
            fault,
            at,
            lasts,
            prediction: predict(call, effect(fault, lasts), at, lasts),
        })
    }

    /// What becomes of the session of `call`, faults considered.
    #[must_use]
    pub fn predict(&self, call: &Call) -> Prediction {
        match self.of(call) {
            Some(struck) => struck.prediction,
            None => Prediction {
                outcome: SessionOutcome::Unharmed,
                ended_at: call.ended_at(),
                ending: Ending::default(),
            },
        }
    }

    /// How far a session that is kept from coming up gets, in the words of reports.
    #[must_use]
    pub fn stopped_at(&self, call: &Call) -> &'static str {
        self.of(call).map_or("", |struck| struck.fault.stopped_at())
    }

    fn by_chance(&self, call: &Call) -> Option<usize> {
        let specs = self.workload.faults.iter().enumerate();
        specs
            .filter(|(spec, _)| self.is_eligible(*spec, call))
            .find(|(spec, fault)| match fault.share {
                FaultShare::Probability(share) => share.occurs(self.draw(*spec, call)),
                FaultShare::Count(_) => false,
            })
            .map(|(spec, _)| spec)
    }

    fn draw(&self, spec: usize, call: &Call) -> u64 {
        let nth = u32::try_from(spec).unwrap_or(u32::MAX);
        Draws::of_call(self.seed, call.index.0).draw_nth(Purpose::SessionFault, nth)
    }

    /// Whether the call is one that the fault can act on: a WebRTC call, real enough (or not real
    /// at all, where the prediction alone acts), begun in the right stage.
    fn is_eligible(&self, spec: usize, call: &Call) -> bool {
        let spec = &self.workload.faults[spec];
        let fidelity = self.workload.fidelity_of(self.seed, call);
        let real = fidelity == Fidelity::Model || fidelity >= spec.fault.kind().group.needs();
        let in_phase = spec.phase.is_none_or(|phase| {
            self.phases
                .get(phase)
                .is_some_and(|phase| (phase.start..phase.end).contains(&call.arrival))
        });
        call.kind == Kind::Webrtc && real && in_phase
    }
}

/// What the fault does, given how long it lasts.
fn effect(fault: Fault, lasts: Duration) -> Effect {
    let kind = fault.kind();
    if let Effect::LateSetUp(after) = kind.effect
        && kind.lasts > Duration::ZERO
    {
        // The first check that gets through must then be answered and the handshake done.
        let longer = lasts.saturating_sub(kind.lasts);
        return Effect::LateSetUp(after.saturating_add(longer));
    }
    kind.effect
}
