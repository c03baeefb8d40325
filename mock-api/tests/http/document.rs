//! The OpenAPI document.

use mock_api::http::openapi;

use crate::support::{World, platform};

#[tokio::test]
async fn the_document_is_served_without_a_token_and_is_what_the_crate_says() {
    let world = World::start(platform()).await;
    let served = world.api().get("/openapi.json").await;
    assert_eq!(served.status, 200);
    assert_eq!(served.header("content-type"), Some("application/json"));
    let own = serde_json::to_value(openapi()).unwrap();
    assert_eq!(served.json(), own);
    assert_eq!(own["openapi"], "3.1.0");
}

#[test]
fn a_change_of_the_document_shows() {
    let text = serde_json::to_string_pretty(&openapi()).unwrap();
    insta::assert_snapshot!("openapi", text);
}

#[test]
fn every_operation_says_who_may_call_it_and_how_it_refuses() {
    let document = serde_json::to_value(openapi()).unwrap();
    let paths = document["paths"].as_object().unwrap();
    assert!(paths.len() > 30, "{}", paths.len());
    let mut ids = Vec::new();
    for (path, item) in paths {
        for (method, operation) in item.as_object().unwrap() {
            let name = format!("{method} {path}");
            ids.push(operation["operationId"].to_string());
            let responses = operation["responses"].as_object().unwrap();
            let refusal = &responses["400"]["content"]["application/json"]["schema"]["$ref"];
            assert_eq!(refusal, "#/components/schemas/ErrorBody", "{name}");
            if path.starts_with("/api/") {
                assert_eq!(
                    operation["security"][0]["token"],
                    serde_json::json!([]),
                    "{name}"
                );
                assert!(
                    responses.contains_key("401") && responses.contains_key("429"),
                    "{name}"
                );
                assert!(
                    responses["429"]["headers"]
                        .get("inin-ratelimit-reset")
                        .is_some()
                );
            }
            for (status, response) in responses {
                assert!(
                    response["headers"].get("ININ-Correlation-Id").is_some(),
                    "{name} {status}"
                );
            }
        }
    }
    let count = ids.len();
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), count, "operation ids are unique");
}

#[test]
fn every_reference_leads_somewhere() {
    let document = serde_json::to_value(openapi()).unwrap();
    let text = document.to_string();
    let mut count = 0;
    for part in text.split("\"$ref\":\"#").skip(1) {
        let pointer = part.split('"').next().unwrap();
        assert!(document.pointer(pointer).is_some(), "{pointer}");
        count += 1;
    }
    assert!(count > 100, "{count}");
}

/// Every operation under `/api/`: method, path with something for its parameters, and whether it
/// takes a body.
fn operations() -> Vec<(String, String, bool)> {
    let document = serde_json::to_value(openapi()).unwrap();
    let mut found = Vec::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        let filled: Vec<&str> = path
            .split('/')
            .map(|part| if part.starts_with('{') { "x" } else { part })
            .collect();
        for (method, operation) in item.as_object().unwrap() {
            if path.starts_with("/api/") {
                let takes_body = operation.get("requestBody").is_some();
                found.push((method.to_uppercase(), filled.join("/"), takes_body));
            }
        }
    }
    found
}

#[tokio::test]
async fn every_operation_refuses_nonsense_in_the_apis_own_words() {
    let world = World::start(platform()).await;
    let api = world.tenant(0).await;
    let long = format!("\"{}\"", "x".repeat(2 << 20));
    for (method, path, takes_body) in operations() {
        let stranger = world.api().send(&method, &path, "", "").await;
        assert_eq!(stranger.status, 401, "{method} {path}");
        let odd = api.send("BREW", &path, "", "").await;
        assert_eq!(
            (odd.status, odd.code().as_str()),
            (405, "method.not.allowed"),
            "{path}"
        );
        assert!(
            odd.header("allow")
                .is_some_and(|allow| allow.contains(&method)),
            "{path}"
        );
        let strange = api
            .send(&method, &format!("{path}?pageSize=%00&x=1"), "", "")
            .await;
        assert!(strange.status < 500, "{method} {path}: {}", strange.text);
        if !takes_body {
            continue;
        }
        for (kind, body, status) in [
            ("application/json", "{", 400),
            ("application/json", "", 400),
            ("application/json", "\"x\"", 400),
            ("application/json", "[[]]", 400),
            ("application/json; charset=utf-8", "nul", 400),
            ("text/plain", "{}", 415),
            ("application/json", long.as_str(), 413),
        ] {
            let head = format!("content-type: {kind}\r\n");
            let answer = api.send(&method, &path, &head, body).await;
            let start: String = body.chars().take(9).collect();
            assert_eq!(
                answer.status, status,
                "{method} {path} {start}: {}",
                answer.text
            );
            answer.code();
        }
    }
}

#[tokio::test]
async fn a_body_of_the_control_plane_is_required_where_the_document_says_so_and_nowhere_else() {
    let product = crate::product::Product::start(&[]).await;
    let document = serde_json::to_value(openapi()).unwrap();
    let mut count = 0;
    for (path, item) in document["paths"].as_object().unwrap() {
        let Some(below) = path.strip_prefix("/__admin") else {
            continue;
        };
        let below = below.replace("{id}", "x");
        for (method, operation) in item.as_object().unwrap() {
            let Some(body) = operation.get("requestBody") else {
                continue;
            };
            count += 1;
            let answer = product.ask(&method.to_uppercase(), &below, "").await;
            let done = (200..300).contains(&answer.status) || answer.status == 404;
            let required = body["required"] == true;
            assert_eq!(done, !required, "{method} {path}: {}", answer.text);
        }
    }
    assert!(count > 8, "{count}");
}

#[tokio::test]
async fn numbers_beyond_what_the_document_says_are_refused() {
    let product = crate::product::Product::start(&[]).await;
    for (path, name) in [
        ("/recordings", "limit"),
        ("/requests", "limit"),
        ("/requests", "after"),
    ] {
        for (number, status) in [
            ("0", 200),
            ("2147483647", 200),
            ("2147483648", 400),
            ("9223372036854775808", 400),
            ("-1", 400),
            ("1.5", 400),
            ("", 400),
        ] {
            let answer = product
                .ask("GET", &format!("{path}?{name}={number}"), "")
                .await;
            assert_eq!(
                answer.status, status,
                "{path} {name}={number}: {}",
                answer.text
            );
        }
    }
}

#[tokio::test]
async fn a_list_of_words_may_be_empty_and_the_document_says_so() {
    let world = World::start(platform()).await;
    let api = world.tenant(0).await;
    let document = serde_json::to_value(openapi()).unwrap();
    let mut lists = Vec::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for parameter in item["get"]["parameters"].as_array().into_iter().flatten() {
            let schema = &parameter["schema"];
            let kinds = schema["type"]
                .as_array()
                .cloned()
                .unwrap_or(vec![schema["type"].clone()]);
            if kinds.contains(&"array".into()) {
                let nothing = &schema["items"]["oneOf"][1]["maxLength"];
                assert_eq!(*nothing, 0, "{path} {parameter}");
                let name = parameter["name"].as_str().unwrap().to_owned();
                lists.push((path.replace(['{', '}'], ""), name));
            }
        }
    }
    assert!(lists.len() > 3, "{lists:?}");
    for (path, name) in lists {
        for (value, good) in [("", true), (",", true), ("nonsense", false)] {
            let answer = api.get(&format!("{path}?{name}={value}")).await;
            assert_eq!(
                answer.status != 400,
                good,
                "{path}?{name}={value}: {}",
                answer.text
            );
        }
    }
}
