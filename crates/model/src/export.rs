//! What an export job does with one recording: when, and what its sidecar holds.
//!
//! One rule for the organization that keeps jobs and for the simulator's path on which every
//! recording has a job of its own.

use crate::distribution::Sampler;
use crate::draws::{Draws, Purpose, Seed};
use crate::field::{Field, FieldSet, Kind};
use crate::ids::RecordingIndex;
use crate::outcome::OutcomeKind;
use crate::scenario::{
    ExportPolicy, ExportRequest, ExportSpec, HoldSpec, Permission, ReadPath, RequiredFields,
    SelectionSpec, SnapshotInstant, WriteOrder,
};
use crate::selection::{Refusal, Selection};
use crate::time::{Duration, Probability, Timestamp};
use crate::timeline::{Decided, View};

/// When a job reads what it writes of a recording.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Reads {
    /// The fields.
    pub(crate) sidecar_at: Timestamp,
    /// The media, if not then.
    pub(crate) media_at: Option<Timestamp>,
}

impl Reads {
    /// Both at `at`.
    #[inline]
    pub(crate) const fn at_once(at: Timestamp) -> Self {
        Self {
            sidecar_at: at,
            media_at: None,
        }
    }

    /// The later of the two.
    pub(crate) fn last(self) -> Timestamp {
        self.sidecar_at.max(self.media_at.unwrap_or_default())
    }
}

/// What chance makes of one job.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct JobTimes {
    /// POST to READY.
    pub query: Duration,
    /// PUT to the job's end.
    pub latency: Duration,
    /// First read to second read, where there is an order.
    pub between: Duration,
}

/// The rules of one organization's jobs.
#[derive(Clone, Debug)]
pub(crate) struct ExportRules {
    policy: ExportPolicy,
    latency: Sampler,
    query_time: Sampler,
    snapshot: SnapshotInstant,
    order: WriteOrder,
    between: Sampler,
    read: ReadPath,
    schema: FieldSet,
    failure: Probability,
    required: RequiredFields,
    seed: Seed,
    /// Beside the schema; none selects and copies everything.
    selection: Option<Selection>,
    /// What the rules of a job with a request of its own are made of.
    base: Option<Selection>,
}

impl ExportRules {
    /// The rules of `export`, which select and copy everything.
    pub(crate) fn new(export: &ExportSpec, required: RequiredFields, seed: Seed) -> Self {
        Self {
            policy: export.policy,
            latency: Sampler::new(&export.latency),
            query_time: Sampler::new(&export.query_time),
            snapshot: export.snapshot,
            order: export.order,
            between: Sampler::new(&export.between),
            read: export.read,
            schema: export.schema,
            failure: export.failure,
            required,
            seed,
            selection: None,
            base: None,
        }
    }

    /// The same, with the filters of `request` and the platform's rules of selection.
    pub(crate) fn selecting(
        mut self,
        export: &ExportSpec,
        hold: &HoldSpec,
        request: ExportRequest,
    ) -> Self {
        let plain =
            export.selection == SelectionSpec::default() && request == ExportRequest::default();
        let selection = Selection::new(export, hold, request);
        self.selection = (!plain).then_some(selection);
        self.base = Some(selection);
        self
    }

    /// The same, for a job with a request of its own.
    pub(crate) fn asking(&self, request: ExportRequest) -> Self {
        Self {
            selection: self.base.map(|base| base.asking(request)),
            ..self.clone()
        }
    }

    /// Why a job with the filters and permissions of `request` is refused.
    pub(crate) fn refuses(&self, request: &ExportRequest) -> Option<Refusal> {
        if request.exporting == Permission::Missing {
            return Some(Refusal::Forbidden);
        }
        let refuses = self.selection.is_some_and(|selection| selection.refuses());
        refuses.then_some(Refusal::UnknownFilter)
    }

    /// Whether missing fields refuse a job at its PUT.
    pub(crate) fn is_strict(&self) -> bool {
        self.policy == ExportPolicy::Strict
    }

    /// The data lake's watermark at `now`; without a lake all that has ended is there.
    pub(crate) fn watermark(&self, now: Timestamp) -> Timestamp {
        self.selection
            .map_or(now, |selection| selection.watermark(now))
    }

    /// How long the job's query takes.
    #[inline]
    pub(crate) fn query_time(&self, job: impl FnOnce() -> Draws) -> Duration {
        self.query_time
            .sample_with(|| job().draw(Purpose::JobQuery))
    }

    /// From the job's PUT to its end.
    #[inline]
    pub(crate) fn latency(&self, job: impl Fn() -> Draws) -> Duration {
        let latency = self.latency.sample_with(|| job().draw(Purpose::JobLatency));
        if self.order == WriteOrder::Together {
            return latency;
        }
        let between = self.between(job);
        match self.snapshot {
            SnapshotInstant::Selection => latency.max(between),
            SnapshotInstant::Write => latency.saturating_add(between),
        }
    }

    /// From its first read to its second one.
    #[cold]
    fn between(&self, job: impl FnOnce() -> Draws) -> Duration {
        self.between.sample_with(|| job().draw(Purpose::JobOrder))
    }

    /// The query's time and the latency of a job that reads all at once, if both are constant.
    pub(crate) fn constant_times(&self) -> Option<(Duration, Duration)> {
        if self.order != WriteOrder::Together {
            return None;
        }
        Some((self.query_time.as_constant()?, self.latency.as_constant()?))
    }

