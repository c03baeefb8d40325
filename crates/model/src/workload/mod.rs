//! The planned sessions: call `i` is a pure function of the seed, `i` and the arrival process.

mod arrivals;
mod ends;
mod estimate;

pub use arrivals::ArrivalTimes;
pub use ends::SessionEnds;
pub use estimate::Estimate;

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use crate::distribution::Sampler;
use crate::draws::{Draws, Purpose, Seed, mix64};
use crate::field::Kind;
use crate::ids::RecordingIndex;
use crate::scenario::{Executor, Stage, StageShape, Workload};
use crate::time::{Duration, Probability, Timestamp};
use crate::timeline::Hold;

/// One planned call.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Call {
    /// Its position in the order of arrival.
    pub index: RecordingIndex,
    /// When it begins.
    pub arrival: Timestamp,
    /// How long it lasts.
    pub duration: Duration,
    /// Its kind.
    pub kind: Kind,
    /// Whether it is under legal hold.
    pub hold: Hold,
}

impl Call {
    /// When it ends: in absolute time, however long its set-up takes.
    #[must_use]
    #[inline]
    pub fn ended_at(&self) -> Timestamp {
        self.arrival + self.duration
    }

    /// Its draws in a run of `seed`.
    #[inline]
    #[must_use]
    pub const fn draws(&self, seed: Seed) -> Draws {
        Draws::of_call(seed, self.index.0)
    }

    /// Which audio is spoken: a uniform number, to be reduced to the clips at hand.
    #[must_use]
    pub const fn clip(&self, seed: Seed) -> u64 {
        self.draws(seed).draw(Purpose::Clip)
    }
}

/// The calls of a workload in order of arrival.
#[derive(Clone, Debug)]
pub struct Calls {
    source: Source,
    rules: Rules,
    next: u64,
}

/// What a call is like.
#[derive(Clone, Debug)]
struct Rules {
    seed: Seed,
    call_duration: Sampler,
    webrtc_share: Probability,
    hold_fraction: Probability,
    /// A call, if chance has no part in what they are like.
    same: Option<Call>,
}

#[derive(Clone, Debug)]
enum Source {
    Open(ArrivalTimes),
    Closed(VirtualUsers),
}

impl Calls {
    /// The calls of `workload` for `seed`.
    #[must_use]
    pub fn new(workload: &Workload, seed: Seed) -> Self {
        let source = match &workload.executor {
            Executor::ArrivalRate(_) => Source::Open(ArrivalTimes::new(workload, seed)),
            Executor::ConstantVus {
                vus,
                duration,
                pause,
            } => Source::Closed(VirtualUsers {
                free: (0..*vus)
                    .map(|user| Reverse((Timestamp::ZERO, user)))
                    .collect(),
                until: Timestamp::ZERO + workload.warmup + *duration,
                pause: *pause,
            }),
        };
        let mut rules = Rules {
            seed,
            call_duration: Sampler::new(&workload.call_duration),
            webrtc_share: workload.webrtc_share,
            hold_fraction: workload.hold.fraction,
            same: None,
        };
        let any = rules.call(0, Timestamp::ZERO, Draws::of_call(seed, 0));
        rules.same = rules.are_all_alike().then_some(any);
        Self {
            source,
            rules,
            next: 0,
        }
    }
}

impl Rules {
    fn are_all_alike(&self) -> bool {
        let sure = |probability| [Probability::ZERO, Probability::ONE].contains(&probability);
        sure(self.webrtc_share)
            && sure(self.hold_fraction)
            && self.call_duration.as_constant().is_some()
    }

    #[inline(always)]
    fn call(&self, index: u64, arrival: Timestamp, draws: Draws) -> Call {
        let webrtc = self.webrtc_share.occurs_with(|| draws.draw(Purpose::Kind));
        let held = self.hold_fraction.occurs_with(|| draws.draw(Purpose::Hold));
        Call {
            index: RecordingIndex(index),
            arrival,
            duration: self
                .call_duration
                .sample_with(|| draws.draw(Purpose::CallDuration)),
            kind: if webrtc { Kind::Webrtc } else { Kind::Sip },
            hold: if held { Hold::Held } else { Hold::Free },
        }
    }
}

impl Calls {
    /// Adds the next `count` calls, or all that are left, and their draws.
    fn take_some(&mut self, count: usize, calls: &mut Vec<Call>, draws: &mut Vec<Draws>) {
        let Source::Open(arrivals) = &mut self.source else {
            let seed = self.rules.seed;
            calls.extend(self.by_ref().take(count));
            return draws.extend(calls.iter().map(|call| call.draws(seed)));
        };
        while calls.len() < count {
            let (arrivals, some) = arrivals.next_some(count - calls.len());
            let first = self.next;
            self.next += some.len() as u64;
            if some.is_empty() {
                break;
            }
            draws.extend_from_slice(some);
            let rows = (first..self.next).zip(arrivals).zip(some);
            let rows = rows.map(|((index, arrival), draws)| (index, *arrival, *draws));
            if let Some(same) = self.rules.same {
                calls.extend(rows.map(|(index, arrival, _)| Call {
                    index: RecordingIndex(index),
                    arrival,
                    ..same
                }));
            } else {
                let rules = &self.rules;
                calls.extend(rows.map(|(index, arrival, draws)| rules.call(index, arrival, draws)));
            }
        }
    }

