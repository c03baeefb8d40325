//! Turnbull's self-consistent estimate (1976) of interval-censored lags.

use super::{Observation, Observations};
use crate::distribution::{Distribution, DistributionError};
use crate::schedule::Steps;
use crate::time::Duration;

/// Steps of the EM algorithm at most.
const LIMIT: u32 = 5_000;
/// Largest excess of a cell's gradient over 1 at the maximum (Gentleman and Geyer 1994).
const GRADIENT: f64 = 1e-7;

/// An interval that can hold mass, `(low, high]` or the point `low = high`, and its mass.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Cell {
    /// Where it begins, in seconds.
    pub low: f64,
    /// Where it ends; infinite for what no look found.
    pub high: f64,
    /// Its estimated share of the lags.
    pub mass: f64,
}

/// The non-parametric maximum-likelihood estimate: how the mass lies within a cell is not known.
#[derive(Clone, PartialEq, Debug)]
pub struct Turnbull {
    /// The cells with mass, rising; at most the last one is unbounded.
    pub cells: Vec<Cell>,
}

impl Turnbull {
    /// Least and greatest survival at `seconds` that the estimate allows.
    #[must_use]
    pub fn survival_between(&self, seconds: f64) -> (f64, f64) {
        let sum = |keep: fn(&Cell, f64) -> bool| {
            let kept = self.cells.iter().filter(|cell| keep(cell, seconds));
            kept.map(|cell| cell.mass).sum::<f64>()
        };
        (
            sum(|cell, at| cell.low >= at && cell.high > at),
            sum(|cell, at| cell.high > at),
        )
    }

    /// The estimate with every lag as late as its cell allows: what a careful tuner assumes. Lags
    /// that no look found never become ready.
    #[must_use]
    pub fn latest(&self) -> Steps {
        let bounded = self.cells.iter().filter(|cell| cell.high.is_finite());
        Steps::of_masses(bounded.map(|cell| (cell.high, cell.mass)).collect())
    }

    /// Share of the lags beyond every look.
    #[must_use]
    pub fn beyond(&self) -> f64 {
        let last = self.cells.last().filter(|cell| cell.high.is_infinite());
        last.map_or(0.0, |cell| cell.mass)
    }

    /// The estimate with the mass spread evenly over each cell, and what lies beyond every look
    /// spread up to twice the last look.
    ///
    /// # Errors
    /// If there is no cell.
    pub fn spread(&self) -> Result<Distribution, DistributionError> {
        let duration = Duration::from_secs_f64;
        let mut quantiles: Vec<(f64, Duration)> = Vec::new();
        let mut below = 0.0;
        let total: f64 = self.cells.iter().map(|cell| cell.mass).sum();
        for cell in &self.cells {
            let high = if cell.high.is_finite() {
                cell.high
            } else {
                cell.low * 2.0
            };
            // Where a cell does not begin at the one before, the quantile function jumps; it is
            // given as a very steep piece.
            let start = if quantiles.is_empty() {
                0.0
            } else {
                below + 1e-12
            };
            quantiles.push((start, duration(cell.low)));
            below += cell.mass / total;
            quantiles.push((below.max(start + 1e-12), duration(high)));
        }
        if let Some(last) = quantiles.last_mut() {
            last.0 = 1.0;
        }
        quantiles.dedup_by(|next, kept| next.0 <= kept.0);
        Distribution::quantiles(&quantiles)
    }
}

/// An end of an interval. Ordered by instant; a left end of `(low, …` comes after a right end at
/// the same instant, that of a point before it.
#[derive(Clone, Copy, PartialEq, PartialOrd, Debug)]
struct End {
    at: f64,
    side: u8,
}

const POINT: u8 = 0;
const RIGHT: u8 = 1;
const AFTER: u8 = 2;

fn ends(one: &Observation) -> (End, End) {
    let end = |at, side| End { at, side };
    if one.is_exact() {
        (end(one.low, POINT), end(one.low, RIGHT))
    } else {
        (end(one.low, AFTER), end(one.high, RIGHT))
    }
}

