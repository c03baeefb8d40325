//! The keys of a gate: each strategy lists its own once, and what reads, writes, describes or
//! documents them goes through that list.

use super::Readiness;
use crate::distribution::Distribution;
use crate::time::{Duration, Fixed, Rate};

/// A key of a table: its name, and a line of help.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Key {
    /// As it is written.
    pub name: &'static str,
    /// One line: what it is, without its type and default.
    pub help: &'static str,
    /// A value to show where the key is left out and must not be.
    pub required: Option<&'static str>,
}

impl Key {
    /// A key that may be left out.
    #[must_use]
    pub const fn new(name: &'static str, help: &'static str) -> Self {
        Self {
            name,
            help,
            required: None,
        }
    }

    /// A key that must be given, as in `example`.
    #[must_use]
    pub const fn required(name: &'static str, help: &'static str, example: &'static str) -> Self {
        Self {
            name,
            help,
            required: Some(example),
        }
    }
}

/// The place of a key's value, which holds the default at first; its form says what is allowed.
pub enum Value<'a> {
    /// A length of time; zero is one.
    Duration(&'a mut Duration),
    /// A length of time above zero.
    Interval(&'a mut Duration),
    /// A length of time above zero, or `"none"`.
    Limit(&'a mut Option<Duration>),
    /// An integer from the first bound to the second.
    Count(&'a mut u32, u32, u32),
    /// Such an integer, or `"none"`.
    CountLimit(&'a mut Option<u32>, u32, u32),
    /// A number from the first bound to the second.
    Number(&'a mut Fixed, f64, f64),
    /// One of a few words.
    Word(&'a mut dyn Choice),
    /// A rate above zero, or `"none"`.
    Pace(&'a mut Option<Rate>),
    /// The law of a lag; `"learned"` where it need not be known.
    Law(&'a mut Option<Distribution>),
    /// A list of checks, all of which must hold.
    Checks(&'a mut Readiness),
}

/// What goes through a list of keys: a reader, a writer, a schema, a page.
pub trait Keys {
    /// The next key, and the place of its value.
    fn key(&mut self, key: Key, value: Value<'_>);

    /// The values seen so far do not go together: `reason` completes "`key` …", `help` is the way
    /// out. Only a reader listens.
    fn reject(&mut self, key: &'static str, reason: &str, help: &str) {
        let _ = (key, reason, help);
    }
}

/// A value that is written as one of a few words.
pub trait Word: Copy + PartialEq + 'static {
    /// All words with their values, the default first.
    const WORDS: &'static [(&'static str, Self)];
}

/// The place of a [`Word`], whatever its type.
pub trait Choice {
    /// All words.
    fn words(&self) -> Vec<&'static str>;
    /// The word that it holds.
    fn word(&self) -> &'static str;
    /// Takes the value of the word at `position` of [`Choice::words`].
    fn take(&mut self, position: usize);
}

impl<W: Word> Choice for W {
    fn words(&self) -> Vec<&'static str> {
        W::WORDS.iter().map(|(word, _)| *word).collect()
    }

    fn word(&self) -> &'static str {
        let found = W::WORDS.iter().find(|(_, value)| value == self);
        found.map_or("", |(word, _)| word)
    }

    fn take(&mut self, position: usize) {
        if let Some((_, value)) = W::WORDS.get(position) {
            *self = *value;
        }
    }
}
