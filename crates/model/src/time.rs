//! Time, rates and probabilities as types: when, how long, how often, how likely.
//!
//! Everything is an integer, so that arithmetic is exact and the same on every platform.

use std::fmt;
use std::ops::{Add, AddAssign, Sub};

use serde::{Deserialize, Serialize};

/// An instant: nanoseconds since the start of the run.
#[derive(
    Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Timestamp(u64);

/// A length of time in nanoseconds.
#[derive(
    Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Duration(u64);

/// Events per time, in billionths of an event per second, so that `1/min` and `100000/s` are both
/// exact enough and comparable.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Rate(u64);

/// A probability in units of 2^-32; 0 and 1 are both exact.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Probability(u64);

const SECOND: u64 = 1_000_000_000;

impl Timestamp {
    /// The start of the run.
    pub const ZERO: Self = Self(0);
    /// After every other instant: "not decided" or "never".
    pub const NEVER: Self = Self(u64::MAX);

    /// The instant `nanos` nanoseconds after the start.
    #[must_use]
    pub const fn from_nanos(nanos: u64) -> Self {
        Self(nanos)
    }

    /// Nanoseconds since the start.
    #[must_use]
    pub const fn as_nanos(self) -> u64 {
        self.0
    }

    /// Time from `earlier` to `self`, zero if `earlier` is later.
    #[must_use]
    pub const fn since(self, earlier: Self) -> Duration {
        Duration(self.0.saturating_sub(earlier.0))
    }

    /// Whether the instant is [`Timestamp::NEVER`].
    #[must_use]
    pub const fn is_never(self) -> bool {
        self.0 == u64::MAX
    }

    /// The instant, unless it is [`Timestamp::NEVER`].
    #[must_use]
    #[inline]
    pub const fn ever(self) -> Option<Self> {
        if self.is_never() { None } else { Some(self) }
    }
}

impl Duration {
    /// No time at all.
    pub const ZERO: Self = Self(0);
    /// The longest duration; adding it gives [`Timestamp::NEVER`].
    pub const MAX: Self = Self(u64::MAX);

    /// A duration of `nanos` nanoseconds.
    #[must_use]
    pub const fn from_nanos(nanos: u64) -> Self {
        Self(nanos)
    }

    /// A duration of `millis` milliseconds.
    #[must_use]
    pub const fn from_millis(millis: u64) -> Self {
        Self(millis * 1_000_000)
    }

    /// A duration of `secs` seconds.
    #[must_use]
    pub const fn from_secs(secs: u64) -> Self {
        Self(secs * SECOND)
    }

    /// Its length in nanoseconds.
    #[must_use]
    pub const fn as_nanos(self) -> u64 {
        self.0
    }

    /// Its length in seconds, for display, statistics and plots only.
    #[must_use]
    pub fn as_secs_f64(self) -> f64 {
        self.0 as f64 / SECOND as f64
    }

    /// The nearest duration to `seconds`: zero for what is negative or no number, saturating above.
    #[must_use]
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "saturates"
    )]
    pub fn from_secs_f64(seconds: f64) -> Self {
        Self((seconds * SECOND as f64 + 0.5) as u64)
    }

    /// `self` times `numerator / 2^32`, rounded down, saturating.
    #[must_use]
    pub fn scale(self, factor: Fixed) -> Self {
        let scaled = (u128::from(self.0) * u128::from(factor.0)) >> 32;
        Self(u64::try_from(scaled).unwrap_or(u64::MAX))
    }

    /// Sum, at most [`Duration::MAX`].
    #[must_use]
    pub const fn saturating_add(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }

    /// Difference, at least zero.
    #[must_use]
    pub const fn saturating_sub(self, other: Self) -> Self {
        Self(self.0.saturating_sub(other.0))
    }
}

/// A non-negative factor in units of 2^-32, for multipliers such as a back-off's.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Fixed(u64);

impl Fixed {
    /// One.
    pub const ONE: Self = Self(1 << 32);

    /// A small whole number.
    #[must_use]
    pub const fn from_integer(value: u16) -> Self {
        Self((value as u64) << 32)
    }

    /// The nearest factor to `value`; `None` unless it is finite and between 0 and 2^31.
    #[must_use]
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "range checked"
    )]
    pub fn new(value: f64) -> Option<Self> {
        (value.is_finite() && (0.0..2_147_483_648.0).contains(&value))
            .then_some(Self((value * 4_294_967_296.0) as u64))
    }

    /// The factor as a number, for display.
    #[must_use]
    pub fn as_f64(self) -> f64 {
        self.0 as f64 / 4_294_967_296.0
    }
}

impl Rate {
    /// A rate of `value` billionths of an event per second.
    #[must_use]
    pub const fn from_nanohertz(value: u64) -> Self {
        Self(value)
    }

