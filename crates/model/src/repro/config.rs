//! The configuration made simpler, for the essence of a failure: fewer workers, shorter waits, no
//! limits that do not matter.

use super::numbers::{Answer, least};
use crate::field::{FieldSet, PerKind};
use crate::gate::keys::{Key, Keys, Value};
use crate::scenario::{Arm, ExportPolicy, GateStart, Slots, SnapshotInstant, Strategy, WriteOrder};
use crate::time::Duration;

/// A change that makes an arm simpler.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Simpler {
    NoRepair,
    PlainRequest,
    FromSessionEnd,
    JobPerRecording,
    NoApiLimit,
    LenientExport,
    SnapshotAtWrite,
    OneRead,
    NoOutages,
    WholeSchema,
    NoLake,
}

impl Simpler {
    pub(super) const ALL: [Self; 11] = [
        Self::NoRepair,
        Self::PlainRequest,
        Self::FromSessionEnd,
        Self::JobPerRecording,
        Self::NoApiLimit,
        Self::LenientExport,
        Self::SnapshotAtWrite,
        Self::OneRead,
        Self::NoOutages,
        Self::WholeSchema,
        Self::NoLake,
    ];

    /// The simpler arm; none if it is as simple already.
    pub(super) fn apply(self, arm: &Arm) -> Option<Arm> {
        let mut simpler = arm.clone();
        let export = &mut simpler.platform.export;
        let gate = &mut simpler.gates[0];
        match self {
            Self::NoRepair => gate.repair = None,
            Self::PlainRequest => gate.request = crate::scenario::ExportRequest::default(),
            Self::FromSessionEnd => gate.start = GateStart::SessionEnd,
            Self::JobPerRecording => export.slots = Slots::Unlimited,
            Self::NoApiLimit => simpler.platform.api.rate_limit = None,
            Self::LenientExport => export.policy = ExportPolicy::Lenient,
            Self::SnapshotAtWrite => export.snapshot = SnapshotInstant::Write,
            Self::OneRead => export.order = WriteOrder::Together,
            Self::NoOutages => {
                for pipeline in &mut simpler.platform.pipelines {
                    let stages = pipeline.stages.iter_mut();
                    stages.for_each(|stage| stage.outages.clear());
                }
            }
            Self::WholeSchema => export.schema = FieldSet::METADATA,
            Self::NoLake => export.selection.lake = None,
        }
        (simpler != *arm).then_some(simpler)
    }
}

/// The arm that requires nothing but `missing`.
pub(super) fn requiring(arm: &Arm, missing: FieldSet) -> Arm {
    let mut simpler = arm.clone();
    let of = |fields: FieldSet| fields.intersection(missing);
    let required = arm.required.fields;
    simpler.required.fields = PerKind {
        webrtc: of(required.webrtc),
        sip: of(required.sip),
    };
    simpler
}

/// The lengths of time among a strategy's keys, each made the shortest that still fails.
pub(super) fn shorter_waits(
    strategy: &Strategy,
    mut fails: impl FnMut(&Strategy) -> Answer,
) -> Option<Strategy> {
    let mut best = strategy.clone();
    let mut lengths = Lengths::default();
    best.clone().keys(&mut lengths);
    for (nth, value) in lengths.found.into_iter().enumerate() {
        let probe = |length| match with(&best, nth, length) {
            Some(changed) => fails(&changed),
            None => Answer::Other,
        };
        let shorter = least(value, probe).and_then(|length| with(&best, nth, length));
        best = shorter.unwrap_or(best);
    }
    (best != *strategy).then_some(best)
}

/// The strategy with another length of time; none if its keys then do not go together.
fn with(strategy: &Strategy, nth: usize, length: Duration) -> Option<Strategy> {
    let mut changed = strategy.clone();
    let mut change = Lengths {
        change: Some((nth, length)),
        ..Lengths::default()
    };
    changed.keys(&mut change);
    (change.accord == Accord::Kept).then_some(changed)
}

/// Goes through a strategy's lengths of time.
#[derive(Default)]
struct Lengths {
    found: Vec<Duration>,
    change: Option<(usize, Duration)>,
    accord: Accord,
}

/// Whether the values of keys go together.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
enum Accord {
    #[default]
    Kept,
    Broken,
}

impl Lengths {
    fn visit(&mut self, value: &mut Duration) {
        let nth = self.found.len();
        if let Some((at, length)) = self.change
            && at == nth
        {
            *value = length;
        }
        self.found.push(*value);
    }
}

impl Keys for Lengths {
    fn key(&mut self, _: Key, value: Value<'_>) {
        match value {
            Value::Duration(value) => self.visit(value),
            Value::Interval(value) => {
                self.visit(value);
                if *value == Duration::ZERO {
                    self.accord = Accord::Broken;
                }
            }
            Value::Limit(_)
            | Value::Count(..)
            | Value::CountLimit(..)
            | Value::Number(..)
            | Value::Word(_)
            | Value::Pace(_)
            | Value::Law(_)
            | Value::Checks(_) => {}
        }
    }

    fn reject(&mut self, _: &'static str, _: &str, _: &str) {
        self.accord = Accord::Broken;
    }
}
