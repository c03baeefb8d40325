//! `racegate serve`: the mock alone; its arguments are those of the mock's own program.

use std::process::ExitCode;

use mock_api::serve::{self, ServeArgs};

/// Serves until it is told to stop.
pub(super) fn run(args: &ServeArgs) -> ExitCode {
    serve::main(args)
}
