//! What an export job sees and what its sidecars hold, apart from time: one rule for the
//! organization that applies it and for the recorder that says afterwards why.

use crate::draws::{Draws, Purpose, Seed};
use crate::field::{Field, FieldGroup, FieldSet, Kind};
use crate::outcome::Cause;
use crate::scenario::{
    Correlation, ExportRequest, ExportSpec, Filters, HoldLevel, HoldSpec, LakeSpec,
    MediaTypeFilter, SelectionSpec, SidecarSource,
};
use crate::time::{Duration, Timestamp};
use crate::timeline::{Hold, Timeline};

/// The rules of one organization's jobs.
#[derive(Clone, Copy, Debug)]
pub struct Selection {
    spec: SelectionSpec,
    schema: FieldSet,
    hold_level: HoldLevel,
    request: ExportRequest,
}

/// Why a request is refused.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Refusal {
    /// 403.
    Forbidden,
    /// 400: a filter has an unknown value.
    UnknownFilter,
}

impl Selection {
    /// The rules of `export` for jobs that ask for `request`.
    #[must_use]
    pub const fn new(export: &ExportSpec, hold: &HoldSpec, request: ExportRequest) -> Self {
        Self {
            spec: export.selection,
            schema: export.schema,
            hold_level: hold.level,
            request,
        }
    }

    /// The same rules for a job that asks for something else.
    #[must_use]
    pub const fn asking(self, request: ExportRequest) -> Self {
        Self { request, ..self }
    }

    /// Whether a job with the request is refused for its filters.
    #[must_use]
    pub fn refuses(&self) -> bool {
        self.spec.filters == Filters::RefusingUnknown
            && self.request.media_type == Some(MediaTypeFilter::Webcam)
    }

    /// Whether a job whose query ran at `selected_at` finds the recording.
    ///
    /// # Errors
    /// Why it does not.
    pub fn finds(
        &self,
        timeline: &Timeline,
        selected_at: Timestamp,
        seed: Seed,
    ) -> Result<(), Cause> {
        if !self.filter_matches(timeline.taken_for()) {
            return Err(Cause::Filter);
        }
        let draw = Draws::of_call(seed, timeline.recording.0).draw(Purpose::OtherId);
        let softphone = timeline.kind == Kind::Webrtc;
        let other_id = softphone && self.spec.other_id.occurs(draw);
        if self.spec.correlation == Correlation::Conversation && other_id {
            return Err(Cause::WrongId);
        }
        if self.in_lake_at(timeline) > selected_at {
            return Err(Cause::Watermark);
        }
        Ok(())
    }

    /// Whether no job may write the recording, whenever it tries.
    #[must_use]
    pub fn forbids(&self, timeline: &Timeline, seed: Seed) -> bool {
        let draws = Draws::of_call(seed, timeline.recording.0);
        let draw = || draws.draw(Purpose::HeldForbidden);
        timeline.hold == Hold::Held && self.spec.held_forbidden.occurs_with(draw)
    }

    fn filter_matches(&self, kind: Kind) -> bool {
        match (self.spec.filters, self.request.media_type) {
            (Filters::Ignored, _) | (_, None) => true,
            (_, Some(MediaTypeFilter::Webrtc)) => kind == Kind::Webrtc,
            (_, Some(MediaTypeFilter::Sip)) => kind == Kind::Sip,
            (_, Some(MediaTypeFilter::Webcam)) => false,
        }
    }

    /// When the data lake's watermark passes the session's end.
    #[must_use]
    pub fn in_lake_at(&self, timeline: &Timeline) -> Timestamp {
        self.spec.lake.map_or(timeline.ended_at, |lake| {
            watermark(&lake, timeline.ended_at)
        })
    }

    /// The date before which the lake has everything, as its API tells it at `now`.
    #[must_use]
    pub fn watermark(&self, now: Timestamp) -> Timestamp {
        self.spec.lake.map_or(now, |lake| lake.watermark(now))
    }

