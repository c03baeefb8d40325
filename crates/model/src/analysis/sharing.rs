//! What couples the recordings of a run, from the scenario's structure alone.

use serde::{Deserialize, Serialize};

use crate::scenario::{Arm, Executor, Scenario, Slots, StageShape, Workload};

/// What recordings share, so that what becomes of one tells of its neighbours. Where they share
/// nothing, formulas for independent recordings hold within one run; elsewhere the run is the
/// unit, and the doubt of a number comes from other seeds.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Sharing {
    /// Every recording goes its own way.
    #[default]
    Nothing,
    /// The calls that a token may make, a gate that decides about all of its recordings together
    /// (a watermark; one that learns from its looks or paces them), or a closed model's users.
    Calls,
    /// Export jobs hold many recordings, or wait for each other.
    Jobs,
    /// A stage's workers, a limit of updates or connections, a platform that calls load.
    Queue,
}

impl Sharing {
    /// The strongest coupling of any arm of `scenario`.
    #[must_use]
    pub fn of(scenario: &Scenario) -> Self {
        let arms = &scenario.arms;
        if arms.iter().any(shares_queue) {
            Self::Queue
        } else if arms.iter().any(shares_jobs) {
            Self::Jobs
        } else if arms.iter().any(shares_calls) || is_closed(&scenario.workload) {
            Self::Calls
        } else {
            Self::Nothing
        }
    }

    /// Whether recordings are coupled at all.
    #[must_use]
    pub const fn is_some(self) -> bool {
        !matches!(self, Self::Nothing)
    }

    /// What is shared, in the words of a report.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Nothing => "nothing",
            Self::Calls => "calls",
            Self::Jobs => "jobs",
            Self::Queue => "a queue",
        }
    }
}

fn shares_queue(arm: &Arm) -> bool {
    let platform = &arm.platform;
    let queues = |pipeline: &crate::scenario::PipelineSpec| {
        !pipeline.stages.is_empty() || pipeline.updates.is_some()
    };
    arm.is_coupled()
        || platform.pipelines.iter().any(queues)
        || !platform.intake.signalling.is_unlimited()
}

fn shares_jobs(arm: &Arm) -> bool {
    let limited = |slots: Slots| slots != Slots::Unlimited;
    limited(arm.platform.export.slots)
        || arm
            .gates
            .iter()
            .any(|gate| gate.request.jobs_at_once.is_some_and(limited))
}

fn shares_calls(arm: &Arm) -> bool {
    let fleet = |gate: &crate::scenario::GateSpec| gate.strategy.fleet(arm.required).is_some();
    arm.platform.api.rate_limit.is_some() || arm.gates.iter().any(fleet)
}

const fn is_closed(workload: &Workload) -> bool {
    matches!(workload.executor, Executor::ConstantVus { .. })
}

/// Whether a run is alike from its beginning to its end, so that its blocks are repetitions of
/// each other: one stage at a constant rate. A spike is one observation, however long the run.
#[must_use]
pub fn is_stationary(workload: &Workload) -> bool {
    match &workload.executor {
        Executor::ArrivalRate(stages) => match stages.as_slice() {
            [stage] => match stage.shape {
                StageShape::Constant(_) => true,
                StageShape::Ramp(from, to) => from == to,
            },
            _ => false,
        },
        Executor::ConstantVus { .. } => true,
    }
}
