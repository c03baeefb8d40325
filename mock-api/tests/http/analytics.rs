//! Finding conversations.

use mock_api::clock::{Pace, RunClock};
use mock_api::http::ApiConfig;
use racegate_model::field::Kind;
use racegate_model::ids::RecordingIndex;
use racegate_model::scenario::LakeSpec;
use racegate_model::time::{Duration, Timestamp};
use racegate_model::timeline::Hold;
use racegate_model::workload::Call;
use serde_json::{Value, json};

use crate::support::{EPOCH, Http, World, conversation, platform};

const QUERY: &str = "/api/v2/analytics/conversations/details/query";
const JOBS: &str = "/api/v2/analytics/conversations/details/jobs";
const MARCH: &str = "2026-03-01T00:00:00.000Z/2026-03-30T00:00:00.000Z";

async fn ids(api: &Http, body: &Value) -> Vec<String> {
    let page = api.json("POST", QUERY, &body.to_string()).await;
    assert_eq!(page.status, 200, "{}", page.text);
    let page = page.json();
    let found = page["conversations"].as_array().unwrap().iter();
    found
        .map(|one| one["conversationId"].as_str().unwrap().to_owned())
        .collect()
}

fn names(indices: &[u64]) -> Vec<String> {
    indices
        .iter()
        .map(|index| conversation(*index).to_string())
        .collect()
}

/// A call that begins now and goes on.
fn begin(world: &World, index: u64) {
    let call = Call {
        index: RecordingIndex(index),
        arrival: world.clock.now(),
        duration: Duration::from_secs(3600),
        kind: Kind::Sip,
        hold: Hold::Free,
    };
    world.service.calls().begin(call);
}

#[tokio::test]
async fn a_query_sees_conversations_as_they_happen() {
    let world = World::start(platform()).await;
    let api = world.tenant(0).await;
    for index in 0..5 {
        world.end_call(index, Kind::Sip, Hold::Free);
    }
    begin(&world, 5);
    let all = json!({"interval": MARCH});
    assert_eq!(ids(&api, &all).await, names(&[0, 1, 2, 3, 4, 5]));
    let page =
        json!({"interval": MARCH, "order": "desc", "paging": {"pageSize": 2, "pageNumber": 2}});
    assert_eq!(ids(&api, &page).await, names(&[3, 2]));
    let running = json!({"interval": MARCH, "conversationFilters": [
        {"type": "and", "predicates": [{"dimension": "conversationEnd", "operator": "notExists"}]}]});
    assert_eq!(ids(&api, &running).await, names(&[5]));
    let shown = api.json("POST", QUERY, &all.to_string()).await.json();
    assert_eq!(shown["totalHits"], 6);
    let (over, running) = (&shown["conversations"][0], &shown["conversations"][5]);
    assert!(over["conversationEnd"].is_string() && running.get("conversationEnd").is_none());
    assert_eq!(over["participants"][0]["purpose"], "customer");
    let session = &over["participants"][1]["sessions"][0];
    assert_eq!(
        (&session["mediaType"], &session["recording"]),
        (&json!("voice"), &json!(true))
    );
    assert!(session["segments"][0]["segmentEnd"].is_string());
}

#[tokio::test]
async fn filters_select_and_what_the_real_api_has_not_is_refused() {
    let world = World::start(platform()).await;
    let api = world.tenant(0).await;
    for index in 0..3 {
        world.end_call(index, Kind::Sip, Hold::Free);
    }
    let by = |predicate: Value| {
        json!({"interval": MARCH, "segmentFilters": [
        {"type": "or", "predicates": [predicate]}]})
    };
    let is = |dimension: &str, value: &str| {
        by(json!({"type": "dimension", "dimension": dimension,
        "operator": "matches", "value": value}))
    };
    for (query, found) in [
        (is("mediaType", "voice"), 3),
        (is("mediaType", "chat"), 0),
        (is("direction", "inbound"), 3),
        (is("direction", "outbound"), 0),
        (
            by(json!({"dimension": "recording", "operator": "exists"})),
            3,
        ),
        (is("conversationId", &conversation(1).to_string()), 1),
        (json!({"interval": "2026-03-08/2026-03-09"}), 0),
        (json!({"interval": "2026-03-07T09:00:00Z/PT1H"}), 3),
        (
            json!({"interval": MARCH, "aggregations": [], "limit": 1.0}),
            3,
        ),
    ] {
        assert_eq!(ids(&api, &query).await.len(), found, "{query}");
    }
    for query in [
        json!({}),
        json!({"interval": "2026-03-09/2026-03-08"}),
        json!({"interval": MARCH, "order": "sideways"}),
        json!({"interval": MARCH, "paging": {"pageSize": 101}}),
        json!({"interval": MARCH, "paging": {"pageNumber": 0}}),
        json!({"interval": MARCH, "aggregations": [{}]}),
        json!({"interval": MARCH, "surveyFilters": [{}]}),
        is("color", "x"),
        by(json!({"type": "colour", "dimension": "mediaType", "value": "voice"})),
        by(json!({"type": "metric", "dimension": "mediaType", "value": "voice"})),
        by(json!({"type": "metric", "metric": "tColour", "operator": "exists"})),
        by(json!({"type": "metric", "metric": "tTalk"})),
        by(json!({"type": "metric", "metric": "tTalk", "value": "long"})),
        by(json!({"type": "metric", "metric": "tTalk", "range": {"gt": "x"}})),
        by(json!({"dimension": "purpose", "operator": "is", "value": "agent"})),
        by(json!({"dimension": "mediaType"})),
        by(json!({"dimension": "conversationEnd"})),
    ] {
        for path in [QUERY, JOBS] {
            let answer = api.json("POST", path, &query.to_string()).await;
            let paged = query.get("paging").is_some() && path == JOBS;
            assert_eq!(
                answer.status,
                if paged { 202 } else { 400 },
                "{path} {query}"
            );
        }
    }
}

