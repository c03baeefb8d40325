//! Integer quantile tables: from a uniform 64-bit draw to a duration in about five nanoseconds.
//!
//! The unit interval is cut into 2^12 cells; the last 16 of them are cut again into as many, and
//! so on, five times in all, so the upper tail resolves to 2^-44. Inside a cell the quantile
//! function is a straight line that keeps the cell's mean, so the mean is exact; plain
//! interpolation of 2^12 cells would make that of a lognormal (sigma 1) 1e-4 and its E[X²] 1.2e-3
//! too large.
//!
//! Between two cells the line leaves a gap in which no sample falls. It is widest at the last cell
//! before a refinement, whose tail is 17/16 of the next one's: there a quantile of an exponential
//! is 1.1e-4 off, of a lognormal (sigma 1) 2.5e-4, and a tail probability of either 4e-4. The lower
//! tail is not refined: its first cell, 2^-12 of all, is one line.

use std::sync::Arc;

use super::Distribution;
use super::law::Tails;
use crate::draws::mix64;
use crate::time::Duration;

const CELL_BITS: u32 = 12;
const CELLS: usize = 1 << CELL_BITS;
/// Bits of a draw that lead from one level to the next: the last 2^(12 - 8) cells are refined. If
/// only the last one were, a tail probability just below it would be 7.6 % off.
const LEVEL_BITS: u32 = 8;
const LEVELS: u32 = 5;
const TABLE: usize = CELLS * LEVELS as usize;
/// The first cell that the next level refines.
const REFINED: usize = CELLS - (CELLS >> LEVEL_BITS);
/// The smallest cell has a weight of 2^-44.
const WEIGHT_BITS: u32 = CELL_BITS + LEVEL_BITS * (LEVELS - 1);
/// Number of different draws, 2^64.
const DRAWS: f64 = 18_446_744_073_709_551_616.0;
/// Beyond this number of nanoseconds a value is [`Duration::MAX`].
const CEILING: f64 = 18_446_744_073_709_551_615.0;

/// Samples a distribution, by table unless it is constant or uniform. Cloning shares the table.
///
/// Where a distribution jumps (between two observed values, or beside a constant in a mixture) at
/// a probability inside a cell, the draws of that one cell, 2^-12 of all, fall between the two.
#[derive(Clone, Debug)]
pub struct Sampler {
    shape: Shape,
}

#[derive(Clone, Debug)]
enum Shape {
    Constant(Duration),
    Uniform(Cell),
    Table(Arc<[Cell; TABLE]>),
}

/// The integers `start ..= start + width - 1`, each as likely as the next. Nanoseconds; the width
/// is at least 1, so the mean is `start + (width - 1) / 2`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Cell {
    start: u64,
    width: u64,
}

impl Cell {
    #[inline]
    const fn at(self, fraction: u64) -> Duration {
        let offset = (self.width as u128 * fraction as u128) >> 64;
        Duration::from_nanos(self.start + offset as u64)
    }

    const fn end(self) -> u64 {
        self.start + (self.width - 1)
    }

    /// The line of mean `mean` and greatest width within `low..=high`.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "saturates"
    )]
    fn keeping_mean(low: f64, mean: f64, high: f64) -> Self {
        let half = (mean - low).min(high - mean);
        let width = ((2.0 * half + 0.5) as u64).max(1);
        let start = (mean - (width - 1) as f64 / 2.0 + 0.5) as u64;
        Self { start, width }
    }

    /// The same cell, moved and cut so that it starts no earlier than `floor` and ends in range.
    fn not_before(self, floor: u64) -> Self {
        let start = self.start.max(floor);
        Self {
            start,
            width: self.width.min(u64::MAX - start).max(1),
        }
    }
}

/// A border between cells, and the integral of the quantile function on either side of it.
#[derive(Clone, Copy)]
struct Node {
    probability: Tails,
    value: f64,
    integral: Tails,
}

