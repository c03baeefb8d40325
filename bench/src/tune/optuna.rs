//! The same case in Optuna, by a Python script that evaluates it exactly as well.

use std::path::Path;
use std::process::Command;

use racegate_model::analysis::Exit;
use serde_json::Value;

const SCRIPT: &str = include_str!("../../peers/tune_optuna.py");

/// A row per sampler and number of evaluations.
///
/// # Errors
/// If Python cannot be started, or the script fails.
pub(super) fn run(python: &Path) -> Result<Value, Exit> {
    let output = Command::new(python)
        .args(["-c", SCRIPT])
        .output()
        .map_err(|error| Exit::Internal(format!("{}: {error}", python.display())))?;
    if !output.status.success() {
        let reason = String::from_utf8_lossy(&output.stderr);
        return Err(Exit::Internal(format!(
            "Optuna did not run: {}\n  install it with: {} -m pip install optuna",
            reason.lines().last().unwrap_or_default(),
            python.display()
        )));
    }
    serde_json::from_slice(&output.stdout).map_err(Exit::internal)
}
