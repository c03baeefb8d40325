//! How fast a clock goes.

use std::fmt;
use std::str::FromStr;

/// How fast a clock goes, in thousandths of real time.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Pace {
    thousandths: u32,
}

/// No pace.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("`{0}` is no pace: write `real`, `manual`, or a factor from x0.001 to x100000, as in x10")]
pub struct PaceError(String);

impl Pace {
    /// As time goes.
    pub const REAL: Self = Self { thousandths: 1000 };
    /// Not at all: somebody sets the clock by hand.
    pub const MANUAL: Self = Self { thousandths: 0 };
    /// The fastest one, in thousandths.
    const MAX: u32 = 100_000_000;

    /// Clock time that passes in `elapsed` nanoseconds.
    pub(super) fn passed(self, elapsed: u64) -> u64 {
        if self == Self::REAL {
            return elapsed;
        }
        let passed = u128::from(elapsed) * u128::from(self.thousandths) / 1000;
        u64::try_from(passed).unwrap_or(u64::MAX)
    }

    /// Nanoseconds until `ahead` has passed on the clock, rounded up; none if it never does.
    pub(super) fn takes(self, ahead: u64) -> Option<u64> {
        if self.thousandths == 0 {
            return None;
        }
        let takes = (u128::from(ahead) * 1000).div_ceil(u128::from(self.thousandths));
        Some(u64::try_from(takes).unwrap_or(u64::MAX))
    }
}

impl FromStr for Pace {
    type Err = PaceError;

    fn from_str(text: &str) -> Result<Self, PaceError> {
        match text {
            "real" => return Ok(Self::REAL),
            "manual" => return Ok(Self::MANUAL),
            _ => {}
        }
        let error = || PaceError(text.to_owned());
        let factor = text.strip_prefix('x').ok_or_else(error)?;
        let (whole, fraction) = factor.split_once('.').unwrap_or((factor, ""));
        let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
        if whole.is_empty() || fraction.len() > 3 || !digits(whole) || !digits(fraction) {
            return Err(error());
        }
        let whole: u32 = whole.parse().map_err(|_| error())?;
        let fraction: u32 = format!("{fraction:0<3}").parse().map_err(|_| error())?;
        let thousandths = whole
            .checked_mul(1000)
            .and_then(|whole| whole.checked_add(fraction))
            .filter(|thousandths| (1..=Self::MAX).contains(thousandths))
            .ok_or_else(error)?;
        Ok(Self { thousandths })
    }
}

impl fmt::Display for Pace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::REAL => f.write_str("real"),
            Self::MANUAL => f.write_str("manual"),
            Self { thousandths } => {
                let (whole, fraction) = (thousandths / 1000, thousandths % 1000);
                let fraction = format!(".{fraction:03}");
                write!(
                    f,
                    "x{whole}{}",
                    fraction.trim_end_matches(['0']).trim_end_matches('.')
                )
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pace_survives_its_text() {
        for text in ["real", "manual", "x10", "x0.5", "x2.125", "x100000"] {
            let pace: Pace = text.parse().unwrap();
            assert_eq!(pace.to_string(), text);
        }
        assert_eq!("x1".parse(), Ok(Pace::REAL));
        assert_eq!("x1.50".parse::<Pace>().unwrap().to_string(), "x1.5");
    }

    #[test]
    fn what_is_no_pace_is_refused_by_name() {
        for text in [
            "",
            "x",
            "x0",
            "10",
            "x-1",
            "x1e3",
            "x1.2345",
            "x100001",
            "x99999999999",
            "Real",
        ] {
            let error = text.parse::<Pace>().unwrap_err().to_string();
            assert!(error.contains(&format!("`{text}`")), "{error}");
        }
    }

    #[test]
    fn time_passes_and_is_waited_for_alike() {
        let pace: Pace = "x2.5".parse().unwrap();
        assert_eq!(pace.passed(1_000), 2_500);
        assert_eq!(pace.takes(2_500), Some(1_000));
        assert_eq!(Pace::MANUAL.passed(1_000), 0);
        assert_eq!(Pace::MANUAL.takes(1), None);
    }
}
