//! A read without parameters does not go through the router; nobody can tell.

use mock_api::http::{ApiConfig, Permissions};
use mock_api::storage::sidecar::Dialect;
use racegate_model::field::Kind;
use racegate_model::scenario::RateLimit;
use racegate_model::time::Duration;
use racegate_model::timeline::Hold;
use serde_json::{Value, json};

use crate::product::Product;
use crate::support::{Answer, EPOCH, Http, World, conversation, millis, platform, recording};

/// What a client sees, less what differs from request to request.
fn seen(answer: &Answer) -> (u16, Vec<String>, Value) {
    let changing = [
        "inin-correlation-id",
        "inin-ratelimit-count",
        "date",
        "content-length",
    ];
    let mut headers: Vec<String> = answer
        .head
        .lines()
        .skip(1)
        .map(|line| {
            let (name, value) = line.split_once(':').unwrap();
            let name = name.to_ascii_lowercase();
            if changing.contains(&name.as_str()) {
                name
            } else {
                format!("{name}:{value}")
            }
        })
        .collect();
    headers.sort();
    let mut body: Value = serde_json::from_str(&answer.text).unwrap_or(Value::Null);
    if let Some(id) = body.get_mut("contextId") {
        *id = Value::Null;
    }
    for key in ["0", "S"] {
        let Some(uri) = body.pointer_mut(&format!("/mediaUris/{key}/mediaUri")) else {
            continue;
        };
        let text = uri.as_str().unwrap().split_once('?').unwrap().0.to_owned();
        *uri = text.into();
    }
    (answer.status, headers, body)
}

/// Reads an address as it is, and with a parameter that nobody asks for.
async fn read_both(http: &Http, path: &str) -> (Answer, Answer) {
    let direct = http.get(path).await;
    let routed = http.get(&format!("{path}?unknown=1")).await;
    (direct, routed)
}

fn path(conversation: impl std::fmt::Display, recording: impl std::fmt::Display) -> String {
    format!("/api/v2/conversations/{conversation}/recordings/{recording}")
}

#[tokio::test]
async fn a_read_is_answered_alike_with_and_without_the_router() {
    let mut spec = platform();
    spec.kinds.sip.media_lag = millis(3_600_000);
    for dialect in [Dialect::Genesys, Dialect::Forum] {
        let config = ApiConfig {
            dialect,
            ..ApiConfig::new(EPOCH)
        };
        let world = World::start_with(spec.clone(), config).await;
        world.end_call(1, Kind::Webrtc, Hold::Held);
        world.end_call(2, Kind::Sip, Hold::Free);
        let tenant = world.tenant(0).await;
        let stranger = Http {
            token: Some("stranger".into()),
            ..world.api()
        };
        let here = path(conversation(1), recording(1));
        let upper = path(
            conversation(1).to_string().to_uppercase(),
            recording(1).to_string().to_uppercase(),
        );
        let nil = "00000000-0000-0000-0000-000000000000";
        let hyphens = "-".repeat(36);
        for (http, path, status) in [
            (&tenant, here.clone(), 200),
            (&tenant, upper, 200),
            (&tenant, path(conversation(2), recording(2)), 202),
            (&tenant, path(conversation(1), recording(2)), 404),
            (&tenant, path(conversation(3), recording(3)), 404),
            (&tenant, path(nil, nil), 404),
            (&tenant, path(&hyphens, &hyphens), 404),
            (&world.api(), here.clone(), 401),
            (&stranger, here.clone(), 401),
        ] {
            let (direct, routed) = read_both(http, &path).await;
            assert_eq!(direct.status, status, "{path}: {}", direct.text);
            assert_eq!(seen(&direct), seen(&routed), "{path}");
        }
    }
}

#[tokio::test]
async fn a_read_beyond_the_limit_or_the_permissions_is_refused_alike() {
    let mut spec = platform();
    let window = Duration::from_secs(3_600);
    spec.api.rate_limit = Some(RateLimit { calls: 2, window });
    let mut config = ApiConfig::new(EPOCH);
    let world = World::start_with(spec.clone(), config.clone()).await;
    world.end_call(1, Kind::Webrtc, Hold::Held);
    let here = path(conversation(1), recording(1));
    let tenant = world.tenant(0).await;
    let (direct, routed) = read_both(&tenant, &here).await;
    for (answer, count) in [(direct, "1"), (routed, "2")] {
        assert_eq!(answer.status, 200);
        assert_eq!(answer.header("inin-ratelimit-count"), Some(count));
    }
    let (direct, routed) = read_both(&tenant, &here).await;
    for answer in [direct, routed] {
        assert_eq!(
            (answer.status, answer.code().as_str()),
            (429, "too.many.requests.retry.after")
        );
        assert!(answer.header("retry-after").is_some());
    }
    let id = world.tenant_config(0).credentials.client_id.clone();
    config.permissions = [(id, Permissions::only(["recording:job:view"]))].into();
    let world = World::start_with(spec, config).await;
    world.end_call(1, Kind::Webrtc, Hold::Held);
    let (direct, routed) = read_both(&world.tenant(0).await, &here).await;
    assert_eq!(
        (direct.status, direct.code().as_str()),
        (403, "missing.permissions")
    );
    assert_eq!(seen(&direct), seen(&routed));
}

#[tokio::test]
async fn a_read_without_the_router_is_in_the_journal_and_meets_faults() {
    let mock = Product::start(&["workload.rate=1/h"]).await;
    let api = mock.client(0).await;
    let added = mock.add("{}").await;
    mock.advance("1h").await;
    let here = path(&added.conversation, &added.recording);
    let (direct, routed) = read_both(&api, &here).await;
    assert_eq!(seen(&direct), seen(&routed));
    let rule = json!({
        "match": {"path": here}, "when": {"count": 1}, "fault": {"type": "service-unavailable"},
    });
    mock.admin("POST", "/faults", &rule.to_string()).await;
    assert_eq!(api.get(&here).await.status, 503);
    assert_eq!(api.get(&here).await.status, 200);
    let journal = mock.admin("GET", "/requests?path=/api/*", "").await;
    let entries = journal["requests"].as_array().unwrap();
    assert_eq!(entries.len(), 4, "{journal}");
    let client = mock.mock.addresses().clients[0].client_id.clone();
    for entry in entries {
        assert_eq!(entry["method"], "GET", "{entry}");
        assert_eq!(entry["client"], client, "{entry}");
        let target = entry["target"].as_str().unwrap();
        assert_eq!(target.split('?').next(), Some(here.as_str()), "{entry}");
    }
    let statuses: Vec<_> = entries
        .iter()
        .map(|entry| entry["status"].as_u64())
        .collect();
    assert_eq!(statuses, [Some(200), Some(200), Some(503), Some(200)]);
}
