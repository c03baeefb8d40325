//! The keys of a back-off: gaps between checks, and how they are randomised.

use super::keys::{Key, Keys, Value, Word};
use crate::time::{Duration, Fixed};

/// Gaps between checks: `min(cap, base × multiplier^k)`, then jitter.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Backoff {
    /// The first gap.
    pub base: Duration,
    /// Growth from gap to gap.
    pub multiplier: Fixed,
    /// Longest gap.
    pub cap: Duration,
    /// Randomisation.
    pub jitter: Jitter,
}

/// Randomisation of a gap `g`.
#[derive(Clone, Copy, PartialEq, Eq, Debug, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Jitter {
    /// Exactly `g`.
    None,
    /// Uniform in `[g/2, g]`.
    Equal,
    /// Uniform in `[0, g]`.
    Full,
    /// Uniform between `base` and three times the gap before, at most `cap`; the multiplier means
    /// nothing.
    Decorrelated,
    /// Polly's `DecorrelatedJitterBackoffV2`: doubling, smooth, at most `cap`; the multiplier means
    /// nothing.
    #[serde(rename = "polly-v2")]
    Polly,
}

impl Word for Jitter {
    const WORDS: &'static [(&'static str, Self)] = &[
        ("none", Self::None),
        ("equal", Self::Equal),
        ("full", Self::Full),
        ("decorrelated", Self::Decorrelated),
        ("polly-v2", Self::Polly),
    ];
}

impl Jitter {
    pub(super) const KEY: Key = Key::new(
        "jitter",
        "randomisation of each gap; the last two grow by themselves, whatever `multiplier`",
    );
}

/// 2, the growth that nearly every retry library has.
pub(super) const TWO: Fixed = Fixed::from_integer(2);

impl Default for Backoff {
    fn default() -> Self {
        Self {
            base: Duration::from_secs(1),
            multiplier: TWO,
            cap: Duration::from_secs(30),
            jitter: Jitter::Full,
        }
    }
}

impl Backoff {
    /// Lists the keys.
    pub fn keys(&mut self, keys: &mut dyn Keys) {
        keys.key(
            Key::new("base", "first gap between checks"),
            Value::Interval(&mut self.base),
        );
        keys.key(
            Key::new("multiplier", "growth from gap to gap"),
            Value::Number(&mut self.multiplier, 1.0, 1000.0),
        );
        self.cap_key(self.base, keys);
        keys.key(Jitter::KEY, Value::Word(&mut self.jitter));
    }

    fn cap_key(&mut self, base: Duration, keys: &mut dyn Keys) {
        cap_key(&mut self.cap, base, keys);
    }
}

/// The key of the longest gap, which is at least the first one, `base`.
pub(super) fn cap_key(cap: &mut Duration, base: Duration, keys: &mut dyn Keys) {
    // A base above the default cap is its own cap.
    *cap = base.max(*cap);
    keys.key(
        Key::new(
            "cap",
            "longest gap, before jitter; `base` if that is longer",
        ),
        Value::Interval(cap),
    );
    if *cap < base {
        let reason = format!("is {cap}, below `base` ({base})");
        keys.reject("cap", &reason, &format!("use at least \"{base}\""));
    }
}
