//! What is asked of a recording with all its instants, with or without its timeline being put
//! together.

use super::{FieldClock, Need, Region, STAGES_MAX, StageTimes, Timeline, View, latest_needed};
use crate::draws::{Draws, Seed};
use crate::field::{FieldGroup, FieldSet, Kind};
use crate::ids::{RecordingIndex, TenantIndex};
use crate::outcome::{Cause, Fate};
use crate::scenario::ReadPath;
use crate::time::Timestamp;

/// What gates, exports and the analysis ask of a recording with all its instants.
pub trait Decided {
    /// Which one.
    fn recording(&self) -> RecordingIndex;
    /// The draws of its call, in a run of `seed`.
    #[inline(always)]
    fn draws(&self, seed: Seed) -> Draws {
        Draws::of_call(seed, self.recording().0)
    }
    /// The kind that the platform took the call for.
    fn taken_for(&self) -> Kind;
    /// End of the session.
    fn ended_at(&self) -> Timestamp;
    /// Media object in storage.
    fn media_at(&self) -> Timestamp;
    /// Whether every value is true.
    fn is_true(&self) -> bool;
    /// The first instant at which a reader of `path` sees all that is needed; `ended_at` at the
    /// earliest.
    fn first_seen(&self, path: ReadPath, need: &Need) -> Timestamp;
    /// What a reader of `path` sees at `now`.
    fn view(&self, now: Timestamp, path: ReadPath) -> View {
        self.look(|timeline| timeline.view(now, path))
    }
    /// The whole timeline.
    fn timeline(&self) -> Timeline;
    /// Looks at the whole timeline.
    #[inline(always)]
    fn look<T>(&self, look: impl FnOnce(&Timeline) -> T) -> T {
        look(&self.timeline())
    }
    /// Its kind, as it really was.
    fn kind(&self) -> Kind {
        self.look(|timeline| timeline.kind)
    }
    /// Start of the call.
    fn started_at(&self) -> Timestamp {
        self.look(|timeline| timeline.started_at)
    }
    /// Whose platform it is, where each tenant has one of its own.
    fn tenant(&self) -> Option<TenantIndex> {
        self.look(|timeline| timeline.tenant)
    }
    /// Which region handled it.
    fn region(&self) -> Region {
        self.look(|timeline| timeline.region)
    }
    /// The clocks that its groups' fields share; none where a field was revised by itself.
    fn clocks(&self) -> Option<[FieldClock; FieldGroup::COUNT]> {
        self.look(Decided::clocks)
    }
    /// What its pipeline's stages did with it.
    fn stages(&self) -> [StageTimes; STAGES_MAX] {
        self.look(|timeline| timeline.stages)
    }
    /// The first instant at which a reader of `path` sees all of `required`; `need` says the same.
    fn fields_at(&self, path: ReadPath, required: FieldSet, need: &Need) -> Timestamp {
        self.look(|timeline| Decided::fields_at(timeline, path, required, need))
    }
    /// The first instant at which they are moreover all true.
    fn true_at(&self, path: ReadPath, required: FieldSet, need: &Need) -> Timestamp {
        self.look(|timeline| Decided::true_at(timeline, path, required, need))
    }
    /// What a reader of `path` misses at `at` of the `needed` fields, if that is known without a
    /// look at the timeline.
    #[inline(always)]
    fn missed(&self, at: Timestamp, path: ReadPath, needed: FieldSet) -> Option<Missed> {
        let _ = (at, path, needed);
        None
    }
}

/// What a reader missed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Missed {
    /// The fields.
    pub fields: FieldSet,
    /// Whether waiting would have helped.
    pub fate: Fate,
    /// What held the last of them.
    pub cause: Cause,
}

impl<D: Decided> Decided for &D {
    #[inline(always)]
    fn recording(&self) -> RecordingIndex {
        (**self).recording()
    }

    #[inline(always)]
    fn draws(&self, seed: Seed) -> Draws {
        (**self).draws(seed)
    }

    #[inline(always)]
    fn taken_for(&self) -> Kind {
        (**self).taken_for()
    }

    #[inline(always)]
    fn ended_at(&self) -> Timestamp {
        (**self).ended_at()
    }

    #[inline(always)]
    fn media_at(&self) -> Timestamp {
        (**self).media_at()
    }

    #[inline(always)]
    fn is_true(&self) -> bool {
        (**self).is_true()
    }

    #[inline(always)]
    fn first_seen(&self, path: ReadPath, need: &Need) -> Timestamp {
        (**self).first_seen(path, need)
    }

    #[inline(always)]
    fn view(&self, now: Timestamp, path: ReadPath) -> View {
        (**self).view(now, path)
    }

    #[inline(always)]
    fn timeline(&self) -> Timeline {
        (**self).timeline()
    }

    #[inline(always)]
    fn look<T>(&self, look: impl FnOnce(&Timeline) -> T) -> T {
        (**self).look(look)
    }

    #[inline(always)]
    fn missed(&self, at: Timestamp, path: ReadPath, needed: FieldSet) -> Option<Missed> {
        (**self).missed(at, path, needed)
    }
}

impl Decided for Timeline {
    fn recording(&self) -> RecordingIndex {
        self.recording
    }

    fn taken_for(&self) -> Kind {
        Self::taken_for(self)
    }

    fn ended_at(&self) -> Timestamp {
        self.ended_at
    }

    fn media_at(&self) -> Timestamp {
        self.media_at
    }

    fn is_true(&self) -> bool {
        self.false_fields.is_empty() && self.later.is_none()
    }

    fn first_seen(&self, path: ReadPath, need: &Need) -> Timestamp {
        let groups = self.group_clocks().map(|clock| clock.visible_at(path));
        latest_needed(need, self.ended_at, groups, self.media_at, self.state_at)
    }

    fn timeline(&self) -> Timeline {
        self.clone()
    }

    #[inline]
    fn look<T>(&self, look: impl FnOnce(&Self) -> T) -> T {
        look(self)
    }

    fn clocks(&self) -> Option<[FieldClock; FieldGroup::COUNT]> {
        self.revisions.is_empty().then(|| self.group_clocks())
    }

    fn fields_at(&self, path: ReadPath, required: FieldSet, _: &Need) -> Timestamp {
        Self::fields_at(self, path, required)
    }

    fn true_at(&self, path: ReadPath, required: FieldSet, _: &Need) -> Timestamp {
        Self::true_at(self, path, required)
    }
}
