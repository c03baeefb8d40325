//! The doors' manners. That real programs get through them is shown in `tests/foreign`.

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::http::{Request, Response, StatusCode, header};
use http_body_util::BodyExt as _;
use racegate_media::{DenseStack, RtcStack, Stack};
use racegate_model::draws::Seed;
use racegate_udp::{Endpoint, SendBatch};
use tower::ServiceExt as _;

use super::Guests;
use crate::clock::RunClock;
use crate::http::WebAccess;
use crate::ingest::{
    EndedMedia, Ingest, IngestEndpoint, IngestSettings, IngestShards, NoRoom, SessionEvents,
    Started, TakeNumber,
};
use crate::service::{Service, ServiceConfig};
use crate::storage::Store;
use crate::storage::layout::RunEpoch;

/// Tells the guests' platform when audio can flow, and nothing else.
struct Arrivals(Guests);

impl SessionEvents for Arrivals {
    fn started(&self, _: &Started) {}
    fn established(&self, conversation_id: &str, _: &str, _: std::time::Instant) {
        self.0.arrived(conversation_id);
    }
    fn part(&self, _: TakeNumber, _: axum::body::Bytes) -> Result<(), NoRoom> {
        Ok(())
    }
    fn ended(&self, _: EndedMedia) {}
}

/// The doors and the media thread's endpoint behind them, driven by hand.
struct House {
    router: Router,
    endpoint: IngestEndpoint,
    service: Service,
    guests: Guests,
}

fn house() -> House {
    house_of(Arc::new(DenseStack::new().unwrap()))
}

/// On each of the stacks, for each test of the door to go through.
fn houses() -> [House; 2] {
    [house(), house_of(Arc::new(RtcStack::new().unwrap()))]
}

fn house_of(stack: Arc<dyn Stack>) -> House {
    let source = racegate_scenario::Source::new("guests.toml", SCENARIO);
    let scenario = racegate_scenario::parse(&source, &[]).unwrap();
    let config = ServiceConfig {
        seed: Seed(1),
        epoch: RunEpoch::from_unix_millis(1_800_000_000_000),
        workload: scenario.workload,
        arms: scenario.arms,
        tenants: Vec::new(),
    };
    let (service, _news) = Service::new(config, Store::default());
    let address = "127.0.0.1:4000".parse().unwrap();
    let settings = IngestSettings::default();
    let guests = Guests::new(service.clone(), RunClock::start());
    let events = Arc::new(Arrivals(guests.clone()));
    let (ingest, endpoint) = Ingest::detached(&settings, address, stack, events);
    let web = WebAccess::default();
    let router = super::routes(&service, &IngestShards::from(ingest), guests.clone(), &web);
    House {
        router,
        endpoint,
        service,
        guests,
    }
}

const SCENARIO: &str = "name = \"guests\"\n[workload]\nexecutor = \"constant-vus\"\nvus = 1\n\
    duration = \"1s\"\ncall_duration = \"1s\"\n[[gate]]\nname = \"none\"\nstrategy = \"none\"\n";

impl House {
    async fn ask(&mut self, mut request: Request<Body>) -> Response<Body> {
        let host = header::HeaderValue::from_static("127.0.0.1:7070");
        request.headers_mut().entry(header::HOST).or_insert(host);
        let answer = self.router.clone().oneshot(request);
        tokio::pin!(answer);
        loop {
            tokio::select! {
                biased;
                answer = &mut answer => return answer.unwrap(),
                () = tokio::task::yield_now() => {
                    let now = std::time::Instant::now();
                    self.endpoint.handle_control(now, &mut SendBatch::new());
                }
            }
        }
    }

    async fn post(&mut self, kind: &str, body: &str) -> Response<Body> {
        let request = Request::post("/whip").header(header::CONTENT_TYPE, kind);
        self.ask(request.body(Body::from(body.to_owned())).unwrap())
            .await
    }
}

fn offer() -> String {
    let stack = RtcStack::new().unwrap();
    let local = "127.64.0.1:5000".parse().unwrap();
    stack.invite(std::time::Instant::now(), local).unwrap().1
}

async fn text(response: Response<Body>) -> String {
    let body = response.into_body().collect().await.unwrap();
    String::from_utf8(body.to_bytes().to_vec()).unwrap()
}

#[tokio::test]
async fn a_whip_session_is_created_trickled_and_deleted_once_whatever_the_stack() {
    for house in houses() {
        create_trickle_and_delete(house).await;
    }
}

