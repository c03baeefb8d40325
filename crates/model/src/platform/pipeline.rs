//! A pipeline: FIFO stages in a row, each a queue with identical workers, and behind them the
//! service that writes what they have made.

use super::workers::Workers;
use crate::distribution::Sampler;
use crate::draws::{Draws, Purpose};
use crate::field::FieldGroup;
use crate::gate::Gaps;
use crate::org::RateLimiter;
use crate::scenario::{Outage, PipelineSpec, StageSpec};
use crate::time::{Duration, Timestamp};
use crate::timeline::StageTimes;

/// The stages of one pipeline.
#[derive(Clone, Debug)]
pub struct Pipeline {
    stages: Vec<Stage>,
    writers: [Option<usize>; FieldGroup::COUNT],
    updates: Option<Updates>,
}

/// The service that writes what the stages have made.
#[derive(Clone, Debug)]
struct Updates {
    limiter: RateLimiter,
    gaps: Gaps,
}

/// One queue. Its state is when each worker is free.
#[derive(Clone, Debug)]
struct Stage {
    workers: Workers,
    service: Sampler,
    count: u32,
    outages: Vec<Outage>,
    /// When the last recording was taken: the queue is first in, first out.
    last_started_at: Timestamp,
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
        let updates = spec.updates.map(|updates| Updates {
            limiter: RateLimiter::new(Some(updates.limit)),
            gaps: Gaps::of(&updates.backoff),
        });
        Self {
            stages: spec.stages.iter().map(Stage::new).collect(),
            writers,
            updates,
        }
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

    /// Whether updates are limited: then the last stage does not decide when they are written.
    #[must_use]
    pub const fn limits_updates(&self) -> bool {
        self.updates.is_some()
    }

    /// A recording joins the queue of `stage` at `queued_at`, which never goes back.
    pub fn enter(&mut self, stage: usize, queued_at: Timestamp, draws: Draws) -> StageTimes {
        let nth = u32::try_from(stage).unwrap_or(u32::MAX);
        let draw = || draws.draw_nth(Purpose::Service, nth);
        let service = self.stages[stage].service.sample_with(draw);
        self.serve(stage, queued_at, service)
    }

    /// A recording whose service is known joins the queue of `stage` at `queued_at`, which never
    /// goes back.
    pub fn serve(&mut self, stage: usize, queued_at: Timestamp, service: Duration) -> StageTimes {
        let started_at = self.stages[stage].take(queued_at, service);
        StageTimes {
            queued_at,
            started_at,
            done_at: started_at + service,
        }
    }

    /// Recordings join the queue of the first stage in turn, if there is one. Tells of each when
    /// it is taken and how long its service takes.
    #[inline(always)]
    pub(super) fn serve_first<T>(
        &mut self,
        recordings: impl Iterator<Item = (T, Timestamp, Draws)>,
        mut taken: impl FnMut(T, Timestamp, Duration),
    ) {
        let Some(stage) = self.stages.first_mut() else {
            return;
        };
        let service = stage.service.clone();
        let service = service.sampling();
        let rows = recordings.map(|(recording, queued_at, draws)| {
            let service = service.sample_with(|| draws.draw(Purpose::Service));
            (recording, queued_at, service)
        });
        if stage.outages.is_empty() {
            for (recording, queued_at, service) in rows {
                let started_at = stage.workers.take(queued_at, service);
                taken(recording, started_at, service);
            }
            return;
        }
        for (recording, queued_at, service) in rows {
            let started_at = stage.take_with_fewer(queued_at, service);
            taken(recording, started_at, service);
        }
    }

    /// Other work than a recording's, `service` long, joins the queue of `stage` at `now`, which
    /// never goes back.
    pub fn occupy(&mut self, stage: usize, now: Timestamp, service: Duration) {
        self.stages[stage].take(now, service);
    }

    /// Takes a token of the update service at `now`, if one is left.
    pub fn take_update(&mut self, now: Timestamp) {
        if let Some(Updates { limiter, .. }) = &mut self.updates {
            // A read is answered whether or not there was a token for it.
            limiter.admit(now).ok();
        }
    }

    /// Update attempt `attempt` (from 0) at `now`, which never goes back.
    ///
    /// # Errors
    /// When to try again.
    pub fn update(&mut self, now: Timestamp, attempt: u32, draws: Draws) -> Result<(), Timestamp> {
        let Some(Updates { limiter, gaps }) = &mut self.updates else {
            return Ok(());
        };
        limiter.admit(now).map_err(|_| {
            let draw = || draws.draw_nth(Purpose::UpdateRetry, attempt);
            // A jittered wait of nothing would try for ever at one instant.
            (now + gaps.after(attempt, draw)).max(Timestamp::from_nanos(now.as_nanos() + 1))
        })
    }
}

impl Stage {
    fn new(spec: &StageSpec) -> Self {
        Self {
            workers: Workers::new(spec.workers),
            service: Sampler::new(&spec.service),
            count: spec.workers,
            outages: spec.outages.clone(),
            last_started_at: Timestamp::ZERO,
        }
    }

