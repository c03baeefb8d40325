//! Nelder and Mead's simplex search (*Computer Journal* 7, 1965): a few smooth parameters.

use std::cell::Cell;

/// A point and the value there.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct Found {
    /// Where the least value is.
    pub(crate) point: Vec<f64>,
    /// The least value.
    pub(crate) value: f64,
    /// Evaluations that were made.
    pub(crate) evaluations: u32,
}

/// The least value of `f` near `start`, the simplex reaching `step` along each axis, in at most
/// `limit` evaluations or until the values agree to `tolerance` relatively. What is no number
/// counts as infinite.
pub(crate) fn minimise(
    mut f: impl FnMut(&[f64]) -> f64,
    start: &[f64],
    step: f64,
    limit: u32,
    tolerance: f64,
) -> Found {
    let asked = Cell::new(0_u32);
    let mut ask = |point: &[f64]| {
        asked.set(asked.get() + 1);
        let value = f(point);
        if value.is_nan() { f64::INFINITY } else { value }
    };
    let mut corners: Vec<(Vec<f64>, f64)> = (0..=start.len())
        .map(|axis| {
            let mut point = start.to_vec();
            if let Some(moved) = axis.checked_sub(1) {
                point[moved] += step;
            }
            let value = ask(&point);
            (point, value)
        })
        .collect();
    while asked.get() < limit {
        corners.sort_by(|a, b| a.1.total_cmp(&b.1));
        let (best, worst) = (corners[0].1, corners[corners.len() - 1].1);
        if worst - best <= tolerance * (best.abs() + 1e-300) {
            break;
        }
        improve(&mut corners, &mut ask);
    }
    corners.sort_by(|a, b| a.1.total_cmp(&b.1));
    let (point, value) = corners.swap_remove(0);
    Found {
        point,
        value,
        evaluations: asked.get(),
    }
}

/// Replaces the worst of the sorted corners, or shrinks the simplex.
fn improve(corners: &mut [(Vec<f64>, f64)], ask: &mut impl FnMut(&[f64]) -> f64) {
    let last = corners.len() - 1;
    let centre: Vec<f64> = (0..last)
        .map(|axis| {
            corners[..last]
                .iter()
                .map(|(point, _)| point[axis])
                .sum::<f64>()
                / last as f64
        })
        .collect();
    let worst = corners[last].clone();
    let mut along = |factor: f64| {
        let point: Vec<f64> = centre
            .iter()
            .zip(&worst.0)
            .map(|(centre, worst)| centre + factor * (centre - worst))
            .collect();
        let value = ask(&point);
        (point, value)
    };
    let reflected = along(1.0);
    if reflected.1 < corners[0].1 {
        let expanded = along(2.0);
        corners[last] = if expanded.1 < reflected.1 {
            expanded
        } else {
            reflected
        };
        return;
    }
    if reflected.1 < corners[last - 1].1 {
        corners[last] = reflected;
        return;
    }
    let contracted = along(if reflected.1 < worst.1 { 0.5 } else { -0.5 });
    if contracted.1 < worst.1.min(reflected.1) {
        corners[last] = contracted;
        return;
    }
    let best = corners[0].0.clone();
    for (point, value) in &mut corners[1..] {
        for (x, best) in point.iter_mut().zip(&best) {
            *x = best + 0.5 * (*x - best);
        }
        *value = ask(point);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bottom_of_rosenbrocks_valley_is_found() {
        let valley = |p: &[f64]| {
            let (a, b) = (1.0 - p[0], p[1] - p[0] * p[0]);
            a * a + 100.0 * b * b
        };
        let found = minimise(valley, &[-1.2, 1.0], 0.5, 1_000, 1e-14);
        assert!((found.point[0] - 1.0).abs() < 1e-5, "{found:?}");
        assert!(found.evaluations < 400, "{found:?}");
    }

    #[test]
    fn a_limit_of_evaluations_is_kept_within_one_shrinking() {
        let found = minimise(|p| p[0] * p[0], &[5.0], 1.0, 10, 0.0);
        assert!(found.evaluations <= 12, "{found:?}");
    }
}
