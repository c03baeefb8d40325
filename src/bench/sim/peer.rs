//! The same model in another simulator, beside ours.

use std::path::Path;
use std::process::Command;

use crate::run::Failure;

/// What a peer said: recordings per second of processor time, and the mean delay in seconds.
#[derive(Clone, Copy, Debug)]
pub(super) struct Peer {
    pub(super) per_second: f64,
    pub(super) mean_delay: f64,
}

/// Runs the model in SimPy, with the interpreter `python`.
pub(super) fn simpy(python: &Path) -> Result<Peer, Failure> {
    let script = include_str!("../../../benches/peers/reference_simpy.py");
    let output = Command::new(python)
        .args(["-c", script, "100000"])
        .output()
        .map_err(|error| Failure::internal(format!("{}: {error}", python.display())))?;
    let said = String::from_utf8_lossy(&output.stdout);
    let numbers: Vec<f64> = said
        .split_whitespace()
        .filter_map(|word| word.parse().ok())
        .collect();
    let [per_second, mean_delay] = numbers[..] else {
        let error = String::from_utf8_lossy(&output.stderr);
        let last = error.lines().last().unwrap_or("it printed no numbers");
        let hint = "name a Python with SimPy (`pip install simpy`)";
        return Err(Failure::internal(format!(
            "{}: {last}; {hint}",
            python.display()
        )));
    };
    Ok(Peer {
        per_second,
        mean_delay,
    })
}