impl Node {
    /// Border `k` of `level`.
    fn new(law: &Distribution, level: u32, k: usize) -> Self {
        let refined = (1_u64 << LEVEL_BITS) as f64;
        let unit = (0..level).fold(1.0 / CELLS as f64, |unit, _| unit / refined);
        let above = (CELLS - k) as f64 * unit;
        let probability = Tails {
            below: 1.0 - above,
            above,
        };
        let x = law.quantile_nanos(probability);
        // The integral of the quantile function up to F^-1(u) is E[X; X <= x] + x (u - F(x)): the
        // second term splits an atom, and makes an error in x a second-order one.
        let (tails, means) = law.sides(x);
        let integral = Tails {
            below: means.below + x * (probability.below - tails.below),
            above: means.above + x * (probability.above - tails.above),
        };
        Self {
            probability,
            value: x.clamp(0.0, CEILING),
            integral,
        }
    }

    /// The cell from `self` to `next`. In the body the lower integrals are exact, in the tail the
    /// upper ones, unless they are infinite.
    fn cell(&self, next: &Self, level: u32) -> Cell {
        let mass = self.probability.above - next.probability.above;
        let unbounded = next.probability.above <= 0.0;
        let (low, high) = (self.value, next.value.max(self.value));
        let integral = if level > 0 && self.integral.above.is_finite() {
            self.integral.above - if unbounded { 0.0 } else { next.integral.above }
        } else if unbounded {
            low * mass
        } else {
            next.integral.below - self.integral.below
        };
        let mean = integral / mass;
        let mean = if mean.is_finite() {
            mean
        } else {
            low + (high - low) / 2.0
        };
        Cell::keeping_mean(low, mean.clamp(low, high), high)
    }
}

impl Sampler {
    /// Builds the table of `distribution`: milliseconds of work, 320 KiB. Clone it to share it.
    #[must_use]
    pub fn new(distribution: &Distribution) -> Self {
        let shape = match distribution {
            Distribution::Constant(value) => Shape::Constant(*value),
            Distribution::Uniform { min, max } => {
                let (start, span) = (min.as_nanos(), max.as_nanos() - min.as_nanos());
                Shape::Uniform(Cell {
                    start,
                    width: span.saturating_add(1),
                })
            }
            Distribution::Exponential { .. }
            | Distribution::Lognormal { .. }
            | Distribution::Weibull { .. }
            | Distribution::Pareto { .. }
            | Distribution::Gamma { .. }
            | Distribution::Mixture(_)
            | Distribution::Empirical(_) => Shape::Table(table(distribution)),
        };
        Self { shape }
    }

    /// The duration for the uniform 64-bit `draw`; never falls as the draw rises.
    #[inline]
    #[must_use]
    pub fn sample(&self, draw: u64) -> Duration {
        self.sample_with(|| draw)
    }

    /// As [`Sampler::sample`]; makes the draw only if the duration depends on it.
    #[inline]
    #[must_use]
    pub fn sample_with(&self, draw: impl FnOnce() -> u64) -> Duration {
        self.sampling().sample_with(draw)
    }

