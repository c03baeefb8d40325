//! aiortc beside us: the same traffic from a stack that many test tools are built on.

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
        let printed = r#"{"sessions": 5, "setups_per_s": 10.5, "us_per_packet": 290.0}"#;
        let expected = Aiortc {
            us_per_packet: 290.0,
            setups_per_s: 10.5,
        };
        assert_eq!(serde_json::from_str::<Aiortc>(printed).unwrap(), expected);
    }
}
