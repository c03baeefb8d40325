//! A small scenario and the entries of a history about it.

use crate::analysis::{Context, Replay, Tenant};
use crate::distribution::Distribution;
use crate::draws::Seed;
use crate::field::{Field, FieldSet, Kind, PerKind};
use crate::gate::FixedDelay;
use crate::history::{End, EndReason, Entry, JobRecord, Settled};
use crate::ids::{ArmIndex, JobOrdinal, RecordingIndex, TenantIndex};
use crate::outcome::{Cause, Fate, OutcomeKind};
use crate::scenario::{
    ApiSpec, ArchiveSpec, Arm, Arrivals, Comparison, Condition, Engine, Executor, Expectation,
    ExportPolicy, ExportRequest, ExportSpec, Fidelity, FidelityMix, GateSpec, GateStart,
    GroupSource, GroupSpec, HoldLevel, HoldSetAt, HoldSpec, HoldWorkload, IndexSpec, IntakeSpec,
    KindSpec, Labels, Limits, LiveSessions, Metric, NotificationSpec, PipelineSpec, PlatformSpec,
    ReadPath, RequiredFields, Scenario, SelectionSpec, Series, Slots, SnapshotInstant, Stage,
    StageShape, StageSpec, StateSpec, Strategy, Sweep, UnheldFlag, Workload, WriteOrder,
};
use crate::summary::Summary;
use crate::time::{Duration, Probability, Rate, Timestamp};
use crate::timeline::{FieldClock, Hold, STAGES_MAX, StageTimes, Timeline};

pub(super) fn at(ms: u64) -> Timestamp {
    Timestamp::ZERO + Duration::from_millis(ms)
}

fn nothing() -> Distribution {
    Distribution::Constant(Duration::ZERO)
}

fn exponential(ms: u64) -> Distribution {
    Distribution::exponential(Duration::from_millis(ms)).expect("a positive mean")
}

fn kind() -> KindSpec {
    let group = || GroupSpec {
        lag: nothing(),
        source: GroupSource::Pipeline,
    };
    KindSpec {
        pipeline: 0,
        media_lag: exponential(200),
        metadata_lag: nothing(),
        groups: [group(), group(), group()],
        null_phase: nothing(),
        after_call_work: nothing(),
        state: StateSpec::AfterFields(nothing()),
    }
}

