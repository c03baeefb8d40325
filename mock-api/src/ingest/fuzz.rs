//! Fuzz target of the signalling: frames of a WebSocket, a line each, as its server takes them.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use bolero::check;
use racegate_media::RtcStack;
use serde_json::Value;
use tokio::sync::mpsc;

use super::rpc::{self, Incoming};
use super::signalling::{Line, Parting};
use super::tests::Log;
use super::{Ingest, IngestSettings};

#[path = "../../../fuzz/replay.rs"]
mod replay;
use replay::replay;

/// The word that stands for the session that was proposed last.
const SESSION: &str = "SESSION";

fn signal(bytes: &[u8]) {
    let runtime = tokio::runtime::Builder::new_current_thread().build();
    runtime
        .expect("a runtime can be had")
        .block_on(take(&String::from_utf8_lossy(bytes)));
}

async fn take(text: &str) {
    let log = Arc::new(Log::default());
    let stack = Arc::new(RtcStack::new().expect("a certificate can be made"));
    let settings = IngestSettings::default();
    let address = "127.0.0.1:4000".parse().expect("it is an address");
    // The media thread has stopped: whoever needs it is told so.
    let (ingest, _) = Ingest::detached(&settings, address, stack, log);
    let (sender, _notices) = mpsc::channel(8);
    let (claims, _) = mpsc::channel(1);
    let mut line = Line::new(ingest, sender, claims);
    let mut session = String::new();
    for frame in text.lines() {
        let frame = frame.replace(SESSION, &session);
        if let Ok(Incoming::Method { method, .. }) = rpc::parse(&frame) {
            let again = rpc::parse(&rpc::frame(1, &method));
            let expected = Incoming::Method {
                id: Value::from(1),
                method,
            };
            assert_eq!(again, Ok(expected), "what is read is written the same");
        }
        for reply in line.handle(&frame, Instant::now()).await {
            let reply: Value = serde_json::from_str(&reply).expect("a reply is JSON");
            assert_eq!(reply["jsonrpc"], "2.0", "{reply}");
            if let Some(proposed) = reply["params"]["sessionId"].as_str() {
                proposed.clone_into(&mut session);
            }
        }
    }
    line.lose(Instant::now(), Parting::Closed).await;
}

#[test]
fn any_frames_are_answered_or_struck() {
    check!(name = "signalling")
        .with_iterations(0)
        .for_each(signal);
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    let corpus = folder.join("src/ingest/__fuzz__/signalling/corpus");
    replay(&corpus, 1500, signal);
}
