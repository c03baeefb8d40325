//! Recordings of which everything is decided when their session ends: behind at most one stage
//! that no update limit follows. The same clocks as for any other, without a queue of steps.

use super::clocks::Facts;
use super::decision::{Clocked, Decision};
use super::{Pipeline, Platform};
use crate::draws::Draws;
use crate::field::{Field, FieldGroup, FieldSet, Kind};
use crate::ids::{RecordingIndex, TenantIndex};
use crate::outcome::Cause;
use crate::scenario::ReadPath;
use crate::time::Timestamp;
use crate::timeline::{
    Decided, FieldClock, Need, Region, STAGES_MAX, StageTimes, Timeline, View, latest_needed,
};
use crate::workload::Call;

/// A recording with all its instants; `D` says what its groups' clocks are.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Whole<D> {
    pub(super) call: Call,
    pub(super) taken_for: Kind,
    pub(super) media_at: Timestamp,
    pub(super) written_at: Timestamp,
    /// When its one stage took it; never if there is none.
    pub(super) started_at: Timestamp,
    pub(super) decision: D,
}

impl Platform {
    /// Whether every recording is decided when its session ends.
    pub(crate) fn decides_at_end(&self) -> bool {
        let direct = |pipeline: &Pipeline| pipeline.len() <= 1 && !pipeline.limits_updates();
        self.pipelines.iter().all(direct)
            && self.clocks.submit_at_end()
            && self.clocks.is_one_region()
            && self.versions.is_none()
    }

    /// Whether moreover one clock shows all groups of a recording.
    pub(crate) fn decides_alike(&self) -> bool {
        self.decides_at_end() && self.clocks.show_groups_alike() && self.signalling.cuts_none()
    }

    /// The session of `call` has ended. For platforms that decide then, and under the same rules
    /// as [`Platform::handle_input`].
    #[inline]
    pub(crate) fn whole(&mut self, call: &Call) -> Whole<Decision> {
        let lost_cause = self
            .signalling
            .is_cut(call.index)
            .then_some(Cause::PartialWrite);
        let (unclocked, facts, draws) = self.written(call, lost_cause);
        let unknown = [FieldClock::NEVER; FieldGroup::COUNT];
        let written = [facts.written_at; FieldGroup::COUNT];
        let now = facts.ended_at;
        unclocked.with(self.clocks.decision(now, &facts, written, unknown, draws))
    }

    fn written(&mut self, call: &Call, lost_cause: Option<Cause>) -> (Whole<()>, Facts, Draws) {
        let now = call.ended_at();
        let draws = Draws::of_call(self.seed, call.index.0);
        let taken_for = self.clocks.taken_for(call.kind, draws);
        let pipeline = &mut self.pipelines[self.clocks.pipeline_of(taken_for)];
        let (started_at, written_at) = if pipeline.is_empty() {
            (Timestamp::NEVER, now)
        } else {
            let stage = pipeline.enter(0, now, draws);
            (stage.started_at, stage.done_at)
        };
        let unclocked = Whole {
            call: *call,
            taken_for,
            media_at: self.clocks.media_at(taken_for, now, draws),
            written_at,
            started_at,
            decision: (),
        };
        let facts = unclocked.facts(lost_cause);
        (unclocked, facts, draws)
    }
}

impl Whole<()> {
    #[inline(always)]
    pub(super) fn facts(&self, lost_cause: Option<Cause>) -> Facts {
        Facts {
            taken_for: self.taken_for,
            hold: self.call.hold,
            started_at: self.call.arrival,
            ended_at: self.call.ended_at(),
            written_at: self.written_at,
            lost_cause,
        }
    }

    #[inline(always)]
    pub(super) fn with<D>(self, decision: D) -> Whole<D> {
        Whole {
            call: self.call,
            taken_for: self.taken_for,
            media_at: self.media_at,
            written_at: self.written_at,
            started_at: self.started_at,
            decision,
        }
    }
}

impl<D: Clocked> Decided for Whole<D> {
    #[inline(always)]
    fn recording(&self) -> RecordingIndex {
        self.call.index
    }

    #[inline(always)]
    fn taken_for(&self) -> Kind {
        self.taken_for
    }

    #[inline(always)]
    fn ended_at(&self) -> Timestamp {
        self.call.ended_at()
    }

    #[inline(always)]
    fn media_at(&self) -> Timestamp {
        self.media_at
    }

    #[inline(always)]
    fn is_true(&self) -> bool {
        self.taken_for == self.call.kind
    }

    #[inline(always)]
    fn first_seen(&self, path: ReadPath, need: &Need) -> Timestamp {
        let groups = self.decision.clocks().map(|clock| clock.visible_at(path));
        let state_at = self.decision.state_at();
        latest_needed(need, self.ended_at(), groups, self.media_at, state_at)
    }

    #[inline]
    fn view(&self, now: Timestamp, path: ReadPath) -> View {
        let clocks = self.decision.clocks();
        let mut view = View::of_groups(now, path, clocks, self.decision.null_fields());
        view.see(now, self.media_at, self.decision.state_at());
        view.wrong = view.present.intersection(self.false_fields());
        view
    }

    #[inline(always)]
    fn timeline(&self) -> Timeline {
        self.assemble()
    }

    fn kind(&self) -> Kind {
        self.call.kind
    }

    fn started_at(&self) -> Timestamp {
        self.call.arrival
    }

    fn tenant(&self) -> Option<TenantIndex> {
        None
    }

    fn region(&self) -> Region {
        Region::First
    }

    fn clocks(&self) -> Option<[FieldClock; FieldGroup::COUNT]> {
        Some(self.decision.clocks())
    }

    fn stages(&self) -> [StageTimes; STAGES_MAX] {
        let mut stages = [StageTimes::NONE; STAGES_MAX];
        if let Some(started_at) = self.started_at.ever() {
            stages[0] = StageTimes {
                queued_at: self.ended_at(),
                started_at,
                done_at: self.written_at,
            };
        }
        stages
    }

    fn fields_at(&self, path: ReadPath, _: FieldSet, need: &Need) -> Timestamp {
        self.first_seen(path, need)
    }

    fn true_at(&self, path: ReadPath, _: FieldSet, need: &Need) -> Timestamp {
        self.first_seen(path, need)
    }
}

impl<D: Clocked> Whole<D> {
    fn false_fields(&self) -> FieldSet {
        if self.is_true() {
            FieldSet::EMPTY
        } else {
            FieldSet::EMPTY.with(Field::MediaType)
        }
    }

    /// By value: so whoever only compares instants never writes them to memory.
    #[inline(never)]
    fn assemble(self) -> Timeline {
        let stages = self.stages();
        let mut timeline = Timeline {
            recording: self.call.index,
            tenant: None,
            kind: self.call.kind,
            region: Region::First,
            hold: self.call.hold,
            started_at: self.call.arrival,
            ended_at: self.ended_at(),
            media_at: self.media_at,
            state_at: self.decision.state_at(),
            submitted_at: self.ended_at(),
            written_at: self.written_at,
            fields: [FieldClock::NEVER; Field::METADATA_COUNT],
            stages,
            false_fields: self.false_fields(),
            null_fields: FieldSet::EMPTY,
            lost_cause: None,
            hold_cause: None,
            index_cause: None,
            later: None,
            revisions: Vec::new(),
        };
        timeline.set_group_clocks(self.decision.clocks());
        self.decision.write(&mut timeline);
        timeline
    }
}
