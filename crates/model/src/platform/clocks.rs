//! The clocks: from a session's end and its way through the pipeline to every visible instant.

use super::{hold_set_at, is_held};
use crate::distribution::Sampler;
use crate::draws::{Draws, Purpose, Seed};
use crate::field::{Field, FieldGroup, FieldSet, Kind, PerKind};
use crate::outcome::Cause;
use crate::scenario::{Arm, GroupSource, HoldSetAt, KindSpec, StateSpec, Sweep};
use crate::time::{Duration, Probability, Timestamp};
use crate::timeline::{FieldClock, STAGES_MAX, StageTimes, Timeline};
use crate::workload::Call;

/// The samplers of one arm's platform.
#[derive(Clone, Debug)]
pub(super) struct Clocks {
    kinds: PerKind<KindClocks>,
    index_refresh: Duration,
    index_phase: Duration,
    index_lag: Sampler,
    hold_set_at: HoldSetAt,
    hold_missed: Probability,
    hold_sweep: Sweep,
    hold_propagation: Sampler,
}

#[derive(Clone, Debug)]
struct KindClocks {
    pipeline: usize,
    media_lag: Sampler,
    metadata_lag: Sampler,
    groups: [(Sampler, GroupSource); FieldGroup::COUNT],
    null_phase: Sampler,
    after_call_work: Sampler,
    state: StateClock,
}

#[derive(Clone, Debug)]
enum StateClock {
    AfterFields(Sampler),
    AfterSession(Sampler),
}

impl Clocks {
    pub(super) fn new(arm: &Arm, set_at: HoldSetAt, seed: Seed) -> Self {
        let platform = &arm.platform;
        let refresh = platform.index.refresh;
        let phase = Draws::of_stream(seed, "index", 0).draw(Purpose::IndexPhase);
        Self {
            kinds: PerKind {
                webrtc: KindClocks::new(&platform.kinds.webrtc),
                sip: KindClocks::new(&platform.kinds.sip),
            },
            index_refresh: refresh,
            index_phase: Duration::from_nanos(phase % refresh.as_nanos().max(1)),
            index_lag: Sampler::new(&platform.index.lag),
            hold_set_at: set_at,
            hold_missed: platform.hold.missed,
            hold_sweep: platform.hold.sweep,
            hold_propagation: Sampler::new(&platform.hold.propagation),
        }
    }

    pub(super) const fn pipeline_of(&self, kind: Kind) -> usize {
        self.kinds.get(kind).pipeline
    }

    /// The timeline of a session that has ended at `now`: only what is decided by then.
    pub(super) fn begin(&self, now: Timestamp, call: &Call, draws: Draws) -> Timeline {
        let kind = self.kinds.get(call.kind);
        let after_call_work = kind.after_call_work.sample(draws.draw(Purpose::AfterCallWork));
        Timeline {
            recording: call.index,
            kind: call.kind,
            hold: call.hold,
            started_at: call.arrival,
            ended_at: now,
            media_at: now + kind.media_lag.sample(draws.draw(Purpose::MediaLag)),
            state_at: Timestamp::NEVER,
            submitted_at: now + after_call_work,
            written_at: Timestamp::NEVER,
            fields: [FieldClock::NEVER; Field::METADATA_COUNT],
            stages: [StageTimes::NONE; STAGES_MAX],
            false_fields: FieldSet::EMPTY,
            lost_cause: None,
            revisions: Vec::new(),
        }
    }

    /// Decides the rest, once the pipeline is done with the recording.
    pub(super) fn finish(
        &self,
        timeline: &mut Timeline,
        writers: [Option<usize>; FieldGroup::COUNT],
        draws: Draws,
    ) {
        let kind = self.kinds.get(timeline.kind);
        let last = timeline.stages.iter().rev().find(|stage| **stage != StageTimes::NONE);
        timeline.written_at = last.map_or(timeline.submitted_at, |stage| stage.done_at);
        let common = kind.metadata_lag.sample(draws.draw_nth(Purpose::FieldLag, COMMON_LAG));
        let index_lag = self.index_lag.sample(draws.draw(Purpose::IndexLag));
        for group in FieldGroup::ALL {
            let writer = writers[group.index()];
            let written =
                writer.map_or(timeline.written_at, |stage| timeline.stages[stage].done_at);
            let value_at = match self.group_value(timeline, group, draws, written + common) {
                Ok(at) => at,
                Err(cause) => {
                    timeline.lost_cause = Some(cause);
                    Timestamp::NEVER
                }
            };
            let clock = self.field_clock(timeline, value_at, index_lag, draws);
            for field in Field::METADATA.into_iter().filter(|f| f.group() == Some(group)) {
                timeline.fields[field as usize] = clock;
            }
        }
        timeline.state_at = self.state_at(timeline, draws);
    }

