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
