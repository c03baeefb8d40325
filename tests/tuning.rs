//! `racegate calibrate` and `racegate tune` as a user meets them.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;

fn racegate(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_racegate"))
        .args(arguments)
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .env("NO_COLOR", "1")
        .output()
        .expect("the program can be started")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn json(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout).expect("--json prints JSON and nothing else")
}

fn path(folder: &Path, name: &str) -> String {
    let path = folder.join(name);
    path.to_str().expect("a temporary path is text").to_owned()
}

const WORKLOAD: &str = r#"
name = "calibrated"
description = "A platform as it was calibrated, and the gate that was tuned for it"
seed = 3
engine = "sim"

[workload]
executor = "constant-arrival-rate"
rate = "20/s"
duration = "60s"
call_duration = "5s"
media = { webrtc = 1.0 }

[platform.export]
latency = "0s"
slots = "unlimited"

[platform.api]
rate_limit = "none"
"#;

#[test]
fn a_trace_becomes_a_platform_and_a_gate_that_run_takes() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let fitted = path(folder.path(), "fitted");
    let calibrated = racegate(&["calibrate", "docs/examples/trace.csv", "--out", &fitted]);
    assert_eq!(
        calibrated.status.code(),
        Some(0),
        "{}",
        text(&calibrated.stderr)
    );
    let words = text(&calibrated.stdout);
    assert!(
        words.contains("metadata: lognormal fits 400 recordings"),
        "{words}"
    );
    assert!(
        words.contains("keeps only the instant of the successful look"),
        "{words}"
    );

    let tuned = path(folder.path(), "tuned");
    let answer = racegate(&[
        "tune",
        "docs/examples/trace.csv",
        "--subject-to",
        "abandoned_rate < 5%",
        "--out",
        &tuned,
    ]);
    assert_eq!(answer.status.code(), Some(0), "{}", text(&answer.stderr));
    for file in [
        "tune.html",
        "tune.json",
        "gate.toml",
        "front.png",
        "schedule.svg",
        "gate.py",
    ] {
        assert!(folder.path().join("tuned").join(file).exists(), "{file}");
    }

    let read = |name: &str| fs::read_to_string(folder.path().join(name)).expect("written");
    let scenario = path(folder.path(), "calibrated.toml");
    let tables = [
        WORKLOAD,
        &read("fitted/platform.toml"),
        &read("tuned/gate.toml"),
    ];
    fs::write(&scenario, tables.join("\n")).expect("writable");
    let out = path(folder.path(), "run");
    let run = racegate(&["run", &scenario, "--json", "--out", &out]);
    assert_eq!(run.status.code(), Some(0), "{}", text(&run.stderr));
    let promised: Value = serde_json::from_str(&read("tuned/tune.json")).expect("JSON");
    let gate = &json(&run)["gates"][0];
    let number = |value: &Value| value.as_f64().expect("a number");
    let calls = number(&promised["cost"]["calls_per_recording"]);
    // 1,200 recordings of the calibrated law, whose parameters come from 400: within 10 %.
    let made = number(&gate["calls_per_recording"]);
    assert!(
        (made / calls - 1.0).abs() < 0.1,
        "{made} calls, {calls} promised"
    );
    let delay = number(&promised["cost"]["regret_mean_s"]);
    let waited = number(&gate["regret"]["mean_s"]);
    assert!(
        (waited / delay - 1.0).abs() < 0.15,
        "{waited} s of regret, {delay} s promised"
    );
}

