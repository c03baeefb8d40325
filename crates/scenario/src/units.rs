//! Quantities as people write them: `1m30s`, `80/s`, `5%`. Pure text to value, exact in integers.

use racegate_model::time::{Duration, Probability, Rate};

/// The longest duration anywhere in a scenario.
pub(crate) const DURATION_MAX: Duration = Duration::from_secs(30 * 24 * 3600);
/// The highest rate anywhere in a scenario.
pub(crate) const RATE_MAX: Rate = Rate::per_second(1_000_000);
/// Decimals kept of a number; further ones are below a nanosecond or a nanohertz.
const DECIMALS: u32 = 18;
/// The least exponent that is told from less.
const LEAST_EXPONENT: i32 = 18;
/// Digits before the point.
const DIGITS: usize = 15;
/// Nanoseconds in a second, and nanohertz in a hertz.
const NANOS: u128 = 1_000_000_000;

const DURATION_FORM: &str = "durations are written \"250ms\", \"1.5s\", \"1m30s\" or \"2h\"";
const RATE_FORM: &str = "rates are written \"10/s\", \"300/min\", \"5/h\" or \"50/10s\"";
const SHARE_FORM: &str = "shares are written 0.05 or \"5%\"";

/// Why a text is no such quantity, and how it would be written.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{reason}")]
pub(crate) struct UnitError {
    /// Completes "`key` …".
    pub(crate) reason: String,
    /// The way out.
    pub(crate) help: String,
}

impl UnitError {
    fn new(reason: impl Into<String>, help: impl Into<String>) -> Self {
        Self {
            reason: reason.into(),
            help: help.into(),
        }
    }
}

/// A decimal number: its digits without the point, and how many of them are decimals.
struct Decimal {
    digits: u128,
    decimals: u32,
}

impl Decimal {
    /// The number times `unit`, rounded down.
    fn times(&self, unit: u128) -> Option<u128> {
        Some(self.digits.checked_mul(unit)? / 10_u128.checked_pow(self.decimals)?)
    }
}

/// Splits a leading decimal number off: `15`, `1.5`, `.5`, `1_000`, `1e3`; the error completes
/// "`key` …".
fn decimal(text: &str) -> Result<(Decimal, &str), String> {
    let end = text
        .find(|c: char| !c.is_ascii_digit() && c != '.' && c != '_')
        .unwrap_or(text.len());
    let (number, rest) = text.split_at(end);
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    let digits_of = |part: &str| part.replace('_', "");
    let (whole, fraction) = (digits_of(whole), digits_of(fraction));
    if (whole.is_empty() && fraction.is_empty()) || text.starts_with('_') {
        return Err(match text.chars().next() {
            None => "lacks a number".to_owned(),
            Some(sign @ ('+' | '-' | '\u{2212}')) => format!("has the sign `{sign}` in it"),
            Some(other) => format!("has `{other}` where a number belongs"),
        });
    }
    if fraction.contains('.') {
        return Err("has a number with two points".to_owned());
    }
    if let Some(after) = rest.strip_prefix(',') {
        return Err(if after.starts_with(|c: char| c.is_ascii_digit()) {
            "has a comma in a number; the decimal sign is a point".to_owned()
        } else {
            "has a comma in it".to_owned()
        });
    }
    let (exponent, rest) = exponent(rest);
    let kept = fraction.get(..DECIMALS as usize).unwrap_or(&fraction);
    let whole = whole.trim_start_matches('0');
    if whole.len() > DIGITS || exponent > DECIMALS.cast_signed() {
        return Err("has a number that is too large".to_owned());
    }
    // Below that, no unit makes it more than zero.
    let exponent = exponent.max(-LEAST_EXPONENT);
    let digits: u128 = format!("0{whole}{kept}").parse().unwrap_or(u128::MAX);
    let decimals = i32::try_from(kept.len()).unwrap_or(0) - exponent;
    let scaled = 10_u128.checked_pow((-decimals).max(0).unsigned_abs());
    let decimal = Decimal {
        digits: digits.saturating_mul(scaled.unwrap_or(u128::MAX)),
        decimals: decimals.max(0).unsigned_abs(),
    };
    Ok((decimal, rest))
}

