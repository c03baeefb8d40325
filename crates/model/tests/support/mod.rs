//! Scenarios built by hand, so that these tests need no TOML.
#![allow(dead_code, reason = "each test binary uses a part")]

pub(crate) mod troubles;

use std::collections::BTreeMap;

use racegate_model::distribution::Distribution;
use racegate_model::draws::Seed;
use racegate_model::field::{Field, FieldSet, PerKind};
use racegate_model::history::{EndReason, HistoryHash, JobRecord, Settled};
use racegate_model::ids::{ArmIndex, RecordingIndex, TenantIndex};
use racegate_model::outcome::OutcomeKind;
use racegate_model::recorder::Sink;
use racegate_model::scenario::*;
use racegate_model::sim;
use racegate_model::time::{Duration, Fixed, Probability, Rate, Timestamp};
use racegate_model::timeline::Timeline;

pub(crate) fn millis(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

pub(crate) fn lognormal(median: u64, p99: u64) -> Distribution {
    Distribution::lognormal_median_p99(millis(median), millis(p99)).expect("it is in range")
}

pub(crate) fn stage(name: &str, secs: u64, rate: u64) -> Stage {
    let shape = StageShape::Constant(Rate::per_second(rate));
    Stage {
        name: name.into(),
        duration: Duration::from_secs(secs),
        shape,
    }
}

pub(crate) fn polling(ready: Readiness, jitter: Jitter) -> ExponentialBackoff {
    ExponentialBackoff {
        backoff: Backoff {
            base: millis(1000),
            multiplier: Fixed::new(2.0).expect("it is in range"),
            cap: millis(10_000),
            jitter,
        },
        polling: Polling {
            initial_delay: millis(1000),
            max_attempts: Some(30),
            deadline: Some(Duration::from_secs(60)),
            ready,
            ..Polling::default()
        },
    }
}

pub(crate) fn required_fields() -> Readiness {
    Readiness {
        required_fields: Looked::Needed,
        ..Readiness::default()
    }
}

pub(crate) fn index_visible() -> Readiness {
    Readiness {
        index_visible: Looked::Needed,
        media_available: Looked::Needed,
        ..Readiness::default()
    }
}

pub(crate) fn gate(name: &str, strategy: Strategy) -> GateSpec {
    GateSpec {
        name: name.into(),
        strategy,
        start: GateStart::SessionEnd,
        repair: None,
        request: ExportRequest::default(),
    }
}

pub(crate) fn gates() -> Vec<GateSpec> {
    let forum = Strategy::ForumBackoff(ForumBackoff {
        attempts: 5,
        on_failure: OnFailure::Skip,
        check: ForumCheck::StateAndFlag,
    });
    let event = WebhookEvent::SessionEnded;
    vec![
        gate("ungated", Strategy::NONE),
        gate(
            "fixed-5s",
            FixedDelay {
                delay: Duration::from_secs(5),
            }
            .into(),
        ),
        gate("forum", forum),
        gate(
            "full-jitter",
            Strategy::ExponentialBackoff(polling(required_fields(), Jitter::Full)),
        ),
        gate(
            "webhook",
            Strategy::Webhook(Webhook {
                event,
                delay: Duration::ZERO,
                patience: None,
            }),
        ),
        gate(
            "index",
            Strategy::ExponentialBackoff(polling(index_visible(), Jitter::Equal)),
        ),
    ]
}

fn kind() -> KindSpec {
    let none = || Distribution::Constant(Duration::ZERO);
    let group = || GroupSpec {
        lag: none(),
        source: GroupSource::Pipeline,
    };
    KindSpec {
        pipeline: 0,
        media_lag: lognormal(200, 1000),
        metadata_lag: none(),
        groups: [group(), group(), group()],
        null_phase: none(),
        after_call_work: none(),
        state: StateSpec::AfterFields(none()),
    }
}

pub(crate) fn required() -> RequiredFields {
    let all: FieldSet = [
        Field::LegalHoldFlag,
        Field::MediaType,
        Field::StartTime,
        Field::EndTime,
    ]
    .into_iter()
    .collect();
    let webrtc = all.with(Field::WebrtcSessionId).with(Field::ClientIp);
    RequiredFields::with_values(PerKind { webrtc, sip: all })
}

pub(crate) fn arm(name: &str, workers: u32) -> Arm {
    let stage = StageSpec {
        name: "inject".into(),
        workers,
        service: lognormal(150, 800),
        writes: Vec::new(),
        outages: Vec::new(),
    };
    let none = || Distribution::Constant(Duration::ZERO);
    Arm {
        name: name.into(),
        platform: PlatformSpec {
            pipelines: vec![PipelineSpec {
                stages: vec![stage],
                updates: None,
            }],
            kinds: PerKind {
                webrtc: kind(),
                sip: kind(),
            },
            region: None,
            versions: None,
            intake: IntakeSpec::default(),
            index: IndexSpec {
                refresh: millis(1000),
                lag: none(),
            },
            hold: HoldSpec {
                missed: Probability::ZERO,
                sweep: Sweep::Never,
                level: HoldLevel::default(),
                propagation: none(),
                propagation_loss: Probability::ZERO,
                unheld: UnheldFlag::False,
            },
            notification: NotificationSpec {
                loss: Probability::ZERO,
                duplicate: Probability::ZERO,
                delay: none(),
                early: Probability::ZERO,
            },
            export: ExportSpec {
                policy: ExportPolicy::Lenient,
                latency: Distribution::uniform(millis(2000), millis(4000)).expect("it is in range"),
                query_time: none(),
                slots: Slots::Limited(2),
                snapshot: SnapshotInstant::Write,
                order: WriteOrder::Together,
                between: none(),
                read: ReadPath::Index,
                schema: FieldSet::METADATA,
                failure: Probability::ZERO,
                selection: SelectionSpec::default(),
            },
            archive: ArchiveSpec::default(),
            coupling: None,
            api: ApiSpec {
                rate_limit: Some(RateLimit {
                    calls: 15_000,
                    window: Duration::from_secs(60),
                }),
            },
        },
        gates: gates(),
        required: required(),
    }
}

/// The main scenario, in numbers.
pub(crate) fn spike(seed: u64) -> Scenario {
    Scenario {
        name: "spike".into(),
        description: String::new(),
        seed: Seed(seed),
        engine: Engine::Sim,
        workload: Workload {
            executor: Executor::ArrivalRate(vec![
                stage("before", 20, 10),
                stage("spike", 15, 80),
                stage("drain", 40, 10),
                stage("after", 15, 10),
            ]),
            arrivals: Arrivals::Poisson,
            warmup: millis(2000),
            call_duration: lognormal(5000, 15_000),
            webrtc_share: Probability::new(0.8).expect("it is in range"),
            hold: HoldWorkload {
                fraction: Probability::new(0.5).expect("it is in range"),
                set_at: HoldSetAt::CallEnd,
            },
            fidelity: PerKind {
                webrtc: FidelityMix::only(Fidelity::Media),
                sip: FidelityMix::only(Fidelity::Model),
            },
            live: LiveSessions::default(),
            faults: Vec::new(),
        },
        arms: vec![arm("base", 6), arm("enough-workers", 64)],
        expect: Vec::new(),
        limits: Limits::default(),
    }
}

/// Everything that a run handed over.
#[derive(Default)]
pub(crate) struct Collected {
    pub(crate) timelines: BTreeMap<(ArmIndex, RecordingIndex), Timeline>,
    /// Where each tenant has a platform of its own.
    pub(crate) own: BTreeMap<(TenantIndex, RecordingIndex), Timeline>,
    pub(crate) settled: BTreeMap<(TenantIndex, RecordingIndex), Settled>,
    pub(crate) settled_twice: u64,
    pub(crate) jobs: Vec<JobRecord>,
    pub(crate) hash: HistoryHash,
    pub(crate) not_established: u64,
    pub(crate) ended: Vec<u64>,
    pub(crate) end: Timestamp,
}

impl Sink for Collected {
    fn timeline(&mut self, arm: ArmIndex, timeline: &Timeline) {
        if let Some(tenant) = timeline.tenant {
            self.own
                .insert((tenant, timeline.recording), timeline.clone());
            return;
        }
        self.timelines
            .insert((arm, timeline.recording), timeline.clone());
    }

    fn settled(&mut self, settled: &Settled, _: &Timeline) {
        self.hash.add(settled);
        let key = (settled.tenant, settled.recording);
        if self.settled.insert(key, settled.clone()).is_some() {
            self.settled_twice += 1;
        }
    }

    fn not_established(&mut self, _: RecordingIndex, stage: &str) {
        assert!(!stage.is_empty());
        self.not_established += 1;
    }

    fn job(&mut self, job: &JobRecord) {
        self.jobs.push(job.clone());
    }

    fn end(&mut self, at: Timestamp, _: EndReason, ended: &[u64]) {
        self.end = at;
        self.ended = ended.to_vec();
    }
}

pub(crate) fn run(scenario: &Scenario) -> Collected {
    let mut collected = Collected::default();
    sim::run(scenario, &mut collected);
    // Tests look at each recording in turn: at none, they would see nothing wrong.
    assert!(!collected.settled.is_empty(), "the run settled nothing");
    collected
}

impl Collected {
    /// Share of `outcome` among a tenant's recordings whose session ended in `[from, to)` seconds.
    pub(crate) fn rate(&self, tenant: u32, outcome: OutcomeKind, from: u64, to: u64) -> f64 {
        let (mut hits, mut all) = (0_u32, 0_u32);
        for ((owner, recording), settled) in &self.settled {
            let arm = ArmIndex(owner.0 / 6);
            let ended_at = self.timelines[&(arm, *recording)].ended_at;
            let secs = ended_at.as_nanos() / 1_000_000_000;
            if owner.0 == tenant && (from..to).contains(&secs) {
                all += 1;
                hits += u32::from(settled.outcome == outcome);
            }
        }
        f64::from(hits) / f64::from(all.max(1))
    }
}
