//! The schedule that costs least, of all there are: a concave least-weight subsequence.
//!
//! From a check at `a` to the next at `b` the weight is `S(a)(c + b − a)`. It has the Monge
//! property and is linear in `b`, so the recursion from the last instant to the first is the lower
//! envelope of lines of falling slope, asked at rising `S`: O(n) for n instants (Hirschberg and
//! Larmore 1987 and Wilber 1988 for the general weight).

use super::polish::polished;
use super::{Cost, Lag, Price, evaluate};

/// Share of the lags that a smooth law's last check may leave.
const BEYOND: f64 = 1e-13;
/// Checks beyond which a heavy tail is cut.
const MOST_CHECKS: f64 = 4_000.0;
/// Cells in which a law's hazard is measured.
const CELLS: usize = 4_096;
/// Instants of the first grid, and further ones for each check expected.
const GRID: usize = 2_048;
const GRID_PER_CHECK: f64 = 16.0;
/// Refinements; each makes the grid around a check this many times finer, and reaches so many of
/// its steps to either side.
const ROUNDS: u32 = 7;
const FINER: f64 = 3.0;
const REACH: i32 = 8;

/// The unrestricted optimum at a price.
#[derive(Clone, PartialEq, Debug)]
pub struct Optimum {
    /// When it looks, in seconds, rising.
    pub checks: Vec<f64>,
    /// What it costs.
    pub cost: Cost,
}

/// The schedule of least `price × calls + delay` on `lag`.
///
/// Exact for a lag of few values: its checks are at observed instants. For a smooth law the same
/// recursion on a grid that follows the best density of checks (∝ √hazard, Keller 1974), which is
/// then moved by Newton's method and made finer around the checks found. The law's tail is cut where 1e-13 of the lags are left.
#[must_use]
pub fn optimal(lag: &(impl Lag + ?Sized), price: Price) -> Optimum {
    let checks = match lag.atoms() {
        Some(atoms) => on_grid(lag, atoms, price),
        None => refined(lag, price),
    };
    let cost = evaluate(lag, checks.iter().copied());
    Optimum { checks, cost }
}

fn refined(lag: &(impl Lag + ?Sized), price: Price) -> Vec<f64> {
    let first = grid(lag, price);
    let mut checks = polished(lag, price, on_grid(lag, &first, price));
    let mut scale = 1.0;
    for _ in 0..ROUNDS {
        scale /= FINER;
        let finer = around(&checks, |check| scale * spacing(&first, check));
        checks = on_grid(lag, &finer, price);
    }
    polished(lag, price, checks)
}

/// How far apart the instants of `grid` are around `instant`.
fn spacing(grid: &[f64], instant: f64) -> f64 {
    let place = grid.partition_point(|&at| at < instant).min(grid.len() - 1);
    let before = if place > 0 { grid[place - 1] } else { 0.0 };
    grid[place] - before
}

/// Instants around each check, `step` of the check apart. They reach further than one step of the
/// coarser grid: where a check moves, those after it may follow.
pub(super) fn around(checks: &[f64], step: impl Fn(f64) -> f64) -> Vec<f64> {
    let mut finer: Vec<f64> = checks
        .iter()
        .flat_map(|&check| {
            let step = step(check);
            (-REACH..=REACH).map(move |k| check + f64::from(k) * step)
        })
        .filter(|&instant| instant > 0.0)
        .collect();
    finer.sort_unstable_by(f64::total_cmp);
    finer.dedup();
    finer
}

/// The best checks among the rising instants of `grid`; its last instant is one of them.
fn on_grid(lag: &(impl Lag + ?Sized), grid: &[f64], price: Price) -> Vec<f64> {
    let survival: Vec<f64> = grid.iter().map(|&instant| lag.survival(instant)).collect();
    // Nothing is left to look for after the first instant that all lags have reached.
    let end = survival.partition_point(|&beyond| beyond > 0.0);
    let end = (end + 1).min(grid.len());
    let places = least_weight(&grid[..end], &survival[..end], price.seconds());
    places.into_iter().map(|place| grid[place]).collect()
}

/// A line `slope × s + value` of the lower envelope: going on from the check at `place`.
#[derive(Clone, Copy)]
struct Line {
    slope: f64,
    value: f64,
    place: usize,
}