/// Splits an exponent off: `e3`, `E-3`; 0 if there is none.
fn exponent(text: &str) -> (i32, &str) {
    let Some(after) = text.strip_prefix(['e', 'E']) else {
        return (0, text);
    };
    let signed = after.strip_prefix(['+', '-']).unwrap_or(after);
    let digits = signed
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(signed.len());
    if digits == 0 {
        return (0, text);
    }
    let (written, rest) = after.split_at(after.len() - signed.len() + digits);
    (written.parse().unwrap_or(i32::MAX), rest)
}

/// Nanoseconds of a unit of time, under all names that people give it.
fn time_unit(name: &str) -> Option<u128> {
    Some(match name {
        "ns" | "nsec" | "nanosecond" | "nanoseconds" => 1,
        // Both signs that look like a micro: U+00B5 and the Greek letter.
        "us" | "\u{b5}s" | "\u{3bc}s" | "usec" | "microsecond" | "microseconds" => 1_000,
        "ms" | "msec" | "millisecond" | "milliseconds" => 1_000_000,
        "s" | "sec" | "secs" | "second" | "seconds" => 1_000_000_000,
        "m" | "min" | "mins" | "minute" | "minutes" => 60_000_000_000,
        "h" | "hr" | "hrs" | "hour" | "hours" => 3_600_000_000_000,
        "d" | "day" | "days" => 86_400_000_000_000,
        _ => return None,
    })
}

/// What is said of a unit of time that is none.
fn unknown_unit(name: &str, form: &str) -> UnitError {
    let reason = format!("has an unknown unit of time \"{name}\"");
    let lower = name.to_lowercase();
    match time_unit(&lower) {
        Some(_) => UnitError::new(reason, format!("did you mean \"{lower}\"?")),
        None => UnitError::new(reason, form),
    }
}

/// `250ms`, `1.5s`, `1m30s`, `1m 30s`, `90 s`, `2 hours`: numbers with units, from the longest unit
/// to the shortest.
pub(crate) fn duration(text: &str) -> Result<Duration, UnitError> {
    let wrong = |reason: String| UnitError::new(reason, DURATION_FORM);
    let mut rest = text.trim();
    if rest.is_empty() {
        return Err(wrong("is empty".into()));
    }
    if rest.starts_with(['-', '\u{2212}']) {
        return Err(wrong("is negative".into()));
    }
    if rest.starts_with('P') {
        return Err(wrong(format!("is in the form of ISO 8601: \"{text}\"")));
    }
    if !rest.contains(|letter: char| letter.is_ascii_digit()) {
        return Err(wrong(format!("is no duration: \"{text}\"")));
    }
    let (mut nanos, mut before) = (0_u128, u128::MAX);
    while !rest.is_empty() {
        let (number, tail) =
            decimal(rest).map_err(|reason| wrong(format!("{reason}: \"{text}\"")))?;
        let tail = tail.trim_start();
        let end = tail
            .find(|c: char| !c.is_alphabetic() && c != '\u{b5}')
            .unwrap_or(tail.len());
        let (name, tail) = tail.split_at(end);
        if name.is_empty() {
            return Err(wrong(match tail.chars().next() {
                Some(':') => format!("is written as a clock shows time: \"{text}\""),
                Some(other) if !other.is_ascii_digit() => {
                    format!("has `{other}` where a unit of time belongs: \"{text}\"")
                }
                _ => format!("has a number without a unit: \"{text}\""),
            }));
        }
        let unit = time_unit(name).ok_or_else(|| unknown_unit(name, DURATION_FORM))?;
        if unit >= before {
            return Err(wrong(format!(
                "must go from longer to shorter units: \"{text}\""
            )));
        }
        let long = || too_long(text);
        nanos = nanos
            .checked_add(number.times(unit).ok_or_else(long)?)
            .ok_or_else(long)?;
        (before, rest) = (unit, tail.trim_start());
    }
    match u64::try_from(nanos).map(Duration::from_nanos) {
        Ok(value) if value <= DURATION_MAX => Ok(value),
        _ => Err(too_long(text)),
    }
}

fn too_long(text: &str) -> UnitError {
    UnitError::new(
        format!("is longer than 30 days: \"{text}\""),
        "use at most \"30d\"",
    )
}

