//! The exact cost of a schedule on a lag.

use super::Lag;

/// What a call is worth: so many seconds of delay.
#[derive(Clone, Copy, PartialEq, PartialOrd, Debug)]
pub struct Price(f64);

impl Price {
    /// A call is worth `seconds` of delay; `None` unless that is finite and above zero.
    #[must_use]
    pub fn new(seconds: f64) -> Option<Self> {
        (seconds.is_finite() && seconds > 0.0).then_some(Self(seconds))
    }

    /// Seconds of delay that a call is worth.
    #[must_use]
    pub const fn seconds(self) -> f64 {
        self.0
    }

    /// The price in units of `seconds`, which are above zero.
    pub(crate) const fn per(self, seconds: f64) -> Self {
        Self(self.0 / seconds)
    }
}

/// What a schedule costs per recording, in expectation.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Cost {
    /// Calls, those for abandoned recordings included.
    pub calls: f64,
    /// Seconds from readiness to the check that finds it; abandoned recordings add nothing.
    pub delay: f64,
    /// Seconds from the start of the clock to the check that finds it, likewise.
    pub elapsed: f64,
    /// Share that the last check does not find ready.
    pub abandoned: f64,
}

impl Cost {
    /// Delay plus calls at their price, in seconds.
    #[must_use]
    pub fn total(&self, price: Price) -> f64 {
        price.0 * self.calls + self.delay
    }

    /// Mean delay of the recordings that are found.
    #[must_use]
    pub fn delay_when_found(&self) -> f64 {
        self.delay / (1.0 - self.abandoned)
    }
}

/// Share of the lags that is as good as none: no further check is worth following.
const NEGLIGIBLE: f64 = 1e-13;

/// The exact cost of looking at the rising instants `checks`, as far as the iterator goes or until
/// less than 1e-13 of the lags are left.
pub fn evaluate(lag: &(impl Lag + ?Sized), checks: impl IntoIterator<Item = f64>) -> Cost {
    let mut cost = Cost {
        calls: 0.0,
        delay: 0.0,
        elapsed: 0.0,
        abandoned: 1.0,
    };
    let mut last = 0.0;
    for check in checks {
        let waiting = cost.abandoned;
        let beyond = lag.survival(check);
        cost.calls += waiting;
        cost.elapsed += check * (waiting - beyond);
        cost.abandoned = beyond;
        last = check;
        if beyond <= NEGLIGIBLE {
            break;
        }
    }
    cost.delay = cost.elapsed - lag.mean_until(last);
    cost
}
