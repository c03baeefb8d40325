//! A tenant that loads its platform by its own calls: both advance together, instant by instant.

use super::{World, record};
use crate::ids::RecordingIndex;
use crate::org::Recordings as _;
use crate::recorder::Sink;
use crate::time::Timestamp;
use crate::timeline::Timeline;
use crate::workload::Call;

impl World<'_> {
    /// Runs the only tenant on its own platform. At one instant the platform comes first, then
    /// the tenant, then what the tenant's reads take.
    pub(super) fn run_coupled(&mut self, sink: &mut impl Sink) {
        let mut next = self.ends.next();
        let mut until = Timestamp::NEVER;
        while let Some(now) = self.next_instant(next.as_ref()).filter(|at| *at <= until) {
            self.now = now;
            while let Some(call) = next.filter(|call| call.ended_at() <= now) {
                self.platform.handle_input(now, &call);
                self.ended += 1;
                next = self.ends.next();
            }
            if next.is_none() && until.is_never() {
                until = now + self.scenario.limits.drain;
            }
            self.platform.handle_timeout(now);
            self.distribute(sink);
            self.advance_tenant(now, sink);
            if next.is_none() && self.open() == 0 {
                break;
            }
        }
        self.finish(sink);
    }

    fn next_instant(&self, call: Option<&Call>) -> Option<Timestamp> {
        let tenants = self
            .tenants
            .iter()
            .filter_map(|tenant| tenant.next_timeout());
        let others = [call.map(Call::ended_at), self.platform.poll_timeout()];
        others.into_iter().flatten().chain(tenants).min()
    }

    fn advance_tenant(&mut self, now: Timestamp, sink: &mut impl Sink) {
        let mut reads: Vec<RecordingIndex> = Vec::new();
        for tenant in &mut self.tenants {
            tenant.advance(now, &self.timelines);
            reads.append(&mut tenant.take_reads());
            record(&mut self.recorder, tenant, sink);
        }
        for recording in reads {
            if let Some(kind) = self.timelines.read(recording, Timeline::taken_for) {
                self.platform.read(now, recording, kind);
            }
        }
        for recording in self.recorder.take_done() {
            self.timelines.0.remove(&recording);
        }
    }
}
