//! One bracketed root finder for everything that is inverted.

/// Iterations after which the bracket is as small as `f64` can make it.
const LIMIT: u32 = 200;

/// The root of `f` between `low` and `high`, to within `tolerance` or the last digits of `f64`.
///
/// Chandrupatla's method (*Advances in Engineering Software* 28, 1997): inverse quadratic
/// interpolation where it is safe, else bisection, so jumps and plateaus cost time only. If the
/// ends have the same sign the end nearer to zero is returned.
pub(crate) fn bracketed(f: impl Fn(f64) -> f64, low: f64, high: f64, tolerance: f64) -> f64 {
    let (mut a, mut b) = (high, low);
    let (mut fa, mut fb) = (f(a), f(b));
    if (fa > 0.0) == (fb > 0.0) {
        return if fa.abs() < fb.abs() { a } else { b };
    }
    let mut share = 0.5;
    for _ in 0..LIMIT {
        let x = a + share * (b - a);
        let fx = f(x);
        // `a` becomes the new point, `b` the end of other sign, `c` the point dropped.
        let (c, fc);
        if (fx > 0.0) == (fa > 0.0) {
            (c, fc) = (a, fa);
        } else {
            (c, fc) = (b, fb);
            (b, fb) = (a, fa);
        }
        (a, fa) = (x, fx);
        let (best, f_best) = if fa.abs() < fb.abs() {
            (a, fa)
        } else {
            (b, fb)
        };
        let margin = (tolerance + 4.0 * f64::EPSILON * best.abs()) / (b - a).abs();
        if margin > 0.5 || f_best.abs() <= 0.0 {
            return best;
        }
        let xi = (a - b) / (c - b);
        let phi = (fa - fb) / (fc - fb);
        share = if phi * phi < xi && (1.0 - phi) * (1.0 - phi) < 1.0 - xi {
            fa / (fb - fa) * fc / (fb - fc) + (c - a) / (b - a) * fa / (fc - fa) * fb / (fc - fb)
        } else {
            0.5
        };
        share = share.clamp(margin, 1.0 - margin);
    }
    if fa.abs() < fb.abs() { a } else { b }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_root_is_found_to_the_last_digits() {
        let root = bracketed(|x| x * x * x - 2.0, 0.0, 2.0, 0.0);
        assert!((root - 1.259_921_049_894_873_2).abs() < 1e-15, "{root}");
    }

    #[test]
    fn a_jump_is_found_by_halving() {
        let root = bracketed(|x| if x < 3.25 { -1.0 } else { 5.0 }, 0.0, 1e9, 1e-6);
        assert!((root - 3.25).abs() < 1e-5, "{root}");
    }

    #[test]
    fn without_a_change_of_sign_the_nearer_end_is_returned() {
        assert!((bracketed(|x| x + 1.0, 0.0, 2.0, 0.0)).abs() < 1e-300);
    }
}
