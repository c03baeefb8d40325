//! `repro` and `replay`: a failing export made small, and run again.

use std::fs;
use std::path::{Path, PathBuf};

use super::{json, output, small_scenario, text};

/// Writes the repro of the small scenario's ungated export.
fn repro(folder: &Path, more: &[&str]) -> (PathBuf, serde_json::Value) {
    let scenario = small_scenario(folder);
    let file = folder.join("repro.toml");
    let paths = [&scenario, &file].map(|path| path.to_str().expect("text"));
    let mut arguments = vec!["repro", paths[0], "--json", "--out", paths[1]];
    arguments.extend(more);
    let output = output(&arguments);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    (file, json(&output))
}

#[test]
fn a_failing_export_becomes_a_file_that_fails_every_time() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let (file, said) = repro(folder.path(), &["--gate", "ungated"]);
    assert_eq!(said["outcome"], "incomplete");
    assert_eq!(said["recordings"], 1);
    let path = file.to_str().expect("text");
    let replayed = output(&["replay", path, "--times", "5", "--json"]);
    assert_eq!(replayed.status.code(), Some(90));
    let again = json(&replayed);
    assert_eq!(again["failed"], 5);
    assert_eq!(again["hash"], said["hash"]);
    assert_eq!(again["hash"], again["expected_hash"]);
}

#[test]
fn the_race_timeline_is_printed_and_lies_beside_the_repro() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let (file, _) = repro(folder.path(), &["--gate", "patient"]);
    let svg = fs::read_to_string(file.with_extension("svg")).expect("an SVG");
    assert!(svg.contains("is incomplete under patient"), "{svg}");
    let png = fs::read(file.with_extension("png")).expect("a PNG");
    assert!(png.starts_with(b"\x89PNG"));
    let trace = fs::read(file.with_extension("trace.json")).expect("a trace");
    let trace: serde_json::Value = serde_json::from_slice(&trace).expect("JSON");
    let events = trace["traceEvents"].as_array().expect("events");
    let of = |name: &str| {
        let found = events.iter().find(|event| event["name"] == name);
        found.unwrap_or_else(|| panic!("no {name}: {trace}"))["ts"].as_f64()
    };
    // The export lies within the session and the window begins with it.
    assert_eq!(of("race window"), of("export"));
    assert!(of("export") > of("session"), "{trace}");

    let replayed = output(&["replay", file.to_str().expect("text")]);
    let said = text(&replayed.stdout);
    let lane = |name: &str| {
        let line = said.lines().find(|line| line.starts_with(name));
        line.unwrap_or_else(|| panic!("no {name}: {said}"))
            .to_owned()
    };
    let export = lane("exporter").find('X').expect("an export");
    assert_eq!(lane("race window").find('!'), Some(export), "{said}");
    let fields = lane("index ");
    let visible = fields[34..].find('-').expect("they come") + 34;
    assert!(visible > export, "{said}");
}

#[test]
fn the_levels_and_the_recording_are_chosen_on_the_command_line() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let (_, exact) = repro(folder.path(), &["--level", "exact", "--gate", "patient"]);
    assert_eq!(exact["level"], "exact");
    let number = exact["recording"].to_string();
    let (_, named) = repro(
        folder.path(),
        &["--recording", &number, "--gate", "patient"],
    );
    assert_eq!(named["recording"], exact["recording"]);
    assert_eq!(named["level"], "minimal");
}

#[test]
fn a_run_s_folder_gives_the_same_repro_as_its_scenario() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let run = folder.path().join("run");
    let simulated = super::small(folder.path(), &run, &[]);
    assert!(simulated.status.success(), "{}", text(&simulated.stderr));
    let (file, said) = repro(folder.path(), &["--gate", "ungated"]);
    let of_run = folder.path().join("of-run.toml");
    let paths = [&run, &of_run].map(|path| path.to_str().expect("text"));
    let output = output(&[
        "repro", paths[0], "--gate", "ungated", "--json", "--out", paths[1],
    ]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    assert_eq!(json(&output)["hash"], said["hash"]);
    let texts = [&file, &of_run].map(|path| fs::read_to_string(path).expect("readable"));
    assert_eq!(texts[0], texts[1]);
}

