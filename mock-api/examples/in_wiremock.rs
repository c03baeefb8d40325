//! A team's own test of its own exporter, with the lagging API mounted in its wiremock server.
//!
//! `cargo run -p mock-api --features wiremock --example in_wiremock`

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use mock_api::wiremock::LaggingApi;
use wiremock::matchers::{method, path, path_regex};
use wiremock::{Mock, MockServer, ResponseTemplate};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let api = LaggingApi::new(&["platform.metadata.lag=4s"])?;
    let server = MockServer::start().await;
    // The platform answers under its own paths, beside mocks of other things.
    Mock::given(path_regex("^/(api|oauth)/"))
        .respond_with(api.clone())
        .mount(&server)
        .await;
    Mock::given(method("GET"))
        .and(path("/version"))
        .respond_with(ResponseTemplate::new(200).set_body_string("1"))
        .mount(&server)
        .await;

    let address = server.address().to_string();
    let login = format!(
        "grant_type=client_credentials&client_id={}&client_secret={}",
        api.client_id(),
        api.client_secret()
    );
    let head = "content-type: application/x-www-form-urlencoded";
    let grant = ask(&address, "POST /oauth/token", head, &login)?;
    let grant: serde_json::Value = serde_json::from_str(&grant)?;
    let bearer = format!(
        "authorization: Bearer {}",
        grant["access_token"].as_str().unwrap_or_default()
    );

    let call = api.end_call();
    for second in 0..6 {
        let path = format!(
            "GET /api/v2/conversations/{}/recordingmetadata/{}",
            call.conversation, call.recording
        );
        let metadata = ask(&address, &path, &bearer, "")?;
        let metadata: serde_json::Value = serde_json::from_str(&metadata)?;
        let mut stdout = std::io::stdout();
        writeln!(
            stdout,
            "{second} s after the call: legal_hold_flag {}, client_ip {}",
            metadata["legal_hold_flag"], metadata["client_ip"]
        )?;
        api.advance(Duration::from_secs(1));
    }
    Ok(())
}

/// One request by hand; returns the body of the answer.
fn ask(address: &str, line: &str, head: &str, body: &str) -> std::io::Result<String> {
    let mut stream = TcpStream::connect(address)?;
    write!(
        stream,
        "{line} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n{head}\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    )?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    let (_, body) = answer.split_once("\r\n\r\n").unwrap_or_default();
    Ok(body.to_owned())
}
