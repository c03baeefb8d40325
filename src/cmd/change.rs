//! Arguments that change a scenario, common to several verbs.

use clap::Args;
use racegate_scenario::Override;

/// Changes to a scenario.
#[derive(Debug, Args)]
pub(super) struct ChangeArgs {
    /// Seed of all chance [default: the scenario's]
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
    /// Change one value of the scenario, e.g. platform.metadata.stage.inject.workers=12 (repeatable)
    #[arg(long = "set", value_name = "KEY=VALUE")]
    set: Vec<String>,
}

impl ChangeArgs {
    /// The changes, the one that wins last.
    pub(super) fn overrides(&self) -> Vec<Override> {
        let seed = self
            .seed
            .map(|seed| Override::of_flag("--seed", "seed", &seed.to_string()));
        self.set.iter().map(Override::set).chain(seed).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_becomes_an_override_that_wins_over_set() {
        let change = ChangeArgs {
            seed: Some(7),
            set: vec!["seed=1".into()],
        };
        let last = change.overrides().pop().map(|last| last.assignment);
        assert_eq!(last.as_deref(), Some("seed=7"));
    }
}
