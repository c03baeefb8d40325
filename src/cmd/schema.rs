//! `racegate schema`: the JSON Schema of the scenario format.

use racegate_model::analysis::Exit;

use crate::output::print_json;

/// Prints the schema.
pub(super) fn run() -> Result<Exit, Exit> {
    let schema = racegate_scenario::json_schema();
    print_json(&schema)?;
    Ok(Exit::Done)
}
