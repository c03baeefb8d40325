//! The clocks: from a session's end and its way through the pipeline to every visible instant.

use super::{hold_set_at, is_held};
use crate::distribution::Sampler;
use crate::draws::{Draws, Purpose, Seed};
use crate::field::{Field, FieldGroup, FieldSet, Kind, PerKind};
use crate::outcome::Cause;
use crate::scenario::{Arm, GroupSource, HoldLevel, HoldSetAt, KindSpec, StateSpec, Sweep};
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
    hold_level: HoldLevel,
    hold_propagation: Sampler,
    hold_propagation_loss: Probability,
    misclassified: Probability,
}

/// When a group's values are there, and what held them.
struct Arrival {
    /// On the primary read path.
    value_at: Timestamp,
    /// Before this the index has nothing to read.
    indexable_at: Timestamp,
    cause: Option<Cause>,
    index_cause: Option<Cause>,
}

impl Arrival {
    const fn at(value_at: Timestamp) -> Self {
        Self {
            value_at,
            indexable_at: value_at,
            cause: None,
            index_cause: None,
        }
    }

    const fn lost(cause: Cause) -> Self {
        Self {
            cause: Some(cause),
            ..Self::at(Timestamp::NEVER)
        }
    }
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
            hold_level: platform.hold.level,
            hold_propagation: Sampler::new(&platform.hold.propagation),
            hold_propagation_loss: platform.hold.propagation_loss,
            misclassified: platform.intake.misclassified,
        }
    }

    pub(super) const fn pipeline_of(&self, kind: Kind) -> usize {
        self.kinds.get(kind).pipeline
    }

    /// The timeline of a session that has ended at `now`: only what is decided by then.
    pub(super) fn begin(&self, now: Timestamp, call: &Call, draws: Draws) -> Timeline {
        let mut false_fields = FieldSet::EMPTY;
        let misclassified = self
            .misclassified
            .occurs(draws.draw(Purpose::Misclassified));
        if call.kind == Kind::Webrtc && misclassified {
            false_fields.insert(Field::MediaType);
        }
        let taken_for = if false_fields.is_empty() {
            call.kind
        } else {
            Kind::Sip
        };
        let kind = self.kinds.get(taken_for);
        let after_call_work = kind
            .after_call_work
            .sample(draws.draw(Purpose::AfterCallWork));
        Timeline {
            recording: call.index,
            tenant: None,
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
            false_fields,
            lost_cause: None,
            hold_cause: None,
            index_cause: None,
            revisions: Vec::new(),
        }
    }

    /// Decides at `now` what follows from the stages that are done and from `written_at`, if that
    /// is known. What was decided before stays as it is.
    pub(super) fn decide(
        &self,
        now: Timestamp,
        timeline: &mut Timeline,
        writers: [Option<usize>; FieldGroup::COUNT],
        draws: Draws,
    ) {
        let kind = self.kinds.get(timeline.taken_for());
        let common = kind
            .metadata_lag
            .sample(draws.draw_nth(Purpose::FieldLag, COMMON_LAG));
        let index_lag = self.index_lag.sample(draws.draw(Purpose::IndexLag));
        for group in FieldGroup::ALL {
            let early = writers[group.index()].map(|stage| timeline.stages[stage].done_at);
            let written = early.unwrap_or(timeline.written_at) + common;
            let arrival = self.arrival(timeline, group, draws, written);
            if group == FieldGroup::Hold {
                timeline.hold_cause = arrival.cause;
                timeline.index_cause = arrival.index_cause;
            } else {
                timeline.lost_cause = arrival.cause.or(timeline.lost_cause);
            }
            let clock = self.field_clock(now, timeline, &arrival, index_lag, draws);
            for field in Field::METADATA
                .into_iter()
                .filter(|f| f.group() == Some(group))
            {
                if timeline.fields[field as usize].value_at.is_never() {
                    timeline.fields[field as usize] = clock;
                }
            }
        }
        timeline.state_at = self.state_at(now, timeline, draws);
    }

    /// When the group's values arrive, or why they never do.
    fn arrival(
        &self,
        timeline: &Timeline,
        group: FieldGroup,
        draws: Draws,
        written: Timestamp,
    ) -> Arrival {
        if group == FieldGroup::Webrtc {
            if timeline.taken_for() != Kind::Webrtc {
                return Arrival::at(Timestamp::NEVER);
            }
            if timeline.lost_cause == Some(Cause::PartialWrite) {
                return Arrival::lost(Cause::PartialWrite);
            }
        }
        let (lag, source) = &self.kinds.get(timeline.taken_for()).groups[group.index()];
        let nth = u32::try_from(group.index()).unwrap_or(0);
        let value_at = match source {
            GroupSource::Ingress => return Arrival::at(timeline.started_at),
            GroupSource::Nobody => return Arrival::lost(Cause::NotWritten),
            GroupSource::Pipeline => written + lag.sample(draws.draw_nth(Purpose::FieldLag, nth)),
        };
        if group == FieldGroup::Hold && is_held(timeline) {
            self.held(timeline, draws, value_at)
        } else {
            Arrival::at(value_at)
        }
    }

    /// The flag of a recording under hold: set on one level, propagated to the other.
    fn held(&self, timeline: &Timeline, draws: Draws, written: Timestamp) -> Arrival {
        let propagation = self
            .hold_propagation
            .sample(draws.draw(Purpose::HoldPropagation));
        let lost = draws.draw(Purpose::HoldPropagationLoss);
        let there = if self.hold_propagation_loss.occurs(lost) {
            Timestamp::NEVER
        } else {
            written.max(hold_set_at(self.hold_set_at, timeline) + propagation)
        };
        let held_up = (there > written).then_some(Cause::HoldPropagation);
        let mut arrival = match self.hold_level {
            HoldLevel::Interaction => Arrival {
                cause: held_up,
                ..Arrival::at(there)
            },
            HoldLevel::Recording => {
                let own = Arrival::at(written.max(hold_set_at(self.hold_set_at, timeline)));
                Arrival {
                    indexable_at: there,
                    index_cause: held_up,
                    ..own
                }
            }
        };
        let late = self.hold_set_at == HoldSetAt::CallEnd;
        if late && self.hold_missed.occurs(draws.draw(Purpose::HoldWindow)) {
            arrival.cause = Some(Cause::HoldWindow);
            arrival.value_at = match self.hold_sweep {
                Sweep::Never => Timestamp::NEVER,
                Sweep::Every(interval) => next_on_grid(arrival.value_at, interval, Duration::ZERO),
            };
        }
        arrival.indexable_at = arrival.indexable_at.max(arrival.value_at);
        arrival
    }

    fn field_clock(
        &self,
        now: Timestamp,
        timeline: &Timeline,
        arrival: &Arrival,
        index_lag: Duration,
        draws: Draws,
    ) -> FieldClock {
        let value_at = arrival.value_at;
        if value_at.is_never() {
            return FieldClock::NEVER;
        }
        let null_phase = &self.kinds.get(timeline.taken_for()).null_phase;
        let null_for = null_phase.sample(draws.draw(Purpose::NullPhase));
        let null_at = (value_at - null_for).max(now).min(value_at);
        let ready_at = arrival.indexable_at + index_lag;
        let index_at = next_on_grid(ready_at, self.index_refresh, self.index_phase);
        FieldClock {
            null_at,
            value_at,
            index_at,
        }
    }

    fn state_at(&self, now: Timestamp, timeline: &Timeline, draws: Draws) -> Timestamp {
        let draw = draws.draw(Purpose::StateLag);
        match &self.kinds.get(timeline.taken_for()).state {
            StateClock::AfterSession(lag) => timeline.ended_at + lag.sample(draw),
            StateClock::AfterFields(_) if timeline.written_at.is_never() => Timestamp::NEVER,
            StateClock::AfterFields(lag) => {
                let values = timeline.fields.iter().map(|clock| clock.value_at);
                let last = values.filter(|at| !at.is_never()).max();
                // Where the last field never comes, the platform knows that now at the earliest.
                last.unwrap_or(timeline.written_at).max(now) + lag.sample(draw)
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
            groups: spec
                .groups
                .each_ref()
                .map(|group| (Sampler::new(&group.lag), group.source)),
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
        assert_eq!(
            next_on_grid(Timestamp::NEVER, second, phase),
            Timestamp::NEVER
        );
    }
}