/// `10/s`, `300/min`, `5 / h`, `50/10s`; zero is a rate here.
pub(crate) fn rate(text: &str) -> Result<Rate, UnitError> {
    let wrong = |reason: String| UnitError::new(reason, RATE_FORM);
    let trimmed = text.trim();
    if trimmed.is_empty() {
        return Err(wrong("is empty".into()));
    }
    if trimmed.starts_with(['-', '\u{2212}']) {
        return Err(wrong("is negative".into()));
    }
    if !trimmed.contains(|letter: char| letter.is_ascii_digit()) {
        return Err(wrong(format!("is no rate: \"{text}\"")));
    }
    let (number, rest) =
        decimal(trimmed).map_err(|reason| wrong(format!("{reason}: \"{text}\"")))?;
    let rest = rest.trim_start();
    let Some(time) = rest.strip_prefix('/') else {
        return Err(wrong(if rest.is_empty() {
            format!("says no time that it is per: \"{text}\"")
        } else {
            format!("has \"{rest}\" in place of \"/s\"")
        }));
    };
    let nanos = per(time.trim())?;
    let high = || UnitError::new(format!("is above 1000000/s: \"{text}\""), "use less");
    // Rounded up, so that 100/min allows 100 calls in a minute and not 99.
    let nanohertz = number
        .times(NANOS)
        .and_then(|number| number.checked_mul(NANOS))
        .ok_or_else(high)?
        .div_ceil(nanos);
    if nanohertz == 0 && number.digits > 0 {
        return Err(wrong(format!(
            "is too low to be told from zero: \"{text}\""
        )));
    }
    match u64::try_from(nanohertz).map(Rate::from_nanohertz) {
        Ok(value) if value <= RATE_MAX => Ok(value),
        _ => Err(high()),
    }
}

/// Nanoseconds of the time that a rate is per: a unit, or a duration.
fn per(time: &str) -> Result<u128, UnitError> {
    if time.starts_with(|c: char| c.is_ascii_digit() || c == '.') {
        let nanos = u128::from(duration(time)?.as_nanos());
        let zero = || UnitError::new("is per no time at all", RATE_FORM);
        return Some(nanos).filter(|nanos| *nanos > 0).ok_or_else(zero);
    }
    if time.is_empty() {
        return Err(UnitError::new("ends with `/`", RATE_FORM));
    }
    time_unit(time).ok_or_else(|| unknown_unit(time, RATE_FORM))
}

/// `5%` as a share of one; a sign is allowed for differences.
pub(crate) fn percentage(text: &str) -> Result<f64, UnitError> {
    let wrong = |reason: &str| UnitError::new(format!("{reason}: \"{text}\""), SHARE_FORM);
    let Some(number) = text.trim().strip_suffix('%') else {
        return Err(wrong(if finite_number(text.trim()).is_some() {
            "is a number in quotes, without a percent sign"
        } else {
            "is no percentage"
        }));
    };
    finite_number(number.trim_end())
        .map(|percent| percent / 100.0)
        .ok_or_else(|| {
            wrong(if number.contains(',') {
                "has a comma in a number; the decimal sign is a point"
            } else {
                "has no number before the percent sign"
            })
        })
}

/// A share of one as a probability.
pub(crate) fn probability(share: f64) -> Result<Probability, UnitError> {
    Probability::new(share).ok_or_else(|| {
        let help = format!("{SHARE_FORM}, from 0 to 1");
        UnitError::new(format!("is {share}, which is no probability"), help)
    })
}

