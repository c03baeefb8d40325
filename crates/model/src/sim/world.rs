//! One arm whose tenants' calls meet each other: the event engine.
//!
//! The platform is advanced a chunk of session ends at a time, then every tenant up to the same
//! instant. Tenants only read timelines, and what is decided later is not visible earlier, so the
//! size of a chunk means nothing. Ties are ordered by content: the platform before the exporter,
//! then by recording.

use super::recordings::{Kept, Names, Slots};
use super::{Path, batch, solo};
use crate::draws::{Draws, Purpose, Seed};
use crate::history::{JobRecord, Settled};
use crate::ids::{ArmIndex, TenantIndex};
use crate::judge::Judge;
use crate::order::{Event, OrderHash, Trace};
use crate::outcome::OutcomeKind;
use crate::platform::{Block, Known, Notifications, Output, Platform, notifications};
use crate::recorder::Sink;
use crate::scenario::{Arm, GateSpec, Scenario};
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
    pub(super) tenants: Tenants,
    slots: Slots,
    block: Block,
    /// Whether some gate wants to be notified.
    listens: Listens,
    /// Settled by the tenant at hand: what is decided, by slot, and what is not.
    done: Vec<u32>,
    waiting: Vec<(u32, Settled)>,
    judge: Judge,
    orders: Orders,
    pub(super) ended: u64,
    last_end: Timestamp,
    pub(super) now: Timestamp,
}

/// What a tenant records of recordings with jobs of their own.
struct Taken<'a, S> {
    slots: &'a Slots,
    judge: &'a Judge,
    sink: &'a mut S,
    orders: &'a mut Orders,
    done: &'a mut Vec<u32>,
    waiting: &'a mut Vec<(u32, Settled)>,
}

impl<S: Sink> solo::Records for Taken<'_, S> {
    #[inline(always)]
    fn call(&mut self, event: impl FnOnce() -> Event) {
        if self.orders.tenants.is_some() {
            self.orders.tenant(event());
        }
    }

    #[inline(always)]
    fn job(&mut self, job: impl FnOnce() -> JobRecord) {
        self.sink.job(&job());
    }

    #[inline]
    fn settled(&mut self, slot: u32, settled: Settled) {
        if self.slots.is_decided(slot) {
            conclude(settled, self.slots.kept(slot), self.judge, self.sink);
            self.done.push(slot);
        } else {
            self.waiting.push((slot, settled));
        }
    }
}

/// Whether some gate wants to be notified.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Listens {
    Somebody,
    Nobody,
}

impl Listens {
    fn of(arm: &Arm) -> Self {
        let listens = |gate: &GateSpec| gate.strategy.listens().is_some();
        if arm.gates.iter().any(listens) {
            Self::Somebody
        } else {
            Self::Nobody
        }
    }
}

/// The tenants of an arm: all of one sort, since slots are the platform's.
pub(super) enum Tenants {
    /// Whose recordings go in jobs together.
    Batch(Vec<batch::Tenant>),
    /// Whose every recording has its own job.
    Solo(Vec<solo::Tenant>),
}