/// The maximum-likelihood estimate without a family.
#[must_use]
pub fn turnbull(observations: &Observations) -> Turnbull {
    let innermost = innermost(observations);
    let ranges: Vec<Range> = observations
        .iter()
        .map(|one| {
            let (left, right) = ends(&one);
            Range {
                start: innermost.partition_point(|cell| cell.0 < left),
                end: innermost.partition_point(|cell| cell.1 <= right),
                count: one.count as f64,
            }
        })
        .collect();
    let masses = self_consistent(&ranges, innermost.len(), Smoothing::None);
    let cells = innermost
        .iter()
        .zip(masses)
        .map(|((left, right), mass)| Cell {
            low: left.at,
            high: right.at,
            mass,
        });
    Turnbull {
        cells: cells.filter(|cell| cell.mass > 1e-12).collect(),
    }
}

/// The intervals between a left end and a right end that follow each other: only they can hold
/// mass (Peto 1973).
fn innermost(observations: &Observations) -> Vec<(End, End)> {
    let mut all: Vec<End> = observations
        .iter()
        .flat_map(|one| <[End; 2]>::from(ends(&one)))
        .collect();
    all.sort_unstable_by(|a, b| a.at.total_cmp(&b.at).then(a.side.cmp(&b.side)));
    all.dedup();
    all.windows(2)
        .filter(|pair| pair[0].side != RIGHT && pair[1].side == RIGHT)
        .map(|pair| (pair[0], pair[1]))
        .collect()
}

/// Cells `start..end` in which `count` lags lie.
#[derive(Clone, Copy, Debug)]
struct Range {
    start: usize,
    end: usize,
    count: f64,
}

/// Whether neighbouring cells share their mass after each step.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Smoothing {
    None,
    /// Weights 0.2, 0.6, 0.2 (EMS; Silverman, Jones, Wilson and Nychka 1990).
    Neighbours,
}

/// The smoothed self-consistent estimate on cells between the rising `borders`: one more cell
/// than borders, from 0, and the last one has no end. `prior` holds one mass per cell, in
/// recordings: what is believed before anything was seen.
#[must_use]
pub fn binned(borders: &[f64], observations: &[Observation], prior: &[f64]) -> Vec<f64> {
    let cells = borders.len() + 1;
    let cell_of = |at: f64| borders.partition_point(|&border| border < at);
    let seen = observations.iter().map(|one| Range {
        start: if one.is_exact() {
            cell_of(one.low)
        } else {
            borders.partition_point(|&border| border <= one.low)
        },
        end: cell_of(one.high) + 1,
        count: one.count as f64,
    });
    let believed = prior.iter().take(cells).enumerate();
    let believed = believed.map(|(start, &count)| Range {
        start,
        end: start + 1,
        count,
    });
    let ranges: Vec<Range> = seen.chain(believed).collect();
    self_consistent(&ranges, cells, Smoothing::Neighbours)
}

/// The fixed point of the EM algorithm: each observation is shared out over its cells in proportion
/// to their masses. Unsmoothed steps are extrapolated (SQUAREM; Varadhan and Roland 2008).
fn self_consistent(ranges: &[Range], cells: usize, smoothing: Smoothing) -> Vec<f64> {
    let total: f64 = ranges.iter().map(|range| range.count).sum();
    if cells == 0 || total <= 0.0 {
        return vec![0.0; cells];
    }
    let mut em = Em {
        ranges,
        total,
        smoothing,
        cumulated: vec![0.0; cells + 1],
        gradient: vec![0.0; cells + 1],
    };
    let mut masses = vec![1.0 / cells as f64; cells];
    let limit = match smoothing {
        Smoothing::None => LIMIT,
        Smoothing::Neighbours => 200,
    };
    let mut made = 0;
    while made < limit {
        let (first, excess) = em.step(&masses);
        made += 1;
        if excess < GRADIENT {
            return first;
        }
        if smoothing == Smoothing::Neighbours {
            let moved: f64 = first.iter().zip(&masses).map(|(a, b)| (a - b).abs()).sum();
            masses = first;
            if moved < 1e-6 {
                break;
            }
            continue;
        }
        let (second, _) = em.step(&first);
        made += 1;
        masses = em.extrapolated(&masses, &first, second);
    }
    masses
}

