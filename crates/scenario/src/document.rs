//! A TOML document as an owned tree in which every key and value knows its place.
//!
//! Owned, because arms and overrides change it: a value that was put in from elsewhere keeps the
//! place it was written at, so its mistakes point there.

use toml_spanner::{Arena, ErrorKind, Item, TableStyle, Value as Toml};

use crate::diagnostics::Diagnostic;
use crate::source::Span;

/// Deepest nesting of tables and arrays; a scenario needs seven.
const DEPTH_MAX: usize = 40;

/// A value and its place.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct Node {
    pub(crate) span: Span,
    pub(crate) value: Value,
}

/// A TOML value.
#[derive(Clone, PartialEq, Debug)]
pub(crate) enum Value {
    String(String),
    Integer(i128),
    Float(f64),
    Boolean(bool),
    DateTime,
    Array(Vec<Node>),
    Table(Vec<Entry>),
}

/// A key of a table and its value.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct Entry {
    pub(crate) key: String,
    pub(crate) key_span: Span,
    pub(crate) node: Node,
}

impl Node {
    /// An empty table at `span`.
    pub(crate) const fn table(span: Span) -> Self {
        Self {
            span,
            value: Value::Table(Vec::new()),
        }
    }

    /// What the value is, with its article.
    pub(crate) const fn type_name(&self) -> &'static str {
        match self.value {
            Value::String(_) => "a string",
            Value::Integer(_) => "an integer",
            Value::Float(_) => "a number",
            Value::Boolean(_) => "a boolean",
            Value::DateTime => "a date or time",
            Value::Array(_) => "an array",
            Value::Table(_) => "a table",
        }
    }

    /// The text of a string.
    pub(crate) fn text(&self) -> Option<&str> {
        if let Value::String(text) = &self.value {
            Some(text)
        } else {
            None
        }
    }

    /// The elements of an array.
    pub(crate) fn array(&self) -> Option<&[Self]> {
        if let Value::Array(elements) = &self.value {
            Some(elements)
        } else {
            None
        }
    }

    /// The entries of a table; none of anything else.
    pub(crate) fn table_entries(&self) -> &[Entry] {
        if let Value::Table(entries) = &self.value {
            entries
        } else {
            &[]
        }
    }

    /// The entry of a table.
    pub(crate) fn entry(&self, key: &str) -> Option<&Entry> {
        let Value::Table(entries) = &self.value else {
            return None;
        };
        entries.iter().find(|entry| entry.key == key)
    }

    /// The string under `name`, by which elements of arrays are addressed.
    pub(crate) fn name(&self) -> Option<&str> {
        self.entry("name")?.node.text()
    }
}

/// The document of `text` as far as it can be read, and its mistakes of syntax.
pub(crate) fn read(text: &str, source: usize) -> (Node, Vec<Diagnostic>) {
    let arena = Arena::new();
    let document = toml_spanner::parse_recoverable(text, &arena);
    let place = |span: toml_spanner::Span| {
        Span::new(
            source,
            span.start as usize,
            (span.end as usize).max(span.start as usize),
        )
    };
    let mut mistakes: Vec<Diagnostic> = document
        .errors()
        .iter()
        .map(|error| {
            let mut mistake = Diagnostic::new(place(error.span()), error.message(text));
            if let Some((_, label)) = error.primary_label() {
                mistake = mistake.label(label);
            }
            if matches!(
                error.kind(),
                ErrorKind::InvalidInteger(_) | ErrorKind::UnquotedString
            ) {
                let help = "words, durations, rates and percentages are written in quotes";
                mistake = mistake.help(help);
            }
            if matches!(error.kind(), ErrorKind::Unexpected('.')) {
                mistake = mistake.help("a number begins with a digit, as in 0.5");
            }
            match error.secondary_label() {
                Some((span, label)) => mistake.also(place(span), label),
                None => mistake,
            }
        })
        .collect();
    let mut copier = Copier {
        text,
        source,
        mistakes: &mut mistakes,
    };
    let entries = copier.entries(document.table(), 0);
    let root = Node {
        span: Span::new(source, 0, 0),
        value: Value::Table(entries),
    };
    (root, mistakes)
}

/// Copies the parser's tree.
struct Copier<'a> {
    text: &'a str,
    source: usize,
    mistakes: &'a mut Vec<Diagnostic>,
}

impl Copier<'_> {
    fn entries(&mut self, table: &toml_spanner::Table<'_>, depth: usize) -> Vec<Entry> {
        table
            .iter()
            .map(|(key, item)| Entry {
                key: key.name.to_owned(),
                key_span: self.place(key.span),
                node: self.node(item, depth + 1),
            })
            .collect()
    }

    fn node(&mut self, item: &Item<'_>, depth: usize) -> Node {
        let mut span = self.place(item.span());
        if depth > DEPTH_MAX {
            let message = format!("nested more than {DEPTH_MAX} levels deep");
            let mistake = Diagnostic::new(span, message).help("a scenario needs seven at most");
            if self.mistakes.len() < crate::diagnostics::KEPT_MAX {
                self.mistakes.push(mistake);
            }
            return Node::table(span);
        }
        let value = match item.value() {
            Toml::String(text) => Value::String((*text).to_owned()),
            Toml::Integer(number) => Value::Integer(number.as_i128()),
            Toml::Float(number) => Value::Float(*number),
            Toml::Boolean(value) => Value::Boolean(*value),
            Toml::DateTime(_) => Value::DateTime,
            Toml::Array(array) => Value::Array(
                array
                    .iter()
                    .map(|element| self.node(element, depth + 1))
                    .collect(),
            ),
            Toml::Table(table) => {
                if table.style() == TableStyle::Header {
                    span = self.header(span);
                }
                Value::Table(self.entries(table, depth))
            }
        };
        Node { span, value }
    }

    fn place(&self, span: toml_spanner::Span) -> Span {
        let (start, end) = (span.start as usize, span.end as usize);
        Span::new(self.source, start, end.max(start))
    }

    /// The header line of a table whose span runs to its last value.
    fn header(&self, span: Span) -> Span {
        let body = self.text.get(span.start..).unwrap_or("");
        let line = body
            .split(['\n', '\r', '#'])
            .next()
            .unwrap_or("")
            .trim_end();
        Span {
            end: span.start + line.len(),
            ..span
        }
    }
}
