//! The schema of `[platform]`.

use racegate_model::timeline::STAGES_MAX;
use serde_json::{Value, json};

use super::gate::backoff;
use super::parts::{array, extend, name, object, one_of, reference, slots, words};

/// `[platform]`.
pub(super) fn schema() -> Value {
    let mut properties = kind();
    extend(
        &mut properties,
        json!({
            "webrtc": object(kind(), &[]),
            "sip": object(kind(), &[]),
            "index": object(
                json!({ "refresh": reference("duration"), "lag": reference("distribution") }),
                &[],
            ),
            "hold": object(
                json!({
                    "missed": reference("share"),
                    "sweep": one_of(vec![words(&["never"]), reference("duration")]),
                    "level": words(&["interaction", "recording"]),
                    "propagation": reference("distribution"),
                    "propagation_loss": reference("share"),
                    "unheld": words(&["false", "null"]),
                }),
                &[],
            ),
            "notification": object(
                json!({
                    "loss": reference("share"),
                    "duplicate": reference("share"),
                    "delay": reference("distribution"),
                    "early": reference("share"),
                }),
                &[],
            ),
            "region": region(),
            "versions": object(
                json!({
                    "provisional": reference("share"),
                    "fields": array(reference("field"), 0, 32),
                    "corrected": one_of(vec![words(&["never"]), reference("distribution")]),
                    "ephemeral": array(reference("field"), 0, 32),
                    "kept": reference("distribution"),
                }),
                &[],
            ),
            "misclassified": reference("share"),
            "signalling": object(
                json!({
                    "max_connections": one_of(vec![
                        words(&["none"]),
                        json!({ "type": "integer", "minimum": 1, "maximum": 10_000_000 }),
                    ]),
                    "accept_rate": one_of(vec![words(&["none"]), reference("rate")]),
                }),
                &[],
            ),
            "lake": object(
                json!({ "refresh": reference("duration"), "lag": reference("duration") }),
                &[],
            ),
            "export": export(),
            "archive": object(json!({ "restore": reference("distribution") }), &[]),
            "api": api(),
        }),
    );
    object(properties, &[])
}

/// What `[platform]` and its kinds have in common.
fn kind() -> Value {
    let lag = || reference("distribution");
    let group = || {
        let source = words(&["pipeline", "ingress", "nobody"]);
        object(json!({ "lag": lag(), "source": source }), &[])
    };
    let (stages, updates) = pipeline();
    json!({
        "media": object(json!({ "lag": lag() }), &[]),
        "metadata": object(
            json!({
                "lag": lag(),
                "null_phase": lag(),
                "after_call_work": lag(),
                "stage": stages,
                "updates": updates,
                "identity": group(),
                "webrtc": group(),
                "hold": group(),
            }),
            &[],
        ),
        "state": {
            "oneOf": [
                object(json!({ "after_fields": lag() }), &[]),
                object(json!({ "after_session": lag() }), &["after_session"]),
            ],
        },
    })
}

/// `stage` and `updates`.
fn pipeline() -> (Value, Value) {
    let lag = || reference("distribution");
    let outage = object(
        json!({
            "from": reference("duration"),
            "duration": reference("duration"),
            "workers": { "type": "integer", "minimum": 0, "maximum": 100_000 },
        }),
        &["from", "duration"],
    );
    let mut updates = backoff();
    extend(
        &mut updates,
        json!({ "rate": reference("rate"), "window": reference("duration") }),
    );
    let stage = object(
        json!({
            "name": name(),
            "workers": { "type": "integer", "minimum": 1, "maximum": 100_000 },
            "service": lag(),
            "writes": array(reference("group"), 0, 3),
            "outages": array(outage, 0, 1_000),
        }),
        &["name", "workers", "service"],
    );
    (array(stage, 0, STAGES_MAX), object(updates, &["rate"]))
}

fn region() -> Value {
    let (stages, updates) = pipeline();
    object(
        json!({
            "share": reference("share"),
            "lag": reference("distribution"),
            "stage": stages,
            "updates": updates,
        }),
        &["share"],
    )
}

fn api() -> Value {
    object(
        json!({
            "rate_limit": one_of(vec![words(&["none"]), reference("rate")]),
            "coupled": { "type": "boolean" },
            "read_cost": one_of(vec![words(&["update"]), reference("distribution")]),
            "read_stage": name(),
        }),
        &[],
    )
}

fn export() -> Value {
    object(
        json!({
            "policy": words(&["lenient", "strict"]),
            "latency": reference("distribution"),
            "query_time": reference("distribution"),
            "slots": slots(),
            "snapshot": words(&["write", "selection"]),
            "order": words(&["together", "media-first", "sidecar-first"]),
            "between": reference("distribution"),
            "read": words(&["index", "primary"]),
            "schema": array(reference("field"), 0, 32),
            "failure": reference("share"),
            "forum_filters": { "type": "boolean" },
            "unknown_filter": words(&["refuse", "match-nothing"]),
            "correlation": words(&["conversation", "session"]),
            "other_id": reference("share"),
            "shared_session": reference("share"),
            "sidecar": words(&["all", "own"]),
            "held_forbidden": reference("share"),
        }),
        &[],
    )
}
