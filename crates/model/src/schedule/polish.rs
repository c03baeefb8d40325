//! Newton's method on the gradient of a schedule's cost: moves all checks together, which the
//! search on a grid cannot.
//!
//! `∂C/∂x_k = S(x_{k−1}) − S(x_k) − f(x_k)(c + x_{k+1} − x_k)` (Barlow, Hunter and Proschan 1963);
//! its derivatives are a symmetric tridiagonal matrix.

use super::{Lag, Price, evaluate};

const STEPS: u32 = 40;
const HALVINGS: u32 = 12;

/// The checks moved to where the cost has no slope, as long as that costs less. The last one stays.
pub(super) fn polished(lag: &(impl Lag + ?Sized), price: Price, checks: Vec<f64>) -> Vec<f64> {
    let total = |checks: &[f64]| evaluate(lag, checks.iter().copied()).total(price);
    let mut best = total(&checks);
    let mut checks = checks;
    for _ in 0..STEPS {
        let Some(moves) = newton(lag, price, &checks) else {
            break;
        };
        let mut share = 1.0;
        let found = (0..HALVINGS).find_map(|_| {
            let moved = moved(&checks, &moves, share);
            share /= 2.0;
            let cost = total(&moved);
            (rising(&moved) && cost < best).then_some((moved, cost))
        });
        let Some((moved, cost)) = found else {
            break;
        };
        let gained = best - cost;
        (checks, best) = (moved, cost);
        if gained < 1e-13 * best {
            break;
        }
    }
    checks
}

fn moved(checks: &[f64], moves: &[f64], share: f64) -> Vec<f64> {
    let moves = moves.iter().chain(std::iter::once(&0.0));
    checks
        .iter()
        .zip(moves)
        .map(|(check, by)| check - share * by)
        .collect()
}

fn rising(checks: &[f64]) -> bool {
    checks.first().is_some_and(|first| *first > 0.0)
        && checks.windows(2).all(|pair| pair[0] < pair[1])
}

/// The solution of the tridiagonal system for all checks but the last; `None` if it has none.
fn newton(lag: &(impl Lag + ?Sized), price: Price, checks: &[f64]) -> Option<Vec<f64>> {
    let free = checks.len().checked_sub(1).filter(|free| *free > 0)?;
    let (mut ratios, mut values) = (Vec::with_capacity(free), Vec::with_capacity(free));
    let (mut before, mut below) = (1.0, 0.0);
    for k in 0..free {
        let at = checks[k];
        let (near, far) = (1e-5 * at, 1e-3 * at);
        let beyond = lag.survival(at);
        let density = (lag.survival(at - near) - lag.survival(at + near)) / (2.0 * near);
        let (early, late) = (lag.survival(at - far), lag.survival(at + far));
        let bend = -(early - 2.0 * beyond + late) / (far * far);
        let wait = price.seconds() + checks[k + 1] - at;
        let slope = before - beyond - density * wait;
        let diagonal = 2.0 * density - bend * wait;
        // Elimination downwards; the entry below the diagonal is minus the density before.
        let (ratio, value) = (
            ratios.last().copied().unwrap_or(0.0),
            values.last().copied().unwrap_or(0.0),
        );
        let pivot = diagonal + below * ratio;
        if !pivot.is_finite() || pivot <= 0.0 {
            return None;
        }
        ratios.push(-density / pivot);
        values.push((slope + below * value) / pivot);
        (before, below) = (beyond, density);
    }
    for k in (0..free.saturating_sub(1)).rev() {
        values[k] -= ratios[k] * values[k + 1];
    }
    Some(values)
}
