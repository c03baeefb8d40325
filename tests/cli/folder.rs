//! A run's folder: who writes to it, and what becomes of damage.

use std::fs;
use std::path::Path;

use crate::{json, output, racegate, simulate, small, text};

/// A small simulated run in a folder of its own.
fn run(folder: &Path) -> std::path::PathBuf {
    let out = folder.join("run");
    let ran = small(folder, &out, &[]);
    assert!(ran.status.success(), "{}", text(&ran.stderr));
    out
}

fn report(run: &Path) -> std::process::Output {
    output(&["report", run.to_str().expect("text"), "--json"])
}

#[test]
fn an_earlier_run_is_replaced_only_by_force() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let out = run(folder.path());
    let before = fs::read(out.join("summary.json")).expect("there is a summary");
    let refused = small(folder.path(), &out, &["--seed", "7"]);
    assert_eq!(refused.status.code(), Some(2));
    let stderr = text(&refused.stderr);
    assert!(
        stderr.contains("--force") && stderr.contains("--out"),
        "{stderr}"
    );
    assert_eq!(
        fs::read(out.join("summary.json")).expect("it is there"),
        before
    );
    let replaced = small(folder.path(), &out, &["--seed", "7", "--force"]);
    assert!(replaced.status.success(), "{}", text(&replaced.stderr));
    assert_ne!(
        fs::read(out.join("summary.json")).expect("it is there"),
        before
    );
    let alone = output(&["run", "scenarios/webrtc-spike.toml", "--force"]);
    assert_eq!(alone.status.code(), Some(2), "--force is about --out");
}

#[test]
fn damage_is_told_with_its_place_and_the_better_summary_stays() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let out = run(folder.path());
    let summary = out.join("summary.json");
    let good = fs::read(&summary).expect("there is a summary");
    let history = out.join("history.ndjson.zst");
    let bytes = fs::read(&history).expect("there is a history");
    let mut flipped = bytes.clone();
    flipped[bytes.len() / 2] ^= 4;
    fs::write(&history, &flipped).expect("writable");
    let told = report(&out);
    assert_eq!(told.status.code(), Some(1));
    let stderr = text(&told.stderr);
    assert!(
        stderr.contains("is damaged: bytes 0 to") && stderr.contains("nothing is written"),
        "{stderr}"
    );
    assert_eq!(
        json(&told)["interrupted"],
        false,
        "the good summary is shown"
    );
    assert_eq!(fs::read(&summary).expect("it is there"), good);
    // Cut off: the same, as the summary is of the whole run.
    fs::write(&history, &bytes[..bytes.len() - 20]).expect("writable");
    let told = report(&out);
    assert_eq!(told.status.code(), Some(1));
    let stderr = text(&told.stderr);
    assert!(stderr.contains("stops within a frame"), "{stderr}");
    assert_eq!(fs::read(&summary).expect("it is there"), good);
    // Without the summary, damage is reported as such and not as a run that was cut short.
    fs::write(&history, &flipped).expect("writable");
    fs::remove_file(&summary).expect("it is there");
    let told = report(&out);
    assert_eq!(told.status.code(), Some(1));
    assert_eq!(json(&told)["valid"], false);
    // What was undamaged gives all of it again.
    fs::write(&history, &bytes).expect("writable");
    fs::remove_file(&summary).expect("it is there");
    assert!(report(&out).status.success());
    assert_eq!(fs::read(&summary).expect("it is there"), good);
}

#[test]
fn the_report_of_a_killed_run_has_the_latencies_too() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let out = run(folder.path());
    let kept = fs::read(out.join("latency.hlog")).expect("there are latencies");
    for file in [
        "summary.json",
        "latency.hlog",
        "junit.xml",
        "recordings.csv",
    ] {
        fs::remove_file(out.join(file)).expect("it is there");
    }
    assert!(report(&out).status.success());
    assert_eq!(
        fs::read(out.join("latency.hlog")).expect("it is back"),
        kept
    );
    for file in ["summary.json", "junit.xml", "recordings.csv"] {
        assert!(out.join(file).exists(), "{file}");
    }
}

/// Reports beside a run, and a second run into its folder.
#[test]
fn beside_a_run_nothing_else_writes_and_a_report_shows_what_there_is() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let out = run(folder.path());
    let lock = fs::OpenOptions::new()
        .write(true)
        .open(out.join(".lock"))
        .expect("there is a lock");
    lock.try_lock().expect("no one holds it any more");
    let before = fs::metadata(out.join("report.md"))
        .expect("it is there")
        .modified()
        .ok();
    let told = report(&out);
    assert!(told.status.success(), "{}", text(&told.stderr));
    assert!(
        text(&told.stderr).contains("still writing"),
        "{}",
        text(&told.stderr)
    );
    let after = fs::metadata(out.join("report.md"))
        .expect("it is there")
        .modified()
        .ok();
    assert_eq!(before, after);
    let second = small(folder.path(), &out, &["--force"]);
    assert_eq!(second.status.code(), Some(1));
    assert!(
        text(&second.stderr).contains("another racegate"),
        "{}",
        text(&second.stderr)
    );
}

#[test]
fn a_run_that_was_cut_off_is_rendered_as_interrupted() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let run = folder.path().join("run");
    assert!(simulate(&run, &[]).status.success());
    let history = run.join("history.ndjson.zst");
    let bytes = fs::read(&history).expect("there is a history");
    fs::write(&history, &bytes[..bytes.len() - 20]).expect("writable");
    fs::remove_file(run.join("summary.json")).expect("there is a summary");
    let told = report(&run);
    assert!(told.status.success(), "{}", text(&told.stderr));
    assert_eq!(json(&told)["interrupted"], true);
}

#[cfg(unix)]
#[test]
fn when_the_disk_is_full_at_the_end_the_table_is_printed_all_the_same() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let out = folder.path().join("run");
    let mut command = racegate(&[]);
    let program = command.get_program().to_owned();
    command = std::process::Command::new("sh");
    // Files may grow to 4 blocks; what is beyond is refused as by a full disk.
    let script = "ulimit -f 4 && exec \"$0\" run \"$1\" --engine sim --out \"$2\"";
    let ran = command
        .args(["-c", script])
        .arg(program)
        .arg(crate::small_scenario(folder.path()))
        .arg(&out)
        .env("NO_COLOR", "1")
        .output()
        .expect("there is a shell");
    assert_eq!(ran.status.code(), Some(1), "{}", text(&ran.stderr));
    let stdout = text(&ran.stdout);
    assert!(stdout.contains("ungated"), "the table: {stdout}");
    let stderr = text(&ran.stderr);
    assert!(
        stderr.contains("cannot write") && stderr.contains("history.ndjson.zst"),
        "{stderr}"
    );
}

#[test]
fn a_runs_folder_is_diagnosed_as_its_scenario_is() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let out = folder.path().join("run");
    assert!(
        small(folder.path(), &out, &["--seed", "7"])
            .status
            .success()
    );
    let scenario = folder.path().join("small.toml");
    let said = |source: &Path, more: &[&str]| {
        let mut diagnose = racegate(&["diagnose", "--json", "--seeds", "2"]);
        let output = diagnose.arg(source).args(more).output();
        output.expect("it starts")
    };
    let of_run = said(&out, &[]);
    assert!(of_run.status.success(), "{}", text(&of_run.stderr));
    assert_eq!(of_run.stdout, said(&scenario, &["--seed", "7"]).stdout);
    assert_ne!(of_run.stdout, said(&scenario, &["--seed", "8"]).stdout);
    assert_eq!(said(&out, &["--seed", "8"]).status.code(), Some(2));
}
