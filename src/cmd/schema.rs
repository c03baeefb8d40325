//! `racegate schema`: the JSON Schema of the scenario format.

use racegate_model::analysis::Exit;

use crate::output::print;

/// Prints the schema.
pub(super) fn run() -> Result<Exit, Exit> {
    let schema = racegate_scenario::json_schema();
    let text = serde_json::to_string_pretty(&schema).map_err(Exit::internal)?;
    print(&text);
    Ok(Exit::Done)
}