fn platform(workers: u32) -> PlatformSpec {
    let inject = StageSpec {
        name: "inject".into(),
        workers,
        service: exponential(300),
        writes: Vec::new(),
        outages: Vec::new(),
    };
    PlatformSpec {
        pipelines: vec![PipelineSpec {
            stages: vec![inject],
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
            refresh: Duration::from_secs(1),
            lag: nothing(),
        },
        hold: HoldSpec {
            missed: Probability::ZERO,
            sweep: Sweep::Never,
            level: HoldLevel::default(),
            propagation: nothing(),
            propagation_loss: Probability::ZERO,
            unheld: UnheldFlag::False,
        },
        notification: NotificationSpec {
            loss: Probability::ZERO,
            duplicate: Probability::ZERO,
            delay: nothing(),
            early: Probability::ZERO,
        },
        export: ExportSpec {
            policy: ExportPolicy::Lenient,
            latency: nothing(),
            query_time: nothing(),
            slots: Slots::Limited(2),
            snapshot: SnapshotInstant::Write,
            order: WriteOrder::Together,
            between: nothing(),
            read: ReadPath::Index,
            schema: FieldSet::METADATA,
            failure: Probability::ZERO,
            selection: SelectionSpec::default(),
        },
        archive: ArchiveSpec::default(),
        coupling: None,
        api: ApiSpec { rate_limit: None },
    }
}

fn arm(name: &str, workers: u32) -> Arm {
    let gate = |name: &str, strategy| GateSpec {
        name: name.into(),
        strategy,
        start: GateStart::SessionEnd,
        repair: None,
        request: ExportRequest::default(),
    };
    let all = FieldSet::EMPTY.with(Field::LegalHoldFlag);
    Arm {
        name: name.into(),
        platform: platform(workers),
        gates: vec![
            gate("ungated", Strategy::NONE),
            gate(
                "patient",
                FixedDelay {
                    delay: Duration::from_secs(3),
                }
                .into(),
            ),
        ],
        required: RequiredFields::with_values(PerKind {
            webrtc: all.with(Field::ClientIp),
            sip: all,
        }),
    }
}

/// 2 s of warm-up, then the phases `calm` (2 s to 12 s) and `rush`; arms `base` and `roomy`.
pub(super) fn scenario() -> Scenario {
    let stage = |name: &str, rate| Stage {
        name: name.into(),
        duration: Duration::from_secs(10),
        shape: StageShape::Constant(Rate::per_second(rate)),
    };
    Scenario {
        name: "small".into(),
        description: "two phases".into(),
        seed: Seed(7),
        engine: Engine::Sim,
        workload: Workload {
            executor: Executor::ArrivalRate(vec![stage("calm", 5), stage("rush", 20)]),
            arrivals: Arrivals::Poisson,
            warmup: Duration::from_secs(2),
            call_duration: exponential(1500),
            webrtc_share: Probability::new(0.7).expect("a probability"),
            hold: HoldWorkload {
                fraction: Probability::ZERO,
                set_at: HoldSetAt::CallStart,
            },
            fidelity: PerKind {
                webrtc: FidelityMix::only(Fidelity::Model),
                sip: FidelityMix::only(Fidelity::Model),
            },
            live: LiveSessions::default(),
            faults: Vec::new(),
        },
        arms: vec![arm("base", 2), arm("roomy", 50)],
        expect: Vec::new(),
        limits: Limits::default(),
    }
}

pub(super) fn context(scenario: &Scenario) -> Context {
    Context {
        tool: "racegate test".into(),
        engine: Engine::Sim,
        tenants: Tenant::all(scenario),
        plan_hash: 0xAB,
    }
}

/// Only the first gate of the first arm.
pub(super) fn one_tenant(scenario: &Scenario) -> Context {
    Context {
        tenants: vec![Tenant { arm: 0, gate: 0 }],
        ..context(scenario)
    }
}

/// A recording of a call of one second: media after 100 ms, fields on the primary path after
/// `lag_ms`, on the index 500 ms later; the stage starts at half the lag.
pub(super) fn timeline(recording: u64, kind: Kind, ended_ms: u64, lag_ms: u64) -> Timeline {
    let written_at = at(ended_ms + lag_ms);
    let clock = FieldClock {
        null_at: written_at,
        value_at: written_at,
        index_at: at(ended_ms + lag_ms + 500),
    };
    let mut stages = [StageTimes::NONE; STAGES_MAX];
    let queued_at = at(ended_ms);
    stages[0] = StageTimes {
        queued_at,
        started_at: at(ended_ms + lag_ms / 2),
        done_at: written_at,
    };
    Timeline {
        recording: RecordingIndex(recording),
        tenant: None,
        kind,
        region: crate::timeline::Region::First,
        hold: Hold::Free,
        started_at: at(ended_ms.saturating_sub(1000)),
        ended_at: at(ended_ms),
        media_at: at(ended_ms + 100),
        state_at: written_at,
        submitted_at: at(ended_ms),
        written_at,
        fields: [clock; Field::METADATA_COUNT],
        stages,
        false_fields: FieldSet::EMPTY,
        null_fields: FieldSet::EMPTY,
        lost_cause: None,
        hold_cause: None,
        index_cause: None,
        later: None,
        revisions: Vec::new(),
    }
}

/// A recording exported at `snapshot_ms`, with what it then lacked.
pub(super) fn exported(tenant: u32, timeline: &Timeline, snapshot_ms: u64) -> Settled {
    let snapshot_at = at(snapshot_ms);
    let required = FieldSet::EMPTY.with(Field::LegalHoldFlag);
    let view = timeline.view(snapshot_at, ReadPath::Index);
    let missing = required.with(Field::Media).difference(view.present);
    let incomplete = !missing.is_empty();
    Settled {
        tenant: TenantIndex(tenant),
        recording: timeline.recording,
        outcome: if incomplete {
            OutcomeKind::Incomplete
        } else {
            OutcomeKind::Complete
        },
        first_outcome: None,
        missing,
        fate: incomplete.then(|| timeline.fate(snapshot_at, ReadPath::Index, required)),
        cause: incomplete.then(|| timeline.cause(snapshot_at, ReadPath::Index, missing)),
        approved_at: Some(snapshot_at),
        checked_at: None,
        snapshot_at: Some(snapshot_at),
        media_read_at: None,
        settled_at: snapshot_at,
        gate_calls: 2,
        wasted_checks: 1,
        throttled: 0,
        exports: 1,
        lateness: None,
    }
}

/// A recording that the gate gave up.
pub(super) fn abandoned(tenant: u32, timeline: &Timeline, settled_ms: u64) -> Settled {
    Settled {
        outcome: OutcomeKind::Abandoned,
        missing: FieldSet::EMPTY,
        fate: Some(Fate::Late(Duration::from_secs(1))),
        cause: Some(Cause::GaveUp),
        approved_at: None,
        snapshot_at: None,
        media_read_at: None,
        throttled: 1,
        exports: 0,
        ..exported(tenant, timeline, settled_ms)
    }
}

pub(super) fn job(tenant: u32, ordinal: u64, created_ms: u64, recordings: u64) -> Entry {
    Entry::Job(JobRecord {
        tenant: TenantIndex(tenant),
        ordinal: JobOrdinal(ordinal),
        created_at: at(created_ms),
        started_at: Some(at(created_ms)),
        snapshot_at: Some(at(created_ms)),
        done_at: at(created_ms),
        recordings,
        calls: 5,
        throttled: 1,
    })
}

pub(super) fn ended(arm: u32, timeline: &Timeline) -> Entry {
    Entry::Timeline {
        arm: ArmIndex(arm),
        timeline: timeline.clone(),
    }
}

pub(super) fn end(at_ms: u64, ended: &[u64]) -> Entry {
    Entry::End(End {
        at: at(at_ms),
        reason: EndReason::Finished,
        ended: ended.to_vec(),
        invalid_reasons: Vec::new(),
    })
}

pub(super) fn replay(scenario: &Scenario, context: Context, entries: &[Entry]) -> Summary {
    let mut replay = Replay::new(scenario, context);
    entries.iter().for_each(|entry| replay.add(entry));
    replay.finish().summary()
}

pub(super) fn series(metric: Metric, gate: &str) -> Series {
    Series {
        metric,
        labels: Labels {
            gate: Some(gate.into()),
            ..Labels::default()
        },
    }
}

pub(super) fn expectation(
    series: Series,
    minus: Option<Series>,
    comparison: Comparison,
    bound: f64,
) -> Expectation {
    let conditions = vec![Condition { comparison, bound }];
    Expectation {
        expression: format!("{series:?}"),
        series,
        minus,
        conditions,
        certainty: None,
    }
}
