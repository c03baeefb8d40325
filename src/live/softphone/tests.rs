//! Softphones against the ingest, over real sockets on loopback; nothing is waited for but the calls themselves.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use axum::extract::ws::WebSocketUpgrade;
use axum::routing::get;
use bytes::Bytes;
use futures_util::{SinkExt, StreamExt};
use mock_api::ingest::{
    EndReason, EndedMedia, Ingest, IngestSettings, NoRoom, SessionEvents, Started, TakeNumber,
    upgrade_signalling,
};
use racegate_media::ogg::read;
use racegate_media::{RtcStack, Speech};
use racegate_udp::Shard;
use tokio::io::AsyncWriteExt;
use tokio::sync::Notify;
use tokio_tungstenite::tungstenite::Message;

use super::{
    CallEnd, CallStage, Connection, Dial, DialMedia, Silence, SoftphoneSettings, Softphones,
};

#[derive(Default)]
pub(super) struct Ended {
    pub(super) media: Mutex<Vec<EndedMedia>>,
    /// Told when audio can flow.
    pub(super) established: Arc<Notify>,
    /// Told when a conversation is over.
    pub(super) over: Arc<Notify>,
}

impl SessionEvents for Ended {
    fn started(&self, _session: &Started) {}
    fn established(&self, _conversation_id: &str, _session_id: &str, _at: Instant) {
        self.established.notify_one();
    }
    fn part(&self, _take: TakeNumber, _part: Bytes) -> Result<(), NoRoom> {
        Ok(())
    }
    fn ended(&self, media: EndedMedia) {
        self.media.lock().unwrap().push(media);
        self.over.notify_one();
    }
}

impl Ended {
    /// Waits until so many conversations are over: a softphone does not wait for the server when it hangs up.
    pub(super) async fn all(&self, conversations: usize) {
        while self.media.lock().unwrap().len() < conversations {
            tokio::task::yield_now().await;
        }
    }
}

/// A server with softphones that call it, on one shard.
pub(super) async fn platform(settings: &IngestSettings) -> (Softphones, Arc<Ended>, Shard) {
    let stack = Arc::new(RtcStack::new().unwrap());
    let ended = Arc::new(Ended::default());
    let (ingest, server) = Ingest::bind(settings, stack.clone(), ended.clone()).unwrap();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("ws://{}/signalling", listener.local_addr().unwrap());
    let handler = move |upgrade: WebSocketUpgrade| {
        let ingest = ingest.clone();
        async move { upgrade_signalling(upgrade, ingest) }
    };
    let app = axum::Router::new().route("/signalling", get(handler));
    tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
    let (phones, client) = Softphones::bind(&SoftphoneSettings::new(url), stack).unwrap();
    let shard = Shard::spawn("media-test", vec![client, server]).unwrap();
    (phones, ended, shard)
}

