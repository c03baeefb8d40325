//! One side of a comparison, from a run's folder or from a committed baseline.

use std::path::{Path, PathBuf};

use racegate_model::analysis::{Exit, Replicates, Sharing, Tenant};
use racegate_model::compare::{Ledger, SAMPLE_SCHEMA, Sample, Spread, Values};
use racegate_model::draws::hash_bytes;
use racegate_model::scenario::{BASE_ARM, Scenario};
use racegate_model::stats::mean_and_variance;
use racegate_model::time::Timestamp;
use racegate_model::workload::phases;

use crate::load::what_was_run;
use crate::store::RunFolder;

/// Where baselines are kept, to be committed.
const FOLDER: &str = "baselines";

/// The file of the baseline `name`; a name with an ending or a folder is a path.
pub(crate) fn path_of(name: &str) -> PathBuf {
    let path = Path::new(name);
    if path.extension().is_some() || path.components().count() > 1 {
        path.to_owned()
    } else {
        Path::new(FOLDER).join(format!("{name}.json"))
    }
}

/// Reads one side: a run's folder, or a baseline by its name or path.
///
/// # Errors
/// When there is no such run or baseline, or it cannot be read.
pub(crate) fn read(name: &str) -> Result<Sample, Exit> {
    if Path::new(name).is_dir() {
        return of_folder(&RunFolder::open(Path::new(name)).map_err(Exit::internal)?);
    }
    let path = path_of(name);
    let text = std::fs::read_to_string(&path).map_err(|error| {
        Exit::Usage(format!(
            "there is no baseline or run {name} ({}: {error}); make one with `racegate run SCENARIO \
             --save-baseline {name}`",
            path.display()
        ))
    })?;
    let bad = |reason: &dyn std::fmt::Display| {
        Exit::Usage(format!("{}: no baseline: {reason}", path.display()))
    };
    let sample: Sample = serde_json::from_str(&text).map_err(|error| bad(&error))?;
    sample.check().map_err(|error| bad(&error))?;
    Ok(sample)
}

/// Writes `sample` as the baseline `name`; returns its file.
///
/// # Errors
/// When the file cannot be written.
pub(crate) fn save(sample: &Sample, name: &str) -> Result<PathBuf, Exit> {
    let path = path_of(name);
    let failed = |error: std::io::Error| Exit::internal(format!("{}: {error}", path.display()));
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder).map_err(failed)?;
    }
    let text = serde_json::to_string(sample).map_err(Exit::internal)?;
    std::fs::write(&path, text + "\n").map_err(failed)?;
    Ok(path)
}

/// What the run in `folder` showed.
///
/// # Errors
/// When the folder holds no finished, valid run, or cannot be read.
pub(crate) fn of_folder(folder: &RunFolder) -> Result<Sample, Exit> {
    let (scenario, tenants) = what_was_run(folder.stored())?;
    let summary = folder.summary().map_err(Exit::internal)?;
    let all = folder.replications().map_err(Exit::internal)?;
    let (Some(summary), Some(all)) = (summary, all) else {
        return Err(Exit::Usage(format!(
            "{}: the run has no summary.json and replications.json: it was cut short, or was made \
             by another version; run it again",
            folder.path().display()
        )));
    };
    if !summary.valid || summary.interrupted {
        let why = summary.invalid_reasons.first();
        return Err(Exit::Invalid(format!(
            "{}: the run cannot be compared: {}",
            folder.path().display(),
            why.map_or("it was cut short", String::as_str)
        )));
    }
    let mut sample = Sample {
        schema: SAMPLE_SCHEMA,
        tool: summary.tool,
        scenario: summary.scenario,
        scenario_hash: hash_of(&scenario),
        engine: summary.engine,
        sharing: all.sharing,
        plan_hash: summary.plan_hash,
        seeds: all.seeds.clone(),
        hashes: all.hashes.clone(),
        series: series(&all),
        blocks: Default::default(),
        outcomes: Default::default(),
        spread: Default::default(),
    };
    if all.sharing == Sharing::Nothing && all.len() == 1 {
        recordings(folder, &scenario, &tenants, &mut sample)?;
    }
    if let Some(model) = folder.model().map_err(Exit::internal)? {
        sample.spread = spread(&model);
    }
    Ok(sample)
}

/// The scenario without what names it and what judges it.
fn hash_of(scenario: &Scenario) -> String {
    let mut bare = scenario.clone();
    bare.seed = racegate_model::draws::Seed(0);
    bare.engine = racegate_model::scenario::Engine::Sim;
    bare.description.clear();
    bare.expect.clear();
    format!("{:016x}", hash_bytes(format!("{bare:?}").as_bytes()))
}

fn series(all: &Replicates) -> std::collections::BTreeMap<String, Values> {
    let columns = all.series.iter();
    columns
        .map(|(key, column)| {
            let values = Values {
                values: column.values.clone(),
                counts: column.counts.clone(),
                blocks: column.blocks.clone(),
            };
            (key.clone(), values)
        })
        .collect()
}

/// Recording by recording, where nothing couples them.
fn recordings(
    folder: &RunFolder,
    scenario: &Scenario,
    tenants: &[Tenant],
    sample: &mut Sample,
) -> Result<(), Exit> {
    let labels = tenants.iter().map(|tenant| {
        let arm = &scenario.arms[tenant.arm];
        let gate = &arm.gates[tenant.gate].name;
        let position = u32::try_from(tenant.arm).unwrap_or(u32::MAX);
        let labels = if arm.name == BASE_ARM {
            format!("{{gate={gate}}}")
        } else {
            format!("{{arm={},gate={gate}}}", arm.name)
        };
        (labels, position)
    });
    let counted_from = phases(&scenario.workload)
        .first()
        .map_or(Timestamp::ZERO, |phase| phase.start);
    let mut ledger = Ledger::new(labels.collect(), counted_from);
    for entry in folder.read_history().map_err(Exit::internal)? {
        ledger.add(&entry);
    }
    ledger.finish(sample);
    Ok(())
}

/// How far the simulated seeds of a live run differ.
fn spread(model: &Replicates) -> std::collections::BTreeMap<String, Spread> {
    let columns = model.series.iter();
    columns
        .filter_map(|(key, column)| {
            let values: Vec<f64> = column.values.iter().copied().flatten().collect();
            let (_, variance) = mean_and_variance(&values)?;
            let spread = Spread {
                deviation: variance.sqrt(),
                seeds: values.len() as u64,
            };
            Some((key.clone(), spread))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_baseline_is_a_name_or_a_path() {
        assert_eq!(path_of("main"), Path::new("baselines/main.json"));
        assert_eq!(path_of("ci/main"), Path::new("ci/main"));
        assert_eq!(path_of("main.json"), Path::new("main.json"));
    }

    #[test]
    fn a_missing_baseline_is_named_with_a_way_out() {
        let Err(Exit::Usage(reason)) = read("no-such-baseline") else {
            panic!("there is no such baseline");
        };
        assert!(
            reason.contains("baselines/no-such-baseline.json"),
            "{reason}"
        );
        assert!(
            reason.contains("--save-baseline no-such-baseline"),
            "{reason}"
        );
    }
}
