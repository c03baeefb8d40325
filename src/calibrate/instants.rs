//! Instants and lags as traces write them.

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;

/// How the values of one column are written.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Format {
    /// `2026-03-01T12:00:00.250Z`.
    Iso,
    /// Seconds, milliseconds, microseconds or nanoseconds since 1970.
    EpochSeconds,
    EpochMillis,
    EpochMicros,
    EpochNanos,
    /// A number of seconds from an origin of the trace's own.
    Seconds,
    /// `250ms`, `1m30s`.
    Duration,
}

impl Format {
    /// What a value looks like.
    pub(super) fn of(text: &str) -> Self {
        if let Ok(number) = text.parse::<f64>() {
            return match number.abs() {
                size if size < 1e8 => Self::Seconds,
                size if size < 1e11 => Self::EpochSeconds,
                size if size < 1e14 => Self::EpochMillis,
                size if size < 1e17 => Self::EpochMicros,
                _ => Self::EpochNanos,
            };
        }
        let starts_with_year = text.len() > 10 && text.as_bytes()[4] == b'-';
        if starts_with_year {
            Self::Iso
        } else {
            Self::Duration
        }
    }

    /// What it is called in messages.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Iso => "ISO time",
            Self::EpochSeconds => "seconds since 1970",
            Self::EpochMillis => "milliseconds since 1970",
            Self::EpochMicros => "microseconds since 1970",
            Self::EpochNanos => "nanoseconds since 1970",
            Self::Seconds => "plain seconds",
            Self::Duration => "duration",
        }
    }

    /// Whether it says when, and not only how long.
    pub(super) const fn is_instant(self) -> bool {
        !matches!(self, Self::Seconds | Self::Duration)
    }
}

/// A moment in whole nanoseconds and a rest, so that differences of epochs keep their digits.
pub(super) type Nanos = i128;

/// Reads a value that is written in `format`.
///
/// # Errors
/// What is wrong with it.
#[expect(
    clippy::cast_possible_truncation,
    reason = "saturates; range checked after"
)]
pub(super) fn read(text: &str, format: Format) -> Result<Nanos, String> {
    let scaled = |unit: i32| {
        exact(text, unit).or_else(|| {
            let number: f64 = text.parse().ok()?;
            let nanos = number * 10_f64.powi(unit);
            nanos.is_finite().then_some(nanos.round() as i128)
        })
    };
    let number = |unit| scaled(unit).ok_or_else(|| format!("`{text}` is no number"));
    match format {
        Format::EpochSeconds | Format::Seconds => number(9),
        Format::EpochMillis => number(6),
        Format::EpochMicros => number(3),
        Format::EpochNanos => number(0),
        Format::Duration => match racegate_scenario::parse_duration(text) {
            Ok(duration) => Ok(Nanos::from(duration.as_nanos())),
            Err(error) => Err(format!("`{text}`: {error}")),
        },
        Format::Iso => iso(text),
    }
}

/// A decimal number times a power of ten, without going through a float.
fn exact(text: &str, unit: i32) -> Option<Nanos> {
    let (sign, digits) = match text.strip_prefix('-') {
        Some(rest) => (-1, rest),
        None => (1, text),
    };
    let (whole, part) = digits.split_once('.').unwrap_or((digits, ""));
    if whole.is_empty()
        || !digits
            .bytes()
            .all(|byte| byte.is_ascii_digit() || byte == b'.')
    {
        return None;
    }
    let mut value: i128 = whole.parse().ok().filter(|_| whole.len() < 25)?;
    let mut kept = part.bytes();
    for _ in 0..unit {
        let digit = kept.next().map_or(0, |byte| byte.wrapping_sub(b'0'));
        value = value * 10 + i128::from(digit.min(9));
    }
    Some(sign * value)
}

fn iso(text: &str) -> Result<Nanos, String> {
    if let Ok(instant) = text.parse::<Timestamp>() {
        return Ok(instant.as_nanosecond());
    }
    // Without an offset it is taken for UTC.
    let civil: DateTime = text
        .parse()
        .map_err(|_| format!("`{text}` is no ISO time such as 2026-03-01T12:00:00.250Z"))?;
    civil
        .to_zoned(TimeZone::UTC)
        .map(|zoned| zoned.timestamp().as_nanosecond())
        .map_err(|error| format!("`{text}`: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_instant_is_read_from_every_format() {
        for text in [
            "2026-03-01T12:00:00.250Z",
            "2026-03-01T13:00:00.250+01:00",
            "2026-03-01 12:00:00.250",
            "1772366400.25",
            "1772366400250",
            "1772366400250000",
            "1772366400250000000",
        ] {
            let format = Format::of(text);
            assert!(format.is_instant(), "{text}");
            assert_eq!(read(text, format), Ok(1_772_366_400_250_000_000), "{text}");
        }
    }

    #[test]
    fn lags_are_seconds_or_have_units() {
        for text in ["2.5", "2.5s", "2500ms", "2.5e0"] {
            assert_eq!(read(text, Format::of(text)), Ok(2_500_000_000), "{text}");
        }
        assert_eq!(read("-0.25", Format::Seconds), Ok(-250_000_000));
        assert!(read("soon", Format::of("soon")).is_err());
        assert!(read("2026-13-01T00:00:00Z", Format::Iso).is_err());
    }
}
