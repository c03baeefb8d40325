//! One arm whose tenants' calls meet each other: the event engine.
//!
//! The platform is advanced a chunk of session ends at a time, then every tenant up to the same
//! instant. Tenants only read timelines, and what is decided later is not visible earlier, so the
//! size of a chunk means nothing. Ties are ordered by content: the platform before the exporter,
//! then by recording.

use super::closed;
use super::recordings::{Kept, Slots};
use super::tenant::{Subjects, Tenant};
use crate::draws::{Draws, Purpose, Seed};
use crate::exporter::Output as Over;
use crate::history::Settled;
use crate::ids::{ArmIndex, TenantIndex};
use crate::judge::Judge;
use crate::order::{Event, OrderHash, Trace};
use crate::outcome::OutcomeKind;
use crate::platform::{Block, Known, Notifications, Output, Platform, notifications};
use crate::recorder::Sink;
use crate::scenario::{Arm, Scenario};
use crate::time::Timestamp;
use crate::timeline::{Decided, Timeline};
use crate::workload::SessionEnds;

/// Session ends that the platform runs ahead of the tenants. Large enough that switching between
/// them costs nothing, small enough to stay in cache.
const CHUNK: usize = 256;

/// How an arm ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Ended {
    /// Recordings.
    pub(super) recordings: u64,
    /// The last instant.
    pub(super) at: Timestamp,
    /// In which order it went, where that was noted.
    pub(super) order: Option<OrderHash>,
}

/// The order of events: the platform's, and each tenant's. They are folded in this order at the
/// end, since how far one runs ahead of the others means nothing.
#[derive(Clone, Debug, Default)]
struct Orders {
    first: TenantIndex,
    seed: Seed,
    platform: OrderHash,
    tenants: Option<Vec<OrderHash>>,
}

impl Orders {
    fn platform(&mut self, kept: &Kept, what: impl FnOnce(&Timeline) -> (Timestamp, u8)) {
        if self.tenants.is_some() {
            let recording = kept.recording();
            let draws = Draws::of_call(self.seed, recording.0);
            let (at, kind) = kept.look(what);
            self.platform.event(Event {
                at,
                kind,
                recording,
                tenant: None,
                draws: draws.draw(Purpose::MediaLag),
            });
        }
    }

    #[inline]
    fn tenant(&mut self, event: Event) {
        let Some(tenants) = &mut self.tenants else {
            return;
        };
        let position = event.tenant.map_or(0, |tenant| tenant.0 - self.first.0);
        if let Some(order) = tenants.get_mut(position as usize) {
            order.event(event);
        }
    }

    fn folded(self) -> Option<OrderHash> {
        let mut folded = self.platform;
        for order in &self.tenants? {
            folded.append(order);
        }
        Some(folded)
    }
}

/// One arm.
pub(super) struct World<'a> {
    pub(super) scenario: &'a Scenario,
    arm: &'a Arm,
    index: ArmIndex,
    pub(super) ends: SessionEnds,
    pub(super) platform: Platform,
    notifications: Notifications,
    pub(super) tenants: Vec<Tenant>,
    slots: Slots,
    block: Block,
    judge: Judge,
    orders: Orders,
    pub(super) ended: u64,
    last_end: Timestamp,
    pub(super) now: Timestamp,
}

impl<'a> World<'a> {
    pub(super) fn new(
        scenario: &'a Scenario,
        arm: &'a Arm,
        index: ArmIndex,
        first: TenantIndex,
    ) -> Self {
        let seed = scenario.seed;
        let gates = arm.gates.iter().zip((first.0..).map(TenantIndex));
        let tenant = |(gate, tenant)| Tenant::new(tenant, gate, arm, seed);
        let mut platform = Platform::new(arm, &scenario.workload, seed);
        if arm.is_coupled() {
            platform = platform.of_tenant(first);
        }
        Self {
            scenario,
            arm,
            index,
            ends: SessionEnds::of_workload(&scenario.workload, seed),
            platform,
            notifications: notifications(&arm.platform.notification, seed),
            tenants: gates.map(tenant).collect(),
            slots: Slots::new(arm.gates.len()),
            block: Block::default(),
            judge: Judge::new(arm, first, seed),
            orders: Orders::default(),
            ended: 0,
            last_end: Timestamp::ZERO,
            now: Timestamp::ZERO,
        }
    }

