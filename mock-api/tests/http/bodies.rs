//! Bodies: arrays stand only where the document has them.

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use serde_json::{Map, Value, json};

use mock_api::http::openapi;

use crate::product::Product;
use crate::support::Http;

/// Deeper than any body needs; filters nest without end.
const DEPTH: usize = 8;

/// A body that has everything its schema has. It need not make sense.
fn sample(document: &Value, schema: &Value, depth: usize) -> Value {
    if depth > DEPTH {
        return Value::Null;
    }
    if let Some(pointer) = schema["$ref"].as_str() {
        let schema = document.pointer(&pointer[1..]).expect("it leads somewhere");
        return sample(document, schema, depth + 1);
    }
    if let Some(parts) = schema["allOf"].as_array() {
        let parts = parts.iter().map(|part| sample(document, part, depth + 1));
        let members = parts.filter_map(|part| part.as_object().cloned()).flatten();
        return Value::Object(members.collect());
    }
    for key in ["oneOf", "anyOf"] {
        if let Some(choice) = schema[key].as_array() {
            let one = choice.iter().find(|one| one["type"] != "null");
            return sample(document, one.expect("one that is not null"), depth + 1);
        }
    }
    let kind = match schema["type"].as_array() {
        Some(kinds) => kinds.iter().find(|kind| *kind != "null"),
        None => Some(&schema["type"]),
    };
    match kind.and_then(Value::as_str) {
        Some("object") | None => {
            let known = schema["properties"].as_object().into_iter().flatten();
            let members = known.map(|(key, one)| (key.clone(), sample(document, one, depth + 1)));
            let mut members: Map<String, Value> = members.collect();
            if members.is_empty() {
                members.insert("x".to_owned(), sample_of_rest(document, schema, depth));
            }
            Value::Object(members)
        }
        Some("array") => json!([sample(document, &schema["items"], depth + 1)]),
        Some("integer" | "number") => json!(1),
        Some("boolean") => json!(true),
        Some(_) => schema["enum"].get(0).cloned().unwrap_or(json!("x")),
    }
}

fn sample_of_rest(document: &Value, schema: &Value, depth: usize) -> Value {
    let rest = &schema["additionalProperties"];
    if rest.is_object() {
        sample(document, rest, depth + 1)
    } else {
        json!(1)
    }
}

/// The places of all objects in a body.
fn objects(body: &Value, at: &str, found: &mut Vec<String>) {
    if let Some(members) = body.as_object() {
        found.push(at.to_owned());
        for (key, member) in members {
            objects(member, &format!("{at}/{key}"), found);
        }
    }
    for (nth, item) in body.as_array().into_iter().flatten().enumerate() {
        objects(item, &format!("{at}/{nth}"), found);
    }
}

/// Every operation that takes JSON: method, path, and a body with everything.
fn operations() -> Vec<(String, String, Value)> {
    let document = serde_json::to_value(openapi()).expect("a document");
    let mut found = Vec::new();
    for (path, item) in document["paths"].as_object().expect("paths") {
        for (method, operation) in item.as_object().expect("operations") {
            let content = &operation["requestBody"]["content"]["application/json"];
            if content.is_object() {
                let filled: Vec<&str> = path
                    .split('/')
                    .map(|part| if part.starts_with('{') { "x" } else { part })
                    .collect();
                let body = sample(&document, &content["schema"], 0);
                found.push((method.to_uppercase(), filled.join("/"), body));
            }
        }
    }
    found
}

async fn refused(mock: &Product, api: &Http, (method, path): (&str, &str), body: &Value, at: &str) {
    let body = body.to_string();
    let answer = match path.strip_prefix("/__admin") {
        Some(path) => mock.ask(method, path, &body).await,
        None => api.json(method, path, &body).await,
    };
    assert_eq!(answer.status, 400, "{method} {path} {at}: {}", answer.text);
    assert_eq!(answer.code(), "bad.request", "{method} {path} {at}");
    let place = if at.is_empty() { "it" } else { at };
    let about = format!("{place} must not be an array");
    assert!(
        answer.text.contains(&about),
        "{method} {path} {at}: {}",
        answer.text
    );
}

#[tokio::test]
async fn an_array_of_an_objects_values_is_refused_wherever_it_stands() {
    let mock = Product::start(&[]).await;
    let api = mock.client(0).await;
    let operations = operations();
    let mut tried = 0;
    for (method, path, body) in &operations {
        let mut places = Vec::new();
        objects(body, "", &mut places);
        for at in places {
            let mut broken = body.clone();
            let object = broken.pointer_mut(&at).expect("it is there");
            let members = object.as_object().expect("it is an object").clone();
            *object = Value::Array(members.into_iter().map(|(_, member)| member).collect());
            refused(&mock, &api, (method, path), &broken, &at).await;
            tried += 1;
        }
    }
    assert!(tried > 40, "{tried} places in {} bodies", operations.len());
}

#[test]
fn whatever_stands_in_an_objects_place_is_refused_without_harm() {
    let anything = any::<u8>()
        .prop_map(|number| json!(number))
        .prop_recursive(3, 12, 4, |inner| {
            prop_oneof![
                proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::Array),
                proptest::collection::btree_map("[a-z]{1,6}", inner, 0..4)
                    .prop_map(|members| Value::Object(members.into_iter().collect())),
            ]
        });
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let (mock, api) = runtime.block_on(async {
        let mock = Product::start(&[]).await;
        let api = mock.client(0).await;
        (mock, api)
    });
    let operations = operations();
    let which = (
        0..operations.len(),
        any::<prop::sample::Index>(),
        proptest::collection::vec(anything, 0..4),
    );
    let mut runner = TestRunner::new_with_rng(
        Config::with_cases(200),
        proptest::test_runner::TestRng::deterministic_rng(Config::default().rng_algorithm),
    );
    let run = runner.run(&which, |(nth, place, items)| {
        let (method, path, body) = &operations[nth];
        let mut places = Vec::new();
        objects(body, "", &mut places);
        let at = place.get(&places);
        let mut broken = body.clone();
        *broken.pointer_mut(at).expect("it is there") = Value::Array(items);
        runtime.block_on(refused(&mock, &api, (method, path), &broken, at));
        Ok(())
    });
    run.expect("every one is refused");
    runtime.block_on(mock.mock.stop());
}