#[tokio::test]
async fn a_job_sees_what_ended_before_the_watermark() {
    let mut spec = platform();
    spec.export.selection.lake = Some(LakeSpec {
        refresh: Duration::ZERO,
        lag: Duration::from_millis(700),
    });
    let clock = RunClock::dialled(Timestamp::ZERO, Pace::MANUAL);
    let world = World::start_on(clock, spec, ApiConfig::new(EPOCH)).await;
    let api = world.tenant(0).await;
    world.advance(Duration::from_secs(5));
    world.end_call(1, Kind::Sip, Hold::Free);
    let mark = api.get(&format!("{JOBS}/availability")).await.json();
    assert_eq!(mark["dataAvailabilityDate"], "2026-03-07T09:00:04.300Z");
    let body = json!({"interval": MARCH}).to_string();
    let submit = async || {
        let made = api.json("POST", JOBS, &body).await;
        assert_eq!(made.status, 202);
        format!("{JOBS}/{}", made.json()["jobId"].as_str().unwrap())
    };
    let early = submit().await;
    assert_eq!(api.get(&early).await.json()["state"], "QUEUED");
    let none = api.get(&format!("{early}/results")).await;
    assert_eq!(none.code(), "bad.request");
    let results_of = async |job: &str| {
        assert_eq!(api.get(job).await.json()["state"], "FULFILLED");
        api.get(&format!("{job}/results")).await.json()
    };
    world.advance(Duration::from_millis(700));
    let results = results_of(&early).await;
    assert_eq!(results["conversations"], json!([]), "silently not there");
    let late = submit().await;
    world.advance(Duration::from_millis(500));
    let results = results_of(&late).await;
    assert_eq!(
        results["conversations"][0]["conversationId"],
        conversation(1).to_string()
    );
    assert!(results["dataAvailabilityDate"].is_string());
    assert_eq!(api.json("DELETE", &late, "").await.status, 204);
    assert_eq!(api.get(&late).await.json()["state"], "CANCELLED");
    assert_eq!(api.get(&format!("{late}/results")).await.status, 400);
    assert_eq!(world.tenant(1).await.get(&late).await.code(), "not.found");
}

/// Three calls that are over and one that goes on, and a client.
async fn busy() -> (World, Http) {
    let clock = RunClock::dialled(Timestamp::ZERO, Pace::MANUAL);
    let world = World::start_on(clock, platform(), ApiConfig::new(EPOCH)).await;
    world.advance(Duration::from_secs(1));
    for index in 0..3 {
        world.end_call(index, Kind::Sip, Hold::Free);
    }
    begin(&world, 3);
    let api = world.tenant(0).await;
    (world, api)
}

fn is(name: &str, value: &str) -> Value {
    json!({"type": "dimension", "dimension": name, "value": value})
}

fn exists(name: &str, operator: &str) -> Value {
    json!({"dimension": name, "operator": operator})
}

fn measured(name: &str, range: Value) -> Value {
    json!({"type": "metric", "metric": name, "range": range})
}

/// Whether these predicates select so many, also as a clause.
async fn check(api: &Http, join: &str, predicates: &[Value], found: usize) {
    let group = json!({"type": join, "predicates": predicates});
    for filter in [group.clone(), json!({"type": "or", "clauses": [group]})] {
        let query = json!({"interval": MARCH, "segmentFilters": [filter]});
        assert_eq!(ids(api, &query).await.len(), found, "{query}");
    }
}

