//! The family that a retry library can be told, plus what none has: the first delay.

use super::{Cost, Lag, Optimum, Price, evaluate, optimal};
use crate::stats::simplex;

/// Checks beyond which a schedule is not followed.
const MOST_CHECKS: usize = 10_000;

/// First delay, then gaps `min(cap, gap × multiplier^k)`; seconds.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Family {
    /// Delay before the first check.
    pub first: f64,
    /// First gap.
    pub gap: f64,
    /// Growth from gap to gap, at least 1.
    pub multiplier: f64,
    /// Longest gap, at least the first.
    pub cap: f64,
}

/// A member of the family, and what it costs.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct FamilyFit {
    /// The parameters.
    pub family: Family,
    /// Number of checks: the fewest that leave at most the share allowed.
    pub attempts: u32,
    /// What it costs.
    pub cost: Cost,
    /// The price for which it was fitted.
    pub price: Price,
}

impl Family {
    /// When it looks, in seconds, rising, without end.
    pub fn checks(self) -> impl Iterator<Item = f64> {
        let mut at = self.first;
        let mut gap = self.gap.min(self.cap);
        std::iter::from_fn(move || {
            let check = at;
            at += gap;
            gap = (gap * self.multiplier).min(self.cap);
            Some(check)
        })
    }

    /// What it costs on `lag` with the fewest checks that leave at most `abandoned`, and how many
    /// these are.
    pub fn evaluate(self, lag: &(impl Lag + ?Sized), abandoned: f64) -> (u32, Cost) {
        let end = lag.instant_with_beyond(abandoned);
        let mut attempts = 0;
        let mut before = 0.0;
        let checks = self.checks().take(MOST_CHECKS).take_while(|&check| {
            let wanted = attempts == 0 || before < end;
            before = check;
            attempts += u32::from(wanted);
            wanted
        });
        let cost = evaluate(lag, checks);
        (attempts, cost)
    }

    /// The member that begins as `optimum` does.
    #[must_use]
    pub fn like(optimum: &Optimum, lag: &(impl Lag + ?Sized)) -> Self {
        let checks = &optimum.checks;
        let first = checks.first().copied().unwrap_or(1.0).max(1e-6);
        let gap_after = |k: usize| Some(checks.get(k + 1)? - checks.get(k)?);
        let gap = gap_after(0).unwrap_or(first).max(1e-6);
        // The gaps while at least one recording in a hundred still waits.
        let waiting = checks
            .iter()
            .take_while(|&&check| lag.survival(check) > 0.01);
        let last = waiting.count().max(2);
        let grown = gap_after(last - 1).unwrap_or(gap).max(gap);
        let multiplier = libm::pow(grown / gap, 1.0 / (last - 1) as f64);
        Self {
            first,
            gap,
            multiplier: multiplier.clamp(1.001, 8.0),
            cap: grown * 1.5,
        }
    }

    /// Without bounds: logarithms of the first delay, the gap, the growth and the room to the cap.
    fn free(self) -> [f64; 4] {
        [
            libm::log(self.first),
            libm::log(self.gap),
            libm::log((self.multiplier - 1.0).max(1e-6)),
            libm::log((self.cap / self.gap - 1.0).max(1e-6)),
        ]
    }

    fn bound(free: &[f64]) -> Self {
        let gap = libm::exp(free[1].clamp(-14.0, 20.0));
        Self {
            first: libm::exp(free[0].clamp(-14.0, 20.0)),
            gap,
            multiplier: 1.0 + libm::exp(free[2].clamp(-14.0, 4.0)),
            cap: gap * (1.0 + libm::exp(free[3].clamp(-14.0, 20.0))),
        }
    }

    /// The member half-way to `other`, on logarithms.
    fn between(self, other: Self, share: f64) -> Self {
        let (a, b) = (self.free(), other.free());
        let mixed: Vec<f64> = a.iter().zip(&b).map(|(a, b)| a + share * (b - a)).collect();
        Self::bound(&mixed)
    }
}

