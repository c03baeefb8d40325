//! The tables of the strategies and their keys, as the pages have them.

use std::fmt::Write as _;

use racegate_model::gate::Strategy;
use racegate_model::gate::keys::{Key, Keys, Value};

use super::gate::Texts;

/// Two Markdown tables: what each strategy does with which keys and defaults, and what each key
/// means.
#[must_use]
pub fn gate_tables() -> String {
    let mut page = String::from("| `strategy` | what it does | its keys (defaults) |\n");
    page.push_str("| --- | --- | --- |\n");
    for strategy in Strategy::all() {
        let keys = Texts::of(&strategy).0;
        let keys: Vec<String> = keys.iter().map(|(key, text)| key_of(key, text)).collect();
        let keys = if keys.is_empty() {
            "–".to_owned()
        } else {
            keys.join(", ")
        };
        // Writing to a string does not fail.
        _ = writeln!(
            page,
            "| `{}` | {} | {keys} |",
            strategy.name(),
            strategy.about()
        );
    }
    page.push_str("| `verify-repair` | repairs what another strategy exported | `inner` (`\"none\"`), and its keys |\n");
    page.push_str("\n| key | value | meaning |\n| --- | --- | --- |\n");
    let mut meanings = Meanings(Vec::new());
    for mut strategy in Strategy::all() {
        strategy.keys(&mut meanings);
    }
    page.extend(meanings.0);
    page
}

fn key_of(key: &Key, text: &str) -> String {
    match key.required {
        Some(_) => format!("`{}` (required)", key.name),
        None => format!("`{}` (`{text}`)", key.name),
    }
}

/// A row for each key, once.
struct Meanings(Vec<String>);

impl Keys for Meanings {
    fn key(&mut self, key: Key, value: Value<'_>) {
        let row = format!("| `{}` | {} | {} |\n", key.name, allowed(&value), key.help);
        if !self.0.contains(&row) {
            self.0.push(row);
        }
    }
}

/// What a key allows.
fn allowed(value: &Value<'_>) -> String {
    match value {
        Value::Duration(_) => "duration".to_owned(),
        Value::Interval(_) => "duration above 0".to_owned(),
        Value::Limit(_) => "duration above 0, or `\"none\"`".to_owned(),
        Value::Count(_, low, high) => format!("{low} to {high}"),
        Value::CountLimit(_, low, high) => format!("{low} to {high}, or `\"none\"`"),
        Value::Number(_, low, high) => format!("number from {low} to {high}"),
        Value::Pace(_) => "rate, or `\"none\"`".to_owned(),
        Value::Law(_) => "distribution".to_owned(),
        Value::Word(choice) => {
            let words = choice.words();
            let words: Vec<String> = words.iter().map(|word| format!("`\"{word}\"`")).collect();
            words.join(", ")
        }
        Value::Checks(_) => "list of `\"state-completed\"`, `\"required-fields\"`, \
            `\"index-visible\"`, `\"media-available\"` and fields"
            .to_owned(),
    }
}
