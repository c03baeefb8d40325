//! One scenario per claim: each shows what it says it shows, at its own seed and at others.

use std::fs;
use std::path::Path;
use std::time::Instant;

use racegate_model::summary::{Summary, Verdict};

use crate::runs::{run, scenario};

/// Seeds besides the file's own. `RACEGATE_SEEDS` widens them for whoever writes a scenario.
const OTHER_SEEDS: u64 = 2;
/// Recordings of one arm at most: what a reader runs must answer at once.
const RECORDINGS_MAX: u64 = 20_000;

fn files() -> Vec<(String, String)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../scenarios");
    let mut files: Vec<(String, String)> = fs::read_dir(folder)
        .expect("the folder exists")
        .map(|entry| entry.expect("a readable entry").path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "toml"))
        .map(|path| {
            let name = path.file_stem().expect("a name").to_string_lossy().into_owned();
            (name, fs::read_to_string(&path).expect("UTF-8 text"))
        })
        .collect();
    files.sort();
    files
}

/// What a run did not show.
fn broken(name: &str, summary: &Summary) -> Vec<String> {
    let lines = summary.expect.iter().filter(|line| line.verdict != Verdict::Pass);
    let told = lines.map(|line| format!("{name}, seed {}: {line:?}", summary.seed));
    let invalid = summary.invalid_reasons.iter().map(|why| format!("{name}: {why}"));
    told.chain(invalid).collect()
}

#[test]
fn every_scenario_shows_what_it_expects_at_its_own_seed_and_at_others() {
    let others = std::env::var("RACEGATE_SEEDS").ok().and_then(|count| count.parse().ok());
    let only = std::env::var("RACEGATE_SCENARIO").ok();
    let mut failures = Vec::new();
    for (name, text) in files() {
        if only.as_ref().is_some_and(|only| !name.contains(only.as_str())) {
            continue;
        }
        let started = Instant::now();
        let seeds = std::iter::once(None).chain((1..=others.unwrap_or(OTHER_SEEDS)).map(Some));
        for seed in seeds {
            let scenario = scenario(&name, &text, seed);
            assert_eq!(scenario.name, name, "a scenario is named as its file");
            assert!(!scenario.expect.is_empty(), "{name} expects nothing");
            let summary = run(&scenario);
            assert!(summary.recordings <= RECORDINGS_MAX, "{name}: {}", summary.recordings);
            failures.extend(broken(&name, &summary));
            if only.is_some() {
                for line in &summary.expect {
                    println!("{seed:?} {:?} {} {:?}", line.verdict, line.expression, line.observed);
                }
            }
        }
        println!("{name}: {:?}", started.elapsed());
    }
    assert!(failures.is_empty(), "{failures:#?}");
}