    /// The same arm, which also notes the order of events.
    pub(super) fn noting_order(mut self, first: TenantIndex) -> Self {
        let tenants = vec![OrderHash::default(); self.arm.gates.len()];
        let subjects = if closed::suits(self.arm) {
            Subjects::Recordings
        } else {
            Subjects::Jobs
        };
        let noting = self.tenants.into_iter();
        self.tenants = noting.map(|it| it.noting_calls(subjects)).collect();
        self.orders = Orders {
            first,
            seed: self.scenario.seed,
            platform: OrderHash::default(),
            tenants: Some(tenants),
        };
        self
    }

    pub(super) fn run<S: Sink>(mut self, sink: &mut S) -> Ended {
        if self.arm.is_coupled() {
            return self.run_coupled(sink);
        }
        while !sink.is_stopped() && self.end_some(sink) {
            self.advance(self.last_end, sink);
        }
        // After the last session the wait for what is in flight is bounded.
        self.advance(self.now + self.scenario.limits.drain, sink);
        self.finish(sink)
    }

    /// Decides what is left, and hands it over.
    pub(super) fn finish<S: Sink>(mut self, sink: &mut S) -> Ended {
        while let Some(at) = self.platform.poll_timeout() {
            // What nobody waits for any more is still decided, so that fates are known.
            self.platform.handle_timeout(at);
        }
        self.distribute(sink);
        Ended {
            recordings: self.ended,
            at: self.now,
            order: self.orders.folded(),
        }
    }

    /// Ends a chunk of sessions; whether there were any.
    fn end_some<S: Sink>(&mut self, sink: &mut S) -> bool {
        let before = self.ended;
        let faultless = self.scenario.workload.faults.is_empty();
        if faultless && self.platform.decides_alike() {
            return self.end_block(sink);
        }
        let at_once = faultless && self.platform.decides_at_end();
        for _ in 0..CHUNK {
            let Some(call) = self.ends.next() else { break };
            self.last_end = call.ended_at();
            self.ended += 1;
            if at_once {
                let timeline = self.platform.whole(&call).timeline();
                self.decided(Kept::Timeline(Box::new(timeline)), sink);
            } else {
                let ending = self.ends.ending();
                self.platform.handle_session(self.last_end, &call, ending);
            }
        }
        self.ended > before
    }

    /// The same, all together.
    fn end_block<S: Sink>(&mut self, sink: &mut S) -> bool {
        let mut block = std::mem::take(&mut self.block);
        let last = block.take(&mut self.ends);
        if let Some(last) = last {
            self.last_end = last.ended_at();
            self.ended += block.len() as u64;
            self.platform.decide_block(&mut block);
            for position in 0..block.len() {
                let whole = block.whole_at(&self.platform, position);
                let slot = self.slots.put_whole(whole);
                self.announce(slot);
                self.show(slot, sink);
                self.slots.release(slot);
            }
        }
        self.block = block;
        last.is_some()
    }

    fn advance<S: Sink>(&mut self, horizon: Timestamp, sink: &mut S) {
        self.platform.handle_timeout(horizon);
        self.distribute(sink);
        let last = self.advance_tenants(horizon, sink).max(self.now);
        let draining = self.ends.is_drained();
        self.now = if draining && self.open_count() == 0 {
            last.max(self.last_end)
        } else {
            horizon
        };
    }

