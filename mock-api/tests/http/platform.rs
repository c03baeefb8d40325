//! A platform on which everything is visible at once, for tests to change. Tests inside the crate
//! use it too, so the crate's own names come from whoever includes it.

use racegate_model::distribution::Distribution;
use racegate_model::draws::Seed;
use racegate_model::field::{Field, FieldSet, PerKind};
use racegate_model::ids::{ArmIndex, TenantIndex};
use racegate_model::scenario::{
    ApiSpec, ArchiveSpec, Arm, Arrivals, Executor, ExportPolicy, ExportRequest, ExportSpec,
    Fidelity, FidelityMix, GateSpec, GateStart, GroupSource, GroupSpec, HoldLevel, HoldSetAt,
    HoldSpec, HoldWorkload, IndexSpec, IntakeSpec, KindSpec, LiveSessions, NotificationSpec,
    PipelineSpec, PlatformSpec, ReadPath, RequiredFields, SelectionSpec, Slots, SnapshotInstant,
    StateSpec, Strategy, Sweep, UnheldFlag, Workload, WriteOrder,
};
use racegate_model::time::{Duration, Probability};

use super::{RunEpoch, ServiceConfig, TenantConfig};

fn nothing() -> Distribution {
    Distribution::Constant(Duration::ZERO)
}

pub(crate) fn millis(millis: u64) -> Distribution {
    Distribution::Constant(Duration::from_millis(millis))
}

fn kind() -> KindSpec {
    let group = || GroupSpec {
        lag: nothing(),
        source: GroupSource::Pipeline,
    };
    KindSpec {
        pipeline: 0,
        media_lag: nothing(),
        metadata_lag: nothing(),
        groups: [group(), group(), group()],
        null_phase: nothing(),
        after_call_work: nothing(),
        state: StateSpec::AfterFields(nothing()),
    }
}

/// A platform on which everything is visible at once.
pub(crate) fn platform() -> PlatformSpec {
    PlatformSpec {
        pipelines: vec![PipelineSpec::default()],
        kinds: PerKind {
            webrtc: kind(),
            sip: kind(),
        },
        index: IndexSpec {
            refresh: Duration::ZERO,
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
            latency: millis(20),
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
        region: None,
        versions: None,
        intake: IntakeSpec::default(),
        archive: ArchiveSpec::default(),
        coupling: None,
        api: ApiSpec { rate_limit: None },
    }
}

fn workload() -> Workload {
    Workload {
        executor: Executor::ArrivalRate(Vec::new()),
        arrivals: Arrivals::Regular,
        warmup: Duration::ZERO,
        call_duration: nothing(),
        webrtc_share: Probability::ONE,
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
    }
}

/// Two tenants on one such platform.
pub(crate) fn service_config(seed: Seed, epoch: RunEpoch, platform: PlatformSpec) -> ServiceConfig {
    let mut required = PerKind {
        webrtc: FieldSet::METADATA,
        sip: FieldSet::METADATA,
    };
    required.sip = required
        .sip
        .without(Field::WebrtcSessionId)
        .without(Field::ClientIp);
    let gate = GateSpec {
        name: "none".into(),
        strategy: Strategy::NONE,
        start: GateStart::SessionEnd,
        repair: None,
        request: ExportRequest::default(),
    };
    let arm = Arm {
        name: "base".into(),
        platform,
        gates: vec![gate],
        required: RequiredFields::with_values(required),
    };
    let tenants =
        (0..2).map(|index| TenantConfig::derived(seed, TenantIndex(index), ArmIndex(0), "none"));
    ServiceConfig {
        seed,
        epoch,
        workload: workload(),
        arms: vec![arm],
        tenants: tenants.collect(),
    }
}
