//! The incomplete beta function and what it inverts to: binomial tails, exact bounds, Student's t.

use super::root;
use super::special::nonzero;

const LIMIT: u32 = 100_000;

/// Regularised incomplete beta function I_x(a, b), by the continued fraction DLMF 8.17.22 with the
/// modified Lentz method, on the side where it converges fast.
pub(crate) fn incomplete_beta(a: f64, b: f64, x: f64) -> f64 {
    if x <= 0.0 || x >= 1.0 {
        return if x <= 0.0 { 0.0 } else { 1.0 };
    }
    let front = libm::exp(
        libm::lgamma(a + b) - libm::lgamma(a) - libm::lgamma(b)
            + a * libm::log(x)
            + b * libm::log1p(-x),
    );
    if x < (a + 1.0) / (a + b + 2.0) {
        front * fraction(a, b, x) / a
    } else {
        1.0 - front * fraction(b, a, 1.0 - x) / b
    }
}

fn fraction(a: f64, b: f64, x: f64) -> f64 {
    let mut c = 1.0;
    let mut d = 1.0 / nonzero(1.0 - (a + b) * x / (a + 1.0));
    let mut product = d;
    for m in 1..=LIMIT {
        let m = f64::from(m);
        let even = m * (b - m) * x / ((a + 2.0 * m - 1.0) * (a + 2.0 * m));
        d = 1.0 / nonzero(1.0 + even * d);
        c = nonzero(1.0 + even / c);
        product *= d * c;
        let odd = -(a + m) * (a + b + m) * x / ((a + 2.0 * m) * (a + 2.0 * m + 1.0));
        d = 1.0 / nonzero(1.0 + odd * d);
        c = nonzero(1.0 + odd / c);
        let factor = d * c;
        product *= factor;
        if (factor - 1.0).abs() < f64::EPSILON {
            break;
        }
    }
    product
}

/// The x with I_x(a, b) = `probability`.
pub(super) fn beta_quantile(a: f64, b: f64, probability: f64) -> f64 {
    // On the logit of x and of the probability both tails are resolved and nearly straight.
    let logit = |p: f64| libm::log(p) - libm::log1p(-p);
    let expit = |y: f64| 1.0 / (1.0 + libm::exp(-y));
    let target = logit(probability);
    let miss = |y: f64| logit(incomplete_beta(a, b, expit(y))).clamp(-1e3, 1e3) - target;
    expit(root::bracketed(miss, -60.0, 36.0, 1e-14))
}

/// P(B ≤ k) for B binomial of `trials` trials of probability `p`.
pub(super) fn binomial_at_most(k: u64, trials: u64, p: f64) -> f64 {
    if k >= trials {
        return 1.0;
    }
    incomplete_beta((trials - k) as f64, (k + 1) as f64, 1.0 - p)
}

/// The 0.975 quantile of Student's t with `degrees` degrees of freedom:
/// I_{d/(d+t²)}(d/2, 1/2) = 0.05.
pub(super) fn student_t95(degrees: u64) -> f64 {
    let degrees = degrees as f64;
    let y = beta_quantile(degrees / 2.0, 0.5, 0.05);
    (degrees * (1.0 - y) / y).sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_incomplete_beta_has_closed_forms() {
        for x in [0.01, 0.3, 0.5, 0.9, 0.999] {
            assert!((incomplete_beta(1.0, 1.0, x) - x).abs() < 1e-15);
            assert!((incomplete_beta(3.0, 1.0, x) - x * x * x).abs() < 1e-14);
            let sum = incomplete_beta(2.5, 40.0, x) + incomplete_beta(40.0, 2.5, 1.0 - x);
            assert!((sum - 1.0).abs() < 1e-13);
        }
    }

    #[test]
    fn students_t_has_table_values() {
        for (degrees, t) in [
            (1, 12.706_204_736_432_095),
            (4, 2.776_445_105_197_793_5),
            (31, 2.039_513_446_396_408),
            (1000, 1.962_339_080_826_408_2),
        ] {
            assert!(
                (student_t95(degrees) - t).abs() < 1e-9 * t,
                "{}",
                student_t95(degrees)
            );
        }
    }

    #[test]
    fn binomial_tails_are_sums_of_terms() {
        assert!((binomial_at_most(1, 3, 0.5) - 0.5).abs() < 1e-15);
        assert!((binomial_at_most(0, 10, 0.1) - 0.348_678_440_1).abs() < 1e-14);
        assert!((binomial_at_most(10, 10, 0.1) - 1.0).abs() < 1e-15);
    }
}
