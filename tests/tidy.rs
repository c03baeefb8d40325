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
    assert!(found.len() > 100, "only {} files", found.len());
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

/// Modules from the lowest layer to the highest. A module may import from its own line and from the
/// lines before it; a line of several modules is one knot.
const MODEL_LAYERS: &[&str] = &[
    "time",
    "field",
    "index_set",
    "outcome",
    "agenda",
    "draws",
    "ids",
    "table",
    "order",
    "distribution stats",
    "schedule",
    "survival",
    "fault gate scenario timeline workload",
    "selection",
    "history",
    "job_draws",
    "export",
    "job_chance",
    "org",
    "platform",
    "judge",
    "recorder",
    "exporter",
    "sim",
    "analysis summary",
    "compare",
    "conformance",
    "diagnose",
    "repro",
];
const MOCK_LAYERS: &[&str] = &[
    "targets",
    "storage",
    "clock",
    "gentle",
    "room",
    "websocket",
    "ingest",
    "archive",
    "synthetic",
    "service",
    "traffic",
    "http",
    "softphone",
    "server",
    "serve",
    "wiremock",
];
const PRODUCT_LAYERS: &[&str] = &[
    "report",
    "live",
    "store",
    "output",
    "load",
    "baseline",
    "calibrate",
    "judge",
    "tune",
    "plan",
    "doubts",
    "sinks",
    "signals",
    "progress",
    "engine",
    "replay",
    "certificate",
    "cmd",
];

/// What of `text` is code of the product: no comment, and nothing from its unit tests on.
fn code(text: &str) -> String {
    let product = text.split("#[cfg(test)]\nmod tests").next().unwrap_or("");
    let lines = product.lines();
    lines
        .filter(|line| !line.trim_start().starts_with("//"))
        .flat_map(|line| [line, "\n"])
        .collect()
}

/// The names that `code` takes from `prefix`, such as `crate::`: one, or several in braces.
fn taken_from(prefix: &str, code: &str) -> Vec<String> {
    let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let name = |text: &str| {
        text.trim_start()
            .split(|c| !is_name(c))
            .next()
            .map(str::to_owned)
    };
    let mut names = Vec::new();
    for (at, _) in code.match_indices(prefix) {
        let rest = &code[at + prefix.len()..];
        if !rest.starts_with('{') {
            names.extend(name(rest));
            continue;
        }
        let (mut depth, mut begins) = (0, false);
        for (position, c) in rest.char_indices() {
            match c {
                '{' => depth += 1,
                '}' => depth -= 1,
                _ => {}
            }
            if depth == 0 {
                break;
            }
            if begins && !c.is_whitespace() {
                names.extend(name(&rest[position..]));
            }
            begins = depth == 1 && (c == '{' || c == ',' || (begins && c.is_whitespace()));
        }
    }
    names
}

/// Imports of `folder` that do not go down, as `module imports module`.
fn upward(folder: &Path, layers: &[&str]) -> Vec<String> {
    let layer = |module: &str| {
        let holds = |line: &&str| line.split(' ').any(|known| known == module);
        layers.iter().position(holds)
    };
    let mut found = Vec::new();
    files(folder, "rs", &mut found);
    assert!(found.len() > layers.len(), "{}", folder.display());
    let (mut wrong, mut imports) = (Vec::new(), 0);
    for path in found {
        let inside = path.strip_prefix(folder).expect("it was found there");
        let parts: Vec<_> = inside.iter().map(|part| part.to_string_lossy()).collect();
        let module = parts[0].trim_end_matches(".rs").to_owned();
        if ["lib", "main"].contains(&module.as_str()) {
            continue;
        }
        let Some(own) = layer(&module) else {
            wrong.push(format!("{module} has no layer: {}", path.display()));
            continue;
        };
        let code = code(&fs::read_to_string(&path).expect("sources are readable text"));
        let mut taken = taken_from("crate::", &code);
        if parts.len() == 1 || parts[1..] == ["mod.rs"] {
            taken.extend(taken_from("super::", &code.replace("super::super::", "")));
        }
        for other in taken.iter().filter(|other| **other != module) {
            let Some(others) = layer(other) else { continue };
            imports += 1;
            if others > own {
                wrong.push(format!("{module} imports {other}: {}", path.display()));
            }
        }
    }
    assert!(imports > layers.len(), "only {imports} imports were found");
    wrong
}

#[test]
fn imports_between_modules_go_down() {
    for (folder, layers) in [
        ("crates/model/src", MODEL_LAYERS),
        ("mock-api/src", MOCK_LAYERS),
        ("src", PRODUCT_LAYERS),
    ] {
        let wrong = upward(&root().join(folder), layers);
        assert!(wrong.is_empty(), "{folder}: {}", wrong.join("; "));
    }
}

#[test]
fn an_import_is_found_however_it_is_written() {
    let code = code(
        "use crate::{a, b::{c, d}, e as f};\n// crate::no\nfn g() { crate::h::i() }\nuse super::j;\n",
    );
    assert_eq!(taken_from("crate::", &code), ["a", "b", "e", "h"]);
    assert_eq!(taken_from("super::", &code), ["j"]);
}

/// Packages from the lowest to the highest: each depends on earlier ones only.
const PACKAGES: [(&str, &str); 7] = [
    ("racegate-udp", "crates/udp"),
    ("racegate-model", "crates/model"),
    ("racegate-scenario", "crates/scenario"),
    ("racegate-media", "crates/media"),
    ("mock-api", "mock-api"),
    ("racegate", "."),
    ("racegate-bench", "bench"),
];

#[test]
fn dependencies_between_packages_go_down() {
    let mut found = 0;
    for (position, (name, folder)) in PACKAGES.iter().enumerate() {
        let path = root().join(folder).join("Cargo.toml");
        let manifest = fs::read_to_string(path).expect("a package has a manifest");
        let product = manifest.split("[dev-dependencies]").next().unwrap_or("");
        let dependencies = product.split("[dependencies]").nth(1).unwrap_or("");
        let dependencies = dependencies.split("\n[").next().unwrap_or("");
        for line in dependencies.lines() {
            let other = line.split(['.', ' ', '=']).next().unwrap_or("");
            let others = PACKAGES.iter().position(|(known, _)| *known == other);
            let Some(others) = others else { continue };
            found += 1;
            assert!(others < position, "{name} depends on {other}");
        }
    }
    assert!(found >= 10, "only {found} dependencies were found");
}
