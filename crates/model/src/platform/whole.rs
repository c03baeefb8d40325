//! Recordings of which everything is decided when their session ends: behind at most one stage
//! that no update limit follows. The same clocks as for any other, without a queue of steps.

use super::Platform;
use super::clocks::{Decision, Facts};
use crate::draws::Draws;
use crate::field::{Field, FieldGroup, FieldSet, Kind};
use crate::outcome::Cause;
use crate::time::Timestamp;
use crate::timeline::{FieldClock, Marks, STAGES_MAX, StageTimes, Timeline};
use crate::workload::Call;

/// A recording with all its instants.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Whole {
    call: Call,
    media_at: Timestamp,
    written_at: Timestamp,
    stage: StageTimes,
    false_fields: FieldSet,
    decision: Decision,
}

impl Platform {
    /// Whether every recording is decided when its session ends.
    pub(crate) fn decides_at_end(&self) -> bool {
        let direct = |pipeline: &super::Pipeline| pipeline.len() <= 1 && !pipeline.limits_updates();
        self.pipelines.iter().all(direct) && self.clocks.submit_at_end()
    }

    /// The session of `call` has ended. For platforms that decide then, and under the same rules
    /// as [`Platform::handle_input`].
    #[inline]
    pub(crate) fn whole(&mut self, call: &Call) -> Whole {
        let now = call.ended_at();
        let draws = Draws::of_call(self.seed, call.index.0);
        let taken_for = self.clocks.taken_for(call.kind, draws);
        let cut = self.signalling.is_cut(call.index);
        let pipeline = &mut self.pipelines[self.clocks.pipeline_of(taken_for)];
        let (stage, written_at) = if pipeline.is_empty() {
            (StageTimes::NONE, now)
        } else {
            let stage = pipeline.enter(0, now, draws);
            (stage, stage.done_at)
        };
        let facts = Facts {
            taken_for,
            hold: call.hold,
            started_at: call.arrival,
            ended_at: now,
            written_at,
            lost_cause: cut.then_some(Cause::PartialWrite),
        };
        let unknown = [FieldClock::NEVER; FieldGroup::COUNT];
        let written = [written_at; FieldGroup::COUNT];
        let false_fields = if taken_for == call.kind {
            FieldSet::EMPTY
        } else {
            FieldSet::EMPTY.with(Field::MediaType)
        };
        Whole {
            call: *call,
            media_at: self.clocks.media_at(taken_for, now, draws),
            written_at,
            stage,
            false_fields,
            decision: self.clocks.decision(now, &facts, written, unknown, draws),
        }
    }
}

impl Whole {
    /// What decides about gates and exports.
    #[inline]
    pub(crate) fn marks(&self) -> Marks {
        Marks {
            recording: self.call.index,
            taken_for: self.taken_for(),
            ended_at: self.ended_at(),
            media_at: self.media_at,
            state_at: self.decision.state_at,
            clocks: self.decision.clocks,
            false_fields: self.false_fields,
        }
    }

    /// The recording's timeline.
    pub(crate) fn timeline(&self) -> Timeline {
        let mut stages = [StageTimes::NONE; STAGES_MAX];
        stages[0] = self.stage;
        let mut timeline = Timeline {
            recording: self.call.index,
            tenant: None,
            kind: self.call.kind,
            hold: self.call.hold,
            started_at: self.call.arrival,
            ended_at: self.ended_at(),
            media_at: self.media_at,
            state_at: Timestamp::NEVER,
            submitted_at: self.ended_at(),
            written_at: self.written_at,
            fields: [FieldClock::NEVER; Field::METADATA_COUNT],
            stages,
            false_fields: self.false_fields,
            lost_cause: None,
            hold_cause: None,
            index_cause: None,
            revisions: Vec::new(),
        };
        self.decision.write(&mut timeline);
        timeline
    }

    #[inline]
    fn ended_at(&self) -> Timestamp {
        self.call.ended_at()
    }

    const fn taken_for(&self) -> Kind {
        if self.false_fields.is_empty() {
            self.call.kind
        } else {
            Kind::Sip
        }
    }
}
