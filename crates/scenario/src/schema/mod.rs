//! The JSON Schema of the format, for editors and for tools that write scenarios.
//!
//! It says what the parser says about structure: keys, types, words, forms of quantities. What
//! depends on other parts of a file (names, sums, orders of durations) only the parser knows.

mod fault;
mod gate;
mod parts;
mod platform;

use serde_json::{Value, json};

use parts::{array, name, object, one_of, reference, words};

/// Where the schema of the newest version is found.
const ID: &str =
    "https://raw.githubusercontent.com/racegate/racegate/main/docs/scenario.schema.json";

/// The JSON Schema (draft 2020-12) of a scenario, as TOML maps to JSON.
#[must_use]
pub fn json_schema() -> Value {
    let mut schema = object(
        json!({
            "name": described("Short name; also the folder under reports/.", name()),
            "description": { "type": "string", "maxLength": 2000 },
            "seed": described(
                "What all chance derives from.",
                json!({ "type": "integer", "minimum": 0 }),
            ),
            "engine": words(&["sim", "live"]),
            "required_fields": object(
                json!({
                    "all": array(reference("sip_field"), 0, 32),
                    "webrtc": array(reference("field"), 0, 32),
                    "sip": array(reference("sip_field"), 0, 32),
                    "nullable": array(reference("field"), 0, 32),
                }),
                &[],
            ),
            "workload": workload(),
            "platform": platform::schema(),
            "gate": array(gate::schema(), 1, 64),
            "arm": array(arm(), 0, 63),
            "fault": array(fault::schema(), 0, 256),
            "expect": expect(),
            "limits": object(
                json!({
                    "drain": reference("duration"),
                    "send_lateness": reference("duration"),
                    "history_limit": { "type": "integer", "minimum": 0 },
                }),
                &[],
            ),
        }),
        &["name", "workload", "gate"],
    );
    if let Some(root) = schema.as_object_mut() {
        root.insert(
            "$schema".into(),
            "https://json-schema.org/draft/2020-12/schema".into(),
        );
        root.insert("$id".into(), ID.into());
        root.insert("title".into(), "racegate scenario".into());
        root.insert("$defs".into(), parts::definitions());
    }
    schema
}

/// `schema` with a description.
fn described(text: &str, mut schema: Value) -> Value {
    if let Some(object) = schema.as_object_mut() {
        object.insert("description".into(), text.into());
    }
    schema
}

fn workload() -> Value {
    let common = workload_common();
    let form = |executor: &str, own: Value, required: &[&str]| {
        let mut properties = common.clone();
        parts::extend(
            &mut properties,
            json!({ "executor": { "const": executor } }),
        );
        if executor != "constant-vus" {
            parts::extend(
                &mut properties,
                json!({ "arrivals": words(&["poisson", "regular"]) }),
            );
        }
        parts::extend(&mut properties, own);
        object(
            properties,
            &[&["executor", "call_duration"], required].concat(),
        )
    };
    let stages = || {
        let stage = json!({
            "name": name(),
            "duration": reference("duration"),
            "rate": reference("rate"),
        });
        array(object(stage, &["name", "duration", "rate"]), 1, 10_000)
    };
    one_of(vec![
        form(
            "constant-arrival-rate",
            json!({ "rate": reference("rate"), "duration": reference("duration") }),
            &["rate", "duration"],
        ),
        form(
            "stepped-arrival-rate",
            json!({ "stages": stages() }),
            &["stages"],
        ),
        form(
            "ramping-arrival-rate",
            json!({ "start_rate": reference("rate"), "stages": stages() }),
            &["start_rate", "stages"],
        ),
        form(
            "constant-vus",
            json!({
                "vus": { "type": "integer", "minimum": 1, "maximum": 1_000_000 },
                "duration": reference("duration"),
                "pause": reference("duration"),
            }),
            &["vus", "duration"],
        ),
    ])
}

/// Keys of every workload.
fn workload_common() -> Value {
    json!({
        "call_duration": reference("distribution"),
        "warmup": reference("duration"),
        "media": object(json!({ "webrtc": reference("share"), "sip": reference("share") }), &[]),
        "legal_hold": object(
            json!({
                "fraction": reference("share"),
                "set_at": words(&["call-start", "call-end"]),
            }),
            &[],
        ),
        "fidelity": object(
            json!({
                "webrtc": one_of(vec![
                    words(&["media", "wire", "transport", "signalling", "model"]),
                    object(
                        json!({
                            "media": reference("share"),
                            "wire": reference("share"),
                            "transport": reference("share"),
                            "signalling": reference("share"),
                            "model": reference("share"),
                        }),
                        &[],
                    ),
                ]),
                "sip": words(&["model"]),
            }),
            &[],
        ),
        "connection": one_of(vec![
            words(&["per-call", "persistent"]),
            object(json!({ "persistent": reference("share") }), &["persistent"]),
        ]),
        "stack": one_of(vec![
            words(&["dense", "str0m"]),
            object(
                json!({
                    "softphones": words(&["dense", "str0m"]),
                    "ingest": words(&["dense", "str0m"]),
                }),
                &[],
            ),
        ]),
        "silence": words(&["dtx", "sent"]),
    })
}

fn arm() -> Value {
    object(
        json!({
            "name": name(),
            "set": described(
                "Dotted paths into this file and the values they have in this arm.",
                json!({
                    "type": "object",
                    "maxProperties": 100,
                    "propertyNames": { "pattern": "^(platform|gate|required_fields)(\\..+)?$" },
                }),
            ),
            "gates": array(name(), 1, 64),
        }),
        &["name"],
    )
}

fn expect() -> Value {
    let condition = || json!({ "type": "string", "pattern": "^\\s*(<=|>=|==|<|>)" });
    let names = crate::expect::metric_names().join("|");
    let series = format!("({names})\\s*(\\{{[^{{}}]*\\}})?");
    json!({
        "type": "object",
        "maxProperties": 1000,
        "propertyNames": { "pattern": format!("^\\s*{series}(\\s+-\\s+{series})?\\s*$") },
        "additionalProperties": one_of(vec![condition(), array(condition(), 1, 16)]),
    })
}
