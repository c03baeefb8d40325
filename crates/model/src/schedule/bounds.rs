//! Closed forms and bounds: what the search for a schedule is held against.

use super::Price;
use crate::distribution::{Distribution, Tails};
use crate::stats::root;

/// The best period for an exponential lag, which has no memory.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Periodic {
    /// Seconds between checks, and to the first.
    pub period: f64,
    /// Calls per recording.
    pub calls: f64,
    /// Mean delay in seconds.
    pub delay: f64,
    /// Delay plus calls at their price, in seconds: price plus period.
    pub cost: f64,
}

/// The optimum for an exponential lag of `mean` seconds: `e^y − y − 1 = price/mean`, period
/// `y × mean` (Barlow, Hunter and Proschan 1963).
#[must_use]
pub fn periodic_optimum(mean: f64, price: Price) -> Periodic {
    let target = price.seconds() / mean;
    // e^y - y - 1 is at least y²/2, so the root is below √(2 target).
    let y = root::bracketed(
        |y| libm::expm1(y) - y - target,
        0.0,
        (2.0 * target).sqrt(),
        0.0,
    );
    let period = y * mean;
    let calls = -1.0 / libm::expm1(-y);
    Periodic {
        period,
        calls,
        delay: period * calls - mean,
        cost: price.seconds() + period,
    }
}

/// Checks that are best for a lag uniform on 0 to `longest` seconds: each gap is shorter than the
/// one before by the price. They are also Derman's minimax checks (1961) for a lag whose
/// longest value alone is known.
#[must_use]
pub fn uniform_optimum(longest: f64, price: Price) -> Vec<f64> {
    let c = price.seconds();
    let count = minimax_checks(longest, c);
    let n = f64::from(count);
    let check = |k| {
        let k = f64::from(k);
        k * longest / n + k * (n - k) * c / 2.0
    };
    (1..=count).map(check).collect()
}

/// The least cost that can be promised for every lag of at most `longest` seconds, by Derman's
/// schedule (1961), which is [`uniform_optimum`]: `T/N + c(N + 1)/2`.
#[must_use]
pub fn minimax_schedule(longest: f64, price: Price) -> f64 {
    let c = price.seconds();
    let n = f64::from(minimax_checks(longest, c));
    longest / n + c * (n + 1.0) / 2.0
}

/// The largest n with n(n − 1)c/2 < T.
fn minimax_checks(longest: f64, c: f64) -> u32 {
    let mut n = 1_u32;
    while n < 1_000_000 && f64::from(n) * f64::from(n + 1) * c / 2.0 < longest {
        n += 1;
    }
    n
}

/// `J = ∫ √(density × survival) dt`, in √seconds. As calls become cheap the product of calls and
/// delay goes to J²/2 (Keller 1974); it is a limit and no bound.
#[must_use]
pub fn fluid_constant(law: &Distribution) -> f64 {
    const POINTS: u32 = 8_192;
    const NANOS: f64 = 1e9;
    let quantile = |below: f64, above: f64| law.quantile_nanos(Tails { below, above });
    let low = libm::log(quantile(1e-30, 1.0).max(1e-30));
    let high = libm::log(quantile(1.0, 1e-30).clamp(1e-30, 1e60));
    // The trapezoid rule on ln t: the integrand vanishes smoothly at both ends.
    let step = (high - low) / f64::from(POINTS);
    let sum: f64 = (0..=POINTS)
        .map(|k| {
            let t = libm::exp(low + step * f64::from(k));
            t * (law.density(t) * law.tails(t).above).sqrt()
        })
        .sum();
    sum * step / NANOS.sqrt()
}

/// A back-off whose checks are at `first × factor^k`, for a lag that nothing is known about.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct GeometricBackoff {
    /// Growth from check to check, above 1.
    pub factor: f64,
}

impl GeometricBackoff {
    /// The largest delay as a share of the lag.
    #[must_use]
    pub fn worst_delay(self) -> f64 {
        self.factor - 1.0
    }

    /// The mean delay as a share of the lag, when the first check has a random phase.
    #[must_use]
    pub fn mean_delay(self) -> f64 {
        (self.factor - 1.0) / libm::log(self.factor) - 1.0
    }

    /// Calls for each factor of ten in the lag.
    #[must_use]
    pub fn calls_per_decade(self) -> f64 {
        std::f64::consts::LN_10 / libm::log(self.factor)
    }
}
