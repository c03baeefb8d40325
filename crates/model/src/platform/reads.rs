//! What the gates' own calls take of a coupled platform.

use super::Pipeline;
use crate::distribution::Sampler;
use crate::draws::{Draws, Purpose};
use crate::field::{Kind, PerKind};
use crate::scenario::{PlatformSpec, ReadCost};
use crate::time::Timestamp;

/// The cost of a `GET`.
#[derive(Clone, Debug)]
pub(super) enum Reads {
    /// It joins the queue of a stage, by kind.
    Service {
        stages: PerKind<Option<usize>>,
        time: Sampler,
    },
    /// It takes an update token.
    Update,
}

impl Reads {
    pub(super) fn new(cost: &ReadCost, platform: &PlatformSpec) -> Self {
        match cost {
            ReadCost::Service { stage, time } => {
                let place = |kind: Kind| {
                    let pipeline = platform.kinds.get(kind).pipeline;
                    platform.pipelines[pipeline].stage_named(stage)
                };
                Self::Service {
                    stages: PerKind {
                        webrtc: place(Kind::Webrtc),
                        sip: place(Kind::Sip),
                    },
                    time: Sampler::new(time),
                }
            }
            ReadCost::Update => Self::Update,
        }
    }

    /// A recording of `kind` is read at `now`. A gate reads it at most once at an instant, so the
    /// instant tells its reads apart.
    pub(super) fn take(&self, now: Timestamp, kind: Kind, pipeline: &mut Pipeline, draws: Draws) {
        match self {
            Self::Service { stages, time } => {
                if let Some(stage) = stages.get(kind) {
                    let draws = draws.at(now);
                    pipeline.occupy(*stage, now, time.sample(draws.draw(Purpose::ReadCost)));
                }
            }
            Self::Update => pipeline.take_update(now),
        }
    }
}
