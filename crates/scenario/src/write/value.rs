//! Values as TOML text.

use racegate_model::gate::keys::Value;
use racegate_model::time::Duration;

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
        Value::Number(value, ..) => value.as_f64().to_string(),
        Value::Word(choice) => format!("\"{}\"", choice.word()),
        Value::Checks(ready) => list(ready.set()),
    }
}
