//! The schema of `[[gate]]`: one form per strategy, with exactly its keys.

use racegate_model::field::Field;
use serde_json::{Value, json};

use crate::request::SCOPES;

use super::parts::{array, backoff, extend, name, object, one_of, reference, slots, words};

/// One `[[gate]]`.
pub(super) fn schema() -> Value {
    let mut forms: Vec<Value> = strategies()
        .into_iter()
        .map(|(strategy, own, required)| form(json!({ "const": strategy }), own, &required))
        .collect();
    forms.extend(
        strategies()
            .into_iter()
            .map(|(inner, mut own, mut required)| {
                extend(&mut own, json!({ "inner": { "const": inner } }));
                if inner != "none" {
                    required.push("inner");
                }
                form(json!({ "const": "verify-repair" }), own, &required)
            }),
    );
    one_of(forms)
}

/// A gate with the keys that every strategy has.
fn form(strategy: Value, mut properties: Value, required: &[&str]) -> Value {
    let common = json!({
        "name": name(),
        "strategy": strategy,
        "start": words(&["session-end", "media"]),
        "max_exports": { "type": "integer", "minimum": 2, "maximum": 1000 },
        "repair_delay": reference("duration"),
        "filters": object(
            json!({
                "include_metadata": { "type": "boolean" },
                "include_webrtc_metadata": { "type": "boolean" },
                "media_type": words(&["webRTC", "SIP", "WEBCAM"]),
            }),
            &[],
        ),
        "scopes": array(words(&SCOPES.map(|(scope, _)| scope)), 0, 16),
        "sidecar_suffix": words(&["_metadata.json", ".json"]),
        "done_when": words(&["status", "counters"]),
        "jobs_at_once": slots(),
    });
    extend(&mut properties, common);
    object(properties, &[&["name", "strategy"], required].concat())
}

/// The strategies, their own keys, and which of these are required.
fn strategies() -> Vec<(&'static str, Value, Vec<&'static str>)> {
    let event = || json!({ "event": words(&["session-ended", "metadata-ready"]) });
    let with = |mut properties: Value, more: Value| {
        extend(&mut properties, more);
        properties
    };
    let jitter = words(&["none", "equal", "full"]);
    let interval = json!({ "interval": reference("duration"), "jitter": jitter });
    let confirm = || with(with(polling(), backoff()), event());
    let forum = json!({
        "attempts": { "type": "integer", "minimum": 1, "maximum": 20 },
        "on_failure": words(&["skip", "export-anyway"]),
        "check": words(&["state-and-flag", "state-only"]),
    });
    let delay = || json!({ "delay": reference("duration") });
    let patience = json!({
        "patience": one_of(vec![words(&["none"]), reference("duration")]),
    });
    let watermark = json!({
        "interval": reference("duration"),
        "deadline": one_of(vec![words(&["none"]), reference("duration")]),
    });
    let after = json!({ "after": reference("duration") });
    vec![
        ("none", json!({}), vec![]),
        ("fixed-delay", delay(), vec!["delay"]),
        ("fixed-interval", with(polling(), interval), vec![]),
        ("exponential-backoff", with(polling(), backoff()), vec![]),
        ("forum-backoff", forum, vec![]),
        ("webhook", with(with(event(), delay()), patience), vec![]),
        ("webhook-confirm", confirm(), vec![]),
        ("webhook-fallback", with(confirm(), after), vec![]),
        ("watermark", watermark, vec![]),
    ]
}

fn polling() -> Value {
    let mut checks = vec![
        "state-completed",
        "required-fields",
        "index-visible",
        "media-available",
    ];
    checks.extend(Field::METADATA.map(Field::name));
    let attempts = json!({ "type": "integer", "minimum": 1, "maximum": 1_000_000 });
    json!({
        "initial_delay": reference("duration"),
        "max_attempts": one_of(vec![words(&["none"]), attempts]),
        "deadline": one_of(vec![words(&["none"]), reference("duration")]),
        "ready": array(words(&checks), 1, 10),
    })
}
