//! `odds-index`: looks when the odds that a recording is ready are worth a call, by a law of the
//! lag that is given, or learned from the looks themselves.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};

use super::bucket::Bucket;
use super::gaps::Gaps;
use super::keys::{Key, Keys, Value};
use super::policy::{Look, Seen, Step};
use super::{Action, Fleet, Form, Found, Observation, Polling, Read};
use crate::distribution::Distribution;
use crate::field::Kind;
use crate::ids::RecordingIndex;
use crate::scenario::RequiredFields;
use crate::schedule::{LearnedLaw, LoadScale, OddsIndex as Index, Price};
use crate::time::{Duration, Timestamp};

/// Observations between two estimates of the law.
const ESTIMATE_EVERY: u32 = 25;
/// Checks that are worked out where the law is known; the last gap repeats.
const CHECKS: usize = 4_096;

/// Looks at a recording when the integral of the posterior odds that it is ready, since it was last
/// seen unready, reaches the price of a call.
#[derive(Clone, PartialEq, Debug)]
pub struct OddsIndex {
    /// Seconds of delay that a call is worth.
    pub price: Duration,
    /// The law of the lag; none is learned.
    pub law: Option<Distribution>,
    /// The median lag that is expected before any is learned.
    pub guess: Duration,
    /// End, limits, and what it looks for. Where `max_calls` makes looks scarce, the recordings of
    /// the largest index come first.
    pub polling: Polling,
}

impl Default for OddsIndex {
    fn default() -> Self {
        Self {
            price: Duration::from_secs(1),
            law: None,
            guess: Duration::from_secs(5),
            polling: Polling::default(),
        }
    }
}

impl Form for OddsIndex {
    const NAME: &'static str = "odds-index";
    const ABOUT: &'static str = "looks at a recording when the integral of the odds that it is \
        ready reaches `price`; learns the lag from its own looks where `law` is not given; under \
        `max_calls` the best looks come first";

    fn keys(&mut self, keys: &mut dyn Keys) {
        let key = Key::new("price", "delay that one call is worth");
        keys.key(key, Value::Interval(&mut self.price));
        let key = Key::new(
            "law",
            "law of the lag, from the gate's start to what it looks for",
        );
        keys.key(key, Value::Law(&mut self.law));
        let key = Key::new("guess", "median lag expected before any is learned");
        keys.key(key, Value::Interval(&mut self.guess));
        self.polling.limit_keys(keys);
    }

    fn polling(&self) -> Option<&Polling> {
        Some(&self.polling)
    }

    fn gaps(&self) -> Option<Gaps> {
        let law = self.law.as_ref()?;
        let price = Price::new(self.price.as_secs_f64())?;
        let index = Index::of(law);
        let longest = self
            .polling
            .deadline
            .map_or(f64::INFINITY, Duration::as_secs_f64);
        let checks = index.checks(price).take_while(|check| *check < longest);
        let checks: Vec<Duration> = checks.take(CHECKS).map(Duration::from_secs_f64).collect();
        Some(Gaps::schedule(&checks))
    }

    fn steady(&self) -> Option<(Duration, Option<Duration>)> {
        if self.law.is_some() && self.polling.max_calls.is_none() {
            return None;
        }
        // As far as the lag is exponential: e^x − x − 1 = price ÷ mean.
        let gap = (2.0 * self.price.as_secs_f64() * self.guess.as_secs_f64()).sqrt();
        let paced = self
            .polling
            .max_calls
            .map_or(0.0, |rate| 1.0 / rate.as_per_second_f64());
        let gap = Duration::from_secs_f64(gap.max(paced)).max(Duration::from_nanos(1));
        Some((gap, self.polling.deadline))
    }

    fn fleet(&self, required: RequiredFields) -> Option<Box<dyn Fleet>> {
        if self.law.is_some() && self.polling.max_calls.is_none() {
            return None;
        }
        Some(Box::new(Machine::new(self, required)?))
    }

    #[inline]
    fn on(&self, now: Timestamp, seen: Seen, look: &mut Look<'_>) -> Step {
        self.polling.on(now, seen, look)
    }
}

