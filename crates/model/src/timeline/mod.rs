//! The heart of the model: when each thing of a recording becomes visible.
//!
//! An instant is decided as early as it can be and at latest when it occurs; a view treats the
//! undecided as not yet visible. [`Timeline::view`] is pure, so reading takes no lock and every
//! engine answers alike.

mod decided;
mod later;

pub use decided::{Decided, Missed};
pub use later::Later;

use serde::{Deserialize, Serialize};

use crate::field::{Field, FieldGroup, FieldSet, Kind};
use crate::ids::{RecordingIndex, TenantIndex};
use crate::outcome::{Cause, Fate};
use crate::scenario::ReadPath;
use crate::time::Timestamp;

/// Stages of one pipeline at most; a timeline holds them inline.
pub const STAGES_MAX: usize = 6;

/// The instants of one recording.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Timeline {
    /// Which recording.
    pub recording: RecordingIndex,
    /// Whose platform it is, where each tenant has one of its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tenant: Option<TenantIndex>,
    /// Its kind, as it really was.
    pub kind: Kind,
    /// Which region handled it.
    #[serde(default, skip_serializing_if = "Region::is_first")]
    pub region: Region,
    /// Whether it is under legal hold.
    pub hold: Hold,
    /// Start of the call.
    pub started_at: Timestamp,
    /// End of the session: from here on the recording exists.
    pub ended_at: Timestamp,
    /// Media object in storage.
    pub media_at: Timestamp,
    /// `state` COMPLETED.
    pub state_at: Timestamp,
    /// When the pipeline began on it, after any after-call work.
    pub submitted_at: Timestamp,
    /// When the last stage was done and its update accepted.
    pub written_at: Timestamp,
    /// The metadata fields, in the order of [`Field::METADATA`].
    pub fields: [FieldClock; Field::METADATA_COUNT],
    /// The stages it went through, in order; unused ones are [`StageTimes::NONE`].
    pub stages: [StageTimes; STAGES_MAX],
    /// Fields whose value is false.
    pub false_fields: FieldSet,
    /// Fields whose value is null: they count as there from `value_at` on, where they do at all.
    #[serde(default, skip_serializing_if = "FieldSet::is_empty")]
    pub null_fields: FieldSet,
    /// Why fields that never come do not come.
    pub lost_cause: Option<Cause>,
    /// What held the hold flag once its group was written, or why it never comes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hold_cause: Option<Cause>,
    /// What keeps the hold flag from the index, besides the index itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub index_cause: Option<Cause>,
    /// What becomes of values after they are there, where they change.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub later: Option<Box<Later>>,
    /// Later changes of field instants, in the order in which they were decided.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub revisions: Vec<Revision>,
}

/// Which region handled a call.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Region {
    /// The platform's own.
    #[default]
    First,
    /// The second one.
    Second,
}

impl Region {
    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands a reference")]
    const fn is_first(&self) -> bool {
        matches!(self, Self::First)
    }
}

/// Whether a recording is under legal hold.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Hold {
    /// It is.
    Held,
    /// It is not.
    Free,
}

/// The clock of one metadata field: absent, then null, then its value; the value on the index.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub struct FieldClock {
    /// From here on the key is there, with null.
    pub null_at: Timestamp,
    /// From here on the primary read path has the value.
    pub value_at: Timestamp,
    /// From here on the index has the value.
    pub index_at: Timestamp,
}

impl FieldClock {
    /// A field that is never visible.
    pub const NEVER: Self = Self {
        null_at: Timestamp::NEVER,
        value_at: Timestamp::NEVER,
        index_at: Timestamp::NEVER,
    };

    /// When the value is visible on `path`.
    #[must_use]
    pub const fn visible_at(self, path: ReadPath) -> Timestamp {
        match path {
            ReadPath::Primary => self.value_at,
            ReadPath::Index => self.index_at,
        }
    }
}

/// What one stage did with a recording.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub struct StageTimes {
    /// It joined the queue.
    pub queued_at: Timestamp,
    /// A worker took it.
    pub started_at: Timestamp,
    /// The worker was done.
    pub done_at: Timestamp,
}

impl StageTimes {
    /// A stage that the recording did not go through.
    pub const NONE: Self = Self {
        queued_at: Timestamp::NEVER,
        started_at: Timestamp::NEVER,
        done_at: Timestamp::NEVER,
    };
}

/// A later change of an instant: seen from `decided_at` on.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub struct Revision {
    /// When it was decided.
    pub decided_at: Timestamp,
    /// The field.
    pub field: Field,
    /// Its new clock; no instant in it lies before `decided_at` unless it has already passed.
    pub clock: FieldClock,
}

/// What a reader sees of a recording at an instant.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct View {
    /// Fields that are there with a value, `Media` included.
    pub present: FieldSet,
    /// Fields that are there with null.
    pub null: FieldSet,
    /// Fields whose value is false.
    pub wrong: FieldSet,
    /// `state`.
    pub state: RecordingState,
}

