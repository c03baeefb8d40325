//! `quadratic-backoff`: the best back-off for a lag without a scale.

use super::gaps::{Gap, Gaps};
use super::keys::{Key, Keys, Value};
use super::policy::{Look, Seen, Step};
use super::{Form, Polling};
use crate::time::{Duration, Fixed, Timestamp};

/// Checks worked out beforehand; the last gap repeats.
const CHECKS: usize = 1_024;

/// Polls at gaps that grow with the root of the time waited, `√(2 price t / shape)`. Where the
/// lag's hazard falls as shape/t, and a second of delay costs as much as any other, that is the
/// optimum: `x_k = price k²/(2 shape)` (from the density of checks √(hazard/(2 price)), Keller
/// 1974).
#[derive(Clone, PartialEq, Debug)]
pub struct QuadraticBackoff {
    /// Seconds of delay that a call is worth.
    pub price: Duration,
    /// Shape of the lag: its hazard is shape/t.
    pub shape: Fixed,
    /// First check, end, and what it looks for.
    pub polling: Polling,
}

impl Default for QuadraticBackoff {
    fn default() -> Self {
        Self {
            price: Duration::from_secs(1),
            shape: Fixed::ONE,
            polling: Polling::after(Duration::from_secs(1)),
        }
    }
}

impl Form for QuadraticBackoff {
    const NAME: &'static str = "quadratic-backoff";
    const ABOUT: &'static str = "polls at gaps of √(2 × `price` × time waited / `shape`)";

    fn keys(&mut self, keys: &mut dyn Keys) {
        let key = Key::new("price", "delay that one call is worth");
        keys.key(key, Value::Interval(&mut self.price));
        let key = Key::new("shape", "shape of the lag, whose hazard is shape/t");
        keys.key(key, Value::Number(&mut self.shape, 0.01, 100.0));
        self.polling.keys(keys);
    }

    fn polling(&self) -> Option<&Polling> {
        Some(&self.polling)
    }

    fn gaps(&self) -> Option<Gaps> {
        let per_second = 2.0 * self.price.as_secs_f64() / self.shape.as_f64();
        // A first check at once would have no gap after it.
        let mut waited = self.polling.initial_delay.max(self.price).as_secs_f64();
        Some(Gaps::listed((0..CHECKS).map(|_| {
            let gap = (per_second * waited).sqrt();
            waited += gap;
            Gap::exactly(Duration::from_secs_f64(gap))
        })))
    }

    #[inline]
    fn on(&self, now: Timestamp, seen: Seen, look: &mut Look<'_>) -> Step {
        self.polling.on(now, seen, look)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gaps_are_the_root_of_twice_the_price_times_the_time_waited_over_the_shape() {
        let gate = QuadraticBackoff {
            price: Duration::from_secs(2),
            shape: Fixed::from_integer(4),
            polling: Polling::after(Duration::from_secs(4)),
        };
        let gaps = gate.gaps().expect("it polls");
        let first = gaps.after(0, || 0);
        assert_eq!(first, Duration::from_secs(2), "sqrt(2 x 2 x 4 / 4)");
        let second = gaps.after(1, || 0).as_secs_f64();
        assert!((second - 6.0_f64.sqrt()).abs() < 1e-9, "{second}");
        // The k-th check is at price k²/(2 shape) in the limit: gaps grow by price/shape each.
        let late = gaps.after(801, || 0).as_secs_f64() - gaps.after(800, || 0).as_secs_f64();
        assert!((late - 0.5).abs() < 1e-3, "{late}");
    }
}
