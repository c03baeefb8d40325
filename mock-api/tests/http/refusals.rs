//! Refusals say what is wrong: the field, the value, what would be right, and the entity.

use mock_api::clock::{Pace, RunClock};
use mock_api::http::ApiConfig;
use racegate_model::field::Kind;
use racegate_model::time::{Duration, Timestamp};
use racegate_model::timeline::Hold;
use serde_json::{Value, json};

use crate::mistakes::fields;
use crate::support::{EPOCH, Http, World, conversation, platform, recording};

const JOBS: &str = "/api/v2/recording/jobs";
const LATER: &str = "2027-01-01T00:00:00.000Z";

fn one(index: u64) -> String {
    let (conversation, recording) = (conversation(index), recording(index));
    format!("/api/v2/conversations/{conversation}/recordings/{recording}")
}

#[tokio::test]
async fn a_state_that_only_the_platform_sets_is_refused_and_changes_nothing() {
    let world = World::start(platform()).await;
    let api = world.tenant(0).await;
    world.end_call(1, Kind::Sip, Hold::Free);
    let path = one(1);
    let before = api.get(&path).await.json();
    for state in ["DELETED", "ERROR", "UPLOADING", "BOGUS", "available", ""] {
        let body = json!({"fileState": state, "archiveDate": LATER, "deleteDate": LATER});
        let answer = api.json("PUT", &path, &body.to_string()).await;
        assert_eq!(
            (answer.status, answer.code().as_str()),
            (400, "invalid.value"),
            "{state}"
        );
        assert_eq!(fields(&answer), ["fileState"]);
        let message = answer.json()["message"].as_str().unwrap().to_owned();
        assert!(
            message.ends_with("ARCHIVED, AVAILABLE, RESTORED, RESTORING"),
            "{message}"
        );
    }
    let wrong_type = api.json("PUT", &path, r#"{"fileState": 7}"#).await;
    assert_eq!(wrong_type.code(), "bad.request");
    assert_eq!(fields(&wrong_type), ["fileState"]);
    let after = api.get(&path).await.json();
    for key in ["fileState", "archiveDate", "deleteDate"] {
        assert_eq!(after[key], before[key], "{key}");
    }
    // Whoever changes a date sends the rest back as it was.
    for state in ["AVAILABLE", "ARCHIVED", "RESTORED", "RESTORING"] {
        let mut whole = before.clone();
        whole["fileState"] = json!(state);
        whole["deleteDate"] = json!(LATER);
        let answer = api.json("PUT", &path, &whole.to_string()).await;
        assert_eq!(answer.status, 200, "{state}: {}", answer.text);
        assert_eq!(answer.json()["fileState"], "AVAILABLE");
        assert_eq!(answer.json()["deleteDate"], LATER);
    }
}

#[tokio::test]
async fn the_archive_has_its_medium_and_what_is_restored_goes_back() {
    let clock = RunClock::dialled(Timestamp::ZERO, Pace::MANUAL);
    let world = World::start_on(clock, platform(), ApiConfig::new(EPOCH)).await;
    let api = world.tenant(0).await;
    world.end_call(1, Kind::Sip, Hold::Free);
    let path = one(1);
    let put = async |body: Value| api.json("PUT", &path, &body.to_string()).await.json();
    let past = "2026-03-01T00:00:00.000Z";
    let archived = put(json!({"archiveDate": past})).await;
    assert_eq!(
        (&archived["fileState"], &archived["archiveMedium"]),
        (&json!("ARCHIVED"), &json!("CLOUDARCHIVE"))
    );
    let metadata = path.replace("/recordings/", "/recordingmetadata/");
    let metadata = api.get(&metadata).await.json();
    assert_eq!(metadata["archiveMedium"], "CLOUDARCHIVE");
    assert_eq!(metadata["restoreExpirationTime"], Value::Null);

    let until = put(json!({"restoreExpirationTime": LATER})).await;
    assert_eq!(until["restoreExpirationTime"], LATER);
    world.advance(Duration::from_secs(1));
    assert_eq!(api.get(&path).await.json()["fileState"], "RESTORED");

    put(json!({"archiveDate": past})).await;
    let forgotten = put(json!({})).await;
    let expires = forgotten["restoreExpirationTime"].as_str().expect("a date");
    assert_eq!(forgotten["archiveDate"], expires, "it goes back then");
    assert!(
        expires > "2026-03-17" && expires < "2026-03-18",
        "{expires}"
    );
    world.advance(Duration::from_secs(9 * 86_400));
    let api = world.tenant(0).await;
    let restored = api.get(&path).await.json();
    assert_eq!(
        (&restored["fileState"], &restored["restoreExpirationTime"]),
        (&json!("RESTORED"), &json!(expires))
    );
    world.advance(Duration::from_secs(2 * 86_400));
    let api = world.tenant(0).await;
    let put = async |body: Value| api.json("PUT", &path, &body.to_string()).await.json();
    assert_eq!(api.get(&path).await.json()["fileState"], "ARCHIVED");

    put(json!({"archiveDate": LATER})).await;
    world.advance(Duration::from_secs(1));
    let kept = put(json!({"archiveDate": null})).await;
    assert_eq!(
        (&kept["fileState"], &kept["restoreExpirationTime"]),
        (&json!("AVAILABLE"), &Value::Null),
        "without a date on which it goes back it never went"
    );
}

const RANGE: &str = "1 to 2147483647";
const FORMATS: &str = "WAV, WEBM, WAV_ULAW, OGG_VORBIS, OGG_OPUS, MP3, NONE";
const STATES: &str = "FULFILLED, PENDING, READY, PROCESSING, CANCELLED, FAILED";
const LIST: &str = "/list";
const ONE: &str = "/one";
const USER: &str = "/api/v2/users/me";
const TOPICS: &str = "/api/v2/notifications/availabletopics";
const CHANNELS: &str = "/api/v2/notifications/channels";
const ORPHANS: &str = "/api/v2/orphanrecordings";
const RETENTION: &str = "/api/v2/recordings/retention/query";

/// Path, parameter, a value that it may not have, and what the refusal says of those it may.
const PARAMETERS: [(&str, &str, &str, &str); 25] = [
    (LIST, "maxWaitMs", "-1", RANGE),
    (LIST, "maxWaitMs", "0", RANGE),
    (LIST, "maxWaitMs", "2147483648", RANGE),
    (LIST, "maxWaitMs", "99999999999999999999999", RANGE),
    (LIST, "maxWaitMs", "soon", RANGE),
    (LIST, "maxWaitMs", "1.5", RANGE),
    (LIST, "maxWaitMs", "", RANGE),
    (LIST, "formatId", "FLAC", FORMATS),
    (LIST, "mediaFormats", "WAV,FLAC", FORMATS),
    (ONE, "maxWaitMs", "-1", RANGE),
    (ONE, "formatId", "wav", FORMATS),
    (ONE, "emailFormatId", "PST", "EML, NONE"),
    (ONE, "chatFormatId", "RAR", "ZIP, NONE"),
    (ONE, "messageFormatId", "RAR", "ZIP, NONE"),
    (ONE, "download", "maybe", "true, false"),
    (JOBS, "sortBy", "color", "userId, dateCreated"),
    (JOBS, "state", "LOST", STATES),
    (JOBS, "jobType", "BURN", "ARCHIVE, DELETE, EXPORT"),
    (JOBS, "pageSize", "101", "1 to 100"),
    (JOBS, "pageNumber", "0", RANGE),
    (RETENTION, "retentionThresholdDays", "-1", "0 to 36500"),
    (ORPHANS, "media", "Fax", "Call, Chat, Email, Screen"),
    (CHANNELS, "includechannels", "all", "token, oauthclient"),
    (USER, "expand", "foo", "routingStatus, presence"),
    (TOPICS, "expand", "foo", "description, requiresPermissions"),
];

#[tokio::test]
async fn a_parameter_out_of_its_range_is_refused_with_what_is_allowed() {
    let world = World::start(platform()).await;
    let api = world.tenant(0).await;
    world.end_call(1, Kind::Sip, Hold::Free);
    for (path, name, value, allowed) in PARAMETERS {
        let path = match path {
            LIST => format!("/api/v2/conversations/{}/recordings", conversation(1)),
            ONE => one(1),
            path => path.to_owned(),
        };
        let answer = api.get(&format!("{path}?{name}={value}")).await;
        assert_eq!(
            (answer.status, answer.code().as_str()),
            (400, "invalid.value"),
            "{path}?{name}={value}: {}",
            answer.text
        );
        assert_eq!(fields(&answer), [name]);
        let message = answer.json()["message"].as_str().unwrap().to_owned();
        assert!(message.contains(allowed), "{message}");
    }
    let twice = api.get(&format!("{JOBS}?pageSize=5&pageSize=5")).await;
    assert_eq!(fields(&twice), ["pageSize"], "{}", twice.text);
    let foo = format!("{CHANNELS}?connectionType=foo");
    let foo = api.json("POST", &foo, "null").await;
    assert_eq!(
        (foo.status, fields(&foo)),
        (400, vec!["connectionType".to_owned()])
    );
    let streaming = format!("{CHANNELS}?connectionType=streaming");
    let streaming = api.json("POST", &streaming, "null").await;
    assert_eq!(streaming.status, 200, "{}", streaming.text);
    let known = format!("{USER}?expand=station,presence&expand=organization");
    let known = api.get(&known).await.json();
    assert!(known["station"].is_object() && known["organization"].is_object());
}

const UNKNOWN: &str = "00000000-0000-4000-8000-000000000000";

/// Paths with an id that nothing has, and what there is none of. `{c}` is a conversation that is
/// there, `{r}` its recording.
const NOT_THERE: [(&str, &str); 14] = [
    ("/api/v2/conversations/{x}", "conversation"),
    ("/api/v2/conversations/calls/{x}", "conversation"),
    ("/api/v2/conversations/{x}/recordings", "conversation"),
    ("/api/v2/conversations/{x}/recordings/{r}", "conversation"),
    ("/api/v2/conversations/{c}/recordings/{x}", "recording"),
    (
        "/api/v2/conversations/{c}/recordings/{r}/annotations/{x}",
        "annotation",
    ),
    ("/api/v2/recordings/recording/{x}", "recording"),
    ("/api/v2/recording/jobs/{x}", "recordingJob"),
    ("/api/v2/recording/batchrequests/{x}", "batchDownloadJob"),
    (
        "/api/v2/recording/uploads/reports/{x}",
        "recordingUploadReport",
    ),
    (
        "/api/v2/analytics/conversations/details/jobs/{x}",
        "analyticsJob",
    ),
    ("/api/v2/processautomation/triggers/{x}", "trigger"),
    ("/api/v2/orphanrecordings/{x}", "orphanRecording"),
    (
        "/api/v2/notifications/channels/{x}/subscriptions",
        "channel",
    ),
];

#[tokio::test]
async fn what_is_not_found_is_named() {
    let world = World::start(platform()).await;
    let api = world.tenant(0).await;
    world.end_call(1, Kind::Sip, Hold::Free);
    for (path, entity) in NOT_THERE {
        let path = path
            .replace("{c}", &conversation(1).to_string())
            .replace("{r}", &recording(1).to_string());
        for id in [UNKNOWN, "not-a-uuid"] {
            let answer = api.get(&path.replace("{x}", id)).await;
            let said = (answer.status, answer.code());
            assert_eq!(said, (404, "not.found".to_owned()), "{path}");
            let body = answer.json();
            assert_eq!(body["message"], "The requested resource was not found.");
            assert_eq!(
                (&body["entityName"], &body["entityId"]),
                (&json!(entity), &json!(id))
            );
        }
    }
    let route = api.get("/api/v2/nonsense").await.json();
    assert!(
        route.get("entityName").is_none(),
        "a route is no entity: {route}"
    );
    let long = api
        .get(&format!("{JOBS}/{}", "x".repeat(5000)))
        .await
        .json();
    assert_eq!(long["entityId"].as_str().unwrap().len(), 100);
}

#[tokio::test]
async fn limits_are_explained() {
    let world = World::start(platform()).await;
    let api = world.tenant(0).await;
    let docs = api.get("/api/v2/organizations/limits/docs").await;
    assert_eq!(docs.status, 200, "{}", docs.text);
    let docs = docs.json();
    assert!(
        docs["url"]
            .as_str()
            .is_some_and(|url| url.starts_with("https://"))
    );
    for namespace in docs["namespaces"].as_array().unwrap() {
        let name = namespace["name"].as_str().unwrap();
        let limits = format!("/api/v2/organizations/limits/namespaces/{name}/defaults");
        let limits = api.get(&limits).await.json();
        let pairs = |list: &Value, value: &str| -> Vec<(Value, Value)> {
            let list = list.as_array().unwrap().iter();
            list.map(|limit| (limit["key"].clone(), limit[value].clone()))
                .collect()
        };
        assert_eq!(
            pairs(&namespace["limits"], "defaultValue"),
            pairs(&limits["entities"], "value"),
            "{name}"
        );
    }
}

const JSON: &str = "content-type: application/json\r\n";
const TEXT: &str = "content-type: text/plain\r\n";
const FORM: &str = "content-type: application/x-www-form-urlencoded\r\n";
const LOGIN: &str = "/oauth/token";

/// Path, what its body is said to be, how it is packed, the body, and the status.
const WRAPPINGS: [(&str, &str, &str, &str, u16); 13] = [
    (JOBS, JSON, "gzip", "\u{1f}\u{8b}", 415),
    (JOBS, JSON, "br, gzip", "{}", 415),
    (JOBS, JSON, "identity", "{}", 400),
    (JOBS, TEXT, "", "{}", 415),
    (JOBS, "content-type: application/xml\r\n", "", "<a/>", 415),
    (
        JOBS,
        "content-type: application/json; charset=utf-16\r\n",
        "",
        "{}",
        415,
    ),
    (
        JOBS,
        "Content-Type: application/JSON; Charset=\"UTF-8\"\r\n",
        "",
        "{}",
        400,
    ),
    (JOBS, "content-type: \r\n", "", "{}", 415),
    (CHANNELS, JSON, "gzip", "null", 415),
    (CHANNELS, TEXT, "", "null", 415),
    (CHANNELS, TEXT, "", "", 200),
    (LOGIN, FORM, "deflate", "x", 415),
    (LOGIN, JSON, "", "{}", 415),
];

#[tokio::test]
async fn a_body_in_a_strange_wrapping_is_refused_as_such() {
    let world = World::start(platform()).await;
    let api = world.tenant(0).await;
    for (path, kind, coding, body, status) in WRAPPINGS {
        let coding = match coding {
            "" => String::new(),
            coding => format!("content-encoding: {coding}\r\n"),
        };
        let head = format!("{kind}{coding}");
        let answer = api.send("POST", path, &head, body).await;
        assert_eq!(answer.status, status, "{path} {head}: {}", answer.text);
        if status == 415 {
            assert_eq!(answer.code(), "unsupported.media.type", "{head}");
        }
    }
}

/// The same question to the direct path and, with a parameter that nobody asks for, to the router.
#[tokio::test]
async fn both_paths_name_what_is_not_found_alike() {
    let world = World::start(platform()).await;
    let api: Http = world.tenant(0).await;
    world.end_call(1, Kind::Sip, Hold::Free);
    let unknown = UNKNOWN;
    let mine = conversation(1);
    for path in [
        format!("/api/v2/conversations/{unknown}/recordings/{unknown}"),
        format!("/api/v2/conversations/{mine}/recordings/{unknown}"),
        format!(
            "/api/v2/conversations/{}/recordings/{}",
            conversation(2),
            recording(2)
        ),
    ] {
        let direct = api.get(&path).await;
        let routed = api.get(&format!("{path}?x=1")).await;
        assert_eq!(
            (direct.code(), routed.code()),
            ("not.found".into(), "not.found".into())
        );
        for key in ["message", "entityName", "entityId", "details"] {
            assert_eq!(direct.json()[key], routed.json()[key], "{path} {key}");
            assert!(!direct.json()[key].is_null(), "{path} {key}");
        }
    }
}