impl View {
    /// Nothing is there yet.
    const EMPTY: Self = Self {
        present: FieldSet::EMPTY,
        null: FieldSet::EMPTY,
        wrong: FieldSet::EMPTY,
        state: RecordingState::Processing,
    };

    /// What a reader of `path` sees at `now` of fields that share their groups' `clocks`; the value
    /// of `nulls` is null.
    #[inline]
    pub(crate) fn of_groups(
        now: Timestamp,
        path: ReadPath,
        clocks: [FieldClock; FieldGroup::COUNT],
        nulls: FieldSet,
    ) -> Self {
        let mut view = Self::EMPTY;
        for (clock, group) in clocks.into_iter().zip(FieldGroup::ALL) {
            if clock.visible_at(path) <= now {
                view.present = view.present.union(group.fields().difference(nulls));
                view.null = view.null.union(group.fields().intersection(nulls));
            } else if clock.null_at <= now {
                view.null = view.null.union(group.fields().difference(nulls));
            }
        }
        view
    }

    /// Adds the media and the state, which show from their instants on.
    #[inline]
    pub(crate) fn see(&mut self, now: Timestamp, media_at: Timestamp, state_at: Timestamp) {
        if media_at <= now {
            self.present.insert(Field::Media);
        }
        if state_at <= now {
            self.state = RecordingState::Completed;
        }
    }

    /// What `other` sees of the media, and all else as before.
    pub(crate) fn take_media(&mut self, other: Self) {
        let take = |own: FieldSet, other: FieldSet| {
            if other.contains(Field::Media) {
                own.with(Field::Media)
            } else {
                own.without(Field::Media)
            }
        };
        self.present = take(self.present, other.present);
        self.wrong = take(self.wrong, other.wrong);
    }
}

/// The `state` of a recording in the forum dialect.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum RecordingState {
    /// Not yet.
    Processing,
    /// Done, so it says.
    Completed,
}

/// Things that must all be visible: for each, all bits set or none.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Need {
    groups: [u64; FieldGroup::COUNT],
    media: u64,
    state: u64,
}

impl Need {
    /// All of `fields`.
    pub(crate) fn fields(fields: FieldSet) -> Self {
        let of_group = |group| fields.iter().any(|field| field.group() == Some(group));
        Self {
            groups: FieldGroup::ALL.map(|group| mask(of_group(group))),
            media: mask(fields.contains(Field::Media)),
            state: 0,
        }
    }

    /// And the media.
    pub(crate) const fn and_media(mut self) -> Self {
        self.media = u64::MAX;
        self
    }

    /// Whether `other` has all of these.
    pub(crate) fn is_within(&self, other: &Self) -> bool {
        let all = |need: &Self| {
            let [first, second, third] = need.groups;
            [first, second, third, need.media, need.state]
        };
        all(self)
            .iter()
            .zip(all(other))
            .all(|(one, other)| one & !other == 0)
    }

    /// And `state` COMPLETED.
    pub(crate) const fn and_state(mut self) -> Self {
        self.state = u64::MAX;
        self
    }
}

fn mask(needed: impl Into<u64>) -> u64 {
    0_u64.wrapping_sub(needed.into())
}

/// The latest of the instants that are needed, `ended_at` at the earliest.
#[inline(always)]
pub(crate) fn latest_needed(
    need: &Need,
    ended_at: Timestamp,
    groups: [Timestamp; FieldGroup::COUNT],
    media_at: Timestamp,
    state_at: Timestamp,
) -> Timestamp {
    let [first, second, third] = groups.map(Timestamp::as_nanos);
    let groups = (first & need.groups[0])
        .max(second & need.groups[1])
        .max(third & need.groups[2]);
    let others = (media_at.as_nanos() & need.media).max(state_at.as_nanos() & need.state);
    ended_at.max(Timestamp::from_nanos(groups.max(others)))
}

impl Timeline {
    /// The clock of each group: its fields share one until somebody revises them.
    pub(crate) const fn group_clocks(&self) -> [FieldClock; FieldGroup::COUNT] {
        [
            self.fields[Field::MediaType as usize],
            self.fields[Field::WebrtcSessionId as usize],
            self.fields[Field::LegalHoldFlag as usize],
        ]
    }

    /// Gives each field its group's clock.
    pub(crate) fn set_group_clocks(&mut self, clocks: [FieldClock; FieldGroup::COUNT]) {
        for (clock, field) in self.fields.iter_mut().zip(Field::METADATA) {
            let group = field.group().expect("metadata fields are in groups");
            *clock = clocks[group.index()];
        }
    }

    /// The kind that the platform took the call for, and which it writes to `media_type`.
    #[must_use]
    pub const fn taken_for(&self) -> Kind {
        if self.false_fields.contains(Field::MediaType) {
            Kind::Sip
        } else {
            self.kind
        }
    }

    /// The fields of `nulls` whose null is false, because they have a value, or will. Null for the
    /// hold flag of a recording without hold says the same as false.
    #[must_use]
    pub fn false_nulls(&self, nulls: FieldSet) -> FieldSet {
        let false_nulls = nulls.difference(self.null_fields);
        match self.hold {
            Hold::Held => false_nulls,
            Hold::Free => false_nulls.without(Field::LegalHoldFlag),
        }
    }

