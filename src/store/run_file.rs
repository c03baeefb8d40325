//! `run.toml`: what was run, so that it can be run again.
//!
//! Every value is written as JSON, which for strings, integers and arrays is TOML as well; only
//! the scenario is a literal block, for people to read. So this file needs no TOML library: reading
//! scenarios is another crate's work.

use std::fmt::Write as _;

use std::path::{Path, PathBuf};

use racegate_model::scenario::Engine;
use racegate_scenario::Override;
use serde::de::DeserializeOwned;

use super::Machine;

/// What was run.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Stored {
    /// Name and version of the program.
    pub tool: String,
    /// When it began: UTC, `2026-11-21T09:56:56Z`.
    pub started: String,
    /// The engine.
    pub engine: Engine,
    /// The seed, overrides applied.
    pub seed: u64,
    /// The scenario's name.
    pub name: String,
    /// The scenario's file as it was named on the command line.
    pub scenario_name: String,
    /// The folder against which the scenario names other files.
    pub scenario_folder: PathBuf,
    /// Changes to the scenario, in order.
    pub overrides: Vec<Override>,
    /// Gates that were asked for; all if empty.
    pub gates: Vec<String>,
    /// Claims that the run went on for, as they were written.
    pub until: Vec<String>,
    /// Whether all arms were run, and not the base arm only.
    pub all_arms: bool,
    /// The machine.
    pub machine: Machine,
    /// The scenario's text, as it was read.
    pub scenario: String,
}

/// A `run.toml` that cannot be read.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum StoredError {
    /// A key is missing.
    #[error("`{0}` is missing")]
    Missing(&'static str),
    /// A value is not what it should be.
    #[error("`{key}` is not understood: {reason}")]
    Value {
        /// The key.
        key: &'static str,
        /// What is wrong with it.
        reason: String,
    },
    /// The scenario's block has no end.
    #[error("the scenario is cut off")]
    Cut,
}

const FENCE: &str = "'''";

