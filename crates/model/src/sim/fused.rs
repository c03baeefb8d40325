//! One arm without events: recordings meet in nothing but the platform's queues, so each is taken
//! from its session's end to every tenant's outcome at once.
//!
//! When a worker is free follows from when it was taken, so no queue of events is needed either
//! (Kiefer and Wolfowitz 1955). Clocks, gates and exports are the event engine's own.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::iter::once;

use super::Share;
use super::closed::{self, Closed, Ran, Way};
use super::one::One;
use super::world::{Ended, conclude};
use crate::gate::Rounds;
use crate::history::{JobRecord, Settled};
use crate::ids::{ArmIndex, TenantIndex};
use crate::judge::Judge;
use crate::platform::{Block, Decides, Output, Platform, Row};
use crate::recorder::Sink;
use crate::scenario::{Arm, Scenario};
use crate::time::{Duration, Timestamp};
use crate::timeline::{Decided, Timeline};
use crate::workload::{SessionEnds, ended_by};

/// Whether no call that a tenant of `arm` makes changes what another one meets.
pub(super) fn suits(arm: &Arm) -> bool {
    closed::suits(arm) && arm.platform.api.rate_limit.is_none()
}

/// Runs `share` of `arm`, whose tenants are counted from `first` on.
pub(super) fn run<S: Sink>(
    scenario: &Scenario,
    arm: &Arm,
    index: ArmIndex,
    first: TenantIndex,
    share: Share,
    sink: &mut S,
) -> Ended {
    let seed = scenario.seed;
    let gates = || arm.gates.iter().zip((first.0..).map(TenantIndex));
    let until = ended_by(&scenario.workload) + scenario.limits.drain;
    let closed: Vec<Option<Closed>> = gates()
        .map(|(gate, tenant)| Closed::new(tenant, gate, arm, seed, until))
        .collect();
    let mut fused = Fused {
        index,
        share,
        recordings: 0,
        closed: &closed,
        ones: gates()
            .map(|(gate, tenant)| One::new(tenant, gate, arm, seed, until))
            .collect(),
        rounds: Rounds::default(),
        judge: Judge::new(arm, first, seed),
        drain: scenario.limits.drain,
        late: BinaryHeap::new(),
        waiting: 0,
        last: Timestamp::ZERO,
    };
    let mut platform = Platform::new(arm, &scenario.workload, seed);
    let mut ends = SessionEnds::of_workload(&scenario.workload, seed);
    let mut ended = Ended {
        recordings: 0,
        at: Timestamp::ZERO,
        order: None,
    };
    match platform.decides(&scenario.workload) {
        Decides::InBlocks => {
            let mut block = Block::default();
            while !sink.is_stopped()
                && let Some(last) = block.take(&mut ends)
            {
                ended.at = last.ended_at();
                platform.decide_block(&mut block);
                fused.catch_up(ended.at, sink);
                let owned = |row: &Row<'_>| share.owns(row.recording());
                fused.pass(|| block.rows(&platform).filter(owned), sink);
            }
        }
        Decides::AtEnd => {
            for call in ends {
                if sink.is_stopped() {
                    break;
                }
                ended.at = call.ended_at();
                fused.catch_up(ended.at, sink);
                let whole = platform.whole(&call);
                if share.owns(call.index) {
                    fused.pass(|| once(whole), sink);
                }
            }
        }
        Decides::InSteps => {
            while !sink.is_stopped()
                && let Some(call) = ends.next()
            {
                ended.at = call.ended_at();
                fused.catch_up(ended.at, sink);
                platform.handle_session(ended.at, &call, ends.ending());
                fused.take(&mut platform, sink);
            }
            while let Some(at) = platform.poll_timeout() {
                platform.handle_timeout(at);
                fused.take(&mut platform, sink);
            }
        }
    }
    fused.finish(ended, sink)
}

struct Fused<'a> {
    index: ArmIndex,
    share: Share,
    /// Taken so far.
    recordings: u64,
    /// By gate: its closed form, if it has one.
    closed: &'a [Option<Closed>],
    /// By gate: exporter and organization, for what its closed form does not accept.
    ones: Vec<One>,
    rounds: Rounds,
    judge: Judge,
    /// How long after the last session's end a recording may still be settled.
    drain: Duration,
    /// Settled later than that after their own session's end: whether they count is known when
    /// the last session has ended.
    late: BinaryHeap<Reverse<Late>>,
    /// Recordings that some gate never decides about.
    waiting: u64,
    last: Timestamp,
}

/// What is decided and may come too late.
#[derive(Debug)]
struct Late {
    at: Timestamp,
    what: What,
}

#[derive(Debug)]
enum What {
    Settled(Box<(Settled, Timeline)>),
    Job(JobRecord),
}

