//! Random platforms: everything that a platform may suffer from, each thing on or off.

use proptest::prelude::{Just, any, prop_oneof};
use proptest::strategy::Strategy as Generator;
use racegate_model::distribution::Distribution;
use racegate_model::field::{Field, FieldGroup, FieldSet};
use racegate_model::scenario::*;
use racegate_model::time::{Duration, Fixed, Probability, Rate};

use super::{gate, lognormal, millis, polling, required_fields, spike};

pub(crate) fn share(percent: u32) -> Probability {
    Probability::new(f64::from(percent) / 100.0).expect("a share")
}

pub(crate) fn exponential(ms: u64) -> Distribution {
    Distribution::exponential(millis(ms.max(1))).expect("a mean")
}

/// Every family of distributions, by number, with about that mean; zero milliseconds are none.
fn law(family: usize, ms: u64) -> Distribution {
    if ms == 0 {
        return Distribution::constant(Duration::ZERO);
    }
    let mean = millis(ms);
    let made = match family {
        0 => Ok(Distribution::constant(mean)),
        1 => Distribution::uniform(millis(ms / 2), millis(ms * 3 / 2)),
        2 => Distribution::exponential(mean),
        3 => Distribution::lognormal_median_p99(mean, millis(ms * 5)),
        4 => Distribution::weibull(0.7, mean),
        5 => Distribution::pareto(1.5, millis(ms.div_ceil(3))),
        6 => Distribution::gamma(2.5, millis(ms.div_ceil(2))),
        7 => Distribution::mixture(vec![
            (3.0, Distribution::constant(mean)),
            (1.0, exponential(ms)),
        ]),
        8 => Distribution::empirical((1..20).map(|step| millis(ms * step / 10))),
        _ => Distribution::quantiles(&[
            (0.0, millis(ms / 2)),
            (0.9, millis(ms * 2)),
            (1.0, millis(ms * 9)),
        ]),
    };
    made.expect("the law is in range")
}

/// Families of [`law`], those with the dearest tables seldom: a gamma's takes as long as a run.
fn families() -> impl Generator<Value = usize> {
    let others = prop_oneof![0..4_usize, 5..6_usize, 7..10_usize];
    prop_oneof![20 => others, 1 => Just(4_usize), 1 => Just(6_usize)]
}

/// A lag whose table costs nothing, of another family for each `family`.
fn cheap(family: usize, ms: u64) -> Distribution {
    law([0, 1, 8, 9][family % 4], ms)
}

/// How much of a platform may be in trouble; the simulator's shortest way that remains decides
/// recordings in blocks, one by one as their session ends, or step by step.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Trouble {
    /// One clock shows all fields, and only time decides about an export.
    Plain,
    /// One clock shows all fields.
    Alike,
    /// All is decided when the session ends.
    AtEnd,
    /// Anything.
    Any,
}

/// Each as often as the others.
pub(crate) fn trouble() -> impl Generator<Value = Trouble> {
    prop_oneof![
        Just(Trouble::Plain),
        Just(Trouble::Alike),
        Just(Trouble::AtEnd),
        Just(Trouble::Any),
    ]
}

/// What a platform may suffer from, each thing on or off.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Troubles {
    pub(crate) workers: u32,
    pub(crate) stages: usize,
    pub(crate) writes_early: bool,
    pub(crate) updates: Option<u64>,
    pub(crate) outage: Option<(u64, u64, u32)>,
    pub(crate) connections: Option<u32>,
    pub(crate) misclassified: u32,
    pub(crate) after_call_work: u64,
    pub(crate) metadata_lag: u64,
    pub(crate) index_refresh: u64,
    pub(crate) index_lag: u64,
    pub(crate) missed: u32,
    pub(crate) propagation: u64,
    pub(crate) propagation_loss: u32,
    pub(crate) level: HoldLevel,
    pub(crate) other_id: u32,
    pub(crate) duplicate: u32,
    pub(crate) policy: ExportPolicy,
    pub(crate) correlation: Correlation,
    pub(crate) lake: Option<LakeSpec>,
    pub(crate) order: WriteOrder,
    pub(crate) between: u64,
    pub(crate) snapshot: SnapshotInstant,
    pub(crate) provisional: u32,
    pub(crate) corrected: Option<u64>,
    pub(crate) forbidden: u32,
    pub(crate) done_when: JobDone,
    /// The family of the metadata's lag; those of other lags follow from it.
    pub(crate) law: usize,
    pub(crate) hold_set_at: HoldSetAt,
}

