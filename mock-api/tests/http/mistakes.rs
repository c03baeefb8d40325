//! Bodies: every mistake is named at once, in one way, on every route.

use mock_api::http::openapi;
use serde_json::{Value, json};

use crate::support::{Answer, World, platform};

const JOBS: &str = "/api/v2/recording/jobs";

/// The fields of the details, which all have a code.
pub(crate) fn fields(answer: &Answer) -> Vec<String> {
    let body = answer.json();
    let details = body["details"].as_array().expect("details").iter();
    let fields = details.map(|detail| {
        let code = detail["errorCode"].as_str().expect("a code");
        assert!(["bad.request", "invalid.value"].contains(&code), "{body}");
        detail["fieldName"].as_str().expect("a field").to_owned()
    });
    fields.collect()
}

/// Method, path, body, the code, and all fields that are wrong.
type Wrong = (
    &'static str,
    &'static str,
    &'static str,
    &'static str,
    &'static [&'static str],
);

const WRONG: [Wrong; 24] = [
    ("POST", JOBS, "{}", "bad.request", &["action"]),
    (
        "POST",
        JOBS,
        r#"{"action":null}"#,
        "bad.request",
        &["action"],
    ),
    (
        "POST",
        JOBS,
        r#"{"action":"BURN"}"#,
        "invalid.value",
        &["action"],
    ),
    (
        "POST",
        JOBS,
        r#"{"action":"EXPORT"}"#,
        "bad.request",
        &["conversationQuery", "integrationId"],
    ),
    (
        "POST",
        JOBS,
        r#"{"action":"DELETE"}"#,
        "bad.request",
        &["conversationQuery", "actionDate"],
    ),
    (
        "POST",
        JOBS,
        r#"{"action":"EXPORT","clearExport":true,"integrationId":" "}"#,
        "bad.request",
        &["clearExport", "conversationQuery", "integrationId"],
    ),
    (
        "POST",
        JOBS,
        r#"{"actionDate":"soon","actionAge":-1,"includeScreenRecordings":"yes",
            "conversationQuery":{"conversationFilters":[{"predicates":[{"dimension":"color"}]}],
            "order":"up"}}"#,
        "bad.request",
        &[
            "action",
            "actionAge",
            "actionDate",
            "conversationQuery.conversationFilters[0].type",
            "conversationQuery.conversationFilters[0].predicates[0].dimension",
            "conversationQuery.order",
            "includeScreenRecordings",
        ],
    ),
    (
        "POST",
        JOBS,
        r#"{"action":"EXPORT","integrationId":"x","includeScreenRecordings":false,
            "screenRecordingActionAge":1,"agedConversationInterval":"2015-01-01/2015-02-01"}"#,
        "invalid.value",
        &["screenRecordingActionAge"],
    ),
    (
        "PUT",
        "/api/v2/recording/jobs/x",
        "{}",
        "bad.request",
        &["state"],
    ),
    (
        "PUT",
        "/api/v2/recording/jobs/x",
        r#"{"state":"READY"}"#,
        "invalid.value",
        &["state"],
    ),
    (
        "POST",
        "/api/v2/recording/batchrequests",
        "{}",
        "bad.request",
        &["batchDownloadRequestList"],
    ),
    (
        "POST",
        "/api/v2/recording/batchrequests",
        r#"{"batchDownloadRequestList":[{"conversationId":"x"},{},{"recordingId":"y"}]}"#,
        "bad.request",
        &[
            "batchDownloadRequestList[1].conversationId",
            "batchDownloadRequestList[2].conversationId",
        ],
    ),
    (
        "POST",
        "/api/v2/recordings/deletionprotection",
        "{}",
        "bad.request",
        &["conversationIds"],
    ),
    (
        "PUT",
        "/api/v2/recordings/deletionprotection",
        r#"{"conversationIds":[1,"x",true]}"#,
        "bad.request",
        &["conversationIds[0]", "conversationIds[2]"],
    ),
    (
        "POST",
        "/api/v2/analytics/conversations/details/query",
        r#"{"paging":{"pageSize":0,"pageNumber":0}}"#,
        "bad.request",
        &["interval", "paging.pageNumber", "paging.pageSize"],
    ),
    (
        "POST",
        "/api/v2/analytics/conversations/details/jobs",
        r#"{"order":"sideways"}"#,
        "bad.request",
        &["interval", "order"],
    ),
    (
        "POST",
        "/api/v2/processautomation/triggers",
        "{}",
        "bad.request",
        &["target", "topicName"],
    ),
    (
        "POST",
        "/api/v2/processautomation/triggers",
        r#"{"target":{"type":"Pigeon"},"topicName":"v2.nonsense"}"#,
        "invalid.value",
        &["target.type", "topicName"],
    ),
    (
        "POST",
        "/api/v2/recording/uploads/reports",
        r#"{"uploadStatus":"Lost"}"#,
        "bad.request",
        &["dateSince", "uploadStatus"],
    ),
    (
        "PUT",
        "/api/v2/recording/settings",
        r#"{"recordingPlaybackUrlTtl":1,"maxSimultaneousStreams":2001}"#,
        "invalid.value",
        &["maxSimultaneousStreams", "recordingPlaybackUrlTtl"],
    ),
    (
        "PUT",
        "/api/v2/orphanrecordings/x",
        r#"{"archiveDate":7,"deleteDate":"never"}"#,
        "bad.request",
        &["archiveDate", "deleteDate"],
    ),
    (
        "POST",
        "/api/v2/notifications/channels/x/subscriptions",
        r#"[{"id":"v2.x"},{},{"id":7}]"#,
        "bad.request",
        &["[1].id", "[2].id"],
    ),
    (
        "POST",
        "/api/v2/conversations/x/recordings/x/annotations",
        r#"{"reason":"Lunch","location":1.5,"description":7}"#,
        "bad.request",
        &["description", "location", "reason"],
    ),
    (
        "PUT",
        "/api/v2/conversations/x/recordings/x",
        r#"{"archiveMedium":"TAPE","deleteDate":"2026-13-01","fileState":"ERROR"}"#,
        "invalid.value",
        &["archiveMedium", "deleteDate", "fileState"],
    ),
];

