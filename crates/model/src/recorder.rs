//! Joins what tenants settled with what the platform decided: fate and cause are known only when
//! all instants of the recording are. Also knows when nobody will ask for a recording again.

use std::collections::BTreeMap;

use crate::field::{Field, FieldSet};
use crate::history::{EndReason, JobRecord, Settled};
use crate::ids::{ArmIndex, RecordingIndex};
use crate::outcome::{Cause, Fate, OutcomeKind};
use crate::scenario::{Arm, ReadPath, RequiredFields};
use crate::time::Timestamp;
use crate::timeline::Timeline;

/// What a run hands over as it happens.
pub trait Sink {
    /// Every instant of a recording on an arm's platform is decided.
    fn timeline(&mut self, arm: ArmIndex, timeline: &Timeline);
    /// A tenant is done with a recording; `timeline` is the recording's, decided.
    fn settled(&mut self, settled: &Settled, timeline: &Timeline);
    /// A tenant is done with a job.
    fn job(&mut self, job: &JobRecord);
    /// A session never came up (live only).
    fn not_established(&mut self, recording: RecordingIndex, stage: &str) {
        let _ = (recording, stage);
    }
    /// The run is over at `at`; `ended` recordings per arm.
    fn end(&mut self, at: Timestamp, reason: EndReason, ended: &[u64]);
}

/// The recorder of one arm.
#[derive(Debug)]
pub struct Recorder {
    tenants: usize,
    read: ReadPath,
    schema: FieldSet,
    required: RequiredFields,
    open: BTreeMap<RecordingIndex, Open>,
    done: Vec<RecordingIndex>,
}

#[derive(Debug, Default)]
struct Open {
    timeline: Option<Timeline>,
    waiting: Vec<Settled>,
    settled: usize,
}

impl Recorder {
    /// A recorder for the tenants of `arm`.
    #[must_use]
    pub fn new(arm: &Arm) -> Self {
        Self {
            tenants: arm.gates.len(),
            read: arm.platform.export.read,
            schema: arm.platform.export.schema,
            required: arm.required,
            open: BTreeMap::new(),
            done: Vec::new(),
        }
    }

    /// Every instant of a recording is decided.
    pub fn decided(&mut self, timeline: Timeline, sink: &mut impl Sink) {
        let recording = timeline.recording;
        let open = self.open.entry(recording).or_default();
        let waiting = std::mem::take(&mut open.waiting);
        open.timeline = Some(timeline);
        for settled in waiting {
            self.conclude(settled, sink);
        }
        self.close(recording);
    }

    /// A tenant has settled a recording.
    pub fn settle(&mut self, settled: Settled, sink: &mut impl Sink) {
        let recording = settled.recording;
        let open = self.open.entry(recording).or_default();
        open.settled += 1;
        if open.timeline.is_none() {
            open.waiting.push(settled);
            return;
        }
        self.conclude(settled, sink);
        self.close(recording);
    }

    /// Recordings that every tenant has settled, since the last call.
    pub fn take_done(&mut self) -> Vec<RecordingIndex> {
        std::mem::take(&mut self.done)
    }

    fn close(&mut self, recording: RecordingIndex) {
        let complete = self
            .open
            .get(&recording)
            .is_some_and(|open| open.timeline.is_some() && open.settled >= self.tenants);
        if complete {
            self.open.remove(&recording);
            self.done.push(recording);
        }
    }

    fn conclude(&self, mut settled: Settled, sink: &mut impl Sink) {
        let Some(timeline) = self.open.get(&settled.recording).and_then(|o| o.timeline.as_ref())
        else {
            return;
        };
        (settled.fate, settled.cause) = self.judge(&settled, timeline);
        sink.settled(&settled, timeline);
    }

    /// What would have become of it later, and what held it.
    fn judge(&self, settled: &Settled, timeline: &Timeline) -> (Option<Fate>, Option<Cause>) {
        let required = self.required.of(timeline.kind);
        let at = settled.snapshot_at.unwrap_or(settled.settled_at);
        match settled.outcome {
            OutcomeKind::Complete => (None, None),
            OutcomeKind::Errored => (Some(Fate::Lost), Some(Cause::JobFailure)),
            OutcomeKind::Skipped => (Some(Fate::Lost), Some(Cause::WrongId)),
            OutcomeKind::Inconsistent => (Some(Fate::Lost), Some(Cause::Misclassified)),
            OutcomeKind::Abandoned => {
                // What counts is what the gate saw when it last looked.
                let at = settled.checked_at.unwrap_or(settled.settled_at);
                let seen = timeline.view(at, ReadPath::Primary);
                let missing = required.with(Field::Media).difference(seen.present);
                let cause = timeline.cause(at, ReadPath::Primary, missing);
                (Some(timeline.fate(at, ReadPath::Primary, required)), Some(cause))
            }
            OutcomeKind::Incomplete | OutcomeKind::Rejected => {
                let never_written = settled.missing.difference(self.schema.with(Field::Media));
                if never_written.is_empty() {
                    let cause = timeline.cause(at, self.read, settled.missing);
                    (Some(timeline.fate(at, self.read, required)), Some(cause))
                } else {
                    (Some(Fate::Lost), Some(Cause::Schema))
                }
            }
        }
    }
}