/// What becomes of an export's jobs and selection.
fn exports() -> impl Generator<Value = (u32, u32, ExportPolicy, Correlation, Option<LakeSpec>)> {
    let policy = prop_oneof![Just(ExportPolicy::Lenient), Just(ExportPolicy::Strict)];
    let by = prop_oneof![Just(Correlation::Conversation), Just(Correlation::Session)];
    let (refresh, lag) = (Duration::from_secs(5), Duration::from_secs(3));
    let lake = proptest::option::of(Just(LakeSpec { refresh, lag }));
    (0_u32..20, 0_u32..50, policy, by, lake)
}

/// In which order a job reads, how long after each other, and when.
fn orders() -> impl Generator<Value = (WriteOrder, u64, SnapshotInstant)> {
    let first = prop_oneof![
        Just(WriteOrder::Together),
        Just(WriteOrder::MediaFirst),
        Just(WriteOrder::SidecarFirst),
    ];
    let at = prop_oneof![
        Just(SnapshotInstant::Write),
        Just(SnapshotInstant::Selection)
    ];
    (first, 0_u64..4_000, at)
}

pub(crate) fn troubles() -> impl Generator<Value = Troubles> {
    let pipeline = (
        1_u32..6,
        0_usize..4,
        any::<bool>(),
        proptest::option::of(5_u64..40),
        proptest::option::of((0_u64..15, 1_u64..10, 0_u32..3)),
    );
    let intake = (
        proptest::option::of(10_u32..80),
        0_u32..30,
        // Half of the platforms know no after-call work.
        prop_oneof![Just(0_u64), 1_u64..5_000],
        0_u64..5_000,
    );
    let index = (0_u64..4_000, 0_u64..2_000);
    let level = prop_oneof![Just(HoldLevel::Interaction), Just(HoldLevel::Recording)];
    let set_at = prop_oneof![Just(HoldSetAt::CallStart), Just(HoldSetAt::CallEnd)];
    // Half of the platforms see every hold in time.
    let missed = prop_oneof![Just(0_u32), 1_u32..50];
    let propagation = prop_oneof![Just(0_u64), 1_u64..1_000];
    let hold = (missed, 0_u32..30, level, set_at, propagation);
    let export = exports();
    let order = orders();
    let done = prop_oneof![Just(JobDone::Status), Just(JobDone::Counters)];
    let corrected = proptest::option::of(0_u64..9_000);
    let provisional = prop_oneof![Just(0_u32), 1_u32..40];
    let versions = (provisional, corrected, 0_u32..20, done);
    let law = families();
    let all = (pipeline, intake, index, hold, export, order, versions, law);
    all.prop_map(
        |(pipeline, intake, index, hold, export, order, versions, law)| Troubles {
            workers: pipeline.0,
            stages: pipeline.1,
            writes_early: pipeline.2,
            updates: pipeline.3,
            outage: pipeline.4,
            connections: intake.0,
            misclassified: intake.1,
            after_call_work: intake.2,
            metadata_lag: intake.3,
            index_refresh: index.0,
            index_lag: index.1,
            missed: hold.0,
            propagation_loss: hold.1,
            level: hold.2,
            other_id: export.0,
            duplicate: export.1,
            policy: export.2,
            correlation: export.3,
            lake: export.4,
            order: order.0,
            between: order.1,
            snapshot: order.2,
            provisional: versions.0,
            corrected: versions.1,
            forbidden: versions.2,
            done_when: versions.3,
            law,
            hold_set_at: hold.3,
            propagation: hold.4,
        },
    )
}

impl Troubles {
    /// The same without what a platform of that `trouble` does not know.
    pub(crate) fn limited_to(mut self, trouble: Trouble) -> Self {
        if trouble == Trouble::Any {
            return self;
        }
        self.after_call_work = 0;
        self.stages = self.stages.min(1);
        self.updates = None;
        self.provisional = 0;
        if trouble == Trouble::AtEnd {
            return self;
        }
        self.connections = None;
        self.missed = 0;
        self.propagation_loss = 0;
        self.propagation = 0;
        self.level = HoldLevel::Interaction;
        if trouble == Trouble::Plain {
            self.other_id = 0;
            self.forbidden = 0;
            self.lake = None;
            self.correlation = Correlation::Conversation;
            self.policy = ExportPolicy::Lenient;
            self.order = WriteOrder::Together;
            self.done_when = JobDone::Status;
        }
        self
    }