#[tokio::test]
async fn filters_by_queue_user_and_purpose_are_about_one_segment() {
    let (_world, api) = busy().await;
    let me = api.get("/api/v2/users/me").await.json();
    let me = me["id"].as_str().unwrap();
    let queues = api.get("/api/v2/routing/queues?name=Soft*").await.json();
    let queue = queues["entities"][0]["id"].as_str().unwrap();
    let strange = "00000000-0000-4000-8000-000000000000";
    for (join, predicates, found) in [
        ("and", vec![is("queueId", queue)], 4),
        ("and", vec![is("queueId", strange)], 0),
        ("and", vec![is("userId", me)], 4),
        ("or", vec![is("userId", strange), is("userId", me)], 4),
        ("and", vec![is("purpose", "agent")], 4),
        ("and", vec![is("purpose", "acd")], 0),
        ("and", vec![is("purpose", "agent"), is("userId", me)], 4),
        ("and", vec![is("purpose", "customer"), is("userId", me)], 0),
    ] {
        check(&api, join, &predicates, found).await;
    }
}

#[tokio::test]
async fn filters_are_answered_from_what_there_is_and_else_match_nothing() {
    let (_world, api) = busy().await;
    for (predicate, found) in [
        (is("segmentType", "interact"), 4),
        (is("disconnectType", "client"), 3),
        (exists("disconnectType", "notExists"), 1),
        (exists("segmentEnd", "exists"), 3),
        (is("wrapUpCode", "x"), 0),
        (exists("wrapUpCode", "notExists"), 4),
        (
            measured("tSegmentDuration", json!({"gte": 400, "lte": 600})),
            3,
        ),
        (measured("tTalk", json!({"gt": 1000})), 0),
        (measured("nConnected", json!({"gte": 1})), 4),
        (measured("tHeld", json!({"gt": 0})), 0),
        (
            json!({"type": "metric", "metric": "tTalk", "operator": "exists"}),
            3,
        ),
        (
            json!({"type": "metric", "metric": "tAbandon", "operator": "notExists"}),
            4,
        ),
        (
            json!({"type": "metric", "metric": "nConnected", "value": "1"}),
            4,
        ),
        (
            json!({"type": "property", "property": "x", "operator": "exists"}),
            0,
        ),
    ] {
        check(&api, "and", &[predicate], found).await;
    }
}

#[tokio::test]
async fn filters_of_conversations_and_of_what_no_call_has_are_answered_too() {
    let (_world, api) = busy().await;
    let by = |key: &str, predicate: &Value| json!({"interval": MARCH, key: [{"type": "and", "predicates": [predicate]}]});
    let form = |operator: &str| json!({"dimension": "formId", "operator": operator, "value": "x"});
    for (key, predicate, found) in [
        ("conversationFilters", exists("divisionId", "exists"), 0),
        ("conversationFilters", exists("externalTag", "notExists"), 4),
        (
            "conversationFilters",
            measured("tConversationDuration", json!({"lt": 600})),
            3,
        ),
        (
            "conversationFilters",
            is("originatingDirection", "inbound"),
            4,
        ),
        ("evaluationFilters", form("exists"), 0),
        ("surveyFilters", form("matches"), 0),
        ("resolutionFilters", form("notExists"), 4),
    ] {
        let query = by(key, &predicate);
        assert_eq!(ids(&api, &query).await.len(), found, "{query}");
    }
    for (key, name) in [
        ("conversationFilters", "queueId"),
        ("segmentFilters", "divisionId"),
    ] {
        let query = by(key, &exists(name, "exists")).to_string();
        assert_eq!(
            api.json("POST", QUERY, &query).await.code(),
            "invalid.value"
        );
    }
}

#[tokio::test]
async fn a_call_of_unknown_length_is_over_when_it_has_ended() {
    let world = World::start(platform()).await;
    let api = world.tenant(0).await;
    // As a guest's is.
    let call = Call {
        index: RecordingIndex(1),
        arrival: world.clock.now(),
        duration: Duration::ZERO,
        kind: Kind::Webrtc,
        hold: Hold::Free,
    };
    world.service.calls().begin(call);
    let with = |operator: &str| {
        json!({"interval": MARCH, "conversationFilters": [{"type": "and", "predicates": [
            {"dimension": "conversationEnd", "operator": operator}]}]})
    };
    assert_eq!(ids(&api, &with("notExists")).await, names(&[1]));
    assert!(ids(&api, &with("exists")).await.is_empty());
    world.service.session_ended(world.clock.now(), &call);
    assert_eq!(ids(&api, &with("exists")).await, names(&[1]));
}
