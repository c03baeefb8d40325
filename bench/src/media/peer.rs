//! aiortc beside us: the same traffic from a stack that many test tools are built on.

use std::path::Path;
use std::process::{Command, Stdio};

use serde::Deserialize;

/// Needs aiortc (PyPI) in the Python that runs it.
const SCRIPT: &str = include_str!("peer_aiortc.py");

/// Sessions and seconds: what one core of aiortc carries on time.
const SESSIONS: &str = "20";
const SECONDS: &str = "5";

/// What the script prints, as far as it is shown.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
pub(super) struct Aiortc {
    pub(super) us_per_packet: f64,
    pub(super) setups_per_s: f64,
}

/// The same with whatever Python is there: if it has no aiortc, that is installed for it in a folder of its own, which goes again.
pub(super) fn installed_aiortc() -> Result<Aiortc, String> {
    let missing = match aiortc("python3") {
        Err(reason) if reason.contains("No module named") => reason,
        measured => return measured,
    };
    let folder = std::env::temp_dir().join(format!("racegate-aiortc-{}", std::process::id()));
    let measured = install(&folder)
        .map_err(|reason| format!("{missing}; it cannot be installed either: {reason}"))
        .and_then(|python| aiortc(&python));
    // Whatever is left of it is the system's to clean.
    drop(std::fs::remove_dir_all(&folder));
    measured
}

/// Makes a virtual environment with aiortc, and gives its Python.
fn install(folder: &Path) -> Result<String, String> {
    let python = folder.join("bin/python").display().to_string();
    let place = folder.display().to_string();
    let pip = [
        "-m",
        "pip",
        "install",
        "--quiet",
        "--retries",
        "1",
        "--timeout",
        "15",
        "aiortc",
    ];
    run("python3", &["-m", "venv", &place])?;
    run(&python, &pip)?;
    Ok(python)
}

fn run(program: &str, arguments: &[&str]) -> Result<(), String> {
    let mut command = Command::new(program);
    let output = command.args(arguments).stdin(Stdio::null()).output();
    let output = output.map_err(|error| format!("{program}: {error}"))?;
    if output.status.success() {
        return Ok(());
    }
    let errors = String::from_utf8_lossy(&output.stderr);
    Err(format!(
        "{program}: {}",
        errors.lines().last().unwrap_or("no message")
    ))
}

/// Runs aiortc at both ends of some sessions; the error says why it could not.
pub(super) fn aiortc(python: &str) -> Result<Aiortc, String> {
    let output = Command::new(python)
        .args(["-c", SCRIPT, SESSIONS, SECONDS])
        .stdin(Stdio::null())
        .output()
        .map_err(|error| format!("{python}: {error}"))?;
    if !output.status.success() {
        let errors = String::from_utf8_lossy(&output.stderr);
        let last = errors.lines().last().unwrap_or("no message");
        return Err(format!("{python}: {last}"));
    }
    serde_json::from_slice(&output.stdout).map_err(|error| format!("{python}: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_run_is_named_and_what_is_printed_is_read() {
        let error = aiortc("/no/such/python").unwrap_err();
        assert!(error.starts_with("/no/such/python"), "{error}");
        assert!(aiortc("false").is_err() && aiortc("true").is_err());
        assert!(run("true", &[]).is_ok());
        let error = run("python3-of-no-such-name", &["-m", "venv"]).unwrap_err();
        assert!(error.starts_with("python3-of-no-such-name"), "{error}");
        let printed = r#"{"sessions": 5, "setups_per_s": 10.5, "us_per_packet": 290.0}"#;
        let expected = Aiortc {
            us_per_packet: 290.0,
            setups_per_s: 10.5,
        };
        assert_eq!(serde_json::from_str::<Aiortc>(printed).unwrap(), expected);
    }
}
