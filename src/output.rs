//! What goes to stdout and to stderr, and how it looks there.

use std::io::{IsTerminal, Write as _};

use clap::Args;
use racegate_model::analysis::Exit;
use racegate_scenario::Color;

use crate::report::Style;

/// What goes to stdout.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Output {
    /// The table for a person.
    Table,
    /// The same as JSON, for a program.
    Json,
}

/// The flag that chooses what goes to stdout.
#[derive(Debug, Args)]
pub struct OutputArgs {
    /// Print JSON on stdout instead of the table
    #[arg(long)]
    json: bool,
}

impl OutputArgs {
    /// What goes to stdout.
    #[must_use]
    pub const fn output(&self) -> Output {
        if self.json {
            Output::Json
        } else {
            Output::Table
        }
    }
}

/// Whether notes and progress go to stderr.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Notes {
    /// Everything is shown.
    Shown,
    /// Only errors and the last line are.
    Hidden,
}

/// Prints to stdout; a reader that has gone away is no error.
pub fn print(text: &str) {
    let mut stdout = std::io::stdout().lock();
    drop(writeln!(stdout, "{}", text.trim_end()));
}

/// Prints a line to stderr.
pub fn note(text: &str) {
    let mut stderr = std::io::stderr().lock();
    drop(writeln!(stderr, "{text}"));
}

/// Says on stderr why a command ends as it does.
pub fn conclude(exit: &Exit) {
    if exit.is_error() {
        complain(exit);
    } else if *exit != Exit::Done {
        note(&exit.to_string());
    }
}

/// Says on stderr what went wrong.
pub fn complain(exit: &Exit) {
    let message = exit.reason().trim_end();
    // Diagnostics say themselves that they are errors.
    let prefix = if message.starts_with("error") || message.starts_with('\u{1b}') {
        ""
    } else {
        "error: "
    };
    note(&format!("{prefix}{message}"));
}

/// Whether stderr takes colours: <https://no-color.org>.
#[must_use]
pub fn color() -> Color {
    if is_plain() || !std::io::stderr().is_terminal() {
        Color::Never
    } else {
        Color::Always
    }
}

/// How the table on stdout is drawn.
pub(crate) fn style() -> Style {
    if is_plain() || !std::io::stdout().is_terminal() {
        Style::Plain
    } else {
        Style::Ansi
    }
}

/// Columns of the terminal; 120 when there is none.
pub(crate) fn width() -> usize {
    console::Term::stdout()
        .size_checked()
        .map_or(120, |(_, columns)| usize::from(columns))
}

fn is_plain() -> bool {
    std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty())
}
