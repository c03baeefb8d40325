//! The forum's filters, live conversations, upload reports, and triggers that change.

use mock_api::clock::{Pace, RunClock};
use mock_api::http::ApiConfig;
use mock_api::storage::sidecar::Dialect;
use racegate_model::field::{Field, FieldSet, Kind};
use racegate_model::ids::RecordingIndex;
use racegate_model::scenario::{Filters, PlatformSpec};
use racegate_model::time::{Duration, Timestamp};
use racegate_model::timeline::Hold;
use racegate_model::workload::Call;
use serde_json::{Value, json};

use crate::support::{EPOCH, Http, World, conversation, export_of, millis, platform, recording};

const JOBS: &str = "/api/v2/recording/jobs";

/// A platform whose export writes the hold flag alone, unless a filter asks for more.
fn filtering(filters: Filters) -> PlatformSpec {
    let mut spec = platform();
    spec.export.schema = FieldSet::EMPTY.with(Field::LegalHoldFlag);
    spec.export.selection.filters = filters;
    spec
}

/// What a job with these further keys writes of each recording's sidecar.
async fn export(world: &World, api: &Http, more: &Value) -> Vec<Value> {
    let ids = [1, 2].map(|index| conversation(index).to_string());
    let mut query: Value = serde_json::from_str(&export_of(&ids)).unwrap();
    for (key, value) in more.as_object().unwrap() {
        query[key] = value.clone();
    }
    let made = api.json("POST", JOBS, &query.to_string()).await;
    assert_eq!(made.status, 202, "{}", made.text);
    let job = made.json()["selfUri"].as_str().unwrap().to_owned();
    api.json("PUT", &job, r#"{"state":"PROCESSING"}"#).await;
    world.advance(Duration::from_millis(20));
    world.service.handle_timeout(world.clock.now());
    let bucket = &world.tenant_config(0).organization;
    let id = job.rsplit('/').next().unwrap();
    let key = format!("{bucket}/jobs/{id}/manifest.json");
    let manifest = world.service.store().get(bucket, &key).expect("a manifest");
    let manifest: Value = serde_json::from_slice(&manifest.body()).unwrap();
    let written = manifest["recordings"].as_array().unwrap().iter();
    written
        .map(|one| {
            let key = one["metadataKey"].as_str().unwrap();
            let sidecar = world.service.store().get(bucket, key).expect("a sidecar");
            serde_json::from_slice(&sidecar.body()).unwrap()
        })
        .collect()
}

async fn filtered(filters: Filters, dialect: Dialect) -> (World, Http) {
    let clock = RunClock::dialled(Timestamp::ZERO, Pace::MANUAL);
    let config = ApiConfig {
        dialect,
        ..ApiConfig::new(EPOCH)
    };
    let world = World::start_on(clock, filtering(filters), config).await;
    world.advance(Duration::from_secs(1));
    world.end_call(1, Kind::Webrtc, Hold::Free);
    world.end_call(2, Kind::Sip, Hold::Free);
    let api = world.tenant(0).await;
    (world, api)
}

#[tokio::test]
async fn the_forums_filters_do_what_the_forum_says_where_they_are_heeded() {
    let (world, api) = filtered(Filters::RefusingUnknown, Dialect::Forum).await;
    let plain = export(&world, &api, &json!({})).await;
    assert_eq!(plain.len(), 2);
    assert!(
        plain.iter().all(|one| one["media_type"].is_null()),
        "{plain:?}"
    );
    let more = export(&world, &api, &json!({"include_metadata": true})).await;
    assert!(
        more.iter().all(|one| one["media_type"].is_string()),
        "{more:?}"
    );
    assert!(more[0]["webrtc_session_id"].is_null());
    let filters = json!({"filters": {"include_webrtc_metadata": true, "media_type": "webRTC"}});
    let phones = export(&world, &api, &filters).await;
    assert_eq!(phones.len(), 1, "of softphones only");
    assert!(phones[0]["webrtc_session_id"].is_string(), "{phones:?}");
    let again = export(&world, &api, &json!({})).await;
    assert_eq!(again.len(), 2, "a filter is its own job's");
    let mut query: Value = serde_json::from_str(&export_of(&[])).unwrap();
    query["mediaType"] = "WEBCAM".into();
    assert_eq!(
        api.json("POST", JOBS, &query.to_string()).await.code(),
        "bad.request"
    );
    query["mediaType"] = 7.into();
    assert_eq!(
        api.json("POST", JOBS, &query.to_string()).await.code(),
        "bad.request"
    );
}

#[tokio::test]
async fn to_the_real_api_the_filters_are_unknown_keys() {
    for (filters, dialect) in [
        (Filters::Ignored, Dialect::Forum),
        (Filters::RefusingUnknown, Dialect::Genesys),
    ] {
        let (world, api) = filtered(filters, dialect).await;
        let more = json!({"include_metadata": true, "mediaType": "WEBCAM"});
        let written = export(&world, &api, &more).await;
        assert_eq!(written.len(), 2);
        let flagged = written[0].get("legal_hold_flag").is_some();
        assert_eq!(flagged, dialect == Dialect::Forum, "{written:?}");
        assert!(
            written.iter().all(|one| one["media_type"].is_null()),
            "{written:?}"
        );
    }
}

#[tokio::test]
async fn a_conversation_is_recorded_until_it_ends() {
    let world = World::start(platform()).await;
    let api = world.tenant(0).await;
    let now = world.clock.now();
    let call = Call {
        index: RecordingIndex(1),
        arrival: now,
        duration: Duration::from_secs(3600),
        kind: Kind::Webrtc,
        hold: Hold::Free,
    };
    world.service.calls().begin(call);
    let path = format!("/api/v2/conversations/{}", conversation(1));
    let calls = path.replace("conversations/", "conversations/calls/");
    let live = api.get(&path).await.json();
    assert_eq!(
        (&live["recordingState"], live.get("endTime")),
        (&json!("ACTIVE"), None)
    );
    let leg = &live["participants"][1]["calls"][0];
    assert_eq!(
        (&leg["state"], &leg["recording"]),
        (&json!("connected"), &json!(true))
    );
    assert_eq!(leg["recordingId"], recording(1).to_string());
    assert!(leg["clientIpAddress"].is_string());
    assert_eq!(api.get(&calls).await.json()["recordingState"], "active");
    world.service.session_ended(world.clock.now(), &call);
    let over = api.get(&calls).await.json();
    assert_eq!(over["recordingState"], "none");
    assert_eq!(over["participants"][0]["calls"][0]["state"], "terminated");
    let nobody = format!("/api/v2/conversations/{}", conversation(2));
    assert_eq!(api.get(&nobody).await.code(), "not.found");
    assert_eq!(api.get("/api/v2/conversations/x").await.code(), "not.found");
}

#[tokio::test]
async fn an_upload_report_tells_what_waits_for_its_conversation() {
    let mut spec = platform();
    spec.kinds.webrtc.after_call_work = millis(60_000);
    spec.kinds.sip.media_lag = millis(60_000);
    let clock = RunClock::dialled(Timestamp::ZERO, Pace::MANUAL);
    let world = World::start_on(clock, spec, ApiConfig::new(EPOCH)).await;
    let api = world.tenant(0).await;
    world.advance(Duration::from_secs(1));
    world.end_call(1, Kind::Webrtc, Hold::Free);
    world.end_call(2, Kind::Sip, Hold::Free);
    let base = "/api/v2/recording/uploads/reports";
    let made = api
        .json("POST", base, r#"{"dateSince":"2026-03-01"}"#)
        .await;
    assert_eq!(
        (made.status, &made.json()["state"]),
        (202, &json!("InProgress"))
    );
    let path = made.json()["selfUri"].as_str().unwrap().to_owned();
    world.advance(Duration::from_secs(120));
    let done = api.get(&path).await.json();
    assert_eq!(done["state"], "Completed");
    let url = done["signedUrl"].as_str().unwrap();
    let report = world.api().get(url.strip_prefix("http://x").unwrap()).await;
    assert_eq!(report.header("content-type"), Some("text/csv"));
    let lines: Vec<&str> = report.text.lines().skip(1).collect();
    assert!(lines[0].starts_with(&recording(1).to_string()), "{lines:?}");
    assert!(lines[0].ends_with(",WaitForConversation") && lines[1].ends_with(",Pending"));
    let body = r#"{"dateSince":"2026-03-01","uploadStatus":"Success"}"#;
    let made = api.json("POST", base, body).await.json();
    world.advance(Duration::from_secs(1));
    let done = api.get(made["selfUri"].as_str().unwrap()).await.json();
    let url = done["signedUrl"].as_str().unwrap();
    let report = world.api().get(url.strip_prefix("http://x").unwrap()).await;
    assert_eq!(report.text.lines().count(), 3, "by now both have arrived");
    for (body, code) in [
        ("{}", "bad.request"),
        (r#"{"dateSince":"x"}"#, "invalid.value"),
        (
            r#"{"dateSince":"2026-03-01","uploadStatus":"Lost"}"#,
            "invalid.value",
        ),
    ] {
        let refused = api.json("POST", base, body).await;
        assert_eq!(refused.code(), code, "{body}");
    }
    assert_eq!(world.tenant(1).await.get(&path).await.code(), "not.found");
}

#[tokio::test]
async fn a_trigger_is_changed_by_who_has_seen_its_version() {
    let world = World::start(platform()).await;
    let api = world.tenant(0).await;
    let base = "/api/v2/processautomation/triggers";
    let mut body = json!({
        "name": "n", "topicName": "v2.detail.events.conversation.{id}.customer.end",
        "target": {"type": "Webhook", "url": "http://127.0.0.1:9/"}, "enabled": true,
    });
    let made = api.json("POST", base, &body.to_string()).await.json();
    let path = made["selfUri"].as_str().unwrap();
    assert_eq!(made["version"], 1);
    body["enabled"] = false.into();
    body["version"] = 1.into();
    let changed = api.json("PUT", path, &body.to_string()).await.json();
    assert_eq!(
        (&changed["version"], &changed["enabled"]),
        (&json!(2), &json!(false))
    );
    assert_eq!(api.get(path).await.json(), changed);
    let stale = api.json("PUT", path, &body.to_string()).await;
    assert_eq!(
        (stale.status, stale.code().as_str()),
        (409, "version.conflict")
    );
    body["topicName"] = "nonsense".into();
    assert_eq!(
        api.json("PUT", path, &body.to_string()).await.code(),
        "invalid.value"
    );
    assert_eq!(world.tenant(1).await.get(path).await.code(), "not.found");
}
