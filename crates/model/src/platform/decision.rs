//! What is decided of a recording: the clocks of its groups.

use crate::field::{FieldGroup, FieldSet, Kind};
use crate::outcome::Cause;
use crate::time::Timestamp;
use crate::timeline::{FieldClock, Timeline};

/// The clocks of a recording's groups.
pub(crate) trait Clocked: Copy {
    /// By group.
    fn clocks(&self) -> [FieldClock; FieldGroup::COUNT];
    /// `state` COMPLETED.
    fn state_at(&self) -> Timestamp;
    /// Fields whose value is null.
    #[inline(always)]
    fn null_fields(&self) -> FieldSet {
        FieldSet::EMPTY
    }
    /// Why what does not come does not come.
    fn write(&self, timeline: &mut Timeline);
}

/// What was decided of a recording.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Decision {
    pub(super) clocks: [FieldClock; FieldGroup::COUNT],
    pub(super) state_at: Timestamp,
    /// Fields whose value is null.
    pub(super) null_fields: FieldSet,
    pub(super) lost_cause: Option<Cause>,
    pub(super) hold_cause: Option<Cause>,
    pub(super) index_cause: Option<Cause>,
}

/// The same clock for all groups, but for those of WebRTC on other recordings.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Alike {
    pub(super) clock: FieldClock,
    pub(super) taken_for: Kind,
    pub(super) state_at: Timestamp,
}

/// What is `common` to all groups, by group.
#[inline(always)]
pub(super) fn alike_but_webrtc(
    common: Timestamp,
    taken_for: Kind,
) -> [Timestamp; FieldGroup::COUNT] {
    let webrtc = match taken_for {
        Kind::Webrtc => common,
        Kind::Sip => Timestamp::NEVER,
    };
    [common, webrtc, common]
}

impl Clocked for Alike {
    #[inline(always)]
    fn clocks(&self) -> [FieldClock; FieldGroup::COUNT] {
        let webrtc = match self.taken_for {
            Kind::Webrtc => self.clock,
            Kind::Sip => FieldClock::NEVER,
        };
        [self.clock, webrtc, self.clock]
    }

    #[inline(always)]
    fn state_at(&self) -> Timestamp {
        self.state_at
    }

    fn write(&self, _: &mut Timeline) {}
}

impl Clocked for Decision {
    #[inline(always)]
    fn clocks(&self) -> [FieldClock; FieldGroup::COUNT] {
        self.clocks
    }

    #[inline(always)]
    fn state_at(&self) -> Timestamp {
        self.state_at
    }

    fn write(&self, timeline: &mut Timeline) {
        timeline.null_fields = self.null_fields;
        timeline.lost_cause = self.lost_cause;
        timeline.hold_cause = self.hold_cause;
        timeline.index_cause = self.index_cause;
    }
}

impl Decision {
    #[inline]
    pub(super) fn set(&mut self, group: FieldGroup, clock: FieldClock) {
        let known = &mut self.clocks[group.index()];
        if known.value_at.is_never() && known.null_at.is_never() {
            *known = clock;
        }
    }
}
