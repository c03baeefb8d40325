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
        // A request that is no HTTP is refused below the API.
        if head != "content-type: \u{1}\r\n" {
            answer.code();
        }
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
async fn who_says_nothing_may_stay_longer_than_who_dawdles() {
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
    // The dawdler is cut off; by then the idle one has been silent for as long.
    drop(slow.read_to_end(&mut Vec::new()).await);
    idle.write_all(ask).await.unwrap();
    let mut rest = vec![0; 1024];
    let read = idle.read(&mut rest).await.unwrap();
    assert!(read > 0);
    idle.write_all(ask).await.unwrap();
    assert!(idle.read(&mut rest).await.unwrap() > 0);
}
