//! Fuzz target of the API's bodies: a request line and a body, as an unfriendly client sends them.

use std::path::PathBuf;

use bolero::check;

use crate::support::{Http, World, platform};

#[path = "../../../fuzz/replay.rs"]
mod replay;
use replay::replay;

/// Where bodies go: what the first line of the input names, or else what its length does.
const TARGETS: [(&str, &str); 8] = [
    ("POST", "/api/v2/processautomation/triggers"),
    ("POST", "/api/v2/recording/jobs"),
    ("POST", "/api/v2/analytics/conversations/details/query"),
    ("POST", "/api/v2/analytics/conversations/details/jobs"),
    ("POST", "/api/v2/recording/batchrequests"),
    ("POST", "/api/v2/notifications/channels"),
    ("PUT", "/api/v2/recording/settings"),
    ("POST", "/oauth/token"),
];

async fn request(api: &Http, bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let (line, body) = text.split_once('\n').unwrap_or((&text, ""));
    let named = TARGETS
        .iter()
        .find(|(method, path)| line.strip_prefix(method).map(str::trim) == Some(path));
    let (method, path) = named.unwrap_or(&TARGETS[text.len() % TARGETS.len()]);
    let kind = if path.starts_with("/oauth") {
        "content-type: application/x-www-form-urlencoded\r\n"
    } else {
        "content-type: application/json\r\n"
    };
    let answer = api.send(method, path, kind, body).await;
    assert!(
        answer.status < 500,
        "{line}: {} {}",
        answer.status,
        answer.text
    );
}

#[test]
fn any_body_is_taken_or_refused_and_never_a_fault_of_ours() {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .expect("a runtime can be had");
    let (_world, api) = runtime.block_on(async {
        let mut platform = platform();
        platform.api.rate_limit = None;
        let world = World::start(platform).await;
        let api = world.tenant(0).await;
        (world, api)
    });
    let send = |bytes: &[u8]| runtime.block_on(request(&api, bytes));
    check!(name = "http_bodies")
        .with_iterations(0)
        .for_each(send);
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    replay(
        &folder.join("tests/http/__fuzz__/http_bodies/corpus"),
        400,
        send,
    );
}
