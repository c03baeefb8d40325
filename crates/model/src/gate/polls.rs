//! Many recordings polled by themselves: where every look is answered and it is known when each
//! recording is ready, what its polling comes to is known at once.
//!
//! All are polled in rounds, those that still wait in each: whether a recording needs another look
//! is as good as a coin's toss, and a loop for each one would mispredict it.

use super::gaps::Gaps;
use super::policy::Ready;
use super::polling::Polling;
use crate::draws::{Draws, Purpose};
use crate::time::{Duration, Timestamp};

/// A strategy that only polls.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Polls<'a> {
    initial_delay: Duration,
    most: u32,
    deadline: Duration,
    gaps: &'a Gaps,
    until: Timestamp,
}

/// A recording's looks, and what they came to.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Series {
    /// When the last one was.
    pub(crate) at: Timestamp,
    /// How many there were.
    pub(crate) looks: u32,
    /// What the last one found.
    pub(crate) found: Ready,
    ready_at: Timestamp,
    deadline: Timestamp,
    draws: Draws,
}

/// Recordings to be polled together, and what came of it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Rounds {
    series: Vec<Series>,
    /// Those that wait for another look.
    waiting: Vec<u32>,
}

impl<'a> Polls<'a> {
    /// Polls of `polling`, up to a first look after `until`.
    pub(super) fn new(polling: &Polling, gaps: &'a Gaps, until: Timestamp) -> Self {
        Self {
            initial_delay: gaps.first().unwrap_or(polling.initial_delay),
            most: polling.max_attempts.unwrap_or(u32::MAX),
            deadline: polling.deadline.unwrap_or(Duration::MAX),
            gaps,
            until,
        }
    }

    /// What polling comes to of each of `recordings`: when the gate's clock starts, when it is
    /// ready, and its draws. The same as step by step.
    #[inline(always)]
    pub(crate) fn run<'r>(
        &self,
        recordings: impl Iterator<Item = (Timestamp, Timestamp, Draws)>,
        rounds: &'r mut Rounds,
    ) -> &'r [Series] {
        let (initial_delay, deadline) = (self.initial_delay, self.deadline);
        rounds.series.clear();
        let begun = recordings.map(move |(start, ready_at, draws)| Series {
            at: start + initial_delay,
            looks: 1,
            found: Ready::Yes,
            ready_at,
            deadline: start + deadline,
            draws,
        });
        rounds.series.extend(begun);
        self.first(rounds);
        let mut looks = 1;
        while !rounds.waiting.is_empty() {
            if looks >= self.most {
                rounds.give_up();
                break;
            }
            self.again(looks, rounds);
            looks += 1;
        }
        &rounds.series
    }

    /// Who waits after the first look.
    fn first(&self, rounds: &mut Rounds) {
        rounds.waiting.clear();
        rounds.waiting.resize(rounds.series.len(), 0);
        let mut count = 0;
        for (series, index) in rounds.series.iter().zip(0_u32..) {
            rounds.waiting[count] = index;
            count += usize::from(series.waits(self.until));
        }
        rounds.waiting.truncate(count);
    }

    /// Another look after so many.
    fn again(&self, looks: u32, rounds: &mut Rounds) {
        let gap = self.gaps.nth(looks - 1);
        let (waiting, series) = (&mut rounds.waiting[..], &mut rounds.series[..]);
        let mut count = 0;
        for position in 0..waiting.len() {
            let index = waiting[position];
            let series = &mut series[index as usize];
            if series.at >= series.deadline {
                series.found = Ready::No;
                continue;
            }
            let gap = gap.jittered(|| series.draws.draw_nth(Purpose::Jitter, looks));
            series.at = (series.at + gap).min(series.deadline);
            series.looks = looks + 1;
            waiting[count] = index;
            count += usize::from(series.waits(self.until));
        }
        rounds.waiting.truncate(count);
    }
}

impl Series {
    #[inline(always)]
    fn waits(&self, until: Timestamp) -> bool {
        self.at < self.ready_at && self.at <= until
    }
}

impl Rounds {
    fn give_up(&mut self) {
        for index in &self.waiting {
            self.series[*index as usize].found = Ready::No;
        }
    }
}
