//! Tables: known keys, missing keys, unknown keys.

use super::{Context, Field};
use crate::diagnostics::Diagnostic;
use crate::document::{Entry, Node, Value};
use crate::source::Span;
use crate::suggest;

/// A table being read: it learns which keys exist by being asked for them.
pub(crate) struct Table<'d> {
    pub(crate) context: &'d Context<'d>,
    entries: &'d [Entry],
    /// Where to point when something is missing.
    pub(crate) span: Span,
    pub(crate) path: String,
    known: Vec<&'static str>,
    /// Whether it stands for a table that could not be read.
    broken: bool,
}

impl<'d> Field<'d> {
    /// The value as a table.
    pub(crate) fn table(&self) -> Table<'d> {
        let mut table = Table::absent(self.context, self.node.span, self.path.clone());
        if let Value::Table(entries) = &self.node.value {
            table.entries = entries;
        } else {
            table.broken = true;
            self.wrong_type(
                "a table",
                &format!("write `[{}]` and its keys below", self.path),
            );
        }
        table
    }
}

impl<'d> Table<'d> {
    /// The document's root.
    pub(crate) fn root(node: &'d Node, context: &'d Context<'d>) -> Self {
        Field {
            context,
            node,
            path: String::new(),
        }
        .table()
    }

    /// A table without keys: for one that is left out.
    fn absent(context: &'d Context<'d>, span: Span, path: String) -> Self {
        Self {
            context,
            entries: &[],
            span,
            path,
            known: Vec::new(),
            broken: false,
        }
    }

    /// The path of `key` in this table.
    pub(crate) fn path_of(&self, key: &str) -> String {
        if self.path.is_empty() {
            key.to_owned()
        } else {
            format!("{}.{key}", self.path)
        }
    }

    /// The value of `key`, if it is there.
    pub(crate) fn get(&mut self, key: &'static str) -> Option<Field<'d>> {
        if !self.known.contains(&key) {
            self.known.push(key);
        }
        let entry = self.entries.iter().find(|entry| entry.key == key)?;
        Some(Field {
            context: self.context,
            node: &entry.node,
            path: self.path_of(key),
        })
    }

    /// The value of `key`, which must be there.
    pub(crate) fn need(&mut self, key: &'static str, example: &str) -> Option<Field<'d>> {
        let field = self.get(key);
        if field.is_none() && !self.broken {
            let place = if self.path.is_empty() {
                String::new()
            } else {
                self.quoted_path()
            };
            let message = format!("missing key `{key}`{place}");
            let help = format!("add `{key} = {example}`");
            self.context
                .report_missing(Diagnostic::new(self.span, message).help(help));
        }
        field
    }

    fn quoted_path(&self) -> String {
        format!(" in `{}`", self.path)
    }

    /// The table under `key`; an empty one if it is left out.
    pub(crate) fn table(&mut self, key: &'static str) -> Self {
        match self.get(key) {
            Some(field) => field.table(),
            None => {
                let mut table = Self::absent(self.context, self.span, self.path_of(key));
                table.broken = self.broken;
                table
            }
        }
    }

    /// The tables of an array of tables, each under its name where it has one.
    pub(crate) fn tables(&mut self, key: &'static str, most: usize) -> Vec<Self> {
        let Some(field) = self.get(key) else {
            return Vec::new();
        };
        let path = field.path.clone();
        let element = |(index, node): (usize, &'d Node)| {
            let name = node.name().filter(|name| !name.is_empty());
            let name = name.map_or_else(|| index.to_string(), str::to_owned);
            Field {
                context: field.context,
                node,
                path: format!("{path}.{name}"),
            }
            .table()
        };
        let form = format!("write `[[{path}]]`, one for each");
        let elements = field.elements(most, &form).iter().enumerate();
        elements.map(element).collect()
    }

    /// Reads `key` with `read`, or takes the default.
    pub(crate) fn or<T>(
        &mut self,
        key: &'static str,
        default: T,
        read: impl FnOnce(&Field<'d>) -> Option<T>,
    ) -> T {
        match self.get(key) {
            Some(field) => read(&field).unwrap_or(default),
            None => default,
        }
    }

    /// Keys that are not known to anybody.
    pub(crate) fn finish(self) {
        for entry in self.entries {
            let is_root = self.path.is_empty();
            if self.known.contains(&entry.key.as_str())
                || (is_root && self.context.may_be_astray(entry.key_span))
            {
                continue;
            }
            let place = if self.path.is_empty() {
                String::new()
            } else {
                self.quoted_path()
            };
            let mut mistake = Diagnostic::new(
                entry.key_span,
                format!("unknown key `{}`{place}", entry.key),
            );
            if !self.context.full() {
                mistake = mistake.help(suggest::help_for(&entry.key, &self.known, "known keys"));
            }
            self.context.report(mistake);
        }
    }

    /// The entries, for tables whose keys are free.
    pub(crate) const fn entries(&self) -> &'d [Entry] {
        self.entries
    }
}
