//! The clocks: from a session's end and its way through the pipeline to every visible instant.

use super::decision::{Clocked, Decision};
use super::lags::{Lag, Lags};
use super::showing::{Grid, Showing, StateAfter};
use crate::distribution::{Distribution, Sampler};
use crate::draws::{Draws, Purpose, Seed};
use crate::field::{Field, FieldGroup, FieldSet, Kind, PerKind};
use crate::outcome::Cause;
use crate::scenario::{
    Arm, GroupSource, HoldLevel, HoldSetAt, HoldSpec, KindSpec, StateSpec, Sweep, UnheldFlag,
};
use crate::time::{Duration, Probability, Timestamp};
use crate::timeline::{FieldClock, Hold, Region, STAGES_MAX, StageTimes, Timeline};
use crate::workload::Call;

/// The samplers of one arm's platform.
#[derive(Clone, Debug)]
pub(super) struct Clocks {
    kinds: PerKind<KindClocks>,
    refreshes: Grid,
    index_lag: Sampler,
    hold_set_at: HoldSetAt,
    hold_missed: Probability,
    hold_sweep: Sweep,
    hold_level: HoldLevel,
    hold_propagation: Sampler,
    hold_propagation_loss: Probability,
    unheld: Unheld,
    misclassified: Probability,
    region: Option<Second>,
}

/// What becomes of the flag of a recording without hold.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Unheld {
    /// It is false.
    False,
    /// It is null, and that counts as a value.
    Null,
    /// It is null, and a value never comes.
    Lacking,
}

impl Unheld {
    const fn of(arm: &Arm) -> Self {
        match arm.platform.hold.unheld {
            UnheldFlag::False => Self::False,
            UnheldFlag::Null if arm.required.nullable.contains(Field::LegalHoldFlag) => Self::Null,
            UnheldFlag::Null => Self::Lacking,
        }
    }

    /// Makes the flag of a recording without hold null, if that is what it becomes, from when it
    /// would be false on.
    fn settle(self, decision: &mut Decision) {
        let clock = &mut decision.clocks[FieldGroup::Hold.index()];
        match self {
            Self::False => {}
            Self::Null => {
                clock.null_at = clock.value_at;
                decision.null_fields.insert(Field::LegalHoldFlag);
            }
            Self::Lacking => {
                clock.null_at = written(clock);
                (clock.value_at, clock.index_at) = (Timestamp::NEVER, Timestamp::NEVER);
                if !clock.null_at.is_never() {
                    decision.hold_cause = Some(Cause::StaysNull);
                }
            }
        }
    }
}

/// When fields were written: with their value, or with null if that is all that ever comes.
const fn written(clock: &FieldClock) -> Timestamp {
    if clock.value_at.is_never() {
        clock.null_at
    } else {
        clock.value_at
    }
}

/// The second region.
#[derive(Clone, Debug)]
struct Second {
    share: Probability,
    lag: Sampler,
    pipeline: Option<usize>,
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
    state: (StateAfter, Sampler),
    /// The lag of every group, where the same clock shows them all.
    groups_alike: Option<Duration>,
}

impl Clocks {
    pub(super) fn new(arm: &Arm, set_at: HoldSetAt, seed: Seed) -> Self {
        let platform = &arm.platform;
        let refresh = platform.index.refresh;
        let phase = Draws::of_stream(seed, "index", 0).draw(Purpose::IndexPhase);
        let PerKind { webrtc, sip } = &platform.kinds;
        let of_webrtc = KindClocks::new(webrtc, &platform.hold);
        // Tables are dear: kinds that are alike share theirs.
        let of_sip = if sip == webrtc {
            of_webrtc.clone()
        } else {
            KindClocks::new(sip, &platform.hold)
        };
        let kinds = PerKind {
            webrtc: of_webrtc,
            sip: of_sip,
        };
        let phase = Duration::from_nanos(phase % refresh.as_nanos().max(1));
        Self {
            kinds,
            refreshes: Grid::new(refresh, phase),
            index_lag: Sampler::new(&platform.index.lag),
            hold_set_at: set_at,
            hold_missed: platform.hold.missed,
            hold_sweep: platform.hold.sweep,
            hold_level: platform.hold.level,
            hold_propagation: Sampler::new(&platform.hold.propagation),
            hold_propagation_loss: platform.hold.propagation_loss,
            unheld: Unheld::of(arm),
            misclassified: platform.intake.misclassified,
            region: platform.region.as_ref().map(|region| Second {
                share: region.share,
                lag: Sampler::new(&region.lag),
                pipeline: region.pipeline,
            }),
        }
    }

