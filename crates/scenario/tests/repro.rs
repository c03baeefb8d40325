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

/// A small repro, as text.
fn small() -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../scenarios/c01-ramp.toml");
    let (scenario, _) = racegate_scenario::load(&path, &[]).expect("a right scenario");
    let captured = capture(&scenario, &Wanted::default()).expect("something fails");
    let level = Level::Essence;
    repro(&captured, shrunk(&captured, level), level).text()
}

fn mistakes(text: &str) -> Vec<String> {
    let found = read_repro(&Source::new("repro.toml", text)).expect_err("it has a mistake");
    let shown = |it: &racegate_scenario::Diagnostic| {
        let (line, _) = found.line_column(it.span);
        format!("{line}: {}", it.message)
    };
    found.iter().map(shown).collect()
}

#[test]
fn a_damaged_repro_is_told_what_is_wrong_where() {
    let good = small();
    read(&good);
    for (from, to, words) in [
        (
            "racegate-repro/1",
            "racegate-repro/9",
            "this version reads `racegate-repro/1`",
        ),
        ("hash = \"", "hash = \"xyz", "is no hash"),
        ("kind = \"race\"", "kind = \"leads\"", "does not follow"),
        (
            "outcome = \"incomplete\"",
            "outcome = \"incomplet\"",
            "incomplet",
        ),
        ("taken = \"2s\"", "taken = \"1ms\"", "is out of order"),
        (
            "media = \"1s\"",
            "media = \"0s\"",
            "before the session's end",
        ),
        (
            "started = \"0s\"",
            "started = \"9s\"",
            "is before `started`",
        ),
        ("started = \"0s\"", "started = 0", "must be a string"),
        ("workers = 1", "workers = 0", "workers"),
        ("strategy = \"none\"", "strategy = \"nome\"", "nome"),
        ("fields.media_type", "fields.media_tipe", "media_tipe"),
        ("[[recording]]", "[[recordings]]", "recordings"),
        ("[case]", "[case", "expected a right bracket"),
    ] {
        assert!(good.contains(from), "{from}\n{good}");
        let found = mistakes(&good.replace(from, to));
        assert!(found.iter().any(|it| it.contains(words)), "{to}: {found:?}");
    }
    let (head, _) = good.split_once("[[recording]]").expect("it has recordings");
    assert!(mistakes(head).iter().any(|it| it.contains("recording")));
    let victim = good.rsplit("[[recording]]").next().expect("there is one");
    let twice = format!("{good}\n[[recording]]{victim}");
    assert!(
        mistakes(&twice)
            .iter()
            .any(|it| it.contains("a second recording"))
    );
    for nothing in ["", "x", "\u{0}", "schema = \"racegate-repro/1\""] {
        assert!(!mistakes(nothing).is_empty());
    }
}

#[test]
fn a_repro_without_edges_is_read() {
    let good = small();
    let (head, rest) = good.split_once("[[edge]]").expect("it has edges");
    let (_, recordings) = rest
        .split_once("\n[[recording]]")
        .expect("it has recordings");
    assert_eq!(
        read(&format!("{head}\n[[recording]]{recordings}")),
        read(&good)
    );
}