pub(super) fn dial(n: usize, length: Duration) -> Dial {
    Dial::new(format!("conversation-{n}"), Instant::now() + length, n)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_recorded_is_what_was_said() {
    let (phones, ended, shard) = platform(&IngestSettings::default()).await;
    let calls: Vec<_> = (0..8)
        .map(|n| phones.dial(dial(n, Duration::from_secs(2))))
        .collect();
    let mut outcomes = BTreeMap::new();
    for call in calls {
        let outcome = call.await.unwrap();
        assert_eq!(outcome.end, CallEnd::HungUp, "{outcome:?}");
        outcomes.insert(outcome.conversation_id.clone(), outcome);
    }
    shard.stop().unwrap();
    let ended = ended.media.lock().unwrap();
    assert_eq!(ended.len(), 8);
    for media in ended.iter() {
        let outcome = &outcomes[&media.conversation_id];
        assert_eq!(media.reason, EndReason::HungUp);
        assert!(outcome.packets_sent > 0);
        assert_eq!(
            (media.packets_received, media.digest_received),
            (outcome.packets_sent, outcome.digest_sent)
        );
        assert_eq!(
            read(&media.tail).unwrap().samples,
            outcome.packets_sent * 960
        );
    }
    assert_eq!(phones.report().established, 8);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_that_is_refused_says_at_which_stage() {
    let settings = IngestSettings {
        sessions_max: 0,
        ..IngestSettings::default()
    };
    let (phones, _ended, shard) = platform(&settings).await;
    let outcome = phones.dial(dial(0, Duration::from_secs(5))).await.unwrap();
    assert!(
        matches!(&outcome.end, CallEnd::NotEstablished { stage: CallStage::Offer, cause } if cause.contains("full"))
    );
    assert_eq!(phones.report().failed[CallStage::Offer as usize], 1);
    shard.stop().unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_server_the_call_fails_to_connect() {
    let stack = Arc::new(RtcStack::new().unwrap());
    let (phones, _endpoint) =
        Softphones::detached(&SoftphoneSettings::new("ws://127.0.0.1:1/x"), 5000, stack);
    let outcome = phones.dial(dial(0, Duration::from_secs(5))).await.unwrap();
    assert!(matches!(
        outcome.end,
        CallEnd::NotEstablished {
            stage: CallStage::Connect,
            ..
        }
    ));
}

/// The URL of a platform's signalling, and the platform.
async fn signalling() -> (String, Softphones, Arc<Ended>, Shard) {
    let (phones, ended, shard) = platform(&IngestSettings::default()).await;
    (phones.signalling_url.to_string(), phones, ended, shard)
}

#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "pings and the like say nothing"
)]
/// Everything that the server says until it closes the connection; the close code, if it gave one.
async fn until_closed(socket: &mut Client) -> (Vec<String>, Option<u16>) {
    let mut said = Vec::new();
    while let Some(Ok(message)) = socket.next().await {
        match message {
            Message::Text(text) => said.push(text.to_string()),
            Message::Close(frame) => return (said, frame.map(|frame| frame.code.into())),
            _ => {}
        }
    }
    (said, None)
}

type Client = tokio_tungstenite::WebSocketStream<tokio::net::TcpStream>;

async fn client(url: &str) -> Client {
    let address = url
        .strip_prefix("ws://")
        .unwrap()
        .split('/')
        .next()
        .unwrap();
    let stream = tokio::net::TcpStream::connect(address).await.unwrap();
    tokio_tungstenite::client_async(url, stream)
        .await
        .unwrap()
        .0
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn garbage_frames_are_answered_until_it_is_enough_and_harm_no_other_call() {
    let (url, phones, ended, shard) = signalling().await;
    let call = phones.dial(dial(0, Duration::from_secs(1)));
    let mut socket = client(&url).await;
    for text in [
        "",
        "nonsense",
        "[]",
        "{}",
        "{\"jsonrpc\":\"2.0\"}",
        "null",
        "\u{0}",
        "7",
    ] {
        drop(socket.feed(Message::text(text)).await);
    }
    drop(socket.flush().await);
    let (said, code) = until_closed(&mut socket).await;
    assert!((5..=7).contains(&said.len()), "{said:?}");
    assert!(
        said.iter().all(|frame| frame.contains("\"error\"")),
        "{said:?}"
    );
    assert_eq!(code, Some(1008), "policy violation");
    assert_eq!(call.await.unwrap().end, CallEnd::HungUp);
    shard.stop().unwrap();
    assert_eq!(ended.media.lock().unwrap().len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_huge_frame_ends_its_connection_and_a_slow_one_holds_up_nobody() {
    let (url, phones, _ended, shard) = signalling().await;
    let mut huge = client(&url).await;
    // The server may be gone before all of it is written.
    drop(huge.send(Message::text("x".repeat(1 << 20))).await);
    assert_eq!(until_closed(&mut huge).await.0, [""; 0]);
    // A frame that says it has 60,000 bytes, and of which one comes.
    let mut slow = client(&url).await;
    let beginning = [0x81, 0xfe, 0xea, 0x60, 1, 2, 3, 4, b'{'];
    slow.get_mut().write_all(&beginning).await.unwrap();
    let outcome = phones.dial(dial(0, Duration::from_secs(1))).await.unwrap();
    assert_eq!(outcome.end, CallEnd::HungUp, "{outcome:?}");
    shard.stop().unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn several_conversations_share_one_connection_and_end_apart() {
    let (url, _phones, ended, shard) = signalling().await;
    let mut socket = client(&url).await;
    let frame = |method: &str, params: &str| {
        let text =
            format!("{{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"{method}\",\"params\":{params}}}");
        Message::text(text)
    };
    let mut sessions = Vec::new();
    for conversation in ["one", "two", "three"] {
        let params = format!("{{\"conversationId\":\"{conversation}\",\"media\":\"none\"}}");
        socket.send(frame("call", &params)).await.unwrap();
        let Some(Ok(Message::Text(text))) = socket.next().await else {
            panic!("no proposal");
        };
        let proposal: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(proposal["params"]["conversationId"], conversation);
        let session = proposal["params"]["sessionId"].as_str().unwrap().to_owned();
        assert_ne!(session, conversation, "session and conversation are apart");
        let params = format!("{{\"sessionId\":\"{session}\"}}");
        socket.send(frame("proceed", &params)).await.unwrap();
        assert!(matches!(socket.next().await, Some(Ok(Message::Text(_)))));
        let params = format!("{{\"sessionId\":\"{session}\",\"sdp\":\"v=0\"}}");
        socket.send(frame("answer", &params)).await.unwrap();
        sessions.push(session);
    }
    let params = format!(
        "{{\"sessionId\":\"{}\",\"reason\":\"hang-up\"}}",
        sessions[1]
    );
    socket.send(frame("terminate", &params)).await.unwrap();
    socket.close(None).await.unwrap();
    until_closed(&mut socket).await;
    // The server has read the close and answered it; what is left ends with the connection.
    shard.stop().unwrap();
    let mut reasons = Vec::new();
    while reasons.len() < 3 {
        tokio::task::yield_now().await;
        let ended = ended.media.lock().unwrap();
        let of = |media: &EndedMedia| (media.conversation_id.clone(), media.reason);
        reasons = ended.iter().map(of).collect();
    }
    reasons.sort();
    let lost = EndReason::SignallingLost;
    let expected = [("one", lost), ("three", lost), ("two", EndReason::HungUp)];
    assert_eq!(
        reasons,
        expected.map(|(id, reason)| (id.to_owned(), reason))
    );
}

pub(super) fn persistent(n: usize, length: Duration, media: DialMedia) -> Dial {
    Dial {
        media,
        connection: Connection::Persistent,
        silence: Silence::Dtx,
        ..dial(n, length)
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn persistent_connections_carry_call_after_call_each_recorded_apart() {
    let (phones, ended, shard) = platform(&IngestSettings::default()).await;
    let mut outcomes = BTreeMap::new();
    let mut sessions = Vec::new();
    // Two calls at once, three times: two connections are enough.
    for round in 0..3 {
        let length = Duration::from_millis(700 + 200 * round);
        let first = usize::try_from(round).unwrap() * 2;
        let calls = [first, first + 1];
        let calls = calls.map(|n| phones.dial(persistent(n, length, DialMedia::Audio)));
        for call in calls {
            let outcome = call.await.unwrap();
            assert_eq!(outcome.end, CallEnd::HungUp, "{outcome:?}");
            sessions.push(outcome.session_id.clone().unwrap());
            outcomes.insert(outcome.conversation_id.clone(), outcome);
        }
    }
    ended.all(6).await;
    shard.stop().unwrap();
    sessions.sort();
    sessions.dedup();
    assert_eq!((sessions.len(), phones.report().lines), (2, 2));
    let ended = ended.media.lock().unwrap();
    assert_eq!((ended.len(), outcomes.len()), (6, 6));
    for media in ended.iter() {
        let outcome = &outcomes[&media.conversation_id];
        assert_eq!(media.reason, EndReason::HungUp);
        assert_eq!(Some(&media.session_id), outcome.session_id.as_ref());
        assert_eq!(
            (media.packets_received, media.digest_received),
            (outcome.packets_sent, outcome.digest_sent)
        );
        assert!(outcome.packets_sent > 10 && media.packets_lost == 0);
        let recording = read(&media.tail).unwrap();
        let length = outcome.ended_at - outcome.established_at.unwrap();
        let recorded = Duration::from_micros(recording.samples * 1_000_000 / 48_000);
        let differs = recorded.abs_diff(length);
        assert!(
            differs < Duration::from_millis(300),
            "{recorded:?} of {length:?}"
        );
        let mark = Speech::mark_in(&recording.packets);
        assert_eq!(mark, Some(Speech::mark_of(&media.conversation_id)));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_persistent_connection_may_be_signalling_only_or_without_a_word() {
    let (phones, ended, shard) = platform(&IngestSettings::default()).await;
    let length = Duration::from_millis(400);
    for (n, media) in [DialMedia::Signalling, DialMedia::Transport]
        .into_iter()
        .enumerate()
    {
        for round in 0..3 {
            let call = phones.dial(persistent(n * 3 + round, length, media));
            let outcome = call.await.unwrap();
            assert_eq!(outcome.end, CallEnd::HungUp, "{outcome:?}");
        }
    }
    ended.all(6).await;
    shard.stop().unwrap();
    assert_eq!(phones.report().lines, 2, "one of each kind");
    let ended = ended.media.lock().unwrap();
    assert_eq!(ended.len(), 6);
    assert!(ended.iter().all(|media| media.established_at.is_some()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_line_that_breaks_while_it_rests_is_replaced_by_a_new_one() {
    let (phones, ended, shard) = platform(&IngestSettings::default()).await;
    let short = Duration::from_millis(400);
    let first = phones
        .dial(persistent(0, short, DialMedia::Audio))
        .await
        .unwrap();
    assert_eq!(first.end, CallEnd::HungUp);
    // The media threads go: so do all sessions, and with them the line.
    shard.stop().unwrap();
    phones.commands.closed().await;
    let second = phones
        .dial(persistent(1, short, DialMedia::Audio))
        .await
        .unwrap();
    assert!(matches!(second.end, CallEnd::NotEstablished { .. }));
    assert_eq!(ended.media.lock().unwrap().len(), 1);
}
