//! One passage from its session's end to its outcome, where nothing that others do changes it.

use super::calls::Behind;
use super::plain::Ran;
use super::{Passage, Record, Solo, Then, UNNAMED, Wake};
use crate::history::{JobRecord, Settled};
use crate::ids::JobOrdinal;
use crate::platform::Notification;
use crate::scenario::GateStart;
use crate::time::Timestamp;
use crate::timeline::Timeline;

impl Solo {
    /// Takes the recording through gate and jobs. `notifications` are what its subscription
    /// brings, in order of time; `jobs` takes what is over.
    pub(in crate::sim) fn run(
        &self,
        timeline: &Timeline,
        notifications: &[Notification],
        mut jobs: impl FnMut(JobRecord),
    ) -> Ran<Settled> {
        let mut behind = Behind {
            solo: self,
            ready_at: self.ready_at(timeline),
            complete_at: Timestamp::NEVER,
            recording: timeline,
            record: |record| {
                if let Record::Job(job) = record {
                    jobs(job);
                }
            },
        };
        let mut passage = Passage::new(timeline.recording, timeline.taken_for());
        let mut notifications = notifications.iter().peekable();
        let mut start = Some(match self.start {
            GateStart::SessionEnd => timeline.ended_at,
            GateStart::Media => timeline.media_at,
        });
        let mut wake: Option<(Timestamp, Wake)> = None;
        loop {
            // News come before what is due at the same instant, the session's end before others.
            let told_at = notifications.peek().map(|notification| notification.at);
            let news_at = [start, told_at].into_iter().flatten().min();
            let due = wake.filter(|(at, _)| news_at.is_none_or(|news_at| *at < news_at));
            let (now, then) = if let Some((now, due)) = due {
                wake = None;
                (now, behind.woken(now, due, &mut passage))
            } else if let Some(now) = start.filter(|at| Some(*at) == news_at) {
                start = None;
                (now, behind.started(now, &mut passage))
            } else if let Some(notification) = notifications.next() {
                let now = notification.at;
                (now, behind.notified(now, &mut passage))
            } else {
                return Ran::InFlight;
            };
            if now > self.until {
                return Ran::InFlight;
            }
            match run_calls(&mut behind, now, then, &mut passage) {
                Then::At(at, next) => wake = Some((at, next)),
                Then::Settle(outcome, missing) => {
                    return Ran::Settled(passage.settled(self, now, outcome, missing));
                }
                Then::Wait | Then::Call(_) => {}
            }
        }
    }
}

/// Makes calls until something else follows.
fn run_calls<R: FnMut(Record)>(
    behind: &mut Behind<'_, Timeline, R>,
    now: Timestamp,
    mut then: Then,
    passage: &mut Passage,
) -> Then {
    while let Then::Call(call) = then {
        if passage.job.ordinal == UNNAMED {
            passage.job.ordinal = JobOrdinal(passage.recording().0);
        }
        behind.attempt(now, call, passage);
        then = behind.answered(now, call, passage);
    }
    then
}
