//! The same platform without one of its causes of incomplete exports.

use crate::distribution::Distribution;
use crate::field::{FieldSet, Kind};
use crate::scenario::{
    Arm, ExportRequest, GroupSource, IntakeSpec, KindSpec, SelectionSpec, StageSpec, StateSpec,
    Sweep,
};
use crate::time::{Duration, Probability};

/// A cause that can be taken away.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Counterfactual {
    /// No recording waits for a worker.
    NoQueues,
    /// Stages take no time, and so nothing waits for them.
    InstantStages,
    /// The metadata update service refuses nothing.
    NoUpdateLimit,
    /// No stage loses workers.
    NoOutages,
    /// Fields have no lag beyond the pipeline.
    NoFieldLag,
    /// The search index is the primary store.
    CurrentIndex,
    /// Every hold meets its tagging window.
    HoldsInTime,
    /// A hold is on both levels at once.
    NoHoldPropagation,
    /// After-call work is over as the call ends.
    NoAfterCallWork,
    /// Signalling takes every connection.
    NoSignallingLimit,
    /// Fields that are never written come by the pipeline.
    EveryFieldWritten,
    /// The export writes all fields.
    FullSchema,
    /// Media is in storage as the session ends.
    MediaAtOnce,
    /// Every call is taken for what it is.
    RightKind,
    /// There is one region.
    OneRegion,
    /// First versions are true, and values stay.
    StableValues,
    /// Jobs find every recording, and copy all of it.
    FullSelection,
    /// Jobs never fail for a recording.
    NoJobFailures,
    /// The client has every permission, no filter and the right names.
    PlainRequests,
    /// Notifications are neither lost nor early.
    GoodNotifications,
    /// The API answers every call.
    NoApiLimit,
}

impl Counterfactual {
    /// Every one.
    pub const ALL: [Self; 21] = [
        Self::NoQueues,
        Self::InstantStages,
        Self::NoUpdateLimit,
        Self::NoOutages,
        Self::NoFieldLag,
        Self::CurrentIndex,
        Self::HoldsInTime,
        Self::NoHoldPropagation,
        Self::NoAfterCallWork,
        Self::NoSignallingLimit,
        Self::EveryFieldWritten,
        Self::FullSchema,
        Self::MediaAtOnce,
        Self::RightKind,
        Self::OneRegion,
        Self::StableValues,
        Self::FullSelection,
        Self::NoJobFailures,
        Self::PlainRequests,
        Self::GoodNotifications,
        Self::NoApiLimit,
    ];

    /// The cause that is taken away, as a noun phrase.
    #[must_use]
    pub const fn cause(self) -> &'static str {
        match self {
            Self::NoQueues => "waiting for a worker of the metadata pipeline",
            Self::InstantStages => "the time that the metadata pipeline's stages take",
            Self::NoUpdateLimit => "refusals of the metadata update service",
            Self::NoOutages => "an outage of a stage",
            Self::NoFieldLag => "a lag of the fields beyond the pipeline",
            Self::CurrentIndex => "a search index that is behind",
            Self::HoldsInTime => "holds that miss their tagging window",
            Self::NoHoldPropagation => "holds that reach only one level",
            Self::NoAfterCallWork => "after-call work",
            Self::NoSignallingLimit => "signalling connections that are cut",
            Self::EveryFieldWritten => "fields that are never written",
            Self::FullSchema => "an export schema that leaves fields out",
            Self::MediaAtOnce => "audio that is not in storage yet",
            Self::RightKind => "calls taken for another kind",
            Self::OneRegion => "the second region",
            Self::StableValues => "values that are false at first or do not stay",
            Self::FullSelection => "what export jobs do not find or copy",
            Self::NoJobFailures => "export jobs that fail",
            Self::PlainRequests => "what the client asks for, may do, or looks for",
            Self::GoodNotifications => "notifications that are lost or early",
            Self::NoApiLimit => "429s of the API",
        }
    }

    /// Takes the cause away from `arm`.
    pub(super) fn apply(self, arm: &mut Arm) -> Removal {
        let before = arm.clone();
        self.change(arm);
        if *arm == before {
            Removal::Absent
        } else {
            Removal::Done
        }
    }

    fn change(self, arm: &mut Arm) {
        let platform = &mut arm.platform;
        match self {
            Self::NoQueues => each_stage(arm, |stage| {
                stage.workers = stage.workers.max(WORKERS_ENOUGH);
            }),
            Self::InstantStages => each_stage(arm, |stage| stage.service = at_once()),
            Self::NoUpdateLimit => {
                for pipeline in &mut platform.pipelines {
                    pipeline.updates = None;
                }
            }
            Self::NoOutages => each_stage(arm, |stage| stage.outages.clear()),
            Self::CurrentIndex => {
                platform.index.refresh = Duration::ZERO;
                platform.index.lag = at_once();
            }
            Self::HoldsInTime => {
                platform.hold.missed = Probability::ZERO;
                platform.hold.sweep = Sweep::Never;
            }
            Self::NoHoldPropagation => {
                platform.hold.propagation = at_once();
                platform.hold.propagation_loss = Probability::ZERO;
            }
            Self::NoSignallingLimit => {
                platform.intake.signalling = IntakeSpec::default().signalling
            }
            Self::RightKind => platform.intake.misclassified = Probability::ZERO,
            Self::OneRegion => platform.region = None,
            Self::StableValues => platform.versions = None,
            Self::FullSelection => platform.export.selection = SelectionSpec::default(),
            Self::FullSchema => platform.export.schema = FieldSet::METADATA,
            Self::NoJobFailures => platform.export.failure = Probability::ZERO,
            Self::NoApiLimit => platform.api.rate_limit = None,
            Self::GoodNotifications => {
                platform.notification.loss = Probability::ZERO;
                platform.notification.early = Probability::ZERO;
            }
            Self::PlainRequests => {
                for gate in &mut arm.gates {
                    gate.request = ExportRequest::default();
                }
            }
            Self::NoFieldLag => each_kind(arm, without_lag),
            Self::NoAfterCallWork => each_kind(arm, |kind| kind.after_call_work = at_once()),
            Self::MediaAtOnce => each_kind(arm, |kind| kind.media_lag = at_once()),
            Self::EveryFieldWritten => each_kind(arm, |kind| {
                for group in &mut kind.groups {
                    if group.source == GroupSource::Nobody {
                        group.source = GroupSource::Pipeline;
                    }
                }
            }),
        }
    }
}

fn each_kind(arm: &mut Arm, change: impl Fn(&mut KindSpec)) {
    for kind in Kind::ALL {
        change(arm.platform.kinds.get_mut(kind));
    }
}

fn without_lag(kind: &mut KindSpec) {
    kind.metadata_lag = at_once();
    kind.null_phase = at_once();
    for group in &mut kind.groups {
        group.lag = at_once();
    }
    if let StateSpec::AfterFields(lag) = &mut kind.state {
        *lag = at_once();
    }
}

fn each_stage(arm: &mut Arm, change: impl Fn(&mut StageSpec)) {
    let pipelines = arm.platform.pipelines.iter_mut();
    pipelines
        .flat_map(|pipeline| &mut pipeline.stages)
        .for_each(change);
}

/// Whether there was something to take away.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Removal {
    /// It was there.
    Done,
    /// It was not.
    Absent,
}

/// More workers than a pipeline of any scenario keeps busy.
const WORKERS_ENOUGH: u32 = 16_384;

fn at_once() -> Distribution {
    Distribution::constant(Duration::ZERO)
}
