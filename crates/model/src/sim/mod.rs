//! The simulated engine: the whole run in virtual time, deterministic by seed.
//!
//! Each arm's platform is advanced a chunk of session ends at a time, then every tenant up to the
//! same instant. Tenants only read timelines, and what is decided later is not visible earlier, so
//! the size of a chunk means nothing. Ties are ordered by content: the platform before the
//! exporter, then by recording.

mod tenant;

use std::collections::BTreeMap;

use crate::fault::FaultPlan;
use crate::field::Kind;
use crate::history::EndReason;
use crate::ids::{ArmIndex, RecordingIndex, TenantIndex};
use crate::org::Recordings;
use crate::platform::{Known, Notifications, Output, Platform, notifications};
use crate::recorder::{Recorder, Sink};
use crate::scenario::{Arm, Scenario, Strategy, WebhookEvent};
use crate::time::Timestamp;
use crate::timeline::Timeline;
use crate::workload::{Calls, SessionEnds};
use tenant::Tenant;

/// Session ends that the platform runs ahead of the tenants. Large enough that switching between
/// them costs nothing, small enough to stay in cache.
const CHUNK: usize = 256;

/// Runs all arms of `scenario`.
pub fn run(scenario: &Scenario, sink: &mut impl Sink) {
    let mut tenants_before = 0;
    let mut ended = Vec::new();
    let mut at = Timestamp::ZERO;
    for (index, arm) in scenario.arms.iter().enumerate() {
        let arm_index = ArmIndex(u32::try_from(index).unwrap_or(u32::MAX));
        let mut world = World::new(scenario, arm, arm_index, TenantIndex(tenants_before));
        world.run(sink);
        ended.push(world.ended);
        at = at.max(world.now);
        tenants_before += u32::try_from(arm.gates.len()).unwrap_or(u32::MAX);
    }
    sink.end(at, EndReason::Finished, &ended);
}

/// One arm.
struct World<'a> {
    scenario: &'a Scenario,
    arm: &'a Arm,
    index: ArmIndex,
    ends: SessionEnds,
    faults: FaultPlan,
    platform: Platform,
    notifications: Notifications,
    tenants: Vec<Tenant>,
    timelines: Timelines,
    recorder: Recorder,
    ended: u64,
    now: Timestamp,
}

/// The timelines of recordings that some tenant may still ask for.
#[derive(Default)]
struct Timelines(BTreeMap<RecordingIndex, Timeline>);

impl Recordings for Timelines {
    fn read<T>(&self, recording: RecordingIndex, read: impl FnOnce(&Timeline) -> T) -> Option<T> {
        self.0.get(&recording).map(read)
    }
}

impl<'a> World<'a> {
    fn new(scenario: &'a Scenario, arm: &'a Arm, index: ArmIndex, first: TenantIndex) -> Self {
        let seed = scenario.seed;
        let faults = FaultPlan::new(&scenario.workload, seed);
        let tenants = arm
            .gates
            .iter()
            .zip(first.0..)
            .map(|(gate, tenant)| Tenant::new(TenantIndex(tenant), gate, arm, seed));
        Self {
            scenario,
            arm,
            index,
            ends: SessionEnds::new(Calls::new(&scenario.workload, seed))
                .with_faults(faults.clone()),
            faults,
            platform: Platform::new(arm, &scenario.workload, seed),
            notifications: notifications(&arm.platform.notification, seed),
            tenants: tenants.collect(),
            timelines: Timelines::default(),
            recorder: Recorder::new(arm).of_run(first, seed),
            ended: 0,
            now: Timestamp::ZERO,
        }
    }

