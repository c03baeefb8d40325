//! Joins what tenants settled with what the platform decided: fate and cause are known only when
//! all instants of the recording are. Also knows when nobody will ask for a recording again.

use std::collections::BTreeMap;

use crate::draws::Seed;
use crate::history::{EndReason, JobRecord, Settled};
use crate::ids::{ArmIndex, RecordingIndex, TenantIndex};
use crate::judge::Judge;
use crate::scenario::Arm;
use crate::time::Timestamp;
use crate::timeline::{Decided, Timeline};

/// What a run hands over as it happens.
pub trait Sink {
    /// Every instant of a recording on an arm's platform is decided.
    fn timeline(&mut self, arm: ArmIndex, timeline: &Timeline);
    /// A tenant is done with a recording; `timeline` is the recording's, decided.
    fn settled(&mut self, settled: &Settled, timeline: &Timeline);
    /// A tenant is done with a job.
    fn job(&mut self, job: &JobRecord);
    /// As [`Sink::timeline`], where none has been put together: for a sink that needs less.
    #[inline]
    fn decided(&mut self, arm: ArmIndex, recording: &impl Decided) {
        recording.look(|timeline| self.timeline(arm, timeline));
    }
    /// As [`Sink::settled`], where no timeline has been put together.
    #[inline]
    fn concluded(&mut self, settled: &Settled, recording: &impl Decided) {
        recording.look(|timeline| self.settled(settled, timeline));
    }
    /// As [`Sink::job`], of a job that holds that recording alone.
    #[inline]
    fn job_of(&mut self, recording: RecordingIndex, job: &JobRecord) {
        let _ = recording;
        self.job(job);
    }
    /// A session never came up (live only).
    fn not_established(&mut self, recording: RecordingIndex, stage: &str) {
        let _ = (recording, stage);
    }
    /// Whether no more sessions shall begin; what is under way is settled all the same.
    #[inline]
    fn is_stopped(&self) -> bool {
        false
    }
    /// The run is over at `at`; `ended` recordings per arm.
    fn end(&mut self, at: Timestamp, reason: EndReason, ended: &[u64]);
}

/// The recorder of one arm.
#[derive(Debug)]
pub struct Recorder {
    tenants: usize,
    judge: Judge,
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
            judge: Judge::new(arm, TenantIndex(0), Seed(0)),
            open: BTreeMap::new(),
            done: Vec::new(),
        }
    }

    /// The same recorder, for tenants from `first` on, in a run of `seed`.
    #[must_use]
    pub const fn of_run(mut self, first: TenantIndex, seed: Seed) -> Self {
        self.judge.first = first;
        self.judge.seed = seed;
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
        (settled.fate, settled.cause) = self.judge.judge(&settled, timeline);
        sink.settled(&settled, timeline);
    }
}
