//! Tenants that load their platforms by their own calls: each advances with its own platform,
//! instant by instant.

use super::Path;
use super::world::{Ended, World};
use crate::ids::{ArmIndex, TenantIndex};
use crate::recorder::Sink;
use crate::scenario::{Arm, Scenario};
use crate::time::Timestamp;
use crate::workload::Call;

/// Runs the tenants of `arm`, counted from `first` on, one after the other.
pub(super) fn run<S: Sink>(
    scenario: &Scenario,
    arm: &Arm,
    index: ArmIndex,
    first: TenantIndex,
    sink: &mut S,
) -> Ended {
    let mut ended = Ended {
        recordings: 0,
        at: Timestamp::ZERO,
    };
    for (gate, tenant) in (0..arm.gates.len()).zip((first.0..).map(TenantIndex)) {
        let arm = arm.alone(gate);
        // What a tenant reads is told by the one that asks call by call.
        let mut world = World::new(Path::Exporter, scenario, &arm, index, tenant);
        world.platform = world.platform.of_tenant(tenant);
        let own = world.run_coupled(sink);
        ended.recordings = own.recordings;
        ended.at = ended.at.max(own.at);
    }
    ended
}

impl World<'_> {
    /// Runs the only tenant on its own platform. At one instant the platform comes first, then
    /// the tenant, then what the tenant's reads take.
    fn run_coupled<S: Sink>(mut self, sink: &mut S) -> Ended {
        let mut next = self.ends.next();
        let mut until = Timestamp::NEVER;
        while let Some(now) = self.next_instant(next.as_ref()).filter(|at| *at <= until) {
            while let Some(call) = next.filter(|call| call.ended_at() <= now) {
                self.platform.handle_input(now, &call);
                self.last_end = now;
                self.ended += 1;
                next = self.ends.next();
            }
            if next.is_none() && until.is_never() {
                until = now + self.scenario.limits.drain;
            }
            self.advance(now, sink);
            for (recording, kind) in self.tenants.take_reads() {
                self.platform.read(now, recording, kind);
            }
            if next.is_none() && self.tenants.open_count() == 0 {
                break;
            }
        }
        self.finish(sink)
    }

    fn next_instant(&self, call: Option<&Call>) -> Option<Timestamp> {
        let others = [
            call.map(Call::ended_at),
            self.platform.poll_timeout(),
            self.tenants.next_timeout(),
        ];
        others.into_iter().flatten().min()
    }
}
