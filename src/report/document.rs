//! A report as blocks: what is said, without knowing whether on a terminal or on a page.

use racegate_model::outcome::OutcomeKind;
use racegate_model::summary::Verdict;

/// A report.
pub(super) struct Document {
    /// What it is called.
    pub(super) title: String,
    /// What it says, top down.
    pub(super) blocks: Vec<Block>,
}

/// A piece of a report.
pub(super) enum Block {
    /// The name of a section.
    Heading(String),
    /// What the table below says.
    Subheading(String),
    /// A paragraph.
    Text(Cell),
    /// A table.
    Table(Table),
    /// Expectations and what came of them.
    Verdicts(Vec<VerdictLine>),
    /// Doubts.
    Doubts(Vec<Doubt>),
    /// The place of a picture; a terminal has none.
    Picture(&'static str),
}

/// A table.
pub(super) struct Table {
    /// Its columns.
    pub(super) columns: Vec<Column>,
    /// So many columns on the left say what a row is about; they are repeated when a table must be
    /// broken because the page is narrow.
    pub(super) stub: usize,
    /// Its rows, each as long as `columns`.
    pub(super) rows: Vec<Vec<Cell>>,
}

/// The head of a column.
pub(super) struct Column {
    /// Its name.
    pub(super) name: String,
    /// Where its cells stand.
    pub(super) align: Align,
}

/// Where text stands in its column.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Align {
    Left,
    Right,
}

/// A text with a meaning.
#[derive(Clone)]
pub(super) struct Cell {
    /// What is read first.
    pub(super) text: String,
    /// How sure it is; goes below the text where there is no room beside it.
    pub(super) detail: String,
    /// Its meaning.
    pub(super) tone: Tone,
}

/// What a text means; each kind of output has its colours for it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Tone {
    Plain,
    Faint,
    Good,
    Bad,
    Doubtful,
    Outcome(OutcomeKind),
}

/// An expectation and what came of it.
pub(super) struct VerdictLine {
    /// The verdict.
    pub(super) verdict: Verdict,
    /// The expectation, as written.
    pub(super) expression: String,
    /// What was observed; empty if nothing was.
    pub(super) observed: String,
    /// What a person should know about it.
    pub(super) note: String,
}

/// A reason not to trust a number, and what to do about it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Doubt {
    /// How far it goes.
    pub(super) severity: Severity,
    /// The reason.
    pub(super) reason: String,
    /// What to do about it.
    pub(super) way_out: String,
}

/// How far a doubt goes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Severity {
    /// No number of the run can be trusted.
    Invalid,
    /// Some numbers are less sure than they look.
    Caution,
}

impl Column {
    /// A column of words.
    pub(super) fn left(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            align: Align::Left,
        }
    }

    /// A column of numbers.
    pub(super) fn right(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            align: Align::Right,
        }
    }
}

impl Cell {
    /// A text that means nothing in particular.
    pub(super) fn plain(text: impl Into<String>) -> Self {
        Self::new(text, "", Tone::Plain)
    }

    /// A text of lesser importance.
    pub(super) fn faint(text: impl Into<String>) -> Self {
        Self::new(text, "", Tone::Faint)
    }

    /// A text with its detail and its meaning.
    pub(super) fn new(text: impl Into<String>, detail: impl Into<String>, tone: Tone) -> Self {
        Self {
            text: text.into(),
            detail: detail.into(),
            tone,
        }
    }

    /// Text and detail on one line.
    pub(super) fn one_line(&self) -> String {
        if self.detail.is_empty() {
            self.text.clone()
        } else {
            format!("{} {}", self.text, self.detail)
        }
    }
}

impl VerdictLine {
    /// The verdict in a word.
    pub(super) const fn word(&self) -> &'static str {
        verdict_word(self.verdict)
    }

    /// The verdict as one sign.
    pub(super) const fn sign(&self) -> &'static str {
        match self.verdict {
            Verdict::Pass => "✓",
            Verdict::Fail => "✗",
            Verdict::Inconclusive | Verdict::NoSamples => "?",
            Verdict::NotRun => "–",
        }
    }

    /// What the verdict means for the reader.
    pub(super) const fn tone(&self) -> Tone {
        match self.verdict {
            Verdict::Pass => Tone::Good,
            Verdict::Fail => Tone::Bad,
            Verdict::Inconclusive | Verdict::NoSamples => Tone::Doubtful,
            Verdict::NotRun => Tone::Faint,
        }
    }
}

/// A verdict in a word, as in `summary.json`.
pub(super) const fn verdict_word(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Pass => "pass",
        Verdict::Fail => "fail",
        Verdict::Inconclusive => "inconclusive",
        Verdict::NoSamples => "no-samples",
        Verdict::NotRun => "not-run",
    }
}
