//! The simulated engine: the whole run in virtual time, deterministic by seed.
//!
//! Arms whose tenants cannot disturb each other are fused: no events at all. The others
//! run in a world of events. Both apply the same rules to the same timelines, so
//! an arm that suits both gives the same history, recording by recording.

mod closed;
mod coupled;
mod fused;
mod given;
mod one;
mod recordings;
mod share;
mod tenant;
mod world;

pub use given::{GivenOutcome, GivenRecording, GivenTenant, Until};
pub use one::One;
pub use share::Share;

use std::borrow::Cow;

use crate::fault::{FaultPlan, SessionOutcome};
use crate::history::{EndReason, JobRecord, Settled};
use crate::ids::{ArmIndex, TenantIndex};
use crate::order::OrderHash;
use crate::recorder::Sink;
use crate::scenario::{Arm, Scenario};
use crate::time::Timestamp;
use crate::timeline::{Decided, Timeline};
use crate::workload::Calls;
use world::World;

/// Which way an arm is run.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Path {
    /// Fused where that is possible, else by events.
    Auto,
    /// By events, whatever is possible.
    Events,
}

/// Runs all arms of `scenario`.
pub fn run(scenario: &Scenario, sink: &mut impl Sink) {
    run_parts(Path::Auto, Share::ALL, scenario, sink);
}

/// Runs all arms of `scenario` on `path`. What comes out is the same on all.
pub fn run_on<S: Sink>(path: Path, scenario: &Scenario, sink: &mut S) {
    run_parts(path, Share::ALL, scenario, sink);
}

/// Runs that `share` of the recordings of `scenario`; the numbers of all shares add up to those of
/// the run, whatever runs where.
pub fn run_share<S: Sink>(share: Share, scenario: &Scenario, sink: &mut S) {
    run_parts(Path::Auto, share, scenario, sink);
}

fn run_parts<S: Sink>(path: Path, share: Share, scenario: &Scenario, sink: &mut S) {
    let mut tenants_before = 0;
    let mut ended = Vec::new();
    let mut at = Timestamp::ZERO;
    if share.is_first() {
        report_not_established(scenario, sink);
    }
    for (index, arm) in (0_u32..).zip(&scenario.arms) {
        let index = ArmIndex(index);
        let mut recordings = 0;
        for (arm, first) in worlds(arm, TenantIndex(tenants_before)) {
            let ended = if path == Path::Auto && fused::suits(&arm) {
                fused::run(scenario, &arm, index, first, share, sink)
            } else if share.has(first) {
                World::new(scenario, &arm, index, first).run(sink)
            } else {
                continue;
            };
            recordings = ended.recordings;
            at = at.max(ended.at);
        }
        ended.push(recordings);
        tenants_before += u32::try_from(arm.gates.len()).unwrap_or(u32::MAX);
    }
    let reason = if sink.is_stopped() {
        EndReason::Interrupted
    } else {
        EndReason::Finished
    };
    sink.end(at, reason, &ended);
}

/// In which order the event engine does what it does: the same seed gives the same hashes, and tells
/// what changed when they do.
#[must_use]
pub fn order_of(scenario: &Scenario) -> OrderHash {
    let mut order = OrderHash::default();
    let mut tenants_before = 0;
    for (index, arm) in (0_u32..).zip(&scenario.arms) {
        for (arm, first) in worlds(arm, TenantIndex(tenants_before)) {
            let world = World::new(scenario, &arm, ArmIndex(index), first);
            let ended = world.noting_order(first).run(&mut Nobody);
            order.append(&ended.order.unwrap_or_default());
        }
        tenants_before += u32::try_from(arm.gates.len()).unwrap_or(u32::MAX);
    }
    order
}

/// Who looks at nothing.
struct Nobody;

impl Sink for Nobody {
    fn timeline(&mut self, _: ArmIndex, _: &Timeline) {}
    fn settled(&mut self, _: &Settled, _: &Timeline) {}
    fn decided(&mut self, _: ArmIndex, _: &impl Decided) {}
    fn concluded(&mut self, _: &Settled, _: &impl Decided) {}
    fn job(&mut self, _: &JobRecord) {}
    fn end(&mut self, _: Timestamp, _: EndReason, _: &[u64]) {}
}

/// What can be run by itself: an arm, or each of its tenants where they load their own platforms.
fn worlds(arm: &Arm, first: TenantIndex) -> Vec<(Cow<'_, Arm>, TenantIndex)> {
    if !arm.is_coupled() {
        return vec![(Cow::Borrowed(arm), first)];
    }
    let tenants = (0..arm.gates.len()).zip(first.0..);
    tenants
        .map(|(gate, tenant)| (Cow::Owned(arm.alone(gate)), TenantIndex(tenant)))
        .collect()
}

/// Tells of the sessions that a fault keeps from coming up: they are the same in every arm.
fn report_not_established(scenario: &Scenario, sink: &mut impl Sink) {
    if scenario.workload.faults.is_empty() {
        return;
    }
    let plan = FaultPlan::new(&scenario.workload, scenario.seed);
    for call in Calls::new(&scenario.workload, scenario.seed) {
        if plan.predict(&call).outcome == SessionOutcome::NotEstablished {
            sink.not_established(call.index, plan.stopped_at(&call));
        }
    }
}
