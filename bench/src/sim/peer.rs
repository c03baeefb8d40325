//! The same model in another simulator, beside ours.

use std::path::Path;
use std::process::Command;

use racegate_model::analysis::Exit;

/// What a peer said: recordings per second of processor time, and the mean delay in seconds.
#[derive(Clone, Copy, Debug)]
pub(super) struct Peer {
    pub(super) per_second: f64,
    pub(super) mean_delay: f64,
}

/// Runs the model in SimPy, with the interpreter `python`.
pub(super) fn simpy(python: &Path) -> Result<Peer, Exit> {
    let script = include_str!("../../peers/reference_simpy.py");
    let mut command = Command::new(python);
    command.args(["-c", script, "100000"]);
    let hint = "name a Python with SimPy (`pip install simpy`)";
    ask(python, &mut command, hint)
}

/// Builds the model in nexosim, whose crate is in `folder`, and runs it.
pub(super) fn nexosim(folder: &Path) -> Result<Peer, Exit> {
    let mut command = Command::new("cargo");
    command
        .args(["run", "--release", "--quiet", "--manifest-path"])
        .arg(folder.join("Cargo.toml"))
        .args(["--", "1000000"]);
    let hint = "name the folder of the peer's crate (bench/peers/nexosim)";
    ask(folder, &mut command, hint)
}

/// Runs `command`, which `name` names, and reads the two numbers that it prints.
fn ask(name: &Path, command: &mut Command, hint: &str) -> Result<Peer, Exit> {
    let name = name.display();
    let output = command
        .output()
        .map_err(|error| Exit::internal(format!("{name}: {error}")))?;
    let said = String::from_utf8_lossy(&output.stdout);
    let numbers: Vec<f64> = said
        .split_whitespace()
        .filter_map(|word| word.parse().ok())
        .collect();
    let [per_second, mean_delay] = numbers[..] else {
        let error = String::from_utf8_lossy(&output.stderr);
        let last = error.lines().last().unwrap_or("it printed no numbers");
        return Err(Exit::internal(format!("{name}: {last}; {hint}")));
    };
    Ok(Peer {
        per_second,
        mean_delay,
    })
}
