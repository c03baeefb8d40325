//! Arrival instants of an open model with a piecewise linear rate, in integers.
//!
//! A point process of unit rate (gaps of mean one, exponential or equal) is mapped through the
//! inverse of the cumulated rate, so the gaps' draws do not depend on the rates: the same seed with
//! twice the rate gives the same pattern, twice as dense.

use strength_reduce::StrengthReducedU64;

use crate::distribution::{Distribution, Sampler};
use crate::draws::{Draws, Purpose, Seed};
use crate::scenario::{Arrivals, Executor, StageShape, Workload};
use crate::time::{Duration, Rate, Timestamp};

/// One event, in the unit of the cumulated rate.
const EVENT: Duration = Duration::from_nanos(1_000_000_000);
const NANOS: u128 = 1_000_000_000;

/// Arrival instants in order.
#[derive(Clone, Debug)]
pub struct ArrivalTimes {
    seed: Seed,
    gaps: Gaps,
    segments: Vec<Segment>,
    current: usize,
    /// Cumulated rate at the last arrival, in billionths of an event.
    reached: u128,
    /// The draws of the calls that arrive next.
    draws: Vec<Draws>,
    /// Their gaps, each in the unit of the cumulated rate.
    drawn: Vec<Duration>,
    /// The arrivals behind them.
    placed: Vec<Timestamp>,
    /// How many of those are taken.
    taken: usize,
    /// Gaps drawn so far.
    index: u64,
}

/// Gaps drawn together: half of what the simulator takes at once.
const DRAWN: usize = 64;

#[derive(Clone, Debug)]
enum Gaps {
    Exponential(Sampler),
    Equal,
}

/// A stretch in which the rate is linear.
#[derive(Clone, Copy, Debug)]
struct Segment {
    start: Timestamp,
    duration: Duration,
    /// Rate at its start and end, in billionths of an event per second.
    rates: (u128, u128),
    /// Cumulated rate at its start and end.
    cumulated: (u128, u128),
    /// Where the rate is constant: nanoseconds per 10^-9 events as a fraction in lowest terms.
    pace: Option<Pace>,
}

impl ArrivalTimes {
    /// The arrivals of an open workload; none for a closed one.
    #[must_use]
    pub fn new(workload: &Workload, seed: Seed) -> Self {
        let gaps = match workload.arrivals {
            Arrivals::Poisson => Gaps::Exponential(Sampler::new(&Distribution::Exponential {
                mean: Duration::from_secs(1),
            })),
            Arrivals::Regular => Gaps::Equal,
        };
        Self {
            seed,
            gaps,
            segments: segments(workload),
            current: 0,
            reached: 0,
            draws: Vec::new(),
            drawn: Vec::new(),
            placed: Vec::new(),
            taken: 0,
            index: 0,
        }
    }

    /// Draws the next gaps and places their arrivals.
    #[inline(never)]
    fn place(&mut self) {
        self.draw();
        self.placed.clear();
        self.taken = 0;
        let drawn: u128 = self
            .drawn
            .iter()
            .map(|gap| u128::from(gap.as_nanos()))
            .sum();
        let Some(segment) = self.segments.get(self.current) else {
            return;
        };
        if let Some(steady) = segment.steadily(self.reached, self.reached + drawn) {
            self.reached += drawn;
            return self.placed.extend(steady.instants(&self.drawn));
        }
        for gap in &self.drawn {
            self.reached += u128::from(gap.as_nanos());
            while let Some(segment) = self.segments.get(self.current) {
                if self.reached < segment.cumulated.1 {
                    self.placed.push(segment.instant(self.reached));
                    break;
                }
                self.current += 1;
            }
        }
    }

    fn draw(&mut self) {
        let (seed, first) = (self.seed, self.index);
        self.index += DRAWN as u64;
        self.draws.clear();
        let draws = (0..DRAWN).map(|k| Draws::of_call(seed, first + k as u64));
        self.draws.extend(draws);
        match &self.gaps {
            Gaps::Exponential(sampler) => {
                let draws = self.draws.iter().map(|draws| draws.draw(Purpose::Arrival));
                sampler.fill(draws, &mut self.drawn);
            }
            Gaps::Equal => {
                self.drawn.clear();
                self.drawn.resize(DRAWN, EVENT);
                if first == 0 {
                    // Half a gap before the first one: then each stage has rate × duration arrivals.
                    self.drawn[0] = Duration::from_nanos(EVENT.as_nanos() / 2);
                }
            }
        }
    }
}

impl ArrivalTimes {
    /// The next arrivals and the draws of their calls: `most` at most, at least one unless there
    /// are no more.
    pub(super) fn next_some(&mut self, most: usize) -> (&[Timestamp], &[Draws]) {
        if self.taken == self.placed.len() {
            self.place();
        }
        let next = self.taken..self.placed.len().min(self.taken + most);
        self.taken = next.end;
        (&self.placed[next.clone()], &self.draws[next])
    }
}

impl Iterator for ArrivalTimes {
    type Item = Timestamp;

