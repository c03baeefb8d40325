//! Distances between a sample and a distribution function, and between two samples.

/// Kolmogorov and Smirnov's D, Anderson and Darling's A², Cramér and von Mises' W².
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Distances {
    /// Largest distance between the two functions.
    pub kolmogorov_smirnov: f64,
    /// Squared distance, the tails weighing more.
    pub anderson_darling: f64,
    /// Squared distance.
    pub cramer_von_mises: f64,
}

/// The distances of the rising sample from a distribution: `probabilities` holds, per observation,
/// how likely at most it and more than it is (each tail by itself, so that neither loses digits).
/// Stephens, *Journal of the American Statistical Association* 69 (1974).
#[must_use]
pub fn distances(probabilities: &[(f64, f64)]) -> Distances {
    let n = probabilities.len() as f64;
    let (mut most, mut weighted, mut squares) = (0.0_f64, 0.0, 1.0 / (12.0 * n));
    for (index, &(below, _)) in probabilities.iter().enumerate() {
        let k = index as f64;
        most = most.max((k + 1.0) / n - below).max(below - k / n);
        let middle = (2.0 * k + 1.0) / (2.0 * n) - below;
        squares += middle * middle;
        let mirrored = probabilities[probabilities.len() - 1 - index].1;
        weighted += (2.0 * k + 1.0) * (libm::log(below) + libm::log(mirrored));
    }
    Distances {
        kolmogorov_smirnov: most,
        anderson_darling: -n - weighted / n,
        cramer_von_mises: squares,
    }
}

/// The largest distance between the empirical functions of two rising samples.
#[must_use]
pub fn two_sample_distance(first: &[f64], second: &[f64]) -> f64 {
    let share = |sample: &[f64], at: f64| {
        sample.partition_point(|&value| value <= at) as f64 / sample.len().max(1) as f64
    };
    first
        .iter()
        .chain(second)
        .map(|&at| (share(first, at) - share(second, at)).abs())
        .fold(0.0, f64::max)
}

/// Exact probability of a D of at least `distance` in `count` observations of a distribution that
/// is known beforehand: Marsaglia, Tsang and Wang (*Journal of Statistical Software* 8, 2003).
#[must_use]
pub fn kolmogorov_smirnov_p(distance: f64, count: u32) -> f64 {
    let n = f64::from(count);
    let scaled = n * distance;
    let k = libm::floor(scaled) + 1.0;
    let h = k - scaled;
    let size = whole(2.0 * k - 1.0);
    let at = |row: usize, column: usize| row * size + column;
    let mut matrix = vec![0.0; size * size];
    for row in 0..size {
        for column in 0..size {
            let step = row as f64 - column as f64 + 1.0;
            if step >= 0.0 {
                let edge = |power: f64| libm::pow(h, power);
                let mut value = 1.0;
                if column == 0 {
                    value -= edge(row as f64 + 1.0);
                }
                if row == size - 1 {
                    value -= edge((size - column) as f64);
                }
                if column == 0 && row == size - 1 {
                    value += libm::pow((2.0 * h - 1.0).max(0.0), size as f64);
                }
                matrix[at(row, column)] = value / libm::tgamma(step + 1.0);
            }
        }
    }
    let middle = whole(k - 1.0);
    let (mut row, mut scale) = (vec![0.0; size], 0.0);
    row[middle] = 1.0;
    for step in 1..=count {
        let mut next = vec![0.0; size];
        for (from, value) in row.iter().enumerate() {
            for (to, sum) in next.iter_mut().enumerate() {
                *sum += value * matrix[at(from, to)];
            }
        }
        // n!/n^n, a factor at a time.
        for value in &mut next {
            *value *= f64::from(step) / n;
        }
        row = next;
        let largest = row.iter().copied().fold(0.0, f64::max);
        if largest < 1e-100 {
            for value in &mut row {
                *value *= 1e100;
            }
            scale -= 100.0;
        }
    }
    1.0 - row[middle] * libm::pow(10.0, scale)
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a small whole number"
)]
fn whole(value: f64) -> usize {
    value as usize
}
