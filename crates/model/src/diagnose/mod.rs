//! Counterfactual attribution: the same recordings on the same platform with one cause taken away at
//! a time, and two at a time where causes hide behind each other.
//!
//! All variants meet the same calls and the same draws, so a recording that is exported complete
//! without the cause, and not with it, was kept from it by that cause.

mod counterfactual;

pub use counterfactual::Counterfactual;

use std::cmp::Reverse;

use crate::draws::Seed;
use crate::history::{EndReason, JobRecord, Settled};
use crate::ids::ArmIndex;
use crate::index_set::IndexSet;
use crate::outcome::OutcomeKind;
use crate::recorder::Sink;
use crate::scenario::{Arm, Scenario};
use crate::stats::{Interval, MeanEstimate};
use crate::time::Timestamp;
use crate::timeline::{Decided, Timeline};
use counterfactual::Removal;

/// Causes whose pairs are looked at: the ones that explain most by themselves.
const PAIRED: usize = 4;

/// What explains the incomplete exports of one gate.
#[derive(Clone, PartialEq, Debug)]
pub struct Diagnosis {
    /// The gate.
    pub gate: String,
    /// The share of recordings that it did not export complete, over seeds.
    pub failing: Interval,
    /// Causes and pairs of causes, the one that explains most first.
    pub explained: Vec<Explained>,
    /// Other gates of the scenario, the one that repairs most first.
    pub gates: Vec<Repairing>,
}

/// What taking causes away repairs.
#[derive(Clone, PartialEq, Debug)]
pub struct Explained {
    /// One cause, or two at once.
    pub removed: Vec<Counterfactual>,
    /// The share of the failing recordings that are complete without them, over seeds.
    pub share: Interval,
}

/// What another gate repairs.
#[derive(Clone, PartialEq, Debug)]
pub struct Repairing {
    /// The gate.
    pub gate: String,
    /// The share of the failing recordings that it exports complete, over seeds.
    pub share: Interval,
}

/// Diagnoses the gates of the scenario's first arm over the seeds `seed`, `seed + 1`, ….
///
/// # Panics
/// Never: a scenario has an arm, and an arm has a gate.
#[must_use]
pub fn diagnose(scenario: &Scenario, seeds: u32) -> Vec<Diagnosis> {
    let base = &scenario.arms[0];
    let singles = Variants::of_singles(base);
    let alone = singles.measure(scenario, seeds);
    let mut pairs = Variants::default();
    for gate in 0..base.gates.len() {
        pairs.add_pairs(base, &alone.strongest(&singles, gate));
    }
    let together = pairs.measure(scenario, seeds);
    (0..base.gates.len())
        .map(|gate| {
            let mut explained = alone.explained(&singles, gate);
            let interacting = together.explained(&pairs, gate);
            explained.extend(
                interacting
                    .into_iter()
                    .filter(|pair| adds(pair, &alone.explained(&singles, gate))),
            );
            // Of causes that explain as much, the one that is taken away with less comes first.
            explained.sort_by_key(|one| (Reverse(coarse(one.share)), one.removed.clone()));
            Diagnosis {
                gate: base.gates[gate].name.clone(),
                failing: alone.failing(gate),
                explained,
                gates: alone.repairing(base, gate),
            }
        })
        .collect()
}

/// A share in steps of half a percent: what differs by less is as much.
fn coarse(share: Interval) -> u64 {
    let steps = (share.estimate * 200.0).round().clamp(0.0, 200.0);
    (0_u32..=200)
        .rfind(|step| f64::from(*step) <= steps)
        .map_or(0, u64::from)
}

/// Whether a pair explains clearly more than the stronger of its two by itself.
fn adds(pair: &Explained, alone: &[Explained]) -> bool {
    let best = alone
        .iter()
        .filter(|single| pair.removed.contains(&single.removed[0]))
        .map(|single| single.share.high)
        .fold(0.0, f64::max);
    pair.share.low > best
}

/// The base arm's variants, each without some causes.
#[derive(Debug, Default)]
struct Variants {
    removed: Vec<Vec<Counterfactual>>,
    arms: Vec<Arm>,
}

impl Variants {
    fn of_singles(base: &Arm) -> Self {
        let mut variants = Self::default();
        for cause in Counterfactual::ALL {
            variants.add(base, &[cause]);
        }
        variants
    }

    fn add_pairs(&mut self, base: &Arm, causes: &[Counterfactual]) {
        for (at, first) in causes.iter().enumerate() {
            for second in &causes[at + 1..] {
                let mut pair = [*first, *second];
                pair.sort_unstable();
                if !self.removed.iter().any(|known| known[..] == pair) {
                    self.add(base, &pair);
                }
            }
        }
    }

    /// Adds the arm without all of `causes`, if it has all of them.
    fn add(&mut self, base: &Arm, causes: &[Counterfactual]) {
        let mut arm = base.clone();
        let removed = causes.iter().map(|cause| cause.apply(&mut arm));
        if removed.collect::<Vec<_>>().contains(&Removal::Absent) {
            return;
        }
        arm.name = format!("without-{}", self.arms.len());
        self.removed.push(causes.to_vec());
        self.arms.push(arm);
    }

