//! Notification channels.

use std::time::Duration as StdDuration;

use futures_util::{SinkExt, StreamExt};
use mock_api::clock::{Pace, RunClock};
use mock_api::http::{ApiConfig, ChannelLimits, Permissions};
use racegate_model::field::Kind;
use racegate_model::time::{Duration, Probability, Timestamp};
use racegate_model::timeline::Hold;
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

use crate::support::{EPOCH, Http, World, conversation, millis, platform, recording};

const CHANNELS: &str = "/api/v2/notifications/channels";
type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

async fn create(api: &Http, body: &str) -> (String, String) {
    let made = api.json("POST", CHANNELS, body).await;
    assert_eq!(made.status, 200, "{}", made.text);
    let made = made.json();
    let id = made["id"].as_str().unwrap().to_owned();
    let uri = made["connectUri"].as_str().unwrap();
    assert_eq!(
        uri,
        format!("ws://x/channels/{id}"),
        "where the request said that it is"
    );
    (id.clone(), format!("ws://{}/channels/{id}", api.address))
}

async fn subscribe(api: &Http, method: &str, id: &str, topics: &[&str]) -> Value {
    let body: Vec<_> = topics.iter().map(|topic| json!({"id": topic})).collect();
    let path = format!("{CHANNELS}/{id}/subscriptions");
    api.json(method, &path, &json!(body).to_string())
        .await
        .json()
}

async fn open(uri: &str) -> Socket {
    connect_async(uri).await.expect("the channel is there").0
}

async fn receive(socket: &mut Socket) -> Value {
    let next = tokio::time::timeout(StdDuration::from_secs(10), socket.next()).await;
    let message = next
        .expect("a message in time")
        .expect("a connection")
        .expect("a message");
    serde_json::from_str(message.to_text().unwrap()).unwrap()
}