/// All recordings of a tenant, and what was learned from them.
#[derive(Debug)]
struct Machine {
    price: Price,
    /// What all looks pass, where they are limited.
    bucket: Option<Bucket>,
    polling: Polling,
    required: RequiredFields,
    /// What is learned, unless the law is known: of lags as multiples of `load`'s.
    learned: Option<LearnedLaw>,
    /// How lags grow with the number of recordings that wait.
    load: LoadScale,
    guess: f64,
    fresh: u32,
    index: Index,
    waiting: BTreeMap<RecordingIndex, Waiting>,
    /// When each is worth a look; void where its look is under way.
    due: BinaryHeap<Reverse<(Timestamp, RecordingIndex)>>,
    /// Those worth a look, while looks are scarce.
    queued: Vec<RecordingIndex>,
}

#[derive(Clone, Copy, Debug)]
struct Waiting {
    kind: Kind,
    started_at: Timestamp,
    /// Age at which it was last seen unready, in seconds.
    seen: f64,
    /// How many waited when its clock started, and the multiple of the lag that this makes.
    load: usize,
    scale: f64,
    looks: u32,
}

impl Waiting {
    fn age(&self, now: Timestamp) -> f64 {
        now.since(self.started_at).as_secs_f64()
    }
}

impl Machine {
    fn new(spec: &OddsIndex, required: RequiredFields) -> Option<Self> {
        let learned = match &spec.law {
            Some(_) => None,
            None => {
                // A law that is wider and slower than expected, so that no mode is missed.
                let mu = libm::log(spec.guess.as_secs_f64()) + 1.0;
                let prior = Distribution::lognormal_mu_sigma(mu, 2.0).ok()?;
                Some(LearnedLaw::expecting(&prior))
            }
        };
        let index = match (&spec.law, &learned) {
            (Some(law), _) => Index::of(law),
            (None, learned) => learned.as_ref()?.index(),
        };
        Some(Self {
            price: Price::new(spec.price.as_secs_f64())?,
            bucket: spec.polling.max_calls.map(Bucket::new),
            polling: spec.polling.clone(),
            required,
            learned,
            load: LoadScale::default(),
            guess: spec.guess.as_secs_f64(),
            fresh: 0,
            index,
            waiting: BTreeMap::new(),
            due: BinaryHeap::new(),
            queued: Vec::new(),
        })
    }

    /// Plans the next look at a recording, the last one at its deadline.
    fn plan(&mut self, now: Timestamp, recording: RecordingIndex) {
        let Some(waiting) = self.waiting.get(&recording) else {
            return;
        };
        // A law of multiples of the scale: a call costs so many of them less.
        let price = self.price.per(waiting.scale);
        let age = waiting.scale * self.index.next(waiting.seen / waiting.scale, price);
        let age = Duration::from_secs_f64(age);
        let mut at = waiting.started_at + age;
        if let Some(deadline) = self.polling.deadline {
            at = at.min(waiting.started_at + deadline);
        }
        self.due.push(Reverse((at.max(now), recording)));
    }

    /// The recording was seen unready.
    fn unready(&mut self, now: Timestamp, recording: RecordingIndex) -> Vec<Action> {
        let Some(waiting) = self.waiting.get_mut(&recording) else {
            return Vec::new();
        };
        waiting.seen = waiting.age(now);
        waiting.looks += 1;
        let spent = self
            .polling
            .max_attempts
            .is_some_and(|most| waiting.looks >= most);
        if spent || self.is_over(now, recording) {
            self.waiting.remove(&recording);
            return vec![Action::Abandon(recording)];
        }
        self.plan(now, recording);
        Vec::new()
    }

    fn is_over(&self, now: Timestamp, recording: RecordingIndex) -> bool {
        let Some((waiting, deadline)) = self.waiting.get(&recording).zip(self.polling.deadline)
        else {
            return false;
        };
        now >= waiting.started_at + deadline
    }

    /// The recording became ready between its last look but one and the age `high`.
    fn learn(&mut self, waiting: &Waiting, high: f64) {
        let Some(learned) = &mut self.learned else {
            return;
        };
        let (low, scale) = (waiting.seen, waiting.scale);
        learned.observe(low / scale, high / scale);
        self.load
            .observe(waiting.load, f64::midpoint(low, high) / self.guess);
        self.fresh += 1;
        if self.fresh >= ESTIMATE_EVERY {
            self.fresh = 0;
            let unready = self.waiting.values();
            let unready = unready.map(|waiting| waiting.seen / waiting.scale);
            learned.estimate(unready.filter(|seen| *seen > 0.0));
            self.index = learned.index();
        }
    }