async fn create_trickle_and_delete(mut house: House) {
    let offered = offer();
    let created = house.post("application/sdp", &offered).await;
    assert_eq!(created.status(), StatusCode::CREATED);
    let of = |name: &str| created.headers()[name].to_str().unwrap().to_owned();
    let (location, tag) = (of("location"), of("etag"));
    assert!(
        location.starts_with("http://127.0.0.1:7070/whip/") && tag.starts_with('"'),
        "{location} {tag}"
    );
    assert_eq!(of("content-type"), "application/sdp");
    let conversation = of("conversation-id");
    let known = |house: &House| {
        house
            .service
            .calls()
            .by_conversation(&conversation)
            .is_some()
    };
    assert!(!known(&house), "no audio can flow yet");
    let answer = text(created).await;
    assert!(
        answer.contains("a=ice-lite") && answer.contains("a=recvonly"),
        "{answer}"
    );
    check_patches(&mut house, (&location, &tag), &offered).await;
    let other = Request::delete(&location).header(header::IF_MATCH, "\"other\"");
    let answer = house.ask(other.body(Body::empty()).unwrap()).await;
    assert_eq!(answer.status(), StatusCode::PRECONDITION_FAILED);
    let delete = || Request::delete(&location).body(Body::empty()).unwrap();
    assert_eq!(house.ask(delete()).await.status(), StatusCode::OK);
    assert_eq!(house.ask(delete()).await.status(), StatusCode::NOT_FOUND);
    let late = patch(&location, Some(&tag), "a=end-of-candidates\r\n");
    assert_eq!(house.ask(late).await.status(), StatusCode::NOT_FOUND);
    house
        .endpoint
        .handle_control(std::time::Instant::now(), &mut SendBatch::new());
    assert!(!known(&house), "a call that never came up never was");
}

const FRAGMENT: &str = "application/trickle-ice-sdpfrag";

fn patch(location: &str, tag: Option<&str>, body: &str) -> Request<Body> {
    let mut request = Request::patch(location).header(header::CONTENT_TYPE, FRAGMENT);
    if let Some(tag) = tag {
        request = request.header(header::IF_MATCH, tag);
    }
    request.body(Body::from(body.to_owned())).unwrap()
}

/// What a session of that address and tag makes of fragments, under every condition.
async fn check_patches(house: &mut House, (location, tag): (&str, &str), offered: &str) {
    let (list, weak) = (format!("\"other\", {tag}"), format!("W/{tag}"));
    let end = "a=end-of-candidates\r\n";
    let restart = "a=ice-ufrag:abcd\r\na=ice-pwd:0123456789012345678901\r\n\
                   m=audio 9 RTP/AVP 0\r\na=mid:0\r\n\
                   a=candidate:1 1 udp 2122 192.0.2.1 5000 typ host\r\n";
    let own = offered.lines().filter(|line| line.starts_with("a=ice-"));
    let own = own.collect::<Vec<_>>().join("\r\n");
    let bad_port = "a=candidate:1 1 udp 1 192.0.2.1 99999 typ host\r\n";
    let tcp = "a=candidate:1 1 tcp 2122 name.local 9 typ host tcptype active\n";
    for (tag, body, status) in [
        (Some(tag), end, 204),
        (None, end, 428),
        (Some("\"other\""), end, 412),
        (Some("\"other\", \"another\""), end, 412),
        (Some(list.as_str()), end, 204),
        (Some(weak.as_str()), end, 412),
        (Some("*"), end, 204),
        (Some("\"*\""), end, 204),
        (Some("nonsense"), end, 412),
        (Some(tag), own.as_str(), 204),
        (Some(tag), restart, 422),
        (Some("*"), restart, 422),
        (Some(tag), tcp, 204),
        (Some(tag), "", 400),
        (Some(tag), "nonsense", 400),
        (Some(tag), "{\"candidate\":1}", 400),
        (Some(tag), "a=candidate:1 1 udp\r\n", 400),
        (Some(tag), bad_port, 400),
    ] {
        let answer = house.ask(patch(location, tag, body)).await;
        assert_eq!(answer.status().as_u16(), status, "{tag:?} {body}");
        assert!(status != 400 || text(answer).await.contains("\"detail\":\"the fragment"));
    }
    let plain = Request::patch(location).header(header::CONTENT_TYPE, "text/plain");
    let answer = house.ask(plain.body(Body::from(end)).unwrap()).await;
    assert_eq!(answer.status(), StatusCode::UNSUPPORTED_MEDIA_TYPE);
}