/// Says ping and waits for its pong, so that the connection is known to be served.
async fn ping(socket: &mut Socket) {
    socket
        .send(Message::text(r#"{"message":"ping"}"#))
        .await
        .unwrap();
    let pong = receive(socket).await;
    assert_eq!(
        (&pong["topicName"], &pong["eventBody"]),
        (&json!("channel.metadata"), &json!({"message": "pong"}))
    );
}

async fn is_closed(socket: &mut Socket) -> bool {
    let next = tokio::time::timeout(StdDuration::from_secs(10), socket.next()).await;
    matches!(
        next.expect("in time"),
        None | Some(Err(_) | Ok(Message::Close(_)))
    )
}

async fn me(api: &Http) -> String {
    api.get("/api/v2/users/me").await.json()["id"]
        .as_str()
        .unwrap()
        .to_owned()
}

#[tokio::test]
async fn a_channel_tells_of_an_end_and_then_of_the_recording() {
    let mut spec = platform();
    spec.kinds.webrtc.media_lag = millis(150);
    let world = World::start(spec).await;
    let api = world.tenant(0).await;
    let me = me(&api).await;
    let (id, uri) = create(&api, "null").await;
    let (one, other) = (conversation(1), conversation(2));
    let topics = [
        format!("v2.detail.events.conversation.{one}.customer.end"),
        format!("v2.users.{me}.conversations.{one}.recordings"),
        format!(
            "v2.users.{me}.conversations.{one}.recordings.{}",
            recording(1)
        ),
    ];
    let topics: Vec<&str> = topics.iter().map(String::as_str).collect();
    let granted = subscribe(&api, "POST", &id, &topics).await;
    assert!(
        granted["entities"]
            .as_array()
            .unwrap()
            .iter()
            .all(|t| t["state"] == "Permitted")
    );
    let mut socket = open(&uri).await;
    ping(&mut socket).await;
    world.end_call(2, Kind::Webrtc, Hold::Free);
    world.end_call(1, Kind::Webrtc, Hold::Free);
    for topic in &topics {
        let frame = receive(&mut socket).await;
        assert_eq!(
            (&frame["topicName"], &frame["version"]),
            (&json!(topic), &json!("2"))
        );
        assert!(frame["metadata"]["CorrelationId"].is_string());
        let body = &frame["eventBody"];
        assert_eq!(
            body["conversationId"],
            one.to_string(),
            "and nothing of {other}"
        );
        if topic.contains("recordings") {
            assert_eq!(
                (&body["fileState"], &body["id"]),
                (&json!("AVAILABLE"), &json!(recording(1).to_string()))
            );
        } else {
            assert_eq!(body["mediaType"], "VOICE");
            assert!(body["eventTime"].as_i64().unwrap() > 1_772_874_000_000);
        }
    }
}

#[tokio::test]
async fn what_happens_while_nobody_is_connected_is_lost() {
    let world = World::start(platform()).await;
    let api = world.tenant(0).await;
    let (id, uri) = create(&api, "").await;
    let topic = "v2.detail.events.conversation.{id}.user.end";
    subscribe(&api, "PUT", &id, &[topic]).await;
    let mut socket = open(&uri).await;
    ping(&mut socket).await;
    world.end_call(1, Kind::Sip, Hold::Free);
    assert_eq!(
        receive(&mut socket).await["eventBody"]["conversationId"],
        conversation(1).to_string()
    );
    socket.close(None).await.unwrap();
    while socket.next().await.is_some() {}
    world.end_call(2, Kind::Sip, Hold::Free);
    let mut socket = open(&uri).await;
    ping(&mut socket).await;
    world.end_call(3, Kind::Sip, Hold::Free);
    assert_eq!(
        receive(&mut socket).await["eventBody"]["conversationId"],
        conversation(3).to_string()
    );
}

#[tokio::test]
async fn a_notification_that_the_platform_doubles_comes_twice() {
    let mut spec = platform();
    spec.notification.duplicate = Probability::ONE;
    let world = World::start(spec).await;
    let api = world.tenant(0).await;
    let (id, uri) = create(&api, "").await;
    subscribe(
        &api,
        "POST",
        &id,
        &["conversation:recordings:metadata:ready"],
    )
    .await;
    let mut socket = open(&uri).await;
    ping(&mut socket).await;
    world.end_call(1, Kind::Sip, Hold::Free);
    for _ in 0..2 {
        let frame = receive(&mut socket).await;
        assert_eq!(frame["eventBody"]["recordingId"], recording(1).to_string());
    }
}

#[tokio::test]
async fn a_restored_recording_is_told_of_when_it_is_back() {
    let clock = RunClock::dialled(Timestamp::ZERO, Pace::MANUAL);
    let world = World::start_on(clock, platform(), ApiConfig::new(EPOCH)).await;
    let api = world.tenant(0).await;
    world.end_call(1, Kind::Sip, Hold::Free);
    let me = me(&api).await;
    let (id, uri) = create(&api, "{}").await;
    subscribe(&api, "POST", &id, &[&format!("v2.users.{me}.recordings")]).await;
    let mut socket = open(&uri).await;
    ping(&mut socket).await;
    let path = format!(
        "/api/v2/conversations/{}/recordings/{}",
        conversation(1),
        recording(1)
    );
    let archive = async |date: &str| {
        let body = json!({"archiveDate": date}).to_string();
        api.json("PUT", &path, &body).await.json()["fileState"].clone()
    };
    // It goes back to the archive on its way out, of which nobody is told.
    assert_eq!(archive("2026-03-01").await, "ARCHIVED");
    assert_eq!(archive("2027-03-01").await, "RESTORING");
    assert_eq!(archive("2026-03-01").await, "ARCHIVED");
    world.advance(Duration::from_millis(500));
    assert_eq!(archive("2027-03-01").await, "RESTORING");
    ping(&mut socket).await;
    world.advance(Duration::from_millis(500));
    let frame = receive(&mut socket).await;
    assert_eq!(frame["eventBody"]["fileState"], "RESTORED");
    assert_eq!(frame["eventBody"]["id"], recording(1).to_string());
    ping(&mut socket).await;
    assert_eq!(api.get(&path).await.json()["fileState"], "RESTORED");
}

#[tokio::test]
async fn topics_are_added_replaced_and_cleared() {
    let world = World::start(platform()).await;
    let api = world.tenant(0).await;
    let (id, _) = create(&api, "").await;
    let path = format!("{CHANNELS}/{id}/subscriptions");
    let held = async || {
        let topics = api.get(&path).await.json();
        topics["entities"].as_array().unwrap().len()
    };
    subscribe(&api, "POST", &id, &["channel.metadata"]).await;
    subscribe(
        &api,
        "POST",
        &id,
        &["conversation:recordings:metadata:ready"],
    )
    .await;
    assert_eq!(held().await, 2);
    subscribe(&api, "PUT", &id, &["channel.metadata"]).await;
    assert_eq!(held().await, 1);
    assert_eq!(api.json("DELETE", &path, "").await.status, 204);
    assert_eq!(held().await, 0);
    assert_eq!(
        api.send("HEAD", &format!("{CHANNELS}/{id}"), "", "")
            .await
            .status,
        200
    );
    let nobody = format!("{CHANNELS}/{}", conversation(1));
    assert_eq!(api.send("HEAD", &nobody, "", "").await.status, 404);
    assert_eq!(
        world.tenant(1).await.get(&path).await.code(),
        "not.found",
        "it is another's"
    );
    let available = api
        .get("/api/v2/notifications/availabletopics?includePreview=false")
        .await
        .json();
    assert!(available["entities"].as_array().unwrap().len() > 10);
}

#[tokio::test]
async fn one_refused_topic_refuses_all_unless_errors_are_ignored() {
    let credentials_of_first = World::start(platform())
        .await
        .tenant_config(0)
        .credentials
        .clone();
    let permissions = Permissions::only(["recording:recording:view"]);
    let config = ApiConfig {
        permissions: [(credentials_of_first.client_id, permissions)].into(),
        channels: ChannelLimits {
            topics: 3,
            ..ChannelLimits::default()
        },
        ..ApiConfig::new(EPOCH)
    };
    let world = World::start_with(platform(), config).await;
    let api = world.tenant(0).await;
    let (id, _) = create(&api, "").await;
    let other = me(&world.tenant(1).await).await;
    let path = format!("{CHANNELS}/{id}/subscriptions");
    let watermark = "v2.analytics.conversations.details.jobs.availability";
    let foreign = format!("v2.users.{other}.conversations");
    let long = format!("v2.users.{}", "x".repeat(200));
    for (topic, status, code) in [
        (watermark, 403, "missing.permissions"),
        (foreign.as_str(), 403, "not.authorized"),
        ("v2.nonsense", 400, "invalid.value"),
        (long.as_str(), 400, "invalid.value"),
    ] {
        let body = json!([{"id": "channel.metadata"}, {"id": topic}]).to_string();
        let refused = api.json("POST", &path, &body).await;
        assert_eq!(
            (refused.status, refused.code().as_str()),
            (status, code),
            "{topic}"
        );
        let some = api
            .json("POST", &format!("{path}?ignoreErrors=true"), &body)
            .await
            .json();
        let rejected = &some["entities"][1];
        assert_eq!(rejected["state"], "Rejected");
        assert!(rejected["rejectionReason"].is_string());
        assert_eq!(
            rejected.get("missingPermissions").is_some(),
            topic == watermark
        );
    }
    let kept = api.get(&path).await.json();
    assert_eq!(kept["entities"].as_array().unwrap().len(), 1);
    let many = json!([{"id": "channel.metadata"}, {"id": "channel.metadata"},
        {"id": "channel.metadata"}, {"id": "channel.metadata"}])
    .to_string();
    let refused = api.json("PUT", &path, &many).await;
    assert_eq!(
        (refused.code().as_str(), &refused.json()["limit"]["value"]),
        ("limit.exceeded", &json!(3))
    );
    for body in ["{}", "[7]", "[{}]", "null"] {
        assert_eq!(
            api.json("POST", &path, body).await.code(),
            "bad.request",
            "{body}"
        );
    }
    assert_eq!(
        api.json("POST", CHANNELS, "[1]").await.code(),
        "bad.request"
    );
}

#[tokio::test]
async fn a_second_connection_ends_the_first_and_a_21st_channel_an_idle_one() {
    let world = World::start(platform()).await;
    let api = world.tenant(0).await;
    let (first, uri) = create(&api, "").await;
    let mut socket = open(&uri).await;
    ping(&mut socket).await;
    let mut second = open(&uri).await;
    ping(&mut second).await;
    assert_eq!(
        receive(&mut socket).await["topicName"],
        "v2.system.socket_closing"
    );
    assert!(is_closed(&mut socket).await);
    let mut others = Vec::new();
    for _ in 0..20 {
        others.push(create(&api, "").await);
    }
    let listed = api
        .get(&format!("{CHANNELS}?includechannels=token"))
        .await
        .json();
    let listed: Vec<_> = listed["entities"]
        .as_array()
        .unwrap()
        .iter()
        .map(|c| c["id"].clone())
        .collect();
    assert_eq!(listed.len(), 20);
    assert!(listed.contains(&json!(first)) && !listed.contains(&json!(others[0].0)));
    ping(&mut second).await;
    let Err(Error::Http(refused)) = connect_async(&others[0].1).await else {
        panic!("a channel that is gone was opened");
    };
    assert_eq!(refused.status(), 404);
}

#[tokio::test]
async fn a_channel_ends_with_its_life_and_a_subscription_prolongs_it() {
    let limits = ChannelLimits {
        heartbeat: StdDuration::from_millis(100),
        ..ChannelLimits::default()
    };
    let config = ApiConfig {
        channels: limits,
        ..ApiConfig::new(EPOCH)
    };
    let clock = RunClock::dialled(Timestamp::ZERO, Pace::MANUAL);
    let world = World::start_on(clock, platform(), config).await;
    let api = world.tenant(0).await;
    let (_, short) = create(&api, "").await;
    let (id, long) = create(&api, "").await;
    let (mut short, mut long) = (open(&short).await, open(&long).await);
    assert_eq!(
        receive(&mut short).await["eventBody"]["message"],
        "WebSocket Heartbeat"
    );
    world.advance(Duration::from_secs(43_200));
    // A second login: a token lives a day too.
    let api = world.tenant(0).await;
    subscribe(&api, "POST", &id, &["channel.metadata"]).await;
    world.advance(Duration::from_secs(43_200));
    let closing = loop {
        let frame = receive(&mut short).await;
        if frame["topicName"] != "channel.metadata" {
            break frame;
        }
    };
    assert_eq!(closing["eventBody"]["message"], "The channel has expired.");
    assert!(is_closed(&mut short).await);
    ping_among_heartbeats(&mut long).await;
}

async fn ping_among_heartbeats(socket: &mut Socket) {
    socket
        .send(Message::text(r#"{"message":"ping"}"#))
        .await
        .unwrap();
    while receive(socket).await["eventBody"]["message"] != "pong" {}
}

#[tokio::test]
async fn what_a_client_should_not_send_ends_its_connection_at_most() {
    let world = World::start(platform()).await;
    let api = world.tenant(0).await;
    let (_, uri) = create(&api, "").await;
    let mut socket = open(&uri).await;
    for message in [
        Message::text(""),
        Message::text("{"),
        Message::text(r#"{"message":7}"#),
        Message::binary(vec![0xff; 100]),
        Message::Ping(vec![1].into()),
    ] {
        socket.send(message).await.unwrap();
    }
    let pong = socket.next().await.unwrap().unwrap();
    assert_eq!(pong, Message::Pong(vec![1].into()));
    ping(&mut socket).await;
    socket
        .send(Message::text("x".repeat(1 << 20)))
        .await
        .unwrap_or_default();
    assert!(is_closed(&mut socket).await);
    let mut socket = open(&uri).await;
    ping(&mut socket).await;
    let plain = world
        .api()
        .get(uri.split_once(&api.address.to_string()).unwrap().1)
        .await;
    assert_eq!(
        (plain.status, plain.code().as_str()),
        (426, "upgrade.required")
    );
    assert_eq!(
        world.api().get("/channels/nonsense").await.code(),
        "not.found"
    );
}