    /// Runs the base arm and the variants at each seed.
    fn measure(&self, scenario: &Scenario, seeds: u32) -> Measured {
        let gates = scenario.arms[0].gates.len();
        let mut measured = Measured::default();
        if self.arms.is_empty() {
            return measured;
        }
        for replication in 0..u64::from(seeds) {
            let mut varied = scenario.clone();
            varied.seed = Seed(scenario.seed.0.wrapping_add(replication));
            varied.arms.truncate(1);
            varied.arms.extend(self.arms.iter().cloned());
            let mut counted = Counted::new(gates * varied.arms.len());
            crate::sim::run(&varied, &mut counted);
            measured.add(&counted, gates);
        }
        measured
    }
}

/// What each tenant did not export complete, in one run.
struct Counted {
    failing: Vec<Vec<u64>>,
    complete: Vec<IndexSet>,
    all: Vec<u64>,
}

impl Counted {
    fn new(tenants: usize) -> Self {
        Self {
            failing: vec![Vec::new(); tenants],
            complete: vec![IndexSet::default(); tenants],
            all: vec![0; tenants],
        }
    }
}

impl Sink for Counted {
    fn decided(&mut self, _: ArmIndex, _: &impl Decided) {}

    fn concluded(&mut self, settled: &Settled, _: &impl Decided) {
        let tenant = settled.tenant.0 as usize;
        self.all[tenant] += 1;
        if settled.outcome == OutcomeKind::Complete {
            self.complete[tenant].insert(settled.recording.0);
        } else {
            self.failing[tenant].push(settled.recording.0);
        }
    }

    fn timeline(&mut self, _: ArmIndex, _: &Timeline) {}
    fn settled(&mut self, settled: &Settled, timeline: &Timeline) {
        self.concluded(settled, timeline);
    }
    fn job(&mut self, _: &JobRecord) {}
    fn end(&mut self, _: Timestamp, _: EndReason, _: &[u64]) {}
}

/// Shares of every seed, by gate of the base arm.
#[derive(Debug, Default)]
struct Measured {
    /// Of all recordings: failing.
    failing: Vec<Vec<f64>>,
    /// Of the failing ones, by variant: complete without its causes.
    repaired: Vec<Vec<Vec<f64>>>,
    /// Of the failing ones, by other gate of the base arm: complete there.
    elsewhere: Vec<Vec<Vec<f64>>>,
}

impl Measured {
    fn add(&mut self, counted: &Counted, gates: usize) {
        let variants = counted.all.len() / gates - 1;
        if self.failing.is_empty() {
            self.failing = vec![Vec::new(); gates];
            self.repaired = vec![vec![Vec::new(); variants]; gates];
            self.elsewhere = vec![vec![Vec::new(); gates]; gates];
        }
        for gate in 0..gates {
            let failing = &counted.failing[gate];
            let all = counted.all[gate].max(1);
            self.failing[gate].push(failing.len() as f64 / all as f64);
            if failing.is_empty() {
                continue;
            }
            let share = |tenant: usize| {
                let complete = &counted.complete[tenant];
                let repaired = failing.iter().filter(|index| complete.contains(**index));
                repaired.count() as f64 / failing.len() as f64
            };
            for variant in 0..variants {
                self.repaired[gate][variant].push(share((variant + 1) * gates + gate));
            }
            for other in 0..gates {
                self.elsewhere[gate][other].push(share(other));
            }
        }
    }

    fn failing(&self, gate: usize) -> Interval {
        interval(self.failing.get(gate).map_or(&[], Vec::as_slice))
    }

    fn explained(&self, variants: &Variants, gate: usize) -> Vec<Explained> {
        let Some(repaired) = self.repaired.get(gate) else {
            return Vec::new();
        };
        let found = variants.removed.iter().zip(repaired);
        found
            .filter(|(_, shares)| shares.iter().any(|share| *share > 0.0))
            .map(|(removed, shares)| Explained {
                removed: removed.clone(),
                share: interval(shares),
            })
            .collect()
    }

    /// The causes that explain most by themselves.
    fn strongest(&self, variants: &Variants, gate: usize) -> Vec<Counterfactual> {
        let Some(repaired) = self.repaired.get(gate) else {
            return Vec::new();
        };
        let mut causes: Vec<(f64, Counterfactual)> = variants
            .removed
            .iter()
            .zip(repaired)
            .map(|(removed, shares)| (interval(shares).estimate, removed[0]))
            .collect();
        causes.sort_by(|a, b| b.0.total_cmp(&a.0));
        causes.truncate(PAIRED);
        causes.into_iter().map(|(_, cause)| cause).collect()
    }

    fn repairing(&self, base: &Arm, gate: usize) -> Vec<Repairing> {
        let Some(elsewhere) = self.elsewhere.get(gate) else {
            return Vec::new();
        };
        let others = base.gates.iter().zip(elsewhere).enumerate();
        let mut found: Vec<Repairing> = others
            .filter(|(other, (_, shares))| *other != gate && !shares.is_empty())
            .map(|(_, (spec, shares))| Repairing {
                gate: spec.name.clone(),
                share: interval(shares),
            })
            .collect();
        found.sort_by(|a, b| b.share.estimate.total_cmp(&a.share.estimate));
        found
    }
}

/// The mean over seeds with its 95 % interval, within [0, 1].
fn interval(shares: &[f64]) -> Interval {
    let Some(mean) = MeanEstimate::across(shares) else {
        return Interval::exact(0.0);
    };
    let found = mean.interval().unwrap_or(Interval::exact(mean.mean));
    Interval {
        estimate: found.estimate,
        low: found.low.max(0.0),
        high: found.high.min(1.0),
    }
}
