//! Recordings that are decided together, on platforms that show all groups alike.
//!
//! What chance decides is drawn column by column, and each rule is applied to a column, so that
//! every loop is short and keeps what it needs in registers. Taken through all steps one by one,
//! recordings cost half as much again.

use super::clocks::Clocks;
use super::decision::{Alike, alike_but_webrtc};
use super::lags::{Lag, Lags};
use super::showing::Showing;
use super::whole::Whole;
use super::{Pipeline, Platform};
use crate::distribution::Sampler;
use crate::draws::{Draws, Seed};
use crate::field::{Field, FieldGroup, FieldSet, Kind, PerKind};
use crate::ids::{RecordingIndex, TenantIndex};
use crate::outcome::{Cause, Fate};
use crate::scenario::ReadPath;
use crate::time::{Duration, Timestamp};
use crate::timeline::{
    Decided, FieldClock, Missed, Need, Region, STAGES_MAX, StageTimes, Timeline, latest_needed,
};
use crate::workload::{Call, SessionEnds};

/// Recordings in a block: their columns, some 150 bytes each, fill half of a first-level cache.
pub(crate) const BLOCK: usize = 128;

/// Some recordings, in the order in which their sessions end.
#[derive(Clone, Debug, Default)]
pub(crate) struct Block {
    calls: Vec<Call>,
    ended_at: Vec<Timestamp>,
    draws: Vec<Draws>,
    taken_for: Vec<Kind>,
    /// What they are all taken for, if it is one kind.
    kind: Option<Kind>,
    media: Vec<Duration>,
    common: Vec<Duration>,
    index: Vec<Duration>,
    null: Vec<Duration>,
    state: Vec<Duration>,
    written: Vec<Written>,
    seen: Vec<Seen>,
}

/// What the pipeline does with a recording.
#[derive(Clone, Copy, Debug)]
struct Written {
    /// The one stage takes it; never if there is none.
    started_at: Timestamp,
    written_at: Timestamp,
}

/// When readers see a recording's parts.
#[derive(Clone, Copy, Debug)]
struct Seen {
    ended_at: Timestamp,
    media_at: Timestamp,
    value_at: Timestamp,
    index_at: Timestamp,
    state_at: Timestamp,
    taken_for: Kind,
}

/// One recording of a block.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Row<'a> {
    seen: &'a Seen,
    call: &'a Call,
    draws: &'a Draws,
    position: usize,
    block: &'a Block,
    platform: &'a Platform,
}

impl Written {
    /// Where no pipeline writes.
    const fn directly(ended_at: Timestamp) -> Self {
        Self {
            started_at: Timestamp::NEVER,
            written_at: ended_at,
        }
    }

    fn by(pipeline: &mut Pipeline, ended_at: Timestamp, draws: Draws) -> Self {
        if pipeline.is_empty() {
            return Self::directly(ended_at);
        }
        let stage = pipeline.enter(0, ended_at, draws);
        Self {
            started_at: stage.started_at,
            written_at: stage.done_at,
        }
    }
}

impl Block {
    /// Takes the next calls to end, in place of those that it holds. Returns the last one.
    pub(crate) fn take(&mut self, ends: &mut SessionEnds) -> Option<Call> {
        ends.take_some(BLOCK, &mut self.calls, &mut self.draws);
        self.calls.last().copied()
    }

    /// Recordings.
    pub(crate) const fn len(&self) -> usize {
        self.calls.len()
    }

    /// The recordings, on the `platform` that has decided them.
    pub(crate) fn rows<'a>(&'a self, platform: &'a Platform) -> impl Iterator<Item = Row<'a>> {
        let rows = self.seen.iter().zip(&self.calls).zip(&self.draws);
        let rows = rows.enumerate();
        rows.map(move |(position, ((seen, call), draws))| Row {
            seen,
            call,
            draws,
            position,
            block: self,
            platform,
        })
    }

    /// By value: what a cold path borrows is kept in memory on the hot one too.
    #[inline(never)]
    fn timeline(&self, clocks: &Clocks, position: usize) -> Timeline {
        self.whole(clocks, position).timeline()
    }

    /// All that is known of the recording at `position`.
    #[inline(always)]
    pub(crate) fn whole_at(&self, platform: &Platform, position: usize) -> Whole<Alike> {
        self.whole(&platform.clocks, position)
    }

    fn begin(&mut self, clocks: &Clocks) {
        let calls = &self.calls;
        refill(&mut self.ended_at, calls.iter().map(Call::ended_at));
        let webrtc = calls.iter().filter(|call| call.kind == Kind::Webrtc);
        let kind = match webrtc.count() {
            0 => Some(Kind::Sip),
            count if count == calls.len() => Some(Kind::Webrtc),
            _ => None,
        };
        self.kind = kind.and_then(|kind| clocks.surely_taken_for(kind));
        if let Some(kind) = self.kind {
            self.taken_for.clear();
            return self.taken_for.resize(calls.len(), kind);
        }
        let rows = calls.iter().zip(&self.draws);
        let taken_for = rows.map(|(call, draws)| clocks.taken_for(call.kind, *draws));
        refill(&mut self.taken_for, taken_for);
    }

