//! Webhooks, from the trigger to the receiver.

use std::time::{Duration, Instant};

use mock_api::http::verify_signature;
use racegate_model::field::Kind;
use racegate_model::time::Probability;
use racegate_model::timeline::Hold;
use serde_json::{Value, json};
use wiremock::matchers::{method, path};
use wiremock::{Mock, MockServer, Request, ResponseTemplate};

use crate::support::{World, conversation, platform, recording};

const TRIGGERS: &str = "/api/v2/processautomation/triggers";
const ENDED: &str = "v2.detail.events.conversation.{id}.customer.end";
const READY: &str = "conversation:recordings:metadata:ready";

fn trigger(topic: &str, url: &str) -> String {
    json!({"name": "t", "topicName": topic, "enabled": true,
           "target": {"type": "Webhook", "url": url}})
    .to_string()
}

async fn received(server: &MockServer, count: usize) -> Vec<Request> {
    for _ in 0..500 {
        let requests = server
            .received_requests()
            .await
            .expect("requests are recorded");
        if requests.len() >= count {
            return requests;
        }
        tokio::time::sleep(Duration::from_millis(4)).await;
    }
    panic!("fewer than {count} webhooks came");
}

#[tokio::test]
async fn a_webhook_is_signed_and_says_which_recording() {
    let world = World::start(platform()).await;
    let api = world.tenant(0).await;
    let receiver = MockServer::start().await;
    let any = Mock::given(method("POST")).and(path("/hook"));
    any.respond_with(ResponseTemplate::new(204))
        .mount(&receiver)
        .await;
    let url = format!("{}/hook", receiver.uri());
    for topic in [ENDED, READY] {
        let made = api.json("POST", TRIGGERS, &trigger(topic, &url)).await;
        assert_eq!(made.status, 201, "{}", made.text);
        assert_eq!(made.json()["target"]["url"], url);
    }
    world.end_call(1, Kind::Webrtc, Hold::Held);
    let requests = received(&receiver, 2).await;
    let secret = &world.tenant_config(0).credentials.client_secret;
    let mut topics = Vec::new();
    for request in &requests {
        let signature = request
            .headers
            .get("x-signature")
            .unwrap()
            .to_str()
            .unwrap();
        assert!(verify_signature(secret, &request.body, signature));
        assert!(!verify_signature("other", &request.body, signature));
        let body: Value = serde_json::from_slice(&request.body).unwrap();
        assert_eq!(body["conversationId"], conversation(1).to_string());
        assert_eq!(body["recordingId"], recording(1).to_string());
        assert!(body["eventTime"].as_i64().unwrap() >= 1_772_874_000_000);
        topics.push(body["topicName"].as_str().unwrap().to_owned());
    }
    topics.sort();
    assert_eq!(
        topics,
        [
            READY.to_owned(),
            ENDED.replace("{id}", &conversation(1).to_string())
        ]
    );
    world.webhooks.idle().await;
    assert_eq!(world.webhooks.counts().delivered, 2);
}

#[tokio::test]
async fn a_duplicate_has_the_same_id_and_a_refusal_is_tried_again() {
    let mut spec = platform();
    spec.notification.duplicate = Probability::ONE;
    let world = World::start(spec).await;
    let api = world.tenant(0).await;
    let receiver = MockServer::start().await;
    let any = || Mock::given(method("POST"));
    any()
        .respond_with(ResponseTemplate::new(500))
        .up_to_n_times(1)
        .mount(&receiver)
        .await;
    any()
        .respond_with(ResponseTemplate::new(200))
        .mount(&receiver)
        .await;
    assert_eq!(
        api.json("POST", TRIGGERS, &trigger(ENDED, &receiver.uri()))
            .await
            .status,
        201
    );
    world.end_call(1, Kind::Sip, Hold::Free);
    let requests = received(&receiver, 3).await;
    let bodies: Vec<Value> = requests
        .iter()
        .map(|request| serde_json::from_slice(&request.body).unwrap())
        .collect();
    assert!(bodies.iter().all(|body| body["id"] == bodies[0]["id"]));
    world.webhooks.idle().await;
    let counts = world.webhooks.counts();
    assert_eq!((counts.delivered, counts.retries, counts.failed), (2, 1, 0));
}

