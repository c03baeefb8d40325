//! How runs end: signals, and output that cannot be written.

use std::fs::{self, OpenOptions};
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use crate::{json, output, racegate, small_scenario, text};

fn signal(name: &str, process: u32) {
    let sent = Command::new("kill")
        .args([format!("-{name}"), process.to_string()])
        .status();
    assert!(sent.expect("there is a kill").success());
}

/// A live run that goes on for minutes, once calls have begun; the lines that it says later.
#[cfg(target_os = "linux")]
fn live(folder: &Path, out: &Path) -> (Child, impl Iterator<Item = String> + use<>) {
    // Whoever runs the tests may have told them to survive a hang-up, and that is inherited.
    let mut child = Command::new("env")
        .arg("--default-signal=HUP")
        .arg(racegate(&[]).get_program())
        .arg("run")
        .arg(small_scenario(folder))
        .args([
            "--engine",
            "live",
            "--set",
            "workload.duration=10m",
            "--out",
        ])
        .arg(out)
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program can be started");
    let stderr = child.stderr.take().expect("piped");
    let mut lines = BufReader::new(stderr).lines().map_while(Result::ok);
    // The second line comes after ten seconds of calls.
    assert!(lines.any(|line| line.contains("calls begun")));
    (child, lines)
}

#[cfg(target_os = "linux")]
#[test]
fn every_signal_that_ends_a_live_run_leaves_its_report() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let begun = ["INT", "TERM", "HUP"].map(|name| {
        let out = folder.path().join(name);
        let (child, lines) = live(folder.path(), &out);
        (name, out, child, lines)
    });
    begun
        .iter()
        .for_each(|(name, _, child, _)| signal(name, child.id()));
    for (name, out, mut child, lines) in begun {
        let rest: Vec<String> = lines.collect();
        let status = child.wait().expect("it ends");
        assert_eq!(status.code(), Some(105), "{name}: {rest:#?}");
        assert!(
            rest.last().is_some_and(|line| line.contains("exit 105")),
            "{name}: {rest:#?}"
        );
        for file in [
            "summary.json",
            "report.md",
            "junit.xml",
            "latency.hlog",
            "recordings.csv",
        ] {
            assert!(out.join(file).exists(), "{name}: {file}");
        }
        let report = json(&output(&["report", out.to_str().expect("text"), "--json"]));
        assert_eq!(report["interrupted"], true, "{name}");
        assert!(
            report["recordings"].as_u64().is_some_and(|count| count > 0),
            "{name}"
        );
    }
}

#[test]
fn a_simulated_run_ends_with_its_report_too() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let out = folder.path().join("run");
    // Long enough to be interrupted on any machine: a month of calls.
    let mut child = racegate(&["run", small_scenario(folder.path()).to_str().expect("text")])
        .args([
            "--json",
            "--engine",
            "sim",
            "--set",
            "workload.duration=30d",
        ])
        .args(["--set", "limits.history_limit=1000", "--out"])
        .arg(&out)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program can be started");
    let history = out.join("history.ndjson.zst");
    while !fs::metadata(&history).is_ok_and(|file| file.len() > 0) {
        assert!(
            child.try_wait().expect("it can be asked").is_none(),
            "it goes on"
        );
        std::thread::yield_now();
    }
    signal("TERM", child.id());
    let ended = child.wait_with_output().expect("it ends");
    assert_eq!(ended.status.code(), Some(105), "{}", text(&ended.stderr));
    let summary = json(&ended);
    assert_eq!(summary["interrupted"], true);
    assert!(
        summary["recordings"]
            .as_u64()
            .is_some_and(|count| count > 0)
    );
    assert!(out.join("junit.xml").exists());
}

#[cfg(target_os = "linux")]
#[test]
fn output_that_cannot_be_written_is_an_error_of_every_command() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let scenario = small_scenario(folder.path());
    let scenario = scenario.to_str().expect("text");
    let run = folder.path().join("run");
    let run = run.to_str().expect("text");
    let full = || -> Stdio {
        let full = OpenOptions::new().write(true).open("/dev/full");
        full.expect("Linux has one").into()
    };
    for arguments in [
        &["run", scenario, "--engine", "sim", "--json", "--out", run][..],
        &["report", run],
        &["report", run, "--json"],
        &["check", scenario],
        &["schema"],
        &["completions", "bash"],
        &["catalogue", folder.path().to_str().expect("text")],
        &["serve", "--port", "0", "--no-media"],
        &["--help"],
        &["--version"],
        &["run", "--help"],
    ] {
        let ended = racegate(arguments)
            .stdout(full())
            .output()
            .expect("the program can be started");
        let stderr = text(&ended.stderr);
        assert_eq!(ended.status.code(), Some(1), "{arguments:?}: {stderr}");
        assert!(
            stderr.contains("cannot write to standard output"),
            "{arguments:?}: {stderr}"
        );
    }
    // The run's files are there: only its table is lost.
    assert!(folder.path().join("run/summary.json").exists());
}

