//! Dates in API bodies. Sidecars write theirs in another form (`storage::layout`).

use std::fmt;

use racegate_model::time::Timestamp;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use utoipa::openapi::RefOr;
use utoipa::openapi::schema::{KnownFormat, ObjectBuilder, Schema, SchemaFormat, Type};
use utoipa::{PartialSchema, ToSchema};

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

    /// Parses an ISO 8601 date; one without an offset is UTC, one without a time is midnight.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let timestamp = text.parse().ok().or_else(|| {
            let civil: jiff::civil::DateTime = text.parse().ok()?;
            civil
                .to_zoned(jiff::tz::TimeZone::UTC)
                .ok()
                .map(|zoned| zoned.timestamp())
        })?;
        Some(Self::of_timestamp(timestamp))
    }

    /// The date so many milliseconds after 1970.
    #[must_use]
    pub fn of_unix_millis(millis: i64) -> Self {
        Self(WallTime::from_unix_millis(millis))
    }

    fn of_timestamp(timestamp: jiff::Timestamp) -> Self {
        Self(WallTime::from_unix_millis(timestamp.as_millisecond()))
    }
}

impl ApiDate {
    /// The text, by hand: a recording shows five dates, and a general printer takes as long for
    /// them as for everything else in it. The calendar is Hinnant's `civil_from_days`.
    pub(super) fn text(self) -> [u8; 24] {
        // The calendar that parses dates ends a day before the year 9999 does.
        let last = jiff::Timestamp::MAX.as_millisecond();
        let millis = self.0.unix_millis().min(last).unsigned_abs();
        let (days, millis) = (millis / 86_400_000, millis % 86_400_000);
        // Days since the first of March of the year 0; eras of 400 years.
        let days = days + 719_468;
        let (era, day_of_era) = (days / 146_097, days % 146_097);
        let year_of_era =
            (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
        let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let from_march = (5 * day_of_year + 2) / 153;
        let day = day_of_year - (153 * from_march + 2) / 5 + 1;
        let month = if from_march < 10 {
            from_march + 3
        } else {
            from_march - 9
        };
        let year = year_of_era + era * 400 + u64::from(month <= 2);
        let mut text = *b"0000-00-00T00:00:00.000Z";
        let (seconds, millis) = (millis / 1_000, millis % 1_000);
        for (at, value) in [
            (0, year / 100),
            (2, year % 100),
            (5, month),
            (8, day),
            (11, seconds / 3_600),
            (14, seconds / 60 % 60),
            (17, seconds % 60),
            (20, millis / 10),
        ] {
            [text[at], text[at + 1]] = two_digits(value);
        }
        text[22] = two_digits(millis % 10)[1];
        text
    }
}

/// The digits of a number below a hundred.
fn two_digits(value: u64) -> [u8; 2] {
    const PAIRS: [[u8; 2]; 100] = {
        let mut pairs = [[0; 2]; 100];
        let mut value: u8 = 0;
        while value < 100 {
            pairs[value as usize] = [b'0' + value / 10, b'0' + value % 10];
            value += 1;
        }
        pairs
    };
    let at = usize::try_from(value).unwrap_or(0);
    PAIRS.get(at).copied().unwrap_or(*b"00")
}

impl fmt::Display for ApiDate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = self.text();
        f.write_str(std::str::from_utf8(&text).unwrap_or_default())
    }
}

/// An interval as the API has it: two dates, or a date and a duration, joined by a slash.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ApiInterval {
    /// It begins here.
    pub from: ApiDate,
    /// It ends before this.
    pub until: ApiDate,
}

impl ApiInterval {
    /// Parses `start/end`, `start/duration` and `duration/end`; the end does not lie before the
    /// start.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (left, right) = text.split_once('/')?;
        let (from, until) = match (ApiDate::parse(left), ApiDate::parse(right)) {
            (Some(from), Some(until)) => (from, until),
            (Some(from), None) => (from, from.shifted(right.parse().ok()?)?),
            (None, Some(until)) => {
                let span: jiff::Span = left.parse().ok()?;
                (until.shifted(span.negate())?, until)
            }
            (None, None) => return None,
        };
        (from <= until).then_some(Self { from, until })
    }

    /// Whether it is no longer than so many months of the calendar.
    #[must_use]
    pub fn is_within_months(self, months: i32) -> bool {
        let longest = self.from.shifted(jiff::Span::new().months(months));
        longest.is_none_or(|longest| self.until <= longest)
    }
}