#[tokio::test]
async fn what_is_no_offer_is_refused_with_a_problem_whatever_the_stack() {
    for house in houses() {
        refuse_what_is_no_offer(house).await;
    }
}

async fn refuse_what_is_no_offer(mut house: House) {
    let good = offer();
    let video = good.replace("m=audio", "m=video");
    let other = good.replace("opus", "PCMU");
    let cut = &good[..good.len() / 2];
    for (kind, body, status) in [
        ("text/plain", "v=0", 415),
        ("", "v=0", 415),
        ("application/sdp", "", 400),
        ("application/sdp", "nonsense", 400),
        ("application/sdp; charset=utf-8", "v=0\r\n", 400),
        ("application/sdp", video.as_str(), 400),
        ("application/sdp", other.as_str(), 400),
        ("application/sdp", cut, 400),
        ("application/sdp", &"a".repeat(70_000), 413),
    ] {
        let answer = house.post(kind, body).await;
        assert_eq!(answer.status().as_u16(), status, "{kind} {body:.20}");
        if status == 400 {
            let kind = answer.headers()[header::CONTENT_TYPE].clone();
            assert_eq!(kind, "application/problem+json");
            let problem: serde_json::Value = serde_json::from_str(&text(answer).await).unwrap();
            assert_eq!(problem["status"], 400);
            let reason = problem["detail"].as_str().unwrap();
            assert!(reason.starts_with("the session description"), "{reason}");
        }
    }
    assert_eq!(house.endpoint.sessions(), 0);
}

#[tokio::test]
async fn reserved_methods_are_refused_and_options_tell_what_there_is() {
    let mut house = house();
    for method in ["GET", "PUT", "DELETE", "PATCH"] {
        let request = Request::builder().method(method).uri("/whip");
        let answer = house.ask(request.body(Body::empty()).unwrap()).await;
        assert_eq!(answer.status(), StatusCode::METHOD_NOT_ALLOWED, "{method}");
    }
    for method in ["GET", "PUT", "POST"] {
        let request = Request::builder().method(method).uri("/whip/x");
        let answer = house.ask(request.body(Body::empty()).unwrap()).await;
        assert_eq!(answer.status(), StatusCode::METHOD_NOT_ALLOWED, "{method}");
    }
    let options = Request::options("/whip").body(Body::empty()).unwrap();
    let answer = house.ask(options).await;
    assert_eq!(answer.status(), StatusCode::NO_CONTENT);
    assert_eq!(answer.headers()["accept-post"], "application/sdp");
}

