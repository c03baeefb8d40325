//! `run --until`: further seeds until a claim is decided, and its three endings.

use std::path::Path;

use super::{racegate, small, text};

/// Runs [`super::SMALL`] without limits of jobs and calls: nothing couples its recordings.
fn until(folder: &Path, out: &str, more: &[&str]) -> (Option<i32>, serde_json::Value, String) {
    let jobs = ["--set", "platform.export.slots=\"unlimited\""];
    let calls = ["--set", "platform.api.rate_limit=\"none\""];
    let output = small(folder, &folder.join(out), &[&jobs, &calls, more].concat());
    let said = text(&output.stderr);
    let summary = serde_json::from_slice(&output.stdout).unwrap_or_default();
    (output.status.code(), summary, said)
}

#[test]
fn a_claim_that_holds_does_not_hold_or_stays_open_has_an_ending_of_its_own() {
    let folder = tempfile::tempdir().expect("a folder");
    let holds = ["--until", "incomplete_rate{gate=ungated} > 50% at 99%"];
    let (code, summary, said) = until(folder.path(), "holds", &holds);
    assert_eq!(code, Some(0), "{said}");
    let line = &summary["expect"][0];
    assert_eq!(line["verdict"], "pass");
    assert_eq!(
        line["expression"],
        "incomplete_rate{gate=ungated} > 50% at 99%"
    );
    // Nothing couples recordings: those of the one run decide.
    let note = line["note"].as_str().expect("a note");
    assert!(note.contains("recordings in 1 run"), "{note}");
    let (low, estimate) = (&line["observed"]["low"], &line["observed"]["estimate"]);
    assert!(
        low.as_f64() > Some(0.5) && low.as_f64() < estimate.as_f64(),
        "{line}"
    );

    let fails = ["--until", "incomplete_rate{gate=ungated} < 10%"];
    let (code, _, said) = until(folder.path(), "fails", &fails);
    assert_eq!(code, Some(99), "{said}");

    let claim = "incomplete_rate{gate=patient} < 1e-7";
    let sure = "gate.patient.delay=\"90s\"";
    let open = ["--until", claim, "--set", sure, "--budget", "200ms"];
    let (code, summary, said) = until(folder.path(), "open", &open);
    assert_eq!(code, Some(91), "{said}");
    let note = summary["expect"][0]["note"].as_str().unwrap_or_default();
    assert!(note.contains("runs would decide (--budget)"), "{note}");
}

#[test]
fn further_seeds_are_made_until_a_rare_event_is_excluded() {
    let folder = tempfile::tempdir().expect("a folder");
    let sure = "gate.patient.delay=\"90s\"";
    let claim = "incomplete_rate{gate=patient} < 0.1% at 95%";
    let more = ["--until", claim, "--set", sure, "--budget", "60s"];
    let (code, summary, said) = until(folder.path(), "rare", &more);
    assert_eq!(code, Some(0), "{said}");
    // 3,788 recordings without an event, of about 500 a run.
    let note = summary["expect"][0]["note"].as_str().expect("a note");
    assert!(
        note.starts_with("0 of ") && note.contains(" in 8 runs"),
        "{note}"
    );
    assert_eq!(
        summary["replications"], 1,
        "intervals are of the run itself"
    );

    // The folder remembers: what decided it was more than the history holds.
    let report = racegate(&["report", "--json"])
        .arg(folder.path().join("rare"))
        .output();
    let report: serde_json::Value =
        serde_json::from_slice(&report.expect("it starts").stdout).expect("JSON");
    assert_eq!(report["expect"], summary["expect"]);
}

#[test]
fn a_mistaken_claim_is_told_before_anything_runs() {
    let folder = tempfile::tempdir().expect("a folder");
    let wrong = ["--until", "incomplete_rate{gate=absent} < 5% at 95"];
    let (code, _, said) = until(folder.path(), "wrong", &wrong);
    assert_eq!(code, Some(2), "{said}");
    assert!(
        said.contains("no gate `absent`") && said.contains("write `at 95%`"),
        "{said}"
    );
    assert!(!folder.path().join("wrong").exists());
}

#[test]
fn a_schedule_that_does_nothing_but_look_is_refused_with_its_looks() {
    let folder = tempfile::tempdir().expect("a folder");
    let scenario = super::small_scenario(folder.path());
    let text_of = std::fs::read_to_string(&scenario).expect("readable");
    let absurd = text_of.replace(
        "strategy = \"fixed-delay\"\ndelay = \"9s\"",
        "strategy = \"exponential-backoff\"\nbase = \"1ns\"\nmultiplier = 1\njitter = \"full\"",
    );
    std::fs::write(&scenario, absurd).expect("writable");
    for verb in ["check", "run"] {
        let output = racegate(&[verb])
            .arg(&scenario)
            .output()
            .expect("it starts");
        let said = text(&output.stderr);
        assert_eq!(output.status.code(), Some(104), "{said}");
        assert!(
            said.contains("would look about 598000000001 times"),
            "{said}"
        );
        assert!(said.contains("lengthen the gaps"), "{said}");
    }
}
