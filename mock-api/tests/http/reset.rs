//! Reset, what one client adds, holds and their news, jobs that fail, limits and ranges.

use std::time::Duration;

use futures_util::StreamExt;
use mock_api::storage::ListQuery;
use serde_json::{Value, json};
use tokio_tungstenite::connect_async;
use tokio_tungstenite::tungstenite::Message;

use crate::product::Product;
use crate::support::Http;

const CHANNELS: &str = "/api/v2/notifications/channels";
const JOBS: &str = "/api/v2/recording/jobs";
const TRIGGERS: &str = "/api/v2/processautomation/triggers";
const READY: &str = "conversation:recordings:metadata:ready";

/// Everything that a client makes is made; the paths at which it is seen.
async fn make_everything(mock: &Product, api: &Http) -> Vec<String> {
    let added = mock.add("{}").await;
    let job = mock.export(api, &added).await;
    let trigger = json!({"name": "t", "topicName": "v2.detail.events.conversation.{id}.customer.end",
                         "target": {"type": "Webhook", "url": "http://127.0.0.1:9/x"}});
    let trigger = api
        .json("POST", TRIGGERS, &trigger.to_string())
        .await
        .json();
    let channel = api.json("POST", CHANNELS, "").await.json();
    let batch = json!({"batchDownloadRequestList": [{"conversationId": added.conversation}]});
    let batches = "/api/v2/recording/batchrequests";
    let batch = api.json("POST", batches, &batch.to_string()).await.json();
    let path = |base: &str, of: &Value| format!("{base}/{}", of["id"].as_str().expect("an id"));
    let subscriptions = format!("{}/subscriptions", path(CHANNELS, &channel));
    vec![
        added.metadata(),
        added.metadata().replace("recordingmetadata", "recordings"),
        path(JOBS, &job),
        path(TRIGGERS, &trigger),
        subscriptions,
        path(batches, &batch),
    ]
}

async fn statuses(api: &Http, paths: &[String]) -> Vec<u16> {
    let mut statuses = Vec::new();
    for path in paths {
        statuses.push(api.get(path).await.status);
    }
    statuses
}