    /// When the group's values are on the primary read path, or why they never are.
    fn group_value(
        &self,
        timeline: &Timeline,
        group: FieldGroup,
        draws: Draws,
        written: Timestamp,
    ) -> Result<Timestamp, Cause> {
        if group == FieldGroup::Webrtc && timeline.kind != Kind::Webrtc {
            return Ok(Timestamp::NEVER);
        }
        let (lag, source) = &self.kinds.get(timeline.kind).groups[group.index()];
        let nth = u32::try_from(group.index()).unwrap_or(0);
        let value_at = match source {
            GroupSource::Ingress => return Ok(timeline.started_at),
            GroupSource::Nobody => return Err(Cause::NotWritten),
            GroupSource::Pipeline => {
                written + lag.sample(draws.draw_nth(Purpose::FieldLag, nth))
            }
        };
        if group == FieldGroup::Hold && is_held(timeline) {
            self.held_value(timeline, draws, value_at)
        } else {
            Ok(value_at)
        }
    }

    fn held_value(
        &self,
        timeline: &Timeline,
        draws: Draws,
        written: Timestamp,
    ) -> Result<Timestamp, Cause> {
        let propagation = self.hold_propagation.sample(draws.draw(Purpose::HoldPropagation));
        let value_at = written.max(hold_set_at(self.hold_set_at, timeline) + propagation);
        let late = self.hold_set_at == HoldSetAt::CallEnd;
        if !(late && self.hold_missed.occurs(draws.draw(Purpose::HoldWindow))) {
            return Ok(value_at);
        }
        match self.hold_sweep {
            Sweep::Never => Err(Cause::HoldWindow),
            Sweep::Every(interval) => Ok(next_on_grid(value_at, interval, Duration::ZERO)),
        }
    }

    fn field_clock(
        &self,
        timeline: &Timeline,
        value_at: Timestamp,
        index_lag: Duration,
        draws: Draws,
    ) -> FieldClock {
        if value_at.is_never() {
            return FieldClock::NEVER;
        }
        let null_phase = &self.kinds.get(timeline.kind).null_phase;
        let null_for = null_phase.sample(draws.draw(Purpose::NullPhase));
        let null_at = (value_at - null_for).max(timeline.ended_at).min(value_at);
        let index_at = next_on_grid(value_at + index_lag, self.index_refresh, self.index_phase);
        FieldClock { null_at, value_at, index_at }
    }

    fn state_at(&self, timeline: &Timeline, draws: Draws) -> Timestamp {
        let draw = draws.draw(Purpose::StateLag);
        match &self.kinds.get(timeline.kind).state {
            StateClock::AfterSession(lag) => timeline.ended_at + lag.sample(draw),
            StateClock::AfterFields(lag) => {
                let values = timeline.fields.iter().map(|clock| clock.value_at);
                let last = values.filter(|at| !at.is_never()).max();
                last.unwrap_or(timeline.written_at).max(timeline.ended_at) + lag.sample(draw)
            }
        }
    }
}

/// Position of the lag common to all groups among the draws of [`Purpose::FieldLag`].
const COMMON_LAG: u32 = 100;

impl KindClocks {
    fn new(spec: &KindSpec) -> Self {
        Self {
            pipeline: spec.pipeline,
            media_lag: Sampler::new(&spec.media_lag),
            metadata_lag: Sampler::new(&spec.metadata_lag),
            groups: spec.groups.each_ref().map(|group| (Sampler::new(&group.lag), group.source)),
            null_phase: Sampler::new(&spec.null_phase),
            after_call_work: Sampler::new(&spec.after_call_work),
            state: match &spec.state {
                StateSpec::AfterFields(lag) => StateClock::AfterFields(Sampler::new(lag)),
                StateSpec::AfterSession(lag) => StateClock::AfterSession(Sampler::new(lag)),
            },
        }
    }
}

/// The first instant not before `at` on the grid `phase + k × interval`; `at` itself when the
/// interval is zero.
fn next_on_grid(at: Timestamp, interval: Duration, phase: Duration) -> Timestamp {
    let (interval, phase) = (interval.as_nanos(), phase.as_nanos());
    if interval == 0 || at.is_never() {
        return at;
    }
    let since_phase = at.as_nanos().saturating_sub(phase);
    let steps = since_phase.div_ceil(interval);
    Timestamp::from_nanos(steps.saturating_mul(interval).saturating_add(phase))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refresh_shows_what_was_ready_at_that_very_instant() {
        let (second, phase) = (Duration::from_secs(1), Duration::from_millis(300));
        for (at, expected) in [(0, 300), (300, 300), (301, 1300), (1300, 1300)] {
            let at = Timestamp::ZERO + Duration::from_millis(at);
            let expected = Timestamp::ZERO + Duration::from_millis(expected);
            assert_eq!(next_on_grid(at, second, phase), expected);
        }
        assert_eq!(next_on_grid(Timestamp::NEVER, second, phase), Timestamp::NEVER);
    }
}
