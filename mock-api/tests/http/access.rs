//! Who may do what: clients, permissions, scopes, and tokens that are good no more.

use std::collections::BTreeMap;

use mock_api::clock::{Pace, RunClock};
use mock_api::http::{ApiConfig, FurtherClient, Permissions};
use mock_api::service::Credentials;
use mock_api::storage::sidecar::Dialect;
use racegate_model::field::Kind;
use racegate_model::ids::TenantIndex;
use racegate_model::time::{Duration, Timestamp};
use racegate_model::timeline::Hold;

use crate::support::{Answer, EPOCH, Http, World, conversation, export_of, platform, recording};

const JOBS: &str = "/api/v2/recording/jobs";
const START: &str = r#"{"state":"PROCESSING"}"#;

/// A configuration with a colleague in the first organization, who may do only so much.
fn with_colleague(permissions: Permissions) -> ApiConfig {
    let credentials = Credentials {
        client_id: "colleague".into(),
        client_secret: "secret".into(),
    };
    ApiConfig {
        further_clients: vec![FurtherClient {
            tenant: TenantIndex(0),
            credentials,
        }],
        permissions: BTreeMap::from([("colleague".to_owned(), permissions)]),
        ..ApiConfig::new(EPOCH)
    }
}

/// What a client is answered that logs in with `more` in its form.
async fn token_answer(world: &World, id: &str, secret: &str, more: &str) -> Answer {
    let form = format!("grant_type=client_credentials&client_id={id}&client_secret={secret}{more}");
    let head = "content-type: application/x-www-form-urlencoded\r\n";
    world.api().send("POST", "/oauth/token", head, &form).await
}

async fn log_in(world: &World, id: &str, secret: &str, more: &str) -> Http {
    let granted = token_answer(world, id, secret, more).await;
    assert_eq!(granted.status, 200, "{}", granted.text);
    Http {
        token: granted.json()["access_token"].as_str().map(str::to_owned),
        ..world.api()
    }
}

#[tokio::test]
async fn a_client_may_do_what_it_was_permitted() {
    let view = Permissions::only(["recording:recording:view"]);
    let world = World::start_with(platform(), with_colleague(view)).await;
    world.end_call(1, Kind::Sip, Hold::Free);
    let guest = log_in(&world, "colleague", "secret", "").await;
    let recordings = format!("/api/v2/conversations/{}/recordings", conversation(1));
    let one = format!("{recordings}/{}", recording(1));
    assert_eq!(guest.get(&recordings).await.status, 200);
    let notes = format!("{one}/annotations");
    let query = export_of(&[]);
    let details = "/api/v2/analytics/conversations/details/query";
    let orphans = "/api/v2/orphanrecordings";
    let protection = "/api/v2/recordings/deletionprotection";
    let settings = "/api/v2/recording/settings";
    for (method, path, body, permission) in [
        ("GET", JOBS, "", "recording:job:view"),
        ("POST", JOBS, query.as_str(), "recording:job:add"),
        ("GET", orphans, "", "recording:orphan:view"),
        (
            "POST",
            details,
            r#"{"interval":"2026-03-01/2026-03-30"}"#,
            "analytics:conversationDetail:view",
        ),
        (
            "PUT",
            one.as_str(),
            "{}",
            "recording:recording:editRetention",
        ),
        ("GET", notes.as_str(), "", "recording:annotation:view"),
        ("POST", notes.as_str(), "{}", "recording:annotation:add"),
        (
            "PUT",
            protection,
            r#"{"conversationIds":[]}"#,
            "recording:deletionProtection:apply",
        ),
        ("GET", settings, "", "recording:settings:view"),
        (
            "POST",
            "/api/v2/processautomation/triggers",
            "{}",
            "processautomation:trigger:add",
        ),
    ] {
        let refused = guest.json(method, path, body).await;
        assert_eq!(
            (refused.status, refused.code().as_str()),
            (403, "missing.permissions"),
            "{method} {path}"
        );
        let shown = refused.json();
        let message = shown["message"].as_str().unwrap();
        assert!(message.contains(permission), "{method} {path}: {message}");
        let params = shown["messageParams"]["permissions"].as_str().unwrap();
        assert!(params.contains(permission), "{params}");
    }
    let revoke = guest
        .json(
            "PUT",
            &format!("{protection}?protect=false"),
            r#"{"conversationIds":[]}"#,
        )
        .await;
    assert!(revoke.text.contains("recording:deletionProtection:revoke"));
}

#[tokio::test]
async fn a_job_is_started_by_who_created_it_and_listed_for_all() {
    let world = World::start_with(platform(), with_colleague(Permissions::All)).await;
    world.end_call(1, Kind::Sip, Hold::Free);
    let (owner, colleague) = (
        world.tenant(0).await,
        log_in(&world, "colleague", "secret", "").await,
    );
    let made = owner
        .json("POST", JOBS, &export_of(&[conversation(1).to_string()]))
        .await;
    let path = made.json()["selfUri"].as_str().unwrap().to_owned();
    let refused = colleague.json("PUT", &path, START).await;
    assert_eq!(
        (refused.status, refused.code().as_str()),
        (403, "not.authorized")
    );
    assert_eq!(
        colleague.get(&path).await.status,
        200,
        "an organization's jobs are visible to it"
    );
    for (api, mine) in [(&owner, 1), (&colleague, 0)] {
        assert_eq!(api.get(JOBS).await.json()["total"], 1);
        let own = api.get(&format!("{JOBS}?showOnlyMyJobs=true")).await.json();
        assert_eq!(own["total"], mine);
    }
    assert_eq!(owner.json("PUT", &path, START).await.status, 200);
    let stranger = world.tenant(1).await;
    assert_eq!(stranger.get(&path).await.code(), "not.found");
    let users = [&owner, &colleague, &stranger];
    let mut ids = Vec::new();
    for user in users {
        ids.push(
            user.get("/api/v2/users/me").await.json()["id"]
                .as_str()
                .unwrap()
                .to_owned(),
        );
    }
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), 3, "every client acts as a user of its own");
}

