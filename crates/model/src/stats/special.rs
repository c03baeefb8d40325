//! Normal and gamma probabilities and their inverses, portable to the last bit.

use crate::distribution::Tails;

/// The 0.975 quantile of the standard normal: half-width of a 95 % interval.
pub(crate) const Z95: f64 = 1.959_963_984_540_054;

/// Terms after which a series or fraction has converged for every shape that is allowed.
const LIMIT: u32 = 10_000;

/// Tails of the standard normal at `z`.
pub(crate) fn normal_tails(z: f64) -> Tails {
    let scaled = z * std::f64::consts::FRAC_1_SQRT_2;
    let (below, above) = erfc_of_both(scaled);
    Tails {
        below: below / 2.0,
        above: above / 2.0,
    }
}

/// The complementary error function of `-x` and of `x`.
fn erfc_of_both(x: f64) -> (f64, f64) {
    // Below this `libm` has other polynomials, and `2 - erfc` is another number.
    if x.abs() < 0.84375 || x.is_nan() {
        return (libm::erfc(-x), libm::erfc(x));
    }
    let far = libm::erfc(x.abs());
    if x > 0.0 {
        (2.0 - far, far)
    } else {
        (far, 2.0 - far)
    }
}

/// Quantile of the standard normal: Wichura's PPND16, algorithm AS 241 (*Applied Statistics* 37,
/// 1988), good to about 1e-16, from whichever tail is the smaller.
pub(crate) fn normal_quantile(at: Tails) -> f64 {
    let centred = if at.below < at.above {
        at.below - 0.5
    } else {
        0.5 - at.above
    };
    if centred.abs() <= 0.425 {
        let r = 0.180_625 - centred * centred;
        return centred * polynomial(r, &A) / polynomial(r, &B);
    }
    let tail = at.below.min(at.above);
    let size = if tail <= 0.0 {
        f64::INFINITY
    } else {
        let r = (-libm::log(tail)).sqrt();
        if r <= 5.0 {
            polynomial(r - 1.6, &C) / polynomial(r - 1.6, &D)
        } else {
            polynomial(r - 5.0, &E) / polynomial(r - 5.0, &F)
        }
    };
    if centred < 0.0 { -size } else { size }
}

fn polynomial(x: f64, coefficients: &[f64; 8]) -> f64 {
    coefficients
        .iter()
        .rev()
        .fold(0.0, |sum, coefficient| sum * x + coefficient)
}

/// Regularised incomplete gamma functions P and Q of `shape` at `x`: series below `shape + 1`,
/// continued fraction (modified Lentz) above. *Numerical Recipes* 6.2; DLMF 8.11.4 and 8.9.2.
pub(crate) fn gamma_tails(shape: f64, x: f64) -> Tails {
    if x <= 0.0 {
        return Tails {
            below: 0.0,
            above: 1.0,
        };
    }
    if !x.is_finite() {
        return Tails {
            below: 1.0,
            above: 0.0,
        };
    }
    let front = libm::exp(shape * libm::log(x) - x - libm::lgamma(shape));
    if x < shape + 1.0 {
        let (mut term, mut sum, mut n) = (1.0 / shape, 1.0 / shape, shape);
        for _ in 0..LIMIT {
            n += 1.0;
            term *= x / n;
            sum += term;
            if term < sum * f64::EPSILON / 4.0 {
                break;
            }
        }
        let below = (front * sum).min(1.0);
        return Tails {
            below,
            above: 1.0 - below,
        };
    }
    let above = (front * gamma_fraction(shape, x)).min(1.0);
    Tails {
        below: 1.0 - above,
        above,
    }
}

/// Continued fraction of Γ(shape, x) e^x x^-shape.
fn gamma_fraction(shape: f64, x: f64) -> f64 {
    let mut b = x + 1.0 - shape;
    let mut c = 1e300;
    let mut d = 1.0 / b;
    let mut product = d;
    for k in 1..=LIMIT {
        let k = f64::from(k);
        let a = -k * (k - shape);
        b += 2.0;
        d = 1.0 / nonzero(a * d + b);
        c = nonzero(b + a / c);
        let factor = d * c;
        product *= factor;
        if (factor - 1.0).abs() < f64::EPSILON {
            break;
        }
    }
    product
}

/// Keeps a continued fraction from dividing by zero.
pub(crate) fn nonzero(value: f64) -> f64 {
    if value.abs() < 1e-300 { 1e-300 } else { value }
}

