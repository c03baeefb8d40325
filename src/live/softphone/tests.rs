//! Softphones against the ingest, over real sockets on loopback; nothing is waited for but the calls themselves.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use axum::extract::ws::WebSocketUpgrade;
use axum::routing::get;
use mock_api::ingest::{
    EndReason, EndedMedia, Ingest, IngestSettings, SessionEvents, Started, upgrade_signalling,
};
use racegate_media::RtcStack;
use racegate_media::ogg::read;
use racegate_udp::Shard;

use super::{CallEnd, CallStage, Dial, SoftphoneSettings, Softphones};

#[derive(Default)]
struct Ended(Mutex<Vec<EndedMedia>>);

impl SessionEvents for Ended {
    fn started(&self, _session: &Started) {}
    fn established(&self, _conversation_id: &str, _session_id: &str, _at: Instant) {}
    fn ended(&self, media: EndedMedia) {
        self.0.lock().unwrap().push(media);
    }
}

/// A server with softphones that call it, on one shard.
async fn platform(settings: &IngestSettings) -> (Softphones, Arc<Ended>, Shard) {
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

fn dial(n: usize, length: Duration) -> Dial {
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
    let ended = ended.0.lock().unwrap();
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
            read(&media.ogg).unwrap().samples,
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