    /// What it samples from, for a loop to keep in registers.
    #[inline(always)]
    pub(crate) fn sampling(&self) -> Sampling<'_> {
        match &self.shape {
            Shape::Table(cells) => Sampling::Table(cells),
            Shape::Constant(value) => Sampling::Constant(*value),
            Shape::Uniform(cell) => Sampling::Uniform(*cell),
        }
    }

    /// The durations for all `draws` in turn, in place of what `column` holds; makes them only if
    /// the durations depend on them.
    #[inline(always)]
    pub(crate) fn fill(
        &self,
        draws: impl ExactSizeIterator<Item = u64>,
        column: &mut Vec<Duration>,
    ) {
        column.clear();
        match &self.shape {
            Shape::Table(cells) => {
                let cells: &[Cell; TABLE] = cells;
                column.extend(draws.map(move |draw| sample_table(cells, draw)));
            }
            Shape::Constant(value) => column.resize(draws.len(), *value),
            Shape::Uniform(cell) => column.extend(draws.map(|draw| cell.at(draw))),
        }
    }

    /// The duration, if there is no chance in it.
    #[must_use]
    pub const fn as_constant(&self) -> Option<Duration> {
        match &self.shape {
            Shape::Constant(value) => Some(*value),
            Shape::Uniform(_) | Shape::Table(_) => None,
        }
    }

    /// The mean of the samples, exact for the table and rounded to a nanosecond.
    #[must_use]
    pub fn mean(&self) -> Duration {
        let doubled = |cell: &Cell| 2 * u128::from(cell.start) + u128::from(cell.width - 1);
        let halved = |twice: u128| {
            Duration::from_nanos(u64::try_from(twice.div_ceil(2)).unwrap_or(u64::MAX))
        };
        match &self.shape {
            Shape::Constant(value) => *value,
            Shape::Uniform(cell) => halved(doubled(cell)),
            Shape::Table(cells) => {
                // Weights in units of the smallest cell's, 2^-44; 65 + 44 bits fit.
                let sum: u128 = weighted_cells(cells.as_slice())
                    .map(|(shift, cell)| doubled(cell) << shift)
                    .sum();
                halved((sum + (1 << (WEIGHT_BITS - 1))) >> WEIGHT_BITS)
            }
        }
    }

    /// The smallest value that at least the share `q` of the samples do not exceed. `q` is clamped
    /// to 0..=1.
    #[must_use]
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "saturates"
    )]
    pub fn quantile(&self, q: f64) -> Duration {
        let draws = (q * DRAWS) as u128;
        self.sample(u64::try_from(draws.saturating_sub(1)).unwrap_or(u64::MAX))
    }

    /// The share of the samples that are at most `value`: for diagnostics, by 64 halvings.
    #[must_use]
    pub fn cdf(&self, value: Duration) -> f64 {
        if self.sample(u64::MAX) <= value {
            return 1.0;
        }
        let (mut low, mut high) = (0, u64::MAX);
        while low < high {
            let middle = low + (high - low) / 2;
            if self.sample(middle) <= value {
                low = middle + 1
            } else {
                high = middle
            }
        }
        low as f64 / DRAWS
    }

    /// A portable hash of everything that `sample` reads: equal tables sample alike.
    #[must_use]
    pub fn fingerprint(&self) -> u64 {
        let fold = |hash, cell: &Cell| mix64(mix64(hash ^ cell.start) ^ cell.width);
        match &self.shape {
            Shape::Constant(value) => mix64(value.as_nanos()),
            Shape::Uniform(cell) => fold(1, cell),
            Shape::Table(cells) => {
                weighted_cells(cells.as_slice()).fold(2, |hash, (_, cell)| fold(hash, cell))
            }
        }
    }
}

/// A [`Sampler`]'s distribution, borrowed.
#[derive(Clone, Copy)]
pub(crate) enum Sampling<'a> {
    Constant(Duration),
    Uniform(Cell),
    Table(&'a [Cell; TABLE]),
}

impl Sampling<'_> {
    /// As [`Sampler::sample_with`].
    #[inline(always)]
    pub(crate) fn sample_with(self, draw: impl FnOnce() -> u64) -> Duration {
        match self {
            Self::Table(cells) => sample_table(cells, draw()),
            Self::Constant(value) => value,
            Self::Uniform(cell) => cell.at(draw()),
        }
    }
}

#[inline(always)]
fn sample_table(cells: &[Cell; TABLE], draw: u64) -> Duration {
    let first = (draw >> (64 - CELL_BITS)) as usize;
    if first < REFINED {
        cells[first].at(draw << CELL_BITS)
    } else {
        sample_tail(cells, draw)
    }
}

/// One draw in 256 falls into a refined cell.
#[cold]
#[inline(never)]
fn sample_tail(cells: &[Cell; TABLE], draw: u64) -> Duration {
    let level = (draw.leading_ones() / LEVEL_BITS).min(LEVELS - 1);
    let rest = draw << (LEVEL_BITS * level);
    let index = level as usize * CELLS + (rest >> (64 - CELL_BITS)) as usize;
    cells[index].at(rest << CELL_BITS)
}