/// The member of least cost at `price` that abandons at most `abandoned`: a simplex search of at
/// most `evaluations` from the member that begins as the unrestricted optimum does.
#[must_use]
pub fn fit_family(
    lag: &(impl Lag + ?Sized),
    price: Price,
    abandoned: f64,
    evaluations: u32,
) -> FamilyFit {
    let start = Family::like(&optimal(lag, price), lag);
    search(lag, price, abandoned, start, evaluations)
}

fn search(
    lag: &(impl Lag + ?Sized),
    price: Price,
    abandoned: f64,
    start: Family,
    evaluations: u32,
) -> FamilyFit {
    let worth = |free: &[f64]| {
        let (_, cost) = Family::bound(free).evaluate(lag, abandoned);
        cost.total(price)
    };
    let found = simplex::minimise(worth, &start.free(), 0.3, evaluations / 2, 1e-9);
    // A second simplex from there, smaller: the first may have collapsed on a kink.
    let rest = evaluations.saturating_sub(found.evaluations);
    let found = if rest > 8 {
        simplex::minimise(worth, &found.point, 0.1, rest, 1e-12)
    } else {
        found
    };
    let family = Family::bound(&found.point);
    let (attempts, cost) = family.evaluate(lag, abandoned);
    FamilyFit {
        family,
        attempts,
        cost,
        price,
    }
}

/// The member whose cost is the least multiple of each law's own optimum, in the worst case over
/// `laws`, and that multiple. The search begins at `start`; what the last check leaves is judged on
/// the first law.
#[must_use]
pub fn fit_robust(
    laws: &[&dyn Lag],
    price: Price,
    abandoned: f64,
    start: Family,
) -> (FamilyFit, f64) {
    let limits = limits(laws, price);
    let worst = |family: Family| worst_of(laws, &limits, price, abandoned, family);
    let worth = |free: &[f64]| worst(Family::bound(free));
    let mut point = start.free().to_vec();
    for step in [0.4, 0.2, 0.1] {
        point = simplex::minimise(worth, &point, step, 150, 1e-9).point;
    }
    let family = Family::bound(&point);
    let (attempts, cost) = laws.first().map_or(
        (1, evaluate(&super::Steps::of_lags(Vec::new()), [])),
        |law| family.evaluate(*law, abandoned),
    );
    let fit = FamilyFit {
        family,
        attempts,
        cost,
        price,
    };
    (fit, worst(family))
}

/// The largest cost of `family` relative to each law's own optimum.
#[must_use]
pub fn worst_ratio(laws: &[&dyn Lag], price: Price, abandoned: f64, family: Family) -> f64 {
    worst_of(laws, &limits(laws, price), price, abandoned, family)
}

/// The least cost of any schedule on each law.
fn limits(laws: &[&dyn Lag], price: Price) -> Vec<f64> {
    laws.iter()
        .map(|law| optimal(*law, price).cost.total(price))
        .collect()
}

fn worst_of(
    laws: &[&dyn Lag],
    limits: &[f64],
    price: Price,
    abandoned: f64,
    family: Family,
) -> f64 {
    let ratios = laws.iter().zip(limits).map(|(law, limit)| {
        let (_, cost) = family.evaluate(*law, abandoned);
        cost.total(price) / limit
    });
    ratios.fold(0.0, f64::max)
}

/// Members along the front of calls against delay, by falling price: a search of `evaluations` at
/// each of `prices`, then `between` members interpolated between each two neighbours.
#[must_use]
pub fn frontier(
    lag: &(impl Lag + ?Sized),
    prices: &[Price],
    abandoned: f64,
    evaluations: u32,
    between: u32,
) -> Vec<FamilyFit> {
    let mut fits: Vec<FamilyFit> = Vec::new();
    for &price in prices {
        let fit = fit_family(lag, price, abandoned, evaluations);
        if let Some(before) = fits.last().copied() {
            for k in 1..=between {
                let share = f64::from(k) / f64::from(between + 1);
                let family = before.family.between(fit.family, share);
                let (attempts, cost) = family.evaluate(lag, abandoned);
                let ln = |price: Price| libm::log(price.seconds());
                let mixed = ln(before.price) + share * (ln(price) - ln(before.price));
                fits.push(FamilyFit {
                    family,
                    attempts,
                    cost,
                    price: Price::new(libm::exp(mixed)).unwrap_or(price),
                });
            }
        }
        fits.push(fit);
    }
    fits
}
