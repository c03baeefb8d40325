//! Our client against our server, and against servers that misbehave.

use std::time::Duration as StdDuration;

use mock_api::http::wire::truth_of_call;
use mock_api::http::{ApiClient, ApiConfig, ConnectError, JobRefusal};
use racegate_model::exporter::Reply;
use racegate_model::field::{Field, FieldSet, Kind};
use racegate_model::ids::{RecordingIndex, TenantIndex};
use racegate_model::org::JobState;
use racegate_model::scenario::{ExportPolicy, GroupSource, RateLimit, ReadPath, WebhookEvent};
use racegate_model::time::Duration;
use racegate_model::timeline::Hold;
use wiremock::matchers::{method, path};
use wiremock::{Mock, MockServer, ResponseTemplate};

use crate::support::{EPOCH, SEED, World, conversation, millis, platform, recording};

#[tokio::test]
async fn the_client_sees_what_the_tenant_sees() {
    let mut spec = platform();
    spec.kinds.webrtc.groups[2].source = GroupSource::Nobody;
    spec.index.lag = millis(60_000);
    let world = World::start(spec).await;
    let client = ApiClient::connect(world.client_config(0)).await.unwrap();
    assert_eq!(
        client.recording(recording(1), ReadPath::Primary).await,
        Reply::NotFound
    );
    let call = world.end_call(1, Kind::Webrtc, Hold::Held);
    let truth = truth_of_call(SEED, EPOCH, &call);
    let tenant = world.service.tenant(TenantIndex(0)).unwrap();
    for path in [ReadPath::Primary, ReadPath::Index] {
        let expected = tenant
            .view(&world.service, world.clock.now(), call.index, path)
            .unwrap();
        let seen = client
            .recording(recording(1), path)
            .await
            .map(|body| body.view(&truth));
        assert_eq!(seen, Reply::Done(expected), "{path:?}");
    }
    let expected = tenant.view(
        &world.service,
        world.clock.now(),
        call.index,
        ReadPath::Primary,
    );
    let metadata = client
        .recording_metadata(conversation(1), recording(1))
        .await;
    assert_eq!(
        metadata.map(|body| body.view(&truth)),
        Reply::Done(expected.unwrap())
    );
}

#[tokio::test]
async fn the_client_runs_a_job() {
    let world = World::start(platform()).await;
    let client = ApiClient::connect(world.client_config(0)).await.unwrap();
    for index in 0..300 {
        world.end_call(index, Kind::Sip, Hold::Free);
    }
    let created = client
        .create_job(world.clock.now(), (0..300).map(conversation))
        .await;
    let Reply::Done(job) = created else {
        panic!("{created:?}")
    };
    assert_eq!(client.job(&job).await, Reply::Done(JobState::Ready));
    assert_eq!(client.start_job(&job).await, Reply::Done(Vec::new()));
    while client.job(&job).await != Reply::Done(JobState::Fulfilled) {
        tokio::time::sleep(StdDuration::from_millis(5)).await;
    }
    assert_eq!(client.cancel_job(&job).await, Reply::BadRequest);
    let stranger = ApiClient::connect(world.client_config(1)).await.unwrap();
    assert_eq!(stranger.job(&job).await, Reply::NotFound);
}

#[tokio::test]
async fn a_strict_refusal_comes_back_as_fields() {
    let mut spec = platform();
    spec.export.policy = ExportPolicy::Strict;
    spec.kinds.webrtc.groups[0].source = GroupSource::Nobody;
    let world = World::start(spec).await;
    let client = ApiClient::connect(world.client_config(0)).await.unwrap();
    world.end_call(1, Kind::Webrtc, Hold::Free);
    world.end_call(2, Kind::Sip, Hold::Free);
    let created = client
        .create_job(world.clock.now(), [1, 2].map(conversation))
        .await;
    let Reply::Done(job) = created else {
        panic!("{created:?}")
    };
    let fields: FieldSet = [Field::MediaType, Field::StartTime, Field::EndTime]
        .into_iter()
        .collect();
    let missing = client.start_job(&job).await;
    assert_eq!(missing, Reply::Done(vec![(RecordingIndex(1), fields)]));
    assert_eq!(client.job(&job).await, Reply::Done(JobState::Cancelled));
    assert_eq!(client.start_job(&job).await, Reply::BadRequest);
}

#[tokio::test]
async fn a_job_too_many_may_be_tried_again_however_it_is_refused() {
    use JobRefusal::{BadRequest, Conflict, TooManyRequests};
    for job_refusal in [TooManyRequests, BadRequest, Conflict] {
        let mut spec = platform();
        spec.export.latency = millis(60_000);
        let config = ApiConfig {
            job_refusal,
            ..ApiConfig::new(EPOCH)
        };
        let world = World::start_with(spec, config).await;
        let client = ApiClient::connect(world.client_config(0)).await.unwrap();
        let now = world.clock.now();
        let mut jobs = Vec::new();
        for _ in 0..3 {
            let created = client.create_job(now, []).await;
            let Reply::Done(job) = created else {
                panic!("{created:?}")
            };
            jobs.push(job);
        }
        for job in &jobs[..2] {
            assert_eq!(client.start_job(job).await, Reply::Done(Vec::new()));
        }
        let wait = Reply::Throttled(Duration::from_secs(1));
        assert_eq!(client.start_job(&jobs[2]).await, wait, "{job_refusal:?}");
        let created = client.create_job(now, []).await;
        assert_eq!(created.map(drop), Reply::Throttled(Duration::from_secs(1)));
        assert_eq!(client.cancel_job(&jobs[0]).await, Reply::Done(()));
        assert_eq!(client.start_job(&jobs[2]).await, Reply::Done(Vec::new()));
    }
}

