//! The control plane: clock, recordings, holds, journal.

use serde_json::{Value, json};

use crate::product::Product;
use crate::support::Http;

const CALLS: &str = "workload.rate=120/min";

#[tokio::test]
async fn a_recording_appears_at_the_instants_that_were_told() {
    let mock = Product::start(&[]).await;
    let api = mock.client(0).await;
    let added = mock
        .add(
            r#"{"kind": "webrtc", "legalHold": true, "duration": "3s", "visible": {
                "media": "1s", "metadata": "2s", "indexLag": "1s",
                "fields": {"client_ip": "4s", "media_type": null}}}"#,
        )
        .await;
    let index = format!("{}?source=index", added.forum());
    let mut seen = Vec::new();
    for _ in 0..7 {
        let primary = api.get(&added.forum()).await.json();
        let index = api.get(&index).await.json();
        let has = |body: &Value, field: &str| body["metadata"][field].is_string();
        seen.push((
            primary["fileState"] == "AVAILABLE",
            primary["legal_hold_flag"] == true,
            index["legal_hold_flag"] == true,
            has(&primary, "client_ip"),
            has(&primary, "media_type") || has(&index, "media_type"),
        ));
        mock.advance("1s").await;
    }
    let expected = [
        (false, false, false, false, false),
        (true, false, false, false, false),
        (true, true, false, false, false),
        (true, true, true, false, false),
        (true, true, true, true, false),
        (true, true, true, true, false),
        (true, true, true, true, false),
    ];
    assert_eq!(seen, expected);
}

