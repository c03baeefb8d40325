//! Texts that a scenario is made of, and places in them.

/// A scenario's text and the name it is shown under.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Source {
    /// Shown in diagnostics, as in `scenarios/webrtc-spike.toml:12:3`.
    pub name: String,
    /// The TOML text.
    pub text: String,
}

impl Source {
    /// A text and its name.
    #[must_use]
    pub fn new(name: impl Into<String>, text: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            text: text.into(),
        }
    }
}

/// A change of one value from the command line.
///
/// The key is a dotted path; an element of an array of tables is addressed by its `name`:
/// `platform.metadata.stage.inject.workers`. The value is TOML if it parses as one value, else a
/// string.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Override {
    /// The flag that made it, for diagnostics: `--set`.
    pub flag: String,
    /// `KEY=VALUE` as written.
    pub assignment: String,
}

impl Override {
    /// The override `--set KEY=VALUE`.
    #[must_use]
    pub fn set(assignment: impl Into<String>) -> Self {
        Self {
            flag: "--set".to_owned(),
            assignment: assignment.into(),
        }
    }

    /// What a flag of its own sets, such as `--seed 7`.
    #[must_use]
    pub fn of_flag(flag: impl Into<String>, key: &str, value: &str) -> Self {
        Self {
            flag: flag.into(),
            assignment: format!("{key}={value}"),
        }
    }
}

/// A stretch of one of the sources, in bytes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct Span {
    /// 0 is the scenario; k is the k-th override.
    pub source: usize,
    /// First byte.
    pub start: usize,
    /// One after the last byte.
    pub end: usize,
}

impl Span {
    /// The bytes `start..end` of source `source`.
    pub(crate) const fn new(source: usize, start: usize, end: usize) -> Self {
        Self { source, start, end }
    }

    /// The stretch `from..to` of the bytes that the span covers.
    pub(crate) fn within(self, from: usize, to: usize) -> Self {
        let start = (self.start + from).min(self.end);
        Self {
            source: self.source,
            start,
            end: (self.start + to).clamp(start, self.end),
        }
    }
}