/// The cells in use, in order, each with the logarithm of its weight in units of 2^-44.
fn weighted_cells(cells: &[Cell]) -> impl Iterator<Item = (u32, &Cell)> {
    (0..LEVELS)
        .zip(cells.chunks(CELLS))
        .flat_map(|(level, row)| {
            let shift = LEVEL_BITS * (LEVELS - 1 - level);
            row[..used(level)].iter().map(move |cell| (shift, cell))
        })
}

/// Cells of `level` that the next one does not refine.
const fn used(level: u32) -> usize {
    if level + 1 < LEVELS { REFINED } else { CELLS }
}

fn table(law: &Distribution) -> Arc<[Cell; TABLE]> {
    let mut cells = Vec::with_capacity(TABLE);
    let mut floor = 0;
    for level in 0..LEVELS {
        let mut border = Node::new(law, level, 0);
        for k in 1..=used(level) {
            let next = Node::new(law, level, k);
            let cell = border.cell(&next, level).not_before(floor);
            floor = cell.end();
            cells.push(cell);
            border = next;
        }
        // The last cells are refined by the next level and never read.
        cells.resize(
            (level as usize + 1) * CELLS,
            Cell {
                start: floor,
                width: 1,
            },
        );
    }
    let cells: Arc<[Cell]> = cells.into();
    cells
        .try_into()
        .expect("each level was filled to its full length")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// E[X²] of the samples, in seconds squared.
    fn second_moment(sampler: &Sampler) -> f64 {
        let Shape::Table(cells) = &sampler.shape else {
            panic!("only tables have cells")
        };
        let square = |cell: &Cell| {
            let (mean, width) = (
                cell.start as f64 + cell.width as f64 / 2.0,
                cell.width as f64,
            );
            mean * mean + width * width / 12.0
        };
        let scaled = |(shift, cell)| square(cell) * (1_u64 << shift) as f64;
        weighted_cells(cells.as_slice()).map(scaled).sum::<f64>()
            / (1_u64 << WEIGHT_BITS) as f64
            / 1e18
    }

    #[test]
    fn second_moments_are_close_to_the_closed_form() {
        let exponential = Distribution::exponential(Duration::from_secs(1)).unwrap();
        let lognormal = Distribution::lognormal_mu_sigma(-0.5, 1.0).unwrap();
        for (distribution, expected) in [(exponential, 2.0), (lognormal, std::f64::consts::E)] {
            let got = second_moment(&Sampler::new(&distribution));
            assert!(
                (got / expected - 1.0).abs() < 2e-4,
                "{distribution:?}: {got}"
            );
        }
    }

    #[test]
    fn cells_follow_each_other_without_going_back() {
        let heavy = Distribution::lognormal_mu_sigma(2.0, 30.0).unwrap();
        let infinite = Distribution::pareto(0.5, Duration::from_millis(1)).unwrap();
        for distribution in [heavy, infinite] {
            let sampler = Sampler::new(&distribution);
            let Shape::Table(cells) = &sampler.shape else {
                panic!("only tables have cells")
            };
            let in_use: Vec<Cell> = weighted_cells(cells.as_slice())
                .map(|(_, cell)| *cell)
                .collect();
            assert_eq!(in_use.len(), (LEVELS as usize - 1) * REFINED + CELLS);
            assert!(in_use.windows(2).all(|pair| pair[0].end() <= pair[1].start));
            assert!(in_use.iter().all(|cell| cell.width >= 1));
        }
    }

    #[test]
    fn clones_share_the_table() {
        let sampler = Sampler::new(&Distribution::exponential(Duration::from_secs(1)).unwrap());
        let (Shape::Table(one), Shape::Table(other)) = (&sampler.shape, &sampler.clone().shape)
        else {
            panic!("an exponential has a table")
        };
        assert!(Arc::ptr_eq(one, other));
    }
}