/// A finite number written with digits, a sign, a point and an exponent: never `inf` or `nan`.
pub(crate) fn finite_number(text: &str) -> Option<f64> {
    let plain = |c: char| c.is_ascii_digit() || matches!(c, '.' | '-' | '+' | 'e' | 'E');
    if text.is_empty() || text.len() > 32 || !text.chars().all(plain) {
        return None;
    }
    text.parse::<f64>().ok().filter(|value| value.is_finite())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_exact() {
        for (text, nanos) in [
            ("250ms", 250_000_000),
            ("1m30s", 90_000_000_000),
            ("2h", 7_200_000_000_000),
            ("1.5s", 1_500_000_000),
            ("0.3s", 300_000_000),
            ("0s", 0),
            ("1h0.5s", 3_600_500_000_000),
            ("7us", 7_000),
            ("7\u{b5}s", 7_000),
            ("7\u{3bc}s", 7_000),
            ("1m 30s", 90_000_000_000),
            ("90 s", 90_000_000_000),
            (" 1 h 30 min ", 5_400_000_000_000),
            ("2 hours 5 minutes", 7_500_000_000_000),
            ("1.5 seconds", 1_500_000_000),
            (".5s", 500_000_000),
            ("5.s", 5_000_000_000),
            ("1_000ms", 1_000_000_000),
            ("1e3ms", 1_000_000_000),
            ("1.5E-3s", 1_500_000),
            ("0.000000000000000001e18ns", 1),
        ] {
            assert_eq!(duration(text), Ok(Duration::from_nanos(nanos)), "{text}");
        }
    }

    #[test]
    fn what_is_no_duration_says_why() {
        for (text, reason) in [
            ("", "empty"),
            ("5", "without a unit"),
            ("5 parsecs", "unknown unit"),
            ("-1s", "negative"),
            ("30s1m", "longer to shorter"),
            ("1s1s", "longer to shorter"),
            ("31d", "longer than 30 days"),
            ("999999999999999h", "longer than 30 days"),
            ("999999999999999999h", "too large"),
            ("1e99s", "too large"),
            ("1..5s", "two points"),
            ("1,5s", "the decimal sign is a point"),
            ("1m, 30s", "`,` where a number belongs"),
            ("s", "no duration"),
            ("1m-30s", "the sign `-` in it"),
            ("\u{2212}1s", "negative"),
            ("+1s", "the sign `+` in it"),
            ("1:30", "as a clock shows time"),
            ("PT1M30S", "ISO 8601"),
            ("5%", "`%` where a unit of time belongs"),
            ("5 MS", "unknown unit of time \"MS\""),
            ("forever", "no duration"),
        ] {
            let error = duration(text).unwrap_err();
            assert!(error.reason.contains(reason), "{text}: {error}");
        }
    }

    #[test]
    fn rates_keep_slow_ones_apart_from_zero() {
        assert_eq!(rate("10/s"), Ok(Rate::per_second(10)));
        assert_eq!(rate("300/min"), Ok(Rate::per_second(5)));
        assert_eq!(rate("0.5/s"), Ok(Rate::from_nanohertz(500_000_000)));
        assert_eq!(rate("0/s"), Ok(Rate::from_nanohertz(0)));
        for (text, nanohertz) in [
            (" 10 / s ", 10_000_000_000),
            ("10/second", 10_000_000_000),
            ("50/10s", 5_000_000_000),
            ("1/1m30s", 11_111_112),
            ("1e3/s", 1_000_000_000_000),
            ("1_000/s", 1_000_000_000_000),
            (".5/s", 500_000_000),
            ("1/ms", 1_000_000_000_000),
            ("24/d", 277_778),
        ] {
            assert_eq!(rate(text), Ok(Rate::from_nanohertz(nanohertz)), "{text}");
        }
    }

    #[test]
    fn what_is_no_rate_says_why() {
        for (text, reason) in [
            ("", "empty"),
            ("10", "says no time that it is per"),
            ("10/fortnight", "unknown unit of time \"fortnight\""),
            ("10/S", "unknown unit of time \"S\""),
            ("-1/s", "negative"),
            ("2000000/s", "above 1000000/s"),
            ("1e9/s", "above 1000000/s"),
            ("1e15/ns", "above 1000000/s"),
            ("0.0000000001/s", "too low"),
            ("/s", "no rate"),
            ("10/", "ends with `/`"),
            ("10/0s", "per no time at all"),
            ("10 rps", "\"rps\" in place of \"/s\""),
            ("10 per second", "\"per second\" in place of"),
            ("1,5/s", "the decimal sign is a point"),
            ("many/s", "no rate"),
        ] {
            let error = rate(text).unwrap_err();
            assert!(error.reason.contains(reason), "{text}: {error}");
        }
    }

    #[test]
    fn percentages_are_shares() {
        assert_eq!(percentage("5%"), Ok(0.05));
        assert_eq!(percentage("-5 %"), Ok(-0.05));
        assert_eq!(percentage("5e-1%"), Ok(0.005));
        for (text, reason) in [
            ("5", "without a percent sign"),
            ("half", "no percentage"),
            ("%", "no number before"),
            ("nan%", "no number before"),
            ("inf%", "no number before"),
            ("1e999%", "no number before"),
            ("0,5%", "the decimal sign is a point"),
        ] {
            let error = percentage(text).unwrap_err();
            assert!(error.reason.contains(reason), "{text}: {error}");
        }
    }
}
