//! One scenario per claim: each shows what it says it shows, at its own seed and at others.

use std::fs;
use std::path::Path;
use std::thread;

use racegate_model::summary::{Summary, Verdict};

use crate::runs::{run, scenario};

/// Seeds besides the file's own. `RACEGATE_SEEDS` widens them for whoever writes a scenario.
const OTHER_SEEDS: u64 = 1;
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

/// Runs one file at its own seed and at `others` more; what it did not show.
fn shown(name: &str, text: &str, others: u64) -> Vec<String> {
    let seeds = std::iter::once(None).chain((1..=others).map(Some));
    let runs = seeds.flat_map(|seed| {
        let scenario = scenario(name, text, seed);
        assert_eq!(scenario.name, name, "a scenario is named as its file");
        assert!(!scenario.expect.is_empty(), "{name} expects nothing");
        let summary = run(&scenario);
        assert!(
            summary.recordings <= RECORDINGS_MAX,
            "{name}: {}",
            summary.recordings
        );
        broken(name, &summary)
    });
    runs.collect()
}

#[test]
fn every_scenario_shows_what_it_expects_at_its_own_seed_and_at_others() {
    let others = std::env::var("RACEGATE_SEEDS")
        .ok()
        .and_then(|count| count.parse().ok());
    let others = others.unwrap_or(OTHER_SEEDS);
    let files = files();
    assert!(files.len() >= 24, "{} scenarios", files.len());
    let (even, odd): (Vec<_>, Vec<_>) = files.iter().enumerate().partition(|(at, _)| at % 2 == 0);
    let all = |half: &[(usize, &(String, String))]| -> Vec<String> {
        half.iter()
            .flat_map(|(_, (name, text))| shown(name, text, others))
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
