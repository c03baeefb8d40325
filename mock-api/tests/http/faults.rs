//! The faults, one by one, and what a plain client saw of each.

use std::io::ErrorKind;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use wiremock::matchers::method;
use wiremock::{Mock, MockServer, ResponseTemplate};

use crate::product::Product;
use crate::support::Http;

const JOBS: &str = "/api/v2/recording/jobs";

/// What a client that knows nothing of faults saw.
#[derive(Debug)]
struct Saw {
    status: Option<u16>,
    head: String,
    body: String,
    /// How the connection ended.
    end: Result<(), ErrorKind>,
    took: Duration,
}

impl Saw {
    fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| {
            let (key, value) = line.split_once(':')?;
            key.eq_ignore_ascii_case(name).then(|| value.trim())
        })
    }

    fn error(&self) -> Value {
        let body: Value = serde_json::from_str(&self.body).expect("an error body");
        assert_eq!(body["status"], self.status.expect("a status"));
        assert_eq!(
            body["contextId"].as_str(),
            self.header("inin-correlation-id")
        );
        body
    }
}

/// One request on a connection of its own, read until the connection ends.
async fn request(api: &Http, method: &str, path: &str, body: &str) -> Saw {
    let token = api.token.as_deref().unwrap_or_default();
    let text = format!(
        "{method} {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\
         authorization: Bearer {token}\r\ncontent-type: application/json\r\n\
         content-length: {}\r\n\r\n{body}",
        body.len()
    );
    let began = Instant::now();
    let mut stream = TcpStream::connect(api.address).await.expect("it listens");
    stream.write_all(text.as_bytes()).await.expect("it reads");
    read(stream, began).await
}

async fn read(mut stream: TcpStream, began: Instant) -> Saw {
    let mut bytes = Vec::new();
    let read = stream.read_to_end(&mut bytes);
    let end = tokio::time::timeout(Duration::from_secs(20), read).await;
    let end = end.expect("it answers or ends").map(drop);
    let text = String::from_utf8_lossy(&bytes).into_owned();
    let (head, body) = text.split_once("\r\n\r\n").unwrap_or((&text, ""));
    Saw {
        status: head.split(' ').nth(1).and_then(|code| code.parse().ok()),
        head: head.to_owned(),
        body: body.to_owned(),
        end: end.map_err(|error| error.kind()),
        took: began.elapsed(),
    }
}

/// A mock with one rule that strikes once.
async fn struck(fault: Value) -> (Product, Http) {
    let mock = Product::start(&[]).await;
    let api = mock.client(0).await;
    let rule = json!({"match": {"path": "/api/*"}, "when": {"count": 1}, "fault": fault});
    mock.admin("POST", "/faults", &rule.to_string()).await;
    (mock, api)
}

/// The rule has struck once, the next request meets nothing, and the journal says so.
async fn healed(mock: &Product, api: &Http, status: Value) {
    assert_eq!(request(api, "GET", JOBS, "").await.status, Some(200));
    let rules = mock.admin("GET", "/faults", "").await;
    assert_eq!(rules["faults"][0]["fired"], 1, "{rules}");
    let journal = mock.admin("GET", "/requests?path=/api/*", "").await;
    assert_eq!(journal["requests"][0]["fault"], 1, "{journal}");
    assert_eq!(journal["requests"][0]["status"], status, "{journal}");
    assert_eq!(journal["requests"][1].get("fault"), None, "{journal}");
}

#[tokio::test]
async fn too_many_requests_says_when_to_come_back_or_does_not() {
    let fault = json!({"type": "too-many-requests", "retryAfter": 7});
    let (mock, api) = struck(fault).await;
    let saw = request(&api, "GET", JOBS, "").await;
    assert_eq!(
        (saw.status, saw.header("retry-after")),
        (Some(429), Some("7"))
    );
    assert_eq!(saw.error()["code"], "too.many.requests.retry.after");
    assert!(saw.body.contains("Retry the request in [7] seconds"));
    healed(&mock, &api, json!(429)).await;

    let (mock, api) = struck(json!({"type": "too-many-requests"})).await;
    let saw = request(&api, "GET", JOBS, "").await;
    assert_eq!((saw.status, saw.header("retry-after")), (Some(429), None));
    assert_eq!(saw.error()["code"], "too.many.requests");
    healed(&mock, &api, json!(429)).await;
}