#[tokio::test]
async fn the_journal_says_what_was_visible_when_each_request_was_judged() {
    let mock = Product::start(&[]).await;
    let api = mock.client(0).await;
    let added = mock
        .add(r#"{"visible": {"metadata": "2s", "indexLag": "1s"}}"#)
        .await;
    for _ in 0..4 {
        assert_eq!(api.get(&added.metadata()).await.status, 200);
        mock.advance("1s").await;
    }
    let path = format!("/requests?recording={}", added.recording);
    let journal = mock.admin("GET", &path, "").await;
    let requests = journal["requests"].as_array().expect("a list");
    assert_eq!(journal["count"], 4);
    let seen: Vec<_> = requests
        .iter()
        .map(|request| {
            assert_eq!(request["client"], "client-1");
            assert_eq!(request["status"], 200);
            let recording = &request["recordings"][0];
            assert_eq!(recording["conversationId"], added.conversation);
            let fields = |key: &str| recording[key].as_array().map_or(0, Vec::len);
            (
                request["at"].as_str().expect("an instant"),
                fields("present"),
                fields("indexed"),
                recording["complete"] == true,
            )
        })
        .collect();
    let expected = [
        ("0s", 0, 0, false),
        ("1s", 0, 0, false),
        ("2s", 6, 0, false),
        ("3s", 6, 6, true),
    ];
    assert_eq!(seen, expected);
}

#[tokio::test]
async fn the_journal_names_the_recordings_of_a_job() {
    let mock = Product::start(&[]).await;
    let api = mock.client(0).await;
    let (one, two) = (mock.add("{}").await, mock.add("{}").await);
    let query = crate::support::export_of(&[one.conversation, two.conversation])
        .replace("2026-03-01", "2020-01-01")
        .replace("2026-03-30", "2090-01-01");
    let job = api.json("POST", "/api/v2/recording/jobs", &query).await;
    assert_eq!(job.status, 202, "{}", job.text);
    let path = format!(
        "/api/v2/recording/jobs/{}",
        job.json()["id"].as_str().unwrap()
    );
    let started = api.json("PUT", &path, r#"{"state": "PROCESSING"}"#).await;
    assert_eq!(started.status, 200, "{}", started.text);
    let journal = mock
        .admin("GET", "/requests?path=/api/v2/recording/jobs*", "")
        .await;
    for request in journal["requests"].as_array().expect("a list") {
        let recordings = request["recordings"].as_array().map(Vec::len);
        assert_eq!(recordings, Some(2), "{request}");
    }
    assert_eq!(journal["count"], 2);
}

#[tokio::test]
async fn a_damaged_recording_is_an_error_to_whom_it_is_meant_until_it_is_repaired() {
    let mock = Product::start(&[]).await;
    let (api, other) = (mock.client(0).await, mock.client(1).await);
    let added = mock.add(r#"{"visible": {"media": "2s"}}"#).await;
    let one = added.metadata().replace("recordingmetadata", "recordings");
    let path = format!("/recordings/{}", added.recording);
    let state = async |api: &Http| api.get(&added.metadata()).await.json()["fileState"].clone();
    let body = r#"{"client": "client-1"}"#;
    mock.admin("POST", &format!("{path}/damage"), body).await;
    assert_eq!(state(&api).await, "UPLOADING", "it is not there yet");
    mock.advance("2s").await;
    let shown = api.get(&one).await;
    assert_eq!(shown.status, 200, "it will never be more ready than this");
    assert_eq!(shown.json()["fileState"], "ERROR");
    assert_eq!(shown.json()["mediaUris"], Value::Null);
    assert_eq!(state(&api).await, "ERROR");
    assert_eq!(state(&other).await, "AVAILABLE");
    let asked = json!({"batchDownloadRequestList": [{"conversationId": added.conversation}]});
    let batches = "/api/v2/recording/batchrequests";
    let batch = api.json("POST", batches, &asked.to_string()).await.json();
    mock.advance("1s").await;
    let batch = format!("{batches}/{}", batch["id"].as_str().unwrap());
    let result = api.get(&batch).await.json()["results"][0].clone();
    assert_eq!(result["errorMsg"], "The recording is damaged.", "{result}");
    mock.admin("POST", &format!("{path}/repair"), "").await;
    assert!(api.get(&one).await.json()["mediaUris"]["0"].is_object());
    mock.admin("POST", &format!("{path}/damage"), "").await;
    assert_eq!(
        (state(&api).await, state(&other).await),
        ("ERROR".into(), "ERROR".into())
    );
    mock.admin("POST", "/reset", "").await;
    let unknown = mock.ask("POST", "/recordings/nobody/damage", "").await;
    assert_eq!(unknown.status, 404);
}

#[tokio::test]
async fn a_recording_that_is_held_back_comes_when_it_is_released() {
    let mock = Product::start(&["workload.rate=1/h"]).await;
    let api = mock.client(0).await;
    let added = mock.add(r#"{"visible": {"metadata": "2s"}}"#).await;
    let flag = async || api.get(&added.metadata()).await.json()["legal_hold_flag"].clone();
    let path = format!("/recordings/{}", added.recording);
    mock.admin("POST", &format!("{path}/hold"), "").await;
    mock.advance("1h").await;
    assert_eq!(flag().await, Value::Null);
    mock.admin("POST", &format!("{path}/release"), "").await;
    assert_eq!(flag().await, false);
    let again = mock.ask("POST", &format!("{path}/release"), "").await;
    assert_eq!(again.status, 400);
    assert!(again.text.contains("not held back"), "{}", again.text);
    // What was visible stays visible.
    mock.admin("POST", &format!("{path}/hold"), "").await;
    assert_eq!(flag().await, false);
}

#[tokio::test]
async fn a_hold_on_one_field_for_one_client_touches_nothing_else() {
    let mock = Product::start(&[]).await;
    let (one, two) = (mock.client(0).await, mock.client(1).await);
    let added = mock.add(r#"{"visible": {"metadata": "2s"}}"#).await;
    let hold = format!("/recordings/{}/hold", added.conversation);
    let body = r#"{"fields": ["client_ip"], "client": "client-1"}"#;
    mock.admin("POST", &hold, body).await;
    mock.advance("3s").await;
    let (first, second) = (
        one.get(&added.metadata()).await.json(),
        two.get(&added.metadata()).await.json(),
    );
    assert_eq!(first["legal_hold_flag"], false);
    assert_eq!(first.get("client_ip"), None);
    assert!(second["client_ip"].is_string());
    mock.admin("POST", "/reset", r#"{"client": "client-1"}"#)
        .await;
    assert!(one.get(&added.metadata()).await.json()["client_ip"].is_string());
}

#[tokio::test]
async fn a_clock_that_jumps_finds_what_a_clock_that_steps_finds() {
    let (jumping, stepping) = (
        Product::start(&[CALLS, "platform.metadata.lag=9s"]).await,
        Product::start(&[CALLS, "platform.metadata.lag=9s"]).await,
    );
    jumping.advance("61s").await;
    for _ in 0..122 {
        stepping.advance("500ms").await;
    }
    let seen = async |mock: &Product| {
        let listed = mock.admin("GET", "/recordings?limit=1000", "").await;
        let recordings = listed["recordings"].as_array().expect("a list").clone();
        let key = |recording: &Value| {
            (
                recording["recordingId"].to_string(),
                recording["clients"]["client-1"].to_string(),
            )
        };
        recordings.iter().map(key).collect::<Vec<_>>()
    };
    let (jumped, stepped) = (seen(&jumping).await, seen(&stepping).await);
    assert!(jumped.len() > 60, "{}", jumped.len());
    assert!(
        jumped
            .iter()
            .any(|(_, visible)| visible.contains(r#""complete":true"#))
    );
    assert!(
        jumped
            .iter()
            .any(|(_, visible)| visible.contains(r#""complete":false"#))
    );
    assert_eq!(jumped, stepped);
}

#[tokio::test]
async fn a_recording_of_one_client_is_nobody_elses() {
    let mock = Product::start(&[]).await;
    let (one, two) = (mock.client(0).await, mock.client(1).await);
    let added = mock.add(r#"{"client": "client-2"}"#).await;
    assert_eq!(one.get(&added.metadata()).await.status, 404);
    assert_eq!(two.get(&added.metadata()).await.status, 200);
}

#[tokio::test]
async fn counts_are_verified_and_a_broken_one_fails_the_call() {
    let mock = Product::start(&[]).await;
    let api = mock.client(0).await;
    for _ in 0..3 {
        api.get("/api/v2/recording/jobs").await;
    }
    let verify = async |body: Value| {
        mock.ask("POST", "/requests/verify", &body.to_string())
            .await
    };
    let matching = json!({"method": "get", "path": "/api/v2/recording/*", "client": "client-1"});
    for (key, count, status) in [
        ("exactly", 3, 200),
        ("atLeast", 3, 200),
        ("atMost", 3, 200),
        ("exactly", 2, 417),
        ("atLeast", 4, 417),
        ("atMost", 2, 417),
    ] {
        let answer = verify(json!({"match": matching, key: count})).await;
        assert_eq!(answer.status, status, "{key} {count}: {}", answer.text);
    }
    let answer = verify(json!({"match": matching, "exactly": 2})).await;
    assert_eq!(answer.code(), "not.verified");
    assert!(
        answer
            .text
            .contains("Expected exactly 2 matching requests, found 3.")
    );
    let answer = verify(json!({"match": {"client": "client-2"}, "exactly": 0})).await;
    assert_eq!(answer.json(), json!({"count": 0, "forgotten": 0}));
    assert_eq!(
        verify(json!({"match": {"client": "nobody"}})).await.status,
        400
    );
    mock.admin("DELETE", "/requests", "").await;
    assert_eq!(verify(json!({"exactly": 0})).await.status, 200);
}

#[tokio::test]
async fn the_clock_is_read_set_and_paced() {
    let mock = Product::start(&[]).await;
    let clock = mock.admin("GET", "/clock", "").await;
    assert_eq!(
        (&clock["now"], &clock["pace"]),
        (&json!("0s"), &json!("manual"))
    );
    let clock = mock.admin("PUT", "/clock", r#"{"now": "1m30s"}"#).await;
    assert_eq!(clock["now"], "90s");
    let date = clock["date"].as_str().expect("a date").replace(':', "%3A");
    let back = mock.ask("PUT", "/clock", r#"{"now": "5s"}"#).await;
    assert_eq!(back.status, 400);
    assert!(back.text.contains("only goes forward"), "{}", back.text);
    for (body, about) in [
        (r#"{"pace": "x0"}"#, "is no pace"),
        (r#"{"date": "today"}"#, "is no ISO 8601 date"),
        (r#"{"now": "1"}"#, "without a unit"),
        (r#"{"speed": 1}"#, "unknown field `speed`"),
        ("[", "does not fit"),
    ] {
        let answer = mock.ask("PUT", "/clock", body).await;
        assert_eq!(answer.status, 400, "{body}");
        assert!(answer.text.contains(about), "{body}: {}", answer.text);
    }
    assert!(!date.is_empty());
    let clock = mock.admin("PUT", "/clock", r#"{"pace": "x0.001"}"#).await;
    assert_eq!(clock["pace"], "x0.001");
}

#[tokio::test]
async fn bad_recordings_and_unknown_ids_are_refused_with_the_reason() {
    let mock = Product::start(&[]).await;
    for (body, about) in [
        (r#"{"kind": "fax"}"#, "not `fax`"),
        (r#"{"duration": "2h"}"#, "at most an hour"),
        (
            r#"{"visible": {"fields": {"colour": "1s"}}}"#,
            "no metadata field",
        ),
        (r#"{"client": "nobody"}"#, "no client `nobody`"),
        (r#"{"visible": {"media": 5}}"#, "does not fit"),
    ] {
        let answer = mock.ask("POST", "/recordings", body).await;
        assert_eq!(answer.status, 400, "{body}");
        assert!(answer.text.contains(about), "{body}: {}", answer.text);
    }
    assert_eq!(mock.ask("GET", "/recordings/none", "").await.status, 404);
    assert_eq!(mock.ask("GET", "/nonsense", "").await.status, 404);
    assert_eq!(mock.ask("PATCH", "/clock", "").await.status, 405);
}

#[tokio::test]
async fn what_stands_beside_the_api_refuses_with_a_body_too() {
    let mock = Product::start(&[]).await;
    for (method, path, status, code) in [
        ("GET", "/signalling", 400, "bad.request"),
        ("POST", "/signalling", 405, "method.not.allowed"),
        ("GET", "/whip", 405, "method.not.allowed"),
        ("BREW", "/whip/x", 405, "method.not.allowed"),
    ] {
        let answer = mock.api.send(method, path, "", "").await;
        assert_eq!(
            (answer.status, answer.code().as_str()),
            (status, code),
            "{method} {path}: {}",
            answer.text
        );
    }
    let told = mock.api.get("/signalling").await.json();
    let message = told["message"].as_str().expect("a message");
    assert!(message.contains("upgrade"), "{message}");
}