impl Fused<'_> {
    fn take<S: Sink>(&mut self, platform: &mut Platform, sink: &mut S) {
        while let Some(output) = platform.poll_output() {
            match output {
                Output::Decided(timeline) if self.share.owns(timeline.recording) => {
                    self.pass(|| once(&timeline), sink);
                }
                Output::Decided(_) | Output::Began(_) => {}
            }
        }
    }

    /// Takes recordings through every tenant.
    #[inline(always)]
    fn pass<S: Sink, R: Decided, I: Iterator<Item = R>>(
        &mut self,
        recordings: impl Fn() -> I,
        sink: &mut S,
    ) {
        for recording in recordings() {
            self.recordings += 1;
            sink.decided(self.index, &recording);
        }
        // A loop for each way: what it needs of the rules stays in registers.
        for (position, closed) in self.closed.iter().enumerate() {
            match closed.as_ref().map(Closed::way) {
                Some(Way::Polling(gate)) => {
                    let mut rounds = std::mem::take(&mut self.rounds);
                    gate.run_all(&recordings, &mut rounds, |recording, ran| {
                        self.note(position, ran, recording, sink);
                    });
                    self.rounds = rounds;
                }
                Some(Way::Stepping(gate)) => {
                    for recording in recordings() {
                        self.note(position, gate.run(&recording), &recording, sink);
                    }
                }
                None => {
                    for recording in recordings() {
                        recording.look(|timeline| self.settle_one(position, timeline, sink));
                    }
                }
            }
        }
    }

    #[inline(always)]
    fn note<S: Sink>(
        &mut self,
        gate: usize,
        ran: Ran<(Settled, Option<JobRecord>)>,
        recording: &impl Decided,
        sink: &mut S,
    ) {
        match ran {
            Ran::Settled((settled, job))
                if settled.settled_at <= recording.ended_at() + self.drain =>
            {
                self.last = self.last.max(settled.settled_at);
                conclude(settled, recording, &self.judge, sink);
                if let Some(job) = job {
                    sink.job_of(recording.recording(), &job);
                }
            }
            Ran::InFlight => self.waiting += 1,
            Ran::Settled(_) | Ran::Unclear => {
                recording.look(|timeline| self.settle_one(gate, timeline, sink));
            }
        }
    }

    /// Takes a recording through one gate by the exporter and the organization themselves.
    #[cold]
    #[inline(never)]
    fn settle_one<S: Sink>(&mut self, gate: usize, timeline: &Timeline, sink: &mut S) {
        let in_time = timeline.ended_at + self.drain;
        let late = &mut self.late;
        let settled = self.ones[gate].settle(timeline, |job| {
            if job.done_at <= in_time {
                sink.job_of(timeline.recording, &job);
            } else {
                let (at, what) = (job.done_at, What::Job(job));
                late.push(Reverse(Late { at, what }));
            }
        });
        match settled {
            Some(settled) if settled.settled_at <= in_time => {
                self.last = self.last.max(settled.settled_at);
                conclude(settled, timeline, &self.judge, sink);
            }
            Some(settled) => {
                let at = settled.settled_at;
                let what = What::Settled(Box::new((settled, timeline.clone())));
                self.late.push(Reverse(Late { at, what }));
            }
            None => self.waiting += 1,
        }
    }

    /// A session has ended at `at`: what was settled before its time is over is in time.
    #[inline]
    fn catch_up<S: Sink>(&mut self, at: Timestamp, sink: &mut S) {
        if !self.late.is_empty() {
            self.let_in(at + self.drain, sink);
        }
    }

    #[cold]
    fn let_in<S: Sink>(&mut self, until: Timestamp, sink: &mut S) {
        while self
            .late
            .peek()
            .is_some_and(|Reverse(late)| late.at <= until)
        {
            let Some(Reverse(Late { at, what })) = self.late.pop() else {
                break;
            };
            match what {
                What::Settled(both) => {
                    self.last = self.last.max(at);
                    conclude(both.0, &both.1, &self.judge, sink);
                }
                What::Job(job) => sink.job(&job),
            }
        }
    }

    fn finish<S: Sink>(mut self, ended: Ended, sink: &mut S) -> Ended {
        let until = ended.at + self.drain;
        self.let_in(until, sink);
        let at = if self.waiting == 0 && self.late.is_empty() {
            self.last.max(ended.at)
        } else {
            until
        };
        Ended {
            at,
            recordings: self.recordings,
            ..ended
        }
    }
}

impl PartialEq for Late {
    fn eq(&self, other: &Self) -> bool {
        self.at == other.at
    }
}

impl Eq for Late {}

impl PartialOrd for Late {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Late {
    /// What is late at one instant may be let in in any order: sinks add.
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.at.cmp(&other.at)
    }
}