#[tokio::test]
async fn service_unavailable_says_when_to_come_back_or_does_not() {
    let date = "Wed, 21 Oct 2026 07:28:00 GMT";
    for retry_after in [Some(date), None] {
        let mut fault = json!({"type": "service-unavailable"});
        if let Some(date) = retry_after {
            fault["retryAfter"] = json!(date);
        }
        let (mock, api) = struck(fault).await;
        let saw = request(&api, "GET", JOBS, "").await;
        assert_eq!(
            (saw.status, saw.header("retry-after")),
            (Some(503), retry_after)
        );
        assert_eq!(saw.error()["code"], "service.unavailable");
        healed(&mock, &api, json!(503)).await;
    }
}

#[tokio::test]
async fn a_reset_comes_after_the_job_was_made_and_a_retry_makes_another() {
    let (mock, api) = struck(json!({"type": "reset"})).await;
    let query = crate::support::export_of(&[]);
    let saw = request(&api, "POST", JOBS, &query).await;
    assert_eq!(
        (saw.status, saw.end),
        (None, Err(ErrorKind::ConnectionReset))
    );
    assert_eq!(request(&api, "POST", JOBS, &query).await.status, Some(202));
    let jobs = request(&api, "GET", JOBS, "").await;
    let jobs: Value = serde_json::from_str(&jobs.body).expect("a listing");
    assert_eq!(jobs["entities"].as_array().map(Vec::len), Some(2), "{jobs}");
    healed(&mock, &api, Value::Null).await;
}

