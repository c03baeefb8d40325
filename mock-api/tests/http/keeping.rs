//! What becomes of recordings: dates, protection, annotations, orphans, downloads.

use std::time::Duration as StdDuration;

use mock_api::clock::{Pace, RunClock};
use mock_api::http::{ApiConfig, ApiDelays};
use racegate_model::field::Kind;
use racegate_model::scenario::GroupSource;
use racegate_model::time::{Duration, Timestamp};
use racegate_model::timeline::Hold;
use serde_json::{Value, json};

use crate::product::Product;
use crate::support::{
    Answer, EPOCH, Http, World, conversation, export_of, millis, platform, recording,
};

const JOBS: &str = "/api/v2/recording/jobs";
const PROTECTION: &str = "/api/v2/recordings/deletionprotection";
const BATCHES: &str = "/api/v2/recording/batchrequests";

fn one(index: u64) -> String {
    format!(
        "/api/v2/conversations/{}/recordings/{}",
        conversation(index),
        recording(index)
    )
}

/// GET of an address that the API handed out.
async fn follow(api: &Http, url: &str) -> Answer {
    let base = format!("http://{}", api.address);
    let path = url
        .strip_prefix(&base)
        .unwrap_or_else(|| panic!("{url} is not at {base}"));
    let request = format!(
        "GET {path} HTTP/1.1\r\nhost: {}\r\nconnection: close\r\n\r\n",
        api.address
    );
    api.raw(request.as_bytes()).await.expect("an answer")
}

/// GET that names its host, so that addresses lead back here.
async fn get_here(api: &Http, path: &str) -> Value {
    let token = api.token.as_ref().unwrap();
    let request = format!(
        "GET {path} HTTP/1.1\r\nhost: {}\r\nauthorization: Bearer {token}\r\nconnection: close\r\n\r\n",
        api.address
    );
    api.raw(request.as_bytes()).await.expect("an answer").json()
}

async fn until(what: impl AsyncFn() -> Option<Value>) -> Value {
    for _ in 0..500 {
        if let Some(found) = what().await {
            return found;
        }
        tokio::time::sleep(StdDuration::from_millis(10)).await;
    }
    panic!("it never came");
}

#[tokio::test]
async fn dates_move_a_recording_to_the_archive_and_back_and_away() {
    let clock = RunClock::dialled(Timestamp::ZERO, Pace::MANUAL);
    let world = World::start_on(clock, platform(), ApiConfig::new(EPOCH)).await;
    let api = world.tenant(0).await;
    world.end_call(1, Kind::Sip, Hold::Free);
    let path = one(1);
    let put = async |body: Value| api.json("PUT", &path, &body.to_string()).await.json();
    let future = "2027-01-01T00:00:00.000Z";
    let kept =
        put(json!({"archiveDate": future, "archiveMedium": "CLOUDARCHIVE", "id": "x"})).await;
    assert_eq!(
        (&kept["archiveDate"], &kept["fileState"]),
        (&json!(future), &json!("AVAILABLE"))
    );
    assert_eq!(kept["archiveMedium"], "CLOUDARCHIVE");
    let archived = put(json!({"archiveDate": "2026-03-01"})).await;
    assert_eq!(archived["fileState"], "ARCHIVED");
    assert_eq!(archived["mediaUris"], Value::Null);
    let metadata = path.replace("/recordings/", "/recordingmetadata/");
    let metadata = api.get(&metadata).await.json();
    assert_eq!(metadata["fileState"], "ARCHIVED");
    assert!(
        metadata.get("annotations").is_none(),
        "annotations come with the file"
    );
    let restoring = put(json!({"archiveDate": future})).await;
    assert_eq!(
        (&restoring["fileState"], &restoring["mediaUris"]),
        (&json!("RESTORING"), &Value::Null)
    );
    assert_eq!(restoring["restoreExpirationTime"], future);
    world.advance(Duration::from_millis(499));
    assert_eq!(api.get(&path).await.json()["fileState"], "RESTORING");
    world.advance(Duration::from_millis(1));
    let restored = api.get(&path).await.json();
    assert_eq!(restored["fileState"], "RESTORED");
    assert!(restored["mediaUris"]["0"]["mediaUri"].is_string());
    let gone = put(json!({"deleteDate": "2026-03-01T00:00:00Z"})).await;
    assert_eq!(
        (&gone["fileState"], &gone["archiveDate"]),
        (&json!("DELETED"), &Value::Null)
    );
    let again = api.json("PUT", &path, "{}").await;
    assert_eq!(again.code(), "not.found", "what is deleted stays so");
    let other = world.tenant(1).await.get(&path).await.json();
    assert_eq!(
        other["fileState"], "AVAILABLE",
        "each organization has its own dates"
    );
    for body in [
        r#"{"archiveDate":"soon"}"#,
        r#"{"archiveMedium":"TAPE"}"#,
        r#"{"deleteDate":7}"#,
        "[]",
    ] {
        assert_eq!(api.json("PUT", &one(2), body).await.status, 400, "{body}");
    }
    assert_eq!(api.json("PUT", &one(2), "{}").await.code(), "not.found");
    let bad = api
        .json("PUT", &format!("{}?clearExport=2", one(1)), "{}")
        .await;
    assert_eq!(bad.code(), "invalid.value");
}

