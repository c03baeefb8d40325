//! `optimal`: the limit line, for a law that is known.

use super::gaps::Gaps;
use super::keys::{Key, Keys, Value};
use super::policy::{Look, Seen, Step};
use super::quantile::law_key;
use super::{Form, Polling};
use crate::distribution::Distribution;
use crate::schedule::{self, Price};
use crate::time::{Duration, Timestamp};

/// The schedule of least `price × calls + delay` on a known law, by exact dynamic programme.
#[derive(Clone, PartialEq, Debug)]
pub struct Optimal {
    /// The law of the lag.
    pub law: Option<Distribution>,
    /// Seconds of delay that a call is worth.
    pub price: Duration,
    /// End, and what it looks for.
    pub polling: Polling,
}

impl Default for Optimal {
    fn default() -> Self {
        Self {
            law: None,
            price: Duration::from_secs(1),
            polling: Polling::default(),
        }
    }
}

impl Form for Optimal {
    const NAME: &'static str = "optimal";
    const ABOUT: &'static str =
        "the schedule of least `price` × calls + delay on a known lag: no other can cost less";

    fn keys(&mut self, keys: &mut dyn Keys) {
        keys.key(law_key(), Value::Law(&mut self.law));
        let key = Key::new("price", "delay that one call is worth");
        keys.key(key, Value::Interval(&mut self.price));
        self.polling.end_keys(keys);
    }

    fn polling(&self) -> Option<&Polling> {
        Some(&self.polling)
    }

    fn gaps(&self) -> Option<Gaps> {
        let law = self.law.as_ref()?;
        let price = Price::new(self.price.as_secs_f64())?;
        let checks = schedule::optimal(law, price).checks.into_iter();
        let checks: Vec<Duration> = checks.map(Duration::from_secs_f64).collect();
        Some(Gaps::schedule(&checks))
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
    fn the_optimum_of_an_exponential_lag_is_periodic() {
        let gate = Optimal {
            law: Distribution::exponential(Duration::from_secs(4)).ok(),
            ..Optimal::default()
        };
        let gaps = gate.gaps().expect("the law is known");
        for (check, k) in gaps.checks().zip(1_u32..=5) {
            let expected = 2.530_859_010_330 * f64::from(k);
            assert!((check - expected).abs() < 1e-4, "{check} for {expected}");
        }
    }
}