    /// The fields that a sidecar of the recording has room for; the media always is there.
    #[must_use]
    pub fn written(&self, timeline: &Timeline) -> FieldSet {
        let mut written = self.schema.with(Field::Media);
        if self.spec.filters != Filters::Ignored {
            written = written.union(self.request.include);
        }
        let softphone = timeline.taken_for() == Kind::Webrtc;
        let elsewhere = self.hold_level == HoldLevel::Interaction && timeline.hold == Hold::Held;
        if self.spec.sidecar == SidecarSource::Own && softphone && elsewhere {
            for field in Field::METADATA
                .into_iter()
                .filter(|f| f.group() == Some(FieldGroup::Hold))
            {
                written = written.without(field);
            }
        }
        written
    }

    /// Fields of a sidecar that are another conversation's.
    #[must_use]
    pub fn mixed_up(&self, timeline: &Timeline, seed: Seed) -> FieldSet {
        let draw = Draws::of_call(seed, timeline.recording.0).draw(Purpose::SharedSession);
        let shared = timeline.kind == Kind::Webrtc && self.spec.shared_session.occurs(draw);
        if self.spec.correlation == Correlation::Session && shared {
            FieldSet::EMPTY.with(Field::StartTime).with(Field::EndTime)
        } else {
            FieldSet::EMPTY
        }
    }
}

impl LakeSpec {
    /// The date before which it has everything, as its API tells it at `now`: with milliseconds,
    /// and the run's start where it has nothing of the run.
    #[must_use]
    pub fn watermark(&self, now: Timestamp) -> Timestamp {
        const MILLI: u64 = 1_000_000;
        let refresh = self.refresh.as_nanos().max(1);
        let moved_at = Timestamp::from_nanos(now.as_nanos() / refresh * refresh);
        let passed = (moved_at - self.lag).as_nanos();
        Timestamp::from_nanos(passed / MILLI * MILLI)
    }
}

/// The first instant of the lake's grid at which its watermark has passed `ended_at`.
fn watermark(lake: &LakeSpec, ended_at: Timestamp) -> Timestamp {
    let ready_at = ended_at + lake.lag;
    let refresh = lake.refresh.as_nanos();
    if refresh == 0 {
        return ready_at;
    }
    let steps = ready_at.as_nanos().div_ceil(refresh);
    Timestamp::ZERO + Duration::from_nanos(steps.saturating_mul(refresh))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_watermark_passes_an_end_at_the_first_refresh_after_its_lag() {
        let (refresh, lag) = (Duration::from_secs(10), Duration::from_secs(3));
        let at = |secs| Timestamp::ZERO + Duration::from_secs(secs);
        for (ended, seen) in [(0, 10), (7, 10), (8, 20), (17, 20)] {
            assert_eq!(watermark(&LakeSpec { refresh, lag }, at(ended)), at(seen));
        }
        let always = LakeSpec {
            refresh: Duration::ZERO,
            lag,
        };
        assert_eq!(watermark(&always, at(7)), at(10));
    }

    #[test]
    fn a_job_finds_what_ended_before_the_watermark_that_was_read() {
        let millis = |ms| Timestamp::ZERO + Duration::from_millis(ms);
        for (refresh, lag) in [(10_000, 3_000), (0, 3_000), (700, 0), (0, 0)] {
            let (refresh, lag) = (Duration::from_millis(refresh), Duration::from_millis(lag));
            let lake = LakeSpec { refresh, lag };
            for now in (0..40_000).step_by(131).map(millis) {
                let told = lake.watermark(now);
                if told > Timestamp::ZERO {
                    assert!(watermark(&lake, told) <= now, "{lake:?} at {now}");
                }
                // Nothing that ended a millisecond later is told to be there.
                let later = told + Duration::from_millis(1);
                assert!(
                    told == now || watermark(&lake, later) > now,
                    "{lake:?} at {now}"
                );
            }
        }
    }
}
