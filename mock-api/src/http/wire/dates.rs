//! Dates on the wire, and how the run's time maps to them.

use std::fmt;
use std::time::{SystemTime, UNIX_EPOCH};

use racegate_model::time::Timestamp;
use serde::{Serialize, Serializer};

/// The date of the run's start: what turns a [`Timestamp`] into a date.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Epoch(WallTime);

/// A date, in milliseconds since 1970 as the API gives them.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct WallTime(i64);

const NANOS_PER_MILLI: u64 = 1_000_000;

impl Epoch {
    /// A run that starts now.
    #[must_use]
    pub fn now() -> Self {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Self::from_unix_millis(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
    }

    /// A run that started that many milliseconds after 1970.
    #[must_use]
    pub const fn from_unix_millis(millis: i64) -> Self {
        Self(WallTime(millis))
    }

    /// The date of an instant, rounded down to the millisecond.
    #[must_use]
    pub fn date(self, at: Timestamp) -> WallTime {
        let millis = i64::try_from(at.as_nanos() / NANOS_PER_MILLI).unwrap_or(i64::MAX);
        WallTime(self.0.0.saturating_add(millis))
    }

    /// The instant of a date; the run's start for dates before it.
    #[must_use]
    pub fn timestamp(self, date: WallTime) -> Timestamp {
        let millis = u64::try_from(date.0.saturating_sub(self.0.0)).unwrap_or(0);
        Timestamp::from_nanos(millis.saturating_mul(NANOS_PER_MILLI))
    }
}

impl WallTime {
    /// Milliseconds since 1970.
    #[must_use]
    pub const fn unix_millis(self) -> i64 {
        self.0
    }

    /// The date that many minutes later.
    #[must_use]
    pub const fn plus_minutes(self, minutes: i64) -> Self {
        Self(self.0.saturating_add(minutes * 60_000))
    }

    /// How far apart two dates are, in milliseconds.
    #[must_use]
    pub const fn distance_millis(self, other: Self) -> u64 {
        self.0.abs_diff(other.0)
    }

    /// Parses an ISO 8601 date with an offset.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let timestamp: jiff::Timestamp = text.parse().ok()?;
        Some(Self(timestamp.as_millisecond()))
    }
}

impl fmt::Display for WallTime {
    /// `yyyy-MM-ddTHH:mm:ss.mmmZ`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const PRINTER: jiff::fmt::temporal::DateTimePrinter =
            jiff::fmt::temporal::DateTimePrinter::new().precision(Some(3));
        // A date that no calendar has reads as the last one that it has.
        let timestamp = jiff::Timestamp::from_millisecond(self.0).unwrap_or(jiff::Timestamp::MAX);
        f.write_str(&PRINTER.timestamp_to_string(&timestamp))
    }
}

impl Serialize for WallTime {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_have_the_apis_form_and_lead_back() {
        let epoch = Epoch::from_unix_millis(1_700_000_000_123);
        let at = Timestamp::from_nanos(1_001_000_000);
        let text = epoch.date(at).to_string();
        assert_eq!(text, "2023-11-14T22:13:21.124Z");
        assert_eq!(epoch.timestamp(WallTime::parse(&text).unwrap()), at);
        assert_eq!(WallTime::parse("2023-11-14T22:13:21.124+0000"), WallTime::parse(&text));
        assert_eq!(WallTime::parse("yesterday"), None);
    }

    #[test]
    fn an_instant_that_never_comes_still_has_a_date() {
        let never = Epoch::from_unix_millis(0).date(Timestamp::NEVER);
        assert!(!never.to_string().is_empty());
    }
}