#[tokio::test]
async fn a_receiver_that_is_not_there_is_given_up() {
    let world = World::start(platform()).await;
    let api = world.tenant(0).await;
    assert_eq!(
        api.json("POST", TRIGGERS, &trigger(ENDED, "http://127.0.0.1:9/"))
            .await
            .status,
        201
    );
    world.end_call(1, Kind::Sip, Hold::Free);
    let begin = Instant::now();
    while world.webhooks.counts().failed == 0 {
        assert!(begin.elapsed() < Duration::from_secs(10));
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert_eq!(world.webhooks.counts().retries, 2);
}

#[tokio::test]
async fn triggers_are_made_listed_and_deleted() {
    let world = World::start(platform()).await;
    let (api, other) = (world.tenant(0).await, world.tenant(1).await);
    let receiver = MockServer::start().await;
    Mock::given(method("POST"))
        .respond_with(ResponseTemplate::new(200))
        .mount(&receiver)
        .await;
    let made = api
        .json("POST", TRIGGERS, &trigger(ENDED, &receiver.uri()))
        .await
        .json();
    let own = made["selfUri"].as_str().unwrap();
    for key in [
        "id",
        "name",
        "topicName",
        "target",
        "matchCriteria",
        "enabled",
        "version",
    ] {
        assert!(made.get(key).is_some(), "{key}");
    }
    assert_eq!(api.get(own).await.json(), made);
    assert_eq!(api.get(TRIGGERS).await.json()["entities"], json!([made]));
    assert_eq!(other.get(own).await.code(), "not.found");
    assert_eq!(other.send("DELETE", own, "", "").await.code(), "not.found");
    assert_eq!(other.get(TRIGGERS).await.json()["total"], 0);
    assert_eq!(api.send("DELETE", own, "", "").await.status, 204);
    assert_eq!(api.get(own).await.code(), "not.found");
    world.end_call(1, Kind::Sip, Hold::Free);
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert!(receiver.received_requests().await.unwrap().is_empty());
    let workflow = json!({"name": "w", "topicName": ENDED, "enabled": true,
                          "target": {"type": "Workflow", "id": "x"}});
    assert_eq!(
        api.json("POST", TRIGGERS, &workflow.to_string())
            .await
            .status,
        201
    );
}

#[tokio::test]
async fn conditions_of_a_trigger_are_objects() {
    let world = World::start(platform()).await;
    let api = world.tenant(0).await;
    for (criteria, status) in [
        (json!([[null, null]]), 400),
        (json!([1]), 400),
        (json!({}), 400),
        (
            json!([{"jsonPath": "mediaType", "operator": "Equal", "value": "VOICE"}]),
            201,
        ),
        (json!([]), 201),
    ] {
        let trigger = json!({"name": "w", "topicName": ENDED, "matchCriteria": criteria,
                             "target": {"type": "Workflow", "id": "x"}});
        let made = api.json("POST", TRIGGERS, &trigger.to_string()).await;
        assert_eq!(made.status, status, "{criteria}");
        if status == 201 {
            assert_eq!(made.json()["matchCriteria"], criteria);
        }
    }
}

#[tokio::test]
async fn a_trigger_to_elsewhere_is_refused() {
    let world = World::start(platform()).await;
    let api = world.tenant(0).await;
    for url in [
        "http://10.0.0.1/",
        "https://127.0.0.1/",
        "http://a:b@127.0.0.1/",
        "x",
        "",
    ] {
        let refused = api.json("POST", TRIGGERS, &trigger(ENDED, url)).await;
        assert_eq!(
            (refused.status, refused.code().as_str()),
            (400, "invalid.value"),
            "{url}"
        );
    }
    let unknown = api
        .json("POST", TRIGGERS, &trigger("v2.x", "http://127.0.0.1/"))
        .await;
    assert_eq!(unknown.code(), "invalid.value");
    for at in 0..=100 {
        let made = api
            .json("POST", TRIGGERS, &trigger(ENDED, "http://127.0.0.1:9/"))
            .await;
        assert_eq!(made.status, if at < 100 { 201 } else { 400 });
    }
}