struct Em<'a> {
    ranges: &'a [Range],
    total: f64,
    smoothing: Smoothing,
    cumulated: Vec<f64>,
    gradient: Vec<f64>,
}

impl Em<'_> {
    /// One step from `masses`, and by how much the largest gradient exceeds its value at the
    /// maximum.
    fn step(&mut self, masses: &[f64]) -> (Vec<f64>, f64) {
        self.cumulate(masses);
        self.gradient.fill(0.0);
        for range in self.ranges {
            let mass = self.cumulated[range.end] - self.cumulated[range.start];
            let share = range.count / (self.total * mass.max(1e-300));
            self.gradient[range.start] += share;
            self.gradient[range.end] -= share;
        }
        let (mut sum, mut excess) = (0.0, 0.0_f64);
        let mut next = Vec::with_capacity(masses.len());
        for (mass, change) in masses.iter().zip(&self.gradient) {
            sum += change;
            excess = excess.max(sum - 1.0);
            next.push(mass * sum.max(0.0));
        }
        if self.smoothing == Smoothing::Neighbours {
            next = smoothed(&next);
        }
        (next, excess)
    }

    fn cumulate(&mut self, masses: &[f64]) {
        let mut sum = 0.0;
        for (mass, below) in masses.iter().zip(&mut self.cumulated[1..]) {
            sum += mass;
            *below = sum;
        }
    }

    fn likelihood(&mut self, masses: &[f64]) -> f64 {
        self.cumulate(masses);
        let of = |range: &Range| {
            let mass = self.cumulated[range.end] - self.cumulated[range.start];
            range.count * libm::log(mass.max(1e-300))
        };
        self.ranges.iter().map(of).sum()
    }

    /// The extrapolation of two steps, unless the second is more likely.
    fn extrapolated(&mut self, start: &[f64], first: &[f64], second: Vec<f64>) -> Vec<f64> {
        let norm = |values: &[f64]| values.iter().map(|v| v * v).sum::<f64>().sqrt();
        let change: Vec<f64> = first.iter().zip(start).map(|(a, b)| a - b).collect();
        let bend: Vec<f64> = second
            .iter()
            .zip(first)
            .zip(&change)
            .map(|((c, b), change)| c - b - change)
            .collect();
        let length = norm(&change) / norm(&bend).max(1e-300);
        if length.is_nan() || length <= 1.0 {
            return second;
        }
        let mut far: Vec<f64> = start
            .iter()
            .zip(&change)
            .zip(&bend)
            .map(|((at, change), bend)| {
                let moved = at + 2.0 * length * change + length * length * bend;
                // A cell that is emptied here could never be filled again.
                moved.max(at * 1e-3)
            })
            .collect();
        let sum: f64 = far.iter().sum();
        for mass in &mut far {
            *mass /= sum;
        }
        if self.likelihood(&far) > self.likelihood(&second) {
            far
        } else {
            second
        }
    }
}

