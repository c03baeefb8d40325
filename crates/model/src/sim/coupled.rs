//! A tenant that loads its platform by its own calls: both advance together, instant by instant.

use super::tenant::Tenant;
use super::world::{Ended, World};
use crate::recorder::Sink;
use crate::time::Timestamp;
use crate::workload::Call;

impl World<'_> {
    /// Runs the only tenant on its own platform. At one instant the platform comes first, then
    /// the tenant, then what the tenant's reads take.
    pub(super) fn run_coupled<S: Sink>(mut self, sink: &mut S) -> Ended {
        let mut next = self.ends.next();
        let mut ending = self.ends.ending();
        let mut until = Timestamp::NEVER;
        while let Some(now) = self.next_instant(next.as_ref()).filter(|at| *at <= until) {
            if sink.is_stopped() {
                next = None;
            }
            self.now = now;
            while let Some(call) = next.filter(|call| call.ended_at() <= now) {
                self.platform.handle_session(now, &call, ending);
                self.ended += 1;
                next = self.ends.next();
                ending = self.ends.ending();
            }
            if next.is_none() && until.is_never() {
                until = now + self.scenario.limits.drain;
            }
            self.platform.handle_timeout(now);
            self.distribute(sink);
            self.advance_tenants(now, sink);
            self.take_reads(now);
            if next.is_none() && self.open_count() == 0 {
                break;
            }
        }
        self.finish(sink)
    }

    fn next_instant(&self, call: Option<&Call>) -> Option<Timestamp> {
        let tenants = self.tenants.iter().filter_map(Tenant::next_timeout);
        let others = [call.map(Call::ended_at), self.platform.poll_timeout()];
        others.into_iter().flatten().chain(tenants).min()
    }

    fn take_reads(&mut self, now: Timestamp) {
        let tenants = self.tenants.iter_mut();
        let reads: Vec<_> = tenants.flat_map(Tenant::take_reads).collect();
        for (recording, kind) in reads {
            self.platform.read(now, recording, kind);
        }
    }
}