    const fn seed(&self) -> Seed {
        self.rules.seed
    }

    /// Whether sessions end in the order in which they begin.
    #[must_use]
    pub const fn end_in_order(&self) -> bool {
        matches!(self.source, Source::Open(_)) && self.rules.call_duration.as_constant().is_some()
    }
}

impl Iterator for Calls {
    type Item = Call;

    #[inline(always)]
    fn next(&mut self) -> Option<Call> {
        let Source::Open(arrivals) = &mut self.source else {
            return self.next_of_users();
        };
        let (arrivals, draws) = arrivals.next_some(1);
        let (arrival, draws) = (*arrivals.first()?, *draws.first()?);
        let index = self.next;
        self.next += 1;
        Some(self.rules.call(index, arrival, draws))
    }
}

impl Calls {
    #[inline(never)]
    fn next_of_users(&mut self) -> Option<Call> {
        let Source::Closed(users) = &mut self.source else {
            return None;
        };
        let (arrival, user) = users.take()?;
        let index = self.next;
        self.next += 1;
        let draws = Draws::of_call(self.rules.seed, index);
        let call = self.rules.call(index, arrival, draws);
        if let Source::Closed(users) = &mut self.source {
            users.release(user, call.ended_at());
        }
        Some(call)
    }
}

/// A closed model: each user places the next call when its last one has ended.
#[derive(Clone, Debug)]
struct VirtualUsers {
    free: BinaryHeap<Reverse<(Timestamp, u32)>>,
    until: Timestamp,
    pause: Duration,
}

impl VirtualUsers {
    fn take(&mut self) -> Option<(Timestamp, u32)> {
        let Reverse((at, user)) = self.free.pop()?;
        (at < self.until).then_some((at, user))
    }

    fn release(&mut self, user: u32, ended_at: Timestamp) {
        // A call of no length and no pause would place calls for ever at one instant.
        let gap = self.pause.max(Duration::from_nanos(1));
        self.free.push(Reverse((ended_at + gap, user)));
    }
}

/// A stretch of the run that results are counted by.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Phase {
    /// Its name.
    pub name: String,
    /// Its start.
    pub start: Timestamp,
    /// Its end; the last one has none ([`Timestamp::NEVER`]).
    pub end: Timestamp,
}

/// The phases of a workload, in order; they begin when the warm-up ends.
#[must_use]
pub fn phases(workload: &Workload) -> Vec<Phase> {
    let whole;
    let stages: &[Stage] = match &workload.executor {
        Executor::ArrivalRate(stages) => stages,
        Executor::ConstantVus { duration, .. } => {
            let shape = StageShape::Constant(crate::time::Rate::from_nanohertz(0));
            whole = [Stage {
                name: "steady".into(),
                duration: *duration,
                shape,
            }];
            &whole
        }
    };
    let mut start = Timestamp::ZERO + workload.warmup;
    let mut phases: Vec<Phase> = stages
        .iter()
        .map(|stage| {
            let phase = Phase {
                name: stage.name.clone(),
                start,
                end: start + stage.duration,
            };
            start = phase.end;
            phase
        })
        .collect();
    if let Some(last) = phases.last_mut() {
        last.end = Timestamp::NEVER;
    }
    phases
}

/// An instant by which every session has ended.
pub(crate) fn ended_by(workload: &Workload) -> Timestamp {
    let arrivals = match &workload.executor {
        Executor::ArrivalRate(stages) => stages.iter().fold(Duration::ZERO, |sum, stage| {
            sum.saturating_add(stage.duration)
        }),
        Executor::ConstantVus { duration, .. } => *duration,
    };
    let longest = Sampler::new(&workload.call_duration).sample(u64::MAX);
    // A session whose caller has vanished ends when its consent runs out.
    let vanished = if workload.faults.is_empty() {
        Duration::ZERO
    } else {
        crate::fault::CONSENT
    };
    Timestamp::ZERO + workload.warmup + arrivals + longest + vanished
}

/// Hash of the planned sessions: order-free, the same in both engines.
#[must_use]
pub fn plan_hash(workload: &Workload, seed: Seed) -> u64 {
    Calls::new(workload, seed).fold(0_u64, |sum, call| sum.wrapping_add(hash_call(&call, seed)))
}

fn hash_call(call: &Call, seed: Seed) -> u64 {
    let words = [
        call.index.0,
        call.arrival.as_nanos(),
        call.duration.as_nanos(),
        call.kind as u64,
        u64::from(call.hold == Hold::Held),
        call.clip(seed),
    ];
    words.iter().fold(0, |hash, word| mix64(hash ^ word))
}