impl ApiDate {
    fn shifted(self, span: jiff::Span) -> Option<Self> {
        let start = jiff::Timestamp::from_millisecond(self.0.unix_millis()).ok()?;
        let civil = start.to_zoned(jiff::tz::TimeZone::UTC);
        let moved = civil.checked_add(span).ok()?;
        Some(Self::of_timestamp(moved.timestamp()))
    }
}

impl<'de> Deserialize<'de> for ApiDate {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).ok_or_else(|| D::Error::custom("not an ISO 8601 date"))
    }
}

impl PartialSchema for ApiDate {
    fn schema() -> RefOr<Schema> {
        let format = SchemaFormat::KnownFormat(KnownFormat::DateTime);
        ObjectBuilder::new()
            .schema_type(Type::String)
            .format(Some(format))
            .into()
    }
}

impl ToSchema for ApiDate {
    fn name() -> std::borrow::Cow<'static, str> {
        "Date".into()
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
    fn dates_may_lack_milliseconds_offset_and_time() {
        let whole = ApiDate::parse("2026-03-07T00:00:00.000Z");
        assert!(whole.is_some());
        for text in [
            "2026-03-07T00:00:00Z",
            "2026-03-07T00:00Z",
            "2026-03-07T01:00:00+01:00",
            "2026-03-07T00:00:00.000000",
            "2026-03-07T00:00:00",
            "2026-03-07",
        ] {
            assert_eq!(ApiDate::parse(text), whole, "{text}");
        }
    }

    #[test]
    fn an_interval_has_two_ends_however_it_is_written() {
        let whole = ApiInterval::parse("2026-03-07T00:00:00Z/2026-03-08T00:00:00Z");
        assert!(whole.is_some());
        for text in [
            "2026-03-07/2026-03-08",
            "2026-03-07T00:00:00.000Z/P1D",
            "PT24H/2026-03-08T00:00:00Z",
        ] {
            assert_eq!(ApiInterval::parse(text), whole, "{text}");
        }
        for text in [
            "",
            "/",
            "2026-03-07",
            "2026-03-08/2026-03-07",
            "P1D/P1D",
            "2026-03-07/x",
        ] {
            assert_eq!(ApiInterval::parse(text), None, "{text}");
        }
    }

    #[test]
    fn dates_are_printed_as_a_calendar_prints_them() {
        let printer = jiff::fmt::temporal::DateTimePrinter::new().precision(Some(3));
        // Leap days, ends of years and centuries, and a stride that meets every day of the year.
        let odd = [
            0,
            951_782_400_000,
            951_868_799_999,
            4_107_542_400_000,
            253_402_207_200_000,
        ];
        let many = (0..40_000).map(|nth| nth * 6_307_200_331);
        for millis in odd.into_iter().chain(many) {
            let expected = jiff::Timestamp::from_millisecond(millis).unwrap();
            assert_eq!(
                ApiDate(WallTime::from_unix_millis(millis)).to_string(),
                printer.timestamp_to_string(&expected)
            );
        }
    }

    #[test]
    fn an_instant_that_never_comes_still_has_a_date() {
        let never = ApiDate::of(RunEpoch::from_unix_millis(0), Timestamp::NEVER);
        assert!(!never.to_string().is_empty());
        let last = ApiDate(WallTime::from_unix_millis(i64::MAX));
        assert_eq!(last.to_string(), "9999-12-30T22:00:00.999Z");
    }

    #[test]
    fn six_months_are_those_of_the_calendar() {
        let within = |text: &str| ApiInterval::parse(text).unwrap().is_within_months(6);
        assert!(within("2015-01-01T00:00:00Z/2015-07-01T00:00:00Z"));
        assert!(within("2015-08-31T00:00:00Z/P6M"));
        assert!(!within("2015-01-01T00:00:00Z/2015-07-01T00:00:00.001Z"));
        assert!(!within("2015-01-01T00:00:00Z/P1Y"));
    }
}
