//! The front of calls against delay, and the choice on it.

use racegate_model::schedule::{
    Cost, Family, FamilyFit, Lag, Optimum, Price, evaluate, fit_family, fit_robust, frontier,
    optimal, worst_ratio,
};

use super::certify::{Certificate, needed};
use super::lags::Lags;
use super::objective::{Measure, Objective};

/// Prices of the front, in seconds of delay a call is worth.
const DEAREST: f64 = 80.0;
const CHEAPEST: f64 = 0.06;
const PRICES: u32 = 14;
/// Evaluations for each price, members between two prices, and evaluations for the choice.
const EVALUATIONS: u32 = 24;
const BETWEEN: u32 = 3;
const CHOICE_EVALUATIONS: u32 = 120;
/// A call is worth so much unless told otherwise.
const DEFAULT_PRICE: f64 = 1.0;
/// Share that may be abandoned unless told otherwise.
const DEFAULT_ABANDONED: f64 = 1e-3;
/// A parameter may move as long as the cost rises by less than this.
const SLACK: f64 = 0.01;

/// The forum's checks; its sleep after the last one leads to none.
pub const FORUM: [f64; 5] = [0.0, 1.0, 3.0, 7.0, 15.0];

/// Everything that a search found.
#[derive(Clone, Debug)]
pub struct Found {
    /// What is recommended.
    pub chosen: FamilyFit,
    /// When it looks, in seconds from the session's end.
    pub checks: Vec<f64>,
    /// What the held-out recordings say.
    pub certificate: Certificate,
    /// Share that may be abandoned.
    pub bound: f64,
    /// Constraints that do not hold, as they were written.
    pub broken: Vec<String>,
    /// Members along the front, by falling price.
    pub front: Vec<FamilyFit>,
    /// The unrestricted optimum along prices: the limit.
    pub limit: Vec<(Price, Cost)>,
    /// The unrestricted optimum at the chosen price.
    pub optimum: Optimum,
    /// What the forum's gate costs on the same lag.
    pub forum: Cost,
    /// Cost as a multiple of the limit, of the recommended gate and of the forum's. What is given
    /// up costs nothing and cannot be compared, so both are taken to go on until nothing is left.
    pub times_limit: (f64, f64),
    /// Per parameter: name, value, and from where to where it costs less than 1 % more.
    pub slack: Vec<(&'static str, f64, f64, f64)>,
    /// The worst cost relative to each law's own optimum, if the search was robust.
    pub regret: Option<f64>,
    /// Schedules evaluated.
    pub evaluations: u32,
}

impl Found {
    /// Takes another member of the front, as it would be written down, for the recommended one.
    pub fn choose(&mut self, lags: &Lags, objective: &Objective, fit: FamilyFit) {
        let lag = lags.searched.as_ref();
        self.chosen = FamilyFit {
            price: self.chosen.price,
            ..fit
        };
        self.checks = fit.family.checks().take(fit.attempts as usize).collect();
        let last = self.checks.last().copied().unwrap_or(0.0);
        self.certificate = Certificate::of(&lags.held_out, last);
        self.slack = slack(lag, &self.chosen, self.chosen.cost.abandoned.max(1e-9));
        self.times_limit = times_limit(lag, &self.chosen, &self.optimum);
        self.broken = broken(objective, &self.chosen.cost, &self.certificate);
        if self.regret.is_some() {
            let left = self.chosen.cost.abandoned.max(1e-9);
            let family = self.chosen.family;
            self.regret = Some(worst_ratio(&laws(lags), self.chosen.price, left, family));
        }
    }

