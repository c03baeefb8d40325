//! Why a recording did not come out complete: fate and cause, from what a tenant settled and what
//! the platform decided.

use crate::draws::Seed;
use crate::field::{Field, FieldSet};
use crate::history::Settled;
use crate::ids::TenantIndex;
use crate::outcome::{Cause, Fate, OutcomeKind};
use crate::platform::{Known, notifications};
use crate::scenario::{Arm, ExportRequest, GateSpec, JobDone, ReadPath, Strategy, WebhookEvent};
use crate::selection::Selection;
use crate::time::{Duration, Timestamp};
use crate::timeline::Timeline;

/// Judges what the tenants of one arm have settled.
#[derive(Clone, Debug)]
pub(crate) struct Judge {
    arm: Arm,
    /// Its first tenant, if it is not the run's.
    pub(crate) first: TenantIndex,
    pub(crate) seed: Seed,
}

impl Judge {
    /// The judge of `arm`, whose tenants are counted from `first` on.
    pub(crate) fn new(arm: &Arm, first: TenantIndex, seed: Seed) -> Self {
        Self {
            arm: arm.clone(),
            first,
            seed,
        }
    }

    /// What would have become of it later, and what held it.
    pub(crate) fn judge(
        &self,
        settled: &Settled,
        timeline: &Timeline,
    ) -> (Option<Fate>, Option<Cause>) {
        let (fate, cause) = match settled.outcome {
            OutcomeKind::Complete => return (None, None),
            OutcomeKind::Errored => (Fate::Lost, self.errored(settled, timeline)),
            OutcomeKind::Skipped => self.skipped(settled, timeline),
            OutcomeKind::Inconsistent if timeline.taken_for() != timeline.kind => {
                (Fate::Lost, Cause::Misclassified)
            }
            OutcomeKind::Inconsistent if timeline.false_fields.contains(Field::Media) => {
                (Fate::Lost, Cause::AudioAltered)
            }
            OutcomeKind::Inconsistent => self.inconsistent(settled, timeline),
            OutcomeKind::Abandoned => {
                // What counts is what the gate saw when it last looked.
                let at = settled.checked_at.unwrap_or(settled.settled_at);
                self.abandoned(settled.tenant, timeline, at)
            }
            OutcomeKind::Incomplete | OutcomeKind::Rejected => self.incomplete(settled, timeline),
        };
        (Some(fate), Some(cause))
    }

    /// What a job failed of. A held recording that none may write looks like any other failure.
    fn errored(&self, settled: &Settled, timeline: &Timeline) -> Cause {
        let selection = self.selection(settled.tenant);
        match settled.cause {
            None | Some(Cause::JobFailure) if selection.forbids(timeline, self.seed) => {
                Cause::Permission
            }
            cause => cause.unwrap_or(Cause::JobFailure),
        }
    }

    /// Why a value was false that the platform itself had right in the end, or never.
    fn inconsistent(&self, settled: &Settled, timeline: &Timeline) -> (Fate, Cause) {
        let selection = self.selection(settled.tenant);
        let mixed_up = selection.mixed_up(timeline, self.seed);
        let required = self.arm.required.of(timeline.taken_for());
        let at = settled.snapshot_at.unwrap_or(settled.settled_at);
        let read = self.arm.platform.export.read;
        let nulls = timeline.false_nulls(timeline.view(at, read).null);
        if !nulls.intersection(required).is_empty() {
            let gone = timeline.gone_at(required) <= at;
            let cause = if gone {
                Cause::Expired
            } else {
                Cause::StaleVersion
            };
            return (timeline.fate(at, read, required), cause);
        }
        let corrected_at = timeline.corrected_at(read, required);
        if !mixed_up.intersection(required).is_empty() || corrected_at <= at {
            (Fate::Lost, Cause::WrongId)
        } else if corrected_at.is_never() || timeline.gone_at(required) <= corrected_at {
            (Fate::Lost, Cause::StaleVersion)
        } else {
            (Fate::Late(corrected_at.since(at)), Cause::StaleVersion)
        }
    }

    fn incomplete(&self, settled: &Settled, timeline: &Timeline) -> (Fate, Cause) {
        if let Some(cause) = settled.cause {
            return (Fate::Lost, cause);
        }
        let at = settled.snapshot_at.unwrap_or(settled.settled_at);
        let written = self.selection(settled.tenant).written(timeline);
        if settled.missing.difference(written).is_empty() {
            let read = self.arm.platform.export.read;
            let (fate, cause) = match settled.media_read_at {
                Some(media_at) => self.missed_apart(settled, timeline, at, media_at),
                None => self.missed(timeline, at, read, Some(settled.missing)),
            };
            if self.was_told_early(settled.tenant, timeline) {
                (fate, Cause::NotificationEarly)
            } else {
                (fate, cause)
            }
        } else {
            (Fate::Lost, Cause::Schema)
        }
    }