    /// `events` per second.
    #[must_use]
    pub const fn per_second(events: u64) -> Self {
        Self(events * SECOND)
    }

    /// Billionths of an event per second.
    #[must_use]
    pub const fn as_nanohertz(self) -> u64 {
        self.0
    }

    /// Events per second, for display.
    #[must_use]
    pub fn as_per_second_f64(self) -> f64 {
        self.0 as f64 / SECOND as f64
    }

    /// Whole events that the rate allows in `window`, rounded down.
    #[must_use]
    pub fn events_in(self, window: Duration) -> u64 {
        let events = u128::from(self.0) * u128::from(window.0) / 1_000_000_000_000_000_000;
        u64::try_from(events).unwrap_or(u64::MAX)
    }
}

impl Probability {
    /// Impossible.
    pub const ZERO: Self = Self(0);
    /// Certain.
    pub const ONE: Self = Self(1 << 32);

    /// The nearest probability to `value`; `None` unless it is between 0 and 1.
    #[must_use]
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "range checked"
    )]
    pub fn new(value: f64) -> Option<Self> {
        (0.0..=1.0)
            .contains(&value)
            .then_some(Self((value * 4_294_967_296.0) as u64))
    }

    /// Whether an event of this probability happens for the uniform 64-bit `draw`.
    #[must_use]
    pub const fn occurs(self, draw: u64) -> bool {
        (draw >> 32) < self.0
    }

    /// That share of `whole`.
    #[must_use]
    pub fn of(self, whole: Duration) -> Duration {
        let share = (u128::from(whole.as_nanos()) * u128::from(self.0)) >> 32;
        Duration::from_nanos(u64::try_from(share).unwrap_or(u64::MAX))
    }

    /// As [`Probability::occurs`]; makes the draw only if the answer depends on it.
    #[inline]
    pub fn occurs_with(self, draw: impl FnOnce() -> u64) -> bool {
        self.0 > 0 && (self.0 > u64::from(u32::MAX) || self.occurs(draw()))
    }

    /// The probability as a number, for display.
    #[must_use]
    pub fn as_f64(self) -> f64 {
        self.0 as f64 / 4_294_967_296.0
    }
}

impl Add<Duration> for Timestamp {
    type Output = Self;
    fn add(self, delay: Duration) -> Self {
        Self(self.0.saturating_add(delay.0))
    }
}

impl Sub<Duration> for Timestamp {
    type Output = Self;
    fn sub(self, delay: Duration) -> Self {
        Self(self.0.saturating_sub(delay.0))
    }
}

impl AddAssign for Duration {
    fn add_assign(&mut self, other: Self) {
        *self = self.saturating_add(other);
    }
}

impl fmt::Display for Duration {
    /// The shortest exact-looking form: `250ms`, `2.5s`, `90s`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let nanos = self.0;
        let (unit, size) = match nanos {
            0 => return f.write_str("0s"),
            n if n >= SECOND => ("s", SECOND),
            n if n >= 1_000_000 => ("ms", 1_000_000),
            n if n >= 1_000 => ("us", 1_000),
            _ => ("ns", 1),
        };
        let (whole, rest) = (nanos / size, nanos % size);
        if rest == 0 {
            return write!(f, "{whole}{unit}");
        }
        let thousandths = rest * 1000 / size;
        let digits = format!("{thousandths:03}");
        write!(
            f,
            "{whole}.{}{unit}",
            digits
                .trim_end_matches('0')
                .get(..)
                .filter(|d| !d.is_empty())
                .unwrap_or("0")
        )
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_never() {
            f.write_str("never")
        } else {
            Duration(self.0).fmt(f)
        }
    }
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/s", self.as_per_second_f64())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn never_is_after_everything_and_stays_there() {
        assert!(Timestamp::NEVER > Timestamp::from_nanos(u64::MAX - 1));
        assert_eq!(Timestamp::NEVER + Duration::from_secs(1), Timestamp::NEVER);
    }

    #[test]
    fn a_probability_of_one_always_occurs_and_zero_never() {
        assert!(Probability::ONE.occurs(u64::MAX) && Probability::ONE.occurs(0));
        assert!(!Probability::ZERO.occurs(0));
        assert_eq!(Probability::new(1.01), None);
    }

    #[test]
    fn durations_are_shown_short() {
        for (nanos, text) in [
            (0, "0s"),
            (250_000_000, "250ms"),
            (2_500_000_000, "2.5s"),
            (90_000_000_000, "90s"),
            (1_500, "1.5us"),
        ] {
            assert_eq!(Duration::from_nanos(nanos).to_string(), text);
        }
    }

    #[test]
    fn a_rate_counts_whole_events() {
        assert_eq!(
            Rate::per_second(250).events_in(Duration::from_secs(60)),
            15_000
        );
    }
}
