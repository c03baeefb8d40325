//! `quantile`: each check leaves the same share of what waited.

use super::gaps::Gaps;
use super::keys::{Key, Keys, Value};
use super::policy::{Look, Seen, Step};
use super::{Form, Polling};
use crate::distribution::Distribution;
use crate::schedule::Lag;
use crate::time::{Duration, Fixed, Timestamp};

/// Share of the lags beyond the last check that is worked out; the last gap repeats.
const BEYOND: f64 = 1e-9;

/// Checks at the quantiles `x_k = F⁻¹(1 − left^k)` of a known law (Munford and Shahani 1972).
#[derive(Clone, PartialEq, Debug)]
pub struct Quantile {
    /// The law of the lag.
    pub law: Option<Distribution>,
    /// Share of what waits that each check leaves.
    pub left: Fixed,
    /// End, and what it looks for.
    pub polling: Polling,
}

impl Default for Quantile {
    fn default() -> Self {
        Self {
            law: None,
            left: Fixed::new(0.5).unwrap_or(Fixed::ONE),
            polling: Polling::default(),
        }
    }
}

impl Form for Quantile {
    const NAME: &'static str = "quantile";
    const ABOUT: &'static str =
        "looks at quantiles of a known lag: each check leaves the share `left` of what waited";

    fn keys(&mut self, keys: &mut dyn Keys) {
        keys.key(law_key(), Value::Law(&mut self.law));
        let key = Key::new("left", "share of what waits that each check leaves");
        keys.key(key, Value::Number(&mut self.left, 0.01, 0.99));
        self.polling.end_keys(keys);
    }

    fn polling(&self) -> Option<&Polling> {
        Some(&self.polling)
    }

    fn gaps(&self) -> Option<Gaps> {
        let law = self.law.as_ref()?;
        let left = self.left.as_f64();
        let shares = std::iter::successors(Some(left), |share| Some(share * left));
        let shares = shares.take_while(|share| *share > BEYOND).take(4_096);
        let checks: Vec<Duration> = shares
            .map(|share| Duration::from_secs_f64(law.instant_with_beyond(share)))
            .collect();
        Some(Gaps::schedule(&checks))
    }

    #[inline]
    fn on(&self, now: Timestamp, seen: Seen, look: &mut Look<'_>) -> Step {
        self.polling.on(now, seen, look)
    }
}

/// The key of a law that must be known.
pub(super) const fn law_key() -> Key {
    Key::required(
        "law",
        "law of the lag, from the gate's start to what it looks for",
        "{ lognormal = { median = \"5s\", p99 = \"51s\" } }",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_check_leaves_the_same_share_of_what_waited() {
        let law = Distribution::weibull(0.6, Duration::from_secs(5)).expect("it is in range");
        let gate = Quantile {
            law: Some(law.clone()),
            left: Fixed::new(0.25).expect("it is in range"),
            ..Quantile::default()
        };
        let gaps = gate.gaps().expect("the law is known");
        let mut waiting = 1.0;
        for check in gaps.checks().take(10) {
            let left = law.survival(check);
            assert!((left / waiting - 0.25).abs() < 1e-6, "at {check}");
            waiting = left;
        }
    }
}
