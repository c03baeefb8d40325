//! What the control plane answers is what the document says.

use mock_api::http::openapi;
use serde_json::{Map, Value, json};

use crate::product::Product;

/// What of a value its schema does not allow. Of schemas, what ours use.
fn misfit(document: &Value, schema: &Value, value: &Value, at: &str) -> Option<String> {
    if let Some(pointer) = schema["$ref"].as_str() {
        let schema = document.pointer(&pointer[1..]).expect("it leads somewhere");
        return misfit(document, schema, value, at);
    }
    if let Some(parts) = schema["allOf"].as_array() {
        return parts
            .iter()
            .find_map(|part| misfit(document, part, value, at));
    }
    for key in ["oneOf", "anyOf"] {
        if let Some(choice) = schema[key].as_array() {
            let fits = |one: &&Value| misfit(document, one, value, at).is_none();
            return choice
                .iter()
                .find(fits)
                .is_none()
                .then(|| format!("{at}: none of {key}"));
        }
    }
    let kind = match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(number) if number.is_f64() => "number",
        Value::Number(_) => "integer",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    };
    let named = |name: &Value| name == kind || name == "number" && kind == "integer";
    let allowed = match schema["type"].as_array() {
        Some(names) => names.iter().any(named),
        None => schema["type"].is_null() || named(&schema["type"]),
    };
    if !allowed {
        return Some(format!("{at}: {kind} instead of {}", schema["type"]));
    }
    if schema["enum"]
        .as_array()
        .is_some_and(|words| !words.contains(value))
    {
        return Some(format!("{at}: {value} is not among {}", schema["enum"]));
    }
    let items = value.as_array().into_iter().flatten().enumerate();
    let mut misfits = items
        .filter_map(|(nth, item)| misfit(document, &schema["items"], item, &format!("{at}/{nth}")));
    misfits
        .next()
        .or_else(|| unfit_member(document, schema, value.as_object()?, at))
}

fn unfit_member(
    document: &Value,
    schema: &Value,
    members: &Map<String, Value>,
    at: &str,
) -> Option<String> {
    let required = schema["required"].as_array().into_iter().flatten();
    let mut required = required.filter_map(Value::as_str);
    if let Some(key) = required.find(|key| !members.contains_key(*key)) {
        return Some(format!("{at}: no {key}"));
    }
    members.iter().find_map(|(key, member)| {
        let at = format!("{at}/{key}");
        let (known, rest) = (&schema["properties"][key], &schema["additionalProperties"]);
        if known.is_object() {
            misfit(document, known, member, &at)
        } else if rest.is_object() {
            misfit(document, rest, member, &at)
        } else {
            Some(format!("{at} is not in the document"))
        }
    })
}

#[test]
fn what_does_not_fit_is_noticed() {
    let document = json!({"A": {"type": "object", "required": ["a"], "properties": {
        "a": {"type": "integer"}, "b": {"type": ["array", "null"], "items": {"enum": ["x"]}}}}});
    let schema = json!({"oneOf": [{"type": "null"}, {"$ref": "#/A"}]});
    let fits = |value: Value| misfit(&document, &schema, &value, "").is_none();
    assert!(
        fits(json!(null)) && fits(json!({"a": 1, "b": ["x"]})) && fits(json!({"a": 1, "b": null}))
    );
    for bad in [
        json!({}),
        json!({"a": "1"}),
        json!({"a": 1, "b": ["y"]}),
        json!({"a": 1, "c": 1}),
        json!([]),
    ] {
        assert!(!fits(bad.clone()), "{bad}");
    }
}

/// Method, path below `/__admin`, and body; `{id}` is that of a recording, or of the first rule.
const ASKED: [(&str, &str, &str); 28] = [
    ("GET", "", ""),
    ("GET", "/clients", ""),
    ("GET", "/clock", ""),
    ("PUT", "/clock", r#"{"pace": "x2"}"#),
    ("POST", "/clock/advance", r#"{"by": "1s"}"#),
    ("POST", "/clock/resume", ""),
    ("POST", "/clock/pause", ""),
    ("GET", "/recordings", ""),
    (
        "POST",
        "/recordings",
        r#"{"kind": "sip", "visible": {"metadata": null}}"#,
    ),
    ("GET", "/recordings/{id}", ""),
    ("POST", "/recordings/{id}/hold", ""),
    ("POST", "/recordings/{id}/release", ""),
    ("POST", "/recordings/{id}/damage", ""),
    ("POST", "/recordings/{id}/repair", ""),
    (
        "POST",
        "/faults",
        r#"{"match": {"path": "/x"}, "fault": {"type": "hang"}}"#,
    ),
    (
        "POST",
        "/faults",
        r#"{"fault": {"type": "slow-body", "every": "1s"}}"#,
    ),
    ("GET", "/faults", ""),
    ("GET", "/faults/{id}", ""),
    ("GET", "/requests", ""),
    ("POST", "/requests/verify", r#"{"atLeast": 1}"#),
    ("POST", "/requests/verify", r#"{"atMost": 0}"#),
    ("POST", "/requests/verify", r#"{"atMost": "x"}"#),
    ("DELETE", "/faults/{id}", ""),
    ("DELETE", "/faults", ""),
    ("DELETE", "/requests", ""),
    ("POST", "/websockets/drop", ""),
    ("POST", "/tokens/expire", r#"{"client": "client-1"}"#),
    ("POST", "/reset", ""),
];

#[tokio::test]
async fn every_answer_of_the_control_plane_has_the_shape_that_the_document_says() {
    let mock = Product::start(&["workload.rate=60/min"]).await;
    let api = mock.client(0).await;
    let added = r#"{"visible": {"metadata": "2s", "fields": {"client_ip": null}}}"#;
    let added = mock.add(added).await;
    api.get(&added.metadata()).await;
    mock.export(&api, &added).await;
    let document = serde_json::to_value(openapi()).expect("a document");
    for (method, documented, body) in ASKED {
        let id = if documented.starts_with("/faults") {
            "1"
        } else {
            &added.recording
        };
        let path = documented.replace("{id}", id);
        let answer = mock.ask(method, &path, body).await;
        let name = format!("{method} {path} {}", answer.status);
        let documented = format!("/__admin{documented}");
        let operation = &document["paths"][documented][method.to_lowercase()];
        assert_eq!(operation["tags"], json!(["admin"]), "{name}");
        let response = &operation["responses"][answer.status.to_string()];
        assert!(response.is_object(), "{name} is not in the document");
        let schema = &response["content"]["application/json"]["schema"];
        if schema.is_null() {
            assert_eq!(answer.text, "", "{name}");
        } else {
            let misfit = misfit(&document, schema, &answer.json(), "");
            assert_eq!(misfit, None, "{name}: {}", answer.text);
        }
    }
}

#[test]
fn every_operation_of_the_control_plane_is_asked() {
    let document = serde_json::to_value(openapi()).expect("a document");
    let mut operations = 0;
    for (path, item) in document["paths"].as_object().expect("paths") {
        let Some(path) = path.strip_prefix("/__admin") else {
            continue;
        };
        for method in item.as_object().expect("operations").keys() {
            let asked = ASKED
                .iter()
                .any(|(m, p, _)| m.eq_ignore_ascii_case(method) && *p == path);
            assert!(asked, "{method} {path}");
            operations += 1;
        }
    }
    assert!(operations > 20, "{operations}");
}