#[tokio::test]
async fn a_throttled_client_learns_how_long_to_the_millisecond() {
    let mut spec = platform();
    spec.api.rate_limit = Some(RateLimit {
        calls: 1,
        window: Duration::from_secs(3600),
    });
    let world = World::start(spec).await;
    let client = ApiClient::connect(world.client_config(0)).await.unwrap();
    assert_eq!(
        client.recording(recording(1), ReadPath::Primary).await,
        Reply::NotFound
    );
    let before = world.clock.now();
    let reply = client.recording(recording(1), ReadPath::Primary).await;
    let Reply::Throttled(wait) = reply else {
        panic!("{reply:?}")
    };
    let until_reset = Duration::from_secs(3600).as_nanos() - before.as_nanos();
    assert!(
        until_reset.abs_diff(wait.as_nanos()) < 1_000_000_000,
        "{wait}"
    );
    assert_ne!(
        wait.as_nanos() % 1_000_000_000,
        0,
        "whole seconds would be the coarse header"
    );
}

#[tokio::test]
async fn webhooks_are_subscribed_and_unsubscribed() {
    let world = World::start(platform()).await;
    let client = ApiClient::connect(world.client_config(0)).await.unwrap();
    let made = client
        .subscribe_webhook(WebhookEvent::MetadataReady, "http://127.0.0.1:9/")
        .await;
    let Reply::Done(trigger) = made else {
        panic!("{made:?}")
    };
    assert_eq!(client.unsubscribe_webhook(&trigger).await, Reply::Done(()));
    assert_eq!(client.unsubscribe_webhook(&trigger).await, Reply::NotFound);
    let elsewhere = client
        .subscribe_webhook(WebhookEvent::SessionEnded, "http://10.0.0.1/")
        .await;
    assert_eq!(elsewhere, Reply::BadRequest);
}

#[tokio::test]
async fn connecting_fails_for_a_reason() {
    let world = World::start(platform()).await;
    let mut config = world.client_config(0);
    config.credentials.client_secret = "guess".into();
    assert_eq!(
        ApiClient::connect(config.clone()).await.unwrap_err(),
        ConnectError::Refused
    );
    config.base = "ftp://127.0.0.1".into();
    let bad = ApiClient::connect(config.clone()).await.unwrap_err();
    assert_eq!(bad, ConnectError::BadUrl("ftp://127.0.0.1".into()));
    config.base = "http://127.0.0.1:9".into();
    assert_eq!(
        ApiClient::connect(config).await.unwrap_err(),
        ConnectError::Unreachable
    );
}

#[tokio::test]
async fn a_lost_token_is_renewed_once_and_nonsense_is_no_answer() {
    let world = World::start(platform()).await;
    let server = MockServer::start().await;
    let token = ResponseTemplate::new(200).set_body_string(r#"{"access_token":"t"}"#);
    Mock::given(path("/oauth/token"))
        .respond_with(token)
        .expect(2)
        .mount(&server)
        .await;
    let get = || Mock::given(method("GET"));
    get()
        .respond_with(ResponseTemplate::new(401))
        .up_to_n_times(1)
        .mount(&server)
        .await;
    let strange =
        r#"{"state":7,"legal_hold_flag":"yes","media_type":null,"metadata":{"end_time":[]}}"#;
    let body = ResponseTemplate::new(200).set_body_string(strange);
    get()
        .respond_with(body)
        .up_to_n_times(1)
        .mount(&server)
        .await;
    get()
        .respond_with(ResponseTemplate::new(200).set_body_string("<html>"))
        .mount(&server)
        .await;
    let mut config = world.client_config(0);
    config.base = server.uri();
    let client = ApiClient::connect(config).await.unwrap();
    let call = world.end_call(1, Kind::Sip, Hold::Free);
    let truth = truth_of_call(SEED, EPOCH, &call);
    let reply = client.recording(recording(1), ReadPath::Primary).await;
    let Reply::Done(body) = reply else {
        panic!("{reply:?}")
    };
    let view = body.view(&truth);
    let said: FieldSet = [Field::LegalHoldFlag, Field::EndTime].into_iter().collect();
    assert_eq!((view.present, view.wrong), (said, said));
    assert_eq!(view.null, FieldSet::EMPTY.with(Field::MediaType));
    assert_eq!(
        client.recording(recording(1), ReadPath::Primary).await,
        Reply::Unavailable
    );
}

#[tokio::test]
async fn a_server_shuts_down_with_its_clients_connected() {
    let world = World::start(platform()).await;
    let client = ApiClient::connect(world.client_config(0)).await.unwrap();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let router = axum::Router::new().route("/", axum::routing::get(|| async { "x" }));
    let server = mock_api::http::serve_router(listener, router, Default::default()).unwrap();
    let stream = tokio::net::TcpStream::connect(server.address())
        .await
        .unwrap();
    let stopped = tokio::time::timeout(StdDuration::from_secs(3), server.shutdown()).await;
    assert!(stopped.is_ok(), "an idle connection does not hold it up");
    drop(stream);
    assert_eq!(
        client.recording(recording(1), ReadPath::Primary).await,
        Reply::NotFound
    );
}
