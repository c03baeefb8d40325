//! Claims that a run goes on until they are decided: `incomplete_rate{gate=x} < 1e-4 at 95%`.
//!
//! The evidence for and against a claim is a bet that may be looked at after every seed
//! ([`crate::stats`]): a verdict is wrong with probability 1 − certainty at most, whenever the run
//! stops. What a bet is made on follows from the scenario: on recordings where they share nothing,
//! else on whole runs. A rate of runs is taken as any value between 0 and 1, means and quantiles
//! of runs as normal.

use std::collections::BTreeMap;

use super::replicates::{Replicate, Sample};
use super::series::key_of;
use super::sharing::Sharing;
use crate::scenario::{Comparison, Expectation, Metric, Scenario};
use crate::stats::{
    BetBelow, Events, Interval, Mixture, Running, ln_evidence_above, ln_evidence_below,
};
use crate::summary::{Summary, Verdict};

/// Runs below which nothing is taken as normal.
const NORMAL_MIN: f64 = 20.0;
/// How many times as much as there is may be said to decide.
const FACTOR_MAX: f64 = 1e6;

/// The claims of a run, and what its seeds say of them.
#[derive(Clone, PartialEq, Debug)]
pub struct Claims {
    claims: Vec<Claim>,
}

/// One claim.
#[derive(Clone, PartialEq, Debug)]
struct Claim {
    /// Position among the scenario's expectations.
    line: usize,
    key: String,
    side: Side,
    bound: f64,
    certainty: f64,
    seen: Seen,
    runs: u64,
    verdict: Option<Verdict>,
}

/// The side of a bound on which a mean is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Side {
    Below,
    Above,
}

/// What was seen, in the form that a bet is made on.
#[derive(Clone, PartialEq, Debug)]
enum Seen {
    /// Recordings that share nothing.
    Recordings(Events),
    /// A rate, or a difference of rates, of each run.
    Shares(Shares),
    /// Another mean or quantile of each run.
    Values(Running),
}

/// Values within a range, one a run.
#[derive(Clone, PartialEq, Debug)]
struct Shares {
    /// The lowest and the highest that there can be.
    range: (f64, f64),
    values: Running,
    /// How often each value came, by its place within the range.
    counts: BTreeMap<u64, f64>,
    /// Bets against the claim's own bound.
    bets: [BetBelow; 2],
}

impl Side {
    /// The other one of the two.
    const fn other(self) -> Self {
        match self {
            Self::Below => Self::Above,
            Self::Above => Self::Below,
        }
    }
}

impl Claims {
    /// The claims among the expectations of `scenario`; nothing was seen yet.
    #[must_use]
    pub fn of(scenario: &Scenario) -> Self {
        let sharing = Sharing::of(scenario);
        let lines = scenario.expect.iter().enumerate();
        Self {
            claims: lines
                .filter_map(|(at, line)| Claim::of(at, line, sharing))
                .collect(),
        }
    }

    /// Whether there is no claim.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.claims.is_empty()
    }

    /// Adds the next run, in the order of the seeds.
    pub fn add(&mut self, run: &Replicate) {
        for claim in &mut self.claims {
            claim.runs += u64::from(claim.verdict.is_none());
            if let (None, Some(sample)) = (claim.verdict, run.samples.get(&claim.key)) {
                claim.add(*sample);
            }
        }
    }

    /// Whether nothing is left to decide.
    #[must_use]
    pub fn are_decided(&self) -> bool {
        self.claims.iter().all(|claim| claim.verdict.is_some())
    }

    /// Puts the verdicts into `summary`, whose expectations are those of the scenario.
    pub fn judge(&self, summary: &mut Summary) {
        for claim in &self.claims {
            let result = &mut summary.expect[claim.line];
            if result.verdict == Verdict::NotRun || claim.seen.is_empty() {
                continue;
            }
            result.verdict = claim.verdict.unwrap_or(Verdict::Inconclusive);
            result.observed = Some(claim.interval());
            result.note = Some(claim.note());
        }
    }

    /// Says of each claim that a live run left open how many such runs would decide it, as far as
    /// simulated seeds of the same scenario tell.
    pub fn say_repeats(&self, simulated: &Self, summary: &mut Summary) {
        for (claim, simulated) in self.claims.iter().zip(&simulated.claims) {
            let result = &mut summary.expect[claim.line];
            if claim.verdict.is_some() || claim.seen.is_empty() {
                continue;
            }
            let decides = simulated.runs_to_decide().map_or_else(
                || "no number of live runs is known to decide".to_owned(),
                |runs| format!("about {runs} live runs with other seeds would decide"),
            );
            result.note = Some(format!(
                "one run is one observation; as simulated, {decides}, and `--engine sim` does"
            ));
        }
    }
}

