//! Softphones that come back to a persistent session by another WebSocket: whichever shard it leads to, and whether or not the server
//! knows by then that the old one is dead.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::ws::WebSocketUpgrade;
use axum::routing::get;
use futures_util::{SinkExt, StreamExt};
use racegate_media::{PayloadDigest, RtcStack};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream};

use super::rpc::{self, Incoming, Method};
use super::signalling::{Line, Parting};
use super::tests::{Bench, Log};
use super::{EndReason, Ingest, IngestSettings, IngestShards, upgrade_signalling};

/// A server without a media thread: its sessions are signalling only.
struct Server {
    url: String,
    shards: IngestShards,
    log: Arc<Log>,
}

impl Server {
    async fn start(shards: usize, settings: &IngestSettings) -> Self {
        let log = Arc::new(Log::default());
        let stack: Arc<dyn racegate_media::Stack> = Arc::new(RtcStack::new().unwrap());
        let events: Arc<dyn super::SessionEvents> = Arc::clone(&log) as _;
        let count = shards.try_into().unwrap();
        let (shards, _) = IngestShards::detached(settings, count, &stack, &events);
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("ws://{}/signalling", listener.local_addr().unwrap());
        let reached = shards.clone();
        let handler = move |upgrade: WebSocketUpgrade| {
            let ingest = reached.any().clone();
            async move { upgrade_signalling(upgrade, ingest) }
        };
        let app = axum::Router::new().route("/signalling", get(handler));
        tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
        Self { url, shards, log }
    }

    async fn connect(&self) -> Phone {
        Phone(tokio_tungstenite::connect_async(&self.url).await.unwrap().0)
    }

    /// Waits until so many conversations are over; why each is.
    async fn ended(&self, conversations: usize) -> Vec<(String, EndReason)> {
        loop {
            let ended = self.log.ended.lock().unwrap().clone();
            if ended.len() >= conversations {
                let seen = ended.into_iter();
                return seen
                    .map(|media| (media.conversation_id, media.reason))
                    .collect();
            }
            tokio::task::yield_now().await;
        }
    }
}

/// A softphone's side of one WebSocket.
struct Phone(WebSocketStream<MaybeTlsStream<TcpStream>>);

impl Phone {
    async fn say(&mut self, method: &str, params: Value) {
        let frame = json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params });
        self.0.send(Message::text(frame.to_string())).await.unwrap();
    }

    async fn hear(&mut self) -> Value {
        loop {
            if let Message::Text(text) = self.0.next().await.unwrap().unwrap() {
                return serde_json::from_str(&text).unwrap();
            }
        }
    }

    /// The code with which the server closes it.
    async fn closed(&mut self) -> Option<u16> {
        while let Some(Ok(message)) = self.0.next().await {
            if let Message::Close(frame) = message {
                return frame.map(|frame| frame.code.into());
            }
        }
        None
    }

    /// Sets up a persistent session without media.
    async fn call(&mut self, conversation: &str) -> String {
        let call = json!({
            "conversationId": conversation, "media": "none", "connection": "persistent",
        });
        self.say("call", call).await;
        let session = self.hear().await["params"]["sessionId"].clone();
        self.say("proceed", json!({ "sessionId": session })).await;
        assert_eq!(self.hear().await["method"], "offer");
        let answer = json!({ "sessionId": session, "sdp": "v=0" });
        self.say("answer", answer).await;
        session.as_str().unwrap().to_owned()
    }

    /// Comes back to a session, and says what the server answers.
    async fn come_back(&mut self, session: &str) -> Value {
        self.say("reconnect", json!({ "sessionId": session })).await;
        self.hear().await
    }

    /// Breaks it, as a network does.
    fn break_off(self) {
        let MaybeTlsStream::Plain(stream) = self.0.get_ref() else {
            unreachable!("there is no TLS");
        };
        stream.set_zero_linger().unwrap();
    }
}

fn active(session: &str) -> Value {
    json!({ "sessionId": session, "status": "active" })
}