#[tokio::test]
async fn a_reset_leaves_nothing_that_was_made_but_tokens() {
    let mock = Product::start(&["platform.api.rate_limit=40/min", "workload.rate=1/h"]).await;
    let (one, two) = (mock.client(0).await, mock.client(1).await);
    let (first, second) = (
        make_everything(&mock, &one).await,
        make_everything(&mock, &two).await,
    );
    assert_eq!(statuses(&one, &first).await, [200; 6]);
    let fault = r#"{"match": {"client": "client-1"}, "fault": {"type": "service-unavailable"}}"#;
    mock.admin("POST", "/faults", fault).await;
    assert_eq!(one.get(JOBS).await.status, 503);
    mock.admin("POST", "/reset", r#"{"client": "client-1"}"#)
        .await;
    let after = statuses(&one, &first).await;
    assert_eq!(
        after,
        [200, 200, 404, 404, 404, 404],
        "what both see is not one client's"
    );
    assert_eq!(statuses(&two, &second).await, [200; 6]);
    mock.admin("POST", "/reset", "").await;
    assert_eq!(statuses(&two, &second).await, [404; 6]);
    let used = one.get(JOBS).await;
    assert_eq!(
        (used.status, used.header("inin-ratelimit-count")),
        (200, Some("1"))
    );
    let listed = mock.admin("GET", "/recordings", "").await;
    let journal = mock.admin("GET", "/requests?path=/api/*", "").await;
    assert_eq!(
        (&listed["count"], &journal["count"]),
        (&json!(0), &json!(7))
    );
    let again = mock.add("{}").await;
    assert_eq!(mock.export(&one, &again).await["state"], "FULFILLED");
}

#[tokio::test]
async fn a_recording_that_one_client_added_is_in_no_answer_to_another() {
    let mock = Product::start(&["workload.rate=1/h"]).await;
    let (one, two) = (mock.client(0).await, mock.client(1).await);
    let added = mock.add(r#"{"client": "client-2"}"#).await;
    mock.advance("1s").await;
    let recordings = added.metadata().replace("recordingmetadata", "recordings");
    let (list, _) = recordings.rsplit_once('/').expect("a path");
    let conversation = format!("/api/v2/conversations/{}", added.conversation);
    let query = json!({"interval": "2020-01-01T00:00:00.000Z/2090-01-01T00:00:00.000Z"});
    let details = "/api/v2/analytics/conversations/details/query";
    let retention = "/api/v2/recordings/retention/query?retentionThresholdDays=0";
    for (api, sees) in [(&one, false), (&two, true)] {
        let status = if sees { 200 } else { 404 };
        for path in [&recordings, list, &conversation, &added.forum()] {
            assert_eq!(api.get(path).await.status, status, "{path}");
        }
        let found = api.json("POST", details, &query.to_string()).await;
        assert_eq!(
            found.text.contains(&added.conversation),
            sees,
            "{}",
            found.text
        );
        let kept = api.get(retention).await;
        assert_eq!(
            kept.text.contains(&added.conversation),
            sees,
            "{}",
            kept.text
        );
        let batch = json!({"batchDownloadRequestList": [{"conversationId": added.conversation}]});
        let batch = api
            .json(
                "POST",
                "/api/v2/recording/batchrequests",
                &batch.to_string(),
            )
            .await;
        let path = format!(
            "/api/v2/recording/batchrequests/{}",
            batch.json()["id"].as_str().unwrap()
        );
        mock.advance("10s").await;
        let found = api.get(&path).await;
        assert_eq!(
            found.text.contains("resultUrl\":\"http"),
            sees,
            "{}",
            found.text
        );
    }
    let job = mock.export(&one, &added).await;
    assert_eq!(job["totalRecordings"], 0, "{job}");
}

/// A connected channel of the client that hears of complete metadata.
async fn listening(api: &Http) -> impl StreamExt<Item = Value> + Unpin {
    let channel = api.json("POST", CHANNELS, "").await.json();
    let id = channel["id"].as_str().expect("an id");
    let topics = json!([{"id": READY}]).to_string();
    let path = format!("{CHANNELS}/{id}/subscriptions");
    let taken = api.json("POST", &path, &topics).await;
    assert_eq!(
        taken.json()["entities"][0]["state"],
        "Permitted",
        "{}",
        taken.text
    );
    let url = format!("ws://{}/channels/{id}", api.address);
    let (socket, _) = connect_async(url).await.expect("the channel is there");
    Box::pin(socket.filter_map(async |message| match message {
        Ok(Message::Text(text)) => {
            let frame: Value = serde_json::from_str(&text).expect("JSON");
            (frame["topicName"] == READY).then_some(frame)
        }
        _ => None,
    }))
}

async fn heard(channel: &mut (impl StreamExt<Item = Value> + Unpin)) -> Value {
    let next = tokio::time::timeout(Duration::from_secs(20), channel.next()).await;
    next.expect("a message in time").expect("a message")
}

#[tokio::test]
async fn news_of_held_metadata_come_with_it_and_as_often_as_a_rule_says() {
    let mock = Product::start(&["workload.rate=1/h"]).await;
    let api = mock.client(0).await;
    let mut channel = listening(&api).await;
    let rule = json!({"match": {"path": "/channels"}, "when": {"nth": 2},
                      "fault": {"type": "duplicate-delivery", "copies": 2}});
    mock.admin("POST", "/faults", &rule.to_string()).await;
    let held = mock.add(r#"{"visible": {"metadata": "2s"}}"#).await;
    let free = mock.add(r#"{"visible": {"metadata": "5s"}}"#).await;
    mock.admin("POST", &format!("/recordings/{}/hold", held.recording), "")
        .await;
    mock.advance("1m").await;
    let of = |frame: &Value| {
        frame["eventBody"]["conversationId"]
            .as_str()
            .map(str::to_owned)
    };
    assert_eq!(
        of(&heard(&mut channel).await),
        Some(free.conversation),
        "the other one waits"
    );
    let index = format!("{}?source=index", held.forum());
    assert_eq!(api.get(&index).await.json()["metadata"], json!({}));
    mock.admin(
        "POST",
        &format!("/recordings/{}/release", held.recording),
        "",
    )
    .await;
    for copy in 0..3 {
        let frame = heard(&mut channel).await;
        assert_eq!(
            of(&frame),
            Some(held.conversation.clone()),
            "{copy}: {frame}"
        );
    }
    mock.advance("1m").await;
    assert_ne!(api.get(&index).await.json()["metadata"], json!({}));
}

#[tokio::test]
async fn a_job_fails_when_a_rule_says_so_and_writes_nothing() {
    let mock = Product::start(&["workload.rate=1/h"]).await;
    let api = mock.client(0).await;
    let added = mock.add("{}").await;
    let rule = json!({"match": {"method": "PUT", "path": format!("{JOBS}/*")}, "when": {"count": 1},
                      "fault": {"type": "job-failure"}});
    mock.admin("POST", "/faults", &rule.to_string()).await;
    let failed = mock.export(&api, &added).await;
    assert_eq!(
        (&failed["state"], &failed["totalProcessedRecordings"]),
        (&json!("FAILED"), &json!(0)),
        "{failed}"
    );
    assert!(failed["errorMessage"].is_string(), "{failed}");
    let listed = api.get(&format!("{JOBS}?state=FAILED")).await.json();
    assert_eq!(
        listed["entities"].as_array().map(Vec::len),
        Some(1),
        "{listed}"
    );
    let objects = || {
        let store = mock.mock.server().service().store();
        let page = store.list(&mock.organization(0), &ListQuery::of_prefix(""));
        page.expect("a bucket").objects.len()
    };
    assert_eq!(objects(), 0);
    let fulfilled = mock.export(&api, &added).await;
    assert_eq!(fulfilled["state"], "FULFILLED", "{fulfilled}");
    assert_eq!(objects(), 3, "audio, sidecar, manifest");
}

#[tokio::test]
async fn each_token_has_a_limit_of_its_own() {
    let mock = Product::start(&["platform.api.rate_limit=3/min"]).await;
    let (one, again) = (mock.client(0).await, mock.client(0).await);
    for left in [200, 200, 200, 429] {
        assert_eq!(one.get(JOBS).await.status, left);
    }
    let other = again.get(JOBS).await;
    let counts = (
        other.header("inin-ratelimit-count"),
        other.header("inin-ratelimit-allowed"),
    );
    assert_eq!((other.status, counts), (200, (Some("1"), Some("3"))));
}

#[tokio::test]
async fn a_download_is_resumed_where_it_broke_off() {
    let mock = Product::start(&["workload.rate=1/h"]).await;
    let api = mock.client(0).await;
    let added = mock.add(r#"{"visible": {}}"#).await;
    let path = added.metadata().replace("recordingmetadata", "recordings");
    let shown = api.get(&path).await.json();
    let url = shown["mediaUris"]["0"]["mediaUri"]
        .as_str()
        .expect("an address");
    let path = url
        .strip_prefix("http://x")
        .expect("where the request went");
    let stranger = Http { token: None, ..api };
    let whole = stranger.get(path).await;
    let length: usize = whole.header("content-length").unwrap().parse().unwrap();
    assert_eq!(
        (whole.status, whole.header("accept-ranges")),
        (200, Some("bytes"))
    );
    let part = stranger.send("GET", path, "range: bytes=4-9\r\n", "").await;
    let range = format!("bytes 4-9/{length}");
    assert_eq!(
        (part.status, part.header("content-range")),
        (206, Some(range.as_str()))
    );
    assert_eq!(part.header("content-length"), Some("6"));
    let beyond = stranger
        .send("GET", path, &format!("range: bytes={length}-\r\n"), "")
        .await;
    let range = format!("bytes */{length}");
    assert_eq!(
        (beyond.status, beyond.header("content-range")),
        (416, Some(range.as_str()))
    );
    assert_eq!(beyond.code(), "range.not.satisfiable");
}
