//! Values as TOML text.

use racegate_model::gate::keys::Value;
use racegate_model::time::{Duration, Fixed};

/// `"none"`, where a key has no limit.
const NONE: &str = "\"none\"";

/// A duration in the largest unit that leaves a whole number.
pub(super) fn duration(value: Duration) -> String {
    let nanos = value.as_nanos();
    let units = [("s", 1_000_000_000), ("ms", 1_000_000), ("us", 1_000)];
    let whole = units
        .into_iter()
        .find(|(_, size)| nanos.is_multiple_of(*size));
    let (unit, size) = whole.unwrap_or(("ns", 1));
    format!("\"{}{unit}\"", nanos / size)
}

/// The shortest decimal that is read as the same factor.
fn number(value: Fixed) -> String {
    let exact = value.as_f64();
    let texts = (0..=9).map(|digits| format!("{exact:.digits$}"));
    let same = |text: &String| text.parse().ok().and_then(Fixed::new) == Some(value);
    texts
        .into_iter()
        .find(same)
        .unwrap_or_else(|| exact.to_string())
}

/// A list of words.
pub(super) fn list<'a>(words: impl IntoIterator<Item = &'a str>) -> String {
    let words: Vec<String> = words
        .into_iter()
        .map(|word| format!("\"{word}\""))
        .collect();
    format!("[{}]", words.join(", "))
}

/// What stands in a key's place.
pub(super) fn text(place: &Value<'_>) -> String {
    match place {
        Value::Duration(value) | Value::Interval(value) => duration(**value),
        Value::Limit(value) => value.map_or_else(|| NONE.to_owned(), duration),
        Value::Count(value, ..) => value.to_string(),
        Value::CountLimit(value, ..) => value.map_or_else(|| NONE.to_owned(), |n| n.to_string()),
        Value::Number(value, ..) => number(**value),
        Value::Word(choice) => format!("\"{}\"", choice.word()),
        Value::Checks(ready) => list(ready.set()),
    }
}
