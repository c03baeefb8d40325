//! What users of load generators expect of `racegate run`.

use std::fs;
use std::io::Write as _;
use std::process::{Output, Stdio};

use crate::{SMALL, output, racegate, small_scenario, text};

/// Simulates [`SMALL`] with `more` arguments into a folder that goes away.
fn run(more: &[&str]) -> Output {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let mut command = racegate(&["run", "--engine", "sim", "--out"]);
    command.arg(folder.path().join("run"));
    command.arg(small_scenario(folder.path())).args(more);
    command.output().expect("the program can be started")
}

#[test]
fn a_threshold_on_the_command_line_is_judged_like_a_line_of_expect() {
    let met = run(&["--threshold", "incomplete_rate{gate=ungated} > 1%"]);
    assert_eq!(met.status.code(), Some(0), "{}", text(&met.stderr));
    let failed = run(&["--threshold", "incomplete_rate{gate=ungated} < 1%"]);
    assert_eq!(failed.status.code(), Some(99), "{}", text(&failed.stderr));
    let malformed = run(&["--threshold", "incomplete_rate"]);
    assert_eq!(malformed.status.code(), Some(2));
    assert!(text(&malformed.stderr).contains("incomplete_rate{gate=forum} < 1%"));
    let unknown = run(&["--threshold", "incomplete_rat < 1%"]);
    assert_eq!(unknown.status.code(), Some(104));
    let stderr = text(&unknown.stderr);
    assert!(stderr.contains("--threshold"), "{stderr}");
    assert!(
        stderr.contains("did you mean `incomplete_rate`"),
        "{stderr}"
    );
}

#[test]
fn rate_and_duration_change_the_workload() {
    let recordings = |more: &[&str]| {
        let ran = run(&[more, &["--json", "--replications", "1"]].concat());
        let summary: serde_json::Value =
            serde_json::from_slice(&ran.stdout).expect("--json prints JSON");
        summary["recordings"].as_f64().expect("a number")
    };
    let all = recordings(&[]);
    let share = |more: &[&str]| recordings(more) / all;
    assert!((0.3..0.5).contains(&share(&["--duration", "4s"])));
    assert!((0.15..0.25).contains(&share(&["--rate", "10/s"])));
}

#[test]
fn several_scenarios_run_one_after_the_other_and_the_worst_ending_counts() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let good = small_scenario(folder.path());
    let bad = folder.path().join("bad.toml");
    let expects = "[expect]\n\"incomplete_rate{gate=ungated}\" = \"< 1%\"\n";
    let renamed = SMALL.replace("name = \"small\"", "name = \"bad\"");
    fs::write(&bad, renamed + expects).expect("writable");
    let ran = racegate(&["run", "--engine", "sim", "--summary", "none"])
        .arg(&bad)
        .arg(&good)
        .current_dir(folder.path())
        .output()
        .expect("the program can be started");
    assert_eq!(ran.status.code(), Some(99), "{}", text(&ran.stderr));
    assert!(ran.stdout.is_empty(), "{}", text(&ran.stdout));
    let stderr = text(&ran.stderr);
    for name in ["bad", "small"] {
        let report = format!("report reports/{name}/");
        assert!(stderr.contains(&report), "{report} in {stderr}");
    }
    let refused = racegate(&["run", "--out", "x"])
        .args([&bad, &good])
        .output()
        .expect("the program can be started");
    assert_eq!(refused.status.code(), Some(2));
}

#[test]
fn a_scenario_comes_from_standard_input() {
    let mut checked = racegate(&["check", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("the program can be started");
    let mut stdin = checked.stdin.take().expect("it is piped");
    stdin.write_all(SMALL.as_bytes()).expect("it is read");
    drop(stdin);
    let checked = checked.wait_with_output().expect("it ends");
    assert!(checked.status.success());
    assert!(text(&checked.stdout).starts_with("standard input: small"));
}

#[test]
fn a_short_summary_has_the_answer_and_no_further_table() {
    let short = text(&run(&["--summary", "short"]).stdout);
    assert!(short.contains("Asked: of "), "{short}");
    assert!(!short.contains("Load"), "{short}");
}

#[test]
fn a_flag_that_would_do_nothing_is_refused() {
    for flags in [
        &["--engine", "sim", "--keep-audio"][..],
        &["--engine", "sim", "--shards", "2"],
        &["--engine", "sim", "--arms", "all"],
        &["--engine", "sim", "--stack", "dense"],
        &["--engine", "live", "--replications", "20"],
        &["--engine", "live", "--budget", "1s"],
    ] {
        let refused = output(&[&["run", "scenarios/webrtc-spike.toml"], flags].concat());
        assert_eq!(refused.status.code(), Some(2), "{flags:?}");
        let stderr = text(&refused.stderr);
        assert!(stderr.contains(flags[2]), "{stderr}");
        assert!(stderr.contains("run with `--engine"), "{stderr}");
    }
}

#[test]
fn every_option_is_an_environment_variable_too_and_the_command_line_wins() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let seed = |more: &[&str]| {
        let ran = racegate(&["run", "--json", "--out"])
            .arg(folder.path().join("run"))
            .arg(small_scenario(folder.path()))
            .args(more)
            .env("RACEGATE_SEED", "77")
            .env("RACEGATE_FORCE", "1")
            .env("RACEGATE_ENGINE", "sim")
            .output()
            .expect("the program can be started");
        let summary: serde_json::Value =
            serde_json::from_slice(&ran.stdout).expect("--json prints JSON");
        summary["seed"].clone()
    };
    assert_eq!(seed(&[]), 77);
    assert_eq!(seed(&["--seed", "5"]), 5);
}
