//! An arm without chance: what its distributions decided is written down with the recordings.

use crate::distribution::Distribution;
use crate::field::Kind;
use crate::scenario::{Arm, IntakeSpec, StateSpec, Sweep, UnheldFlag};
use crate::time::{Duration, Probability};

/// The arm with every lag at nothing and every platform fault at never. What a gate, a job's
/// selection and its limits decide stays; so do the stages with their workers.
pub(super) fn bleached(arm: &Arm) -> Arm {
    let mut arm = arm.clone();
    let platform = &mut arm.platform;
    for pipeline in &mut platform.pipelines {
        // How long an update waited is a value too.
        pipeline.updates = None;
        for stage in &mut pipeline.stages {
            stage.service = at_once();
        }
    }
    for kind in Kind::ALL {
        let kind = platform.kinds.get_mut(kind);
        kind.media_lag = at_once();
        kind.metadata_lag = at_once();
        kind.null_phase = at_once();
        kind.after_call_work = at_once();
        for group in &mut kind.groups {
            group.lag = at_once();
            group.source = crate::scenario::GroupSource::Pipeline;
        }
        kind.state = StateSpec::AfterFields(at_once());
    }
    if let Some(region) = &mut platform.region {
        region.lag = at_once();
        region.share = Probability::ZERO;
    }
    platform.versions = None;
    platform.intake = IntakeSpec::default();
    platform.index.refresh = Duration::ZERO;
    platform.index.lag = at_once();
    platform.hold.missed = Probability::ZERO;
    platform.hold.sweep = Sweep::Never;
    platform.hold.propagation = at_once();
    platform.hold.propagation_loss = Probability::ZERO;
    platform.hold.unheld = UnheldFlag::False;
    platform.notification.loss = Probability::ZERO;
    platform.notification.duplicate = Probability::ZERO;
    platform.notification.delay = at_once();
    platform.export.latency = at_once();
    platform.export.query_time = at_once();
    platform.export.between = at_once();
    platform.export.failure = Probability::ZERO;
    platform.coupling = None;
    in_order(&mut arm);
    arm
}

/// Numbers the pipelines as a reader of the arm's tables would: one of both kinds or one of each,
/// then the second region's own.
fn in_order(arm: &mut Arm) {
    let platform = &mut arm.platform;
    let [webrtc, sip] = Kind::ALL.map(|kind| platform.kinds.get(kind).pipeline);
    let regional = platform.regional_pipeline();
    let mut order = vec![webrtc];
    if sip != webrtc {
        order.push(sip);
    }
    platform.kinds.webrtc.pipeline = 0;
    platform.kinds.sip.pipeline = order.len() - 1;
    if let Some(region) = &mut platform.region
        && let Some(pipeline) = regional
    {
        region.pipeline = Some(order.len());
        order.push(pipeline);
    }
    let pipelines = order
        .iter()
        .filter_map(|at| platform.pipelines.get(*at).cloned());
    platform.pipelines = pipelines.collect();
}

fn at_once() -> Distribution {
    Distribution::constant(Duration::ZERO)
}