#[cfg(unix)]
#[test]
fn a_reader_that_has_gone_away_is_no_error() {
    for arguments in [&["schema"][..], &["completions", "zsh"], &["--help"]] {
        let (reader, writer) = std::io::pipe().expect("pipes exist");
        drop(reader);
        let ended = racegate(arguments)
            .stdout(Stdio::from(writer))
            .output()
            .expect("the program can be started");
        assert!(
            ended.status.success(),
            "{arguments:?}: {}",
            text(&ended.stderr)
        );
        assert_eq!(text(&ended.stderr), "", "{arguments:?}");
    }
}

#[cfg(unix)]
#[test]
fn nothing_of_a_scenario_reaches_a_terminal_that_would_act_upon_it() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let hostile = "\u{1b}]0;owned\u{7}\u{9b}2J\u{202e}";
    let good = fs::read_to_string(small_scenario(folder.path())).expect("it is there");
    // TOML escapes carry what the file itself may not hold.
    let escaped: String = hostile
        .chars()
        .map(|c| format!("\\u{:04x}", u32::from(c)))
        .collect();
    let good = good.replace(
        "name = \"small\"",
        &format!("name = \"small\"\ndescription = \"{escaped}\""),
    );
    let bad = format!("{good}\n\"{escaped}\" = 1 # \u{202e}\u{9b}\n");
    let clean = |bytes: &[u8]| {
        let shown = text(bytes);
        let acted = |c: char| !"\n".contains(c) && racegate_scenario::is_unprintable(c);
        assert!(!shown.contains(acted), "{shown:?}");
        shown
    };
    let path = folder.path().join(format!("{hostile}.toml"));
    fs::write(&path, &good).expect("writable");
    let out = folder.path().join(format!("out{hostile}"));
    for arguments in [
        &["check"][..],
        &[
            "run",
            "--engine",
            "sim",
            "--out",
            out.to_str().expect("text"),
        ],
    ] {
        let ended = racegate(arguments).arg(&path).output().expect("it starts");
        assert!(ended.status.success(), "{}", text(&ended.stderr));
        assert!(clean(&ended.stdout).contains("owned") || arguments.len() > 1);
        clean(&ended.stderr);
    }
    for flag in [&[][..], &["--json"]] {
        let ended = racegate(&["report"])
            .arg(&out)
            .args(flag)
            .output()
            .expect("it starts");
        clean(&ended.stdout);
        clean(&ended.stderr);
    }
    fs::write(&path, &bad).expect("writable");
    let ended = racegate(&["check"]).arg(&path).output().expect("it starts");
    assert_eq!(ended.status.code(), Some(104));
    assert!(clean(&ended.stderr).contains("unknown key"));
    let ended = racegate(&["check"])
        .arg(format!("no such {hostile}"))
        .output()
        .expect("it starts");
    clean(&ended.stderr);
    let ended = racegate(&["run", &format!("--{hostile}")])
        .output()
        .expect("it starts");
    clean(&ended.stderr);
}

#[cfg(target_os = "linux")]
#[test]
fn endless_files_and_endless_plans_are_answered_at_once() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let zero = output(&["check", "/dev/zero"]);
    assert_eq!(zero.status.code(), Some(104));
    assert!(
        text(&zero.stderr).contains("more than 1048576 bytes"),
        "{}",
        text(&zero.stderr)
    );
    let scenario = small_scenario(folder.path());
    let scenario = scenario.to_str().expect("text");
    let huge = [
        "--set",
        "workload.rate=1000000/s",
        "--set",
        "workload.duration=30d",
    ];
    let check = racegate(&["check", scenario])
        .args(huge)
        .output()
        .expect("it starts");
    assert!(check.status.success(), "{}", text(&check.stderr));
    assert!(
        text(&check.stdout).contains("about 2592000"),
        "{}",
        text(&check.stdout)
    );
    for command in ["run", "serve"] {
        let scenario = if command == "run" {
            [scenario].to_vec()
        } else {
            vec!["--scenario", scenario]
        };
        let refused = racegate(&[command])
            .args(scenario)
            .args(huge)
            .output()
            .expect("it starts");
        assert_eq!(refused.status.code(), Some(104), "{command}");
        let stderr = text(&refused.stderr);
        assert!(stderr.contains("lower"), "{command}: {stderr}");
    }
}

#[cfg(target_os = "linux")]
#[test]
fn an_address_space_limit_ends_in_a_message() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let program = racegate(&[]);
    let script = "ulimit -v 200000 && exec \"$0\" run tests/conformance/sockets.toml --out \"$1\"";
    let mut shell = Command::new("sh");
    let ended = shell
        .args(["-c", script])
        .arg(program.get_program())
        .arg(folder.path().join("run"))
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .stdin(Stdio::null())
        .output()
        .expect("there is a shell");
    assert_eq!(ended.status.code(), Some(1), "{}", text(&ended.stderr));
    let stderr = text(&ended.stderr);
    assert!(
        stderr.contains("ulimit -v") && !stderr.contains("panicked"),
        "{stderr}"
    );
}