impl<'a> World<'a> {
    pub(super) fn new(
        path: Path,
        scenario: &'a Scenario,
        arm: &'a Arm,
        index: ArmIndex,
        first: TenantIndex,
    ) -> Self {
        let seed = scenario.seed;
        let gates = arm.gates.iter().zip((first.0..).map(TenantIndex));
        let tenants = if solo::suits(arm) && path != Path::Exporter {
            let limit = arm.platform.api.rate_limit;
            let solo =
                |(gate, tenant)| solo::Tenant::new(solo::Solo::new(tenant, gate, arm, seed), limit);
            Tenants::Solo(gates.map(solo).collect())
        } else {
            let batch = |(gate, tenant)| batch::Tenant::new(tenant, gate, arm, seed);
            Tenants::Batch(gates.map(batch).collect())
        };
        let mut platform = Platform::new(arm, &scenario.workload, seed);
        if arm.is_coupled() {
            platform = platform.of_tenant(first);
        }
        // Where all is decided at once, a recording is put into its slot once.
        let names = match &tenants {
            Tenants::Solo(_) if platform.decides_at_end() => Names::Slots,
            Tenants::Solo(_) | Tenants::Batch(_) => Names::Numbers,
        };
        Self {
            scenario,
            arm,
            index,
            ends: SessionEnds::of_workload(&scenario.workload, seed),
            platform,
            notifications: notifications(&arm.platform.notification, seed),
            tenants,
            slots: Slots::new(arm.gates.len(), names),
            block: Block::default(),
            listens: Listens::of(arm),
            done: Vec::new(),
            waiting: Vec::new(),
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
        self.now = if draining && self.tenants.open_count() == 0 {
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
        let (slots, judge, orders) = (&mut self.slots, &self.judge, &mut self.orders);
        match &mut self.tenants {
            Tenants::Batch(tenants) => {
                for tenant in tenants {
                    last = last.max(tenant.advance(horizon, slots));
                    for output in tenant.take_outputs() {
                        match output {
                            batch::Record::Job(job) => sink.job(&job),
                            batch::Record::Call(event) => orders.tenant(event),
                            batch::Record::Settled(settled) => {
                                if let Some(slot) = slots.slot_of(settled.recording) {
                                    settle(slot, settled, slots, judge, sink);
                                }
                            }
                        }
                    }
                }
            }
            Tenants::Solo(tenants) => {
                for tenant in tenants {
                    let (done, waiting) = (&mut self.done, &mut self.waiting);
                    let mut taken = Taken {
                        slots,
                        judge,
                        sink: &mut *sink,
                        orders: &mut *orders,
                        done,
                        waiting,
                    };
                    last = last.max(tenant.advance(horizon, slots, &mut taken));
                    for slot in done.drain(..) {
                        slots.count_settled(slot);
                        slots.release(slot);
                    }
                    for (slot, settled) in waiting.drain(..) {
                        settle(slot, settled, slots, judge, sink);
                    }
                }
            }
        }
        last
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
        } else if let Tenants::Solo(tenants) = &mut self.tenants {
            let kept = self.slots.kept(slot);
            tenants
                .iter_mut()
                .for_each(|tenant| tenant.decided(slot, kept));
        }
        slot
    }

    /// The recording in `slot` is new.
    fn announce(&mut self, slot: u32) {
        let kept = self.slots.kept(slot);
        self.orders
            .platform(kept, |timeline| (timeline.ended_at, 0));
        match &mut self.tenants {
            Tenants::Batch(tenants) => tenants.iter_mut().for_each(|tenant| tenant.announce(kept)),
            Tenants::Solo(tenants) => {
                tenants
                    .iter_mut()
                    .for_each(|tenant| tenant.announce(slot, kept));
            }
        }
        self.notify(slot, Known::AtEnd);
    }

    fn notify(&mut self, slot: u32, known: Known) {
        if self.listens == Listens::Nobody {
            return;
        }
        let timeline = &self.slots.kept(slot).timeline();
        let required = self.arm.required.of(timeline.taken_for());
        for (position, gate) in self.arm.gates.iter().enumerate() {
            let event = gate.strategy.listens();
            let event = event.filter(|e| self.notifications.known(*e, timeline) == known);
            let Some(event) = event else { continue };
            for notification in self.notifications.of(event, timeline, required) {
                let kind = timeline.taken_for();
                match &mut self.tenants {
                    Tenants::Batch(tenants) => tenants[position].notify(notification, kind, event),
                    Tenants::Solo(tenants) => tenants[position].notify(slot, notification, kind),
                }
            }
        }
    }
}

impl Tenants {
    pub(super) fn open_count(&self) -> usize {
        match self {
            Self::Batch(tenants) => tenants.iter().map(batch::Tenant::open_count).sum(),
            Self::Solo(tenants) => tenants.iter().map(solo::Tenant::open_count).sum(),
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
