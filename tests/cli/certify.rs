//! `certify`: orders are all there, and the model, HTTP and a replay agree on them.

use std::fs;
use std::path::Path;

use super::{racegate, text};

const SCENARIO: &str = "\
name = \"orders\"
[workload]
executor = \"constant-arrival-rate\"
rate = \"1/s\"
duration = \"1s\"
call_duration = \"2s\"
media = { sip = 1 }
[required_fields]
all = [\"legal_hold_flag\", \"media_type\", \"start_time\"]
[platform.export]
read = \"primary\"
latency = \"500ms\"
[[gate]]
name = \"ungated\"
strategy = \"none\"
[[gate]]
name = \"fields\"
strategy = \"exponential-backoff\"
ready = [\"media-available\", \"required-fields\"]
[[gate]]
name = \"forum\"
strategy = \"forum-backoff\"
";

fn certify(folder: &Path, more: &[&str]) -> (Option<i32>, serde_json::Value, String) {
    let path = folder.join("orders.toml");
    fs::write(&path, SCENARIO).expect("writable");
    let output = racegate(&["certify", "--json"])
        .arg(&path)
        .args(more)
        .output()
        .expect("it starts");
    let body = serde_json::from_slice(&output.stdout).unwrap_or_default();
    (output.status.code(), body, text(&output.stderr))
}

#[test]
fn an_export_that_does_not_look_breaks_in_all_orders_but_those_where_all_was_there() {
    let folder = tempfile::tempdir().expect("a folder");
    let (code, body, said) = certify(folder.path(), &["--gate", "ungated"]);
    assert_eq!(code, Some(90), "{said}");
    let found = &body["certificates"][0];
    // Of media, state and three fields any may be late; the state is in no manifest.
    assert_eq!(found["orders"], 32);
    assert_eq!(found["outcomes"]["complete"], 2);
    assert_eq!(found["broken"], 30);
}

#[test]
fn a_gate_that_looks_at_all_that_it_exports_passes_every_order() {
    let folder = tempfile::tempdir().expect("a folder");
    for looks in 1..=4_u64 {
        let more = ["--gate", "fields", "--looks", &looks.to_string()];
        let (code, body, said) = certify(folder.path(), &more);
        assert_eq!(code, Some(0), "{said}");
        let found = &body["certificates"][0];
        // Four writes decide at which look it exports: at the one after the last of them. The state
        // comes before one of these looks, before the export or after it. What is left after the
        // last look that counts comes at once.
        let decided = |look: u64| look.pow(4) - (look - 1).pow(4);
        let exported: u64 = (1..=looks).map(|look| decided(look) * (look + 2)).sum();
        let orders = exported + decided(looks + 1) * (looks + 1);
        assert_eq!(found["orders"], orders, "{found}");
        assert_eq!(found["outcomes"]["complete"], orders);
    }
}

#[test]
fn over_http_every_order_ends_as_the_model_says() {
    let folder = tempfile::tempdir().expect("a folder");
    let (code, body, said) = certify(folder.path(), &["--looks", "1", "--engine", "live"]);
    assert_eq!(code, Some(90), "{said}");
    for found in body["certificates"].as_array().expect("a list") {
        assert!(found["live"]["forced"].as_u64() > Some(10), "{found}");
        assert_eq!(found["live"]["agreed"], found["live"]["forced"], "{found}");
        assert_eq!(found["live"]["forced"], found["orders"], "{found}");
    }
}

#[test]
fn an_order_that_breaks_a_gate_is_written_down_and_fails_again() {
    let folder = tempfile::tempdir().expect("a folder");
    let out = folder.path().join("out");
    let more = ["--gate", "forum", "--looks", "2", "--out"];
    let more: Vec<&str> = more
        .into_iter()
        .chain([out.to_str().expect("text")])
        .collect();
    let (code, body, said) = certify(folder.path(), &more);
    assert_eq!(code, Some(90), "{said}");
    let file = body["certificates"][0]["files"][0]
        .as_str()
        .expect("a file");
    for (engine, gate, code) in [
        ("sim", None, 90),
        ("live", None, 90),
        ("live", Some("exponential-backoff"), 0),
    ] {
        let mut replay = racegate(&["replay", file, "--engine", engine]);
        replay.args(gate.iter().flat_map(|gate| ["--gate", gate]));
        let output = replay.output().expect("it starts");
        let said = text(&output.stderr);
        assert_eq!(
            output.status.code(),
            Some(code),
            "{engine} {gate:?}: {said}"
        );
    }
}

#[test]
fn what_is_early_takes_part_in_no_order() {
    let folder = tempfile::tempdir().expect("a folder");
    let early = ["--early", "media", "--early", "state", "--gate", "ungated"];
    let (_, body, _) = certify(folder.path(), &early);
    assert_eq!(body["certificates"][0]["orders"], 8);
    let (code, _, said) = certify(folder.path(), &["--early", "medias"]);
    assert_eq!(code, Some(2), "{said}");
    assert!(said.contains("there are media, state, index"), "{said}");
}