    /// Whether every recording is handed to its pipeline when its session ends.
    pub(super) fn submit_at_end(&self) -> bool {
        Kind::ALL.iter().all(|kind| {
            let work = &self.kinds.get(*kind).after_call_work;
            work.as_constant() == Some(Duration::ZERO)
        })
    }

    /// What the platform takes a call of `kind` for.
    #[inline]
    pub(super) fn taken_for(&self, kind: Kind, draws: Draws) -> Kind {
        let misclassified = || draws.draw(Purpose::Misclassified);
        if kind == Kind::Webrtc && self.misclassified.occurs_with(misclassified) {
            Kind::Sip
        } else {
            kind
        }
    }

    /// The same, if chance has no part in it.
    pub(super) fn surely_taken_for(&self, kind: Kind) -> Option<Kind> {
        let sure = kind == Kind::Sip || self.misclassified == Probability::ZERO;
        sure.then_some(kind)
    }

    /// When the media of a session that has ended at `now` is in storage.
    #[inline]
    pub(super) fn media_at(&self, taken_for: Kind, now: Timestamp, draws: Draws) -> Timestamp {
        let lag = self.sampler(Lag::Media, taken_for);
        now + lag.sample_with(|| Lag::Media.draw(draws))
    }

    /// The pipeline of calls taken for `kind` in the first region.
    #[inline]
    pub(super) const fn pipeline_of(&self, kind: Kind) -> usize {
        self.kinds.get(kind).pipeline
    }

    /// The pipeline that a recording goes through.
    pub(super) const fn pipeline_for(&self, timeline: &Timeline) -> usize {
        match (timeline.region, &self.region) {
            (
                Region::Second,
                Some(Second {
                    pipeline: Some(pipeline),
                    ..
                }),
            ) => *pipeline,
            _ => self.pipeline_of(timeline.taken_for()),
        }
    }

    /// When the index shows what was written at `at`.
    pub(super) fn indexed_at(&self, at: Timestamp, draws: Draws) -> Timestamp {
        let lag = self.index_lag.sample_with(|| draws.draw(Purpose::IndexLag));
        self.refreshes.next(at + lag)
    }

    /// Whether there is one region only.
    pub(super) const fn is_one_region(&self) -> bool {
        self.region.is_none()
    }

    fn region_of(&self, draws: Draws) -> Region {
        let second = self.region.as_ref().is_some_and(|second| {
            let draw = || draws.draw(Purpose::Region);
            second.share.occurs_with(draw)
        });
        if second {
            Region::Second
        } else {
            Region::First
        }
    }

    fn region_lag(&self, region: Region, draws: Draws) -> Duration {
        match (region, &self.region) {
            (Region::Second, Some(second)) => {
                second.lag.sample_with(|| draws.draw(Purpose::RegionLag))
            }
            _ => Duration::ZERO,
        }
    }

