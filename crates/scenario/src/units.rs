//! Quantities as people write them: `1m30s`, `80/s`, `5%`. Pure text to value, exact in integers.

use racegate_model::time::{Duration, Probability, Rate};

/// The longest duration anywhere in a scenario.
pub(crate) const DURATION_MAX: Duration = Duration::from_secs(30 * 24 * 3600);
/// The highest rate anywhere in a scenario.
pub(crate) const RATE_MAX: Rate = Rate::per_second(1_000_000);
/// Decimals kept of a number; further ones are below a nanosecond or a nanohertz.
const DECIMALS: u32 = 18;

const DURATION_FORM: &str = "durations are written \"250ms\", \"1.5s\", \"1m30s\" or \"2h\"";
const RATE_FORM: &str = "rates are written \"10/s\", \"300/min\" or \"5/h\"";
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

/// Splits a leading decimal number off.
fn decimal(text: &str) -> Option<(Decimal, &str)> {
    let end = text
        .find(|c: char| !c.is_ascii_digit() && c != '.')
        .unwrap_or(text.len());
    let (number, rest) = text.split_at(end);
    let (whole, fraction) = number.split_once('.').unwrap_or((number, "0"));
    if whole.is_empty() || fraction.is_empty() || fraction.contains('.') || whole.len() > 15 {
        return None;
    }
    let kept = fraction.get(..DECIMALS as usize).unwrap_or(fraction);
    let digits = format!("{whole}{kept}").parse().ok()?;
    Some((
        Decimal {
            digits,
            decimals: u32::try_from(kept.len()).ok()?,
        },
        rest,
    ))
}

/// Nanoseconds of a unit of time.
fn time_unit(name: &str) -> Option<u128> {
    Some(match name {
        "ns" => 1,
        "us" | "µs" => 1_000,
        "ms" => 1_000_000,
        "s" => 1_000_000_000,
        "m" | "min" => 60_000_000_000,
        "h" => 3_600_000_000_000,
        "d" => 86_400_000_000_000,
        _ => return None,
    })
}

/// `250ms`, `1.5s`, `1m30s`, `2h`: numbers with units, from the longest unit to the shortest.
pub(crate) fn duration(text: &str) -> Result<Duration, UnitError> {
    let wrong = |reason: String| UnitError::new(reason, DURATION_FORM);
    let mut rest = text.trim();
    if rest.is_empty() {
        return Err(wrong("is empty".into()));
    }
    if rest.starts_with('-') {
        return Err(wrong("is negative".into()));
    }
    let (mut nanos, mut before) = (0_u128, u128::MAX);
    while !rest.is_empty() {
        let (number, tail) =
            decimal(rest).ok_or_else(|| wrong(format!("is no duration: \"{text}\"")))?;
        let end = tail
            .find(|c: char| c.is_ascii_digit())
            .unwrap_or(tail.len());
        let (name, tail) = tail.split_at(end);
        if name.is_empty() {
            return Err(wrong(format!("has a number without a unit: \"{text}\"")));
        }
        let unit = time_unit(name)
            .ok_or_else(|| wrong(format!("has an unknown unit of time \"{}\"", name.trim())))?;
        if unit >= before {
            return Err(wrong(format!(
                "must go from longer to shorter units: \"{text}\""
            )));
        }
        let long = || too_long(text);
        nanos = nanos
            .checked_add(number.times(unit).ok_or_else(long)?)
            .ok_or_else(long)?;
        (before, rest) = (unit, tail);
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

/// `10/s`, `300/min`, `5/h`; zero is a rate here.
pub(crate) fn rate(text: &str) -> Result<Rate, UnitError> {
    let wrong = |reason: String| UnitError::new(reason, RATE_FORM);
    let trimmed = text.trim();
    if trimmed.starts_with('-') {
        return Err(wrong("is negative".into()));
    }
    let (number, rest) =
        decimal(trimmed).ok_or_else(|| wrong(format!("is no rate: \"{text}\"")))?;
    let Some(name) = rest.trim_start().strip_prefix('/') else {
        return Err(wrong(format!("has no unit: \"{text}\"")));
    };
    let seconds = match name.trim() {
        "s" | "sec" => 1,
        "min" | "m" => 60,
        "h" => 3600,
        other => return Err(wrong(format!("has an unknown unit \"/{other}\""))),
    };
    let high = || UnitError::new(format!("is above 1000000/s: \"{text}\""), "use less");
    // Rounded up, so that 100/min allows 100 calls in a minute and not 99.
    let nanohertz = number
        .times(1_000_000_000)
        .ok_or_else(high)?
        .div_ceil(seconds);
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

/// `5%` as a share of one; a sign is allowed for differences.
pub(crate) fn percentage(text: &str) -> Result<f64, UnitError> {
    let number = text.trim().strip_suffix('%').map(str::trim_end);
    let value = number
        .and_then(finite_number)
        .map(|percent| percent / 100.0);
    value.ok_or_else(|| UnitError::new(format!("is no percentage: \"{text}\""), SHARE_FORM))
}

/// A share of one as a probability.
pub(crate) fn probability(share: f64) -> Result<Probability, UnitError> {
    Probability::new(share).ok_or_else(|| {
        let help = format!("{SHARE_FORM}, from 0 to 1");
        UnitError::new(format!("is {share}, which is no probability"), help)
    })
}

/// A finite number written with digits, a sign, a point: neither `inf` nor `1e9`.
pub(crate) fn finite_number(text: &str) -> Option<f64> {
    let plain = |c: char| c.is_ascii_digit() || matches!(c, '.' | '-' | '+');
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
            ("1..5s", "no duration"),
            ("s", "no duration"),
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
        for text in [
            "10",
            "10/fortnight",
            "-1/s",
            "2000000/s",
            "0.0000000001/s",
            "/s",
        ] {
            assert!(rate(text).is_err(), "{text}");
        }
    }

    #[test]
    fn percentages_are_shares() {
        assert_eq!(percentage("5%"), Ok(0.05));
        assert_eq!(percentage("-5 %"), Ok(-0.05));
        for text in ["5", "%", "nan%", "inf%", "1e3%"] {
            assert!(percentage(text).is_err(), "{text}");
        }
    }
}
