//! Values: text to quantities, numbers, words and names, within bounds.

use racegate_model::field::Field as ManifestField;
use racegate_model::time::{Duration, Probability, Rate};

use super::Context;
use crate::diagnostics::Diagnostic;
use crate::document::{Node, Value};
use crate::suggest;
use crate::units::{self, UnitError};

/// The longest name.
const NAME_MAX: usize = 64;

/// A value being read.
#[derive(Clone)]
pub(crate) struct Field<'d> {
    pub(crate) context: &'d Context<'d>,
    pub(crate) node: &'d Node,
    pub(crate) path: String,
}

impl<'d> Field<'d> {
    /// Notes a mistake at the value: `reason` completes "`path` …".
    pub(crate) fn wrong(&self, reason: impl std::fmt::Display, help: impl Into<String>) {
        let message = format!("`{}` {reason}", self.path);
        self.context
            .report(Diagnostic::new(self.node.span, message).help(help));
    }

    fn unit<T>(&self, result: Result<T, UnitError>) -> Option<T> {
        result
            .map_err(|error| self.wrong(error.reason, error.help))
            .ok()
    }

    pub(super) fn wrong_type(&self, wanted: &str, help: &str) {
        self.wrong(
            format!("is {}; it must be {wanted}", self.node.type_name()),
            help,
        );
    }

    /// The elements of an array of at most `most`; `form` says how one is written.
    pub(crate) fn elements(&self, most: usize, form: &str) -> &'d [Node] {
        match self.node.array() {
            Some(elements) if elements.len() <= most => elements,
            Some(elements) => {
                let count = elements.len();
                self.wrong(
                    format!("has {count} elements"),
                    format!("use at most {most}"),
                );
                &[]
            }
            None => {
                self.wrong_type("an array", form);
                &[]
            }
        }
    }

    /// The elements of an array, to be read.
    pub(crate) fn items(&self, most: usize) -> Vec<Self> {
        let item = |(index, node)| Self {
            context: self.context,
            node,
            path: format!("{}[{index}]", self.path),
        };
        let form = "write it in brackets, as in [ … ]";
        let elements = self.elements(most, form).iter().enumerate();
        elements.map(item).collect()
    }

    /// The value as a string.
    pub(crate) fn string(&self, example: &str) -> Option<&'d str> {
        let text = self.node.text();
        if text.is_none() {
            self.wrong_type("a string", &format!("write {example}"));
        }
        text
    }

    /// A duration.
    pub(crate) fn duration(&self) -> Option<Duration> {
        let text = self.string("a duration with its unit, as in \"250ms\" or \"1m30s\"")?;
        self.unit(units::duration(text))
    }

    /// A duration above zero.
    pub(crate) fn duration_above_zero(&self) -> Option<Duration> {
        let value = self.duration()?;
        if value > Duration::ZERO {
            return Some(value);
        }
        self.wrong("is zero", "use a duration above 0s");
        None
    }

    /// A rate; zero is one.
    pub(crate) fn rate_or_zero(&self) -> Option<Rate> {
        let text = self.string("a rate with its unit, as in \"10/s\" or \"300/min\"")?;
        self.unit(units::rate(text))
    }

    /// A rate above zero.
    pub(crate) fn rate(&self) -> Option<Rate> {
        let rate = self.rate_or_zero()?;
        if rate.as_nanohertz() > 0 {
            return Some(rate);
        }
        self.wrong("is zero", "use a rate above 0/s");
        None
    }

    /// A share of one: `0.05` or `"5%"`.
    pub(crate) fn probability(&self) -> Option<Probability> {
        let share = self.share()?;
        self.unit(units::probability(share))
    }

    /// A share as a number, not yet bounded.
    pub(crate) fn share(&self) -> Option<f64> {
        match self.node.text() {
            Some(text) => self.unit(units::percentage(text)),
            None => self.number("0.05 or \"5%\""),
        }
    }

    /// `true` or `false`.
    pub(crate) fn boolean(&self) -> Option<bool> {
        if let Value::Boolean(value) = self.node.value {
            return Some(value);
        }
        self.wrong_type("a boolean", "write true or false, without quotes");
        None
    }

    /// A finite number.
    #[expect(
        clippy::cast_precision_loss,
        reason = "a scenario's integers are small"
    )]
    pub(crate) fn number(&self, example: &str) -> Option<f64> {
        let number = match self.node.value {
            Value::Integer(number) => number as f64,
            Value::Float(number) => number,
            Value::String(_)
            | Value::Boolean(_)
            | Value::DateTime
            | Value::Array(_)
            | Value::Table(_) => {
                self.wrong_type("a number", &format!("write {example}"));
                return None;
            }
        };
        if number.is_finite() {
            return Some(number);
        }
        self.wrong(format!("is {number}"), "use a finite number");
        None
    }

    /// A number from `low` to `high`.
    pub(crate) fn number_in(&self, low: f64, high: f64) -> Option<f64> {
        let number = self.number("it without quotes")?;
        if (low..=high).contains(&number) {
            return Some(number);
        }
        self.wrong(
            format!("is {number}"),
            format!("use a number from {low} to {high}"),
        );
        None
    }

    /// An integer from `low` to `high`.
    pub(crate) fn integer(&self, low: u64, high: u64) -> Option<u64> {
        let Value::Integer(number) = self.node.value else {
            self.wrong_type("an integer", "write it with digits only, without quotes");
            return None;
        };
        let inside = u64::try_from(number)
            .ok()
            .filter(|value| (low..=high).contains(value));
        if inside.is_none() {
            self.wrong(
                format!("is {number}"),
                format!("use an integer from {low} to {high}"),
            );
        }
        inside
    }

    /// A count from `low` to `high`.
    pub(crate) fn count(&self, low: u32, high: u32) -> Option<u32> {
        let value = self.integer(low.into(), high.into())?;
        u32::try_from(value).ok()
    }

    /// One of a closed set of words.
    pub(crate) fn choice<T: Clone>(&self, words: &[(&'static str, T)]) -> Option<T> {
        let names: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
        let text = self.string(&format!("one of {}", suggest::list(&names)))?;
        let found = words.iter().find(|(word, _)| *word == text);
        if found.is_none() {
            self.wrong(
                format!("has the unknown value `{text}`"),
                suggest::help_for(text, &names, "values"),
            );
        }
        found.map(|(_, value)| value.clone())
    }

    /// A name: it is a label, a part of dotted paths and a part of bucket keys.
    pub(crate) fn name(&self) -> Option<String> {
        let text = self.string("a name in quotes")?;
        let letter = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
        if text.is_empty() || text.len() > NAME_MAX || !text.chars().all(letter) {
            self.wrong(
                format!("is no name: \"{text}\""),
                format!("use 1 to {NAME_MAX} letters, digits, `-` and `_`"),
            );
            return None;
        }
        Some(text.to_owned())
    }

    /// A metadata field's name.
    pub(crate) fn manifest_field(&self) -> Option<ManifestField> {
        self.choice(&ManifestField::METADATA.map(|field| (field.name(), field)))
    }
}