impl Claim {
    fn of(line: usize, expectation: &Expectation, sharing: Sharing) -> Option<Self> {
        let (certainty, condition) = (expectation.certainty?, expectation.conditions.first()?);
        let side = match condition.comparison {
            Comparison::Less | Comparison::LessOrEqual => Side::Below,
            Comparison::Greater | Comparison::GreaterOrEqual => Side::Above,
            Comparison::Equal => return None,
        };
        let bound = condition.bound;
        let is_share = matches!(
            expectation.series.metric,
            Metric::OutcomeRate(_) | Metric::ThrottledRate | Metric::QueueWaitProbability
        );
        let is_outcome = matches!(expectation.series.metric, Metric::OutcomeRate(_));
        let seen = match (&expectation.minus, sharing) {
            (None, Sharing::Nothing) if is_outcome => Seen::Recordings(Events::default()),
            (None, _) if is_share => Seen::Shares(Shares::new((0.0, 1.0), bound)),
            (Some(_), _) if is_share => Seen::Shares(Shares::new((-1.0, 1.0), bound)),
            _ => Seen::Values(Running::default()),
        };
        Some(Self {
            line,
            key: key_of(expectation),
            side,
            bound,
            certainty,
            seen,
            runs: 0,
            verdict: None,
        })
    }

    fn add(&mut self, sample: Sample) {
        self.seen.add(sample);
        let threshold = self.threshold();
        let shown = |side| self.seen.ln_evidence(side, self.bound, 1.0) >= threshold;
        self.verdict = match (shown(self.side), shown(self.side.other())) {
            (true, _) => Some(Verdict::Pass),
            (false, true) => Some(Verdict::Fail),
            (false, false) => None,
        };
    }

    /// ln of the stake that a bet must have grown to.
    fn threshold(&self) -> f64 {
        -libm::log(1.0 - self.certainty)
    }

    /// The mean, and the bounds that it is within with the claim's certainty, whenever the run
    /// stops; the mean itself where there are too few runs for a bound.
    fn interval(&self) -> Interval {
        let estimate = self.seen.mean();
        let (low, high) = self.seen.range();
        let side = |side, far: f64| {
            let has_limits = !matches!(self.seen, Seen::Values(_));
            if !has_limits && self.seen.ln_evidence(side, far, 1.0) < self.threshold() {
                return estimate;
            }
            let (mut near, mut excluded) = (estimate, far);
            for _ in 0..40 {
                let middle = f64::midpoint(near, excluded);
                if self.seen.ln_evidence(side, middle, 1.0) >= self.threshold() {
                    excluded = middle;
                } else {
                    near = middle;
                }
            }
            excluded
        };
        Interval {
            estimate,
            low: side(Side::Above, low),
            high: side(Side::Below, high),
        }
    }

    fn runs_to_decide(&self) -> Option<u64> {
        if self.verdict.is_some() {
            return Some(self.runs);
        }
        let side = if self.seen.mean() < self.bound {
            Side::Below
        } else {
            Side::Above
        };
        let enough = |factor| self.seen.ln_evidence(side, self.bound, factor) >= self.threshold();
        let mut high = 1.0;
        while !enough(high) {
            high *= 2.0;
            if high > FACTOR_MAX {
                return None;
            }
        }
        let mut low = high / 2.0;
        while high / low > 1.001 {
            let middle = f64::midpoint(low, high);
            if enough(middle) {
                high = middle;
            } else {
                low = middle;
            }
        }
        Some(whole(libm::ceil(high * self.runs as f64)).max(self.runs + 1))
    }

    fn note(&self) -> String {
        let runs = counted(self.runs, "run");
        let seen = match self.seen {
            Seen::Recordings(seen) => {
                let recordings = counted(seen.trials, "recording");
                format!("{} of {recordings} in {runs}", seen.count)
            }
            Seen::Shares(_) | Seen::Values(_) => format!("mean of {runs}"),
        };
        match (self.verdict, self.runs_to_decide()) {
            (Some(_), _) => format!("{seen}; decided, whenever one stops looking"),
            (None, Some(count)) => format!("{seen}; about {count} runs would decide (--budget)"),
            (None, None) => format!("{seen}; more than {FACTOR_MAX:.0} times as many would decide"),
        }
    }
}

impl Seen {
    fn add(&mut self, sample: Sample) {
        match self {
            Self::Recordings(seen) => {
                let events = whole(libm::round(sample.value * sample.count as f64));
                seen.count += events.min(sample.count);
                seen.trials += sample.count;
            }
            Self::Shares(shares) => shares.add(sample.value),
            Self::Values(values) => values.add(sample.value),
        }
    }

