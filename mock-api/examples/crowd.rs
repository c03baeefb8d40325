//! A crowd at the mock's door: idle connections and WebSocket subscribers, in a process of their
//! own, since a process has so many file descriptors only.
//!
//! ```text
//! racegate serve --port 0 --port-file ports.json $(seq -f '--client c%g' 250)
//! cargo run --release -p mock-api --example crowd -- ports.json --idle 10000 --subscribers 5000
//! ```
//!
//! Every idle connection asks once, waits with the others, and asks again. Every subscriber has a
//! notification channel of its own, twenty to a client as the real API allows; then a recording is
//! added and each must be told.

use std::io::Write as _;
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use futures_util::{SinkExt as _, StreamExt as _};
use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;

type Failure = Box<dyn std::error::Error + Send + Sync>;

/// Channels of a client at most.
const CHANNELS_PER_CLIENT: usize = 20;
const TOPIC: &str = "conversation:recordings:metadata:ready";

#[tokio::main]
async fn main() -> Result<(), Failure> {
    let mut arguments = std::env::args().skip(1);
    let file = arguments.next().ok_or("name a port file")?;
    let (mut idle, mut subscribers, mut hold) = (10_000_usize, 5_000_usize, 10_u64);
    while let Some(flag) = arguments.next() {
        let value = arguments.next().ok_or("a flag without a value")?;
        match flag.as_str() {
            "--idle" => idle = value.parse()?,
            "--subscribers" => subscribers = value.parse()?,
            "--hold" => hold = value.parse()?,
            other => return Err(format!("what is {other}?").into()),
        }
    }
    let ports: Value = serde_json::from_slice(&std::fs::read(file)?)?;
    let address = ports["api"].as_str().unwrap_or_default();
    let address = address.trim_start_matches("http://").to_owned();
    idle_crowd(&address, idle, Duration::from_secs(hold)).await?;
    subscribed_crowd(&address, &ports, subscribers).await
}

fn say(text: std::fmt::Arguments<'_>) {
    let mut stdout = std::io::stdout().lock();
    drop(writeln!(stdout, "{text}"));
}

async fn idle_crowd(address: &str, count: usize, hold: Duration) -> Result<(), Failure> {
    let began = Instant::now();
    let mut streams = Vec::with_capacity(count);
    for _ in 0..count {
        let mut stream = TcpStream::connect(address).await?;
        health(&mut stream).await?;
        streams.push(stream);
    }
    say(format_args!(
        "{count} connections opened and answered in {:.1} s",
        began.elapsed().as_secs_f64()
    ));
    tokio::time::sleep(hold).await;
    let began = Instant::now();
    let mut alive = 0;
    for stream in &mut streams {
        alive += usize::from(health(stream).await.is_ok());
    }
    say(format_args!(
        "after {hold:?} idle {alive} of {count} answer again, in {:.1} s; errors: {}",
        began.elapsed().as_secs_f64(),
        count - alive
    ));
    if alive == count {
        Ok(())
    } else {
        Err("idle connections were lost".into())
    }
}

async fn health(stream: &mut TcpStream) -> Result<(), Failure> {
    stream
        .write_all(b"GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n")
        .await?;
    let mut seen = Vec::new();
    let mut buffer = [0; 1024];
    while !seen.ends_with(b"}") {
        let read = stream.read(&mut buffer).await?;
        if read == 0 {
            return Err("the connection was closed".into());
        }
        seen.extend_from_slice(&buffer[..read]);
    }
    if seen.starts_with(b"HTTP/1.1 200") {
        Ok(())
    } else {
        Err("not 200".into())
    }
}

/// One request on a connection of its own; the body of its answer.
async fn ask(address: &str, line: &str, head: &str, body: &str) -> Result<Value, Failure> {
    let mut stream = TcpStream::connect(address).await?;
    let text = format!(
        "{line} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n{head}content-length: {}\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(text.as_bytes()).await?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await?;
    let (_, body) = answer.split_once("\r\n\r\n").ok_or("no answer")?;
    serde_json::from_str(body).map_err(|error| format!("{error}: {answer}").into())
}

async fn subscribed_crowd(address: &str, ports: &Value, count: usize) -> Result<(), Failure> {
    let began = Instant::now();
    let clients = ports["clients"].as_array().ok_or("no clients")?;
    let mut sockets = Vec::with_capacity(count);
    for client in clients {
        let text = |key: &str| client[key].as_str().unwrap_or_default();
        let basic = STANDARD.encode(format!("{}:{}", text("clientId"), text("clientSecret")));
        let head = format!(
            "authorization: Basic {basic}\r\ncontent-type: application/x-www-form-urlencoded\r\n"
        );
        let form = "grant_type=client_credentials";
        let grant = ask(address, "POST /oauth/token", &head, form).await?;
        let token = grant["access_token"].as_str().ok_or("no token")?;
        let bearer = format!("authorization: Bearer {token}\r\ncontent-type: application/json\r\n");
        for _ in 0..CHANNELS_PER_CLIENT.min(count - sockets.len()) {
            let line = "POST /api/v2/notifications/channels";
            let channel = ask(address, line, &bearer, "").await?;
            let id = channel["id"].as_str().ok_or("no channel")?;
            let line = format!("POST /api/v2/notifications/channels/{id}/subscriptions");
            let topics = format!(r#"[{{"id": "{TOPIC}"}}]"#);
            ask(address, &line, &bearer, &topics).await?;
            let stream = TcpStream::connect(address).await?;
            let uri = channel["connectUri"].as_str().ok_or("no address")?;
            let (socket, _) = tokio_tungstenite::client_async(uri, stream).await?;
            sockets.push(socket);
        }
    }
    say(format_args!(
        "{} subscribers connected in {:.1} s",
        sockets.len(),
        began.elapsed().as_secs_f64()
    ));
    if sockets.len() < count {
        return Err("too few clients for that many subscribers".into());
    }
    let began = Instant::now();
    ask(
        address,
        "POST /__admin/recordings",
        "",
        r#"{"visible": {}}"#,
    )
    .await?;
    let mut told = 0;
    for socket in &mut sockets {
        while let Some(Ok(message)) = socket.next().await {
            if let Message::Text(text) = message
                && text.as_str().contains(TOPIC)
            {
                told += 1;
                break;
            }
        }
    }
    say(format_args!(
        "a recording was added; {told} of {count} were told within {:.2} s; errors: {}",
        began.elapsed().as_secs_f64(),
        count - told
    ));
    for socket in &mut sockets {
        socket.send(Message::Close(None)).await?;
    }
    if told == count {
        Ok(())
    } else {
        Err("subscribers were not told".into())
    }
}
