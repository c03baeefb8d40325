//! One scenario per claim: each shows what it says it shows, at other seeds than its own too.

use std::fs;
use std::path::Path;
use std::thread;

use racegate_model::summary::{Summary, Verdict};

use crate::runs::{scenario, speaking_of_seeds};

/// The first seed; `racegate catalogue`, which CI runs, begins with each file's own.
const FIRST_SEED: u64 = 1_000;
/// Recordings of one arm at most: what a reader runs must answer at once.
const RECORDINGS_MAX: u64 = 20_000;

pub(crate) fn files() -> Vec<(String, String)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../scenarios");
    let mut files: Vec<(String, String)> = fs::read_dir(folder)
        .expect("the folder exists")
        .map(|entry| entry.expect("a readable entry").path())
        .filter(|path| {
            path.extension()
                .is_some_and(|extension| extension == "toml")
        })
        .map(|path| {
            let name = path
                .file_stem()
                .expect("a name")
                .to_string_lossy()
                .into_owned();
            (name, fs::read_to_string(&path).expect("UTF-8 text"))
        })
        .collect();
    files.sort();
    files
}

/// What a run did not show.
fn broken(name: &str, summary: &Summary) -> Vec<String> {
    let lines = summary
        .expect
        .iter()
        .filter(|line| line.verdict != Verdict::Pass);
    let told = lines.map(|line| format!("{name}, seed {}: {line:?}", summary.seed));
    let invalid = summary
        .invalid_reasons
        .iter()
        .map(|why| format!("{name}: {why}"));
    told.chain(invalid).collect()
}

/// What one file did not show.
fn shown(name: &str, text: &str) -> Vec<String> {
    let scenario = scenario(name, text, Some(FIRST_SEED));
    assert_eq!(scenario.name, name, "a scenario is named as its file");
    assert!(!scenario.expect.is_empty(), "{name} expects nothing");
    let summary = speaking_of_seeds(scenario);
    let recordings = summary.recordings;
    assert!(recordings <= RECORDINGS_MAX, "{name}: {recordings}");
    broken(name, &summary)
}

#[test]
fn every_scenario_shows_what_it_expects_at_other_seeds_than_its_own() {
    let files = files();
    assert!(files.len() >= 24, "{} scenarios", files.len());
    let (even, odd): (Vec<_>, Vec<_>) = files.iter().enumerate().partition(|(at, _)| at % 2 == 0);
    let all = |half: &[(usize, &(String, String))]| -> Vec<String> {
        half.iter()
            .flat_map(|(_, (name, text))| shown(name, text))
            .collect()
    };
    let failures = thread::scope(|scope| {
        let other_half = scope.spawn(|| all(&odd));
        let mut failures = all(&even);
        failures.extend(other_half.join().expect("the other half ran"));
        failures
    });
    assert!(failures.is_empty(), "{failures:#?}");
}
