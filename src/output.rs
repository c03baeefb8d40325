//! What goes to stdout and to stderr, and how it looks there.

use std::io::{ErrorKind, IsTerminal, Write as _};

use clap::Args;
use racegate_model::analysis::Exit;
use racegate_scenario::{Color, is_unprintable, printable};
use serde::Serialize;

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
///
/// # Errors
/// [`Exit::Internal`] where it cannot be written: a full disk, for one.
pub fn print(text: &str) -> Result<(), Exit> {
    let mut stdout = std::io::stdout().lock();
    let written = writeln!(stdout, "{}", text.trim_end()).and_then(|()| stdout.flush());
    match written {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => Err(Exit::internal(format!(
            "cannot write to standard output ({error}); free some space, or write elsewhere"
        ))),
        _ => Ok(()),
    }
}

/// Prints JSON to stdout. What a terminal would act upon in its strings is escaped: the value
/// stays the same.
///
/// # Errors
/// As [`print()`], and where `value` is no JSON.
pub fn print_json(value: &impl Serialize) -> Result<(), Exit> {
    let text = serde_json::to_string_pretty(value).map_err(Exit::internal)?;
    let unprintable = |letter: char| letter != '\n' && is_unprintable(letter);
    if !text.contains(unprintable) {
        return print(&text);
    }
    let mut escaped = String::with_capacity(text.len());
    for letter in text.chars() {
        if unprintable(letter) {
            // All of them lie in the basic plane, so one escape is enough.
            escaped.push_str(&format!("\\u{:04x}", u32::from(letter)));
        } else {
            escaped.push(letter);
        }
    }
    print(&escaped)
}

/// Prints a line to stderr, without what a terminal would act upon.
pub fn note(text: &str) {
    note_styled(&printable(text));
}

/// Prints a line to stderr as it is.
fn note_styled(text: &str) {
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
    // Diagnostics say themselves that they are errors; their colours are ours, and the rest of them
    // is clean.
    let is_diagnostic = message.starts_with("error") || message.starts_with('\u{1b}');
    if matches!(exit, Exit::Scenario(_) | Exit::Usage(_)) && is_diagnostic {
        note_styled(message);
    } else {
        note(&format!("error: {message}"));
    }
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

pub(crate) fn is_plain() -> bool {
    std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty())
}
