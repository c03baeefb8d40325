//! Dates in API bodies. Sidecars write theirs in another form (`storage::layout`).

use std::fmt;

use racegate_model::time::Timestamp;
use serde::{Serialize, Serializer};

use crate::storage::layout::{RunEpoch, WallTime};

/// A date as API bodies have it: `yyyy-MM-ddTHH:mm:ss.mmmZ`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct ApiDate(pub WallTime);

const NANOS_PER_MILLI: u64 = 1_000_000;

impl ApiDate {
    /// The date of an instant of the run.
    #[must_use]
    pub fn of(epoch: RunEpoch, at: Timestamp) -> Self {
        Self(epoch.wall_time(at))
    }

    /// The date that many minutes later.
    #[must_use]
    pub fn plus_minutes(self, minutes: i64) -> Self {
        Self(WallTime::from_unix_millis(
            self.0.unix_millis().saturating_add(minutes * 60_000),
        ))
    }

    /// The instant of the run; its start for dates before it.
    #[must_use]
    pub fn instant(self, epoch: RunEpoch) -> Timestamp {
        let start = epoch.wall_time(Timestamp::ZERO).unix_millis();
        let millis = u64::try_from(self.0.unix_millis().saturating_sub(start)).unwrap_or(0);
        Timestamp::from_nanos(millis.saturating_mul(NANOS_PER_MILLI))
    }

    /// Parses an ISO 8601 date with an offset.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let timestamp: jiff::Timestamp = text.parse().ok()?;
        Some(Self(WallTime::from_unix_millis(timestamp.as_millisecond())))
    }
}

impl fmt::Display for ApiDate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const PRINTER: jiff::fmt::temporal::DateTimePrinter =
            jiff::fmt::temporal::DateTimePrinter::new().precision(Some(3));
        // The calendar ends a day before the year 9999 does.
        let timestamp = jiff::Timestamp::from_millisecond(self.0.unix_millis());
        let timestamp = timestamp.unwrap_or(jiff::Timestamp::MAX);
        f.write_str(&PRINTER.timestamp_to_string(&timestamp))
    }
}

impl Serialize for ApiDate {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_have_the_apis_form_and_lead_back() {
        let epoch = RunEpoch::from_unix_millis(1_700_000_000_123);
        let at = Timestamp::from_nanos(1_001_000_000);
        let date = ApiDate::of(epoch, at);
        assert_eq!(date.to_string(), "2023-11-14T22:13:21.124Z");
        assert_eq!(ApiDate::parse(&date.to_string()), Some(date));
        assert_eq!(date.instant(epoch), at);
        assert_eq!(date.plus_minutes(-60).instant(epoch), Timestamp::ZERO);
        assert_eq!(ApiDate::parse("2023-11-14T22:13:21.124+0000"), Some(date));
        assert_eq!(ApiDate::parse("yesterday"), None);
    }

    #[test]
    fn an_instant_that_never_comes_still_has_a_date() {
        let never = ApiDate::of(RunEpoch::from_unix_millis(0), Timestamp::NEVER);
        assert!(!never.to_string().is_empty());
        let last = ApiDate(WallTime::from_unix_millis(i64::MAX));
        assert_eq!(last.to_string(), "9999-12-30T22:00:00.999Z");
    }
}