/// The time now: UTC, to the second, `2026-11-21T09:56:56Z`.
#[must_use]
pub(super) fn utc_now() -> String {
    let now = jiff::Timestamp::now();
    now.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

impl Stored {
    /// The file's text.
    #[must_use]
    pub fn to_text(&self) -> String {
        let mut text = String::from("# What was run. `racegate report` reads this file.\n");
        let mut line = |key: &str, value: String| {
            // A string takes any write.
            let _ = writeln!(text, "{key} = {value}");
        };
        line("tool", json(&self.tool));
        line("started", json(&self.started));
        line("engine", json(&self.engine.name()));
        // TOML integers are signed; a seed may not fit.
        line("seed", json(&self.seed.to_string()));
        line("name", json(&self.name));
        line("scenario_file", json(&self.scenario_name));
        let overrides = self
            .overrides
            .iter()
            .map(|change| (&change.flag, &change.assignment));
        line("overrides", json(&overrides.collect::<Vec<_>>()));
        line("gates", json(&self.gates));
        if !self.until.is_empty() {
            line("until", json(&self.until));
        }
        line("all_arms", json(&self.all_arms));
        line("machine.os", json(&self.machine.os));
        line("machine.arch", json(&self.machine.arch));
        line("machine.cpu", json(&self.machine.cpu));
        line("machine.cores", json(&self.machine.cores));
        line("machine.memory_bytes", json(&self.machine.memory_bytes));
        let plain = |c: char| c == '\n' || c == '\t' || !c.is_control();
        if self.scenario.contains(FENCE) || !self.scenario.chars().all(plain) {
            line("scenario", json(&self.scenario));
        } else {
            line("scenario", format!("{FENCE}\n{}{FENCE}", self.scenario));
        }
        text
    }

    /// Reads the file's text.
    ///
    /// # Errors
    ///
    /// Says which key is missing or wrong.
    pub fn parse(text: &str) -> Result<Self, StoredError> {
        let number = |key| value::<u64>(text, key);
        let engine: String = value(text, "engine")?;
        let seed: String = value(text, "seed")?;
        let scenario_name: String = value(text, "scenario_file")?;
        let overrides: Vec<(String, String)> = value(text, "overrides")?;
        let overrides = overrides.into_iter();
        Ok(Self {
            tool: value(text, "tool")?,
            started: value(text, "started")?,
            engine: match engine.as_str() {
                "sim" => Engine::Sim,
                "live" => Engine::Live,
                _ => return Err(not_understood("engine", format!("`{engine}` is no engine"))),
            },
            seed: seed
                .parse()
                .map_err(|error| not_understood("seed", error))?,
            name: value(text, "name")?,
            scenario_folder: folder_of(&scenario_name),
            scenario_name,
            overrides: overrides
                .map(|(flag, assignment)| Override { flag, assignment })
                .collect(),
            gates: value(text, "gates")?,
            until: match value(text, "until") {
                Err(StoredError::Missing(_)) => Vec::new(),
                claims => claims?,
            },
            all_arms: value(text, "all_arms")?,
            machine: Machine {
                os: value(text, "machine.os")?,
                arch: value(text, "machine.arch")?,
                cpu: value(text, "machine.cpu")?,
                cores: number("machine.cores")?,
                memory_bytes: number("machine.memory_bytes")?,
            },
            scenario: scenario(text)?,
        })
    }
}

/// The folder of a scenario's file.
pub(super) fn folder_of(scenario_name: &str) -> PathBuf {
    Path::new(scenario_name)
        .parent()
        .unwrap_or(Path::new(""))
        .to_path_buf()
}

fn json<T: serde::Serialize + ?Sized>(value: &T) -> String {
    let text = serde_json::to_string(value).expect("strings, numbers and arrays are JSON");
    // The one character that a JSON string may hold as it is and a TOML string may not.
    text.replace('\u{7f}', "\\u007f")
}

fn not_understood(key: &'static str, reason: impl ToString) -> StoredError {
    StoredError::Value {
        key,
        reason: reason.to_string(),
    }
}

/// The text after `key = ` at the start of a line.
fn raw<'a>(text: &'a str, key: &'static str) -> Result<&'a str, StoredError> {
    // The scenario comes last, and its lines are not ours.
    let mut from = 0;
    for line in text.split_inclusive('\n') {
        let rest = line
            .strip_prefix(key)
            .and_then(|rest| rest.strip_prefix(" = "));
        if let Some(rest) = rest {
            return Ok(&text[from + line.len() - rest.len()..]);
        }
        if line.starts_with("scenario = ") {
            break;
        }
        from += line.len();
    }
    Err(StoredError::Missing(key))
}

fn value<T: DeserializeOwned>(text: &str, key: &'static str) -> Result<T, StoredError> {
    let line = raw(text, key)?.lines().next().unwrap_or_default();
    serde_json::from_str(line).map_err(|error| not_understood(key, error))
}

fn scenario(text: &str) -> Result<String, StoredError> {
    let rest = raw(text, "scenario")?;
    match rest
        .strip_prefix(FENCE)
        .and_then(|rest| rest.strip_prefix('\n'))
    {
        None => value(text, "scenario"),
        Some(block) => {
            let end = block.find(FENCE).ok_or(StoredError::Cut)?;
            Ok(block[..end].to_owned())
        }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// A run of one gate.
    pub(in crate::store) fn stored() -> Stored {
        Stored {
            tool: "racegate 0.1.0".into(),
            started: "2026-11-21T09:56:56Z".into(),
            engine: Engine::Sim,
            seed: u64::MAX,
            name: "spike".into(),
            scenario_name: "scenarios/spike.toml".into(),
            scenario_folder: "scenarios".into(),
            overrides: vec![
                Override::set("workload.warmup=\"0s\""),
                Override::of_flag("--seed", "seed", "7"),
            ],
            gates: vec!["forum \"old\"".into()],
            until: vec!["incomplete_rate{gate=\"forum \"} < 1%".into()],
            all_arms: true,
            machine: Machine {
                os: "linux".into(),
                arch: "x86_64".into(),
                cpu: "a processor".into(),
                cores: 2,
                memory_bytes: 1 << 33,
            },
            scenario: "name = \"spike\"\nseed = 1\ntool = \"mine\"\n".into(),
        }
    }

    #[test]
    fn what_was_run_is_read_as_it_was_written() {
        let scenarios = [
            "name = \"spike\"\nseed = 1\ntool = \"mine\"\n",
            "",
            "no newline at the end",
            "text = '''\nwith a block of its own\n'''\n",
            "windows\r\nlines\r\n",
            "\n\nblank lines\n\n",
            "ä\u{7f}\u{1}\t",
        ];
        for scenario in scenarios {
            let run = Stored {
                scenario: scenario.into(),
                ..stored()
            };
            assert_eq!(Stored::parse(&run.to_text()), Ok(run), "{scenario:?}");
        }
    }

    #[test]
    fn a_key_of_the_scenario_is_not_taken_for_one_of_the_run() {
        let text = stored().to_text();
        let without: String = text
            .lines()
            .filter(|line| *line != "tool = \"racegate 0.1.0\"")
            .map(|line| format!("{line}\n"))
            .collect();
        assert_eq!(Stored::parse(&without), Err(StoredError::Missing("tool")));
    }

    #[test]
    fn a_file_cut_off_anywhere_is_refused_with_a_reason() {
        let text = stored().to_text();
        for length in 0..text.len() - 4 {
            assert!(
                Stored::parse(&text[..length]).is_err(),
                "{length} of {}",
                text.len()
            );
        }
    }

    #[test]
    fn the_time_is_utc_to_the_second() {
        let now = utc_now();
        assert_eq!((now.len(), &now[19..]), (20, "Z"), "{now}");
    }
}
