//! The lagging API in somebody else's wiremock server is the API itself.
#![expect(clippy::unwrap_used, reason = "everything here is a test")]

use std::time::Duration;

use mock_api::wiremock::{EndedCall, LaggingApi};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use wiremock::matchers::any;
use wiremock::{Mock, MockServer};

struct Answer {
    status: u16,
    head: String,
    body: Value,
}

async fn ask(server: &MockServer, line: &str, head: &str, body: &str) -> Answer {
    let mut stream = TcpStream::connect(server.address()).await.unwrap();
    let text = format!(
        "{line} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n{head}content-length: {}\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(text.as_bytes()).await.unwrap();
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).await.unwrap();
    let text = String::from_utf8(bytes).unwrap();
    let (head, body) = text.split_once("\r\n\r\n").unwrap();
    Answer {
        status: head.split(' ').nth(1).unwrap().parse().unwrap(),
        head: head.to_ascii_lowercase(),
        body: serde_json::from_str(body).unwrap_or(Value::Null),
    }
}

async fn mounted(changes: &[&str]) -> (LaggingApi, MockServer, String) {
    let api = LaggingApi::new(changes).unwrap();
    let server = MockServer::start().await;
    Mock::given(any())
        .respond_with(api.clone())
        .mount(&server)
        .await;
    let form = format!(
        "grant_type=client_credentials&client_id={}&client_secret={}",
        api.client_id(),
        api.client_secret()
    );
    let head = "content-type: application/x-www-form-urlencoded\r\n";
    let grant = ask(&server, "POST /oauth/token", head, &form).await;
    let token = grant.body["access_token"].as_str().expect("a token");
    let bearer = format!("authorization: Bearer {token}\r\n");
    (api, server, bearer)
}

fn metadata(call: EndedCall) -> String {
    let EndedCall {
        conversation,
        recording,
        ..
    } = call;
    format!("GET /api/v2/conversations/{conversation}/recordingmetadata/{recording}")
}

#[tokio::test]
async fn metadata_comes_when_the_tests_clock_says_so() {
    let (api, server, bearer) = mounted(&["platform.metadata.lag=5s"]).await;
    let call = api.end_call();
    let flag = async || {
        let answer = ask(&server, &metadata(call), &bearer, "").await;
        assert_eq!(answer.status, 200);
        assert!(answer.head.contains("\r\ncontent-type: application/json"));
        assert!(answer.head.contains("\r\ninin-ratelimit-count: "));
        answer.body["legal_hold_flag"].clone()
    };
    assert_eq!(flag().await, Value::Null);
    api.advance(Duration::from_millis(4_999));
    assert_eq!(flag().await, Value::Null);
    api.advance(Duration::from_millis(1));
    assert_eq!(flag().await, false);
}

#[tokio::test]
async fn a_job_runs_and_refusals_are_the_apis_own() {
    let (api, server, bearer) = mounted(&[]).await;
    let call = api.end_call();
    api.advance(Duration::from_secs(60));
    let query = json!({
        "action": "EXPORT", "actionDate": "2026-03-07T09:00:00.000Z", "integrationId": "i",
        "conversationQuery": {
            "interval": "2020-01-01T00:00:00.000Z/2090-01-01T00:00:00.000Z",
            "conversationFilters": [{"type": "or", "predicates": [{
                "type": "dimension", "dimension": "conversationId", "operator": "matches",
                "value": call.conversation.to_string()}]}],
        },
    });
    let head = format!("{bearer}content-type: application/json\r\n");
    let made = ask(
        &server,
        "POST /api/v2/recording/jobs",
        &head,
        &query.to_string(),
    )
    .await;
    assert_eq!(made.status, 202, "{}", made.body);
    api.advance(Duration::from_secs(60));
    let path = format!(
        "/api/v2/recording/jobs/{}",
        made.body["id"].as_str().unwrap()
    );
    let start = format!("PUT {path}");
    let started = ask(&server, &start, &head, r#"{"state": "PROCESSING"}"#).await;
    assert_eq!(started.status, 200, "{}", started.body);
    api.advance(Duration::from_secs(60));
    let done = ask(&server, &format!("GET {path}"), &bearer, "").await;
    assert_eq!(done.body["state"], "FULFILLED", "{}", done.body);

    let refused = ask(&server, "GET /api/v2/recording/jobs", "", "").await;
    assert_eq!(refused.status, 401);
    assert_eq!(refused.body["code"], "authentication.required");
    let nowhere = ask(&server, "GET /elsewhere", "", "").await;
    assert_eq!(
        (nowhere.status, &nowhere.body["code"]),
        (404, &json!("not.found"))
    );
}

#[tokio::test]
async fn a_long_poll_gets_the_answer_of_the_instant() {
    let (api, server, bearer) = mounted(&["platform.media.lag=1h"]).await;
    let call = api.end_call();
    let (conversation, recording) = (call.conversation, call.recording);
    let path =
        format!("GET /api/v2/conversations/{conversation}/recordings/{recording}?maxWaitMs=60000");
    assert_eq!(ask(&server, &path, &bearer, "").await.status, 202);
    api.advance(Duration::from_secs(3_600));
    let there = ask(&server, &path, &bearer, "").await;
    assert_eq!(
        (there.status, &there.body["fileState"]),
        (200, &json!("AVAILABLE"))
    );
}