    fn draw(&mut self, clocks: &Clocks) {
        let (draws, kinds) = (&self.draws[..], (&self.taken_for[..], self.kind));
        for (lag, column) in [
            (Lag::Media, &mut self.media),
            (Lag::Common, &mut self.common),
            (Lag::Index, &mut self.index),
            (Lag::Null, &mut self.null),
            (Lag::State, &mut self.state),
        ] {
            let sampler = |kind| clocks.sampler(lag, kind);
            sample(draws, kinds, sampler, lag, column);
        }
    }

    /// Takes all through the one stage of their pipeline.
    fn write(&mut self, clocks: &Clocks, pipelines: &mut [Pipeline]) {
        let rows = self.ended_at.iter().zip(&self.draws);
        if let Some(kind) = self.kind {
            let pipeline = &mut pipelines[clocks.pipeline_of(kind)];
            if pipeline.is_empty() {
                let direct = self.ended_at.iter().copied().map(Written::directly);
                return refill(&mut self.written, direct);
            }
            self.written
                .resize(self.calls.len(), Written::directly(Timestamp::NEVER));
            let rows = rows.zip(&mut self.written);
            let rows = rows.map(|((ended_at, draws), written)| (written, *ended_at, *draws));
            return pipeline.serve_first(rows, |written, started_at, service| {
                *written = Written {
                    started_at,
                    written_at: started_at + service,
                };
            });
        }
        let written = rows.zip(&self.taken_for).map(|((ended_at, draws), kind)| {
            let pipeline = &mut pipelines[clocks.pipeline_of(*kind)];
            Written::by(pipeline, *ended_at, *draws)
        });
        refill(&mut self.written, written);
    }

    fn decide(&mut self, clocks: &Clocks) {
        if let Some(kind) = self.kind {
            let showing = clocks.showing(kind);
            self.decide_as(move |_| (kind, showing));
        } else {
            let showing = PerKind::of(|kind| clocks.showing(kind));
            self.decide_as(move |taken_for| (taken_for, *showing.get(taken_for)));
        }
    }

    #[inline(always)]
    fn decide_as(&mut self, known: impl Fn(Kind) -> (Kind, Showing)) {
        let instants = self.ended_at.iter().zip(&self.written);
        let lags = self
            .media
            .iter()
            .zip(&self.common)
            .zip(&self.index)
            .zip(&self.state);
        let rows = instants.zip(lags).zip(&self.taken_for);
        let seen = rows.map(move |(((ended_at, written), lags), taken_for)| {
            let (((media, common), index), state) = lags;
            let (taken_for, showing) = known(*taken_for);
            let lags = Lags {
                common: *common,
                index: *index,
                state: *state,
                // Seen by those alone who look at a whole timeline.
                null: Duration::ZERO,
            };
            let alike = showing.of(taken_for, *ended_at, written.written_at, &lags);
            Seen {
                ended_at: *ended_at,
                media_at: *ended_at + *media,
                value_at: alike.clock.value_at,
                index_at: alike.clock.index_at,
                state_at: alike.state_at,
                taken_for,
            }
        });
        refill(&mut self.seen, seen);
    }

    #[inline(always)]
    fn whole(&self, clocks: &Clocks, position: usize) -> Whole<Alike> {
        let (call, taken_for) = (self.calls[position], self.taken_for[position]);
        let ended_at = self.ended_at[position];
        let Written {
            started_at,
            written_at,
        } = self.written[position];
        let lags = Lags {
            common: self.common[position],
            index: self.index[position],
            null: self.null[position],
            state: self.state[position],
        };
        Whole {
            call,
            taken_for,
            media_at: self.seen[position].media_at,
            written_at,
            started_at,
            decision: clocks
                .showing(taken_for)
                .of(taken_for, ended_at, written_at, &lags),
        }
    }
}

fn refill<T>(column: &mut Vec<T>, rows: impl Iterator<Item = T>) {
    column.clear();
    column.extend(rows);
}

/// Samples a column, by the recordings' kinds.
fn sample<'a>(
    draws: &[Draws],
    (kinds, only): (&[Kind], Option<Kind>),
    sampler: impl Fn(Kind) -> &'a Sampler,
    lag: Lag,
    column: &mut Vec<Duration>,
) {
    let (purpose, nth) = lag.purpose();
    let draw = move |draws: &Draws| draws.draw_nth(purpose, nth);
    if let Some(kind) = only {
        return sampler(kind).fill(draws.iter().map(draw), column);
    }
    let rows = draws.iter().zip(kinds);
    let lags = rows.map(|(draws, kind)| sampler(*kind).sample_with(|| draw(draws)));
    refill(column, lags);
}

impl Platform {
    /// The sessions of all calls in `block` have ended: as [`Platform::whole`] for each in turn, on
    /// a platform that shows all groups alike.
    pub(crate) fn decide_block(&mut self, block: &mut Block) {
        block.begin(&self.clocks);
        block.draw(&self.clocks);
        block.write(&self.clocks, &mut self.pipelines);
        block.decide(&self.clocks);
    }
}