#[tokio::test]
async fn a_session_is_taken_over_from_a_connection_that_still_looks_alive() {
    let server = Server::start(1, &IngestSettings::default()).await;
    let mut old = server.connect().await;
    let (one, two) = (old.call("one").await, old.call("two").await);
    let mut new = server.connect().await;
    assert_eq!(new.come_back(&one).await["params"], active(&one));
    assert_eq!(old.closed().await, Some(4001), "it is told why");
    // What else it carried waits, and asking twice changes nothing.
    assert_eq!(new.come_back(&two).await["params"], active(&two));
    assert_eq!(new.come_back(&one).await["params"], active(&one));
    for session in [&one, &two] {
        let over = json!({ "sessionId": session, "reason": "done" });
        new.say("terminate", over).await;
    }
    let expected = ["one", "two"].map(|id| (id.to_owned(), EndReason::HungUp));
    assert_eq!(server.ended(2).await, expected);
    let counters = server.shards.counters();
    assert_eq!((counters.taken_over, counters.ended), (1, 2));
    let gone = new.come_back(&one).await;
    assert_eq!(
        gone["error"]["message"],
        "no such session waits for its softphone"
    );
}

#[tokio::test]
async fn a_connection_that_takes_nothing_more_gives_its_session_up_too() {
    let server = Server::start(1, &IngestSettings::default()).await;
    let mut old = server.connect().await;
    let session = old.call("one").await;
    // Its refusals repeat the id, and nobody reads them: soon the server can only wait.
    let long = "x".repeat(60_000);
    let frame = json!({
        "jsonrpc": "2.0", "id": long, "method": "proceed", "params": { "sessionId": "none" },
    });
    let frame = Message::text(frame.to_string());
    while timeout(Duration::from_millis(300), old.0.send(frame.clone()))
        .await
        .is_ok()
    {}
    let mut new = server.connect().await;
    assert_eq!(new.come_back(&session).await["params"], active(&session));
    let over = json!({ "sessionId": session, "reason": "done" });
    new.say("terminate", over).await;
    assert_eq!(server.ended(1).await[0].1, EndReason::HungUp);
}

#[tokio::test]
async fn a_session_that_is_not_up_ends_with_the_connection_that_another_takes_for_dead() {
    let server = Server::start(1, &IngestSettings::default()).await;
    let mut old = server.connect().await;
    let call = json!({ "conversationId": "c", "media": "none", "connection": "persistent" });
    old.say("call", call).await;
    let session = old.hear().await["params"]["sessionId"].clone();
    old.say("proceed", json!({ "sessionId": session })).await;
    assert_eq!(old.hear().await["method"], "offer");
    let mut new = server.connect().await;
    let answer = new.come_back(session.as_str().unwrap()).await;
    assert_eq!(answer["error"]["code"], -32_000, "{answer}");
    assert_eq!(server.ended(1).await[0].1, EndReason::SignallingLost);
}

#[tokio::test]
async fn whichever_shard_its_connection_leads_to_a_softphone_finds_its_session() {
    let server = Server::start(3, &IngestSettings::default()).await;
    for nth in 0..3 {
        let mut old = server.connect().await;
        let session = old.call(&nth.to_string()).await;
        old.break_off();
        let mut new = server.connect().await;
        assert_eq!(new.come_back(&session).await["params"], active(&session));
        let over = json!({ "sessionId": session, "reason": "done" });
        new.say("terminate", over).await;
        assert_eq!(server.ended(nth + 1).await[nth].1, EndReason::HungUp);
    }
    // Connections alternate, so each session was on another shard than the one that came back to it, and ended where it began.
    let of = |shard: &Ingest| (shard.counters().started, shard.counters().ended);
    let seen: Vec<_> = server.shards.iter().map(of).collect();
    assert_eq!(seen, [(1, 1); 3]);
}