    fn lag(&self, ms: u64) -> Distribution {
        cheap(self.law, ms)
    }

    fn stage(&self, index: usize) -> StageSpec {
        let outage = |(from, secs, workers)| Outage {
            from: Duration::from_secs(from),
            duration: Duration::from_secs(secs),
            workers,
        };
        let early = index == 0 && self.writes_early;
        StageSpec {
            name: format!("s{index}"),
            workers: self.workers,
            service: self.lag(100),
            writes: if early {
                vec![FieldGroup::Identity]
            } else {
                Vec::new()
            },
            outages: self.outage.map(outage).into_iter().collect(),
        }
    }

    pub(crate) fn platform(&self, platform: &mut PlatformSpec) {
        let backoff = Backoff {
            base: millis(500),
            multiplier: Fixed::new(2.0).expect("a factor"),
            cap: millis(8_000),
            jitter: Jitter::Full,
        };
        let window = Duration::from_secs(1);
        let updates = self.updates.map(|calls| UpdateLimit {
            limit: RateLimit { calls, window },
            backoff,
        });
        let stages = (0..self.stages).map(|index| self.stage(index)).collect();
        platform.pipelines = vec![PipelineSpec { stages, updates }];
        for kind in [&mut platform.kinds.webrtc, &mut platform.kinds.sip] {
            kind.after_call_work = self.lag(self.after_call_work);
            kind.metadata_lag = law(self.law, self.metadata_lag);
            kind.media_lag = cheap(self.law + 1, 300);
            kind.null_phase = self.lag(300);
        }
        platform.intake.signalling.max_connections = self.connections;
        platform.intake.misclassified = share(self.misclassified);
        platform.index = IndexSpec {
            refresh: millis(self.index_refresh),
            lag: self.lag(self.index_lag),
        };
        platform.hold.missed = share(self.missed);
        platform.hold.level = self.level;
        platform.hold.propagation = self.lag(self.propagation);
        platform.hold.propagation_loss = share(self.propagation_loss);
        platform.notification.duplicate = share(self.duplicate);
        platform.notification.delay = self.lag(1_000);
        platform.versions = (self.provisional > 0).then(|| self.versions());
        platform.export.policy = self.policy;
        platform.export.order = self.order;
        platform.export.between = self.lag(self.between);
        platform.export.snapshot = self.snapshot;
        let selection = &mut platform.export.selection;
        selection.other_id = share(self.other_id);
        selection.shared_session = share(self.other_id);
        selection.correlation = self.correlation;
        selection.lake = self.lake;
        selection.held_forbidden = share(self.forbidden);
    }

    fn versions(&self) -> VersionsSpec {
        VersionsSpec {
            provisional: share(self.provisional),
            fields: [Field::StartTime, Field::ClientIp].into_iter().collect(),
            corrected: self.corrected.map(|ms| self.lag(ms)),
            ephemeral: FieldSet::EMPTY,
            kept: exponential(1),
        }
    }
}

/// A short run, small enough to be tried often.
pub(crate) fn short(seed: u64) -> Scenario {
    let mut scenario = spike(seed);
    let stage = |name: &str, secs, rate| Stage {
        name: name.into(),
        duration: Duration::from_secs(secs),
        shape: StageShape::Constant(Rate::per_second(rate)),
    };
    scenario.workload.executor =
        Executor::ArrivalRate(vec![stage("calm", 5, 6), stage("rush", 5, 24)]);
    scenario.workload.warmup = Duration::ZERO;
    scenario.workload.call_duration = lognormal(1_000, 4_000);
    scenario.arms.truncate(1);
    scenario
}

pub(crate) fn troubled(seed: u64, troubles: &Troubles) -> Scenario {
    let mut scenario = short(seed);
    scenario.workload.hold.set_at = troubles.hold_set_at;
    scenario.workload.call_duration =
        Distribution::uniform(millis(300), millis(4_000)).expect("the bounds are in order");
    troubles.platform(&mut scenario.arms[0].platform);
    let event = WebhookEvent::MetadataReady;
    let ExponentialBackoff { backoff, polling } = polling(required_fields(), Jitter::Full);
    let confirm = Strategy::WebhookFallback(WebhookFallback {
        event,
        after: millis(5_000),
        backoff,
        polling,
    });
    scenario.arms[0].gates.push(gate("fallback", confirm));
    scenario.arms[0].gates[1].request.done_when = troubles.done_when;
    scenario
}
