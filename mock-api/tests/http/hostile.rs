//! What no client should send: each gets a refusal, and the server goes on.

use std::time::Duration;

use mock_api::http::{ApiConfig, ServerLimits};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::support::{EPOCH, World, platform};

const JSON: &str = "content-type: application/json\r\n";
const JOBS: &str = "/api/v2/recording/jobs";

#[tokio::test]
async fn every_refusal_is_an_error_body() {
    let world = World::start(platform()).await;
    let api = world.tenant(0).await;
    let deep = "[".repeat(100_000);
    let long = format!("\"{}\"", "x".repeat(2 << 20));
    let many = format!("{{\"action\":\"EXPORT\",{}}}", "\"a\":1,".repeat(1000));
    let table = [
        ("GET", "/", "", "", 404),
        ("GET", "/api/v2/nonsense", "", "", 404),
        ("GET", "/api/v2/recording/jobs/", "", "", 404),
        ("GET", "/api/v2/recording/jobs/..%2f..%2fetc", "", "", 404),
        ("GET", "/api/v2/recording/jobs/%00", "", "", 404),
        ("GET", "/api/v2/recording/jobs?pageSize=%ff", "", "", 400),
        (
            "GET",
            "/api/v2/recording/jobs?pageSize=1&pageSize=2",
            "",
            "",
            400,
        ),
        ("GET", "/oauth/token", "", "", 405),
        ("PATCH", JOBS, "", "", 405),
        ("DELETE", JOBS, "", "", 405),
        ("BREW", JOBS, "", "", 405),
        ("POST", JOBS, JSON, "", 400),
        ("POST", JOBS, JSON, "{", 400),
        ("POST", JOBS, JSON, "nul", 400),
        ("POST", JOBS, JSON, "{} {}", 400),
        ("POST", JOBS, JSON, "\u{feff}{}", 400),
        ("POST", JOBS, JSON, &deep, 400),
        ("POST", JOBS, JSON, &many, 400),
        ("POST", JOBS, JSON, &long, 413),
        ("POST", JOBS, "content-type: text/plain\r\n", "{}", 415),
        ("POST", JOBS, "content-type: \u{1}\r\n", "{}", 400),
        (
            "POST",
            "/oauth/token",
            "content-type: application/x-www-form-urlencoded\r\n",
            "%ff=%",
            400,
        ),
    ];
    for (method, path, head, body, status) in table {
        let answer = api.send(method, path, head, body).await;
        let start: String = body.chars().take(40).collect();
        assert_eq!(
            answer.status, status,
            "{method} {path} {start}: {}",
            answer.text
        );
        answer.code();
    }
    assert_eq!(api.get(JOBS).await.status, 200);
}

#[tokio::test]
async fn bytes_that_are_no_request_close_the_connection() {
    let world = World::start(platform()).await;
    let api = world.tenant(0).await;
    let long = format!("GET / HTTP/1.1\r\nx: {}\r\n\r\n", "y".repeat(1 << 20));
    let bodies: [&[u8]; 5] = [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"POST /oauth/token HTTP/1.1\r\nhost: x\r\ncontent-length: -1\r\n\r\n",
        b"POST /oauth/token HTTP/1.1\r\nhost: x\r\ncontent-length: 99999999999\r\nconnection: close\r\n\r\nx",
        long.as_bytes(),
    ];
    for body in bodies {
        let mut stream = TcpStream::connect(api.address).await.unwrap();
        // The server may refuse before it has read everything.
        drop(stream.write_all(body).await);
        let mut seen = Vec::new();
        let read = stream.read_to_end(&mut seen);
        drop(
            tokio::time::timeout(Duration::from_secs(5), read)
                .await
                .expect("it is closed"),
        );
        let text = String::from_utf8_lossy(&seen);
        assert!(text.is_empty() || text.starts_with("HTTP/1.1 4"), "{text}");
    }
    assert_eq!(api.get(JOBS).await.status, 200);
}

#[tokio::test]
async fn a_head_that_nobody_can_read_is_refused_like_everything_else() {
    let world = World::start(platform()).await;
    let api = world.tenant(0).await;
    let uri = format!("GET /{} HTTP/1.1\r\nhost: x\r\n\r\n", "u".repeat(70_000));
    let long = format!("GET / HTTP/1.1\r\nx: {}\r\n\r\n", "y".repeat(4 << 20));
    let many = format!("GET / HTTP/1.1\r\n{}\r\n", "x: y\r\n".repeat(101));
    let table: [(&[u8], u16, &str); 8] = [
        (b"\x16\x03\x01\x02\x00\x01\r\n\r\n", 400, "bad.request"),
        (b"GET / HTTP/9.9\r\n\r\n", 400, "bad.request"),
        (b"GET /\x00 HTTP/1.1\r\n\r\n", 400, "bad.request"),
        (b"GET / HTTP/1.1\r\na b: c\r\n\r\n", 400, "bad.request"),
        (b"G@T / HTTP/1.1\r\n\r\n", 400, "bad.request"),
        (
            b"POST /oauth/token HTTP/1.1\r\nhost: x\r\ncontent-length: -1\r\n\r\n",
            400,
            "bad.request",
        ),
        (long.as_bytes(), 431, "request.header.fields.too.large"),
        (many.as_bytes(), 431, "request.header.fields.too.large"),
    ];
    for (bytes, status, code) in table {
        let start = String::from_utf8_lossy(&bytes[..bytes.len().min(30)]).into_owned();
        let answer = api.raw(bytes).await.expect("an answer");
        assert_eq!(
            (answer.status, answer.code().as_str()),
            (status, code),
            "{start}: {}",
            answer.head
        );
        let length = answer.text.len().to_string();
        assert_eq!(answer.header("content-length"), Some(length.as_str()));
        assert_eq!(answer.header("content-type"), Some("application/json"));
        assert!(answer.header("date").is_some(), "{}", answer.head);
    }
    // It is the address or the head as a whole that is too long, as the network cuts it.
    let answer = api.raw(uri.as_bytes()).await.expect("an answer");
    let too_long = ["request.uri.too.long", "request.header.fields.too.large"];
    assert!(
        too_long.contains(&answer.code().as_str()),
        "{}",
        answer.text
    );
    assert_eq!(api.get(JOBS).await.status, 200);
}