fn smoothed(masses: &[f64]) -> Vec<f64> {
    let last = masses.len() - 1;
    (0..masses.len())
        .map(|k| {
            let before = masses[k.saturating_sub(1)];
            let after = masses[(k + 1).min(last)];
            0.2 * before + 0.6 * masses[k] + 0.2 * after
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schedule::Lag;
    use proptest::prelude::*;

    #[test]
    fn disjoint_looks_give_the_shares_of_what_they_found() {
        let looks = [
            (0.0, 1.0, 4),
            (1.0, 3.0, 23),
            (3.0, 7.0, 41),
            (7.0, 15.0, 22),
        ];
        let mut all = Observations::default();
        for (low, high, count) in looks {
            all.add(Observation { low, high, count });
        }
        all.add(Observation {
            count: 10,
            ..Observation::beyond(15.0)
        });
        let estimate = turnbull(&all);
        let masses: Vec<f64> = estimate.cells.iter().map(|cell| cell.mass).collect();
        for (mass, share) in masses.iter().zip([0.04, 0.23, 0.41, 0.22, 0.10]) {
            assert!((mass - share).abs() < 1e-9, "{masses:?}");
        }
        assert!((estimate.beyond() - 0.1).abs() < 1e-9);
        let (least, most) = estimate.survival_between(5.0);
        assert!((least - 0.32).abs() < 1e-9 && (most - 0.73).abs() < 1e-9);
        let latest = estimate.latest();
        assert!((latest.survival(7.0) - 0.32).abs() < 1e-9);
        assert!((latest.never() - 0.1).abs() < 1e-9);
        let spread = estimate.spread().unwrap();
        assert!((spread.survival(5.0) - 0.525).abs() < 1e-6);
    }

    /// Turnbull's own form of an estimate with overlapping intervals, by hand: (0,2], (1,3], (2,4]
    /// have the innermost intervals (1,2] and (2,3]; each of the outer two is in one of them, and
    /// the middle one in both.
    #[test]
    fn overlapping_looks_share_what_they_have_in_common() {
        let all: Observations = [(0.0, 2.0), (1.0, 3.0), (2.0, 4.0)]
            .map(|(low, high)| Observation::between(low, high))
            .into_iter()
            .collect();
        let estimate = turnbull(&all);
        assert_eq!(estimate.cells.len(), 2, "{estimate:?}");
        for (cell, (low, high)) in estimate.cells.iter().zip([(1.0, 2.0), (2.0, 3.0)]) {
            assert_eq!((cell.low, cell.high), (low, high));
            assert!((cell.mass - 0.5).abs() < 1e-7);
        }
    }

    #[test]
    fn a_belief_is_outweighed_by_what_is_seen() {
        let borders = [1.0, 2.0, 4.0, 8.0];
        let before = binned(&borders, &[], &[0.4; 5]);
        assert!(before.iter().all(|mass| (mass - 0.2).abs() < 1e-9));
        let seen = [Observation {
            count: 200,
            ..Observation::between(2.0, 4.0)
        }];
        let after = binned(&borders, &seen, &[0.4; 5]);
        assert!(after[2] > 0.5, "{after:?}");
        assert!((after.iter().sum::<f64>() - 1.0).abs() < 1e-9);
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 256, ..ProptestConfig::default() })]

        #[test]
        fn no_move_of_mass_makes_the_observations_likelier(
            looks in prop::collection::vec((0_u32..40, 1_u32..20, prop::bool::ANY), 1..40),
        ) {
            let all: Observations = looks
                .iter()
                .map(|&(low, width, last)| {
                    let low = f64::from(low);
                    if last {
                        Observation::beyond(low)
                    } else {
                        Observation::between(low, low + f64::from(width))
                    }
                })
                .collect();
            let estimate = turnbull(&all);
            let total: f64 = estimate.cells.iter().map(|cell| cell.mass).sum();
            prop_assert!((total - 1.0).abs() < 1e-6, "{}", total);
            // The directional derivative towards any innermost interval is at most zero.
            let inside = |one: &Observation, low: f64, high: f64| one.low <= low && high <= one.high;
            let weight = |one: &Observation| -> f64 {
                let within = estimate.cells.iter().filter(|cell| inside(one, cell.low, cell.high));
                within.map(|cell| cell.mass).sum()
            };
            for (left, right) in innermost(&all) {
                let slope: f64 = all
                    .iter()
                    .filter(|one| inside(one, left.at, right.at))
                    .map(|one| one.count as f64 / weight(&one))
                    .sum();
                prop_assert!(slope / all.total() as f64 <= 1.0 + 1e-3, "{}", slope);
            }
        }
    }
}