    /// Runs the tenants until `horizon`. Returns the instant of the last thing that happened.
    pub(super) fn advance_tenants<S: Sink>(
        &mut self,
        horizon: Timestamp,
        sink: &mut S,
    ) -> Timestamp {
        let mut last = Timestamp::ZERO;
        let slots = &mut self.slots;
        for tenant in &mut self.tenants {
            last = last.max(tenant.advance(horizon, slots));
            tenant
                .drain_calls()
                .for_each(|call| self.orders.tenant(call));
            for output in tenant.drain_outputs() {
                match output {
                    Over::Job(job) => sink.job(&job),
                    Over::Command(_) => {}
                    Over::Settled(settled) => {
                        if let Some(slot) = slots.slot_of(settled.recording) {
                            settle(slot, settled, slots, &self.judge, sink);
                        }
                    }
                }
            }
        }
        last
    }

    /// Recordings that some tenant has not settled.
    pub(super) fn open_count(&self) -> usize {
        self.tenants.iter().map(Tenant::open_count).sum()
    }

    /// Hands what the platform has decided to the tenants.
    pub(super) fn distribute<S: Sink>(&mut self, sink: &mut S) {
        while let Some(output) = self.platform.poll_output() {
            match output {
                Output::Began(timeline) => {
                    self.put(Kept::Timeline(Box::new(timeline)));
                }
                Output::Decided(timeline) => {
                    self.decided(Kept::Timeline(Box::new(timeline)), sink);
                }
            }
        }
    }

    fn decided<S: Sink>(&mut self, kept: Kept, sink: &mut S) {
        let slot = self.put(kept);
        self.show(slot, sink);
        for settled in self.slots.decide(slot) {
            conclude(settled, self.slots.kept(slot), &self.judge, sink);
        }
        self.slots.release(slot);
    }

    /// All of the recording in `slot` is decided.
    fn show<S: Sink>(&mut self, slot: u32, sink: &mut S) {
        self.notify(slot, Known::WhenDecided);
        let kept = self.slots.kept(slot);
        self.orders
            .platform(kept, |timeline| (timeline.written_at, 1));
        sink.decided(self.index, kept);
    }

    fn put(&mut self, kept: Kept) -> u32 {
        let (slot, is_new) = self.slots.put(kept);
        if is_new {
            self.announce(slot);
        }
        slot
    }

    /// The recording in `slot` is new.
    fn announce(&mut self, slot: u32) {
        let kept = self.slots.kept(slot);
        self.orders
            .platform(kept, |timeline| (timeline.ended_at, 0));
        self.tenants
            .iter_mut()
            .for_each(|tenant| tenant.announce(kept));
        self.notify(slot, Known::AtEnd);
    }

    fn notify(&mut self, slot: u32, known: Known) {
        let kept = self.slots.kept(slot);
        for tenant in &mut self.tenants {
            let Some(event) = tenant.listens() else {
                continue;
            };
            kept.look(|timeline| {
                if self.notifications.known(event, timeline) != known {
                    return;
                }
                let kind = timeline.taken_for();
                let required = self.arm.required.of(kind);
                for notification in self.notifications.of(event, timeline, required) {
                    tenant.notify(notification, kind);
                }
            });
        }
    }
}

fn settle<S: Sink>(slot: u32, settled: Settled, slots: &mut Slots, judge: &Judge, sink: &mut S) {
    if let Some(settled) = slots.settle(slot, settled) {
        conclude(settled, slots.kept(slot), judge, sink);
    }
    slots.release(slot);
}

/// Fate and cause are known when all instants are.
#[inline]
pub(super) fn conclude<S: Sink>(
    mut settled: Settled,
    recording: &impl Decided,
    judge: &Judge,
    sink: &mut S,
) {
    if settled.outcome != OutcomeKind::Complete && settled.fate.is_none() {
        (settled.fate, settled.cause) = recording.look(|timeline| judge.judge(&settled, timeline));
    }
    sink.concluded(&settled, recording);
}
