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
    let front = libm::exp(a * libm::log(x) + b * libm::log1p(-x) - ln_beta(a, b));
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

/// Natural logarithm of the beta function B(a, b).
///
/// Above 10 the large terms of Stirling's series are taken together, so that nothing cancels:
/// ln Γ(b) − ln Γ(a + b) keeps its digits for samples of millions (DLMF 5.11.1).
pub(super) fn ln_beta(a: f64, b: f64) -> f64 {
    let (small, large) = if a < b { (a, b) } else { (b, a) };
    if large < 10.0 {
        return libm::lgamma(small) + libm::lgamma(large) - libm::lgamma(small + large);
    }
    let sum = small + large;
    if small < 10.0 {
        let ratio = small - (large - 0.5) * libm::log1p(small / large) - small * libm::log(sum);
        return libm::lgamma(small) + ratio + stirling(large) - stirling(sum);
    }
    let half_ln_two_pi = 0.918_938_533_204_672_7;
    half_ln_two_pi
        - (large - 0.5) * libm::log1p(small / large)
        - (small - 0.5) * libm::log1p(large / small)
        - 0.5 * libm::log(sum)
        + stirling(small)
        + stirling(large)
        - stirling(sum)
}

/// ln Γ(x) − (x − ½) ln x + x − ½ ln 2π for x ≥ 10, to the last digits.
fn stirling(x: f64) -> f64 {
    const TERMS: [f64; 7] = [
        1.0 / 12.0,
        -1.0 / 360.0,
        1.0 / 1_260.0,
        -1.0 / 1_680.0,
        1.0 / 1_188.0,
        -691.0 / 360_360.0,
        1.0 / 156.0,
    ];
    let square = 1.0 / (x * x);
    TERMS
        .iter()
        .rev()
        .fold(0.0, |sum, term| sum * square + term)
        / x
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

/// The 0.975 quantile of Student's t with `degrees` degrees of freedom.
pub(super) fn student_t95(degrees: u64) -> f64 {
    student_t_quantile(0.975, degrees as f64)
}

/// The `probability` quantile of Student's t with `degrees` degrees of freedom, which need not be
/// whole: I_{d/(d+t²)}(d/2, 1/2) is the probability of both tails beyond t.
#[must_use]
pub fn student_t_quantile(probability: f64, degrees: f64) -> f64 {
    let tail = probability.min(1.0 - probability);
    let y = beta_quantile(degrees / 2.0, 0.5, 2.0 * tail);
    let t = (degrees * (1.0 - y) / y).sqrt();
    if probability < 0.5 { -t } else { t }
}

/// P(T > `t`) for Student's t with `degrees` degrees of freedom.
#[must_use]
pub fn student_t_above(t: f64, degrees: f64) -> f64 {
    let tail = 0.5 * incomplete_beta(degrees / 2.0, 0.5, degrees / (degrees + t * t));
    if t < 0.0 { 1.0 - tail } else { tail }
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
    fn students_t_has_tails_at_every_level() {
        // SciPy: stats.t.sf and stats.t.ppf.
        assert!(
            (2.0 * student_t_above(3.312_794_349_063_552_5, 9.0) / P_OF_PAIRED_T - 1.0).abs()
                < 1e-12
        );
        assert!((student_t_above(-1.0, 3.0) - 0.804_498_890_522_114_7).abs() < 1e-13);
        for (level, degrees) in [(0.6, 3.0), (0.9, 19.0), (0.995, 38.7), (0.001, 7.0)] {
            let back = 1.0 - student_t_above(student_t_quantile(level, degrees), degrees);
            assert!((back - level).abs() < 1e-11, "{level}: {back}");
        }
    }

    /// Two-sided p of the paired t test of ten pairs (SciPy `ttest_rel`).
    const P_OF_PAIRED_T: f64 = 0.009_043_546_531_952_735;

    #[test]
    fn the_logarithm_of_beta_keeps_its_digits_for_large_samples() {
        for (a, b, expected) in LN_BETA {
            let got = ln_beta(a, b);
            assert!(
                (got - expected).abs() < 1e-14 * (1.0 + expected.abs()),
                "{a}, {b}: {got}"
            );
            assert_eq!(ln_beta(b, a).to_bits(), got.to_bits());
        }
    }

    #[test]
    fn binomial_tails_are_sums_of_terms() {
        assert!((binomial_at_most(1, 3, 0.5) - 0.5).abs() < 1e-15);
        assert!((binomial_at_most(0, 10, 0.1) - 0.348_678_440_1).abs() < 1e-14);
        assert!((binomial_at_most(10, 10, 0.1) - 1.0).abs() < 1e-15);
    }

    /// mpmath at 30 digits.
    const LN_BETA: [(f64, f64, f64); 6] = [
        (0.5, 40_000.5, -4.725_955_548_623_336),
        (2.5, 99_998.5, -28.497_612_041_827_65),
        (0.5, 3.25, 0.021_351_295_440_008_39),
        (12.0, 15.0, -18.568_172_732_389_435),
        (500.0, 700.0, -816.950_570_185_658_4),
        (30.5, 2e6, -369.560_814_777_194_6),
    ];
}
