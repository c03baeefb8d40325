//! `racegate serve`: the mock alone; its arguments are those of the mock's own program.

use mock_api::serve::{self, ServeArgs, ServeError};
use racegate_model::analysis::Exit;

/// Serves until it is told to stop.
pub(super) fn run(args: &ServeArgs) -> Result<Exit, Exit> {
    match serve::run(args) {
        Ok(()) => Ok(Exit::Done),
        Err(ServeError::Scenario(mistakes)) => Err(Exit::Scenario(mistakes)),
        Err(error @ (ServeError::Arguments(_) | ServeError::Client(_))) => {
            Err(Exit::Usage(error.to_string()))
        }
        Err(error) => Err(Exit::internal(error)),
    }
}
