//! Every address in an answer leads somewhere.

use std::collections::{BTreeMap, VecDeque};

use mock_api::http::openapi;
use serde_json::{Value, json};

use crate::product::{Added, Product};
use crate::support::Http;

const JSON: &str = "content-type: application/json\r\n";

/// The addresses in an answer: the values of keys that say so.
fn addresses(value: &Value, key: &str, found: &mut Vec<String>) {
    match value {
        Value::Object(members) => members
            .iter()
            .for_each(|(key, value)| addresses(value, key, found)),
        Value::Array(items) => items.iter().for_each(|item| addresses(item, key, found)),
        Value::String(text) => {
            let named = key.ends_with("Uri") || key.ends_with("Url") || key == "failedRecordings";
            if named && !text.is_empty() {
                found.push(text.clone());
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// Makes one of everything that can be made; returns where it is.
async fn furnish(product: &Product, api: &Http, added: &Added) -> Vec<String> {
    let post = async |path: &str, body: Value| {
        let made = api.json("POST", path, &body.to_string()).await;
        assert!((200..300).contains(&made.status), "{path}: {}", made.text);
        let made = made.json();
        let id = made["id"].as_str().or(made["jobId"].as_str());
        format!("{path}/{}", id.unwrap_or_default())
    };
    let (one, conversation) = (added.path(), &added.conversation);
    let note = json!({"type": "Annotation", "description": "x"});
    let batch = json!({"batchDownloadRequestList": [{"conversationId": conversation}]});
    let interval = "2020-01-01T00:00:00.000Z/2090-01-01T00:00:00.000Z";
    let trigger = json!({"name": "t", "enabled": true, "matchCriteria": [],
        "topicName": "v2.detail.events.conversation.{id}.customer.end",
        "target": {"type": "Workflow", "id": "b0c1"}});
    let report = json!({"dateSince": "2020-01-01T00:00:00.000Z", "uploadStatus": "Success"});
    let mut made = vec![
        post(&format!("{one}/annotations"), note).await,
        post("/api/v2/recording/batchrequests", batch).await,
        post(
            "/api/v2/analytics/conversations/details/jobs",
            json!({"interval": interval}),
        )
        .await,
        post("/api/v2/processautomation/triggers", trigger).await,
        post("/api/v2/recording/uploads/reports", report).await,
    ];
    let channel = post("/api/v2/notifications/channels", Value::Null).await;
    let topics = json!([{"id": format!("v2.users.{}.conversations", me(api).await)},
        {"id": format!("v2.detail.events.conversation.{conversation}.customer.end")}]);
    let subscriptions = format!("{channel}/subscriptions");
    let subscribed = api.json("POST", &subscriptions, &topics.to_string()).await;
    assert_eq!(subscribed.status, 200, "{}", subscribed.text);
    let job = product.begin_export(api, added).await;
    product.done(api, &job).await;
    made.extend([subscriptions, format!("{job}/failedrecordings"), job]);
    let results = format!("{}/results", made[2]);
    let base = format!("/api/v2/conversations/{conversation}");
    made.extend([
        results,
        base.clone(),
        format!("/api/v2/conversations/calls/{conversation}"),
        format!("{base}/recordings"),
        format!("{base}/recordings?formatId=WAV&maxWaitMs=1"),
        format!("{base}/recordingmetadata"),
        format!("{one}?formatId=WAV&download=true"),
        format!("{one}/annotations"),
        added.forum(),
        "/api/v2/recordings/retention/query?retentionThresholdDays=1".to_owned(),
        "/api/v2/users/me?expand=station,organization".to_owned(),
    ]);
    made
}

async fn me(api: &Http) -> String {
    let me = api.get("/api/v2/users/me").await.json();
    me["id"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn every_address_in_an_answer_leads_somewhere() {
    let product = Product::start(&["platform.export.failure=0.5"]).await;
    let api = product.client(0).await;
    let added = product.add(r#"{"kind": "webrtc", "duration": "1s"}"#).await;
    let bare = r#"{"kind": "sip", "duration": "1s", "visible": {"metadata": null}}"#;
    let orphan = product.add(bare).await;
    product.add(bare).await;
    for _ in 0..3 {
        product.add(r#"{"kind": "sip", "duration": "1s"}"#).await;
    }
    product.advance("10m").await;
    let mut waiting: VecDeque<String> = furnish(&product, &api, &added).await.into();
    product.advance("10m").await;
    let document = serde_json::to_value(openapi()).unwrap();
    let plain = document["paths"].as_object().unwrap().iter();
    let plain = plain.filter(|(path, item)| {
        path.starts_with("/api/") && !path.contains('{') && item["get"].is_object()
    });
    waiting.extend(plain.map(|(path, _)| format!("{path}?pageSize=1")));
    waiting.push_back(orphan.metadata());
    let mut seen: BTreeMap<String, u16> = BTreeMap::new();
    let host = format!("host: {}\r\n", api.address);
    while let Some(address) = waiting.pop_front() {
        let own = ["http://", "ws://"].iter().find_map(|scheme| {
            let rest = address.strip_prefix(scheme)?;
            rest.strip_prefix(api.address.to_string().as_str())
        });
        let path = own.unwrap_or(&address).to_owned();
        if seen.contains_key(&path) || path.starts_with("https://developer.genesys.cloud/") {
            continue;
        }
        assert!(path.starts_with('/'), "{address} leads elsewhere");
        let answer = api.send_to_host("GET", &path, &host, "").await;
        assert!(
            ![404, 405, 401, 403].contains(&answer.status),
            "{path}: {}",
            answer.text
        );
        seen.insert(path, answer.status);
        if let Ok(body) = serde_json::from_str(&answer.text) {
            let mut found = Vec::new();
            addresses(&body, "", &mut found);
            waiting.extend(found);
        }
    }
    for part in [
        "/users/",
        "/stations/",
        "/routing/queues/",
        "/availabletopics/",
        "/annotations/",
        "/orphanrecordings/",
        "/downloads/",
        "/channels/",
        "/batchrequests/",
        "/jobs/",
        "/triggers/",
        "/reports/",
        "/recordingmetadata/",
        "pageNumber=2",
    ] {
        assert!(
            seen.keys().any(|path| path.contains(part)),
            "no {part} in {seen:#?}"
        );
    }
}

#[tokio::test]
async fn the_audio_is_under_every_key_that_clients_read() {
    let product = Product::start(&[]).await;
    let api = product.client(0).await;
    let added = product.add(r#"{"kind": "webrtc", "duration": "1s"}"#).await;
    product.advance("10m").await;
    let list = format!("/api/v2/conversations/{}/recordings", added.conversation);
    for path in [
        added.path(),
        format!("{}?formatId=WAV", added.path()),
        list.clone(),
        format!("{list}?formatId=WAV"),
    ] {
        let shown = api.get(&path).await.json();
        let shown = if shown.is_array() { &shown[0] } else { &shown };
        let uris = &shown["mediaUris"];
        assert!(uris["S"]["mediaUri"].is_string(), "{path}: {uris}");
        assert_eq!(uris["S"], uris["0"], "{path}");
    }
}

#[tokio::test]
async fn the_sessions_of_a_call_name_each_other_and_the_agents_is_the_recordings() {
    let product = Product::start(&[]).await;
    let api = product.client(0).await;
    let added = product.add(r#"{"kind": "webrtc", "duration": "1s"}"#).await;
    product.advance("10m").await;
    let recording = api.get(&added.path()).await.json();
    let path = format!("/api/v2/conversations/{}", added.conversation);
    let live = api.get(&path).await.json();
    let query = json!({"interval": "2020-01-01T00:00:00.000Z/2090-01-01T00:00:00.000Z"});
    let path = "/api/v2/analytics/conversations/details/query";
    let found = api.json("POST", path, &query.to_string()).await.json();
    let leg = |at: usize| {
        let call = &live["participants"][at]["calls"][0];
        let session = &found["conversations"][0]["participants"][at]["sessions"][0];
        assert_eq!(
            (&call["id"], &call["peerId"]),
            (&session["sessionId"], &session["peerId"])
        );
        (call["id"].clone(), call["peerId"].clone())
    };
    let ((customer, customers_peer), (agent, agents_peer)) = (leg(0), leg(1));
    assert_ne!(customer, agent);
    assert_eq!((&customer, &agent), (&agents_peer, &customers_peer));
    assert_eq!(agent, recording["sessionId"]);
}

#[tokio::test]
async fn a_download_heeds_the_conditions_that_its_etag_and_date_make_possible() {
    let product = Product::start(&[]).await;
    let api = product.client(0).await;
    let added = product.add(r#"{"kind": "webrtc", "duration": "2s"}"#).await;
    product.advance("10m").await;
    let uri = api.get(&added.path()).await.json()["mediaUris"]["S"]["mediaUri"].clone();
    let path = uri.as_str().unwrap().replace("http://x", "");
    let whole = api.get(&path).await;
    assert_eq!(whole.status, 200);
    let etag = whole.header("etag").unwrap();
    let date = whole.header("last-modified").unwrap();
    assert!(
        etag.starts_with('"') && date.ends_with("GMT"),
        "{etag} {date}"
    );
    let (past, future) = (
        "Sun, 06 Nov 1994 08:49:37 GMT",
        "Sun, 06 Nov 2094 08:49:37 GMT",
    );
    for (head, status) in [
        (format!("if-match: \"x\", {etag}"), 200),
        ("if-match: *".to_owned(), 200),
        ("if-match: \"x\"".to_owned(), 412),
        (format!("if-match: W/{etag}"), 412),
        (format!("if-none-match: \"x\", W/{etag}"), 304),
        ("if-none-match: *".to_owned(), 304),
        ("if-none-match: \"x\"".to_owned(), 200),
        (format!("if-modified-since: {date}"), 304),
        (format!("if-modified-since: {past}"), 200),
        (
            format!("if-none-match: \"x\"\r\nif-modified-since: {future}"),
            200,
        ),
        (format!("if-unmodified-since: {past}"), 412),
        (format!("if-unmodified-since: {date}"), 200),
        ("range: bytes=2-5".to_owned(), 206),
        (format!("range: bytes=2-5\r\nif-range: {etag}"), 206),
        (format!("range: bytes=2-5\r\nif-range: W/{etag}"), 200),
        ("range: bytes=2-5\r\nif-range: \"x\"".to_owned(), 200),
        (format!("range: bytes=2-5\r\nif-range: {date}"), 206),
        (format!("range: bytes=2-5\r\nif-range: {future}"), 200),
        (
            format!("range: bytes=2-5\r\nif-match: \"x\"\r\nif-range: {etag}"),
            412,
        ),
        (format!("range: bytes=99999999-\r\nif-range: {etag}"), 416),
        ("range: bytes=99999999-\r\nif-range: \"x\"".to_owned(), 200),
    ] {
        let answer = api
            .send("GET", &path, &format!("{head}\r\n{JSON}"), "")
            .await;
        assert_eq!(answer.status, status, "{head}: {}", answer.head);
        if status != 412 {
            assert_eq!(answer.header("etag"), Some(etag), "{head}");
        }
        if status == 304 {
            assert_eq!(answer.text, "");
        }
    }
}
