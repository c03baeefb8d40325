//! Arguments that change a scenario, common to several verbs.

use std::collections::BTreeMap;
use std::path::Path;
use std::str::FromStr;

use clap::Args;
use racegate_model::analysis::Exit;
use racegate_model::scenario::Scenario;
use racegate_scenario::Override;

use crate::load::{load, what_was_run};
use crate::store::RunFolder;

/// Changes to a scenario.
#[derive(Debug, Default, Args)]
pub(super) struct ChangeArgs {
    /// Seed of all chance [default: the scenario's]
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
    /// How long calls arrive, as workload.duration [default: the scenario's]
    #[arg(long, value_name = "DURATION")]
    duration: Option<String>,
    /// How often calls arrive, e.g. 20/s, as workload.rate [default: the scenario's]
    #[arg(long, value_name = "RATE")]
    rate: Option<String>,
    /// Expect this too, e.g. "incomplete_rate{gate=forum} < 1%", as a line of [expect] (repeatable)
    #[arg(long = "threshold", value_name = "EXPR")]
    thresholds: Vec<Threshold>,
    /// Change one value of the scenario, e.g. platform.metadata.stage.inject.workers=12 (repeatable)
    #[arg(long = "set", value_name = "KEY=VALUE")]
    set: Vec<String>,
}

/// A line of `[expect]` as people write it in one piece.
#[derive(Clone, PartialEq, Eq, Debug)]
struct Threshold {
    metric: String,
    condition: String,
}

impl FromStr for Threshold {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut depth = 0_u32;
        let at = text.find(|letter| {
            match letter {
                '{' => depth += 1,
                '}' => depth = depth.saturating_sub(1),
                _ => {}
            }
            depth == 0 && matches!(letter, '<' | '>')
        });
        let way_out = "write METRIC{labels} and a limit, e.g. incomplete_rate{gate=forum} < 1%";
        let (metric, condition) = text.split_at(at.ok_or(way_out)?);
        let (metric, condition) = (metric.trim(), condition.trim());
        if metric.is_empty() || metric.contains(['"', '\\']) || condition.contains(['"', '\\']) {
            return Err(way_out.to_owned());
        }
        Ok(Self {
            metric: metric.to_owned(),
            condition: condition.to_owned(),
        })
    }
}

impl ChangeArgs {
    /// The changes, the one that wins last.
    pub(super) fn overrides(&self) -> Vec<Override> {
        let quoted = |text: &String| serde_json::Value::from(text.as_str()).to_string();
        let seed = self.seed.map(|seed| seed.to_string());
        let flags = [
            ("--seed", "seed", seed),
            (
                "--duration",
                "workload.duration",
                self.duration.as_ref().map(quoted),
            ),
            ("--rate", "workload.rate", self.rate.as_ref().map(quoted)),
        ];
        let flags = flags
            .iter()
            .filter_map(|(flag, key, value)| Some(Override::of_flag(*flag, key, value.as_ref()?)));
        let set = self.set.iter().map(Override::set);
        set.chain(flags).chain(self.expectations()).collect()
    }

    /// The scenario of a file with the changes, or that of a run's folder as it was run.
    pub(super) fn scenario_of(&self, source: &Path) -> Result<Scenario, Exit> {
        if source.is_dir() {
            return Ok(self.run_of(source)?.1);
        }
        let (scenario, _) = load(source, &self.overrides())?;
        Ok(scenario)
    }

    /// A run's folder, and the scenario that was run, which cannot be changed any more.
    pub(super) fn run_of(&self, source: &Path) -> Result<(RunFolder, Scenario), Exit> {
        let folder = RunFolder::open(source).map_err(Exit::internal)?;
        if !self.overrides().is_empty() {
            return Err(Exit::Usage(
                "--seed, --set and the like change a scenario; what a run did is in its folder"
                    .to_owned(),
            ));
        }
        let (scenario, _) = what_was_run(folder.stored())?;
        Ok((folder, scenario))
    }

    /// Lines of `[expect]`: several limits of one metric are one line.
    fn expectations(&self) -> Vec<Override> {
        let mut lines: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for threshold in &self.thresholds {
            let limits = lines.entry(&threshold.metric).or_default();
            limits.push(&threshold.condition);
        }
        let line = |(metric, limits): (&str, Vec<&str>)| {
            let (key, limits) = (format!("expect.\"{metric}\""), limits.join(", "));
            Override::of_flag("--threshold", &key, &format!("\"{limits}\""))
        };
        lines.into_iter().map(line).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn assignments(change: &ChangeArgs) -> Vec<String> {
        let overrides = change.overrides().into_iter();
        overrides.map(|each| each.assignment).collect()
    }

    #[test]
    fn flags_become_overrides_that_win_over_set() {
        let change = ChangeArgs {
            seed: Some(7),
            duration: Some("2 min".into()),
            rate: Some("20/s".into()),
            set: vec!["seed=1".into()],
            ..ChangeArgs::default()
        };
        assert_eq!(
            assignments(&change),
            [
                "seed=1",
                "seed=7",
                "workload.duration=\"2 min\"",
                "workload.rate=\"20/s\""
            ]
        );
    }

    #[test]
    fn thresholds_become_lines_of_expect() {
        let read = |text: &str| text.parse::<Threshold>();
        let change = ChangeArgs {
            thresholds: [
                "a{gate=x<y} - b{gate=z} > -5%",
                "c < 1s",
                "a{gate=x<y} - b{gate=z}<5%",
            ]
            .map(|text| read(text).expect("a threshold"))
            .into(),
            ..ChangeArgs::default()
        };
        assert_eq!(
            assignments(&change),
            [
                "expect.\"a{gate=x<y} - b{gate=z}\"=\"> -5%, <5%\"",
                "expect.\"c\"=\"< 1s\""
            ]
        );
        for wrong in ["", "a", "a = 5", "< 5%", "a{gate=\"x\"} < 5%", "a{b<5"] {
            assert!(read(wrong).is_err(), "{wrong}");
        }
    }
}
