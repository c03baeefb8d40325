//! The example pipelines of `examples/ci`: their steps are run as a runner runs them.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use saphyr::{LoadableYamlNode, Yaml};

use super::text;

/// What the steps call, once it is built.
const PROGRAM: &str = "target/release/racegate";
/// The step that builds it, which the test's own build stands for.
const BUILD: &str = "cargo build --release --locked --bin racegate";

fn example(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("examples/ci")
        .join(name);
    fs::read_to_string(path).expect("the example is there")
}

/// A checkout that holds the examples, with the gate changed as `change` says.
fn checkout(change: impl Fn(String) -> String) -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    let ci = folder.path().join("examples/ci");
    fs::create_dir_all(ci.join("baselines")).expect("writable");
    fs::write(ci.join("exports.toml"), change(example("exports.toml"))).expect("writable");
    let baseline = "baselines/exports.json";
    fs::write(ci.join(baseline), example(baseline)).expect("writable");
    folder
}

/// The scripts of GitHub's steps, but for the build.
fn github_steps() -> Vec<String> {
    let source = example("github.yml");
    let documents = Yaml::load_from_str(&source).expect("YAML");
    let job = documents[0]
        .as_mapping_get("jobs")
        .and_then(|jobs| jobs.as_mapping_get("exports"))
        .expect("a job");
    let steps = job
        .as_mapping_get("steps")
        .and_then(Yaml::as_sequence)
        .expect("steps");
    let runs = steps
        .iter()
        .filter_map(|step| step.as_mapping_get("run")?.as_str());
    without_build(runs)
}

/// The lines of GitLab's script, but for the build.
fn gitlab_lines() -> Vec<String> {
    let source = example("gitlab.yml");
    let documents = Yaml::load_from_str(&source).expect("YAML");
    let job = documents[0].as_mapping_get("exports").expect("a job");
    let script = job.as_mapping_get("script").and_then(Yaml::as_sequence);
    without_build(script.expect("a script").iter().filter_map(Yaml::as_str))
}

fn without_build<'s>(scripts: impl Iterator<Item = &'s str>) -> Vec<String> {
    let mut scripts: Vec<String> = scripts.map(|script| script.trim().to_owned()).collect();
    assert_eq!(scripts.first().map(String::as_str), Some(BUILD));
    scripts.remove(0);
    assert!(
        scripts.iter().all(|script| script.contains(PROGRAM)),
        "{scripts:?}"
    );
    scripts
}

/// Runs the scripts in order, as `bash -e` does, up to the first that fails.
fn play(scripts: &[String], folder: &Path) -> Output {
    let mut last = None;
    for script in scripts {
        let script = script.replace(PROGRAM, env!("CARGO_BIN_EXE_racegate"));
        let output = Command::new("bash")
            .args(["--noprofile", "--norc", "-eo", "pipefail", "-c", &script])
            .env("GITHUB_STEP_SUMMARY", folder.join("step-summary.md"))
            .env("NO_COLOR", "1")
            .current_dir(folder)
            .output()
            .expect("bash is there");
        let failed = !output.status.success();
        last = Some(output);
        if failed {
            break;
        }
    }
    last.expect("a script")
}

#[test]
fn the_example_pipelines_pass_for_the_exporter_of_the_baseline() {
    for (scripts, summary) in [
        (github_steps(), "step-summary.md"),
        (gitlab_lines(), "out/compare.md"),
    ] {
        let folder = checkout(|scenario| scenario);
        let ended = play(&scripts, folder.path());
        let said = text(&ended.stderr);
        assert_eq!(
            ended.status.code(),
            Some(0),
            "{said}{}",
            text(&ended.stdout)
        );
        let summary = fs::read_to_string(folder.path().join(summary)).expect("a summary");
        assert!(summary.contains("## racegate: not worse"), "{summary}");
        let junit = fs::read_to_string(folder.path().join("out/compare.xml")).expect("JUnit");
        assert!(junit.contains("incomplete_rate{gate=exporter}"), "{junit}");
    }
}

#[test]
fn the_example_pipelines_fail_for_an_exporter_that_waits_for_nothing() {
    let hasty = |scenario: String| {
        let gate = "strategy = \"exponential-backoff\"\nbase = \"1s\"\ncap = \"8s\"";
        assert!(scenario.contains(gate), "{scenario}");
        let hasty = scenario.replace(gate, "strategy = \"none\"");
        hasty.replace("\"< 1%\"", "\"< 100%\"")
    };
    for scripts in [github_steps(), gitlab_lines()] {
        let folder = checkout(hasty);
        let ended = play(&scripts, folder.path());
        let said = text(&ended.stderr);
        assert_eq!(ended.status.code(), Some(90), "{said}");
        assert!(
            said.contains("worse: incomplete_rate{gate=exporter}"),
            "{said}"
        );
        assert!(text(&ended.stdout).contains("another version of the scenario"));
    }
}
