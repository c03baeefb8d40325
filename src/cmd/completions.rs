//! `racegate completions`: completions of the command line for a shell.

use clap::{Args, CommandFactory as _};
use racegate_model::analysis::Exit;

use super::Cli;
use crate::output::print;

/// Arguments of `racegate completions`.
#[derive(Debug, Args)]
pub(super) struct CompletionsArgs {
    /// The shell
    shell: clap_complete::Shell,
}

impl CompletionsArgs {
    /// Prints the completions.
    pub(super) fn run(self) -> Result<Exit, Exit> {
        let mut text = Vec::new();
        clap_complete::generate(self.shell, &mut Cli::command(), "racegate", &mut text);
        print(&String::from_utf8_lossy(&text))?;
        Ok(Exit::Done)
    }
}
