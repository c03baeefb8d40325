//! `minimax`: a schedule that is never far from the best, whatever the lag.

use super::gaps::{Gap, Gaps};
use super::keys::{Key, Keys, Value};
use super::policy::{Look, Seen, Step};
use super::{Form, Polling};
use crate::time::{Duration, Fixed, Timestamp};

/// Gaps worked out beforehand; the last one repeats.
const GAPS: usize = 64;

/// First check, first gap, growth and longest gap that make the largest ratio to each law's own
/// optimum smallest over eight laws from 2 s to 60 s, at a price of 1 s a call: at most 1.222 times
/// the optimum, where 1, 3, 7, 15 s … costs up to 3.65 times. The default until a law is known.
#[derive(Clone, PartialEq, Debug)]
pub struct Minimax {
    /// How much longer than the laws that it was made for: every time is multiplied by it.
    pub scale: Fixed,
    /// End, and what it looks for.
    pub polling: Polling,
}

/// Seconds to the first check, of the first gap, and of the longest gap; the growth of gaps.
const FIRST: f64 = 3.4285;
const GAP: f64 = 3.5400;
const GROWTH: f64 = 1.22275;
const CAP: f64 = 13.4388;

impl Default for Minimax {
    fn default() -> Self {
        Self {
            scale: Fixed::ONE,
            polling: Polling::default(),
        }
    }
}

impl Form for Minimax {
    const NAME: &'static str = "minimax";
    const ABOUT: &'static str = "polls at 3.43 s, then at gaps of 3.54 s × 1.223^k, at most \
        13.4 s: at most 1.22 times the optimum for lags of a few seconds to a minute";

    fn keys(&mut self, keys: &mut dyn Keys) {
        let key = Key::new("scale", "factor on all times");
        keys.key(key, Value::Number(&mut self.scale, 0.001, 1000.0));
        self.polling.end_keys(keys);
    }

    fn polling(&self) -> Option<&Polling> {
        Some(&self.polling)
    }

    fn gaps(&self) -> Option<Gaps> {
        let scale = self.scale.as_f64();
        let seconds = |seconds: f64| Duration::from_secs_f64(seconds * scale);
        let mut gap = GAP;
        let gaps = Gaps::listed((0..GAPS).map(|_| {
            let now = gap.min(CAP);
            gap *= GROWTH;
            Gap::exactly(seconds(now))
        }));
        Some(gaps.first_after(seconds(FIRST)))
    }

    #[inline]
    fn on(&self, now: Timestamp, seen: Seen, look: &mut Look<'_>) -> Step {
        self.polling.on(now, seen, look)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::distribution::Distribution;
    use crate::schedule::evaluate;

    /// Forty checks on a lag of median 5 s and sigma 1 (computed with SciPy to 10 digits).
    #[test]
    fn its_exact_cost_on_a_lognormal_lag_is_the_reference() {
        let gaps = Minimax::default().gaps().expect("it polls");
        let law = Distribution::lognormal_mu_sigma(libm::log(5.0), 1.0).expect("it is in range");
        let cost = evaluate(&law, gaps.checks().take(40));
        assert!((cost.calls - 2.477_836_921_9).abs() < 1e-6, "{cost:?}");
        assert!((cost.abandoned - 0.000_002_443_4).abs() < 1e-9, "{cost:?}");
        assert!(
            (cost.delay_when_found() - 2.270_979_392_2).abs() < 1e-6,
            "{cost:?}"
        );
    }
}
