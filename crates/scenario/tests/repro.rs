//! Failing cases of every scenario: captured, shrunk, written down, read again.

use std::path::{Path, PathBuf};

use racegate_model::repro::{Captured, Level, Shrinker, Shrunk, Unwatched, Wanted, capture};
use racegate_scenario::{Color, Origin, Repro, Source, read_repro};

fn files() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../scenarios");
    let entries = std::fs::read_dir(folder).expect("there are scenarios");
    let paths = entries.map(|entry| entry.expect("it can be listed").path());
    let mut files: Vec<_> = paths
        .filter(|path| path.extension().is_some_and(|ext| ext == "toml"))
        .collect();
    files.sort();
    assert!(files.len() > 30);
    files
}

fn shrunk(captured: &Captured, level: Level) -> Shrunk {
    Shrinker::new(captured, &mut Unwatched).run(level)
}

fn repro(captured: &Captured, shrunk: Shrunk, level: Level) -> Repro {
    let played = shrunk.case.play().expect("it is settled");
    Repro {
        tool: "racegate test".to_owned(),
        origin: Origin {
            scenario: "a-scenario".to_owned(),
            recordings: captured.recordings,
            failing: captured.failing,
        },
        level,
        hash: played.hash().hex(),
        expect: captured.fingerprint.clone(),
        case: shrunk.case,
    }
}

#[track_caller]
fn read(text: &str) -> Repro {
    let source = Source::new("repro.toml", text);
    read_repro(&source).unwrap_or_else(|found| panic!("{}\n{text}", found.render(Color::Never)))
}

/// Every failure of every gate of every scenario at every level.
#[test]
fn every_failure_stays_the_same_and_is_read_as_it_was_written() {
    let mut failures = 0;
    for file in files() {
        let (scenario, _) = racegate_scenario::load(&file, &[]).expect("a right scenario");
        for gate in &scenario.arms[0].gates {
            let wanted = Wanted {
                gate: Some(gate.name.clone()),
                recording: None,
            };
            let Ok(captured) = capture(&scenario, &wanted) else {
                continue;
            };
            failures += 1;
            for level in Level::ALL {
                let shrunk = shrunk(&captured, level);
                let what = format!("{} {} {}", scenario.name, gate.name, level.name());
                let played = shrunk.case.play().expect("it is settled");
                assert_eq!(
                    played.fingerprint.as_ref(),
                    Some(&captured.fingerprint),
                    "{what}"
                );
                let most = if level == Level::Exact { 2_000 } else { 12 };
                assert!(shrunk.case.recordings.len() <= most, "{what}");
                let written = repro(&captured, shrunk, level);
                let again = read(&written.text());
                assert_eq!(again, written, "{what}");
                assert_eq!(again.text(), written.text(), "{what}");
            }
        }
    }
    assert!(failures > 50, "{failures} failures");
}