    fn checked(&mut self, now: Timestamp, recording: RecordingIndex, found: Found) -> Vec<Action> {
        let (Some(waiting), Found::View(view)) = (self.waiting.get(&recording).copied(), found)
        else {
            return Vec::new();
        };
        let ready = &self.polling.ready;
        if !ready.satisfied_by(&view, &self.required, waiting.kind) {
            return self.unready(now, recording);
        }
        self.waiting.remove(&recording);
        self.learn(&waiting, waiting.age(now));
        vec![Action::Export(recording)]
    }

    /// The queued recording of the largest index.
    fn best(&mut self, now: Timestamp) -> Option<RecordingIndex> {
        let worth = |recording: &RecordingIndex| {
            let waiting = self.waiting.get(recording);
            waiting.map_or(0.0, |waiting| {
                let scaled = |age: f64| age / waiting.scale;
                let index = self
                    .index
                    .index(scaled(waiting.seen), scaled(waiting.age(now)));
                index * waiting.scale
            })
        };
        let best = (0..self.queued.len())
            .max_by(|a, b| worth(&self.queued[*a]).total_cmp(&worth(&self.queued[*b])))?;
        Some(self.queued.swap_remove(best))
    }
}

impl Fleet for Machine {
    fn expect(&mut self, recording: RecordingIndex, kind: Kind) {
        let waiting = Waiting {
            kind,
            started_at: Timestamp::NEVER,
            seen: 0.0,
            load: 0,
            scale: 1.0,
            looks: 0,
        };
        self.waiting.insert(recording, waiting);
    }

    fn on(&mut self, now: Timestamp, observation: Observation) -> Vec<Action> {
        match observation {
            Observation::Started(recording) => {
                let load = self.waiting.len();
                let scale = self.learned.as_ref().map_or(1.0, |_| self.load.at(load));
                if let Some(waiting) = self.waiting.get_mut(&recording) {
                    waiting.started_at = now;
                    (waiting.load, waiting.scale) = (load, scale);
                }
                self.plan(now, recording);
                Vec::new()
            }
            Observation::Notified(..) => Vec::new(),
            Observation::Answered(read, found) => self.checked(now, read.recording(), found),
            Observation::NotFound(read) => self.unready(now, read.recording()),
            Observation::Throttled(read, wait) => {
                let recording = read.recording();
                if self.is_over(now, recording) {
                    self.waiting.remove(&recording);
                    return vec![Action::Abandon(recording)];
                }
                self.due.push(Reverse((now + wait, recording)));
                // What the limit refuses to one it would refuse to the next.
                if let Some(bucket) = &mut self.bucket {
                    bucket.pause(now + wait);
                }
                Vec::new()
            }
        }
    }

    fn handle_timeout(&mut self, now: Timestamp) -> Vec<Action> {
        while let Some(Reverse((at, recording))) = self.due.peek().copied() {
            if at > now {
                break;
            }
            self.due.pop();
            self.queued.push(recording);
        }
        let path = self.polling.ready.path();
        let mut actions = Vec::new();
        while !self.queued.is_empty() {
            let bucket = self.bucket.as_mut();
            if bucket.is_some_and(|bucket| bucket.take(now).is_none()) {
                break;
            }
            let Some(recording) = self.best(now) else {
                break;
            };
            actions.push(Action::Read(Read::Check { recording, path }));
        }
        actions
    }

    fn poll_timeout(&self) -> Option<Timestamp> {
        if !self.queued.is_empty() {
            let next_at = self.bucket.as_ref().map(Bucket::next_at);
            return Some(next_at.unwrap_or(Timestamp::ZERO));
        }
        self.due.peek().map(|Reverse((at, _))| *at)
    }

    fn refused(&mut self, recording: RecordingIndex) -> Vec<RecordingIndex> {
        self.waiting.remove(&recording);
        vec![recording]
    }
}