    /// Delay saved by one more call per recording, and calls saved by one more second of delay;
    /// by interpolation on the front.
    #[must_use]
    pub fn one_more(&self) -> (Option<f64>, Option<f64>) {
        let here = self.chosen.cost;
        let delay = |calls: f64| interpolated(&self.front, calls, |c| c.calls, |c| c.delay);
        let calls = |delay: f64| interpolated(&self.front, delay, |c| c.delay, |c| c.calls);
        (
            delay(here.calls + 1.0).map(|delay| here.delay - delay),
            calls(here.delay + 1.0).map(|calls| here.calls - calls),
        )
    }
}

/// The value of `y` on the front where `x` has the given value; `None` beyond its ends.
fn interpolated(
    front: &[FamilyFit],
    at: f64,
    x: impl Fn(&Cost) -> f64,
    y: impl Fn(&Cost) -> f64,
) -> Option<f64> {
    front.windows(2).find_map(|pair| {
        let (a, b) = (&pair[0].cost, &pair[1].cost);
        let (low, high) = (x(a).min(x(b)), x(a).max(x(b)));
        if at < low || at > high || high <= low {
            return None;
        }
        let share = (at - x(a)) / (x(b) - x(a));
        Some(y(a) + share * (y(b) - y(a)))
    })
}

/// Costs as multiples of the limit, of `chosen` and of the forum's gaps, were they to go on until
/// as good as nothing is left.
fn times_limit(lag: &dyn Lag, chosen: &FamilyFit, optimum: &Optimum) -> (f64, f64) {
    const LEFT: f64 = 1e-9;
    let left = lag.survival(f64::MAX) + LEFT;
    let end = lag.instant_with_beyond(left);
    let (_, whole) = chosen.family.evaluate(lag, left);
    let mut before = 0.0;
    let doubling = (0..50).map(|k| f64::from(k).exp2() - 1.0);
    let forum = doubling.take_while(|check| std::mem::replace(&mut before, *check) < end);
    let forum = evaluate(lag, forum);
    let limit = optimum.cost.total(chosen.price);
    (
        whole.total(chosen.price) / limit,
        forum.total(chosen.price) / limit,
    )
}

/// Whether the search must stand up to the uncertainty of the lag.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Mode {
    /// The lag as it was found.
    Nominal,
    /// The worst of the lags that are possible too.
    Robust,
}

/// Prices from the dearest to the cheapest call.
fn prices(count: u32) -> Vec<Price> {
    let ratio = CHEAPEST / DEAREST;
    (0..count)
        .filter_map(|k| Price::new(DEAREST * ratio.powf(f64::from(k) / f64::from(count - 1))))
        .collect()
}

/// Searches, chooses and certifies.
#[must_use]
pub fn search(lags: &Lags, objective: &Objective, mode: Mode) -> Found {
    let bound = objective.abandoned_bound().unwrap_or(DEFAULT_ABANDONED);
    let lag = lags.searched.as_ref();
    let never = lag.survival(f64::MAX);
    let design = design(lags, bound) + never;
    let steps = prices(PRICES);
    let front = frontier(lag, &steps, design, EVALUATIONS, BETWEEN);
    let chosen = choose(lag, &front, objective, design);
    let (chosen, regret) = match mode {
        Mode::Nominal => (chosen, None),
        Mode::Robust => {
            let (robust, worst) = fit_robust(&laws(lags), chosen.price, design, chosen.family);
            (robust, Some(worst))
        }
    };
    let chosen = written(lag, &chosen, design);
    let checks: Vec<f64> = chosen
        .family
        .checks()
        .take(chosen.attempts as usize)
        .collect();
    let last = checks.last().copied().unwrap_or(0.0);
    let certificate = Certificate::of(&lags.held_out, last);
    let broken = broken(objective, &chosen.cost, &certificate);
    let optimum = optimal(lag, chosen.price);
    let limit = steps
        .iter()
        .map(|price| (*price, optimal(lag, *price).cost));
    Found {
        limit: limit.collect(),
        times_limit: times_limit(lag, &chosen, &optimum),
        optimum,
        forum: evaluate(lag, FORUM),
        slack: slack(lag, &chosen, design),
        evaluations: PRICES * EVALUATIONS + (PRICES - 1) * BETWEEN + CHOICE_EVALUATIONS,
        chosen,
        checks,
        certificate,
        bound,
        broken,
        front,
        regret,
    }
}

/// A member of the front as it would be written down, with as many checks as `bound` takes.
#[must_use]
pub fn as_written(lags: &Lags, fit: &FamilyFit, bound: f64) -> FamilyFit {
    let lag = lags.searched.as_ref();
    written(lag, fit, design(lags, bound) + lag.survival(f64::MAX))
}

/// The same schedule with parameters as they are written down: milliseconds, four decimals.
fn written(lag: &dyn Lag, fit: &FamilyFit, abandoned: f64) -> FamilyFit {
    let millis = |seconds: f64| (seconds * 1e3).round().max(1.0) / 1e3;
    let gap = millis(fit.family.gap);
    let family = Family {
        first: millis(fit.family.first),
        gap,
        multiplier: (fit.family.multiplier * 1e4).round() / 1e4,
        // Scenarios know no duration beyond 30 days.
        cap: millis(fit.family.cap.min(2.5e6)).max(gap),
    };
    let (attempts, cost) = family.evaluate(lag, abandoned);
    FamilyFit {
        family,
        attempts,
        cost,
        price: fit.price,
    }
}

/// The lag searched on, and what it may also be.
fn laws(lags: &Lags) -> Vec<&dyn Lag> {
    let others = lags.others.iter().map(AsRef::as_ref);
    std::iter::once(lags.searched.as_ref())
        .chain(others)
        .collect()
}

