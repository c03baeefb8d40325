//! What all readers share: the texts, the files, and the mistakes found so far.

use std::cell::RefCell;

use crate::ReadFile;
use crate::diagnostics::{Diagnostic, KEPT_MAX};
use crate::source::{Source, Span};

/// What reading needs from outside, and the mistakes found so far.
pub(crate) struct Context<'c> {
    /// The texts, for places inside strings.
    pub(crate) sources: &'c [Source],
    /// Opens files that the scenario names.
    pub(crate) read_file: &'c ReadFile<'c>,
    /// How much of the document could be read.
    pub(crate) readable: Readable,
    found: RefCell<Found>,
}

/// How much of a document could be read.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Readable {
    /// All of it.
    Whole,
    /// Parts: what is missing may be in the others. From this byte on a table's header is missing.
    Torn(usize),
}

/// Mistakes, as many as are kept, and the number of the others.
#[derive(Default)]
pub(crate) struct Found {
    pub(crate) list: Vec<Diagnostic>,
    pub(crate) dropped: usize,
}

impl<'c> Context<'c> {
    /// A context without mistakes.
    pub(crate) fn new(
        sources: &'c [Source],
        read_file: &'c ReadFile<'c>,
        readable: Readable,
    ) -> Self {
        Self {
            sources,
            read_file,
            readable,
            found: RefCell::default(),
        }
    }

    /// Notes a mistake.
    pub(crate) fn report(&self, diagnostic: Diagnostic) {
        let mut found = self.found.borrow_mut();
        if found.list.len() < KEPT_MAX {
            found.list.push(diagnostic);
        } else {
            found.dropped += 1;
        }
    }

    /// Notes something that should be there; not if the document is torn.
    pub(crate) fn report_missing(&self, diagnostic: Diagnostic) {
        if self.whole() {
            self.report(diagnostic);
        }
    }

    /// Whether all of the document could be read.
    pub(crate) fn whole(&self) -> bool {
        self.readable == Readable::Whole
    }

    /// Whether keys of the root at `span` may belong into a table whose header could not be read.
    pub(crate) fn may_be_astray(&self, span: Span) -> bool {
        matches!(self.readable, Readable::Torn(from) if span.source == 0 && span.start > from)
    }

    /// Number of mistakes noted so far.
    pub(crate) fn count(&self) -> usize {
        let found = self.found.borrow();
        found.list.len() + found.dropped
    }

    /// Counts mistakes that were found elsewhere and not kept.
    pub(crate) fn drop_more(&self, count: usize) {
        self.found.borrow_mut().dropped += count;
    }

    /// Whether the same mistake was noted already.
    pub(crate) fn has(&self, mistake: &Diagnostic) -> bool {
        self.found.borrow().list.contains(mistake)
    }

    /// Whether further mistakes are only counted, so that describing them well is wasted.
    pub(crate) fn full(&self) -> bool {
        self.found.borrow().list.len() >= KEPT_MAX
    }

    /// What was found.
    pub(crate) fn into_found(self) -> Found {
        self.found.into_inner()
    }

    /// The place of bytes `from..to` of the string whose quoted form is at `span`; all of it where
    /// escapes make that uncertain.
    pub(crate) fn inside(&self, span: Span, text: &str, from: usize, to: usize) -> Span {
        let written = self
            .sources
            .get(span.source)
            .and_then(|source| source.text.get(span.start..span.end))
            .unwrap_or("");
        match written.find(text) {
            Some(at) if at <= 1 && written.len() <= text.len() + 2 => {
                span.within(at + from, at + to)
            }
            _ => span,
        }
    }
}

/// Notes names that occur twice among `named`.
pub(crate) fn unique<'a>(
    context: &Context<'_>,
    what: &str,
    named: impl IntoIterator<Item = (&'a str, Span)>,
) {
    let mut seen = std::collections::BTreeMap::new();
    for (name, span) in named {
        if name.is_empty() {
            continue;
        }
        if let Some(first) = seen.insert(name, span) {
            let mistake = Diagnostic::new(span, format!("a second {what} is called `{name}`"))
                .also(first, "the first one")
                .help("give each a name of its own");
            context.report(mistake);
        }
    }
}