    fn is_empty(&self) -> bool {
        match self {
            Self::Recordings(seen) => seen.trials == 0,
            Self::Shares(Shares { values, .. }) | Self::Values(values) => values.count < 1.0,
        }
    }

    fn mean(&self) -> f64 {
        match self {
            Self::Recordings(seen) => seen.count as f64 / seen.trials as f64,
            Self::Shares(Shares { values, .. }) | Self::Values(values) => values.mean,
        }
    }

    /// What the mean can be at all; of what has no limits, far beyond what was seen.
    fn range(&self) -> (f64, f64) {
        match self {
            Self::Recordings(_) => (0.0, 1.0),
            Self::Shares(shares) => shares.range,
            Self::Values(values) => {
                let far = 1e6 * values.deviation();
                (values.mean - far, values.mean + far)
            }
        }
    }

    /// ln of the bet that the mean is on this side of `bound`, if `factor` times as much of the
    /// same had been seen.
    fn ln_evidence(&self, side: Side, bound: f64, factor: f64) -> f64 {
        match self {
            Self::Recordings(seen) => {
                let times = |count: u64| whole(libm::round(count as f64 * factor));
                let seen = Events {
                    count: times(seen.count),
                    trials: times(seen.trials),
                };
                match (side, bound > 0.0, bound < 1.0) {
                    (Side::Below, true, true) => ln_evidence_below(seen, bound, Mixture::JEFFREYS),
                    (Side::Above, true, true) => ln_evidence_above(seen, bound, Mixture::JEFFREYS),
                    _ => 0.0,
                }
            }
            Self::Shares(shares) => shares.ln_evidence(side, bound, factor),
            Self::Values(values) => of_normal(values.times(factor), side, bound),
        }
    }
}

impl Shares {
    fn new(range: (f64, f64), bound: f64) -> Self {
        let place = (bound - range.0) / (range.1 - range.0);
        Self {
            range,
            values: Running::default(),
            counts: BTreeMap::new(),
            bets: [BetBelow::new(place), BetBelow::new(1.0 - place)],
        }
    }

    fn place(&self, value: f64) -> f64 {
        ((value - self.range.0) / (self.range.1 - self.range.0)).clamp(0.0, 1.0)
    }

    fn add(&mut self, value: f64) {
        let place = self.place(value);
        self.values.add(value);
        *self.counts.entry(place.to_bits()).or_insert(0.0) += 1.0;
        self.bets[0].add(place, 1.0);
        self.bets[1].add(1.0 - place, 1.0);
    }

    fn ln_evidence(&self, side: Side, bound: f64, factor: f64) -> f64 {
        let place = self.place(bound);
        if place <= 0.0 || place >= 1.0 {
            return 0.0;
        }
        let (own, bound_seen) = match side {
            Side::Below => (&self.bets[0], place),
            Side::Above => (&self.bets[1], 1.0 - place),
        };
        let bet = if own.is_against(bound_seen) {
            own.ln_evidence(factor)
        } else {
            let mut bet = BetBelow::new(bound_seen);
            for (bits, times) in &self.counts {
                let place = f64::from_bits(*bits);
                let value = match side {
                    Side::Below => place,
                    Side::Above => 1.0 - place,
                };
                bet.add(value, *times);
            }
            bet.ln_evidence(factor)
        };
        if self.range.0 >= 0.0 {
            return bet;
        }
        // Differences of paired rates are small beside what they could be. Half of the stake is
        // on their being normal, half on nothing but their range.
        let normal = of_normal(self.values.times(factor), side, bound);
        let most = bet.max(normal);
        most + libm::log(0.5 * (libm::exp(bet - most) + libm::exp(normal - most)))
    }
}

/// ln of the bet that the mean of normal values is on this side of `bound`. One that it is
/// elsewhere shows the side as well: all that lies beyond is further away.
fn of_normal(values: Running, side: Side, bound: f64) -> f64 {
    let is_there = match side {
        Side::Below => values.mean < bound,
        Side::Above => values.mean > bound,
    };
    let shown = values.ln_evidence_of_mean(bound);
    shown
        .filter(|_| is_there && values.count >= NORMAL_MIN)
        .unwrap_or(f64::NEG_INFINITY)
}

fn counted(count: u64, noun: &str) -> String {
    let plural = if count == 1 { "" } else { "s" };
    format!("{count} {noun}{plural}")
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a float saturates, and the values are counts"
)]
const fn whole(value: f64) -> u64 {
    value.max(0.0) as u64
}