impl Line {
    fn at(self, s: f64) -> f64 {
        self.slope * s + self.value
    }

    /// Where a later, flatter line becomes the lower one.
    fn crossing(self, flatter: Self) -> f64 {
        (flatter.value - self.value) / (self.slope - flatter.slope)
    }
}

/// Places of the least-weight path from instant 0 through `times` to the last of them.
fn least_weight(times: &[f64], survival: &[f64], price: f64) -> Vec<usize> {
    let Some(last) = times.len().checked_sub(1) else {
        return Vec::new();
    };
    let mut next = vec![last; times.len()];
    let mut envelope = vec![Line {
        slope: times[last],
        value: 0.0,
        place: last,
    }];
    let mut head = 0;
    let mut best = |s: f64, from: f64, envelope: &[Line]| {
        while head + 1 < envelope.len() && envelope[head + 1].at(s) <= envelope[head].at(s) {
            head += 1;
        }
        let line = envelope[head];
        (line.place, line.at(s) + s * (price - from), head)
    };
    for place in (0..last).rev() {
        let (following, value, head) = best(survival[place], times[place], &envelope);
        next[place] = following;
        let line = Line {
            slope: times[place],
            value,
            place,
        };
        while envelope.len() > head + 1 {
            let (a, b) = (envelope[envelope.len() - 2], envelope[envelope.len() - 1]);
            if a.crossing(line) > a.crossing(b) {
                break;
            }
            envelope.pop();
        }
        envelope.push(line);
    }
    let (first, _, _) = best(1.0, 0.0, &envelope);
    let mut path = vec![first];
    while path[path.len() - 1] < last {
        path.push(next[path[path.len() - 1]]);
    }
    path
}

/// A grid as dense as the checks of the fluid limit: evenly spaced in `∫ √hazard dt`.
fn grid(lag: &(impl Lag + ?Sized), price: Price) -> Vec<f64> {
    let low = lag.instant_with_beyond(1.0 - 1e-9).max(1e-12);
    let high = lag.instant_with_beyond(BEYOND).min(1e12);
    if high <= low {
        return vec![high.max(0.0)];
    }
    let ratio = libm::log(high / low) / CELLS as f64;
    let border = |cell: usize| low * libm::exp(ratio * cell as f64);
    // √(Δcumulative hazard × Δt) of each cell, summed.
    let mut measure = Vec::with_capacity(CELLS + 1);
    let (mut sum, mut before) = (0.0, (0.0, 1.0));
    let most = MOST_CHECKS * (2.0 * price.seconds()).sqrt();
    for cell in 0..=CELLS {
        let instant = border(cell);
        let beyond = lag.survival(instant);
        let hazard: f64 = if beyond > 0.0 {
            libm::log(before.1 / beyond)
        } else {
            libm::log(before.1 / BEYOND).max(0.0)
        };
        sum += (hazard * (instant - before.0)).sqrt();
        measure.push((instant, sum));
        before = (instant, beyond);
        if beyond <= 0.0 || sum > most {
            break;
        }
    }
    let expected = sum / (2.0 * price.seconds()).sqrt();
    evenly(&measure, GRID + whole(expected * GRID_PER_CHECK))
}

/// `count` instants evenly spaced in the measure, which is linear between its points.
fn evenly(measure: &[(f64, f64)], count: usize) -> Vec<f64> {
    let total = measure[measure.len() - 1].1;
    let mut grid = Vec::with_capacity(count);
    let mut cell = 0;
    for step in 1..=count {
        let target = total * step as f64 / count as f64;
        while cell + 1 < measure.len() && measure[cell].1 < target {
            cell += 1;
        }
        let (start, from) = if cell > 0 {
            measure[cell - 1]
        } else {
            (0.0, 0.0)
        };
        let (end, to) = measure[cell];
        let share = if to > from {
            (target - from) / (to - from)
        } else {
            1.0
        };
        grid.push(start + share.min(1.0) * (end - start));
    }
    grid.dedup();
    grid
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "saturates, and no number is 0"
)]
fn whole(value: f64) -> usize {
    value as usize
}