#[tokio::test]
async fn a_request_names_one_host() {
    let world = World::start(platform()).await;
    let api = world.tenant(0).await;
    let token = api.token.clone().unwrap();
    let rest = format!("connection: close\r\nauthorization: Bearer {token}\r\n\r\n");
    for (line, hosts, status) in [
        ("HTTP/1.1", "", 400),
        ("HTTP/1.1", "host: a\r\nhost: a\r\n", 400),
        ("HTTP/1.1", "Host: a\r\n", 200),
        ("HTTP/1.0", "", 200),
    ] {
        let request = format!("GET {JOBS} {line}\r\n{hosts}{rest}");
        let answer = api.raw(request.as_bytes()).await.expect("an answer");
        assert_eq!(answer.status, status, "{line} {hosts}: {}", answer.text);
        if status == 400 {
            assert_eq!(answer.code(), "bad.request");
        }
    }
}

#[tokio::test]
async fn a_login_without_a_grant_names_it() {
    let world = World::start(platform()).await;
    let form = "content-type: application/x-www-form-urlencoded\r\n";
    let answer = world.api().send("POST", "/oauth/token", form, "").await;
    assert_eq!(
        (answer.status, answer.code().as_str()),
        (400, "bad.request")
    );
    let body = answer.json();
    assert_eq!(body["error"], "invalid_request");
    assert_eq!(body["details"][0]["fieldName"], "grant_type");
}

#[tokio::test]
async fn a_request_before_one_that_nobody_can_read_is_answered() {
    let world = World::start(platform()).await;
    let api = world.api();
    let both = b"GET /healthz HTTP/1.1\r\nhost: x\r\n\r\nnonsense\r\n\r\n";
    let first = api.raw(both).await.expect("an answer");
    assert_eq!(first.status, 200);
    assert!(
        first.text.starts_with(r#"{"status":"ok"}HTTP/1.1 400"#),
        "{}",
        first.text
    );
    assert!(first.text.ends_with('}') && first.text.contains("inin-correlation-id"));
}

#[tokio::test]
async fn who_dawdles_is_cut_off_and_who_is_one_too_many_waits() {
    let limits = ServerLimits {
        connections: 2,
        header_timeout: Duration::from_millis(300),
        body_timeout: Duration::from_millis(200),
        ..ServerLimits::default()
    };
    let world = World::start_with(
        platform(),
        ApiConfig {
            limits,
            ..ApiConfig::new(EPOCH)
        },
    )
    .await;
    let api = world.tenant(0).await;
    let mut slow = Vec::new();
    for _ in 0..2 {
        let mut stream = TcpStream::connect(api.address).await.unwrap();
        stream
            .write_all(b"GET /healthz HTTP/1.1\r\nhost: ")
            .await
            .unwrap();
        slow.push(stream);
    }
    // Both places are taken until the dawdlers are cut off.
    assert_eq!(api.get(JOBS).await.status, 200);
    for mut stream in slow {
        let mut seen = Vec::new();
        drop(stream.read_to_end(&mut seen).await);
        assert!(!String::from_utf8_lossy(&seen).contains("200 OK"));
    }
    let token = api.token.as_ref().unwrap();
    let head = format!(
        "POST {JOBS} HTTP/1.1\r\nhost: x\r\nconnection: close\r\nauthorization: Bearer {token}\r\n\
         content-type: application/json\r\ncontent-length: 9\r\n\r\n{{"
    );
    let answer = api.raw(head.as_bytes()).await.expect("an answer");
    assert_eq!(
        (answer.status, answer.code().as_str()),
        (408, "request.timeout")
    );
}

#[tokio::test]
async fn a_connection_between_requests_may_stay_and_one_that_never_asks_or_dawdles_may_not() {
    let limits = ServerLimits {
        header_timeout: Duration::from_millis(100),
        ..ServerLimits::default()
    };
    let config = ApiConfig {
        limits,
        ..ApiConfig::new(EPOCH)
    };
    let world = World::start_with(platform(), config).await;
    let address = world.tenant(0).await.address;
    let ask = b"GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n";
    let mut idle = TcpStream::connect(address).await.unwrap();
    let mut slow = TcpStream::connect(address).await.unwrap();
    let mut answer = [0; 15];
    for stream in [&mut idle, &mut slow] {
        stream.write_all(ask).await.unwrap();
        stream.read_exact(&mut answer).await.unwrap();
        assert_eq!(&answer, b"HTTP/1.1 200 OK");
    }
    slow.write_all(b"GET /healthz HTTP/1.1\r\nhos")
        .await
        .unwrap();
    let mut mute = TcpStream::connect(address).await.unwrap();
    assert_eq!(mute.read(&mut answer).await.unwrap(), 0, "it is closed");
    // The dawdler is cut off; by then the idle one has been silent for as long.
    drop(slow.read_to_end(&mut Vec::new()).await);
    idle.write_all(ask).await.unwrap();
    let mut rest = vec![0; 1024];
    let read = idle.read(&mut rest).await.unwrap();
    assert!(read > 0);
    idle.write_all(ask).await.unwrap();
    assert!(idle.read(&mut rest).await.unwrap() > 0);
}
