//! Mistakes on a command line, in our own words: what is wrong, and the way out.

use std::io::IsTerminal as _;

use clap::builder::FalseyValueParser;
use clap::error::{ContextKind, ContextValue, Error, ErrorKind};
use clap::{Arg, ArgAction, Command, Parser};
use racegate_model::analysis::Exit;

use crate::output::print;

/// Parses the command line of the process. Help and version are printed, which is all that was
/// wanted.
///
/// # Errors
/// [`Exit::Usage`] for a mistake, [`Exit::Done`] for what was printed, [`Exit::Internal`] where
/// that could not be written.
pub fn parse<C: Parser>() -> Result<C, Exit> {
    let matches = with_environment(C::command()).try_get_matches();
    let parsed = matches.and_then(|matches| C::from_arg_matches(&matches));
    parsed.map_err(|error| {
        if error.use_stderr() {
            return Exit::Usage(message(&error));
        }
        let colored = std::io::stdout().is_terminal() && !crate::output::is_plain();
        let text = error.render();
        let text = if colored {
            text.ansi().to_string()
        } else {
            text.to_string()
        };
        print(&text).err().unwrap_or(Exit::Done)
    })
}

/// Makes every option an environment variable too: `--seed` is `RACEGATE_SEED`.
fn with_environment(command: Command) -> Command {
    let named = |option: Arg| {
        let Some(long) = option.get_long() else {
            return option;
        };
        let variable = format!("RACEGATE_{}", long.to_uppercase().replace('-', "_"));
        let is_flag = matches!(option.get_action(), ArgAction::SetTrue);
        let option = option.env(variable).hide_env(true);
        if is_flag {
            option.value_parser(FalseyValueParser::new())
        } else {
            option
        }
    };
    let command = command.mut_args(named);
    command.mut_subcommands(with_environment)
}

/// What is wrong, and the way out.
#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "the parser may grow further kinds"
)]
fn message(error: &Error) -> String {
    let text = |kind| error.get(kind).map(text_of).filter(|text| !text.is_empty());
    let argument = text(ContextKind::InvalidArg).unwrap_or_default();
    let value = text(ContextKind::InvalidValue).unwrap_or_default();
    let near = |kind| text(kind).map(|near| format!("did you mean `{near}`?"));
    let (reason, way_out) = match error.kind() {
        ErrorKind::UnknownArgument if argument.starts_with('-') => (
            format!("there is no flag `{argument}` here"),
            near(ContextKind::SuggestedArg),
        ),
        ErrorKind::UnknownArgument => (
            format!("`{argument}` is one argument too many"),
            near(ContextKind::SuggestedSubcommand),
        ),
        ErrorKind::InvalidSubcommand => (
            format!(
                "there is no command `{}`",
                text(ContextKind::InvalidSubcommand).unwrap_or_default()
            ),
            near(ContextKind::SuggestedSubcommand),
        ),
        ErrorKind::InvalidValue if value.is_empty() => {
            (format!("`{argument}` lacks its value"), known_values(error))
        }
        ErrorKind::InvalidValue => (
            format!("`{argument}` does not know the value `{value}`"),
            near(ContextKind::SuggestedValue).or_else(|| known_values(error)),
        ),
        ErrorKind::ValueValidation => {
            let cause = std::error::Error::source(error).map(ToString::to_string);
            (format!("`{argument}` cannot be `{value}`"), cause)
        }
        ErrorKind::MissingRequiredArgument => (format!("{argument} is missing"), None),
        ErrorKind::ArgumentConflict if error.get(ContextKind::PriorArg).is_some() => (
            format!(
                "`{argument}` cannot stand beside `{}`",
                text(ContextKind::PriorArg).unwrap_or_default()
            ),
            None,
        ),
        // The words of the parser for what is rare.
        _ => {
            let rendered = error.render().to_string();
            return rendered.trim_start_matches("error: ").to_owned();
        }
    };
    let mut text = reason;
    if let Some(way_out) = way_out {
        text.push_str(&format!("; {way_out}"));
    }
    if let Some(usage) = error.get(ContextKind::Usage).map(text_of) {
        text.push_str(&format!("\n\n{}\n\nMore with `--help`.", usage.trim_end()));
    }
    text
}

fn known_values(error: &Error) -> Option<String> {
    let known = error.get(ContextKind::ValidValue).map(text_of);
    known
        .filter(|known| !known.is_empty())
        .map(|known| format!("write one of {known}"))
}

#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "the parser may grow further kinds"
)]
fn text_of(value: &ContextValue) -> String {
    match value {
        ContextValue::String(text) => text.clone(),
        ContextValue::Strings(texts) => texts.join(", "),
        ContextValue::StyledStr(text) => text.to_string(),
        ContextValue::StyledStrs(texts) => {
            let texts: Vec<String> = texts.iter().map(ToString::to_string).collect();
            texts.join(", ")
        }
        ContextValue::Bool(value) => value.to_string(),
        ContextValue::Number(number) => number.to_string(),
        _ => String::new(),
    }
}