    /// When a job that was started and is done reads what it writes.
    pub(crate) fn reads(
        &self,
        started_at: Timestamp,
        done_at: Timestamp,
        times: JobTimes,
    ) -> Reads {
        if self.order == WriteOrder::Together {
            return Reads::at_once(self.snapshot_at(started_at, done_at));
        }
        let between = times.between;
        let first = match self.snapshot {
            SnapshotInstant::Selection => started_at,
            SnapshotInstant::Write => done_at - between,
        };
        let second = first + between;
        let (sidecar_at, media_at) = match self.order {
            WriteOrder::SidecarFirst => (first, second),
            WriteOrder::Together | WriteOrder::MediaFirst => (second, first),
        };
        Reads {
            sidecar_at,
            media_at: (media_at != sidecar_at).then_some(media_at),
        }
    }

    /// When a job without an order reads what it writes.
    #[inline]
    pub(crate) const fn snapshot_at(&self, started_at: Timestamp, done_at: Timestamp) -> Timestamp {
        match self.snapshot {
            SnapshotInstant::Selection => started_at,
            SnapshotInstant::Write => done_at,
        }
    }

    /// Draws all times of a job.
    pub(crate) fn times(&self, job: Draws) -> JobTimes {
        let between = match self.order {
            WriteOrder::Together => Duration::ZERO,
            WriteOrder::MediaFirst | WriteOrder::SidecarFirst => self.between(|| job),
        };
        JobTimes {
            query: self.query_time(|| job),
            latency: self.latency(|| job),
            between,
        }
    }

    /// Whether chance makes the job fail for the recording.
    #[inline]
    pub(crate) fn fails_by_chance(&self, job: Draws, recording: RecordingIndex) -> bool {
        let nth = u32::try_from(recording.0 & 0xFFFF_FFFF).unwrap_or(0);
        self.failure
            .occurs_with(|| job.draw_nth(Purpose::JobFailure, nth))
    }

    /// Whether no job may write the recording.
    #[inline]
    pub(crate) fn forbids(&self, recording: &impl Decided) -> bool {
        let forbids = |selection: &Selection| {
            recording.look(|timeline| selection.forbids(timeline, self.seed))
        };
        self.selection.as_ref().is_some_and(forbids)
    }

    /// What a strict job misses of a recording at `now`.
    pub(crate) fn lacks(&self, now: Timestamp, recording: &impl Decided) -> FieldSet {
        let view = self.view(now, recording);
        self.required
            .of(recording.taken_for())
            .difference(self.required.there(&view))
    }

    /// What a job created at `created_at` writes of a recording; none if its query did not see it.
    pub(crate) fn sidecar(
        &self,
        reads: Reads,
        created_at: Timestamp,
        recording: &impl Decided,
    ) -> Option<View> {
        let finds = |selection: Selection| {
            recording.look(|timeline| selection.finds(timeline, created_at, self.seed).is_ok())
        };
        let found = self.selection.is_none_or(finds);
        let mut view = (recording.ended_at() <= reads.sidecar_at && found)
            .then(|| self.view(reads.sidecar_at, recording))?;
        if let Some(media_at) = reads.media_at {
            view.take_media(self.view(media_at, recording));
        }
        Some(view)
    }

    /// Where sidecars are read from, if they hold every field that is required and true there: no
    /// filter, no failure, no short schema.
    pub(crate) fn plain_read(&self) -> Option<ReadPath> {
        let required = Kind::ALL.map(|kind| self.required.of(kind));
        let whole = required
            .iter()
            .all(|fields| fields.difference(self.schema).is_empty());
        let plain = self.selection.is_none()
            && self.failure == Probability::ZERO
            && self.policy == ExportPolicy::Lenient
            && self.order == WriteOrder::Together
            && whole;
        plain.then_some(self.read)
    }

    fn view(&self, now: Timestamp, recording: &impl Decided) -> View {
        let mut view = recording.view(now, self.read);
        let mut written = self.schema.with(Field::Media);
        if let Some(selection) = &self.selection {
            let mixed_up;
            (written, mixed_up) = recording.look(|timeline| {
                (
                    selection.written(timeline),
                    selection.mixed_up(timeline, self.seed),
                )
            });
            view.wrong = view.wrong.union(mixed_up);
        }
        view.present = view.present.intersection(written);
        view.null = view.null.intersection(written);
        view.wrong = view.wrong.intersection(view.present);
        if !view.null.is_empty() {
            let false_nulls = recording.look(|timeline| timeline.false_nulls(view.null));
            view.wrong = view.wrong.union(false_nulls);
        }
        view
    }
}

/// What a recording of `kind` lacks in a sidecar, and whether what it has is true.
#[must_use]
pub fn verdict(required: &RequiredFields, kind: Kind, view: &View) -> (OutcomeKind, FieldSet) {
    let needed = required.of(kind).with(Field::Media);
    let missing = needed.difference(required.there(view));
    let outcome = if !missing.is_empty() {
        OutcomeKind::Incomplete
    } else if !view.wrong.intersection(needed).is_empty() {
        OutcomeKind::Inconsistent
    } else {
        OutcomeKind::Complete
    };
    (outcome, missing)
}