#[tokio::test]
async fn a_restore_takes_as_long_as_the_scenario_says_and_for_all_clients_the_same() {
    let mock = Product::start(&["platform.archive.restore=60s"]).await;
    let added = mock.add(r#"{"visible": {}}"#).await;
    let path = added.metadata().replace("recordingmetadata", "recordings");
    let clients = [mock.client(0).await, mock.client(1).await];
    let put = async |api: &Http, date: &str| {
        let body = json!({ "archiveDate": date }).to_string();
        api.json("PUT", &path, &body).await.json()["fileState"].clone()
    };
    for api in &clients {
        assert_eq!(put(api, "2020-01-01").await, "ARCHIVED");
        assert_eq!(put(api, "2090-01-01T00:00:00Z").await, "RESTORING");
    }
    for (by, state) in [
        ("50s", "RESTORING"),
        ("9s", "RESTORING"),
        ("1s", "RESTORED"),
    ] {
        mock.advance(by).await;
        for api in &clients {
            assert_eq!(api.get(&path).await.json()["fileState"], state, "{by}");
        }
    }
}

#[tokio::test]
async fn protection_is_a_legal_hold_once_it_has_arrived_or_what_was_said() {
    let mut spec = platform();
    spec.kinds.webrtc.groups[2].source = GroupSource::Nobody;
    let world = World::start(spec).await;
    let api = world.tenant(0).await;
    // The hold of the first has arrived; that of the second never does; the third has none.
    world.end_call(1, Kind::Sip, Hold::Held);
    world.end_call(2, Kind::Webrtc, Hold::Held);
    world.end_call(3, Kind::Sip, Hold::Free);
    let three = [1, 2, 3].map(|i| conversation(i).to_string());
    let ids = json!({"conversationIds": three});
    let ask = async || {
        let found = api.json("POST", PROTECTION, &ids.to_string()).await.json();
        let found = found.as_array().unwrap().iter();
        found
            .map(|one| one["id"].as_str().unwrap().to_owned())
            .collect::<Vec<_>>()
    };
    assert_eq!(ask().await, [conversation(1).to_string()]);
    let some = json!({"conversationIds": [conversation(3).to_string(), "nobody", conversation(9).to_string()]});
    let said = api.json("PUT", PROTECTION, &some.to_string()).await;
    let failed = said.json()["failedUpdates"].clone();
    assert_eq!(failed.as_array().unwrap().len(), 2, "{failed}");
    assert_eq!(failed[0]["conversation"]["id"], "nobody");
    assert_eq!(failed[0]["errorCode"], "not.found");
    assert_eq!(ask().await, [1, 3].map(|i| conversation(i).to_string()));
    let deletion = r#"{"deleteDate":"2026-03-01"}"#;
    let kept = api.json("PUT", &one(3), deletion).await.json();
    assert_eq!(
        kept["fileState"], "AVAILABLE",
        "what is protected is not deleted"
    );
    api.json(
        "PUT",
        &format!("{PROTECTION}?protect=false"),
        &ids.to_string(),
    )
    .await;
    assert!(ask().await.is_empty());
    assert_eq!(api.get(&one(3)).await.json()["fileState"], "DELETED");
    let many = json!({"conversationIds": vec!["x"; 101]});
    for (body, code) in [
        (many.to_string(), "limit.exceeded"),
        ("{}".to_owned(), "bad.request"),
        (r#"{"conversationIds":"x"}"#.to_owned(), "bad.request"),
        (r#"{"conversationIds":[1]}"#.to_owned(), "bad.request"),
    ] {
        for method in ["POST", "PUT"] {
            assert_eq!(
                api.json(method, PROTECTION, &body).await.code(),
                code,
                "{method}"
            );
        }
    }
}

#[tokio::test]
async fn the_retention_query_shows_every_recording_once_and_what_was_exported() {
    let world = World::start(platform()).await;
    let api = world.tenant(0).await;
    for index in 0..7 {
        world.end_call(index, Kind::Sip, Hold::Free);
    }
    let job = api
        .json("POST", JOBS, &export_of(&[conversation(2).to_string()]))
        .await
        .json();
    let job = job["selfUri"].as_str().unwrap();
    api.json("PUT", job, r#"{"state":"PROCESSING"}"#).await;
    until(async || Some(api.get(job).await.json()).filter(|job| job["state"] == "FULFILLED")).await;
    let mut path =
        "/api/v2/recordings/retention/query?retentionThresholdDays=0&pageSize=3".to_owned();
    let mut seen = Vec::new();
    loop {
        let page = api.get(&path).await.json();
        seen.extend(page["entities"].as_array().unwrap().clone());
        let Some(next) = page["nextUri"].as_str() else {
            break;
        };
        path = next.to_owned();
    }
    let ids: Vec<_> = seen
        .iter()
        .map(|one| one["recordingId"].as_str().unwrap())
        .collect();
    let expected: Vec<_> = (0..7).map(|index| recording(index).to_string()).collect();
    assert_eq!(ids, expected);
    for (index, one) in seen.iter().enumerate() {
        assert_eq!(one["exportedDate"].is_string(), index == 2, "{one}");
        assert_eq!(one["exportDate"].is_string(), index == 2, "{one}");
    }
    let query = "/api/v2/recordings/retention/query";
    let old = api
        .get(&format!("{query}?retentionThresholdDays=1"))
        .await
        .json();
    assert_eq!(old["entities"], json!([]));
    for (params, code) in [
        ("", "bad.request"),
        ("?retentionThresholdDays=-1", "invalid.value"),
        ("?retentionThresholdDays=0&pageSize=501", "invalid.value"),
        ("?retentionThresholdDays=0&cursor=x", "invalid.value"),
    ] {
        assert_eq!(
            api.get(&format!("{query}{params}")).await.code(),
            code,
            "{params}"
        );
    }
}

#[tokio::test]
async fn annotations_are_kept_as_they_were_said() {
    let world = World::start(platform()).await;
    let api = world.tenant(0).await;
    world.end_call(1, Kind::Sip, Hold::Free);
    let base = format!("{}/annotations", one(1));
    assert_eq!(api.get(&base).await.json(), json!([]));
    let said =
        json!({"name": "n", "type": "pause", "location": 5, "durationMs": 7.0, "reason": "Hold"});
    let made = api.json("POST", &base, &said.to_string()).await.json();
    assert_eq!(
        (&made["location"], &made["durationMs"], &made["reason"]),
        (&json!(5), &json!(7), &json!("Hold"))
    );
    let path = made["selfUri"].as_str().unwrap();
    assert_eq!(api.get(path).await.json(), made);
    assert_eq!(api.get(&one(1)).await.json()["annotations"], json!([made]));
    let changed = api.json("PUT", path, r#"{"description":"d"}"#).await.json();
    assert_eq!(
        (&changed["description"], changed.get("location")),
        (&json!("d"), None)
    );
    assert_eq!(api.json("DELETE", path, "").await.status, 204);
    for method in ["GET", "DELETE"] {
        assert_eq!(api.json(method, path, "").await.code(), "not.found");
    }
    let long = json!({"description": "x".repeat(501)}).to_string();
    for (body, code) in [
        (long.as_str(), "invalid.value"),
        (r#"{"reason":"Lunch"}"#, "invalid.value"),
        (r#"{"location":1.5}"#, "bad.request"),
        ("null", "bad.request"),
    ] {
        assert_eq!(api.json("POST", &base, body).await.code(), code, "{body}");
    }
    let elsewhere = format!("{}/annotations", one(2));
    assert_eq!(api.json("POST", &elsewhere, "{}").await.code(), "not.found");
}

#[tokio::test]
async fn media_without_metadata_is_an_orphan_until_it_is_adopted_or_metadata_comes() {
    let mut spec = platform();
    spec.kinds.webrtc.metadata_lag = millis(3_600_000);
    let world = World::start(spec).await;
    let api = world.tenant(0).await;
    for index in 1..=3 {
        world.end_call(index, Kind::Webrtc, Hold::Free);
    }
    world.end_call(4, Kind::Sip, Hold::Free);
    let base = "/api/v2/orphanrecordings";
    let listed = async || {
        let page = api.get(base).await.json();
        page["entities"]
            .as_array()
            .unwrap()
            .iter()
            .map(|one| one["id"].clone())
            .collect::<Vec<_>>()
    };
    assert_eq!(
        listed().await,
        (1..=3)
            .map(|i| json!(recording(i).to_string()))
            .collect::<Vec<_>>()
    );
    let path = format!("{base}/{}", recording(1));
    let orphan = api.get(&path).await.json();
    assert_eq!(orphan["orphanStatus"], "CONVERSATION_NOT_EVALUATED");
    assert_eq!(
        (&orphan["mediaType"], &orphan["providerType"]),
        (&json!("CALL"), &json!("EDGE"))
    );
    assert_eq!(
        api.get(&format!("{path}/media")).await.status,
        202,
        "no audio was stored"
    );
    world
        .service
        .store_media(racegate_model::ids::RecordingIndex(1), "OggS".into())
        .unwrap();
    let media = api.get(&format!("{path}/media")).await;
    assert_eq!((media.status, media.text.as_str()), (200, "OggS"));
    let adopted = api
        .json("PUT", &path, r#"{"deleteDate":"2027-01-01"}"#)
        .await
        .json();
    assert_eq!(adopted["deleteDate"], "2027-01-01T00:00:00.000Z");
    assert_eq!(api.get(&path).await.code(), "not.found");
    let second = format!("{base}/{}", recording(2));
    assert_eq!(
        api.json("DELETE", &second, "").await.json()["id"],
        recording(2).to_string()
    );
    assert_eq!(listed().await, [json!(recording(3).to_string())]);
    assert_eq!(api.get(&one(2)).await.json()["fileState"], "DELETED");
}

#[tokio::test]
async fn what_is_no_orphan_or_makes_no_sense_of_one_is_refused() {
    let mut spec = platform();
    spec.kinds.webrtc.metadata_lag = millis(3_600_000);
    let world = World::start(spec).await;
    let api = world.tenant(0).await;
    world.end_call(3, Kind::Webrtc, Hold::Free);
    world.end_call(4, Kind::Sip, Hold::Free);
    let base = "/api/v2/orphanrecordings";
    let third = format!("{base}/{}", recording(3));
    let foreign = json!({"conversationId": conversation(1).to_string()}).to_string();
    for (body, code) in [
        (foreign.as_str(), "bad.request"),
        (r#"{"exportDate":"2027-01-01"}"#, "bad.request"),
    ] {
        assert_eq!(api.json("PUT", &third, body).await.code(), code);
    }
    assert_eq!(
        api.get(&format!("{base}/{}", recording(4))).await.code(),
        "not.found"
    );
    assert_eq!(
        api.get(&format!("{base}?media=Fax")).await.code(),
        "invalid.value"
    );
    assert_eq!(
        api.get(&format!("{base}?media=Chat")).await.json()["entities"],
        json!([])
    );
}

/// Four recordings: the first is still uploading, the last is in the archive.
async fn with_four_recordings() -> (World, Http) {
    let mut spec = platform();
    spec.kinds.webrtc.media_lag = millis(400);
    let delays = ApiDelays {
        batch_discovery: Duration::from_millis(200),
        ..ApiDelays::default()
    };
    let config = ApiConfig {
        delays,
        ..ApiConfig::new(EPOCH)
    };
    let clock = RunClock::dialled(Timestamp::ZERO, Pace::MANUAL);
    let world = World::start_on(clock, spec, config).await;
    for index in 1..=4 {
        let kind = if index == 1 { Kind::Webrtc } else { Kind::Sip };
        world.end_call(index, kind, Hold::Free);
        let audio = format!("OggS {index}").into();
        let index = racegate_model::ids::RecordingIndex(index);
        world.service.store_media(index, audio).unwrap();
    }
    let api = world.tenant(0).await;
    let path = one(4);
    let archived = api.json("PUT", &path, r#"{"archiveDate":"2026-03-01"}"#);
    assert_eq!(archived.await.status, 200);
    (world, api)
}

#[tokio::test]
async fn a_batch_expects_nothing_until_it_has_looked() {
    let (world, api) = with_four_recordings().await;
    let ask = |index: u64| json!({"conversationId": conversation(index).to_string()});
    let items = json!([
        ask(1), ask(2), ask(4), ask(5),
        {"conversationId": conversation(3).to_string(), "recordingId": recording(3).to_string()},
        {"conversationId": conversation(3).to_string(), "recordingId": recording(2).to_string()},
    ]);
    let body = json!({"batchDownloadRequestList": items}).to_string();
    let made = api.json("POST", BATCHES, &body).await;
    assert_eq!(made.status, 200);
    let path = made.json()["selfUri"].as_str().unwrap().to_owned();
    let early = api.get(&path).await.json();
    assert_eq!(early["status"], "InProgress");
    assert_eq!(
        (&early["expectedResultCount"], &early["resultCount"]),
        (&json!(0), &json!(0))
    );
    world.advance(Duration::from_millis(200));
    let found = api.get(&path).await.json();
    assert_eq!(found["status"], "InProgress", "one is still uploading");
    assert_eq!(
        (&found["expectedResultCount"], &found["resultCount"]),
        (&json!(6), &json!(5))
    );
    world.advance(Duration::from_millis(200));
    let done = get_here(&api, &path).await;
    assert_eq!(done["status"], "Completed");
    assert_eq!(
        (&done["resultCount"], &done["errorCount"]),
        (&json!(6), &json!(3)),
        "{done}"
    );
    for result in done["results"].as_array().unwrap() {
        let Some(url) = result["resultUrl"].as_str() else {
            assert!(result["errorMsg"].is_string(), "{result}");
            continue;
        };
        let audio = follow(&api, url).await;
        assert_eq!((audio.status, &audio.text[..4]), (200, "OggS"));
        assert_eq!(audio.header("content-type"), Some("audio/ogg"));
        let tampered = url.replacen("expires=1", "expires=2", 1);
        let refused = follow(&api, &tampered).await;
        assert_eq!(
            (refused.status, refused.code().as_str()),
            (403, "not.authorized")
        );
    }
    assert_eq!(world.tenant(1).await.get(&path).await.code(), "not.found");
}

#[tokio::test]
async fn a_batch_of_nothing_or_too_much_is_refused() {
    let world = World::start(platform()).await;
    let api = world.tenant(0).await;
    for body in [
        r#"{"batchDownloadRequestList":[]}"#,
        "{}",
        r#"{"batchDownloadRequestList":[{}]}"#,
    ] {
        assert_eq!(api.json("POST", BATCHES, body).await.status, 400, "{body}");
    }
    let many =
        json!({"batchDownloadRequestList": vec![json!({"conversationId": "x"}); 101]}).to_string();
    assert_eq!(
        api.json("POST", BATCHES, &many).await.code(),
        "invalid.value"
    );
}

#[tokio::test]
async fn a_signed_address_needs_no_token_and_no_other_leads_anywhere() {
    let clock = RunClock::dialled(Timestamp::ZERO, Pace::MANUAL);
    let world = World::start_on(clock, platform(), ApiConfig::new(EPOCH)).await;
    let api = world.tenant(0).await;
    world.end_call(1, Kind::Sip, Hold::Free);
    world
        .service
        .store_media(racegate_model::ids::RecordingIndex(1), "OggS".into())
        .unwrap();
    let named = format!("{}?download=true&fileName=a%22%0Ab.ogg", one(1));
    let url = get_here(&api, &named).await["mediaUris"]["0"]["mediaUri"]
        .as_str()
        .unwrap()
        .to_owned();
    let audio = follow(&api, &url).await;
    assert_eq!(audio.text, "OggS");
    assert_eq!(
        audio.header("content-disposition"),
        Some("attachment; filename=\"ab.ogg\"")
    );
    let own_name = format!("attachment; filename=\"{}.ogg\"", recording(1));
    for (query, saved) in [
        ("?download=true", Some(own_name.as_str())),
        ("?download=true&fileName=", Some(own_name.as_str())),
        ("?download=false&fileName=a.ogg", None),
        ("?formatId=WAV&mediaFormats=MP3,WEBM&locale=de", None),
    ] {
        let shown = get_here(&api, &format!("{}{query}", one(1))).await;
        let audio = follow(&api, shown["mediaUris"]["0"]["mediaUri"].as_str().unwrap()).await;
        assert_eq!(audio.header("content-disposition"), saved, "{query}");
        assert_eq!(
            (audio.header("content-type"), &*audio.text),
            (Some("audio/ogg"), "OggS"),
            "it is called what it is, whatever was asked for: {query}"
        );
    }
    let organization = &world.tenant_config(0).organization;
    let other = &world.tenant_config(1).organization;
    world.advance(Duration::from_secs(3599));
    assert_eq!(follow(&api, &url).await.status, 200);
    for wrong in [
        url.split('?').next().unwrap().to_owned(),
        url.replace(organization.as_str(), other),
        url.replace("signature=", "signature=AA"),
        url.replace("/downloads/", "/downloads/..%2f"),
    ] {
        let refused = follow(&api, &wrong).await;
        assert_eq!(
            (refused.status, refused.code().as_str()),
            (403, "not.authorized"),
            "{wrong}"
        );
    }
    world.advance(Duration::from_secs(1));
    let expired = follow(&api, &url).await;
    assert_eq!(expired.json()["message"], "The address has expired.");
}