    /// The timeline of a session that has ended at `now`: only what is decided by then.
    pub(super) fn begin(&self, now: Timestamp, call: &Call, draws: Draws) -> Timeline {
        let mut false_fields = FieldSet::EMPTY;
        let taken_for = self.taken_for(call.kind, draws);
        if taken_for != call.kind {
            false_fields.insert(Field::MediaType);
        }
        let kind = self.kinds.get(taken_for);
        let after_call_work = kind
            .after_call_work
            .sample_with(|| draws.draw(Purpose::AfterCallWork));
        Timeline {
            recording: call.index,
            tenant: None,
            kind: call.kind,
            region: self.region_of(draws),
            hold: call.hold,
            started_at: call.arrival,
            ended_at: now,
            media_at: self.media_at(taken_for, now, draws),
            state_at: Timestamp::NEVER,
            submitted_at: now + after_call_work,
            written_at: Timestamp::NEVER,
            fields: [FieldClock::NEVER; Field::METADATA_COUNT],
            stages: [StageTimes::NONE; STAGES_MAX],
            false_fields,
            null_fields: FieldSet::EMPTY,
            lost_cause: None,
            hold_cause: None,
            index_cause: None,
            later: None,
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
        let written = writers
            .map(|stage| stage.map_or(timeline.written_at, |stage| timeline.stages[stage].done_at));
        let region_lag = self.region_lag(timeline.region, draws);
        let written = written.map(|at| at + region_lag);
        let facts = Facts::of(timeline);
        let decision = self.decision(now, &facts, written, timeline.group_clocks(), draws);
        timeline.state_at = decision.state_at;
        timeline.set_group_clocks(decision.clocks);
        decision.write(timeline);
    }

    /// What is visible when, as far as it follows from `facts` and from when each group was
    /// written. Clocks that are `known` stay as they are.
    #[inline(always)]
    pub(super) fn decision(
        &self,
        now: Timestamp,
        facts: &Facts,
        written_at: [Timestamp; FieldGroup::COUNT],
        known: [FieldClock; FieldGroup::COUNT],
        draws: Draws,
    ) -> Decision {
        let lags = self.lags(facts.taken_for, draws);
        let mut decision = Decision {
            clocks: known,
            state_at: Timestamp::NEVER,
            null_fields: FieldSet::EMPTY,
            lost_cause: facts.lost_cause,
            hold_cause: None,
            index_cause: None,
        };
        for group in FieldGroup::ALL {
            let written = written_at[group.index()] + lags.common;
            let arrival = self.arrival(facts, group, draws, written);
            if group == FieldGroup::Hold {
                decision.hold_cause = arrival.cause;
                decision.index_cause = arrival.index_cause;
            } else {
                decision.lost_cause = arrival.cause.or(decision.lost_cause);
            }
            let (value_at, indexable_at) = (arrival.value_at, arrival.indexable_at);
            decision.set(
                group,
                self.refreshes.clock(now, value_at, indexable_at, &lags),
            );
        }
        if facts.hold == Hold::Free {
            self.unheld.settle(&mut decision);
        }
        let values = decision.clocks.iter().map(written);
        let last = values.filter(|at| !at.is_never()).max();
        let last = last.unwrap_or(Timestamp::NEVER);
        let state = self.kinds.get(facts.taken_for).state.0;
        let ends = (facts.ended_at, facts.written_at);
        decision.state_at = state.at(now, ends, last, lags.state);
        decision
    }

    fn lags(&self, taken_for: Kind, draws: Draws) -> Lags {
        let lag = |lag: Lag| {
            let sampler = self.sampler(lag, taken_for);
            sampler.sample_with(|| lag.draw(draws))
        };
        Lags {
            common: lag(Lag::Common),
            index: lag(Lag::Index),
            null: lag(Lag::Null),
            state: lag(Lag::State),
        }
    }

    /// What samples a lag of recordings taken for `kind`.
    pub(super) const fn sampler(&self, lag: Lag, kind: Kind) -> &Sampler {
        let clocks = self.kinds.get(kind);
        match lag {
            Lag::Media => &clocks.media_lag,
            Lag::Common => &clocks.metadata_lag,
            Lag::Index => &self.index_lag,
            Lag::Null => &clocks.null_phase,
            Lag::State => &clocks.state.1,
        }
    }

    /// How one clock shows all groups of recordings taken for `kind`, on a platform that shows them
    /// alike.
    pub(super) fn showing(&self, kind: Kind) -> Showing {
        let clocks = self.kinds.get(kind);
        Showing {
            lag: clocks.groups_alike.unwrap_or(Duration::ZERO),
            refreshes: self.refreshes,
            state: clocks.state.0,
        }
    }

    /// Whether one clock shows all groups of a recording, whatever its kind.
    pub(super) fn show_groups_alike(&self) -> bool {
        let alike = |kind: &Kind| self.kinds.get(*kind).groups_alike.is_some();
        Kind::ALL.iter().all(alike)
    }

    /// When the group's values arrive, or why they never do.
    fn arrival(
        &self,
        facts: &Facts,
        group: FieldGroup,
        draws: Draws,
        written: Timestamp,
    ) -> Arrival {
        if group == FieldGroup::Webrtc {
            if facts.taken_for != Kind::Webrtc {
                return Arrival::at(Timestamp::NEVER);
            }
            if facts.lost_cause == Some(Cause::PartialWrite) {
                return Arrival::lost(Cause::PartialWrite);
            }
        }
        let (lag, source) = &self.kinds.get(facts.taken_for).groups[group.index()];
        let nth = u32::try_from(group.index()).unwrap_or(0);
        let value_at = match source {
            GroupSource::Ingress => return Arrival::at(facts.started_at),
            GroupSource::Nobody => return Arrival::lost(Cause::NotWritten),
            GroupSource::Pipeline => {
                written + lag.sample_with(|| draws.draw_nth(Purpose::FieldLag, nth))
            }
        };
        if group == FieldGroup::Hold && facts.hold == Hold::Held {
            self.held(facts, draws, value_at)
        } else {
            Arrival::at(value_at)
        }
    }

    /// The flag of a recording under hold: set on one level, propagated to the other.
    fn held(&self, facts: &Facts, draws: Draws, written: Timestamp) -> Arrival {
        let set_at = match self.hold_set_at {
            HoldSetAt::CallStart => facts.started_at,
            HoldSetAt::CallEnd => facts.ended_at,
        };
        let propagation = self
            .hold_propagation
            .sample_with(|| draws.draw(Purpose::HoldPropagation));
        let lost = self
            .hold_propagation_loss
            .occurs_with(|| draws.draw(Purpose::HoldPropagationLoss));
        let there = if lost {
            Timestamp::NEVER
        } else {
            written.max(set_at + propagation)
        };
        let held_up = (there > written).then_some(Cause::HoldPropagation);
        let mut arrival = match self.hold_level {
            HoldLevel::Interaction => Arrival {
                cause: held_up,
                ..Arrival::at(there)
            },
            HoldLevel::Recording => {
                let own = Arrival::at(written.max(set_at));
                Arrival {
                    indexable_at: there,
                    index_cause: held_up,
                    ..own
                }
            }
        };
        let late = self.hold_set_at == HoldSetAt::CallEnd;
        let missed = || draws.draw(Purpose::HoldWindow);
        if late && self.hold_missed.occurs_with(missed) {
            arrival.cause = Some(Cause::HoldWindow);
            arrival.value_at = match self.hold_sweep {
                Sweep::Never => Timestamp::NEVER,
                Sweep::Every(interval) => {
                    Grid::new(interval, Duration::ZERO).next(arrival.value_at)
                }
            };
        }
        arrival.indexable_at = arrival.indexable_at.max(arrival.value_at);
        arrival
    }
}

/// What the clocks start from.
#[derive(Clone, Copy, Debug)]
pub(super) struct Facts {
    pub(super) taken_for: Kind,
    pub(super) hold: Hold,
    pub(super) started_at: Timestamp,
    pub(super) ended_at: Timestamp,
    pub(super) written_at: Timestamp,
    pub(super) lost_cause: Option<Cause>,
}

impl Facts {
    const fn of(timeline: &Timeline) -> Self {
        Self {
            taken_for: timeline.taken_for(),
            hold: timeline.hold,
            started_at: timeline.started_at,
            ended_at: timeline.ended_at,
            written_at: timeline.written_at,
            lost_cause: timeline.lost_cause,
        }
    }
}

impl KindClocks {
    fn new(spec: &KindSpec, hold: &HoldSpec) -> Self {
        let groups = spec
            .groups
            .each_ref()
            .map(|group| (Sampler::new(&group.lag), group.source));
        Self {
            groups_alike: alike(&groups).filter(|_| is_plain(hold)),
            pipeline: spec.pipeline,
            media_lag: Sampler::new(&spec.media_lag),
            metadata_lag: Sampler::new(&spec.metadata_lag),
            groups,
            null_phase: Sampler::new(&spec.null_phase),
            after_call_work: Sampler::new(&spec.after_call_work),
            state: match &spec.state {
                StateSpec::AfterFields(lag) => (StateAfter::Fields, Sampler::new(lag)),
                StateSpec::AfterSession(lag) => (StateAfter::Session, Sampler::new(lag)),
            },
        }
    }
}

/// The lag of all groups, if the pipeline writes them all with the same one.
fn alike(groups: &[(Sampler, GroupSource); FieldGroup::COUNT]) -> Option<Duration> {
    let lag = groups[0].0.as_constant()?;
    let same = |(other, source): &(Sampler, GroupSource)| {
        other.as_constant() == Some(lag) && *source == GroupSource::Pipeline
    };
    groups.iter().all(same).then_some(lag)
}

/// Whether a flag under hold comes as any other field.
fn is_plain(hold: &HoldSpec) -> bool {
    hold.unheld == UnheldFlag::False
        && hold.missed == Probability::ZERO
        && hold.level == HoldLevel::Interaction
        && hold.propagation == Distribution::Constant(Duration::ZERO)
        && hold.propagation_loss == Probability::ZERO
}