/// Share that a schedule may leave on the lags searched on, so that as many held-out recordings
/// certify the bound: as many misses as leave the upper bound below it, and 3 standard deviations
/// fewer on average.
fn design(lags: &Lags, bound: f64) -> f64 {
    let trials = lags.held_out.total();
    let allowed = (0..10_000_u64)
        .take_while(|missed| {
            racegate_model::stats::proportion_upper(*missed, trials, super::certify::LEVEL)
                .is_some_and(|upper| upper <= bound)
        })
        .last();
    let Some(allowed) = allowed else {
        // Nothing can be certified; the smallest share that the data tell of is aimed at.
        return (bound / 4.0).max(1e-9);
    };
    let allowed = allowed as f64;
    // The mean m with m + 3 √m = allowed.
    let root = (-3.0 + (9.0 + 4.0 * allowed).sqrt()) / 2.0;
    (root * root / trials as f64).max(bound / 100.0).max(1e-9)
}

fn choose(lag: &dyn Lag, front: &[FamilyFit], objective: &Objective, abandoned: f64) -> FamilyFit {
    let default = || Price::new(DEFAULT_PRICE);
    let at_price = |price: Price| fit_family(lag, price, abandoned, CHOICE_EVALUATIONS);
    let holds = |fit: &&FamilyFit| {
        let others = objective.constraints.iter().filter(|one| !one.is_rate());
        others
            .into_iter()
            .all(|constraint| constraint.holds(&fit.cost))
    };
    let worth = |fit: &FamilyFit| match objective.minimise {
        Some(measure) => measure.of(&fit.cost),
        None => fit
            .cost
            .total(objective.price.or_else(default).unwrap_or(fit.price)),
    };
    let direct = match (objective.minimise, objective.price.or_else(default)) {
        (None | Some(Measure::Abandoned | Measure::Incomplete), Some(price)) => {
            Some(at_price(price))
        }
        _ => None,
    };
    direct
        .iter()
        .chain(front)
        .filter(holds)
        .min_by(|a, b| worth(a).total_cmp(&worth(b)))
        .or_else(|| {
            direct
                .iter()
                .chain(front)
                .min_by(|a, b| worth(a).total_cmp(&worth(b)))
        })
        .copied()
        .unwrap_or_else(|| at_price(front[0].price))
}

/// The constraints that do not hold, or are not certified.
fn broken(objective: &Objective, cost: &Cost, certificate: &Certificate) -> Vec<String> {
    let mut broken = Vec::new();
    let mut certify = |claim: &str, bound: f64| {
        if !certificate.holds(bound) {
            let needed = needed(bound).unwrap_or(u64::MAX);
            broken.push(format!(
                "{claim} is not certified: {} of {} held-out recordings are missed, which shows at \
                 most {:.2e}; {needed} recordings without a miss are needed to certify it",
                certificate.missed, certificate.recordings, certificate.upper
            ));
        }
    };
    let (rates, others): (Vec<_>, Vec<_>) = objective
        .constraints
        .iter()
        .partition(|constraint| constraint.is_rate());
    for constraint in &rates {
        certify(&constraint.text, constraint.bound);
    }
    if rates.is_empty() {
        certify("abandoned_rate < 0.1 %, the default,", DEFAULT_ABANDONED);
    }
    let unmet = others.iter().filter(|constraint| !constraint.holds(cost));
    broken.extend(unmet.map(|constraint| format!("no schedule satisfies {}", constraint.text)));
    broken
}

/// A parameter of a family member.
type Part = fn(&mut Family) -> &mut f64;

/// From where to where each parameter costs less than 1 % more, the others kept.
fn slack(lag: &dyn Lag, fit: &FamilyFit, abandoned: f64) -> Vec<(&'static str, f64, f64, f64)> {
    let least = fit.cost.total(fit.price);
    let set: [(&'static str, Part, f64); 4] = [
        ("first delay", |family| &mut family.first, 0.0),
        ("gap", |family| &mut family.gap, 0.0),
        ("multiplier", |family| &mut family.multiplier, 1.0),
        ("cap", |family| &mut family.cap, 0.0),
    ];
    set.into_iter()
        .map(|(name, part, floor)| {
            let mut family = fit.family;
            let value = *part(&mut family);
            let fine = |factor: f64| {
                let mut moved = fit.family;
                *part(&mut moved) = floor + (value - floor) * factor;
                let (_, cost) = moved.evaluate(lag, abandoned);
                cost.total(fit.price) < least * (1.0 + SLACK)
            };
            let reach = |step: f64| {
                let mut factor = 1.0;
                for _ in 0..40 {
                    if !fine(factor * step) {
                        break;
                    }
                    factor *= step;
                }
                floor + (value - floor) * factor
            };
            (name, value, reach(0.97), reach(1.0 / 0.97))
        })
        .collect()
}