    /// What a job missed that read the fields at `at` and the media at another time: whatever
    /// came latest after its own reading held the export.
    fn missed_apart(
        &self,
        settled: &Settled,
        timeline: &Timeline,
        at: Timestamp,
        media_at: Timestamp,
    ) -> (Fate, Cause) {
        let read = self.arm.platform.export.read;
        let required = self.arm.required.of(timeline.taken_for());
        let fields_by = timeline.true_at(read, required).since(at);
        let media_by = timeline.media_at.since(media_at);
        let fields = settled.missing.without(Field::Media);
        let of_media =
            fields.is_empty() || settled.missing.contains(Field::Media) && fields_by <= media_by;
        let held = if of_media {
            FieldSet::EMPTY.with(Field::Media)
        } else {
            fields
        };
        let (_, cause) = self.missed(timeline, at, read, Some(held));
        let lost = timeline.fate(at, read, required) == Fate::Lost;
        let fate = if lost {
            Fate::Lost
        } else {
            Fate::Late(fields_by.max(media_by))
        };
        (fate, cause)
    }

    /// What a reader of `path` missed at `at`: all that was not there, unless it is known.
    fn missed(
        &self,
        timeline: &Timeline,
        at: Timestamp,
        path: ReadPath,
        missing: Option<FieldSet>,
    ) -> (Fate, Cause) {
        let required = self.arm.required.of(timeline.taken_for());
        let missing = missing.unwrap_or_else(|| {
            required
                .with(Field::Media)
                .difference(self.arm.required.there(&timeline.view(at, path)))
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
        let pipeline = platform.pipeline_of(timeline.taken_for(), timeline.region);
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
            Ok(()) if self.takes_counters(settled.tenant) => (Fate::Lost, Cause::ReadEarly),
            Ok(()) => (Fate::Lost, Cause::WrongId),
        }
    }

    /// Why the gate gave up at `at`: what counts is what it looked at.
    fn abandoned(&self, tenant: TenantIndex, timeline: &Timeline, at: Timestamp) -> (Fate, Cause) {
        let gate = self.gate(tenant);
        let path = gate.map_or(ReadPath::Primary, |gate| gate.strategy.looks_for().path());
        let (fate, cause) = self.missed(timeline, at, path, None);
        match gate.map(|gate| &gate.strategy) {
            Some(Strategy::Watermark(_)) => {
                let by = self.selection(tenant).in_lake_at(timeline).since(at);
                (Fate::Late(by), Cause::Watermark)
            }
            Some(Strategy::Webhook(webhook)) if self.was_not_told(webhook.event, timeline) => {
                (fate, Cause::NotificationLost)
            }
            _ => (fate, cause),
        }
    }

    /// Whether the gate exported because it was told too early that the metadata is ready.
    fn was_told_early(&self, tenant: TenantIndex, timeline: &Timeline) -> bool {
        let event = WebhookEvent::MetadataReady;
        let trusts = self.gate(tenant).is_some_and(
            |gate| matches!(gate.strategy, Strategy::Webhook(webhook) if webhook.event == event),
        );
        let spec = &self.arm.platform.notification;
        trusts && notifications(spec, self.seed).known(event, timeline) == Known::AtEnd
    }

    /// Whether no message about `event` was sent.
    fn was_not_told(&self, event: WebhookEvent, timeline: &Timeline) -> bool {
        let service = notifications(&self.arm.platform.notification, self.seed);
        let required = self.arm.required.of(timeline.taken_for());
        service.of(event, timeline, required).next().is_none()
    }

    fn gate(&self, tenant: TenantIndex) -> Option<&GateSpec> {
        let gate = tenant.0.checked_sub(self.first.0).map(|gate| gate as usize);
        gate.and_then(|gate| self.arm.gates.get(gate))
    }

    fn takes_counters(&self, tenant: TenantIndex) -> bool {
        let gate = self.gate(tenant);
        gate.is_some_and(|gate| gate.request.done_when == JobDone::Counters)
    }

    fn selection(&self, tenant: TenantIndex) -> Selection {
        let gate = self.gate(tenant);
        let request = gate.map_or_else(ExportRequest::default, |gate| gate.request);
        Selection::new(&self.arm.platform.export, &self.arm.platform.hold, request)
    }
}
