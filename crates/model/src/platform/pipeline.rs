//! A pipeline: FIFO stages in a row, each a queue with identical workers.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use crate::distribution::Sampler;
use crate::draws::{Draws, Purpose};
use crate::field::FieldGroup;
use crate::scenario::{PipelineSpec, StageSpec};
use crate::time::Timestamp;
use crate::timeline::StageTimes;

/// The stages of one pipeline.
#[derive(Clone, Debug)]
pub struct Pipeline {
    stages: Vec<Stage>,
    writers: [Option<usize>; FieldGroup::COUNT],
}

/// One queue. Its state is when each worker is free.
#[derive(Clone, Debug)]
struct Stage {
    free_at: BinaryHeap<Reverse<Timestamp>>,
    service: Sampler,
}

impl Pipeline {
    /// An idle pipeline.
    #[must_use]
    pub fn new(spec: &PipelineSpec) -> Self {
        let mut writers = [None; FieldGroup::COUNT];
        for (index, stage) in spec.stages.iter().enumerate() {
            for group in &stage.writes {
                writers[group.index()] = Some(index);
            }
        }
        Self { stages: spec.stages.iter().map(Stage::new).collect(), writers }
    }

    /// Number of stages.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.stages.len()
    }

    /// Whether there is no stage.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.stages.is_empty()
    }

    /// Which stage writes each group early; `None` is the last one.
    #[must_use]
    pub const fn writers(&self) -> [Option<usize>; FieldGroup::COUNT] {
        self.writers
    }

    /// A recording joins the queue of `stage` at `queued_at`, which never goes back.
    pub fn enter(&mut self, stage: usize, queued_at: Timestamp, draws: Draws) -> StageTimes {
        let nth = u32::try_from(stage).unwrap_or(u32::MAX);
        let stage = &mut self.stages[stage];
        let free_at = stage.free_at.pop().map_or(Timestamp::ZERO, |Reverse(at)| at);
        let started_at = free_at.max(queued_at);
        let service = stage.service.sample(draws.draw_nth(Purpose::Service, nth));
        let done_at = started_at + service;
        stage.free_at.push(Reverse(done_at));
        StageTimes { queued_at, started_at, done_at }
    }
}

impl Stage {
    fn new(spec: &StageSpec) -> Self {
        let free_at = (0..spec.workers).map(|_| Reverse(Timestamp::ZERO)).collect();
        Self { free_at, service: Sampler::new(&spec.service) }
    }
}