    /// The clock of a metadata field, as decided at `now`; [`FieldClock::NEVER`] for the media.
    #[must_use]
    pub fn clock(&self, now: Timestamp, field: Field) -> FieldClock {
        let revised = self
            .revisions
            .iter()
            .rev()
            .find(|revision| revision.field == field && revision.decided_at <= now);
        match revised {
            Some(revision) => revision.clock,
            None => self
                .fields
                .get(field as usize)
                .copied()
                .unwrap_or(FieldClock::NEVER),
        }
    }

    /// What a reader of `path` sees at `now`. An instant is visible from itself on.
    #[must_use]
    pub fn view(&self, now: Timestamp, path: ReadPath) -> View {
        let mut view = View::EMPTY;
        for field in Field::METADATA {
            let clock = self.clock(now, field);
            if clock.visible_at(path) <= now {
                if self.null_fields.contains(field) {
                    view.null.insert(field);
                } else {
                    view.present.insert(field);
                }
            } else if clock.null_at <= now && !self.null_fields.contains(field) {
                view.null.insert(field);
            }
        }
        view.see(now, self.media_at, self.state_at);
        view.wrong = view.present.intersection(self.false_fields);
        if let Some(later) = &self.later {
            later.apply(now, path, &mut view);
        }
        view
    }

    /// The first instant at which a reader of `path` sees all of `required`, the media aside.
    #[must_use]
    pub fn fields_at(&self, path: ReadPath, required: FieldSet) -> Timestamp {
        let fields = Field::METADATA
            .into_iter()
            .filter(|field| required.contains(*field));
        fields
            .map(|field| self.clock(Timestamp::NEVER, field).visible_at(path))
            .fold(self.ended_at, Timestamp::max)
    }

    /// The first instant at which they are moreover all true.
    #[must_use]
    pub fn true_at(&self, path: ReadPath, required: FieldSet) -> Timestamp {
        self.fields_at(path, required)
            .max(self.corrected_at(path, required))
    }

    /// The first instant at which a snapshot read from `path` holds `required` and the media.
    #[must_use]
    pub fn complete_at(&self, path: ReadPath, required: FieldSet) -> Timestamp {
        self.true_at(path, required).max(self.media_at)
    }

    /// Whether waiting longer than `snapshot` would have helped.
    #[must_use]
    pub fn fate(&self, snapshot: Timestamp, path: ReadPath, required: FieldSet) -> Fate {
        let complete_at = self.complete_at(path, required);
        if complete_at.is_never() || self.gone_at(required) <= complete_at.max(snapshot) {
            Fate::Lost
        } else {
            Fate::Late(complete_at.since(snapshot))
        }
    }

    /// What held the last of the `missing` fields at `snapshot`.
    #[must_use]
    pub fn cause(&self, snapshot: Timestamp, path: ReadPath, missing: FieldSet) -> Cause {
        if self.gone_at(missing) <= snapshot {
            return Cause::Expired;
        }
        let last = missing
            .iter()
            .max_by_key(|field| (self.visible_at(*field, path), *field));
        let Some(field) = last else {
            return Cause::GaveUp;
        };
        if field == Field::Media {
            return if self.media_at.is_never() {
                Cause::MediaLost
            } else {
                Cause::MediaLate
            };
        }
        let clock = self.clock(Timestamp::NEVER, field);
        if clock.value_at.is_never() {
            let own = self.hold_cause.filter(|_| field == Field::LegalHoldFlag);
            return own.or(self.lost_cause).unwrap_or(Cause::NotWritten);
        }
        if clock.value_at <= snapshot {
            return match self.index_cause {
                _ if clock.visible_at(path) <= snapshot => Cause::Schema,
                Some(cause) if field == Field::LegalHoldFlag => cause,
                _ => Cause::Index,
            };
        }
        self.pipeline_cause(snapshot, field)
    }

    fn pipeline_cause(&self, snapshot: Timestamp, field: Field) -> Cause {
        if snapshot < self.submitted_at {
            return Cause::AfterCallWork;
        }
        for stage in self
            .stages
            .iter()
            .filter(|stage| **stage != StageTimes::NONE)
        {
            if snapshot < stage.started_at {
                return Cause::QueueWait;
            }
            if snapshot < stage.done_at {
                return Cause::Service;
            }
        }
        if snapshot < self.written_at {
            return Cause::RateLimit;
        }
        match self.hold_cause {
            Some(cause) if field == Field::LegalHoldFlag => cause,
            _ => Cause::FieldLag,
        }
    }

    /// The stage in whose queue the recording was at `at`.
    #[must_use]
    pub fn waiting_in(&self, at: Timestamp) -> Option<usize> {
        self.stages
            .iter()
            .position(|stage| stage.queued_at <= at && at < stage.started_at)
    }

    fn visible_at(&self, field: Field, path: ReadPath) -> Timestamp {
        if field == Field::Media {
            return self.media_at;
        }
        self.clock(Timestamp::NEVER, field).visible_at(path)
    }
}