/// Quantile of the gamma of shape `shape` and scale 1.
///
/// Newton on the logarithm of the smaller tail against t = ln x. Both tails are log-concave in t,
/// so the steps converge from anywhere; a bracket, narrowed at each step, guards against rounding.
pub(crate) fn gamma_quantile(shape: f64, at: Tails) -> f64 {
    if at.below <= 0.0 || at.above <= 0.0 {
        return if at.below <= 0.0 { 0.0 } else { f64::INFINITY };
    }
    let lower = at.below < at.above;
    let target = libm::log(if lower { at.below } else { at.above });
    let log_gamma = libm::lgamma(shape);
    let mut t = gamma_guess(shape, at, log_gamma);
    // Below -745 / shape a shape this small has left the range of f64.
    let (mut low, mut high) = (-800.0 / shape - 800.0, 50.0);
    for _ in 0..100 {
        let x = libm::exp(t);
        let tails = gamma_tails(shape, x);
        let tail = if lower { tails.below } else { tails.above };
        // The derivative of a tail by t is x times the density.
        let density = libm::exp(shape * t - x - log_gamma);
        let miss = libm::log(tail) - target;
        let too_low = if lower { miss < 0.0 } else { miss > 0.0 };
        if too_low {
            low = t
        } else {
            high = t
        }
        let step = if lower {
            -miss * tail / density
        } else {
            miss * tail / density
        };
        let newton = t + step;
        let next = if newton > low && newton < high {
            newton
        } else {
            low + (high - low) / 2.0
        };
        let moved = (next - t).abs();
        t = next;
        if moved < 1e-13 {
            break;
        }
    }
    libm::exp(t)
}

/// First guess of ln x: the lower tail's leading term x^shape / Γ(shape + 1) while that is small,
/// else Wilson and Hilferty's cube (1931).
fn gamma_guess(shape: f64, at: Tails, log_gamma: f64) -> f64 {
    let leading = (libm::log(at.below) + log_gamma + libm::log(shape)) / shape;
    let spread = 1.0 / (9.0 * shape);
    let root = 1.0 - spread + normal_quantile(at) * spread.sqrt();
    if shape < 1.0 && leading < -1.0 || root <= 0.0 {
        leading
    } else {
        libm::log(shape * root * root * root)
    }
}

