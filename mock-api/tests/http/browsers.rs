//! Web pages of other origins, names of other sites, and proxies in front.

use mock_api::http::WebAccess;

use crate::product::Product;
use crate::support::{Answer, Http};

const PAGE: &str = "https://app.example";

async fn ask(api: &Http, method: &str, path: &str, head: &str) -> Answer {
    let head = format!("host: {}\r\n{head}", api.address);
    api.send_to_host(method, path, &head, "").await
}

fn open_to(origin: &str) -> WebAccess {
    WebAccess {
        cors: vec![origin.parse().unwrap()],
        ..WebAccess::default()
    }
}

#[tokio::test]
async fn the_api_opens_to_the_pages_that_it_was_told_of_and_to_no_others() {
    let shut = Product::start(&[]).await;
    let open = Product::start_for(open_to(PAGE)).await;
    let preflight = "access-control-request-method: GET\r\n\
                     access-control-request-headers: Authorization, x-more,\u{20}bad name\r\n";
    for (product, origin, told) in [
        (&shut, PAGE, None),
        (&open, "https://other.example", None),
        (&open, "null", None),
        (&open, PAGE, Some(PAGE)),
    ] {
        let api = product.client(0).await;
        let head = format!("origin: {origin}\r\n");
        for path in [
            "/api/v2/users/me",
            "/openapi.json",
            "/api/v2/nothing",
            "/oauth/token",
        ] {
            let answer = ask(&api, "GET", path, &head).await;
            assert_eq!(answer.header("access-control-allow-origin"), told, "{path}");
            let bare = Http {
                token: None,
                ..api.clone()
            };
            let asked = ask(&bare, "OPTIONS", path, &format!("{head}{preflight}")).await;
            assert_eq!(asked.header("access-control-allow-origin"), told, "{path}");
            if told.is_some() {
                assert_eq!((asked.status, asked.header("vary")), (204, Some("Origin")));
                let names = asked.header("access-control-allow-headers");
                assert_eq!(names, Some("authorization, x-more"));
                assert!(
                    asked
                        .header("access-control-allow-methods")
                        .unwrap()
                        .contains("PUT")
                );
                assert_eq!(answer.header("access-control-expose-headers"), Some("*"));
            }
        }
    }
}

#[tokio::test]
async fn the_control_plane_opens_to_no_page_whatever_the_api_does() {
    let open = Product::start_for(open_to("*")).await;
    let head = format!("origin: {PAGE}\r\n");
    let answer = ask(&open.api, "GET", "/__admin", &head).await;
    assert_eq!(answer.status, 403);
    assert_eq!(answer.header("access-control-allow-origin"), None);
    let preflight = format!("{head}access-control-request-method: POST\r\n");
    let answer = ask(&open.api, "OPTIONS", "/__admin/reset", &preflight).await;
    assert_eq!(answer.header("access-control-allow-origin"), None);
    let own = "origin: http://localhost:3000\r\n";
    assert_eq!(ask(&open.api, "GET", "/__admin", own).await.status, 200);
}

/// The head of an upgrade to a WebSocket.
const UPGRADE: &str = "connection: upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\n\
                       sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n";

/// The status of an upgrade, whose connection is then left alone.
async fn upgrade(api: &Http, path: &str, host: &str, origin: Option<&str>) -> u16 {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let origin = origin
        .map(|origin| format!("origin: {origin}\r\n"))
        .unwrap_or_default();
    let request = format!("GET {path} HTTP/1.1\r\nhost: {host}\r\n{origin}{UPGRADE}\r\n");
    let mut stream = tokio::net::TcpStream::connect(api.address).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut status = [0; 12];
    stream.read_exact(&mut status).await.unwrap();
    std::str::from_utf8(&status[9..]).unwrap().parse().unwrap()
}

#[tokio::test]
async fn websockets_open_to_this_machines_names_and_pages_and_to_pages_let_in() {
    let product = Product::start_for(open_to(PAGE)).await;
    let api = product.client(0).await;
    let made = api.json("POST", "/api/v2/notifications/channels", "").await;
    let channel = format!("/channels/{}", made.json()["id"].as_str().unwrap());
    let own = api.address.to_string();
    for path in ["/signalling", channel.as_str()] {
        for (host, origin, status) in [
            (own.as_str(), None, 101),
            ("localhost", Some("http://localhost:3000"), 101),
            (&own, Some(PAGE), 101),
            (&own, Some("https://evil.example"), 403),
            (&own, Some("null"), 403),
            ("evil.example", Some("http://evil.example"), 403),
            ("evil.example", None, 403),
            ("192.0.2.1", None, 403),
        ] {
            let met = upgrade(&api, path, host, origin).await;
            assert_eq!(met, status, "{path} {host} {origin:?}");
        }
    }
}

#[tokio::test]
async fn every_absolute_address_follows_a_proxy_on_this_machine_or_the_public_url() {
    let proxied = Product::start(&[]).await;
    let public = Product::start_for(WebAccess {
        public_url: Some("https://mock.example".parse().unwrap()),
        ..WebAccess::default()
    });
    let public = public.await;
    let forwarded = "forwarded: for=192.0.2.1;proto=https;host=mock.example\r\n";
    let older = "x-forwarded-proto: https\r\nx-forwarded-host: mock.example\r\n";
    for (product, head) in [(&proxied, forwarded), (&proxied, older), (&public, "")] {
        let added = product.add(r#"{"kind": "sip", "duration": "1s"}"#).await;
        product.advance("60s").await;
        let api = product.client(0).await;
        let one = ask(&api, "GET", &added.path(), head).await;
        let uris = one.json()["mediaUris"].clone();
        for (_, uri) in uris.as_object().unwrap() {
            let uri = uri["mediaUri"].as_str().unwrap();
            assert!(uri.starts_with("https://mock.example/downloads/"), "{uri}");
        }
        let json = "content-type: application/json\r\n";
        let host = format!("host: {}\r\n{head}{json}", api.address);
        let path = "/api/v2/notifications/channels";
        let made = api.send_to_host("POST", path, &host, "").await.json();
        let uri = made["connectUri"].as_str().unwrap();
        assert!(uri.starts_with("wss://mock.example/channels/"), "{uri}");
        let path = "/api/v2/recording/batchrequests";
        let body = format!(
            r#"{{"batchDownloadRequestList": [{{"conversationId": "{}"}}]}}"#,
            added.conversation
        );
        let batch = api.send_to_host("POST", path, &host, &body).await.json();
        product.advance("60s").await;
        let path = format!("{path}/{}", batch["id"].as_str().unwrap());
        let done = ask(&api, "GET", &path, head).await.json();
        let uri = done["results"][0]["resultUrl"].as_str().unwrap();
        assert!(uri.starts_with("https://mock.example/downloads/"), "{uri}");
    }
}
