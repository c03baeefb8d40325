//! Mistakes, with their places, and how they are shown.

use std::fmt;

use annotate_snippets::{AnnotationKind, Element, Group, Level, Renderer, Snippet};

use crate::printable;
use crate::source::{Source, Span};

/// Mistakes shown in full; the others are counted.
const SHOWN_MAX: usize = 50;
/// Mistakes kept; a file with more is broken in a way that no list explains.
pub(crate) const KEPT_MAX: usize = 500;
/// Characters of a message; a value quoted in it may be of any length.
const MESSAGE_CHARS_MAX: usize = 300;
/// Width that snippets are cut to.
const WIDTH: usize = 100;

/// Whether a text is coloured for a terminal.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Color {
    /// Plain text.
    Never,
    /// ANSI colours.
    Always,
}

/// One mistake.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Diagnostic {
    /// Where it is.
    pub span: Span,
    /// What is wrong.
    pub message: String,
    /// Said at the place itself; may be empty.
    pub label: String,
    /// Further places.
    pub labels: Vec<Label>,
    /// The way out.
    pub help: Option<String>,
    /// How it came about, if not from the place alone.
    pub note: Option<String>,
}

/// A further place that explains a mistake.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Label {
    /// Where.
    pub span: Span,
    /// What is there.
    pub text: String,
}

impl Diagnostic {
    /// A mistake at `span`.
    pub(crate) fn new(span: Span, message: impl Into<String>) -> Self {
        let mut message = message.into();
        if let Some((cut, _)) = message.char_indices().nth(MESSAGE_CHARS_MAX) {
            message.truncate(cut);
            message.push('…');
        }
        let label = String::new();
        Self {
            span,
            message,
            label,
            labels: Vec::new(),
            help: None,
            note: None,
        }
    }

    /// With the way out.
    pub(crate) fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// With a word at the place itself.
    pub(crate) fn label(mut self, label: impl Into<String>) -> Self {
        self.label = label.into();
        self
    }

    /// With a further place.
    pub(crate) fn also(mut self, span: Span, text: impl Into<String>) -> Self {
        self.labels.push(Label {
            span,
            text: text.into(),
        });
        self
    }

    fn clean(&mut self) {
        let labels = self.labels.iter_mut().map(|label| &mut label.text);
        let texts = [&mut self.message, &mut self.label]
            .into_iter()
            .chain(labels);
        for text in texts.chain(&mut self.help).chain(&mut self.note) {
            *text = printable(text).into_owned();
        }
    }

    /// With how it came about.
    pub(crate) fn note(mut self, note: impl Into<String>) -> Self {
        self.note = Some(note.into());
        self
    }
}

/// Every mistake of a scenario, in the order of their places. Never empty.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub struct Diagnostics {
    sources: Vec<Source>,
    list: Vec<Diagnostic>,
    dropped: usize,
}

impl Diagnostics {
    /// Sorts the mistakes; the same one is kept once. From here on nothing is in them that a
    /// terminal would act upon.
    pub(crate) fn new(sources: Vec<Source>, mut list: Vec<Diagnostic>, dropped: usize) -> Self {
        list.iter_mut().for_each(Diagnostic::clean);
        list.sort();
        list.dedup();
        let clean = |text: &str| printable(text).into_owned();
        let clean = |source: Source| Source::new(clean(&source.name), clean(&source.text));
        let sources = sources.into_iter().map(clean).collect();
        Self {
            sources,
            list,
            dropped,
        }
    }

    /// The mistakes, in the order of their places.
    pub fn iter(&self) -> impl Iterator<Item = &Diagnostic> {
        self.list.iter()
    }

    /// Number of mistakes, those not kept included.
    #[must_use]
    pub fn count(&self) -> usize {
        self.list.len() + self.dropped
    }

    /// Line and column of a place, both from 1; columns count characters.
    #[must_use]
    pub fn line_column(&self, span: Span) -> (usize, usize) {
        let text = self
            .sources
            .get(span.source)
            .map_or("", |source| source.text.as_str());
        let before = text.get(..span.start).unwrap_or(text);
        let line_start = before.rfind('\n').map_or(0, |at| at + 1);
        let line = before.bytes().filter(|byte| *byte == b'\n').count() + 1;
        (line, before[line_start..].chars().count() + 1)
    }

    /// All mistakes with their source lines, and a last line with their number.
    #[must_use]
    pub fn render(&self, color: Color) -> String {
        let renderer = match color {
            Color::Never => Renderer::plain(),
            Color::Always => Renderer::styled(),
        };
        let renderer = renderer.term_width(WIDTH);
        let mut out = String::new();
        for diagnostic in self.list.iter().take(SHOWN_MAX) {
            out.push_str(&renderer.render(&[self.group(diagnostic)]));
            out.push_str("\n\n");
        }
        let hidden = self.count().saturating_sub(SHOWN_MAX);
        if hidden > 0 {
            out.push_str(&format!("... and {hidden} more\n\n"));
        }
        let (count, name) = (
            self.count(),
            self.sources.first().map_or("", |s| s.name.as_str()),
        );
        let plural = if count == 1 { "" } else { "s" };
        out.push_str(&format!("{name}: {count} error{plural}\n"));
        out
    }

    fn group<'a>(&'a self, diagnostic: &'a Diagnostic) -> Group<'a> {
        let mut elements: Vec<Element<'a>> = Vec::new();
        if let Some(source) = self.sources.get(diagnostic.span.source) {
            let label = Some(diagnostic.label.as_str()).filter(|label| !label.is_empty());
            let mut snippet = snippet(source).annotation(
                AnnotationKind::Primary
                    .span(shown(source, diagnostic.span))
                    .label(label),
            );
            for other in &diagnostic.labels {
                if other.span.source == diagnostic.span.source {
                    let span = shown(source, other.span);
                    snippet = snippet.annotation(
                        AnnotationKind::Context
                            .span(span)
                            .label(other.text.as_str()),
                    );
                }
            }
            elements.push(snippet.into());
        }
        if let Some(note) = &diagnostic.note {
            elements.push(Level::NOTE.message(note.as_str()).into());
        }
        if let Some(help) = &diagnostic.help {
            elements.push(Level::HELP.message(help.as_str()).into());
        }
        Level::ERROR
            .primary_title(diagnostic.message.as_str())
            .elements(elements)
    }
}

impl fmt::Display for Diagnostics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.render(Color::Never).trim_end())
    }
}

fn snippet(source: &Source) -> Snippet<'_, annotate_snippets::Annotation<'_>> {
    Snippet::source(source.text.as_str()).path(source.name.as_str())
}

/// The part of a span that is shown: on one line, and on whole characters.
fn shown(source: &Source, span: Span) -> std::ops::Range<usize> {
    let text = source.text.as_str();
    let mut start = span.start.min(text.len());
    while !text.is_char_boundary(start) {
        start -= 1;
    }
    let line_end = text[start..]
        .find(['\n', '\r'])
        .map_or(text.len(), |at| start + at);
    let mut end = span.end.clamp(start, line_end);
    while !text.is_char_boundary(end) {
        end += 1;
    }
    start..end
}