#[tokio::test]
async fn of_too_many_sessions_that_wait_the_one_that_waits_for_longest_ends_and_is_counted() {
    let settings = IngestSettings {
        parked_max: 2,
        ..IngestSettings::default()
    };
    let server = Server::start(1, &settings).await;
    let mut sessions = Vec::new();
    for id in ["one", "two", "three"] {
        let mut phone = server.connect().await;
        sessions.push(phone.call(id).await);
        phone.break_off();
        // The next one breaks off after this one is parked: it cannot be taken a second time.
        let mut probe = server.connect().await;
        assert_eq!(
            probe.come_back(&sessions[sessions.len() - 1]).await["method"],
            "info"
        );
        probe.break_off();
        if id == "two" {
            assert_eq!(server.shards.counters().parked_dropped, 0);
        }
    }
    let lost = ("one".to_owned(), EndReason::SignallingLost);
    assert_eq!(server.ended(1).await, [lost]);
    assert_eq!(server.shards.counters().parked_dropped, 1);
    let mut phone = server.connect().await;
    assert!(phone.come_back(&sessions[0]).await.get("error").is_some());
    for session in &sessions[1..] {
        assert_eq!(phone.come_back(session).await["params"], active(session));
    }
}

/// What the server says on that line, taken apart.
fn said(frames: &[String]) -> Method {
    match rpc::parse(&frames[0]) {
        Ok(Incoming::Method { method, .. }) => method,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn the_audio_of_a_session_goes_on_and_ends_by_a_connection_of_another_shard() {
    let mut bench = Bench::new(&IngestSettings::default());
    let address = "127.0.0.1:4001".parse().unwrap();
    let (stack, log) = (Arc::new(bench.stack.clone()), Arc::clone(&bench.log));
    let (mut elsewhere, _) = Ingest::detached(&IngestSettings::default(), address, stack, log);
    elsewhere.join(&bench.ingest);
    let line = |ingest: &Ingest| {
        let ((notices, heard), (claims, claimed)) = (mpsc::channel(4), mpsc::channel(4));
        (Line::new(ingest.clone(), notices, claims), heard, claimed)
    };
    let ask = |method: Method| rpc::frame(1, &method);
    let (mut old, _, _claimed) = line(&bench.ingest);
    let now = bench.now;
    let call = r#"{"jsonrpc":"2.0","method":"call",
        "params":{"conversationId":"c","connection":"persistent"}}"#;
    let Method::Propose { session_id, .. } = said(&old.handle(call, now).await) else {
        panic!("no session");
    };
    let proceed = ask(Method::Proceed {
        session_id: session_id.clone(),
    });
    let Method::Offer { sdp, .. } = said(&bench.drive(old.handle(&proceed, now)).await) else {
        panic!("no offer");
    };
    let sdp = bench.pick_up(&sdp);
    let answer = ask(Method::Answer {
        session_id: session_id.clone(),
        sdp,
    });
    bench.drive(old.handle(&answer, now)).await;
    bench.establish(1);
    let mut digest = PayloadDigest::new();
    bench.speak("c", 0..50, &mut digest);
    old.lose(bench.now, Parting::Broken).await;
    bench.speak("c", 50..100, &mut digest);
    let (mut new, _heard, _claimed) = line(&elsewhere);
    let reconnect = ask(Method::Reconnect {
        session_id: session_id.clone(),
    });
    let back = bench.drive(new.handle(&reconnect, now)).await;
    assert!(matches!(said(&back), Method::Info { .. }));
    bench.speak("c", 100..150, &mut digest);
    let terminate = ask(Method::Terminate {
        session_id,
        conversation_id: None,
        reason: "done".to_owned(),
        digest: None,
    });
    new.handle(&terminate, bench.now).await;
    for _ in 0..2 {
        bench.tick(Duration::from_millis(1));
    }
    let ended = bench.ended();
    assert_eq!((ended.len(), ended[0].reason), (1, EndReason::HungUp));
    assert_eq!((ended[0].packets_received, ended[0].packets_lost), (150, 0));
    assert_eq!(ended[0].digest_received, digest.finish());
    let counters = (bench.ingest.counters(), elsewhere.counters());
    assert_eq!((counters.0.ended, counters.1.ended), (1, 0));
}
