//! The program as a user meets it: exit codes, messages, folders.

mod certify;
mod ci;
mod compare;
mod endings;
mod folder;
mod options;
mod repro;
mod tutorial;
mod until;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// A scenario that is simulated within a moment.
const SMALL: &str = "\
name = \"small\"
[workload]
executor = \"constant-arrival-rate\"
rate = \"50/s\"
duration = \"10s\"
call_duration = { exponential = { mean = \"2s\" } }
media = { sip = 1 }
[platform.metadata]
lag = { exponential = { mean = \"3s\" } }
[[gate]]
name = \"ungated\"
strategy = \"none\"
[[gate]]
name = \"patient\"
strategy = \"fixed-delay\"
delay = \"9s\"
";

/// The file of [`SMALL`] in `folder`.
fn small_scenario(folder: &Path) -> PathBuf {
    let path = folder.join("small.toml");
    fs::write(&path, SMALL).expect("writable");
    path
}

/// Simulates [`SMALL`] into `out`.
fn small(folder: &Path, out: &Path, more: &[&str]) -> Output {
    let mut command = racegate(&["run", "--engine", "sim", "--json", "--out"]);
    command.arg(out).arg(small_scenario(folder)).args(more);
    command.output().expect("the program can be started")
}

fn racegate(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_racegate"));
    command
        .args(arguments)
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .env("NO_COLOR", "1");
    command
}

fn output(arguments: &[&str]) -> Output {
    racegate(arguments)
        .output()
        .expect("the program can be started")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn simulate(out: &Path, more: &[&str]) -> Output {
    let out = out.to_str().expect("a temporary path is text");
    let mut arguments = vec![
        "run",
        "scenarios/webrtc-spike.toml",
        "--engine",
        "sim",
        "--json",
        "--out",
        out,
    ];
    arguments.extend(more);
    output(&arguments)
}

fn json(output: &Output) -> serde_json::Value {
    serde_json::from_slice(&output.stdout).expect("--json prints JSON and nothing else")
}

#[test]
fn a_missing_scenario_is_named_and_exits_104() {
    let output = output(&["run", "scenarios/no-such.toml"]);
    assert_eq!(output.status.code(), Some(104));
    let stderr = text(&output.stderr);
    assert!(stderr.contains("scenarios/no-such.toml"), "{stderr}");
}

#[test]
fn all_mistakes_of_a_scenario_are_reported_at_once() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("bad.toml");
    let good = fs::read_to_string("scenarios/webrtc-spike.toml").expect("readable");
    let bad = good
        .replace("workers = 6", "wokers = 6")
        .replace("strategy = \"none\"", "strategy = \"nome\"");
    fs::write(&path, bad).expect("writable");
    let output = output(&["check", path.to_str().expect("text")]);
    assert_eq!(output.status.code(), Some(104));
    let stderr = text(&output.stderr);
    assert!(stderr.contains("did you mean `workers`"), "{stderr}");
    assert!(stderr.contains("did you mean `none`"), "{stderr}");
    assert!(stderr.contains("bad.toml:"), "{stderr}");
}

#[test]
fn a_coupled_platform_is_refused_live_with_a_way_out() {
    let scenario = "scenarios/x02-polls-load-the-platform.toml";
    let output = output(&["run", scenario, "--engine", "live"]);
    assert_eq!(output.status.code(), Some(104));
    let stderr = text(&output.stderr);
    assert!(stderr.contains("run with `--engine sim`"), "{stderr}");
}

#[test]
fn an_unknown_gate_exits_2_and_names_those_there_are() {
    let output = output(&[
        "run",
        "scenarios/webrtc-spike.toml",
        "--engine",
        "sim",
        "--gate",
        "nobody",
    ]);
    assert_eq!(output.status.code(), Some(2));
    assert!(text(&output.stderr).contains("full-jitter"));
}

#[test]
fn check_prints_the_plan() {
    let output = output(&["check", "scenarios/webrtc-spike.toml"]);
    assert!(output.status.success());
    let stdout = text(&output.stdout);
    for word in [
        "real sessions",
        "file descriptors",
        "memory",
        "disk",
        "phase spike",
    ] {
        assert!(stdout.contains(word), "{word} in {stdout}");
    }
}

#[test]
fn the_same_seed_gives_the_same_hashes_and_another_seed_others() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let run = |name: &str, more: &[&str]| json(&simulate(&folder.path().join(name), more));
    let (first, second) = (run("a", &[]), run("b", &[]));
    let other = run("c", &["--seed", "43"]);
    for hash in ["history_hash", "plan_hash"] {
        assert_eq!(first[hash], second[hash]);
        assert_ne!(first[hash], other[hash]);
        assert_eq!(first[hash].as_str().map(str::len), Some(16));
    }
    assert_eq!(first["valid"], true);
    assert_eq!(first["exit_code"], 0);
}

#[test]
fn set_changes_one_value_and_the_expectation_notices() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let workers = "platform.metadata.stage.inject.workers=64";
    let output = simulate(&folder.path().join("run"), &["--set", workers]);
    assert_eq!(output.status.code(), Some(99), "{}", text(&output.stderr));
    assert!(
        text(&output.stderr)
            .trim_end()
            .lines()
            .last()
            .is_some_and(|l| l.contains("exit 99"))
    );
}

#[test]
fn report_gives_the_numbers_of_the_run_again() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let run = folder.path().join("run");
    let before = json(&simulate(&run, &[]));
    let after = json(&output(&["report", run.to_str().expect("text"), "--json"]));
    assert_eq!(before, after);
}

#[test]
fn a_folder_with_something_else_in_it_is_not_touched() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    fs::write(folder.path().join("thesis.txt"), "mine").expect("writable");
    let output = simulate(folder.path(), &[]);
    assert_eq!(output.status.code(), Some(2));
    assert!(text(&output.stderr).contains("--out"));
    assert_eq!(fs::read_dir(folder.path()).expect("readable").count(), 1);
}