const A: [f64; 8] = [
    3.387_132_872_796_366_5,
    133.141_667_891_784_38,
    1_971.590_950_306_551_3,
    13_731.693_765_509_46,
    45_921.953_931_549_87,
    67_265.770_927_008_7,
    33_430.575_583_588_13,
    2_509.080_928_730_122_7,
];
const B: [f64; 8] = [
    1.0,
    42.313_330_701_600_91,
    687.187_007_492_057_9,
    5_394.196_021_424_751,
    21_213.794_301_586_597,
    39_307.895_800_092_71,
    28_729.085_735_721_943,
    5_226.495_278_852_854,
];
const C: [f64; 8] = [
    1.423_437_110_749_683_5,
    4.630_337_846_156_546,
    5.769_497_221_460_691,
    3.647_848_324_763_204_5,
    1.270_458_252_452_368_4,
    0.241_780_725_177_450_6,
    0.022_723_844_989_269_184,
    0.000_774_545_014_278_341_4,
];
const D: [f64; 8] = [
    1.0,
    2.053_191_626_637_759,
    1.676_384_830_183_803_8,
    0.689_767_334_985_1,
    0.148_103_976_427_480_08,
    0.015_198_666_563_616_457,
    0.000_547_593_808_499_534_5,
    1.050_750_071_644_416_9e-9,
];
const E: [f64; 8] = [
    6.657_904_643_501_103,
    5.463_784_911_164_114,
    1.784_826_539_917_291_3,
    0.296_560_571_828_504_87,
    0.026_532_189_526_576_124,
    0.001_242_660_947_388_078_4,
    2.711_555_568_743_487_6e-5,
    2.010_334_399_292_288_1e-7,
];
const F: [f64; 8] = [
    1.0,
    0.599_832_206_555_888,
    0.136_929_880_922_735_8,
    0.014_875_361_290_850_615,
    0.000_786_869_131_145_613_3,
    1.846_318_317_510_054_8e-5,
    1.421_511_758_316_446e-7,
    2.044_263_103_389_939_7e-15,
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_sides_of_the_error_function_are_what_the_library_gives() {
        let steps = (-60_000..=60_000).map(|step| f64::from(step) / 2_000.0);
        let border = [0.84375_f64, 0.84375_f64.next_down(), 6.0, 28.0];
        let others = [0.0, -0.0, 1e-300, f64::INFINITY, f64::MAX];
        let points = steps.chain(border).chain(others);
        for x in points.flat_map(|x| [x, -x]) {
            let (below, above) = erfc_of_both(x);
            assert_eq!(below.to_bits(), libm::erfc(-x).to_bits(), "erfc(-{x})");
            assert_eq!(above.to_bits(), libm::erfc(x).to_bits(), "erfc({x})");
        }
        assert!(erfc_of_both(f64::NAN).0.is_nan());
    }

    #[test]
    fn the_normal_quantile_inverts_both_tails() {
        for exponent in 1..300 {
            let tail = libm::pow(10.0, -f64::from(exponent) / 10.0);
            let at = Tails {
                below: tail,
                above: 1.0 - tail,
            };
            let back = normal_tails(normal_quantile(at)).below;
            assert!(
                (back / tail - 1.0).abs() < 1e-13,
                "{tail} came back as {back}"
            );
            let mirrored = Tails {
                below: at.above,
                above: at.below,
            };
            assert!((normal_quantile(at) + normal_quantile(mirrored)).abs() < 1e-14);
        }
    }

    #[test]
    fn the_normal_quantile_has_published_values() {
        let z = |below: f64| {
            normal_quantile(Tails {
                below,
                above: 1.0 - below,
            })
        };
        assert!((z(0.975) - Z95).abs() < 1e-14);
        assert!((z(0.25) + 0.674_489_750_196_081_7).abs() < 1e-15);
        assert!((z(1e-20) + 9.262_340_089_798_408).abs() < 1e-13);
    }

    #[test]
    fn the_incomplete_gamma_has_reference_values() {
        // Computed with mpmath at 40 digits.
        for (shape, x, below, above) in GAMMA {
            let tails = gamma_tails(shape, x);
            assert!(
                (tails.below / below - 1.0).abs() < 1e-11,
                "P({shape}, {x}): {tails:?}"
            );
            assert!(
                (tails.above / above - 1.0).abs() < 1e-11,
                "Q({shape}, {x}): {tails:?}"
            );
        }
    }

    #[test]
    fn the_gamma_quantile_inverts_both_tails() {
        for shape in [0.01, 0.3, 1.0, 2.5, 40.0, 9_000.0] {
            for tail in [0.5, 0.1, 1e-3, 1e-9, 3e-15] {
                let lower = Tails {
                    below: tail,
                    above: 1.0 - tail,
                };
                let x = gamma_quantile(shape, lower);
                // A tiny shape puts its lower quantiles below the smallest number.
                if x > 1e-290 {
                    let back = gamma_tails(shape, x).below;
                    assert!((back / tail - 1.0).abs() < 1e-9, "{shape}, {tail}: {back}");
                }
                let upper = Tails {
                    below: 1.0 - tail,
                    above: tail,
                };
                let back = gamma_tails(shape, gamma_quantile(shape, upper)).above;
                assert!((back / tail - 1.0).abs() < 1e-9, "{shape}, {tail}: {back}");
            }
        }
    }

    const GAMMA: [(f64, f64, f64, f64); 9] = [
        (0.1, 0.01, 0.662_621_259_954_479_8, 0.337_378_740_045_520_2),
        (0.5, 3.0, 0.985_694_121_564_570_4, 0.014_305_878_435_429_64),
        (1.0, 0.5, 0.393_469_340_287_366_6, 0.606_530_659_712_633_4),
        (2.5, 2.0, 0.450_584_048_647_219_8, 0.549_415_951_352_780_2),
        (
            2.5,
            30.0,
            0.999_999_999_987_845_4,
            1.215_456_977_718_304e-11,
        ),
        (10.0, 3.0, 0.001_102_488_130_115_48, 0.998_897_511_869_884_5),
        (
            101.0,
            60.0,
            8.685_389_315_683_087e-7,
            0.999_999_131_461_068_4,
        ),
        (
            101.0,
            150.0,
            0.999_990_949_740_429_1,
            9.050_259_570_857_874e-6,
        ),
        (
            5_000.0,
            5_100.0,
            0.920_671_118_922_381,
            0.079_328_881_077_618_98,
        ),
    ];
}