#[tokio::test]
async fn a_guest_gets_a_conversation_and_only_guests_recordings_are_given_out() {
    let mut house = house();
    let request = Request::post("/softphone/calls")
        .body(Body::empty())
        .unwrap();
    let answer = house.ask(request).await;
    assert_eq!(answer.status(), StatusCode::CREATED);
    let body: serde_json::Value = serde_json::from_str(&text(answer).await).unwrap();
    let conversation = body["conversationId"].as_str().unwrap().to_owned();
    assert_eq!(house.service.calls().by_conversation(&conversation), None);
    house.guests.arrived(&conversation);
    let call = house
        .service
        .calls()
        .by_conversation(&conversation)
        .unwrap();
    let audio = body["audio"].as_str().unwrap().to_owned();
    let get = |uri: &str| Request::get(uri).body(Body::empty()).unwrap();
    assert_eq!(house.ask(get(&audio)).await.status(), StatusCode::NOT_FOUND);
    let media = bytes::Bytes::from_static(b"OggS");
    house
        .service
        .store_media(call.index, media.clone())
        .unwrap();
    let answer = house.ask(get(&audio)).await;
    assert_eq!(answer.headers()[header::CONTENT_TYPE], "audio/ogg");
    assert_eq!(text(answer).await, "OggS");
    let planned = racegate_model::ids::RecordingIndex(0);
    house.service.store_media(planned, media).unwrap();
    let other = racegate_model::ids::ConversationId::of(Seed(1), planned);
    let answer = house
        .ask(get(&format!("/softphone/recordings/{other}")))
        .await;
    assert_eq!(answer.status(), StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn only_conversations_that_were_promised_can_arrive() {
    let house = house();
    let unpromised = racegate_model::ids::RecordingIndex(crate::traffic::GUESTS_FROM);
    let planned = racegate_model::ids::RecordingIndex(0);
    for index in [unpromised, planned] {
        let id = racegate_model::ids::ConversationId::of(Seed(1), index).to_string();
        house.guests.arrived(&id);
        assert_eq!(house.service.calls().by_conversation(&id), None);
    }
}

#[tokio::test]
async fn pages_of_any_origin_may_publish_and_read_what_they_need() {
    let mut house = house();
    let foreign = |request: axum::http::request::Builder, body: String| {
        let request = request.header(header::ORIGIN, "https://app.example");
        request.body(Body::from(body)).unwrap()
    };
    for (uri, methods) in [("/whip", "POST"), ("/whip/x", "PATCH")] {
        let request = Request::options(uri)
            .header(header::ACCESS_CONTROL_REQUEST_METHOD, methods)
            .header(
                header::ACCESS_CONTROL_REQUEST_HEADERS,
                "content-type, if-match",
            );
        let answer = house.ask(foreign(request, String::new())).await;
        assert_eq!(answer.status(), StatusCode::NO_CONTENT);
        let of = |name: header::HeaderName| answer.headers()[name].to_str().unwrap();
        assert_eq!(of(header::ACCESS_CONTROL_ALLOW_ORIGIN), "*");
        assert!(of(header::ACCESS_CONTROL_ALLOW_METHODS).contains(methods));
        for name in ["Authorization", "Content-Type", "If-Match"] {
            assert!(of(header::ACCESS_CONTROL_ALLOW_HEADERS).contains(name));
        }
    }
    for (body, status) in [
        (offer(), 201),
        ("nonsense".to_owned(), 400),
        ("a".repeat(70_000), 413),
    ] {
        let request = Request::post("/whip").header(header::CONTENT_TYPE, "application/sdp");
        let answer = house.ask(foreign(request, body)).await;
        assert_eq!(answer.status().as_u16(), status);
        assert_eq!(answer.headers()[header::ACCESS_CONTROL_ALLOW_ORIGIN], "*");
        let exposed = answer.headers()[header::ACCESS_CONTROL_EXPOSE_HEADERS]
            .to_str()
            .unwrap();
        assert!(
            ["Location", "ETag", "Link"]
                .iter()
                .all(|name| exposed.contains(name))
        );
    }
}

#[tokio::test]
async fn no_door_opens_to_a_strange_host_and_the_softphone_to_no_page_of_another_origin() {
    let mut house = house();
    let table = [
        ("POST", "/whip", "evil.example", None, 403),
        ("OPTIONS", "/whip", "evil.example", None, 403),
        ("DELETE", "/whip/x", "evil.example", None, 403),
        ("GET", "/softphone", "evil.example", None, 403),
        (
            "POST",
            "/softphone/calls",
            "evil.example:7070",
            Some("http://evil.example:7070"),
            403,
        ),
        (
            "POST",
            "/softphone/calls",
            "127.0.0.1:7070",
            Some("https://evil.example"),
            403,
        ),
        (
            "POST",
            "/softphone/calls",
            "127.0.0.1:7070",
            Some("null"),
            403,
        ),
        (
            "GET",
            "/softphone/recordings/x",
            "127.0.0.1:7070",
            Some("https://evil.example"),
            403,
        ),
        (
            "POST",
            "/softphone/calls",
            "127.0.0.1:7070",
            Some("http://127.0.0.1:7070"),
            201,
        ),
        ("GET", "/softphone", "localhost:7070", None, 200),
    ];
    for (method, uri, host, origin, status) in table {
        let mut request = Request::builder()
            .method(method)
            .uri(uri)
            .header(header::HOST, host);
        if let Some(origin) = origin {
            request = request.header(header::ORIGIN, origin);
        }
        let answer = house.ask(request.body(Body::empty()).unwrap()).await;
        assert_eq!(
            answer.status().as_u16(),
            status,
            "{method} {uri} {host} {origin:?}"
        );
    }
}

#[tokio::test]
async fn the_page_loads_nothing_from_elsewhere() {
    let mut house = house();
    let request = Request::get("/softphone").body(Body::empty()).unwrap();
    let answer = house.ask(request).await;
    assert!(
        answer
            .headers()
            .contains_key(header::CONTENT_SECURITY_POLICY)
    );
    let page = text(answer).await;
    assert!(page.contains("RTCPeerConnection"));
    assert!(!page.contains("http://") && !page.contains("https://"));
}
