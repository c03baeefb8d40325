//! Changing one value of a document by its dotted path.

use crate::diagnostics::Diagnostic;
use crate::document::{self, Entry, Node, Value};
use crate::source::Span;
use crate::suggest;

/// Segments of a path.
const SEGMENTS_MAX: usize = 16;

/// One name of a dotted path, and its place.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct Segment {
    pub(crate) text: String,
    pub(crate) span: Span,
}

/// Splits a dotted path; a segment in double quotes may hold dots. `place` finds bytes of it.
pub(crate) fn path(
    text: &str,
    place: impl Fn(usize, usize) -> Span,
) -> Result<Vec<Segment>, Box<Diagnostic>> {
    let mut segments = Vec::new();
    let mut at = 0;
    loop {
        let rest = &text[at..];
        let (name, length) = match rest
            .strip_prefix('"')
            .and_then(|quoted| quoted.split_once('"'))
        {
            Some((name, _)) => (name, name.len() + 2),
            None => {
                let end = rest.find('.').unwrap_or(rest.len());
                (rest[..end].trim(), end)
            }
        };
        if name.is_empty() || segments.len() == SEGMENTS_MAX {
            let message = format!("`{text}` is no path to a value");
            let help = "write names separated by dots, as in platform.index.refresh";
            return Err(Box::new(
                Diagnostic::new(place(0, text.len()), message).help(help),
            ));
        }
        segments.push(Segment {
            text: name.to_owned(),
            span: place(at, at + length),
        });
        at += length;
        match text.get(at..).and_then(|tail| tail.strip_prefix('.')) {
            Some(_) => at += 1,
            None if at == text.len() => return Ok(segments),
            None => {
                let message = format!("`{text}` is no path to a value");
                let help = "a dot must follow the closing quote";
                return Err(Box::new(
                    Diagnostic::new(place(0, text.len()), message).help(help),
                ));
            }
        }
    }
}

/// Sets the value at `path`; tables on the way that are not there are made.
pub(crate) fn assign(
    root: &mut Node,
    path: &[Segment],
    value: Node,
) -> Result<(), Box<Diagnostic>> {
    let mut node = root;
    let mut walked: Vec<&str> = Vec::new();
    for (index, segment) in path.iter().enumerate() {
        let here = walked.join(".");
        walked.push(&segment.text);
        let last = index + 1 == path.len();
        node = match &mut node.value {
            Value::Table(entries) => {
                if last {
                    put(entries, segment, value);
                    return Ok(());
                }
                step(entries, segment)
            }
            Value::Array(elements) => element(elements, segment, &here)?,
            Value::String(_)
            | Value::Integer(_)
            | Value::Float(_)
            | Value::Boolean(_)
            | Value::DateTime => {
                let message = format!("`{here}` is a value, so there is no `{}`", walked.join("."));
                let help = format!("set `{here}` as a whole");
                return Err(Box::new(Diagnostic::new(segment.span, message).help(help)));
            }
        };
        if last {
            let message = format!("`{}` is a whole table", walked.join("."));
            let help = "add the key to change, as in gate.forum.attempts";
            return Err(Box::new(Diagnostic::new(segment.span, message).help(help)));
        }
    }
    Ok(())
}

fn put(entries: &mut Vec<Entry>, segment: &Segment, node: Node) {
    let entry = Entry {
        key: segment.text.clone(),
        key_span: segment.span,
        node,
    };
    match entries.iter_mut().find(|entry| entry.key == segment.text) {
        Some(old) => *old = entry,
        None => entries.push(entry),
    }
}

fn step<'n>(entries: &'n mut Vec<Entry>, segment: &Segment) -> &'n mut Node {
    let at = entries
        .iter()
        .position(|entry| entry.key == segment.text)
        .unwrap_or(entries.len());
    if at == entries.len() {
        put(entries, segment, Node::table(segment.span));
    }
    &mut entries[at].node
}

fn element<'n>(
    elements: &'n mut [Node],
    segment: &Segment,
    here: &str,
) -> Result<&'n mut Node, Box<Diagnostic>> {
    let named = elements
        .iter()
        .position(|node| node.name() == Some(&segment.text));
    if let Some(at) = named {
        return Ok(&mut elements[at]);
    }
    let names: Vec<&str> = elements.iter().filter_map(Node::name).collect();
    let message = format!("`{here}` has nothing named `{}`", segment.text);
    let help = suggest::help_for(&segment.text, &names, "name in it");
    Err(Box::new(Diagnostic::new(segment.span, message).help(help)))
}

/// The value of an override: one TOML value, or else the text as a string. `offset` is where the
/// text begins in its source.
pub(crate) fn value(text: &str, source: usize, offset: usize) -> Node {
    const KEY: &str = "v=";
    let whole = Span::new(source, offset, offset + text.len());
    let string = Node {
        span: whole,
        value: Value::String(text.to_owned()),
    };
    let (root, mistakes) = document::read(&format!("{KEY}{text}"), source);
    let Value::Table(entries) = root.value else {
        return string;
    };
    let [Entry { key, node, .. }] = <[Entry; 1]>::try_from(entries).unwrap_or_else(|_| {
        [Entry {
            key: String::new(),
            key_span: whole,
            node: string.clone(),
        }]
    });
    if !mistakes.is_empty() || key != "v" {
        return string;
    }
    let mut node = node;
    shift(&mut node, offset, KEY.len());
    node
}

/// Moves all places by `forward - back`.
fn shift(node: &mut Node, forward: usize, back: usize) {
    let moved = |span: Span| Span {
        start: (span.start + forward).saturating_sub(back),
        end: (span.end + forward).saturating_sub(back),
        ..span
    };
    node.span = moved(node.span);
    match &mut node.value {
        Value::Array(elements) => elements
            .iter_mut()
            .for_each(|node| shift(node, forward, back)),
        Value::Table(entries) => {
            for entry in entries {
                entry.key_span = moved(entry.key_span);
                shift(&mut entry.node, forward, back);
            }
        }
        Value::String(_)
        | Value::Integer(_)
        | Value::Float(_)
        | Value::Boolean(_)
        | Value::DateTime => {}
    }
}
