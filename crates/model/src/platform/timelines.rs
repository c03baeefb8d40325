//! The timelines of one arm, wherever they come from.
//!
//! A gate and its jobs are one rule on one timeline. Whether the platform decided that timeline step
//! by step, at its session's end or in a block with others, or a file holds it, is all the same to
//! them.

use std::slice;

use super::{Block, Output, Platform};
use crate::draws::Seed;
use crate::scenario::{Arm, Workload};
use crate::timeline::{Decided as _, Timeline};
use crate::workload::SessionEnds;

/// Recordings whose every instant is decided.
pub trait Timelines {
    /// The next one, in the order in which they were decided.
    fn next(&mut self) -> Option<&Timeline>;
}

/// How early an arm's platform decides all instants of a recording.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Decides {
    /// At its session's end, and one clock shows all its fields: many at once, in columns.
    InBlocks,
    /// At its session's end.
    AtEnd,
    /// As things happen to it.
    InSteps,
}

/// Timelines that a platform decides step by step, whatever it could do at once.
#[derive(Clone, Debug)]
pub struct Stepped {
    platform: Platform,
    ends: SessionEnds,
    decided: Option<Timeline>,
}

/// Timelines that a platform decides at their sessions' ends.
#[derive(Clone, Debug)]
pub struct AtOnce {
    platform: Platform,
    ends: SessionEnds,
    block: Block,
    /// Rows of the block that were handed over; none where each is decided by itself.
    taken: Option<usize>,
    decided: Option<Timeline>,
}

/// Timelines that were written down.
#[derive(Clone, Debug)]
pub struct Given<'a>(slice::Iter<'a, Timeline>);

impl Stepped {
    /// The timelines of the sessions of `workload` on the platform of `arm`.
    #[must_use]
    pub fn new(arm: &Arm, workload: &Workload, seed: Seed) -> Self {
        Self {
            platform: Platform::new(arm, workload, seed),
            ends: SessionEnds::of_workload(workload, seed),
            decided: None,
        }
    }
}

impl Timelines for Stepped {
    fn next(&mut self) -> Option<&Timeline> {
        loop {
            match self.platform.poll_output() {
                Some(Output::Decided(timeline)) => {
                    self.decided = Some(timeline);
                    return self.decided.as_ref();
                }
                Some(Output::Began(_)) => {}
                None => match self.ends.next() {
                    Some(call) => {
                        let ending = self.ends.ending();
                        self.platform.handle_session(call.ended_at(), &call, ending);
                    }
                    None => {
                        let at = self.platform.poll_timeout()?;
                        self.platform.handle_timeout(at);
                    }
                },
            }
        }
    }
}

impl AtOnce {
    /// The timelines of the sessions of `workload` on the platform of `arm`; none if it decides
    /// them in steps.
    #[must_use]
    pub fn new(arm: &Arm, workload: &Workload, seed: Seed) -> Option<Self> {
        let platform = Platform::new(arm, workload, seed);
        let taken = match platform.decides(workload) {
            Decides::InSteps => return None,
            Decides::AtEnd => None,
            Decides::InBlocks => Some(0),
        };
        Some(Self {
            platform,
            ends: SessionEnds::of_workload(workload, seed),
            block: Block::default(),
            taken,
            decided: None,
        })
    }
}

impl Timelines for AtOnce {
    fn next(&mut self) -> Option<&Timeline> {
        let timeline = match &mut self.taken {
            None => {
                let call = self.ends.next()?;
                self.platform.whole(&call).timeline()
            }
            Some(taken) => {
                if *taken >= self.block.len() {
                    self.block.take(&mut self.ends)?;
                    self.platform.decide_block(&mut self.block);
                    *taken = 0;
                }
                *taken += 1;
                self.block.whole_at(&self.platform, *taken - 1).timeline()
            }
        };
        self.decided = Some(timeline);
        self.decided.as_ref()
    }
}

impl<'a> Given<'a> {
    /// These, in their order.
    #[must_use]
    pub fn new(timelines: &'a [Timeline]) -> Self {
        Self(timelines.iter())
    }
}

impl Timelines for Given<'_> {
    fn next(&mut self) -> Option<&Timeline> {
        self.0.next()
    }
}

impl Platform {
    /// How early it decides the recordings of `workload`.
    #[must_use]
    pub fn decides(&self, workload: &Workload) -> Decides {
        if !workload.faults.is_empty() || !self.decides_at_end() {
            Decides::InSteps
        } else if self.decides_alike() {
            Decides::InBlocks
        } else {
            Decides::AtEnd
        }
    }
}