#[tokio::test]
async fn a_scope_takes_no_right_away_and_the_answer_says_what_was_granted_instead() {
    let everything = "analytics conversations notifications organization processautomation \
                      recordings routing users";
    for dialect in [Dialect::Forum, Dialect::Genesys] {
        let config = ApiConfig {
            dialect,
            ..ApiConfig::new(EPOCH)
        };
        let world = World::start_with(platform(), config).await;
        world.end_call(1, Kind::Sip, Hold::Free);
        let path = format!("/api/v2/conversations/{}/recordings", conversation(1));
        for (scope, told) in [
            ("", None),
            ("&scope=", None),
            ("&scope=recordings:read", Some(everything)),
            ("&scope=recording:export", Some(everything)),
            ("&scope=users%20nonsense", Some(everything)),
            ("&scope=%22%00%ff", Some(everything)),
            (&format!("&scope={}", everything.replace(' ', "+")), None),
        ] {
            let config = world.tenant_config(0);
            let credentials = &config.credentials;
            let answer = token_answer(
                &world,
                &credentials.client_id,
                &credentials.client_secret,
                scope,
            )
            .await;
            assert_eq!(answer.status, 200, "{scope}: {}", answer.text);
            assert_eq!(answer.header("cache-control"), Some("no-store"));
            let granted = answer.json();
            assert_eq!(granted["scope"].as_str(), told, "{scope}");
            let mut api = world.api();
            api.token = granted["access_token"].as_str().map(str::to_owned);
            assert_eq!(api.get(&path).await.status, 200, "{scope}");
            let exported = api.json("POST", JOBS, &export_of(&[])).await;
            // Two at once are the most; a third is not refused for want of rights.
            assert!(
                [202, 429].contains(&exported.status),
                "{scope}: {}",
                exported.text
            );
        }
    }
}

#[tokio::test]
async fn a_token_that_has_expired_or_is_replayed_elsewhere_is_refused() {
    let clock = RunClock::dialled(Timestamp::ZERO, Pace::MANUAL);
    let world = World::start_on(clock, platform(), ApiConfig::new(EPOCH)).await;
    let api = world.tenant(0).await;
    let day = Timestamp::ZERO + Duration::from_secs(86_399);
    let just_before = day - Duration::from_millis(1);
    let dial = clock.dial().expect("the clock can be set");
    dial.set(just_before).unwrap();
    assert_eq!(api.get(JOBS).await.status, 200);
    dial.set(day).unwrap();
    let expired = api.get(JOBS).await;
    assert_eq!(
        (expired.status, expired.code().as_str()),
        (401, "bad.credentials")
    );
    let other = World::start(platform()).await;
    let replayed = Http {
        address: other.api().address,
        token: api.token.clone(),
    };
    assert_eq!(replayed.get(JOBS).await.code(), "bad.credentials");
    for header in [
        "Bearer",
        "Bearer ",
        "Basic eDp5",
        "bearer  x",
        "Bearer \u{e9}",
    ] {
        let head = format!("authorization: {header}\r\n");
        let answer = world.api().send("GET", JOBS, &head, "").await;
        assert_eq!(answer.status, 401, "{header:?}");
        answer.code();
    }
}

#[tokio::test]
async fn who_is_asking_can_be_looked_up() {
    let world = World::start(platform()).await;
    let api = world.tenant(0).await;
    let organization = &world.tenant_config(0).organization;
    let me = api
        .get("/api/v2/users/me?expand=station,organization")
        .await
        .json();
    assert!(me["chat"]["jabberId"].as_str().unwrap().contains('@'));
    assert_eq!(
        me["station"]["effectiveStation"]["type"],
        "inin_webrtc_softphone"
    );
    assert_eq!(me["organization"]["id"], *organization);
    assert!(
        api.get("/api/v2/users/me")
            .await
            .json()
            .get("station")
            .is_none()
    );
    assert_eq!(
        api.get("/api/v2/organizations/me").await.json()["id"],
        *organization
    );
    let token = api.get("/api/v2/tokens/me").await.json();
    assert_eq!(token["organization"]["id"], *organization);

    let limits = "/api/v2/organizations/limits/namespaces";
    assert_eq!(
        api.get(&format!("{limits}?pageSize=2&pageNumber=2"))
            .await
            .json()["entities"]
            .as_array()
            .unwrap()
            .len(),
        1
    );
    let recording = api.get(&format!("{limits}/recording")).await.json();
    assert_eq!(recording["entities"][0]["value"], 2, "two jobs at once");
    assert_eq!(
        api.get(&format!("{limits}/recording/defaults"))
            .await
            .status,
        200
    );
    assert_eq!(
        api.get(&format!("{limits}/nonsense")).await.code(),
        "not.found"
    );

    let settings = "/api/v2/recording/settings";
    let mut said = api.get(settings).await.json();
    said["recordingBatchDownloadUrlTtl"] = 2.into();
    assert_eq!(
        api.json("PUT", settings, &said.to_string()).await.json(),
        said
    );
    assert_eq!(api.get(settings).await.json(), said);
    said["recordingBatchDownloadUrlTtl"] = 61.into();
    let refused = api.json("PUT", settings, &said.to_string()).await;
    assert_eq!(refused.code(), "invalid.value");
    let other = world.tenant(1).await.get(settings).await.json();
    assert_eq!(
        other["recordingBatchDownloadUrlTtl"], 60,
        "settings are an organization's own"
    );
}