#[cfg(target_os = "linux")]
#[test]
fn too_few_file_descriptors_are_refused_before_anything_starts() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let out = folder.path().join("run");
    let program = env!("CARGO_BIN_EXE_racegate");
    let command = format!(
        "ulimit -n 64 && exec {program} run scenarios/webrtc-spike.toml --out {}",
        out.display()
    );
    let output = Command::new("sh")
        .args(["-c", &command])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .expect("there is a shell");
    assert_eq!(output.status.code(), Some(1));
    let stderr = text(&output.stderr);
    assert!(stderr.contains("too few file descriptors"), "{stderr}");
    assert!(stderr.contains("ulimit -n"), "{stderr}");
}

#[test]
fn over_real_sockets_a_run_that_speaks_too_late_is_invalid_and_names_what_ran_out() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let out = folder.path().join("run");
    // Nothing is sent within a microsecond of its time: the thread wakes once a millisecond.
    let output = output(&[
        "run",
        "tests/conformance/sockets.toml",
        "--json",
        "--set",
        "limits.send_lateness=1us",
        "--set",
        "workload.duration=1s",
        "--out",
        out.to_str().expect("a temporary path is text"),
    ]);
    assert_eq!(output.status.code(), Some(92), "{}", text(&output.stderr));
    let summary = json(&output);
    assert_eq!(summary["valid"], false);
    let reasons = summary["invalid_reasons"].to_string();
    assert!(
        reasons.contains("CPU") || reasons.contains("scheduling"),
        "{reasons}"
    );
    assert!(
        reasons.contains("after their time (limit 0.001 ms)"),
        "{reasons}"
    );
    let generator = &summary["generator"];
    let number = |key: &str| generator[key].as_f64().expect("it is a number");
    assert!(number("packets_late") > 0.9 * number("packets_sent"));
    assert!(number("send_lateness_p999_s") >= number("send_lateness_p50_s"));
    for key in ["softphones_s", "ingest_s", "process_s", "elapsed_s"] {
        assert!(
            generator["cpu"][key].as_f64().expect("a number") > 0.0,
            "{key}"
        );
    }
}
