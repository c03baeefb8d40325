//! `< 5%`: an operator and a bound in the metric's unit.

use racegate_model::scenario::{Comparison, Condition, Metric};

use super::metric::{Unit, unit};
use crate::reader::Field;
use crate::units::{self, UnitError};

/// Longer operators first: `<` begins `<=`.
const OPERATORS: [(&str, Comparison); 5] = [
    ("<=", Comparison::LessOrEqual),
    (">=", Comparison::GreaterOrEqual),
    ("==", Comparison::Equal),
    ("<", Comparison::Less),
    (">", Comparison::Greater),
];

/// Which bounds have a meaning.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Sign {
    /// A measure's: not below zero.
    Positive,
    /// A difference's.
    Any,
}

/// Reads one condition.
pub(super) fn read(field: &Field<'_>, text: &str, metric: Metric, sign: Sign) -> Option<Condition> {
    let trimmed = text.trim();
    let operator = OPERATORS.iter().find_map(|(sign, comparison)| {
        Some((*comparison, trimmed.strip_prefix(sign)?.trim_start()))
    });
    let Some((comparison, rest)) = operator else {
        field.wrong(
            format!("has a condition without an operator: \"{text}\""),
            "begin with `<`, `<=`, `>`, `>=` or `==`, as in \"< 5%\"",
        );
        return None;
    };
    let (negative, size) = match rest.strip_prefix('-') {
        Some(size) => (true, size.trim_start()),
        None => (false, rest),
    };
    let size = match bound(size, metric) {
        Ok(size) => size,
        Err(error) => {
            field.wrong(format!("has a bound that {}", error.reason), error.help);
            return None;
        }
    };
    if negative && sign == Sign::Positive {
        field.wrong(
            format!("has a negative bound: \"{text}\""),
            "only differences (`A - B`) can be negative",
        );
        return None;
    }
    Some(Condition {
        comparison,
        bound: if negative { -size } else { size },
    })
}

/// A bound without its sign.
fn bound(text: &str, metric: Metric) -> Result<f64, UnitError> {
    let wrong = |reason: &str, help: &str| UnitError {
        reason: format!("{reason}: \"{text}\""),
        help: help.to_owned(),
    };
    let number = units::finite_number(text).filter(|number| *number >= 0.0);
    match unit(metric) {
        Unit::Share => {
            let help = "shares are written \"5%\" or \"0.05\", from 0 to 1";
            let share = match number {
                Some(share) => share,
                None => units::percentage(text)?,
            };
            let inside = (0.0..=1.0).contains(&share).then_some(share);
            inside.ok_or_else(|| wrong("is no share", help))
        }
        Unit::Time => units::duration(text).map(|value| value.as_secs_f64()),
        Unit::Count => number
            .filter(|number| number.fract().abs() < f64::EPSILON)
            .ok_or_else(|| wrong("is no count", "write a whole number, as in \"== 1945\"")),
        Unit::Number => number.ok_or_else(|| wrong("is no number", "write one, as in \"< 2.5\"")),
    }
}