    fn run(&mut self, sink: &mut impl Sink) {
        loop {
            let mut horizon = None;
            for _ in 0..CHUNK {
                let Some(call) = self.ends.next() else { break };
                let at = call.ended_at();
                let ending = self.ends.ending();
                self.platform.handle_session(at, &call, ending);
                self.ended += 1;
                horizon = Some(at);
            }
            if self.index == ArmIndex(0) {
                for call in self.ends.take_not_established() {
                    sink.not_established(call.index, self.faults.stopped_at(&call));
                }
            }
            let Some(horizon) = horizon else { break };
            self.advance(horizon, sink);
        }
        // After the last session the wait for what is in flight is bounded.
        let until = self.now + self.scenario.limits.drain;
        self.advance(until, sink);
        while let Some(at) = self.platform.poll_timeout() {
            // What nobody waits for any more is still decided, so that fates are known.
            self.platform.handle_timeout(at);
        }
        self.distribute(sink);
        for tenant in &mut self.tenants {
            record(&mut self.recorder, tenant, sink);
        }
    }

    fn advance(&mut self, horizon: Timestamp, sink: &mut impl Sink) {
        self.platform.handle_timeout(horizon);
        self.distribute(sink);
        let mut last = self.now;
        for tenant in &mut self.tenants {
            last = last.max(tenant.advance(horizon, &self.timelines));
            record(&mut self.recorder, tenant, sink);
        }
        let draining = self.ends.is_drained();
        self.now = if draining && self.open() == 0 {
            last.max(self.last_end())
        } else {
            horizon
        };
        for recording in self.recorder.take_done() {
            self.timelines.0.remove(&recording);
        }
    }

    fn open(&self) -> usize {
        self.tenants.iter().map(Tenant::open_count).sum()
    }

    fn last_end(&self) -> Timestamp {
        self.timelines
            .0
            .values()
            .map(|timeline| timeline.ended_at)
            .max()
            .unwrap_or(self.now)
    }

    /// Hands what the platform has decided to the tenants.
    fn distribute(&mut self, sink: &mut impl Sink) {
        while let Some(output) = self.platform.poll_output() {
            match output {
                Output::Began(timeline) => {
                    if !self.timelines.0.contains_key(&timeline.recording) {
                        self.announce(&timeline);
                    }
                    self.timelines.0.insert(timeline.recording, timeline);
                }
                Output::Decided(timeline) => {
                    if self
                        .timelines
                        .0
                        .insert(timeline.recording, timeline.clone())
                        .is_none()
                    {
                        self.announce(&timeline);
                    }
                    self.notify(&timeline, Known::WhenDecided);
                    sink.timeline(self.index, &timeline);
                    self.recorder.decided(timeline, sink);
                }
            }
        }
    }

    fn announce(&mut self, timeline: &Timeline) {
        for tenant in &mut self.tenants {
            tenant.announce(timeline);
        }
        self.notify(timeline, Known::AtEnd);
    }

    fn notify(&mut self, timeline: &Timeline, known: Known) {
        let required = self.arm.required.of(timeline.taken_for());
        for (tenant, gate) in self.tenants.iter_mut().zip(&self.arm.gates) {
            let event = listens_to(&gate.strategy);
            if let Some(event) = event.filter(|e| self.notifications.known(*e, timeline) == known) {
                for notification in self.notifications.of(event, timeline, required) {
                    tenant.notify(notification, timeline.taken_for(), event);
                }
            }
        }
    }
}

fn record(recorder: &mut Recorder, tenant: &mut Tenant, sink: &mut impl Sink) {
    for output in tenant.take_outputs() {
        match output {
            tenant::Record::Settled(settled) => recorder.settle(settled, sink),
            tenant::Record::Job(job) => sink.job(&job),
        }
    }
}

/// The event that a strategy subscribes to.
#[must_use]
pub const fn listens_to(strategy: &Strategy) -> Option<WebhookEvent> {
    match strategy {
        Strategy::Webhook { event, .. }
        | Strategy::WebhookConfirm { event, .. }
        | Strategy::WebhookFallback { event, .. } => Some(*event),
        Strategy::None
        | Strategy::FixedDelay { .. }
        | Strategy::FixedInterval(_)
        | Strategy::ExponentialBackoff(_)
        | Strategy::ForumBackoff { .. } => None,
    }
}

/// A tenant's inbox holds (when, what kind of news, of which recording), in that order.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum News {
    Ended(Kind),
    MediaStored,
    Notified(Kind, WebhookEvent, u32),
}
