//! What `run.toml` says, as the head of a report.

use racegate_model::scenario::Engine;
use racegate_model::summary::Summary;
use racegate_scenario::Override;

use super::{Machine, Stored};
use crate::report::Origin;

impl Stored {
    /// The head of the report of `summary`.
    pub(super) fn origin(&self, summary: &Summary) -> Origin {
        Origin {
            command: self.command(summary.replications),
            facts: vec![
                ("started", self.started.clone()),
                ("version", self.tool.clone()),
                ("engine", self.engine.name().to_owned()),
                ("seed", self.seed.to_string()),
                ("machine", machine(&self.machine)),
            ],
            scenario: self.scenario.clone(),
        }
    }

    /// The command line that runs the same again.
    fn command(&self, replications: u64) -> String {
        let mut words = vec!["racegate".to_owned(), "run".to_owned()];
        let mut option = |name: &str, value: &str| {
            words.push(name.to_owned());
            words.push(shell_word(value));
        };
        option("--engine", self.engine.name());
        option("--seed", &self.seed.to_string());
        // The seed is told already.
        let is_other = |change: &&Override| !change.assignment.starts_with("seed=");
        for change in self.overrides.iter().filter(is_other) {
            option("--set", &change.assignment);
        }
        for gate in &self.gates {
            option("--gate", gate);
        }
        for claim in &self.until {
            option("--until", claim);
        }
        match self.engine {
            Engine::Live if self.all_arms => option("--arms", "all"),
            Engine::Sim if replications > 1 => {
                option("--replications", &replications.to_string());
            }
            Engine::Live | Engine::Sim => {}
        }
        if self.scenario_name.starts_with('-') {
            words.push("--".to_owned());
        }
        words.push(shell_word(&self.scenario_name));
        words.join(" ")
    }
}

fn machine(machine: &Machine) -> String {
    let mut parts = vec![format!("{} {}", machine.os, machine.arch)];
    if !machine.cpu.is_empty() {
        parts.push(machine.cpu.clone());
    }
    let plural = if machine.cores == 1 { "" } else { "s" };
    parts.push(format!("{} core{plural}", machine.cores));
    if machine.memory_bytes > 0 {
        parts.push(format!("{} GiB of memory", machine.memory_bytes >> 30));
    }
    parts.join(", ")
}

/// A word as a POSIX shell reads it back.
fn shell_word(word: &str) -> String {
    let plain = |letter: char| letter.is_ascii_alphanumeric() || "-_./=:,+%@".contains(letter);
    if !word.is_empty() && word.chars().all(plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', "'\\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::super::run_file::tests::stored;
    use super::*;

    #[test]
    fn the_command_repeats_the_run_and_survives_a_shell() {
        assert_eq!(
            stored().command(20),
            "racegate run --engine sim --seed 18446744073709551615 \
             --set 'workload.warmup=\"0s\"' --gate 'forum \"old\"' \
             --until 'incomplete_rate{gate=\"forum \"} < 1%' --replications 20 \
             scenarios/spike.toml"
        );
        assert_eq!(shell_word("it's"), r"'it'\''s'");
    }
}
