//! Bulk jobs over HTTP.

use std::time::Duration;

use mock_api::http::job_id;
use racegate_model::field::Kind;
use racegate_model::ids::JobOrdinal;
use racegate_model::scenario::{ExportPolicy, GroupSource};
use racegate_model::time::Probability;
use racegate_model::timeline::Hold;
use serde_json::{Value, json};

use crate::support::{Http, World, conversation, export_of, millis, platform, recording};

const JOBS: &str = "/api/v2/recording/jobs";
const START: &str = r#"{"state":"PROCESSING"}"#;

async fn create(api: &Http, indices: &[u64]) -> Value {
    let ids: Vec<String> = indices
        .iter()
        .map(|index| conversation(*index).to_string())
        .collect();
    let answer = api.json("POST", JOBS, &export_of(&ids)).await;
    assert_eq!(answer.status, 202, "{}", answer.text);
    answer.json()
}

async fn until(api: &Http, job: &str, state: &str) -> Value {
    for _ in 0..200 {
        let shown = api.get(job).await.json();
        if shown["state"] == state {
            return shown;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("the job never was {state}");
}

#[tokio::test]
async fn a_job_goes_from_ready_to_fulfilled() {
    let world = World::start(platform()).await;
    let api = world.tenant(0).await;
    for index in 0..3 {
        world.end_call(index, Kind::Webrtc, Hold::Free);
    }
    // 77 is nobody's.
    let job = create(&api, &[0, 1, 1, 77]).await;
    let id = job_id(world.tenant_config(0), JobOrdinal(0)).to_string();
    assert_eq!(job["id"], id);
    assert_eq!(job["state"], "READY");
    assert_eq!(job["totalConversations"], 2);
    assert_eq!(job["totalProcessedRecordings"], 0);
    assert_eq!(job["percentProgress"], 0);
    assert_eq!(job["errorMessage"], Value::Null);
    assert!(job["user"]["id"].is_string() && job["user"]["selfUri"].is_string());
    assert!(
        job["dateCreated"]
            .as_str()
            .unwrap()
            .starts_with("2026-03-07T09:")
    );
    assert_eq!(job["recordingJobsQuery"]["action"], "EXPORT");
    assert_eq!(job["recordingJobsQuery"]["integrationId"], "b0c1");
    let path = job["selfUri"].as_str().unwrap();
    assert_eq!(path, format!("{JOBS}/{id}"));
    assert_eq!(job["failedRecordings"], format!("{path}/failedrecordings"));

    assert_eq!(
        api.json("PUT", path, r#"{"state":"READY"}"#).await.code(),
        "invalid.value"
    );
    let started = api.json("PUT", path, START).await;
    assert_eq!(
        (started.status, started.json()["state"].as_str()),
        (200, Some("PROCESSING"))
    );
    assert_eq!(
        api.json("PUT", path, START).await.status,
        200,
        "a repeated PUT is harmless"
    );
    let done = until(&api, path, "FULFILLED").await;
    assert_eq!(done["totalProcessedRecordings"], 2);
    assert_eq!(done["totalSkippedRecordings"], 0);
    assert_eq!(done["percentProgress"], 100);
    let one = format!(
        "/api/v2/conversations/{}/recordings/{}",
        conversation(1),
        recording(1)
    );
    let shown = api.get(&one).await.json();
    assert!(
        shown["exportDate"].is_string() && shown["exportedDate"].is_string(),
        "{shown}"
    );
    let other = format!(
        "/api/v2/conversations/{}/recordings/{}",
        conversation(2),
        recording(2)
    );
    assert_eq!(api.get(&other).await.json()["exportedDate"], Value::Null);
    assert_eq!(api.send("DELETE", path, "", "").await.code(), "bad.request");
}

#[tokio::test]
async fn another_tenants_job_does_not_exist() {
    let world = World::start(platform()).await;
    let (api, other) = (world.tenant(0).await, world.tenant(1).await);
    let job = create(&api, &[]).await;
    let path = job["selfUri"].as_str().unwrap();
    assert_eq!(api.get(path).await.status, 200);
    assert_eq!(other.get(path).await.code(), "not.found");
    assert_eq!(other.json("PUT", path, START).await.code(), "not.found");
    assert_eq!(other.send("DELETE", path, "", "").await.code(), "not.found");
    assert_eq!(
        other.get(&format!("{path}/failedrecordings")).await.code(),
        "not.found"
    );
}

#[tokio::test]
async fn a_third_job_is_refused_while_two_run() {
    let mut spec = platform();
    spec.export.latency = millis(60_000);
    let world = World::start(spec).await;
    let (api, other) = (world.tenant(0).await, world.tenant(1).await);
    let mut paths = Vec::new();
    for _ in 0..2 {
        let job = create(&api, &[]).await;
        paths.push(job["selfUri"].as_str().unwrap().to_owned());
        assert_eq!(
            api.json("PUT", &paths[paths.len() - 1], START).await.status,
            200
        );
    }
    let refused = api.json("POST", JOBS, &export_of(&[])).await;
    assert_eq!(
        (refused.status, refused.code().as_str()),
        (429, "too.many.requests.retry.after")
    );
    assert_eq!(refused.header("retry-after"), Some("1"));
    assert_eq!(refused.json()["limit"]["namespace"], "recording");
    create(&other, &[]).await;
    assert_eq!(api.send("DELETE", &paths[0], "", "").await.status, 204);
    assert_eq!(api.get(&paths[0]).await.json()["state"], "CANCELLED");
    create(&api, &[]).await;
}

#[tokio::test]
async fn of_six_ready_jobs_two_process_at_once() {
    let mut spec = platform();
    spec.export.latency = millis(60_000);
    let world = World::start(spec).await;
    let api = world.tenant(0).await;
    let mut paths = Vec::new();
    for _ in 0..6 {
        let job = create(&api, &[]).await;
        paths.push(job["selfUri"].as_str().unwrap().to_owned());
    }
    for path in &paths[..2] {
        assert_eq!(api.json("PUT", path, START).await.status, 200);
    }
    for path in &paths[2..] {
        let refused = api.json("PUT", path, START).await;
        assert_eq!(refused.status, 429);
        assert_eq!(refused.code(), "too.many.requests.retry.after");
        assert_eq!(refused.header("retry-after"), Some("1"));
        assert_eq!(refused.json()["limit"]["value"], 2);
        assert_eq!(api.get(path).await.json()["state"], "READY");
    }
    assert_eq!(api.send("DELETE", &paths[0], "", "").await.status, 204);
    assert_eq!(api.json("PUT", &paths[5], START).await.status, 200);
    assert_eq!(api.json("PUT", &paths[4], START).await.status, 429);
    let listed = api.get(&format!("{JOBS}?state=PROCESSING")).await.json();
    assert_eq!(listed["total"], 2, "{listed}");
}

#[tokio::test]
async fn a_strict_export_names_what_is_missing() {
    let mut spec = platform();
    spec.export.policy = ExportPolicy::Strict;
    spec.kinds.webrtc.groups[2].source = GroupSource::Nobody;
    let world = World::start(spec).await;
    let api = world.tenant(0).await;
    world.end_call(1, Kind::Webrtc, Hold::Held);
    world.end_call(2, Kind::Sip, Hold::Held);
    let job = create(&api, &[1, 2]).await;
    let path = job["selfUri"].as_str().unwrap();
    let refused = api.json("PUT", path, START).await;
    assert_eq!(
        (refused.status, refused.code().as_str()),
        (400, "bad.request")
    );
    let body = refused.json();
    let details = body["details"].as_array().unwrap();
    assert_eq!(details.len(), 1);
    assert_eq!(details[0]["fieldName"], "legal_hold_flag");
    assert_eq!(details[0]["entityId"], recording(1).to_string());
    assert_eq!(details[0]["entityName"], "recording");
    let expected = json!([{
        "recordingId": recording(1).to_string(),
        "conversationId": conversation(1).to_string(),
        "fields": ["legal_hold_flag"],
    }]);
    let list = &body["missing_required_fields"];
    assert_eq!(list[0]["fields"], expected[0]["fields"]);
    assert_eq!(list[0]["recording_id"], expected[0]["recordingId"]);
    assert_eq!(list[0]["conversation_id"], expected[0]["conversationId"]);
}

#[tokio::test]
async fn queries_that_make_no_sense_are_refused() {
    let world = World::start(platform()).await;
    let api = world.tenant(0).await;
    let interval = "2026-03-01T00:00:00.000Z/2026-03-30T00:00:00.000Z";
    let query = |filters: Value| {
        json!({"action": "EXPORT", "integrationId": "i",
               "conversationQuery": {"interval": interval, "conversationFilters": filters}})
    };
    let predicate = |dimension: &str, operator: &str| {
        json!([{"type": "and", "predicates": [
            {"type": "dimension", "dimension": dimension, "operator": operator, "value": "x"}]}])
    };
    let table = [
        json!(null),
        json!([]),
        json!({}),
        json!({"action": "EXPORT"}),
        json!({"action": "BURN", "integrationId": "i", "conversationQuery": {}}),
        json!({"action": "DELETE", "conversationQuery": {"interval": interval}}),
        json!({"action": "EXPORT", "integrationId": " ", "conversationQuery": {}}),
        json!({"action": "EXPORT", "integrationId": "i"}),
        json!({"action": "EXPORT", "integrationId": "i", "conversationQuery": {}}),
        json!({"action": "EXPORT", "integrationId": "i", "conversationQuery": {"interval": "x"}}),
        json!({"action": "EXPORT", "integrationId": 7, "conversationQuery": {}}),
        query(json!([{"type": "xor"}])),
        query(json!([7])),
        query(predicate("queueId", "matches")),
        query(predicate("conversationId", "exists")),
    ];
    for body in table {
        let answer = api.json("POST", JOBS, &body.to_string()).await;
        assert_eq!(answer.status, 400, "{body}: {}", answer.text);
        answer.code();
    }
    // Nothing of it took a slot.
    create(&api, &[]).await;
}

#[tokio::test]
async fn an_interval_and_filters_select_conversations() {
    let world = World::start(platform()).await;
    let api = world.tenant(0).await;
    for index in 0..5 {
        world.end_call(index, Kind::Sip, Hold::Free);
    }
    let wide = "2026-03-01T00:00:00.000Z/2026-03-30T00:00:00.000Z";
    let past = "2025-03-01T00:00:00.000Z/2025-03-30T00:00:00.000Z";
    let voice = json!([{"type": "or", "predicates": [
        {"type": "dimension", "dimension": "mediaType", "operator": "matches", "value": "voice"}]}]);
    let chat = json!([{"type": "or", "predicates": [
        {"type": "dimension", "dimension": "mediaType", "operator": "matches", "value": "chat"}]}]);
    let named = json!([{"type": "and", "clauses": [{"type": "or", "predicates": [
        {"dimension": "conversationId", "value": conversation(2).to_string()},
        {"dimension": "conversationId", "value": conversation(4).to_string()}]}]}]);
    for (interval, filters, count) in [
        (wide, json!(null), 5),
        (wide, voice, 5),
        (wide, chat, 0),
        (wide, named.clone(), 2),
        (past, json!(null), 0),
        (past, named, 0),
    ] {
        let query = json!({"action": "EXPORT", "integrationId": "i", "conversationQuery":
            {"interval": interval, "conversationFilters": filters}});
        let answer = api.json("POST", JOBS, &query.to_string()).await;
        assert_eq!(
            answer.json()["totalConversations"],
            count,
            "{query}: {}",
            answer.text
        );
    }
}

#[tokio::test]
async fn jobs_are_listed_by_page_and_by_cursor() {
    let world = World::start(platform()).await;
    let api = world.tenant(0).await;
    let mut ids = Vec::new();
    for _ in 0..5 {
        ids.push(create(&api, &[]).await["id"].clone());
    }
    let page = api
        .get(&format!(
            "{JOBS}?pageSize=2&pageNumber=2&sortBy=dateCreated"
        ))
        .await
        .json();
    assert_eq!(page["total"], 5);
    assert_eq!(page["pageCount"], 3);
    assert_eq!(page["pageNumber"], 2);
    assert_eq!(
        [&page["entities"][0]["id"], &page["entities"][1]["id"]],
        [&ids[2], &ids[3]]
    );
    assert!(page["nextUri"].is_string() && page["previousUri"].is_string());
    let first = api
        .get(&format!("{JOBS}?pageSize=3&includeTotal=false"))
        .await
        .json();
    assert!(first.get("total").is_none());
    let next = api.get(first["nextUri"].as_str().unwrap()).await.json();
    assert_eq!(next["entities"][0]["id"], ids[3]);
    assert!(next.get("nextUri").is_none());
    assert_eq!(
        api.get(&format!("{JOBS}?state=FULFILLED")).await.json()["total"],
        0
    );
    assert_eq!(
        api.get(&format!("{JOBS}?state=READY&jobType=EXPORT"))
            .await
            .json()["total"],
        5
    );
    assert_eq!(
        api.get(&format!("{JOBS}?jobType=DELETE")).await.json()["total"],
        0
    );
    for bad in [
        "pageSize=0",
        "pageSize=1e9",
        "pageNumber=0",
        "state=x",
        "jobType=x",
        "cursor=x",
    ] {
        assert_eq!(
            api.get(&format!("{JOBS}?{bad}")).await.code(),
            "invalid.value",
            "{bad}"
        );
    }
}

#[tokio::test]
async fn failed_recordings_are_listed() {
    let mut spec = platform();
    spec.export.failure = Probability::ONE;
    let world = World::start(spec).await;
    let api = world.tenant(0).await;
    world.end_call(1, Kind::Sip, Hold::Free);
    let job = create(&api, &[1]).await;
    let path = job["selfUri"].as_str().unwrap();
    api.json("PUT", path, START).await;
    let done = until(&api, path, "FULFILLED").await;
    assert_eq!(done["totalFailedRecordings"], 1);
    let failed = api
        .get(done["failedRecordings"].as_str().unwrap())
        .await
        .json();
    assert_eq!(
        failed["entities"][0]["recording"]["id"],
        recording(1).to_string()
    );
    assert_eq!(
        failed["entities"][0]["conversation"]["id"],
        conversation(1).to_string()
    );
}
