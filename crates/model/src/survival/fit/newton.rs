//! The last digits of a maximum, and the curvature there.

const STEP: f64 = 1e-3;

/// Follows the simplex's result to the bottom with Newton steps on numeric derivatives, as long as
/// they lead down.
pub(super) fn polish(f: &impl Fn(&[f64]) -> f64, near: Vec<f64>) -> Vec<f64> {
    let mut point = near;
    let mut value = f(&point);
    for _ in 0..6 {
        let slope = gradient(f, &point);
        let bend = hessian(f, &point, value);
        let Some(step) = solved(&bend, &slope) else {
            break;
        };
        let next: Vec<f64> = point.iter().zip(&step).map(|(x, step)| x - step).collect();
        let reached = f(&next);
        // At the bottom rounding decides; the step itself is then what counts.
        if reached.is_nan() || reached > value + 1e-9 * value.abs() {
            break;
        }
        let moved = step.iter().fold(0.0_f64, |most, step| most.max(step.abs()));
        (point, value) = (next, reached);
        if moved < 1e-9 {
            break;
        }
    }
    point
}

/// Central differences of the fourth order.
fn gradient(f: &impl Fn(&[f64]) -> f64, at: &[f64]) -> Vec<f64> {
    (0..at.len())
        .map(|k| {
            let moved = |steps: f64| {
                let mut point = at.to_vec();
                point[k] += steps * STEP;
                f(&point)
            };
            (8.0 * (moved(1.0) - moved(-1.0)) - (moved(2.0) - moved(-2.0))) / (12.0 * STEP)
        })
        .collect()
}

fn hessian(f: &impl Fn(&[f64]) -> f64, at: &[f64], value: f64) -> Vec<f64> {
    let size = at.len();
    let moved = |j: usize, a: f64, k: usize, b: f64| {
        let mut point = at.to_vec();
        point[j] += a * STEP;
        point[k] += b * STEP;
        f(&point)
    };
    let mut bend = vec![0.0; size * size];
    for j in 0..size {
        for k in 0..=j {
            let second = if j == k {
                (16.0 * (moved(j, 1.0, k, 0.0) + moved(j, -1.0, k, 0.0))
                    - (moved(j, 2.0, k, 0.0) + moved(j, -2.0, k, 0.0))
                    - 30.0 * value)
                    / (12.0 * STEP * STEP)
            } else {
                (moved(j, 1.0, k, 1.0) + moved(j, -1.0, k, -1.0)
                    - moved(j, 1.0, k, -1.0)
                    - moved(j, -1.0, k, 1.0))
                    / (4.0 * STEP * STEP)
            };
            bend[j * size + k] = second;
            bend[k * size + j] = second;
        }
    }
    bend
}

/// The inverse of the curvature of a negative log-likelihood: the parameters' covariance. What
/// cannot be inverted has no finite variance.
pub(super) fn covariance(f: &impl Fn(&[f64]) -> f64, at: &[f64]) -> Vec<f64> {
    let size = at.len();
    let bend = hessian(f, at, f(at));
    let mut inverse = vec![f64::INFINITY; size * size];
    for k in 0..size {
        let unit: Vec<f64> = (0..size).map(|j| f64::from(u8::from(j == k))).collect();
        if let Some(column) = solved(&bend, &unit) {
            for (j, value) in column.into_iter().enumerate() {
                inverse[j * size + k] = value;
            }
        }
    }
    inverse
}

/// The lower triangular factor of a covariance; a direction without finite variance is left out.
pub(super) fn cholesky(matrix: &[f64], size: usize) -> Vec<f64> {
    let mut factor = vec![0.0; size * size];
    for row in 0..size {
        for column in 0..=row {
            let dot: f64 = (0..column)
                .map(|k| factor[row * size + k] * factor[column * size + k])
                .sum();
            let rest = matrix[row * size + column] - dot;
            let value = if row == column {
                rest.max(0.0).sqrt()
            } else {
                rest / factor[column * size + column]
            };
            factor[row * size + column] = if value.is_finite() { value } else { 0.0 };
        }
    }
    factor
}

/// The solution of a small linear system, by elimination with pivots; `None` if there is none.
fn solved(matrix: &[f64], right: &[f64]) -> Option<Vec<f64>> {
    let size = right.len();
    let mut rows: Vec<Vec<f64>> = (0..size)
        .map(|row| {
            let mut line = matrix[row * size..(row + 1) * size].to_vec();
            line.push(right[row]);
            line
        })
        .collect();
    for column in 0..size {
        let pivot = (column..size)
            .max_by(|&a, &b| rows[a][column].abs().total_cmp(&rows[b][column].abs()))?;
        rows.swap(column, pivot);
        let head = rows[column].clone();
        if head[column].abs() < 1e-12 || !head[column].is_finite() {
            return None;
        }
        for (row, line) in rows.iter_mut().enumerate() {
            if row != column {
                let factor = line[column] / head[column];
                for (value, above) in line.iter_mut().zip(&head) {
                    *value -= factor * above;
                }
            }
        }
    }
    let value = |row: usize| rows[row][size] / rows[row][row];
    Some((0..size).map(value).collect())
}
