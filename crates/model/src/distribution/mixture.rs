//! Mixtures: weighted sums, and the quantile by a bracketed search on the mixed tails.

use super::Distribution;
use super::law::Tails;
use crate::stats::root;

/// Width, in nanoseconds, to which a quantile is searched: far below what a table keeps.
const TOLERANCE: f64 = 1e-3;
/// Stands for the logarithm of zero: below ln of the smallest number.
const LN_ZERO: f64 = -800.0;

/// Weighted sum over the components.
pub(super) fn weighted(
    parts: &[(f64, Distribution)],
    of: impl Fn(&Distribution) -> Tails,
) -> Tails {
    parts.iter().fold(
        Tails {
            below: 0.0,
            above: 0.0,
        },
        |sum, (weight, part)| {
            let tails = of(part);
            Tails {
                below: sum.below + weight * tails.below,
                above: sum.above + weight * tails.above,
            }
        },
    )
}

/// Quantile of the mixture. It lies between the components' quantiles; the search is on the
/// logarithm of the smaller tail, which is nearly straight.
pub(super) fn quantile(parts: &[(f64, Distribution)], at: Tails) -> f64 {
    let own = || parts.iter().map(|(_, part)| part.quantile_nanos(at));
    let low = own().fold(f64::INFINITY, f64::min);
    let high = own().fold(0.0, f64::max);
    if at.below <= 0.0 {
        return low;
    }
    if at.above <= 0.0 || low >= high {
        return high;
    }
    // An infinite end cannot be halved; what is beyond it saturates anyway.
    let high = high.min(1e30);
    let logarithm = |share: f64| {
        if share > 0.0 {
            libm::log(share)
        } else {
            LN_ZERO
        }
    };
    let miss = |x: f64| {
        let tails = weighted(parts, |part| part.tails(x));
        if at.below < 0.5 {
            logarithm(tails.below / at.below)
        } else {
            -logarithm(tails.above / at.above)
        }
    };
    root::bracketed(miss, low.min(high), high, TOLERANCE)
}
