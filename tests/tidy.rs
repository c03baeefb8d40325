//! The repository's own rules, as a test.

use std::fs;
use std::path::{Path, PathBuf};

const FILE_LINES_MAX: usize = 600;

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn files(folder: &Path, ending: &str, found: &mut Vec<PathBuf>) {
    let Ok(entries) = fs::read_dir(folder) else {
        return;
    };
    for entry in entries.flatten() {
        let path = entry.path();
        let name = entry.file_name();
        let skipped = ["target", "node_modules", "reports"]
            .iter()
            .any(|skip| *skip == name);
        if path.is_dir() && !skipped && !name.to_string_lossy().starts_with('.') {
            files(&path, ending, found);
        } else if path
            .extension()
            .is_some_and(|extension| extension == ending)
        {
            found.push(path);
        }
    }
}

fn sources() -> Vec<(PathBuf, String)> {
    let mut found = Vec::new();
    files(&root(), "rs", &mut found);
    found.sort();
    found
        .into_iter()
        .map(|path| {
            let text = fs::read_to_string(&path).expect("sources are readable text");
            (path, text)
        })
        .collect()
}

#[test]
fn no_file_is_longer_than_the_wall() {
    for (path, text) in sources() {
        let lines = text.lines().count();
        assert!(lines <= FILE_LINES_MAX, "{}: {lines} lines", path.display());
    }
}

#[test]
fn no_module_is_called_by_a_word_that_says_nothing() {
    for (path, text) in sources() {
        for word in ["utils", "util", "helpers", "helper", "misc", "common"] {
            let declared = text
                .lines()
                .any(|line| line.trim_end() == format!("mod {word};"));
            assert!(!declared, "{}: mod {word}", path.display());
        }
    }
}

#[test]
fn no_test_is_skipped_and_none_sleeps() {
    // Put together so that this file does not find itself.
    let banned = [["#[ign", "ore"].concat(), ["thread::", "sleep("].concat()];
    // The media loop paces itself, and the media bench measures for a length of time and waits for
    // its server to start: only they may wait by sleeping.
    let waiting = [
        "udp/src/shard.rs",
        "bench/src/media/rung.rs",
        "bench/src/media/signalling.rs",
    ];
    let tests = sources()
        .into_iter()
        .filter(|(path, _)| !waiting.iter().any(|end| path.ends_with(end)));
    for (path, text) in tests {
        for word in &banned {
            assert!(!text.contains(word.as_str()), "{}: {word}", path.display());
        }
    }
}

#[test]
fn unsafe_code_lives_in_one_crate() {
    for (path, text) in sources() {
        let allowed = path.components().any(|part| part.as_os_str() == "udp");
        let word = ["unsafe", " {"].concat();
        assert!(allowed || !text.contains(&word), "{}", path.display());
    }
}

#[test]
fn the_core_depends_on_nothing_that_does_io() {
    let manifest = fs::read_to_string(root().join("crates/model/Cargo.toml")).expect("readable");
    for word in ["tokio", "axum", "hyper", "rand", "std::fs", "toml"] {
        assert!(!manifest.contains(word), "crates/model depends on {word}");
    }
}

#[test]
fn every_scenario_is_mentioned_where_people_look() {
    let readme = fs::read_to_string(root().join("README.md")).expect("there is a README");
    let index = fs::read_to_string(root().join("scenarios/README.md")).unwrap_or_default();
    let mut found = Vec::new();
    files(&root().join("scenarios"), "toml", &mut found);
    assert!(!found.is_empty());
    for path in found {
        let name = path
            .file_name()
            .expect("a file has a name")
            .to_string_lossy();
        let mentioned = readme.contains(&*name) || index.contains(&*name);
        assert!(mentioned, "{name} is mentioned in no README");
    }
}
