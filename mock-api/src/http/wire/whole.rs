//! Whole numbers in bodies. JSON does not tell `65` from `65.0`, and neither does its schema.

use serde::de::{Deserializer, Error, Visitor};
use std::fmt;

/// A whole number, or null.
pub(in crate::http) fn option<'de, D, T>(deserializer: D) -> Result<Option<T>, D::Error>
where
    D: Deserializer<'de>,
    T: TryFrom<i128>,
{
    let Some(number) = deserializer.deserialize_any(Whole)? else {
        return Ok(None);
    };
    // The API's short numbers have 32 bits, with a sign.
    let fits = size_of::<T>() > 4 || number <= i32::MAX.into();
    match T::try_from(number) {
        Ok(number) if fits => Ok(Some(number)),
        _ => Err(D::Error::custom("a number out of range")),
    }
}

/// A whole number.
pub(in crate::http) fn number<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: TryFrom<i128>,
{
    option(deserializer)?.ok_or_else(|| D::Error::custom("null instead of a number"))
}

struct Whole;

/// The largest integer up to which every integer is a double.
const EXACT: f64 = 9_007_199_254_740_992.0;

impl Visitor<'_> for Whole {
    type Value = Option<i128>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a whole number")
    }

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_i64<E>(self, number: i64) -> Result<Self::Value, E> {
        Ok(Some(number.into()))
    }

    fn visit_u64<E>(self, number: u64) -> Result<Self::Value, E> {
        Ok(Some(number.into()))
    }

    fn visit_f64<E: Error>(self, number: f64) -> Result<Self::Value, E> {
        if number.abs() > EXACT {
            return Err(E::custom("a number out of range"));
        }
        if number.fract().abs() > 0.0 {
            return Err(E::custom(format_args!("{number} is not a whole number")));
        }
        // It has no fraction and few enough digits: its text is that of the integer.
        format!("{number:.0}").parse().map(Some).map_err(E::custom)
    }
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    #[derive(Deserialize)]
    struct Body {
        #[serde(default, deserialize_with = "super::option")]
        age: Option<u32>,
    }

    fn age(text: &str) -> Result<Option<u32>, serde_json::Error> {
        serde_json::from_str(&format!("{{\"age\":{text}}}")).map(|body: Body| body.age)
    }

    #[test]
    fn a_whole_number_may_be_written_with_a_point() {
        assert_eq!(age("65").unwrap(), Some(65));
        assert_eq!(age("65.0").unwrap(), Some(65));
        assert_eq!(age("6.5e1").unwrap(), Some(65));
        assert_eq!(age("null").unwrap(), None);
        assert_eq!(serde_json::from_str::<Body>("{}").unwrap().age, None);
        for bad in [
            "65.5",
            "-1",
            "2147483648",
            "4294967296",
            "1e300",
            "\"65\"",
            "true",
            "[]",
        ] {
            assert!(age(bad).is_err(), "{bad}");
        }
    }
}