#[tokio::test]
async fn every_mistake_of_a_body_is_named_at_once_on_every_route() {
    let world = World::start(platform()).await;
    let api = world.tenant(0).await;
    for (method, path, body, code, expected) in WRONG {
        let answer = api.json(method, path, body).await;
        assert_eq!(
            answer.status, 400,
            "{method} {path} {body}: {}",
            answer.text
        );
        assert_eq!(
            answer.code(),
            code,
            "{method} {path} {body}: {}",
            answer.text
        );
        let mut said = fields(&answer);
        said.sort();
        let mut expected = expected.to_vec();
        expected.sort_unstable();
        assert_eq!(said, expected, "{method} {path} {body}");
    }
    let many = vec![json!({}); 5000];
    let many = json!({"batchDownloadRequestList": many}).to_string();
    let answer = api
        .json("POST", "/api/v2/recording/batchrequests", &many)
        .await;
    assert_eq!(answer.status, 400);
    assert_eq!(fields(&answer).len(), 20, "an answer has an end");
}

/// Every operation with a body that has required fields refuses one without them in the same way.
#[tokio::test]
async fn what_the_document_requires_is_required() {
    let document = serde_json::to_value(openapi()).unwrap();
    let world = World::start(platform()).await;
    let api = world.tenant(0).await;
    let mut tried = 0;
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            let schema = &operation["requestBody"]["content"]["application/json"]["schema"];
            let Some(name) = schema["$ref"]
                .as_str()
                .filter(|_| path.starts_with("/api/"))
            else {
                continue;
            };
            let mut required = Vec::new();
            collect_required(
                &document,
                &document.pointer(&name[1..]).unwrap().clone(),
                &mut required,
            );
            if required.is_empty() {
                continue;
            }
            let path: Vec<&str> = path
                .split('/')
                .map(|part| if part.starts_with('{') { "x" } else { part })
                .collect();
            let answer = api
                .json(&method.to_uppercase(), &path.join("/"), "{}")
                .await;
            assert_eq!(answer.status, 400, "{method} {path:?}: {}", answer.text);
            assert_eq!(answer.code(), "bad.request");
            let mut said = fields(&answer);
            said.sort();
            required.sort();
            assert_eq!(said, required, "{method} {path:?}");
            tried += 1;
        }
    }
    assert!(tried > 8, "{tried}");
}

fn collect_required(document: &Value, schema: &Value, found: &mut Vec<String>) {
    if let Some(name) = schema["$ref"].as_str() {
        return collect_required(document, document.pointer(&name[1..]).unwrap(), found);
    }
    for part in schema["allOf"].as_array().into_iter().flatten() {
        collect_required(document, part, found);
    }
    let names = schema["required"].as_array().into_iter().flatten();
    found.extend(names.filter_map(|name| name.as_str().map(str::to_owned)));
}
