//! The shape of every answer.

use std::time::{Duration, Instant};

use mock_api::http::ApiConfig;
use mock_api::storage::sidecar::Dialect;
use racegate_model::field::Kind;
use racegate_model::scenario::{GroupSource, RateLimit};
use racegate_model::timeline::Hold;

use crate::support::{EPOCH, Http, World, conversation, millis, platform, recording};

const FORM: &str = "content-type: application/x-www-form-urlencoded\r\n";

#[tokio::test]
async fn a_client_logs_in_by_header_or_form_and_not_with_a_wrong_secret() {
    let world = World::start(platform()).await;
    let credentials = world.tenant_config(0).credentials.clone();
    let (id, secret) = (credentials.client_id, credentials.client_secret);
    world.tenant(0).await;
    let form = format!("grant_type=client_credentials&client_id={id}&client_secret={secret}");
    let granted = world.api().send("POST", "/oauth/token", FORM, &form).await;
    assert_eq!(granted.status, 200);
    assert_eq!(granted.json()["token_type"], "bearer");
    assert_eq!(granted.json()["expires_in"], 86_399);
    assert!(granted.json()["access_token"].as_str().unwrap().len() > 40);
    assert!(granted.header("inin-correlation-id").is_some());

    let wrong = format!("grant_type=client_credentials&client_id={id}&client_secret=guess");
    let refused = world.api().send("POST", "/oauth/token", FORM, &wrong).await;
    assert_eq!(
        (refused.status, refused.code().as_str()),
        (401, "bad.credentials")
    );
    assert_eq!(refused.json()["error"], "invalid_client");
    let password = world
        .api()
        .send("POST", "/oauth/token", FORM, "grant_type=password")
        .await;
    assert_eq!(
        (password.status, password.code().as_str()),
        (400, "bad.request")
    );
    let json = world.api().json("POST", "/oauth/token", "{}").await;
    assert_eq!(
        (json.status, json.code().as_str()),
        (415, "unsupported.media.type")
    );
}

