//! `racegate compare`, and baselines of `run`: the three endings, and what is said of a mistake.

use super::{racegate, small, small_scenario};

fn code(output: &std::process::Output) -> Option<i32> {
    output.status.code()
}

fn errors(output: &std::process::Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn a_run_is_held_against_a_saved_baseline() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = |name: &str| folder.path().join(name);
    let baseline = path("base.json");
    let name = baseline.to_str().expect("a path of letters");
    let saved = small(folder.path(), &path("a"), &["--save-baseline", name]);
    assert_eq!(code(&saved), Some(0), "{}", errors(&saved));

    let again = small(folder.path(), &path("b"), &["--baseline", name]);
    assert_eq!(code(&again), Some(0), "{}", errors(&again));
    assert!(errors(&again).contains("not worse"), "{}", errors(&again));

    let hasty = ["--baseline", name, "--set", "gate.patient.delay=\"2s\""];
    let worse = small(folder.path(), &path("c"), &hasty);
    assert_eq!(code(&worse), Some(90), "{}", errors(&worse));
    let said = errors(&worse);
    assert!(said.contains("incomplete_rate{gate=patient}"), "{said}");
    assert!(said.contains("another version of the scenario"), "{said}");
}

#[test]
fn folders_are_compared_with_every_kind_of_report() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = |name: &str| folder.path().join(name);
    small(folder.path(), &path("a"), &[]);
    small(folder.path(), &path("b"), &["--seed", "5000"]);
    let (markdown, junit) = (path("summary.md"), path("compare.xml"));
    std::fs::write(&markdown, "before\n").expect("writable");
    let mut command = racegate(&["compare", "--json", "--margin", "incomplete_rate=20pp"]);
    command
        .arg("--markdown")
        .arg(&markdown)
        .arg("--junit")
        .arg(&junit);
    let output = command
        .arg(path("a"))
        .arg(path("b"))
        .output()
        .expect("it starts");
    let ended = code(&output);
    assert!(matches!(ended, Some(0 | 91)), "{}", errors(&output));
    let json: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!(json["pairing"], "two independent samples");
    let text = std::fs::read_to_string(&markdown).expect("Markdown");
    assert!(text.starts_with("before\n## racegate: "), "{text}");
    let xml = std::fs::read_to_string(&junit).expect("JUnit");
    assert!(xml.contains("incomplete_rate{gate=ungated}"), "{xml}");
}

#[test]
fn one_coupled_seed_of_each_side_is_inconclusive() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = |name: &str| folder.path().join(name);
    small(folder.path(), &path("a"), &["--replications", "1"]);
    small(
        folder.path(),
        &path("b"),
        &["--replications", "1", "--seed", "9"],
    );
    let output = racegate(&["compare"])
        .arg(path("a"))
        .arg(path("b"))
        .output();
    let output = output.expect("it starts");
    assert_eq!(code(&output), Some(91), "{}", errors(&output));
    let shown = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(shown.contains("--replications 20"), "{shown}");
}

#[test]
fn a_missing_baseline_is_said_with_the_way_out() {
    let folder = tempfile::tempdir().expect("a folder");
    let scenario = small_scenario(folder.path());
    let output = racegate(&["compare", "no-such"]).arg(&scenario).output();
    let output = output.expect("it starts");
    assert_eq!(code(&output), Some(2), "{}", errors(&output));
    assert!(
        errors(&output).contains("--save-baseline no-such"),
        "{}",
        errors(&output)
    );
}

#[test]
fn a_trend_names_the_run_from_which_on_exports_got_worse() {
    let folder = tempfile::tempdir().expect("a folder");
    let reports = folder.path().join("reports");
    let run = |at: u32, more: &[&str]| {
        let out = reports.join(format!("run-{at:02}"));
        std::fs::create_dir_all(&reports).expect("writable");
        let seed = at.to_string();
        let output = small(folder.path(), &out, &[&["--seed", &seed], more].concat());
        assert_eq!(code(&output), Some(0), "{}", errors(&output));
    };
    let trend = |more: &[&str]| {
        let mut command = racegate(&["compare", "--trend"]);
        command
            .arg(&reports)
            .args(more)
            .output()
            .expect("it starts")
    };
    (0..8).for_each(|at| run(at, &[]));
    let few = trend(&[]);
    assert_eq!(code(&few), Some(91), "{}", errors(&few));
    (8..14).for_each(|at| run(at, &["--set", "gate.patient.delay=\"2s\""]));
    let markdown = folder.path().join("trend.md");
    let worse = trend(&["--json", "--markdown", markdown.to_str().expect("letters")]);
    assert_eq!(code(&worse), Some(90), "{}", errors(&worse));
    assert!(
        errors(&worse).contains("from run-08 on"),
        "{}",
        errors(&worse)
    );
    let json: serde_json::Value = serde_json::from_slice(&worse.stdout).expect("JSON");
    assert_eq!(json["runs"].as_array().map(Vec::len), Some(14));
    let change = json["changes"].as_array().and_then(|all| {
        let mut all = all.iter();
        all.find(|change| change["series"] == "incomplete_rate{gate=patient}")
    });
    let change = change.expect("the rate changed");
    assert_eq!(
        (&change["run"], &change["is_worse"]),
        (&"run-08".into(), &true.into())
    );
    let text = std::fs::read_to_string(&markdown).expect("Markdown");
    assert!(text.starts_with("## racegate: worse"), "{text}");
    let notes = json["notes"].to_string();
    assert!(notes.contains("from run-08 on, the scenario"), "{notes}");
}