#[test]
fn what_does_not_fail_or_is_not_there_is_refused_with_a_way_out() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let scenario = small_scenario(folder.path());
    let path = scenario.to_str().expect("text");
    for (arguments, code, words) in [
        (vec!["--gate", "nobody"], 2, "there are ungated, patient"),
        (vec!["--recording", "99999"], 2, "no recording 99999"),
        (vec!["--recording", "nonsense"], 2, "write its number"),
    ] {
        let mut all = vec!["repro", path];
        all.extend(arguments);
        let output = output(&all);
        let stderr = text(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{stderr}");
        assert!(stderr.contains(words), "{stderr}");
    }
    let output = output(&["repro", "scenarios/c02-webrtc-only.toml"]);
    assert_eq!(output.status.code(), Some(93));
    assert!(text(&output.stderr).contains("nothing fails"));
}

#[test]
fn a_changed_repro_says_that_its_hash_is_another_one() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let (file, said) = repro(folder.path(), &["--gate", "ungated"]);
    let good = fs::read_to_string(&file).expect("readable");
    let hash = said["hash"].as_str().expect("text");
    let other = good.replace(hash, "0123456789abcdef");
    fs::write(&file, other).expect("writable");
    let path = file.to_str().expect("text");
    let output = output(&["replay", path]);
    let stderr = text(&output.stderr);
    assert_eq!(output.status.code(), Some(90), "{stderr}");
    assert!(stderr.contains("0123456789abcdef"), "{stderr}");
}

/// Replays a repro over HTTP.
fn force(file: &Path, more: &[&str]) -> std::process::Output {
    let path = file.to_str().expect("text");
    let mut arguments = vec!["replay", path, "--json"];
    arguments.extend(more);
    output(&arguments)
}

#[test]
fn the_interleaving_is_forced_over_http_every_time() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let (file, _) = repro(folder.path(), &["--gate", "ungated"]);
    let live = ["--engine", "live", "--times", "20"];
    let failing = force(&file, &live);
    assert_eq!(failing.status.code(), Some(90), "{}", text(&failing.stderr));
    assert_eq!(json(&failing)["incomplete"], 20);
    let more = [&live[..], &["--gate", "exponential-backoff"]].concat();
    let correct = force(&file, &more);
    assert_eq!(correct.status.code(), Some(0), "{}", text(&correct.stderr));
    assert_eq!(json(&correct)["complete"], 20);
    let simulated = force(&file, &["--gate", "exponential-backoff"]);
    assert_eq!(
        simulated.status.code(),
        Some(0),
        "{}",
        text(&simulated.stderr)
    );
}

#[test]
fn a_command_that_cannot_be_forced_never_passes() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let (file, _) = repro(folder.path(), &["--gate", "ungated"]);
    for (script, words) in [
        ("exit 0", "it ended: exit code 0"),
        ("exit 7", "it ended: exit code 7"),
        (
            "trap '' TERM; sleep 1000 & wait; sleep 1000",
            "its time was over",
        ),
        ("yes", "its time was over"),
    ] {
        let output = force(&file, &["--timeout", "1", "--", "sh", "-c", script]);
        let stderr = text(&output.stderr);
        assert_eq!(output.status.code(), Some(91), "{script}: {stderr}");
        assert!(stderr.contains(words), "{script}: {stderr}");
        assert_eq!(json(&output)["impossible"], 1);
    }
    let missing = force(&file, &["--", "no-such-program-anywhere"]);
    assert_eq!(missing.status.code(), Some(2), "{}", text(&missing.stderr));
    let simulated = force(&file, &["--engine", "sim", "--", "true"]);
    assert_eq!(
        simulated.status.code(),
        Some(2),
        "{}",
        text(&simulated.stderr)
    );
}

#[test]
fn a_gate_that_cannot_be_put_in_place_is_refused_with_a_way_out() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let (file, _) = repro(folder.path(), &["--gate", "ungated"]);
    for (gate, words) in [
        ("fixed-delay", "`delay`"),
        ("nonsense", "exponential-backoff"),
    ] {
        let output = force(&file, &["--gate", gate]);
        let stderr = text(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{stderr}");
        assert!(stderr.contains(words), "{stderr}");
    }
}