#[tokio::test]
async fn without_a_token_there_is_nothing_to_see() {
    let world = World::start(platform()).await;
    let missing = world.api().get("/api/v2/recording/jobs").await;
    assert_eq!(
        (missing.status, missing.code().as_str()),
        (401, "authentication.required")
    );
    assert!(missing.header("inin-ratelimit-count").is_none());
    let guess = Http {
        token: Some("guess".into()),
        ..world.api()
    };
    let bad = guess.get("/api/v2/nonsense").await;
    assert_eq!((bad.status, bad.code().as_str()), (401, "bad.credentials"));
    let health = world.api().get("/healthz").await;
    assert_eq!(
        (health.status, health.text.as_str()),
        (200, r#"{"status":"ok"}"#)
    );
}

#[tokio::test]
async fn every_answer_says_how_much_of_the_limit_is_used() {
    let mut spec = platform();
    let window = racegate_model::time::Duration::from_secs(3600);
    spec.api.rate_limit = Some(RateLimit { calls: 3, window });
    let world = World::start(spec).await;
    let (first, second) = (world.tenant(0).await, world.tenant(1).await);
    for (used, path) in [("1", "/api/v2/recording/jobs"), ("2", "/api/v2/nonsense")] {
        let answer = first.get(path).await;
        assert_eq!(answer.header("inin-ratelimit-count"), Some(used));
        assert_eq!(answer.header("inin-ratelimit-allowed"), Some("3"));
        let reset: u64 = answer
            .header("inin-ratelimit-reset")
            .unwrap()
            .parse()
            .unwrap();
        assert!((3500..=3600).contains(&reset), "{reset}");
    }
    first.get("/api/v2/recording/jobs").await;
    let refused = first.get("/api/v2/recording/jobs").await;
    assert_eq!(refused.status, 429);
    assert_eq!(refused.code(), "too.many.requests.retry.after");
    let after: u64 = refused.header("retry-after").unwrap().parse().unwrap();
    let exact: u64 = refused
        .header("x-racegate-retry-after-ms")
        .unwrap()
        .parse()
        .unwrap();
    assert_eq!(after, exact.div_ceil(1000));
    let message =
        format!("Rate limit exceeded the maximum. Retry the request in [{after}] seconds");
    assert_eq!(refused.json()["message"], message);
    assert_eq!(refused.header("inin-ratelimit-count"), Some("3"));
    assert_eq!(
        second.get("/api/v2/recording/jobs").await.status,
        200,
        "a limit is per tenant"
    );
}

#[tokio::test]
async fn a_recording_is_202_until_its_media_is_there() {
    let mut spec = platform();
    spec.kinds.webrtc.media_lag = millis(300);
    let world = World::start(spec).await;
    let api = world.tenant(0).await;
    let base = format!("/api/v2/conversations/{}", conversation(1));
    let one = format!("{base}/recordings/{}", recording(1));
    assert_eq!(api.get(&one).await.code(), "not.found");
    world.end_call(1, Kind::Webrtc, Hold::Held);
    for path in [one.clone(), format!("{base}/recordings")] {
        let early = api.get(&path).await;
        assert_eq!((early.status, early.text.as_str()), (202, ""));
    }
    let metadata = api
        .get(&format!("{base}/recordingmetadata/{}", recording(1)))
        .await
        .json();
    assert_eq!(metadata["fileState"], "UPLOADING");
    assert!(metadata.get("annotations").is_none());

    let begin = Instant::now();
    let waited = api.get(&format!("{base}/recordings?maxWaitMs=5000")).await;
    assert_eq!(waited.status, 200);
    assert!(
        begin.elapsed() < Duration::from_secs(2),
        "{:?}",
        begin.elapsed()
    );
    let recordings = waited.json();
    assert_eq!(recordings.as_array().unwrap().len(), 1);
    let shown = &recordings[0];
    assert_eq!(shown["id"], recording(1).to_string());
    assert_eq!(shown["conversationId"], conversation(1).to_string());
    assert_eq!(shown["fileState"], "AVAILABLE");
    assert_eq!(shown["media"], "audio");
    assert_eq!(shown["mediaSubtype"], "Station");
    assert!(shown["startTime"].as_str().unwrap().ends_with('Z'));
    assert_eq!(shown["exportedDate"], serde_json::Value::Null);
    let metadata = api.get(&format!("{base}/recordingmetadata")).await.json();
    assert_eq!(metadata[0]["fileState"], "AVAILABLE");
    assert_eq!(metadata[0]["annotations"], serde_json::json!([]));
    assert_eq!(metadata[0]["startTime"], serde_json::Value::Null);
}

#[tokio::test]
async fn a_long_poll_ends_at_its_limit() {
    let mut spec = platform();
    spec.kinds.webrtc.media_lag = millis(60_000);
    let world = World::start(spec).await;
    let api = world.tenant(0).await;
    world.end_call(1, Kind::Webrtc, Hold::Free);
    let begin = Instant::now();
    let path = format!(
        "/api/v2/conversations/{}/recordings?maxWaitMs=100",
        conversation(1)
    );
    assert_eq!(api.get(&path).await.status, 202);
    assert!(begin.elapsed() >= Duration::from_millis(100));
    let bad = api.get(&path.replace("=100", "=0")).await;
    assert_eq!((bad.status, bad.code().as_str()), (400, "invalid.value"));
}

#[tokio::test]
async fn the_forums_recording_says_what_is_visible_and_no_more() {
    let mut spec = platform();
    spec.kinds.webrtc.groups[2].source = GroupSource::Nobody;
    spec.index.lag = millis(60_000);
    let world = World::start(spec).await;
    let api = world.tenant(0).await;
    world.end_call(1, Kind::Webrtc, Hold::Held);
    world.end_call(2, Kind::Sip, Hold::Held);
    for id in [recording(1).to_string(), conversation(1).to_string()] {
        let shown = api
            .get(&format!("/api/v2/recordings/recording/{id}"))
            .await
            .json();
        assert_eq!(shown["id"], recording(1).to_string());
        assert_eq!(shown["state"], "COMPLETED", "whatever the fields do");
        assert!(shown.get("legal_hold_flag").is_none(), "absent, not null");
        assert_eq!(shown["media_type"], "webrtc");
        assert!(shown["metadata"]["start_time"].is_string());
        assert!(shown["metadata"]["client_ip"].is_string());
        assert_eq!(shown["fileState"], "AVAILABLE");
    }
    let held = api
        .get(&format!("/api/v2/recordings/recording/{}", recording(2)))
        .await
        .json();
    assert_eq!(held["legal_hold_flag"], true);
    assert_eq!(held["state"], "COMPLETED");
    let index = format!("/api/v2/recordings/recording/{}?source=index", recording(2));
    let index = api.get(&index).await.json();
    assert_eq!(
        index.get("legal_hold_flag"),
        Some(&serde_json::Value::Null),
        "null, not absent"
    );
    let bad = api
        .get(&format!(
            "/api/v2/recordings/recording/{}?source=x",
            recording(2)
        ))
        .await;
    assert_eq!(bad.code(), "invalid.value");
    let real = format!(
        "/api/v2/conversations/{}/recordingmetadata/{}",
        conversation(2),
        recording(2)
    );
    assert_eq!(
        api.get(&real).await.json()["legal_hold_flag"],
        true,
        "it rides along"
    );
}

#[tokio::test]
async fn the_forums_dialect_can_be_switched_off() {
    let config = ApiConfig {
        dialect: Dialect::Genesys,
        ..ApiConfig::new(EPOCH)
    };
    let world = World::start_with(platform(), config).await;
    let api = world.tenant(0).await;
    world.end_call(1, Kind::Webrtc, Hold::Held);
    let forum = api
        .get(&format!("/api/v2/recordings/recording/{}", recording(1)))
        .await;
    assert_eq!(forum.code(), "not.found");
    let path = format!("/api/v2/conversations/{}/recordings", conversation(1));
    let shown = api.get(&path).await.json();
    assert!(shown[0]["startTime"].is_string());
    assert!(shown[0].get("legal_hold_flag").is_none() && shown[0].get("state").is_none());
}

#[tokio::test]
async fn a_recording_of_another_conversation_is_not_found() {
    let world = World::start(platform()).await;
    let api = world.tenant(0).await;
    world.end_call(1, Kind::Sip, Hold::Free);
    world.end_call(2, Kind::Sip, Hold::Free);
    for path in [
        format!("{}/recordings/{}", conversation(1), recording(2)),
        format!("{}/recordings/{}", conversation(1), conversation(1)),
        format!("{}/recordingmetadata/{}", conversation(2), recording(1)),
        format!("{}/recordings", conversation(3)),
        format!("{}/recordings", recording(1)),
        "%ff%fe/recordings".to_owned(),
    ] {
        let answer = api.get(&format!("/api/v2/conversations/{path}")).await;
        assert_eq!(
            (answer.status, answer.code().as_str()),
            (404, "not.found"),
            "{path}"
        );
    }
}
