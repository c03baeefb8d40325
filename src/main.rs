//! The `racegate` program.

use std::process::ExitCode;

fn main() -> ExitCode {
    racegate::cmd::main()
}