    #[inline]
    fn next(&mut self) -> Option<Timestamp> {
        self.next_some(1).0.first().copied()
    }
}

/// Arrivals of a constant rate, reckoned in 64 bits.
#[derive(Clone, Copy, Debug)]
struct Steady {
    start: Timestamp,
    duration: Duration,
    /// Cumulated rate since the start, at the last arrival.
    within: u64,
    pace: Pace,
}

impl Steady {
    #[inline(always)]
    fn instants(mut self, gaps: &[Duration]) -> impl ExactSizeIterator<Item = Timestamp> {
        gaps.iter().map(move |gap| {
            self.within += gap.as_nanos();
            let nanos = self.within * self.pace.numerator / self.pace.denominator;
            self.start + Duration::from_nanos(nanos.min(self.duration.as_nanos()))
        })
    }
}

/// A fraction whose denominator is ready to divide by: a division of 128 bits takes 40 ns.
#[derive(Clone, Copy, Debug)]
struct Pace {
    numerator: u64,
    denominator: StrengthReducedU64,
}

impl Pace {
    fn of(rate: u128) -> Option<Self> {
        let (mut divisor, mut rest) = (NANOS, rate);
        while rest > 0 {
            (divisor, rest) = (rest, divisor % rest);
        }
        let denominator = u64::try_from(rate / divisor).ok().filter(|d| *d > 0)?;
        Some(Self {
            numerator: u64::try_from(NANOS / divisor).ok()?,
            denominator: StrengthReducedU64::new(denominator),
        })
    }

    /// The time for `within` events of 10^-9, if it fits.
    #[inline(always)]
    fn nanos(self, within: u128) -> Option<u64> {
        let scaled = u64::try_from(within).ok()?.checked_mul(self.numerator)?;
        Some(scaled / self.denominator)
    }
}

impl Segment {
    /// The arrivals behind a cumulated rate of `reached`, if all until `last` lie within and 64
    /// bits hold them.
    fn steadily(&self, reached: u128, last: u128) -> Option<Steady> {
        let pace = self.pace.filter(|_| last < self.cumulated.1)?;
        let within = |reached: u128| u64::try_from(reached - self.cumulated.0).ok();
        within(last)?.checked_mul(pace.numerator)?;
        Some(Steady {
            start: self.start,
            duration: self.duration,
            within: within(reached)?,
            pace,
        })
    }

    /// When the cumulated rate is `reached`, which lies within the segment.
    ///
    /// With rate `r0 + (r1 − r0)·t/D` the cumulated rate is `r0·t + (r1 − r0)·t²/(2D)`; of the
    /// inverse the form `2Λ / (r0 + √(r0² + 2(r1 − r0)Λ/D))` is the one without cancellation.
    #[inline(always)]
    fn instant(&self, reached: u128) -> Timestamp {
        let (r0, r1) = self.rates;
        let within = reached - self.cumulated.0;
        if let Some(nanos) = self.pace.and_then(|pace| pace.nanos(within)) {
            return self.start + Duration::from_nanos(nanos.min(self.duration.as_nanos()));
        }
        let nanos = if r0 == r1 {
            within * NANOS / r0
        } else {
            let mean = within * NANOS / u128::from(self.duration.as_nanos()).max(1);
            let root = if r1 > r0 {
                (r0 * r0 + 2 * (r1 - r0) * mean).isqrt()
            } else {
                (r0 * r0).saturating_sub(2 * (r0 - r1) * mean).isqrt()
            };
            2 * within * NANOS / (r0 + root).max(1)
        };
        let nanos = u64::try_from(nanos)
            .unwrap_or(u64::MAX)
            .min(self.duration.as_nanos());
        self.start + Duration::from_nanos(nanos)
    }
}

fn segments(workload: &Workload) -> Vec<Segment> {
    let Executor::ArrivalRate(stages) = &workload.executor else {
        return Vec::new();
    };
    let ends = |shape: StageShape| match shape {
        StageShape::Constant(rate) => (rate, rate),
        StageShape::Ramp(from, to) => (from, to),
    };
    let first = stages
        .first()
        .map_or(Rate::from_nanohertz(0), |stage| ends(stage.shape).0);
    let warmup = (workload.warmup, (first, first));
    let stretches = std::iter::once(warmup).chain(
        stages
            .iter()
            .map(|stage| (stage.duration, ends(stage.shape))),
    );
    let mut start = Timestamp::ZERO;
    let mut cumulated = 0;
    stretches
        .map(|(duration, (from, to))| {
            let rates = (
                u128::from(from.as_nanohertz()),
                u128::from(to.as_nanohertz()),
            );
            let total = (rates.0 + rates.1) * u128::from(duration.as_nanos()) / 2 / NANOS;
            let segment = Segment {
                start,
                duration,
                rates,
                cumulated: (cumulated, cumulated + total),
                pace: (from == to).then(|| Pace::of(rates.0)).flatten(),
            };
            start = start + duration;
            cumulated += total;
            segment
        })
        .collect()
}
