//! Joins what tenants settled with what the platform decided: fate and cause are known only when
//! all instants of the recording are. Also knows when nobody will ask for a recording again.

use std::collections::BTreeMap;

use crate::draws::Seed;
use crate::field::{Field, FieldSet};
use crate::history::{EndReason, JobRecord, Settled};
use crate::ids::{ArmIndex, RecordingIndex, TenantIndex};
use crate::outcome::{Cause, Fate, OutcomeKind};
use crate::scenario::{Arm, ExportRequest, ReadPath, RequiredFields};
use crate::selection::Selection;
use crate::time::{Duration, Timestamp};
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
    /// Its first tenant, if it is not the run's.
    first: TenantIndex,
    arm: Arm,
    seed: Seed,
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
            first: TenantIndex(0),
            arm: arm.clone(),
            seed: Seed(0),
            required: arm.required,
            open: BTreeMap::new(),
            done: Vec::new(),
        }
    }

    /// The same recorder, for tenants from `first` on, in a run of `seed`.
    #[must_use]
    pub const fn of_run(mut self, first: TenantIndex, seed: Seed) -> Self {
        self.first = first;
        self.seed = seed;
        self
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
        let Some(timeline) = self
            .open
            .get(&settled.recording)
            .and_then(|o| o.timeline.as_ref())
        else {
            return;
        };
        (settled.fate, settled.cause) = self.judge(&settled, timeline);
        sink.settled(&settled, timeline);
    }

    /// What would have become of it later, and what held it.
    fn judge(&self, settled: &Settled, timeline: &Timeline) -> (Option<Fate>, Option<Cause>) {
        let (fate, cause) = match settled.outcome {
            OutcomeKind::Complete => return (None, None),
            OutcomeKind::Errored => (Fate::Lost, settled.cause.unwrap_or(Cause::JobFailure)),
            OutcomeKind::Skipped => self.skipped(settled, timeline),
            OutcomeKind::Inconsistent if timeline.taken_for() != timeline.kind => {
                (Fate::Lost, Cause::Misclassified)
            }
            OutcomeKind::Inconsistent if timeline.false_fields.contains(Field::Media) => {
                (Fate::Lost, Cause::AudioAltered)
            }
            OutcomeKind::Inconsistent => (Fate::Lost, Cause::WrongId),
            OutcomeKind::Abandoned => {
                // What counts is what the gate saw when it last looked.
                let at = settled.checked_at.unwrap_or(settled.settled_at);
                self.missed(timeline, at, ReadPath::Primary, None)
            }
            OutcomeKind::Incomplete | OutcomeKind::Rejected => self.incomplete(settled, timeline),
        };
        (Some(fate), Some(cause))
    }

    fn incomplete(&self, settled: &Settled, timeline: &Timeline) -> (Fate, Cause) {
        if let Some(cause) = settled.cause {
            return (Fate::Lost, cause);
        }
        let at = settled.snapshot_at.unwrap_or(settled.settled_at);
        let written = self.selection(settled.tenant).written(timeline);
        if settled.missing.difference(written).is_empty() {
            self.missed(
                timeline,
                at,
                self.arm.platform.export.read,
                Some(settled.missing),
            )
        } else {
            (Fate::Lost, Cause::Schema)
        }
    }

    /// What a reader of `path` missed at `at`: all that was not there, unless it is known.
    fn missed(
        &self,
        timeline: &Timeline,
        at: Timestamp,
        path: ReadPath,
        missing: Option<FieldSet>,
    ) -> (Fate, Cause) {
        let required = self.required.of(timeline.taken_for());
        let missing = missing.unwrap_or_else(|| {
            required
                .with(Field::Media)
                .difference(timeline.view(at, path).present)
        });
        let mut cause = timeline.cause(at, path, missing);
        if cause == Cause::QueueWait && self.was_short_of_workers(timeline, at) {
            cause = Cause::Outage;
        }
        (timeline.fate(at, path, required), cause)
    }

    /// Whether the stage that the recording waited for at `at` had lost workers meanwhile.
    fn was_short_of_workers(&self, timeline: &Timeline, at: Timestamp) -> bool {
        let Some(stage) = timeline.waiting_in(at) else {
            return false;
        };
        let platform = &self.arm.platform;
        let pipeline = platform.kinds.get(timeline.taken_for()).pipeline;
        let outages = platform
            .pipelines
            .get(pipeline)
            .and_then(|p| p.stages.get(stage));
        let queued_at = timeline.stages[stage].queued_at;
        outages.is_some_and(|spec| {
            spec.outages.iter().any(|outage| {
                let from = Timestamp::ZERO + outage.from;
                from <= at && queued_at < from + outage.duration
            })
        })
    }

    /// Why a job did not find a recording.
    fn skipped(&self, settled: &Settled, timeline: &Timeline) -> (Fate, Cause) {
        let asked_at = settled.approved_at.unwrap_or(settled.settled_at);
        let selection = self.selection(settled.tenant);
        match selection.finds(timeline, asked_at, self.seed) {
            Err(Cause::Watermark) => {
                let by = selection.in_lake_at(timeline).since(asked_at);
                (
                    Fate::Late(by.max(Duration::from_nanos(1))),
                    Cause::Watermark,
                )
            }
            Err(cause) => (Fate::Lost, cause),
            Ok(()) => (Fate::Lost, Cause::WrongId),
        }
    }

    fn selection(&self, tenant: TenantIndex) -> Selection {
        let gate = tenant.0.checked_sub(self.first.0).map(|gate| gate as usize);
        let gate = gate.and_then(|gate| self.arm.gates.get(gate));
        let request = gate.map_or_else(ExportRequest::default, |gate| gate.request);
        Selection::new(&self.arm.platform.export, &self.arm.platform.hold, request)
    }
}
