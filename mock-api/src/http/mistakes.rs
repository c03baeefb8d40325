//! What is wrong with the fields of a request: one list, one answer, whoever finds it.

use std::borrow::Cow;
use std::fmt;

use super::wire::ErrorDetail;

/// Mistakes that one answer names; a body may have many more.
pub(super) const MISTAKES_MAX: usize = 20;
/// Characters of a value that an answer repeats.
const VALUE_MAX: usize = 100;

/// One thing that is wrong.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Mistake {
    pub(super) field: Cow<'static, str>,
    pub(super) wrong: Wrong,
}

/// What is wrong with a field.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Wrong {
    /// It is not there.
    Missing,
    /// It has a value of its type that is none of those which are allowed.
    Value {
        value: String,
        allowed: Cow<'static, str>,
    },
    /// It is of another type.
    Type(Cow<'static, str>),
}

/// What is wrong with a request.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(super) struct Mistakes(Vec<Mistake>);

impl Mistakes {
    pub(super) const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) const fn is_full(&self) -> bool {
        self.0.len() >= MISTAKES_MAX
    }

    /// How many there are; those from there on can be taken back.
    pub(super) const fn len(&self) -> usize {
        self.0.len()
    }

    pub(super) fn take_back_to(&mut self, length: usize) -> Vec<Mistake> {
        self.0.split_off(length.min(self.0.len()))
    }

    pub(super) fn add(&mut self, mistake: Mistake) {
        if !self.is_full() {
            self.0.push(mistake);
        }
    }

    /// A field that must be there is not.
    pub(super) fn missing(&mut self, field: impl Into<Cow<'static, str>>) {
        self.add(Mistake {
            field: field.into(),
            wrong: Wrong::Missing,
        });
    }

    /// A field may not have that value.
    pub(super) fn invalid(
        &mut self,
        field: impl Into<Cow<'static, str>>,
        value: &str,
        allowed: impl Into<Cow<'static, str>>,
    ) {
        self.add(Mistake {
            field: field.into(),
            wrong: Wrong::Value {
                value: value.chars().take(VALUE_MAX).collect(),
                allowed: allowed.into(),
            },
        });
    }

    /// The code of the whole: that of a value only if nothing else is wrong.
    pub(super) fn code(&self) -> &'static str {
        let of_values = |mistake: &Mistake| mistake.code() == INVALID;
        if !self.0.is_empty() && self.0.iter().all(of_values) {
            INVALID
        } else {
            BAD
        }
    }

    pub(super) fn details(&self) -> Vec<ErrorDetail> {
        let details = self.0.iter().map(|mistake| ErrorDetail {
            error_code: mistake.code().into(),
            field_name: mistake.field.clone(),
            ..ErrorDetail::default()
        });
        details.collect()
    }
}

const BAD: &str = "bad.request";
const INVALID: &str = "invalid.value";

impl Mistake {
    const fn code(&self) -> &'static str {
        match self.wrong {
            Wrong::Missing | Wrong::Type(_) => BAD,
            Wrong::Value { .. } => INVALID,
        }
    }
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let field = &self.field;
        match &self.wrong {
            Wrong::Missing => write!(f, "A value for [{field}] is required."),
            Wrong::Value { value, allowed } => write!(
                f,
                "Value [{value}] is not valid for field type [{field}]. \
                 Allowable values are: {allowed}"
            ),
            Wrong::Type(must) => write!(f, "The body does not fit: {must}."),
        }
    }
}

impl fmt::Display for Mistakes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (nth, mistake) in self.0.iter().enumerate() {
            if nth > 0 {
                f.write_str(" ")?;
            }
            mistake.fmt(f)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_the_code_only_if_nothing_else_is_wrong() {
        let mut mistakes = Mistakes::default();
        mistakes.invalid("state", &"x".repeat(1000), "PROCESSING");
        assert_eq!(mistakes.code(), "invalid.value");
        assert!(mistakes.to_string().len() < 200, "{mistakes}");
        mistakes.missing("action");
        assert_eq!(mistakes.code(), "bad.request");
        assert_eq!(
            mistakes.details().last().unwrap().field_name,
            "action",
            "{mistakes}"
        );
    }

    #[test]
    fn an_answer_names_only_so_many() {
        let mut mistakes = Mistakes::default();
        for nth in 0..1000 {
            mistakes.missing(format!("f{nth}"));
        }
        assert_eq!(mistakes.len(), MISTAKES_MAX);
    }
}