    /// When what takes so long is taken, by the first free worker (Kiefer and Wolfowitz 1955).
    #[inline(always)]
    fn take(&mut self, queued_at: Timestamp, service: Duration) -> Timestamp {
        if self.outages.is_empty() {
            self.workers.take(queued_at, service)
        } else {
            self.take_with_fewer(queued_at, service)
        }
    }

    #[inline(never)]
    fn take_with_fewer(&mut self, queued_at: Timestamp, service: Duration) -> Timestamp {
        let free_at = self.workers.free_for(queued_at);
        let at = self.start_with_fewer(free_at.max(self.last_started_at));
        self.last_started_at = at;
        self.workers.occupy(at + service);
        at
    }

    /// The first instant from `at` on at which fewer workers are busy than there are.
    fn start_with_fewer(&mut self, mut at: Timestamp) -> Timestamp {
        loop {
            let outage = self.outages.iter().find(|outage| {
                let from = Timestamp::ZERO + outage.from;
                from <= at && at < from + outage.duration
            });
            let Some(outage) = outage else { return at };
            let workers = outage.workers.min(self.count);
            let (busy, next_free) = self.workers.busy_after(at);
            if busy < workers as usize {
                return at;
            }
            let end = Timestamp::ZERO + outage.from + outage.duration;
            at = match next_free {
                Some(next_free) if workers > 0 => next_free.min(end),
                _ => end,
            };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::distribution::Distribution;
    use crate::draws::Seed;
    use crate::scenario::{Backoff, Jitter, RateLimit, UpdateLimit};
    use crate::time::Fixed;

    fn at(secs: u64) -> Timestamp {
        Timestamp::ZERO + Duration::from_secs(secs)
    }

    fn stage(workers: u32, outages: Vec<Outage>) -> PipelineSpec {
        let service = Distribution::Constant(Duration::from_secs(2));
        let stage = StageSpec {
            name: "inject".into(),
            workers,
            service,
            writes: Vec::new(),
            outages,
        };
        PipelineSpec {
            stages: vec![stage],
            updates: None,
        }
    }

    fn outage(from: u64, secs: u64, workers: u32) -> Outage {
        let (from, duration) = (Duration::from_secs(from), Duration::from_secs(secs));
        Outage {
            from,
            duration,
            workers,
        }
    }

    fn starts(spec: &PipelineSpec, queued: &[u64]) -> Vec<Timestamp> {
        let mut pipeline = Pipeline::new(spec);
        let draws = Draws::of_call(Seed(1), 0);
        queued
            .iter()
            .map(|secs| pipeline.enter(0, at(*secs), draws).started_at)
            .collect()
    }

    #[test]
    fn a_stage_that_is_down_takes_nothing_and_finishes_what_it_has() {
        let spec = stage(1, vec![outage(5, 10, 0)]);
        assert_eq!(starts(&spec, &[0, 4, 6, 7]), [at(0), at(4), at(15), at(17)]);
    }

    #[test]
    fn lost_workers_leave_a_smaller_queue_and_come_back() {
        let spec = stage(2, vec![outage(4, 6, 1)]);
        let queued = [0, 0, 4, 4, 4, 9, 9, 9];
        let expected = [0, 0, 4, 6, 8, 10, 10, 12].map(at);
        assert_eq!(starts(&spec, &queued), expected);
        let none = stage(2, Vec::new());
        let expected = [0, 0, 4, 4, 6, 9, 9, 11].map(at);
        assert_eq!(starts(&none, &queued), expected);
    }

    #[test]
    fn other_work_waits_its_turn_and_delays_only_what_joins_behind_it() {
        let mut pipeline = Pipeline::new(&stage(1, Vec::new()));
        let draws = Draws::of_call(Seed(1), 0);
        let start = |pipeline: &mut Pipeline, secs| pipeline.enter(0, at(secs), draws).started_at;
        assert_eq!(start(&mut pipeline, 0), at(0));
        pipeline.occupy(0, at(1), Duration::from_secs(3));
        assert_eq!(start(&mut pipeline, 1), at(5));
        pipeline.occupy(0, at(20), Duration::from_secs(3));
        assert_eq!(start(&mut pipeline, 22), at(23));
    }

    #[test]
    fn updates_beyond_the_limit_wait_and_try_again() {
        let limit = RateLimit {
            calls: 1,
            window: Duration::from_secs(10),
        };
        let backoff = Backoff {
            base: Duration::from_secs(3),
            multiplier: Fixed::ONE,
            cap: Duration::from_secs(3),
            jitter: Jitter::None,
        };
        let spec = PipelineSpec {
            stages: Vec::new(),
            updates: Some(UpdateLimit { limit, backoff }),
        };
        let mut pipeline = Pipeline::new(&spec);
        let draws = Draws::of_call(Seed(1), 0);
        assert_eq!(pipeline.update(at(8), 0, draws), Ok(()));
        assert_eq!(pipeline.update(at(9), 0, draws), Err(at(12)));
        assert_eq!(pipeline.update(at(12), 1, draws), Ok(()));
        // A read takes the only token of a window; another finds none and is not held up.
        pipeline.take_update(at(20));
        pipeline.take_update(at(20));
        assert_eq!(pipeline.update(at(21), 0, draws), Err(at(24)));
        assert_eq!(pipeline.update(at(30), 0, draws), Ok(()));
    }
}