#[test]
fn a_run_is_a_trace() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let run = path(folder.path(), "run");
    let ran = racegate(&[
        "run",
        "scenarios/c06-backoff-on-fields.toml",
        "--quiet",
        "--out",
        &run,
    ]);
    assert_eq!(ran.status.code(), Some(0), "{}", text(&ran.stderr));
    let calibrated = racegate(&["calibrate", "--from-run", &run, "--json"]);
    assert_eq!(
        calibrated.status.code(),
        Some(0),
        "{}",
        text(&calibrated.stderr)
    );
    let found = json(&calibrated);
    let best = &found["metadata"]["families"][0];
    assert_eq!(best["family"], "lognormal");
    // The scenario's law: median 5 s, 99th percentile 51.2 s.
    for (name, truth) in [("median_s", 5.0), ("sigma", 1.0)] {
        let parameter = &best["parameters"][name];
        let (low, high) = (&parameter["low"], &parameter["high"]);
        let within = low.as_f64() < Some(truth * 1.02) && high.as_f64() > Some(truth * 0.98);
        assert!(within, "{name}: {parameter}");
    }
}

#[test]
fn a_scenario_is_tuned_certified_and_verified() {
    let answer = racegate(&[
        "tune",
        "scenarios/c06-backoff-on-fields.toml",
        "--subject-to",
        "abandoned_rate + incomplete_rate < 1% at 95%",
        "--verify",
    ]);
    assert_eq!(answer.status.code(), Some(0), "{}", text(&answer.stderr));
    let words = text(&answer.stdout);
    assert!(words.contains("x the limit"), "{words}");
    assert!(
        words.contains("recordings that the search did not see"),
        "{words}"
    );
    let verified = text(&answer.stderr);
    assert!(verified.contains("verified on"), "{verified}");
}

#[test]
fn too_few_recordings_to_certify_is_said_with_how_many_it_takes() {
    let answer = racegate(&[
        "tune",
        "docs/examples/trace.csv",
        "--subject-to",
        "abandoned_rate < 1e-3 at 95%",
    ]);
    assert_eq!(answer.status.code(), Some(91), "{}", text(&answer.stderr));
    assert!(text(&answer.stderr).contains("2995 recordings without a miss"));
}

/// The instants at which a snippet looks, with a sleep that only counts.
fn instants_of(program: &str, script: &str, folder: &Path) -> Vec<f64> {
    let name = if program == "node" {
        "drive.mjs"
    } else {
        "drive.py"
    };
    fs::write(folder.join(name), script).expect("writable");
    let output = Command::new(program).arg(name).current_dir(folder).output();
    let output = output.unwrap_or_else(|error| panic!("{program} cannot be started: {error}"));
    assert!(
        output.status.success(),
        "{program}: {}",
        text(&output.stderr)
    );
    serde_json::from_slice(&output.stdout).expect("a list of instants")
}

#[test]
fn the_snippets_look_when_the_schedule_does() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let out = path(folder.path(), "tuned");
    let answer = racegate(&[
        "tune",
        "scenarios/c06-backoff-on-fields.toml",
        "--json",
        "--out",
        &out,
    ]);
    let answer = json(&answer);
    let checks = answer["checks_s"].as_array().expect("a list").iter();
    let checks: Vec<f64> = checks.filter_map(Value::as_f64).collect();
    let python = "import json\nimport gate\nnow, looks = [0.0], []\n\
                  def sleep(seconds): now[0] += seconds\n\
                  def look():\n    looks.append(now[0])\n    return False\n\
                  assert gate.wait_until_ready(look, sleep) is False\nprint(json.dumps(looks))\n";
    let javascript = "import { waitUntilReady } from './gate.mjs';\nlet now = 0;\nconst looks = [];\n\
                      const ready = await waitUntilReady(() => { looks.push(now); return false; },\n\
                      async (seconds) => { now += seconds; });\n\
                      if (ready) throw new Error('ready');\nconsole.log(JSON.stringify(looks));\n";
    for (program, script) in [("python3", python), ("node", javascript)] {
        let looks = instants_of(program, script, &folder.path().join("tuned"));
        assert_eq!(looks.len(), checks.len(), "{program}");
        for (look, check) in looks.iter().zip(&checks) {
            // Parameters are written with three decimals.
            assert!(
                (look - check).abs() < 0.005 * (1.0 + check),
                "{program}: {look}, {check}"
            );
        }
    }
}
