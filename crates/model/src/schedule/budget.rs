//! The best schedule of so many checks that may leave a given share unfound.

use super::optimum::around;
use super::{Cost, Lag, evaluate};

/// Instants between which the checks are chosen at first.
const GRID: usize = 1_024;
const ROUNDS: u32 = 12;
const FINER: f64 = 3.0;

/// The optimum under a hard budget of checks.
#[derive(Clone, PartialEq, Debug)]
pub struct Budgeted {
    /// When it looks, in seconds, rising; the last leaves the share that may be abandoned.
    pub checks: Vec<f64>,
    /// What it costs.
    pub cost: Cost,
}

/// The schedule of `count` checks with least delay that abandons at most `abandoned` of the lags:
/// a one-sided quantiser. `None` without a check.
#[must_use]
pub fn optimal_within(lag: &(impl Lag + ?Sized), count: u32, abandoned: f64) -> Option<Budgeted> {
    if count == 0 {
        return None;
    }
    let last = lag.instant_with_beyond(abandoned);
    let mut grid: Vec<f64> = match lag.atoms() {
        Some(atoms) => atoms.iter().copied().filter(|&at| at <= last).collect(),
        None => (1..=GRID)
            .map(|step| last * step as f64 / GRID as f64)
            .collect(),
    };
    let mut places = best(lag, &grid, count);
    if lag.atoms().is_none() {
        let mut step = last / GRID as f64;
        for _ in 0..ROUNDS {
            step /= FINER;
            let checks: Vec<f64> = places.iter().map(|&place| grid[place]).collect();
            grid = around(&checks, |_| step);
            grid.retain(|&instant| instant <= last);
            places = best(lag, &grid, count);
        }
    }
    let checks: Vec<f64> = places.iter().map(|&place| grid[place]).collect();
    let cost = evaluate(lag, checks.iter().copied());
    Some(Budgeted { checks, cost })
}

/// Places of the best `count` checks, the last instant among them. Layer by layer: the best next
/// check never moves back as the present one moves on (the weight has the Monge property), so each
/// layer takes O(n log n) by halving.
fn best(lag: &(impl Lag + ?Sized), grid: &[f64], count: u32) -> Vec<usize> {
    let Some(last) = grid.len().checked_sub(1) else {
        return Vec::new();
    };
    let survival: Vec<f64> = grid.iter().map(|&at| lag.survival(at)).collect();
    // Least Σ S(x_k)(x_{k+1} − x_k) from a check at the place to the end, with so many still to come.
    let mut value: Vec<f64> = grid.iter().map(|_| f64::INFINITY).collect();
    value[last] = 0.0;
    let mut choices = Vec::new();
    let layers = (count as usize).min(grid.len());
    for _ in 1..layers {
        let mut layer = Layer {
            grid,
            survival: &survival,
            after: &value,
            value: vec![f64::INFINITY; grid.len()],
            choice: vec![last; grid.len()],
        };
        // Fewer checks are never better, but the last place can take no further one.
        layer.value[last] = 0.0;
        layer.solve(0, last, 0, last);
        let Layer {
            value: solved,
            choice,
            ..
        } = layer;
        value = solved;
        choices.push(choice);
    }
    let first = (0..=last)
        .min_by(|&a, &b| (grid[a] + value[a]).total_cmp(&(grid[b] + value[b])))
        .unwrap_or(last);
    let mut path = vec![first];
    for choice in choices.iter().rev() {
        let place = path[path.len() - 1];
        if place == last {
            break;
        }
        path.push(choice[place]);
    }
    path
}

struct Layer<'a> {
    grid: &'a [f64],
    survival: &'a [f64],
    after: &'a [f64],
    value: Vec<f64>,
    choice: Vec<usize>,
}

impl Layer<'_> {
    /// Solves the places `from..to`, whose best next checks are within `low..=high`.
    fn solve(&mut self, from: usize, to: usize, low: usize, high: usize) {
        if from >= to {
            return;
        }
        let middle = usize::midpoint(from, to);
        let mut best = (f64::INFINITY, high);
        for next in low.max(middle + 1)..=high {
            let value =
                self.survival[middle] * (self.grid[next] - self.grid[middle]) + self.after[next];
            if value < best.0 {
                best = (value, next);
            }
        }
        (self.value[middle], self.choice[middle]) = best;
        self.solve(from, middle, low, best.1);
        self.solve(middle + 1, to, best.1, high);
    }
}