#[tokio::test]
async fn a_reset_before_leaves_no_trace() {
    let (mock, api) = struck(json!({"type": "reset", "moment": "before"})).await;
    let saw = request(&api, "POST", JOBS, &crate::support::export_of(&[])).await;
    assert_eq!(
        (saw.status, saw.end),
        (None, Err(ErrorKind::ConnectionReset))
    );
    let jobs = request(&api, "GET", JOBS, "").await;
    assert!(jobs.body.contains(r#""entities":[]"#), "{}", jobs.body);
    healed(&mock, &api, Value::Null).await;
}

#[tokio::test]
async fn a_hang_says_nothing_for_as_long_as_it_was_told() {
    let (mock, api) = struck(json!({"type": "hang", "lasting": "200ms"})).await;
    let saw = request(&api, "GET", JOBS, "").await;
    assert_eq!(
        (saw.status, saw.end),
        (None, Err(ErrorKind::ConnectionReset))
    );
    assert!(saw.took >= Duration::from_millis(200), "{:?}", saw.took);
    healed(&mock, &api, Value::Null).await;
}

#[tokio::test]
async fn a_delay_is_late_and_whole() {
    let (mock, api) = struck(json!({"type": "delay", "lasting": "200ms"})).await;
    let saw = request(&api, "GET", JOBS, "").await;
    assert_eq!((saw.status, saw.end), (Some(200), Ok(())));
    assert!(saw.took >= Duration::from_millis(200), "{:?}", saw.took);
    healed(&mock, &api, json!(200)).await;
}

#[tokio::test]
async fn a_slow_body_comes_in_pieces_and_whole() {
    let fault = json!({"type": "slow-body", "chunk": 20, "every": "20ms"});
    let (mock, api) = struck(fault).await;
    let saw = request(&api, "GET", JOBS, "").await;
    assert_eq!((saw.status, saw.end), (Some(200), Ok(())));
    let pieces = u32::try_from(saw.body.len().div_ceil(20)).expect("it is short");
    assert!(pieces > 2);
    assert!(
        saw.took >= Duration::from_millis(20) * pieces,
        "{:?}",
        saw.took
    );
    assert_eq!(saw.body, request(&api, "GET", JOBS, "").await.body);
    healed(&mock, &api, json!(200)).await;
}

#[tokio::test]
async fn a_truncated_body_is_shorter_than_its_length_says() {
    let (mock, api) = struck(json!({"type": "truncated-body", "keep": 10})).await;
    let saw = request(&api, "GET", JOBS, "").await;
    assert_eq!((saw.status, saw.body.len()), (Some(200), 10));
    let said: usize = saw
        .header("content-length")
        .expect("a length")
        .parse()
        .unwrap();
    assert!(said > 10);
    healed(&mock, &api, json!(200)).await;
}

#[tokio::test]
async fn an_expired_token_is_refused_until_the_next_login() {
    let (mock, api) = struck(json!({"type": "token-expiry"})).await;
    for _ in 0..2 {
        let saw = request(&api, "GET", JOBS, "").await;
        assert_eq!(saw.status, Some(401));
        assert_eq!(saw.error()["code"], "bad.credentials");
    }
    let again = mock.client(0).await;
    assert_eq!(request(&again, "GET", JOBS, "").await.status, Some(200));
    let expired = mock
        .admin("POST", "/tokens/expire", r#"{"client": "client-1"}"#)
        .await;
    assert_eq!(expired["expired"], 1);
    assert_eq!(request(&again, "GET", JOBS, "").await.status, Some(401));
}

/// Opens a WebSocket by hand.
async fn websocket(api: &Http) -> TcpStream {
    let text = "GET /signalling HTTP/1.1\r\nhost: localhost\r\nupgrade: websocket\r\n\
                connection: upgrade\r\nsec-websocket-version: 13\r\n\
                sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
    let mut stream = TcpStream::connect(api.address).await.expect("it listens");
    stream.write_all(text.as_bytes()).await.expect("it reads");
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.expect("an answer"));
    }
    assert!(
        head.starts_with(b"HTTP/1.1 101"),
        "{}",
        String::from_utf8_lossy(&head)
    );
    stream
}

#[tokio::test]
async fn a_websocket_is_cut_when_a_rule_or_the_control_plane_says_so() {
    let mock = Product::start(&[]).await;
    let rule = json!({"match": {"path": "/signalling"}, "when": {"count": 1},
                      "fault": {"type": "websocket-drop", "lasting": "50ms"}});
    mock.admin("POST", "/faults", &rule.to_string()).await;
    let began = Instant::now();
    let saw = read(websocket(&mock.api).await, began).await;
    assert_eq!(saw.end, Err(ErrorKind::ConnectionReset));
    assert!(saw.took >= Duration::from_millis(50), "{:?}", saw.took);

    let open = websocket(&mock.api).await;
    let dropped = mock.admin("POST", "/websockets/drop", "").await;
    assert_eq!(dropped["dropped"], 1);
    let saw = read(open, began).await;
    assert_eq!(saw.end, Err(ErrorKind::ConnectionReset));
    let dropped = mock.admin("POST", "/websockets/drop", "").await;
    assert_eq!(dropped["dropped"], 0);
}

#[tokio::test]
async fn a_delivery_comes_as_often_as_a_rule_says() {
    let mock = Product::start(&[]).await;
    let api = mock.client(0).await;
    let receiver = MockServer::start().await;
    Mock::given(method("POST"))
        .respond_with(ResponseTemplate::new(204))
        .mount(&receiver)
        .await;
    let trigger = json!({"name": "t", "topicName": "v2.detail.events.conversation.{id}.customer.end",
                         "enabled": true,
                         "target": {"type": "Webhook", "url": format!("{}/hook", receiver.uri())}});
    let path = "/api/v2/processautomation/triggers";
    let made = api.json("POST", path, &trigger.to_string()).await;
    assert_eq!(made.status, 201, "{}", made.text);
    let rule = json!({"match": {"path": "/hook", "client": "client-1"},
                      "fault": {"type": "duplicate-delivery", "copies": 2}});
    mock.admin("POST", "/faults", &rule.to_string()).await;
    mock.add("{}").await;
    let mut received = Vec::new();
    while received.len() < 3 {
        tokio::time::sleep(Duration::from_millis(4)).await;
        received = receiver
            .received_requests()
            .await
            .expect("they are recorded");
    }
    mock.mock.server().webhooks().idle().await;
    let received = receiver
        .received_requests()
        .await
        .expect("they are recorded");
    assert_eq!(received.len(), 3);
    assert!(
        received
            .iter()
            .all(|request| request.body == received[0].body)
    );
}

#[tokio::test]
async fn a_rule_that_makes_no_sense_is_refused_with_the_reason() {
    let mock = Product::start(&[]).await;
    for (rule, about) in [
        (json!({}), "A value for [fault] is required"),
        (
            json!({"fault": {"type": "meteor"}}),
            "Value [meteor] is not valid for field type [fault.type]",
        ),
        (
            json!({"fault": {"type": "hang", "keep": 3}}),
            "`fault.keep` says nothing",
        ),
        (
            json!({"fault": {"type": "hang", "lasting": "1h"}}),
            "at most 600 s",
        ),
        (
            json!({"fault": {"type": "hang"}, "when": {"probability": 2}}),
            "from 0 to 1",
        ),
        (
            json!({"fault": {"type": "hang"}, "when": {"nth": 0}}),
            "from 1",
        ),
        (
            json!({"fault": {"type": "hang"}, "match": {"client": "x"}}),
            "no client `x`",
        ),
        (
            json!({"fault": {"type": "hang"}, "match": {"method": "G T"}}),
            "no HTTP method",
        ),
        (
            json!({"fault": {"type": "slow-body", "chunk": 0}}),
            "from 1",
        ),
    ] {
        let answer = mock.ask("POST", "/faults", &rule.to_string()).await;
        assert_eq!(answer.status, 400, "{rule}");
        assert!(answer.text.contains(about), "{rule}: {}", answer.text);
    }
    assert_eq!(mock.ask("DELETE", "/faults/1", "").await.status, 404);
    mock.admin("POST", "/faults", r#"{"fault": {"type": "reset"}}"#)
        .await;
    mock.admin("DELETE", "/faults/1", "").await;
    assert_eq!(
        mock.admin("GET", "/faults", "").await,
        json!({"faults": []})
    );
}

/// A fault's strike in words.
fn in_words(saw: &Saw, lasting: Duration) -> String {
    let mut words = match (saw.status, saw.end) {
        (None, Err(ErrorKind::ConnectionReset)) => "no answer; the connection is reset".to_owned(),
        (None, end) => format!("no answer; {end:?}"),
        (Some(status), _) if status >= 400 => {
            let code = saw.error()["code"].as_str().unwrap_or_default().to_owned();
            let wait = saw.header("retry-after");
            let wait = wait.map_or("no `Retry-After`".to_owned(), |w| {
                format!("`Retry-After: {w}`")
            });
            match status {
                429 | 503 => format!("{status} `{code}`, {wait}"),
                _ => format!("{status} `{code}`"),
            }
        }
        (Some(status), _) => {
            let said = saw
                .header("content-length")
                .and_then(|said| said.parse().ok());
            match said {
                Some(said) if saw.body.len() < said => {
                    let kept = saw.body.len();
                    format!("{status}, and the body ends after {kept} of the announced bytes")
                }
                _ => format!("{status}, the whole answer"),
            }
        }
    };
    if !lasting.is_zero() && saw.took >= lasting {
        words.push_str(&format!(", after {} ms at least", lasting.as_millis()));
    }
    words
}

/// What a request to the API sees of a fault, and what is left of it: jobs that were made.
async fn seen_of(fault: &Value, lasting: Duration) -> String {
    let (_mock, api) = struck(fault.clone()).await;
    let saw = request(&api, "POST", JOBS, &crate::support::export_of(&[])).await;
    let words = in_words(&saw, lasting);
    let after = request(&api, "GET", JOBS, "").await;
    let made = match after.status {
        Some(200) if after.body.contains(r#""entities":[]"#) => "; nothing was done",
        Some(200) => "; the job was made",
        _ => "; so are all later requests",
    };
    words + made
}

#[tokio::test]
async fn the_documents_table_of_faults_is_what_a_client_saw() {
    let (zero, some) = (Duration::ZERO, Duration::from_millis(100));
    let date = "Wed, 21 Oct 2026 07:28:00 GMT";
    let of_requests = [
        (json!({"type": "too-many-requests", "retryAfter": 7}), zero),
        (json!({"type": "too-many-requests"}), zero),
        (
            json!({"type": "service-unavailable", "retryAfter": date}),
            zero,
        ),
        (json!({"type": "service-unavailable"}), zero),
        (json!({"type": "reset"}), zero),
        (json!({"type": "reset", "moment": "before"}), zero),
        (json!({"type": "hang", "lasting": "100ms"}), some),
        (
            json!({"type": "hang", "lasting": "100ms", "moment": "after"}),
            some,
        ),
        (json!({"type": "delay", "lasting": "100ms"}), some),
        (
            json!({"type": "slow-body", "chunk": 64, "every": "20ms"}),
            some,
        ),
        (json!({"type": "truncated-body", "keep": 10}), zero),
        (json!({"type": "token-expiry"}), zero),
    ];
    let mut rows = Vec::new();
    for (fault, lasting) in of_requests {
        rows.push((fault.clone(), seen_of(&fault, lasting).await));
    }
    rows.push(failed_job().await);
    rows.push(dropped_socket().await);
    rows.push(doubled_hook().await);
    let lines = rows
        .iter()
        .map(|(fault, saw)| format!("| `{fault}` | {saw} |\n"));
    let table: String = lines.collect();
    let document = include_str!("../../../docs/recording-api.md");
    assert!(document.contains(&table), "the table should be\n{table}");
}

async fn failed_job() -> (Value, String) {
    let mock = Product::start(&["workload.rate=1/h"]).await;
    let (api, added) = (mock.client(0).await, mock.add("{}").await);
    let fault = json!({"type": "job-failure"});
    let rule = json!({"match": {"method": "PUT"}, "when": {"count": 1}, "fault": fault});
    mock.admin("POST", "/faults", &rule.to_string()).await;
    let job = mock.export(&api, &added).await;
    let state = job["state"].as_str().unwrap_or_default();
    (
        fault,
        format!("the job that a PUT starts ends as {state}; nothing is written"),
    )
}

async fn dropped_socket() -> (Value, String) {
    let mock = Product::start(&[]).await;
    let fault = json!({"type": "websocket-drop", "lasting": "50ms"});
    let rule = json!({"match": {"path": "/signalling"}, "fault": fault});
    mock.admin("POST", "/faults", &rule.to_string()).await;
    let began = Instant::now();
    let saw = read(websocket(&mock.api).await, began).await;
    assert_eq!(saw.end, Err(ErrorKind::ConnectionReset));
    let late = saw.took >= Duration::from_millis(50);
    (
        fault,
        format!(
            "101, and the WebSocket is reset{}",
            if late { ", 50 ms later" } else { "" }
        ),
    )
}

async fn doubled_hook() -> (Value, String) {
    let mock = Product::start(&["workload.rate=1/h"]).await;
    let api = mock.client(0).await;
    let receiver = MockServer::start().await;
    let answer = ResponseTemplate::new(204);
    Mock::given(method("POST"))
        .respond_with(answer)
        .mount(&receiver)
        .await;
    let trigger = json!({"name": "t", "topicName": "v2.detail.events.conversation.{id}.customer.end",
                         "target": {"type": "Webhook", "url": format!("{}/hook", receiver.uri())}});
    let path = "/api/v2/processautomation/triggers";
    let made = api.json("POST", path, &trigger.to_string()).await;
    assert_eq!(made.status, 201, "{}", made.text);
    let fault = json!({"type": "duplicate-delivery", "copies": 2});
    let rule = json!({"match": {"path": "/hook"}, "fault": fault});
    mock.admin("POST", "/faults", &rule.to_string()).await;
    mock.add("{}").await;
    let mut received = 0;
    while received < 3 {
        tokio::time::sleep(Duration::from_millis(4)).await;
        received = receiver.received_requests().await.unwrap_or_default().len();
    }
    mock.mock.server().webhooks().idle().await;
    let received = receiver.received_requests().await.unwrap_or_default().len();
    (fault, format!("the webhook comes {received} times"))
}
