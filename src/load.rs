//! Scenario files as the commands take them: read, parsed, reduced to the gates asked for.

use std::path::Path;

use racegate_model::analysis::{Context, Exit, Tenant};
use racegate_model::scenario::{Engine, Scenario};
use racegate_model::workload::plan_hash;
use racegate_scenario::{Diagnostics, LoadError, Override, Source};

use crate::live::Arms;
use crate::output::color;
use crate::store::Stored;

/// Name and version of the program.
pub(crate) const TOOL: &str = concat!("racegate ", env!("CARGO_PKG_VERSION"));

/// Reads and parses a scenario; also returns its text.
///
/// # Errors
/// When the file cannot be read, or all its mistakes.
pub fn load(path: &Path, overrides: &[Override]) -> Result<(Scenario, Source), Exit> {
    racegate_scenario::load(path, overrides).map_err(not_loaded)
}

/// Reads the text of a scenario.
///
/// # Errors
/// When the file cannot be read.
pub fn read(path: &Path) -> Result<Source, Exit> {
    racegate_scenario::read(path).map_err(not_loaded)
}

fn not_loaded(error: LoadError) -> Exit {
    match error {
        LoadError::Scenario(mistakes) => mistaken(&mistakes),
        LoadError::File { .. } => Exit::Scenario(format!(
            "{error}\n  name a scenario file, e.g. scenarios/webrtc-spike.toml"
        )),
    }
}

/// Parses a scenario whose further files are in `folder`.
///
/// # Errors
/// All its mistakes.
pub fn parse(source: &Source, overrides: &[Override], folder: &Path) -> Result<Scenario, Exit> {
    racegate_scenario::parse_in_folder(source, overrides, folder)
        .map_err(|mistakes| mistaken(&mistakes))
}

fn mistaken(mistakes: &Diagnostics) -> Exit {
    Exit::Scenario(mistakes.render(color()))
}

/// Keeps only the gates of these names; all if there is no name.
///
/// # Errors
/// When there is no gate of a name.
pub fn select_gates(scenario: &mut Scenario, names: &[String]) -> Result<(), Exit> {
    if names.is_empty() {
        return Ok(());
    }
    let known: Vec<String> = scenario
        .arms
        .iter()
        .flat_map(|arm| arm.gates.iter().map(|gate| gate.name.clone()))
        .collect();
    if let Some(unknown) = names.iter().find(|name| !known.contains(name)) {
        return Err(Exit::Usage(format!(
            "--gate {unknown}: no such gate; there are {}",
            known.join(", ")
        )));
    }
    for arm in &mut scenario.arms {
        arm.gates.retain(|gate| names.contains(&gate.name));
    }
    scenario.arms.retain(|arm| !arm.gates.is_empty());
    Ok(())
}

/// Adds claims to what is expected of the run.
///
/// # Errors
/// All mistakes of the claims.
pub fn add_claims(scenario: &mut Scenario, claims: &[String]) -> Result<(), Exit> {
    let read = |text: &String| racegate_scenario::claim("--until", text, scenario);
    let (sound, mistaken): (Vec<_>, Vec<_>) = claims.iter().map(read).partition(Result::is_ok);
    let mistakes: Vec<String> = mistaken
        .into_iter()
        .filter_map(|claim| Some(claim.err()?.render(color())))
        .collect();
    if !mistakes.is_empty() {
        return Err(Exit::Usage(mistakes.join("\n")));
    }
    scenario.expect.extend(sound.into_iter().flatten());
    Ok(())
}

/// The tenants that are run, in the order of [`racegate_model::ids::TenantIndex`].
#[must_use]
pub fn tenants(scenario: &Scenario, arms: Arms) -> Vec<Tenant> {
    let arms = match (scenario.engine, arms) {
        (Engine::Live, Arms::Base) => 1,
        _ => scenario.arms.len(),
    };
    Tenant::all(scenario)
        .into_iter()
        .filter(|tenant| tenant.arm < arms)
        .collect()
}

/// The scenario of an earlier run, and its tenants.
///
/// # Errors
/// When this version does not take the run's scenario any more.
pub fn what_was_run(stored: &Stored) -> Result<(Scenario, Vec<Tenant>), Exit> {
    let source = Source::new(stored.scenario_name.clone(), stored.scenario.clone());
    let folder = Path::new(&stored.scenario_folder);
    let mut scenario = parse(&source, &stored.overrides, folder)?;
    select_gates(&mut scenario, &stored.gates)?;
    add_claims(&mut scenario, &stored.until)?;
    scenario.engine = stored.engine;
    let arms = if stored.all_arms {
        Arms::All
    } else {
        Arms::Base
    };
    let tenants = tenants(&scenario, arms);
    Ok((scenario, tenants))
}

/// What the accumulators of a run know of it beforehand.
#[must_use]
pub fn context(scenario: &Scenario, tenants: Vec<Tenant>) -> Context {
    Context {
        tool: TOOL.to_owned(),
        engine: scenario.engine,
        tenants,
        plan_hash: plan_hash(&scenario.workload, scenario.seed),
    }
}