impl Decided for Row<'_> {
    #[inline(always)]
    fn recording(&self) -> RecordingIndex {
        self.call.index
    }

    #[inline(always)]
    fn draws(&self, seed: Seed) -> Draws {
        debug_assert_eq!(seed, self.platform.seed, "a run has one seed");
        *self.draws
    }

    #[inline(always)]
    fn taken_for(&self) -> Kind {
        self.seen.taken_for
    }

    #[inline(always)]
    fn ended_at(&self) -> Timestamp {
        self.seen.ended_at
    }

    #[inline(always)]
    fn media_at(&self) -> Timestamp {
        self.seen.media_at
    }

    #[inline(always)]
    fn is_true(&self) -> bool {
        self.seen.taken_for == self.call.kind
    }

    #[inline(always)]
    fn first_seen(&self, path: ReadPath, need: &Need) -> Timestamp {
        let seen = self.seen;
        let value_at = match path {
            ReadPath::Primary => seen.value_at,
            ReadPath::Index => seen.index_at,
        };
        let groups = alike_but_webrtc(value_at, seen.taken_for);
        latest_needed(need, seen.ended_at, groups, seen.media_at, seen.state_at)
    }

    #[inline(always)]
    fn timeline(&self) -> Timeline {
        self.block.timeline(&self.platform.clocks, self.position)
    }

    #[inline(always)]
    fn kind(&self) -> Kind {
        self.call.kind
    }

    #[inline(always)]
    fn started_at(&self) -> Timestamp {
        self.call.arrival
    }

    #[inline(always)]
    fn tenant(&self) -> Option<TenantIndex> {
        None
    }

    #[inline(always)]
    fn region(&self) -> Region {
        Region::First
    }

    #[inline(always)]
    fn clocks(&self) -> Option<[FieldClock; FieldGroup::COUNT]> {
        // When a field is null only is seen by those alone who look at a whole timeline.
        let common = FieldClock {
            null_at: self.seen.value_at,
            value_at: self.seen.value_at,
            index_at: self.seen.index_at,
        };
        let webrtc = match self.seen.taken_for {
            Kind::Webrtc => common,
            Kind::Sip => FieldClock::NEVER,
        };
        Some([common, webrtc, common])
    }

    #[inline(always)]
    fn stages(&self) -> [StageTimes; STAGES_MAX] {
        let Written {
            started_at,
            written_at,
        } = self.block.written[self.position];
        let mut stages = [StageTimes::NONE; STAGES_MAX];
        if !started_at.is_never() {
            stages[0] = StageTimes {
                queued_at: self.seen.ended_at,
                started_at,
                done_at: written_at,
            };
        }
        stages
    }

    #[inline(always)]
    fn fields_at(&self, path: ReadPath, _: FieldSet, need: &Need) -> Timestamp {
        self.first_seen(path, need)
    }

    #[inline(always)]
    fn true_at(&self, path: ReadPath, _: FieldSet, need: &Need) -> Timestamp {
        self.first_seen(path, need)
    }

    /// As the timeline's own view, fate and cause.
    #[inline(always)]
    fn missed(&self, at: Timestamp, path: ReadPath, needed: FieldSet) -> Option<Missed> {
        let seen = self.seen;
        let groups = [FieldGroup::Identity, FieldGroup::Webrtc, FieldGroup::Hold];
        let visible_at = match path {
            ReadPath::Primary => seen.value_at,
            ReadPath::Index => seen.index_at,
        };
        let visible = alike_but_webrtc(visible_at, seen.taken_for);
        let (mut fields, mut last) = (FieldSet::EMPTY, Timestamp::ZERO);
        let (mut complete_at, mut never) = (seen.ended_at, false);
        for (group, visible_at) in groups.into_iter().zip(visible) {
            let needed = needed.intersection(group.fields());
            if needed.is_empty() {
                continue;
            }
            complete_at = complete_at.max(visible_at);
            if visible_at > at {
                fields = fields.union(needed);
                last = last.max(visible_at);
                never |= visible_at.is_never();
            }
        }
        complete_at = complete_at.max(seen.media_at);
        let fate = if complete_at.is_never() {
            Fate::Lost
        } else {
            Fate::Late(complete_at.since(at))
        };
        let of_media = seen.media_at > at && seen.media_at >= last;
        if seen.media_at > at {
            fields.insert(Field::Media);
        }
        let cause = if fields.is_empty() {
            Cause::GaveUp
        } else if of_media && seen.media_at.is_never() {
            Cause::MediaLost
        } else if of_media {
            Cause::MediaLate
        } else if never {
            Cause::NotWritten
        } else if seen.value_at <= at {
            Cause::Index
        } else {
            self.block.written[self.position].cause(at)
        };
        Some(Missed {
            fields,
            fate,
            cause,
        })
    }
}

impl Written {
    /// What held a recording at `at` whose values were not there.
    #[inline(always)]
    fn cause(self, at: Timestamp) -> Cause {
        if self.started_at.is_never() || self.written_at <= at {
            Cause::FieldLag
        } else if at < self.started_at {
            Cause::QueueWait
        } else {
            Cause::Service
        }
    }
}
